//! The fabric: a fat tree whose links are shared max-min fairly by the flows that cross them.
//!
//! A fluid model: flows have rates, not packets. [`FlowNetwork`] is a state machine that knows nothing of GPUs or
//! requests; [`FatTree`] numbers the links and finds ways; [`Background`] takes capacity away; [`flowref`] runs
//! reference cases.

mod allocation;
mod background;
mod completions;
mod fat_tree;
pub mod flowref;
mod max_min;
mod network;
mod place;
mod steps;

pub use background::{Background, BackgroundChange, BackgroundConfig, ModulatedBackground};
pub use fat_tree::{FabricConfig, FabricShape, FatTree, LinkKind, Path, ecmp_hash};
pub use network::FlowNetwork;
pub use place::{Direction, LinkPlace};
