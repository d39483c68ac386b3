//! What is noted: one record per request, the figures of a run, and what watches a run as it goes.

mod check;
mod metrics;
mod observe;
mod promise;
mod record;
mod tally;
mod value;

pub(crate) use check::{Retired, check};
pub use metrics::{METRICS, Metric, metrics};
pub(crate) use observe::Watcher;
pub use observe::{Crossed, Observations, ObserveConfig, ObservedLink, TransferRecord};
pub(crate) use promise::{is_counted, ttft_limit};
pub use record::{OutputDigest, RankingCounts, RequestRecord, RunEnd, RunOutput, RunTotals, TtftParts};
pub use tally::Tally;
pub use value::Value;
