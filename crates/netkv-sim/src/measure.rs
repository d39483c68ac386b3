//! What is noted: one record per request, what it was promised, and the figures of a run.

mod metrics;
mod promise;
mod record;
mod tally;
mod turns;
mod value;

pub use metrics::{METRICS, Metric, metric_index, metrics};
pub(crate) use promise::{Counting, ttft_limit};
pub use record::{OutputDigest, RankingCounts, RequestRecord, RunEnd, RunOutput, RunTotals, TtftParts};
pub use tally::Tally;
pub use turns::LoopTotals;
pub use value::Value;
