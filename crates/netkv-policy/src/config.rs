//! The policies by name, with their parameters: a closed list, turned into a [`Selector`] by one match.

use crate::aibrix_pd::{AibrixConfig, AibrixPd};
use crate::cache_aware::CacheAware;
use crate::cache_load_aware::CacheLoadAware;
use crate::dep9118_static::{Dep9118Config, Dep9118Static};
use crate::dynamo_decode::{DynamoConfig, DynamoDecode};
use crate::dynamo_topology::{DynamoTopology, Enforcement};
use crate::estimates::Estimates;
use crate::jsq::ShortestQueue;
use crate::llmd::{Llmd, LlmdConfig};
use crate::llmd_topology::LlmdTopology;
use crate::load_aware::LoadAware;
use crate::mooncake_ttft::{MooncakeConfig, MooncakeTtft};
use crate::netkv::{NetKv, NetKvTerms, NetKvWeights};
use crate::netkv_joint::{JointConfig, NetKvJoint};
use crate::policy::{PairPolicy, Policy, Selector};
use crate::power_of_two::PowerOfTwo;
use crate::random::Random;
use crate::round_robin::RoundRobin;
use crate::sglang_cache_aware::{SglangCacheAware, SglangConfig};
use crate::smg_expected_wait::{SmgConfig, SmgExpectedWait};
use netkv_units::SimDuration;

/// A policy and its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PolicyConfig {
    /// Decode instances in turn.
    RoundRobin,
    /// Any of them.
    Random,
    /// The less loaded of two drawn at random.
    PowerOfTwo,
    /// Fewest requests in flight.
    Jsq,
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
    /// NVIDIA Dynamo: least projected KV blocks.
    DynamoDecode(DynamoConfig),
    /// NVIDIA Dynamo with a required topology domain.
    DynamoTopologyRequired(DynamoConfig),
    /// NVIDIA Dynamo with a preferred topology domain.
    DynamoTopologyPreferred(DynamoConfig),
    /// NVIDIA Dynamo's announced topology cost.
    Dep9118Static(Dep9118Config),
    /// SGLang's cache-aware router.
    SglangCacheAware(SglangConfig),
    /// SMG's expected wait.
    SmgExpectedWait(SmgConfig),
    /// llm-d's endpoint picker.
    Llmd(LlmdConfig),
    /// llm-d's endpoint picker with its topology scorer.
    LlmdTopology(LlmdConfig),
    /// AIBrix's pd router: prefill and decode of one roleset.
    AibrixPd(AibrixConfig),
    /// Mooncake's TTFT prediction, extended to the decode side.
    MooncakeTtft(MooncakeConfig),
    /// NetKV with congestion taken as zero: topology alone.
    NetKvStatic(NetKvWeights),
    /// NetKV without its ledger of transfers in flight.
    NetKvNoLedger(NetKvWeights),
    /// NetKV without its knowledge of the decode instances' prefix caches.
    NetKvNoCache(NetKvWeights),
    /// NetKV without the load terms in its cost.
    NetKvNoLoad(NetKvWeights),
    /// NetKV's greedy.
    NetKv(NetKvWeights),
    /// Ours: NetKV with the choice of the prefill instance and a price on longer iterations.
    NetKvJoint(JointConfig),
    /// The earliest first token by the true state of everything: not deployable, a yardstick.
    Clairvoyant,
}

impl PolicyConfig {
    /// Every policy name that an experiment file may use.
    pub const NAMES: [&'static str; 24] = [
        "round_robin",
        "random",
        "power_of_two",
        "jsq",
        "load_aware",
        "cache_aware",
        "cache_load_aware",
        "dynamo_decode",
        "dynamo_topology_required",
        "dynamo_topology_preferred",
        "dep9118_static",
        "sglang_cache_aware",
        "smg_expected_wait",
        "llmd",
        "llmd_topology",
        "aibrix_pd",
        "mooncake_ttft",
        "netkv_static",
        "netkv_no_ledger",
        "netkv_no_cache",
        "netkv_no_load",
        "netkv",
        "netkv_joint",
        "clairvoyant",
    ];

