//! The simulation core: a pure function from a scenario to what happened.
//!
//! No files, clock, environment, threads or printing. Once a [`Scenario`] exists nothing can fail: a run ends with
//! a [`RunOutput`], or with a panic that is a bug.

mod check;
mod cluster;
mod competing;
mod decode;
mod event;
mod explain;
mod host_tier;
mod kv_memory;
mod lookahead;
mod metrics;
mod observe;
mod oracle;
mod overlap;
mod prefill;
mod prefix_cache;
mod profile;
mod rankings;
mod record;
mod scenario;
mod selection;
mod serving;
mod signals;
mod simulation;
mod stretch;
mod tally;
mod transfers;
mod window;
mod zones;

pub use check::run_checked;
pub use explain::{Considered, Decision, Explanation, Outcome, Unexplained, explain};
pub use kv_memory::{Grant, Holding, KvMemory};
pub use lookahead::Foreseen;
pub use metrics::{METRICS, Metric, Value, metrics};
pub use observe::{Crossed, Observations, ObserveConfig, ObservedLink, TransferRecord, run_observed};
pub use prefix_cache::{PrefixCache, PrefixMatch, Slot};
pub use profile::{DecodeLatency, GpuProfile, PrefillLatency};
pub use rankings::RankingCounts;
pub use record::{OutputDigest, RequestRecord, RunEnd, RunOutput, RunTotals, TtftParts};
pub use scenario::{
    ClusterConfig, DecodeConfig, FirstToken, KvConfig, MeasureConfig, OracleBandwidth, OracleGranularity, Overlap,
    OwnTraffic, Placement, PrefillConfig, PrefillMode, PrefillPolicy, PrefillQueue, SIM_EPOCH, Scenario,
    SelectionMoment, SloConfig, TelemetryConfig, TransferConfig, TransferGranularity, TtftLimit,
};
pub use simulation::{run, run_streamed, run_with, tbt_histogram};
pub use tally::Tally;
