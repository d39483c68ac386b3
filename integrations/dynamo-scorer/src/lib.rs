//! NetKV's decode selection in NVIDIA Dynamo's router: a [`WorkerScorer`](dynamo_kv_router::WorkerScorer) whose costs are
//! seconds until the first token, the transfer of the KV cache included.
//!
//! The rule is that of `netkv-policy`, called and not copied: for each worker a
//! [`Candidate`](netkv_policy::Candidate) is filled from what Dynamo tells of it ([`NetKvScorer`] says how), the network is a
//! [`CostOracle`](netkv_policy::CostOracle) over places and tiers ([`Network`]), and the costs are the terms that
//! [`Policy::rate`](netkv_policy::Policy::rate) gives.
//!
//! # The gap
//!
//! Dynamo 1.6.1 shows a scorer neither the request's prefill worker nor where any worker is. So this crate must be told of
//! places by the image that links it ([`Network::place_decode`], [`Network::place_prefill`]), and of the source of a transfer
//! it knows a domain at best ([`Source`]). The README says what is missing, and proposes a change.

mod network;
mod parameters;
mod picker;
mod plugin;
mod scorer;
mod source;

pub use network::{Network, NetworkError, Place, PrefillId};
pub use parameters::{
    Iteration, Level, Parameters, ParametersError, PlacedPrefill, PlacedWorker, Rule, Source, TierCost, Tiers,
};
pub use picker::LeastCost;
pub use plugin::{POLICY_TYPE, policy, provider, register};
pub use scorer::{NetKvScorer, RANK_S};