    /// The name used in experiment files, tables and figures.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::Random => "random",
            Self::PowerOfTwo => "power_of_two",
            Self::Jsq => "jsq",
            Self::LoadAware => "load_aware",
            Self::CacheAware { .. } => "cache_aware",
            Self::CacheLoadAware { .. } => "cache_load_aware",
            Self::DynamoDecode(_) => "dynamo_decode",
            Self::DynamoTopologyRequired(_) => "dynamo_topology_required",
            Self::DynamoTopologyPreferred(_) => "dynamo_topology_preferred",
            Self::Dep9118Static(_) => "dep9118_static",
            Self::SglangCacheAware(_) => "sglang_cache_aware",
            Self::SmgExpectedWait(_) => "smg_expected_wait",
            Self::Llmd(_) => "llmd",
            Self::LlmdTopology(_) => "llmd_topology",
            Self::AibrixPd(_) => "aibrix_pd",
            Self::MooncakeTtft(_) => "mooncake_ttft",
            Self::NetKvStatic(_) => "netkv_static",
            Self::NetKvNoLedger(_) => "netkv_no_ledger",
            Self::NetKvNoCache(_) => "netkv_no_cache",
            Self::NetKvNoLoad(_) => "netkv_no_load",
            Self::NetKv(_) => "netkv",
            Self::NetKvJoint(_) => "netkv_joint",
            Self::Clairvoyant => "clairvoyant",
        }
    }

    /// Time between the instances' reports to this router; none if it does not look at reports.
    pub fn poll_interval(&self) -> Option<SimDuration> {
        match self {
            Self::SmgExpectedWait(config) => Some(config.poll_interval),
            Self::Llmd(config) | Self::LlmdTopology(config) => Some(config.poll_interval),
            Self::AibrixPd(config) => Some(config.poll_interval),
            Self::RoundRobin
            | Self::Random
            | Self::PowerOfTwo
            | Self::Jsq
            | Self::LoadAware
            | Self::CacheAware { .. }
            | Self::CacheLoadAware { .. }
            | Self::DynamoDecode(_)
            | Self::DynamoTopologyRequired(_)
            | Self::DynamoTopologyPreferred(_)
            | Self::Dep9118Static(_)
            | Self::SglangCacheAware(_)
            | Self::MooncakeTtft(_)
            | Self::NetKvStatic(_)
            | Self::NetKvNoLedger(_)
            | Self::NetKvNoCache(_)
            | Self::NetKvNoLoad(_)
            | Self::NetKv(_)
            | Self::NetKvJoint(_)
            | Self::Clairvoyant => None,
        }
    }

    /// The policy, ready to decide. Whatever it draws at random comes from a stream of `seed`.
    pub fn build(&self, estimates: Estimates, seed: u64) -> Selector {
        let netkv = |weights, terms| decode(NetKv::new(weights, terms, estimates.iteration));
        let all = NetKvTerms::ALL;
        match *self {
            Self::RoundRobin => decode(RoundRobin::new()),
            Self::Random => decode(Random::new(seed)),
            Self::PowerOfTwo => decode(PowerOfTwo::new(seed)),
            Self::Jsq => decode(ShortestQueue),
            Self::LoadAware => decode(LoadAware),
            Self::CacheAware { threshold_ratio } => decode(CacheAware::new(threshold_ratio)),
            Self::CacheLoadAware { cache_weight, load_weight } => {
                decode(CacheLoadAware::new(cache_weight, load_weight))
            }
            Self::DynamoDecode(config) => decode(DynamoDecode::new(config, seed)),
            Self::DynamoTopologyRequired(config) => decode(DynamoTopology::new(config, Enforcement::Required, seed)),
            Self::DynamoTopologyPreferred(config) => decode(DynamoTopology::new(config, Enforcement::Preferred, seed)),
            Self::Dep9118Static(config) => decode(Dep9118Static::new(config, seed)),
            Self::SglangCacheAware(config) => decode(SglangCacheAware(config)),
            Self::SmgExpectedWait(config) => decode(SmgExpectedWait::new(config, seed)),
            Self::Llmd(config) => decode(Llmd::new(config, seed)),
            Self::LlmdTopology(config) => decode(LlmdTopology::new(config, seed)),
            Self::AibrixPd(config) => pair(AibrixPd::new(config, seed)),
            Self::MooncakeTtft(config) => pair(MooncakeTtft { config, estimates }),
            Self::NetKvStatic(weights) => netkv(NetKvWeights { max_congestion_ratio: 0.0, ..weights }, all),
            Self::NetKvNoLedger(weights) => netkv(weights, NetKvTerms { ledger: false, ..all }),
            Self::NetKvNoCache(weights) => netkv(weights, NetKvTerms { cache: false, ..all }),
            Self::NetKvNoLoad(weights) => netkv(weights, NetKvTerms { load: false, ..all }),
            Self::NetKv(weights) => netkv(weights, all),
            Self::NetKvJoint(config) => Selector::Staged(Box::new(NetKvJoint::new(config, estimates))),
            Self::Clairvoyant => Selector::Clairvoyant,
        }
    }
}

fn decode(policy: impl Policy + 'static) -> Selector {
    Selector::Decode(Box::new(policy))
}

fn pair(policy: impl PairPolicy + 'static) -> Selector {
    Selector::Pair(Box::new(policy))
}
