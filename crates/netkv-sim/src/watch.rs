//! What looks on between two events and changes nothing: the watcher of the links, and the check of conservation laws.

mod check;
mod observe;

pub(crate) use check::{Retired, check};
pub(crate) use observe::Watcher;
pub use observe::{Crossed, Observations, ObserveConfig, ObservedLink, TransferRecord};
