//! Our rules: the paper's idea with guards, and the choice of both ends with a price.

mod netkv_guarded;
mod netkv_joint;

pub use netkv_guarded::{GuardedTerms, GuardedWeights, NetKvGuarded};
pub use netkv_joint::JointConfig;
pub(crate) use netkv_joint::NetKvJoint;
