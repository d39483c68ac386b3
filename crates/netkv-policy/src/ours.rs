//! Our rules: the paper's idea with guards, and the choice of both ends with a price.

mod both_ends;
mod flow_book;
mod netkv_flow;
mod netkv_guarded;
mod netkv_joint;

pub use netkv_flow::FlowConfig;
pub(crate) use netkv_flow::NetKvFlow;
pub use netkv_guarded::{GuardedTerms, GuardedWeights, NetKvGuarded};
pub use netkv_joint::JointConfig;
pub(crate) use netkv_joint::NetKvJoint;
