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
//! use netkv_units::{Bytes, InstanceId, LatencyCurve, RequestId, SimDuration, SimTime, Tier};
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
//!     request: RequestId::new(0),
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
//!
//! Such an oracle may also live elsewhere: `netkv oracle serve` makes one of a cluster's plan and Prometheus, and
//! `netkv_oracle::LiveOracle` is its client. This crate knows no network.
//!
//! # In a router that must not be worse than before
//!
//! `netkv_flow` keeps a book of the router's own transfers, so it is told when they begin and end, and the operator provides
//! seven numbers more that do not change: what all links out of an instance, a rack and a pod carry together, and what one
//! transfer gets at most over each tier. `choose` is asked when a prompt is computed; with `chooses_prefill` the rule picks
//! the prefill instance on arrival as well ([`StagedPolicy::select_prefill`]).
//!
//! ```
//! # use netkv_policy::{Candidate, CostOracle, Estimates, FlowConfig, IterationModel, PathCost, PolicyConfig, PrefillModel};
//! # use netkv_policy::{PromptView, RequestView, Selector, TransferEvent, TransferStep};
//! # use netkv_units::{Bytes, InstanceId, LatencyCurve, RequestId, SimDuration, SimTime, Tier};
//! struct Operator {
//!     rack: Vec<u32>,
//!     uplinks_used_ratio: f64,
//! }
//!
//! impl CostOracle for Operator {
//!     fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
//!         // As above.
//! #       let near = self.rack[source.index()] == self.rack[destination.index()];
//! #       PathCost {
//! #           tier: if near { Tier::Rack } else { Tier::Pod },
//! #           bandwidth_bytes_per_sec: if near { 50e9 } else { 25e9 },
//! #           latency: SimDuration::from_nanos(if near { 4_000 } else { 8_000 }),
//! #           congestion_ratio: if near { 0.0 } else { self.uplinks_used_ratio },
//! #           counts_in_flight: false,
//! #           age: SimDuration::from_nanos(1_000_000_000),
//! #       }
//!     }
//!
//!     fn leaving(&self, group: Tier) -> f64 {
//!         match group {
//!             Tier::Node => 50e9,                // the interfaces of an instance
//!             Tier::Rack => 100e9,               // the uplinks of a rack
//!             Tier::Pod | Tier::Core => 400e9,   // those of a pod
//!         }
//!     }
//!
//!     fn alone(&self, over: Tier) -> f64 {
//!         if over == Tier::Node { 450e9 } else { 50e9 }
//!     }
//! }
//!
//! // The same engines as above; 60 us to compute a token of a prompt.
//! let iteration =
//!     IterationModel { requests: LatencyCurve::linear(12_400_000_000_000, 100_000_000_000), per_token_fs: 0 };
//! let prefill = PrefillModel { tokens: LatencyCurve::linear(0, 60_000_000_000), per_pair_fs: 0 };
//! let config = FlowConfig { chooses_prefill: false, ..FlowConfig::CHOSEN };
//! let Selector::Decode(mut router) = PolicyConfig::NetKvFlow(config).build(Estimates { prefill, iteration }, 1) else {
//!     unreachable!("the prefill instance is given")
//! };
//!
//! let operator = Operator { rack: vec![0, 0, 1, 1, 1], uplinks_used_ratio: 0.2 };
//! let prompt = PromptView {
//!     request: RequestId::new(0),
//!     input_tokens: 8_000,
//!     kv_bytes: Bytes::new(2_621_440_000),
//!     now: SimTime::ZERO,
//!     ttft_left: SimDuration::from_nanos(500_000_000),
//! };
//! let request = RequestView { source: InstanceId::new(0), prompt };
//! let candidate = |instance| Candidate {
//!     max_batch: 128,
//!     free_tokens: 400_000,
//!     transfer_bytes: prompt.kv_bytes,
//!     ..Candidate::unknown(InstanceId::new(instance))
//! };
//! let candidates = [1, 2, 3, 4].map(candidate);
//!
//! // 52 ms into the rack's own instance, 66 to the others over uplinks of which a fifth is taken: nearly equal, and the first
//! // of those that are loaded alike is taken.
//! let chosen = router.select(&request, &candidates, &operator);
//! assert_eq!(chosen, 0);
//! // Three prompts are sent there. The book knows their way.
//! let event = |step| TransferEvent {
//!     source: request.source,
//!     destination: candidates[chosen].instance,
//!     tier: Tier::Rack,
//!     bytes: prompt.kv_bytes,
//!     now: SimTime::ZERO,
//!     step,
//! };
//! (0..3).for_each(|_| router.observe(&event(TransferStep::Begun)));
//! let busy = router.rate(&request, &candidates, &operator);
//! assert!(busy.iter().all(|rating| rating.terms[1].value > 0.2), "all ways begin at the source's own interfaces: {busy:?}");
//! (0..3).for_each(|_| router.observe(&event(TransferStep::Ended)));
//! let idle = router.rate(&request, &candidates, &operator);
//! assert!((idle[0].terms[1].value - 0.0524288).abs() < 1e-9, "{idle:?}");
//! ```

mod baselines;
mod candidate;
mod config;
mod estimates;
mod oracle;
mod ours;
mod outside;
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
pub use outside::{Outside, OutsidePolicy, PolicyFault};
pub use paper::{BatchView, Ledger, NetKv, NetKvConfig, WaitModel, WhenFull};
pub use policy::{
    PairPolicy, Policy, Repetition, RequestEvent, RequestStep, Selector, StagedPolicy, TransferEvent, TransferStep,
};
pub use rating::{Rating, Term};
pub use request::{PromptView, RequestView};
pub use rivals::{
    AibrixConfig, Dep9118Config, DynamoConfig, DynamoLoad, LlmdActiveConfig, LlmdAffinityConfig, LlmdConfig,
    LmetricConfig, LmetricLoad, MooncakeConfig, SglangConfig, SmgConfig, TwoTierConfig,
};
pub use ties::{Breaker, TieRule, Ties};
