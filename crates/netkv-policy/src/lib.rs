//! Decode selection for disaggregated LLM inference: which decode instance takes a request whose prompt has
//! just been prefilled elsewhere.
//!
//! The crate is what a real router would embed. It knows no simulator: a [`Policy`] sees the request
//! ([`RequestView`]), what the scheduler knows about each decode instance ([`Candidate`]), and the network only
//! through a [`CostOracle`]. What is *true* of the network lives elsewhere and cannot be reached from here.
//!
//! Each policy is one file, which opens with its formula and its source.

mod cache_aware;
mod cache_load_aware;
mod config;
mod load_aware;
mod netkv;
mod oracle;
mod policy;
mod round_robin;

pub use config::{IterationModel, PolicyConfig};
pub use netkv::NetKvWeights;
pub use oracle::{CostOracle, PathCost};
pub use policy::{Candidate, Policy, RequestView};
