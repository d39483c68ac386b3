//! The simulation core: a pure function from a scenario to what happened.
//!
//! No files, clock, environment, threads or printing. Once a [`Scenario`] exists nothing can fail: a run ends with
//! a [`RunOutput`], or with a panic that is a bug.

mod arrivals;
mod event;
mod explain;
mod gpu;
mod measure;
mod network;
mod present;
mod requests;
mod run;
mod scenario;
mod scheduler;
mod simulation;

pub use explain::{Explanation, Outcome, Unexplained, explain};
pub use gpu::{
    DecodeLatency, GpuProfile, Grant, Holding, KvMemory, PrefillLatency, PrefixCache, PrefixMatch, Slot, tbt_histogram,
};
pub use measure::{
    Crossed, METRICS, Metric, Observations, ObserveConfig, ObservedLink, OutputDigest, RankingCounts, RequestRecord,
    RunEnd, RunOutput, RunTotals, Tally, TransferRecord, TtftParts, Value, metrics,
};
pub use run::{run, run_checked, run_observed, run_streamed, run_with};
pub use scenario::{
    ClusterConfig, DecodeConfig, FirstToken, KvConfig, MeasureConfig, OracleBandwidth, OracleGranularity, Overlap,
    OwnTraffic, Placement, PrefillConfig, PrefillMode, PrefillPolicy, PrefillQueue, SIM_EPOCH, Scenario,
    SelectionMoment, SloConfig, TelemetryConfig, TransferConfig, TransferGranularity, TtftLimit,
};
pub use scheduler::{Considered, Decision, Foreseen};
