//! The simulation core: a pure function from a scenario to what happened.
//!
//! No files, clock, environment, threads or printing. Once a [`Scenario`] exists nothing can fail: a run ends with
//! a [`RunOutput`], or with a panic that is a bug.

mod arrivals;
mod cluster_config;
mod event;
mod explain;
mod failover;
mod gpu;
mod measure;
mod network;
mod present;
mod profile;
mod requests;
mod run;
mod scenario;
mod scheduler;
mod scratch;
mod simulation;
mod users;
mod watch;

pub use explain::{Explanation, Outcome, Unexplained, explain};
pub use gpu::{Grant, Holding, KvMemory, PrefixCache, PrefixMatch, Slot, tbt_histogram};
pub use measure::{
    LoopTotals, METRICS, Metric, OutputDigest, RankingCounts, RequestRecord, RunEnd, RunOutput, RunTotals, Tally,
    TtftParts, Value, metric_index, metrics,
};
pub use network::{FlowRecord, InstancePlace, NetworkPlan, PlannedInstance, Unplanned, network_plan, place};
pub use profile::{DecodeLatency, GpuProfile, PrefillLatency};
pub use run::{run, run_by, run_checked, run_observed, run_streamed, run_streamed_told, run_with};
pub use scenario::{
    ClusterChange, ClusterConfig, ClusterEvent, DecodeConfig, FirstToken, KvConfig, KvParts, LocalPrefillConfig,
    LocalRule, MeasureConfig, MixedPass, OracleBandwidth, OracleGranularity, Overlap, OwnTraffic, Placement, Pool,
    PrefillConfig, PrefillMode, PrefillPolicy, PrefillQueue, SIM_EPOCH, Scenario, SchedulerConfig, SelectionMoment,
    SloConfig, TelemetryConfig, TransferConfig, TransferGranularity, TtftLimit,
};
pub use scheduler::{Considered, Decision, Foreseen, estimates};
pub use watch::{Crossed, Observations, ObserveConfig, ObservedLink, TransferRecord};
