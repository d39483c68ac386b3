//! The baselines: what a router does that looks at nothing, at load, at cached prefixes, or at both.

mod cache_aware;
mod cache_load_aware;
mod jsq;
mod load_aware;
mod power_of_two;
mod random;
mod round_robin;

pub(crate) use cache_aware::CacheAware;
pub(crate) use cache_load_aware::{CacheLoadAware, Score};
pub(crate) use jsq::ShortestQueue;
pub use load_aware::LoadMeasure;
pub(crate) use load_aware::{Load, LoadAware};
pub(crate) use power_of_two::PowerOfTwo;
pub(crate) use random::Random;
pub(crate) use round_robin::RoundRobin;
