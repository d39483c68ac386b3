//! The simulation core: a pure function from a scenario to what happened.
//!
//! No files, clock, environment, threads or printing. Once a [`Scenario`] exists nothing can fail: a run ends with
//! a [`RunOutput`], or with a panic that is a bug.

mod event;
mod explain;
mod gpu;
mod measure;
mod network;
mod requests;
mod scenario;
mod scheduler;
mod serving;
mod simulation;

pub use explain::{Considered, Decision, Explanation, Outcome, Unexplained, explain};
pub use gpu::kv_memory::{Grant, Holding, KvMemory};
pub use gpu::prefix_cache::{PrefixCache, PrefixMatch, Slot};
pub use gpu::profile::{DecodeLatency, GpuProfile, PrefillLatency};
pub use measure::check::run_checked;
pub use measure::metrics::{METRICS, Metric, Value, metrics};
pub use measure::observe::{Crossed, Observations, ObserveConfig, ObservedLink, TransferRecord, run_observed};
pub use measure::record::{OutputDigest, RequestRecord, RunEnd, RunOutput, RunTotals, TtftParts};
pub use measure::tally::Tally;
pub use scenario::{
    ClusterConfig, DecodeConfig, FirstToken, KvConfig, MeasureConfig, OracleBandwidth, OracleGranularity, Overlap,
    OwnTraffic, Placement, PrefillConfig, PrefillMode, PrefillPolicy, PrefillQueue, SIM_EPOCH, Scenario,
    SelectionMoment, SloConfig, TelemetryConfig, TransferConfig, TransferGranularity, TtftLimit,
};
pub use scheduler::lookahead::Foreseen;
pub use scheduler::rankings::RankingCounts;
pub use simulation::{run, run_streamed, run_with, tbt_histogram};
