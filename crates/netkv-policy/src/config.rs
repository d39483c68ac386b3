//! The policies by name, with their parameters: a closed list, turned into a [`Policy`] by one match.

use crate::cache_aware::CacheAware;
use crate::cache_load_aware::CacheLoadAware;
use crate::load_aware::LoadAware;
use crate::netkv::{NetKv, NetKvWeights};
use crate::policy::Policy;
use crate::round_robin::RoundRobin;
use netkv_units::LatencyCurve;

/// Femtoseconds in a second.
const FEMTOS_PER_SEC: f64 = 1e15;

/// Predicted time of one decode iteration: a curve over the batch + per token of context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IterationModel {
    /// Time of an iteration over so many requests, their context left out.
    pub requests: LatencyCurve,
    /// Femtoseconds added by each token of context in the batch.
    pub per_token_fs: u64,
}

impl IterationModel {
    /// Seconds of an iteration over `requests` requests with `tokens` tokens of context in all.
    pub fn seconds(&self, requests: u32, tokens: u64) -> f64 {
        (self.requests.at(u64::from(requests)) + self.per_token_fs * tokens) as f64 / FEMTOS_PER_SEC
    }
}

/// A policy and its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PolicyConfig {
    /// Decode instances in turn.
    RoundRobin,
    /// Least committed KV tokens.
    LoadAware,
    /// Longest cached prefix.
    CacheAware {
        /// A prefix of no more than this share of the prompt does not count.
        threshold_ratio: f64,
    },
    /// Weighted sum of cached share and load.
    CacheLoadAware {
        /// Weight of the cached share of the prompt.
        cache_weight: f64,
        /// Weight of the load relative to the most loaded candidate.
        load_weight: f64,
    },
    /// NetKV's greedy.
    NetKv(NetKvWeights),
    /// NetKV with congestion taken as zero: topology alone.
    NetKvStatic(NetKvWeights),
    /// NetKV over an oracle that knows the true state of the network now: not deployable, a yardstick.
    Clairvoyant(NetKvWeights),
}

impl PolicyConfig {
    /// Every policy name that an experiment file may use.
    pub const NAMES: [&'static str; 7] =
        ["round_robin", "load_aware", "cache_aware", "cache_load_aware", "netkv", "netkv_static", "clairvoyant"];

    /// The name used in experiment files, tables and figures.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LoadAware => "load_aware",
            Self::CacheAware { .. } => "cache_aware",
            Self::CacheLoadAware { .. } => "cache_load_aware",
            Self::NetKv(_) => "netkv",
            Self::NetKvStatic(_) => "netkv_static",
            Self::Clairvoyant(_) => "clairvoyant",
        }
    }

    /// Whether the policy is to be given the exact oracle, whatever the experiment's granularity.
    pub const fn wants_exact_oracle(&self) -> bool {
        matches!(self, Self::Clairvoyant(_))
    }

    /// The policy, ready to decide.
    pub fn build(&self, iteration: IterationModel) -> Box<dyn Policy> {
        match *self {
            Self::RoundRobin => Box::new(RoundRobin::new()),
            Self::LoadAware => Box::new(LoadAware),
            Self::CacheAware { threshold_ratio } => Box::new(CacheAware::new(threshold_ratio)),
            Self::CacheLoadAware { cache_weight, load_weight } => {
                Box::new(CacheLoadAware::new(cache_weight, load_weight))
            }
            Self::NetKv(weights) => Box::new(NetKv::new(weights, iteration)),
            // The exact oracle's figure is the truth, however high: nothing is read as less.
            Self::Clairvoyant(weights) => {
                let weights = NetKvWeights { max_congestion_ratio: 1.0 - f64::EPSILON, ..weights };
                Box::new(NetKv::new(weights, iteration))
            }
            Self::NetKvStatic(weights) => {
                let weights = NetKvWeights { max_congestion_ratio: 0.0, ..weights };
                Box::new(NetKv::new(weights, iteration))
            }
        }
    }
}
