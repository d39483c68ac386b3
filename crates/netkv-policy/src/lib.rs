//! Decode selection for disaggregated LLM inference: which decode instance takes a request whose prompt has
//! just been prefilled elsewhere.
//!
//! The crate is what a real router would embed. It knows no simulator: a [`Policy`] sees the request
//! ([`RequestView`]), what the scheduler knows about each decode instance ([`Candidate`]), and the network only
//! through a [`CostOracle`]. What is *true* of the network lives elsewhere and cannot be reached from here. A
//! [`PairPolicy`] chooses the prefill instance as well.
//!
//! Each policy is one file, which opens with its formula and its source, in one of four rooms: the paper's rule, ours,
//! those of other systems (`rivals`), baselines. [`PolicyConfig`] lists them. A policy allocates nothing when it decides,
//! once it has seen the largest number of instances.
//!
//! # In a router
//!
//! The operator provides the oracle: here a table of the fabric's tiers, and the share of each that switch counters say
//! is in use. The router fills in what it knows of each instance; a policy says in its file what it looks at.
//!
//! ```
//! use netkv_policy::{Candidate, CostOracle, IterationModel, NetKv, NetKvConfig, PathCost, PromptView, RequestView};
//! use netkv_units::{Bytes, InstanceId, LatencyCurve, SimDuration, SimTime, Tier};
//!
//! struct Operator {
//!     /// By instance: its rack.
//!     rack: Vec<u32>,
//!     /// Share of the links between racks that is in use, from switch counters.
//!     uplinks_used_ratio: f64,
//! }
//!
//! impl CostOracle for Operator {
//!     fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
//!         let near = self.rack[source.index()] == self.rack[destination.index()];
//!         PathCost {
//!             tier: if near { Tier::Rack } else { Tier::Pod },
//!             bandwidth_bytes_per_sec: if near { 50e9 } else { 25e9 },
//!             latency: SimDuration::from_nanos(if near { 4_000 } else { 8_000 }),
//!             congestion_ratio: if near { 0.0 } else { self.uplinks_used_ratio },
//!             counts_in_flight: false,
//!             age: SimDuration::from_nanos(1_000_000_000),
//!         }
//!     }
//! }
//!
//! // 12.4 ms and 0.1 ms for each request of the batch.
//! let iteration =
//!     IterationModel { requests: LatencyCurve::linear(12_400_000_000_000, 100_000_000_000), per_token_fs: 0 };
//! let policy = NetKv::new(NetKvConfig::PRINTED, iteration);
//!
//! // A prompt of 8,000 tokens, 2.6 GB of KV cache, was prefilled on instance 0; instances 1 (same rack) and 2 decode.
//! let prompt = PromptView {
//!     input_tokens: 8_000,
//!     kv_bytes: Bytes::new(2_621_440_000),
//!     now: SimTime::ZERO,
//!     ttft_left: SimDuration::from_nanos(500_000_000),
//! };
//! let request = RequestView { source: InstanceId::new(0), prompt };
//! let candidate = |instance, source_tier_transfers| Candidate {
//!     max_batch: 128,
//!     free_tokens: 400_000,
//!     transfer_bytes: prompt.kv_bytes,
//!     source_tier_transfers,
//!     ..Candidate::unknown(InstanceId::new(instance))
//! };
//! let operator = Operator { rack: vec![0, 0, 1], uplinks_used_ratio: 0.5 };
//!
//! // 52 ms in the rack, 210 ms over uplinks that are half taken.
//! assert_eq!(policy.choose(&request, &[candidate(1, 0), candidate(2, 0)], &operator), Some(0));
//! // Four transfers in flight from instance 0 inside the rack: a fifth of that way is left, 262 ms.
//! assert_eq!(policy.choose(&request, &[candidate(1, 4), candidate(2, 0)], &operator), Some(1));
//! ```

mod baselines;
mod candidate;
mod config;
mod estimates;
mod oracle;
mod ours;
mod paper;
mod policy;
mod rating;
mod request;
mod rivals;
mod ties;

pub use baselines::LoadMeasure;
pub use candidate::{Candidate, Dispatched, PrefillCandidate, Report};
pub use config::{NetworkView, PolicyConfig};
pub use estimates::{Estimates, IterationModel, PrefillModel};
pub use oracle::{CostOracle, PathCost};
pub use ours::{FlowConfig, GuardedTerms, GuardedWeights, JointConfig, NetKvGuarded};
pub use paper::{BatchView, Ledger, NetKv, NetKvConfig, WaitModel, WhenFull};
pub use policy::{PairPolicy, Policy, Selector, StagedPolicy, TransferEvent};
pub use rating::{Rating, Term};
pub use request::{PromptView, RequestView};
pub use rivals::{AibrixConfig, Dep9118Config, DynamoConfig, LlmdConfig, MooncakeConfig, SglangConfig, SmgConfig};
pub use ties::TieRule;
