//! Time, quantities, ids, latency curves, named random streams, digests and what a mistyped name was meant to be: the
//! words every other crate speaks.
//!
//! Quantities are integers inside. Floats appear only where a number enters (a TOML file) or leaves
//! (a column of a table), so that results do not depend on the order of additions.

mod curve;
mod digest;
mod id;
mod meter;
mod names;
mod quantity;
mod random;
mod time;

pub use curve::LatencyCurve;
pub use digest::{Digest, Digester, sha256_hex};
pub use id::{BlockId, FlowId, GpuId, InstanceId, LinkId, RequestId, Tier, TransferId};
pub use meter::Meter;
pub use names::{nearest, unit_of_key};
pub use quantity::{Bytes, BytesPerSec, Nanobytes};
pub use random::Stream;
pub use time::{SimDuration, SimTime};
