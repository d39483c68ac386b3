//! Time, quantities, ids, latency curves, named random streams and digests: the words every other crate speaks.
//!
//! All of them are integers inside. Floats appear only where a number enters (a TOML file) or leaves
//! (a column of a table), so that results do not depend on the order of additions.

mod curve;
mod digest;
mod id;
mod meter;
mod quantity;
mod random;
mod time;

pub use curve::LatencyCurve;
pub use digest::{Digest, Digester};
pub use id::{BlockId, FlowId, GpuId, InstanceId, LinkId, RequestId, Tier, TransferId};
pub use meter::Meter;
pub use quantity::{Bytes, BytesPerSec, Nanobytes};
pub use random::Stream;
pub use time::{SimDuration, SimTime};
