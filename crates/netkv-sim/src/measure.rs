//! What is noted: one record per request, what it was promised, and the figures of a run.

mod metrics;
mod promise;
mod record;
mod tally;
mod value;

pub use metrics::{METRICS, Metric, metric_index, metrics};
pub(crate) use promise::{is_counted, ttft_limit};
pub use record::{OutputDigest, RankingCounts, RequestRecord, RunEnd, RunOutput, RunTotals, TtftParts};
pub use tally::Tally;
pub use value::Value;
