//! The fabric: a fat tree whose links are shared max-min fairly by the flows that cross them.
//!
//! A fluid model: flows have rates, not packets. [`FlowNetwork`] is a state machine that knows nothing of GPUs or
//! requests; [`FatTree`] numbers the links and finds ways; [`Background`] takes capacity away and [`CompetingFlows`]
//! says which flows of others come when; [`Transport`] how soon a flow has its share; [`flowref`] runs reference cases.

mod allocation;
mod background;
mod background_change;
mod competing;
mod completions;
mod degraded;
mod fat_tree;
pub mod flowref;
mod max_min;
mod network;
mod place;
mod pod_factors;
mod reached;
mod recorded;
mod shape;
mod size_table;
mod steps;
mod transport;

pub use background::{Background, BackgroundConfig, ModulatedBackground};
pub use background_change::BackgroundChange;
pub use competing::{CompetingFlow, CompetingFlows, FlowBackground};
pub use degraded::{CapacityChange, Degradation, DegradedLinks, cut_off};
pub use fat_tree::{FabricConfig, FatTree, LinkKind, Path, RouteChoice, Uplinks, ecmp_hash};
pub use network::FlowNetwork;
pub use place::{Direction, LinkPlace};
pub use recorded::{RecordedShare, Recording};
pub use shape::{FabricShape, GpuPosition, Layout, NodePlace, NodeRates, Wiring};
pub use size_table::{SizePoint, SizeTable};
pub use transport::{Calibration, Transport};
