//! The simulation core: a pure function from a scenario to what happened.
//!
//! No files, clock, environment, threads or printing. Once a [`Scenario`] exists nothing can fail: a run ends with
//! a [`RunOutput`], or with a panic that is a bug.

mod metrics;
mod profile;
mod record;
mod scenario;

pub use metrics::{METRICS, Metric, Value, metrics};
pub use profile::{DecodeLatency, GpuProfile, PrefillLatency};
pub use record::{RequestRecord, RunOutput, RunTotals, TtftParts};
pub use scenario::{
    ClusterConfig, DecodeConfig, FirstToken, KvConfig, MeasureConfig, OracleGranularity, Placement, PrefillConfig,
    PrefillPolicy, SIM_EPOCH, Scenario, SloConfig, TelemetryConfig, TransferConfig, TransferGranularity, TtftLimit,
};
