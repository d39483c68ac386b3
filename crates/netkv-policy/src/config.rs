//! The policies by name, with their parameters: a closed list, turned into a [`Selector`] by one match.

use crate::baselines::{
    CacheAware, CacheLoadAware, Load, LoadAware, LoadMeasure, PowerOfTwo, Random, RoundRobin, Score, ShortestQueue,
};
use crate::estimates::Estimates;
use crate::ours::{FlowConfig, GuardedTerms, GuardedWeights, JointConfig, NetKvFlow, NetKvGuarded, NetKvJoint};
use crate::outside::OutsidePolicy;
use crate::paper::{Ledger, NetKv, NetKvConfig};
use crate::policy::{PairPolicy, Policy, Selector};
use crate::rivals::{
    AibrixConfig, AibrixPd, Dep9118Config, Dep9118Static, DynamoConfig, DynamoDecode, DynamoTopology, DynamoTwoTier,
    Enforcement, Llmd, LlmdActive, LlmdActiveConfig, LlmdAffinity, LlmdAffinityConfig, LlmdConfig, LlmdTopology,
    Lmetric, LmetricConfig, MooncakeConfig, MooncakeTtft, SglangCacheAware, SglangConfig, SmgConfig, SmgExpectedWait,
    TwoTierConfig,
};
use crate::ties::TieRule;
use netkv_units::SimDuration;

/// A policy and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyConfig {
    /// Decode instances in turn.
    RoundRobin,
    /// Any of them.
    Random,
    /// The less loaded of two drawn at random.
    PowerOfTwo,
    /// Fewest requests in flight.
    Jsq,
    /// Least load.
    LoadAware {
        /// What load is.
        load: LoadMeasure,
        /// Who wins among equals.
        ties: TieRule,
    },
    /// Longest cached prefix.
    CacheAware {
        /// A prefix of no more than this share of the prompt does not count.
        threshold_ratio: f64,
        /// What is balanced among equals.
        load: LoadMeasure,
        /// Who wins among those.
        ties: TieRule,
    },
    /// Weighted sum of cached share and load.
    CacheLoadAware {
        /// Weight of the cached share of the prompt.
        cache_weight: f64,
        /// Weight of the load relative to the most loaded candidate.
        load_weight: f64,
        /// What load is.
        load: LoadMeasure,
        /// Who wins among equals.
        ties: TieRule,
    },
    /// NVIDIA Dynamo: least projected KV blocks.
    DynamoDecode(DynamoConfig),
    /// NVIDIA Dynamo with a required topology domain.
    DynamoTopologyRequired(DynamoConfig),
    /// NVIDIA Dynamo with a preferred topology domain.
    DynamoTopologyPreferred(DynamoConfig),
    /// NVIDIA Dynamo's two-tier cost: load, then prefix.
    DynamoTwoTier(TwoTierConfig),
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
    /// llm-d's endpoint picker since July 2026: sticky until saturated, then least token load.
    LlmdAffinity(LlmdAffinityConfig),
    /// llm-d's decode profile: fewest requests in flight.
    LlmdActive(LlmdActiveConfig),
    /// The same behind its topology filter.
    LlmdTopologyFilter(LlmdActiveConfig),
    /// LMetric: prefill left, times the batch.
    Lmetric(LmetricConfig),
    /// AIBrix's pd router: prefill and decode of one roleset.
    AibrixPd(AibrixConfig),
    /// Mooncake's TTFT prediction, extended to the decode side.
    MooncakeTtft(MooncakeConfig),
    /// NetKV without congestion and without its ledger: the static map of tiers alone.
    NetKvTopoOnly(NetKvConfig),
    /// NetKV without congestion.
    NetKvStatic(NetKvConfig),
    /// NetKV: the paper's Algorithm 1.
    NetKv(NetKvConfig),
    /// The guarded rule with congestion taken as zero.
    NetKvGuardedStatic(GuardedWeights),
    /// The guarded rule without its ledger of transfers in flight.
    NetKvGuardedNoLedger(GuardedWeights),
    /// The guarded rule without its knowledge of the decode instances' prefix caches.
    NetKvGuardedNoCache(GuardedWeights),
    /// The guarded rule without the load terms in its cost.
    NetKvGuardedNoLoad(GuardedWeights),
    /// NetKV's greedy with guards: it keeps room and a limit on TBT.
    NetKvGuarded(GuardedWeights),
    /// Ours: the guarded rule with the choice of the prefill instance and a price on longer iterations.
    NetKvJoint(JointConfig),
    /// Ours: both ends, by a book of the transfers in flight.
    NetKvFlow(FlowConfig),
    /// The earliest first token by the true state of everything: not deployable, a yardstick.
    Clairvoyant,
    /// Somebody else's.
    Outside(OutsidePolicy),
}

/// What a policy goes by of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkView {
    /// Nothing: neither distance nor congestion.
    Blind,
    /// Its distances, or these and what the oracle tells of its state.
    Aware,
    /// The truth, which no router can know: a yardstick.
    Truth,
}

impl NetworkView {
    /// That of the policy of this name; none if there is no such policy.
    pub fn of(policy: &str) -> Option<Self> {
        match policy {
            "round_robin" | "random" | "power_of_two" | "jsq" | "load_aware" | "cache_aware" | "cache_load_aware"
            | "dynamo_decode" | "dynamo_two_tier" | "sglang_cache_aware" | "smg_expected_wait" | "llmd"
            | "llmd_affinity" | "llmd_active" | "lmetric" => Some(Self::Blind),
            "clairvoyant" => Some(Self::Truth),
            // One from outside may look at all that it is shown.
            other => PolicyConfig::all_names().any(|name| name == other).then_some(Self::Aware),
        }
    }
}

impl PolicyConfig {
    /// The policies that are written here, by the names that an experiment file may use.
    pub const NAMES: [&'static str; 33] = [
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
        "dynamo_two_tier",
        "dep9118_static",
        "sglang_cache_aware",
        "smg_expected_wait",
        "llmd",
        "llmd_topology",
        "llmd_affinity",
        "llmd_active",
        "llmd_topology_filter",
        "lmetric",
        "aibrix_pd",
        "mooncake_ttft",
        "netkv_topo_only",
        "netkv_static",
        "netkv",
        "netkv_guarded_static",
        "netkv_guarded_no_ledger",
        "netkv_guarded_no_cache",
        "netkv_guarded_no_load",
        "netkv_guarded",
        "netkv_joint",
        "netkv_flow",
        "clairvoyant",
    ];

    /// Those that are not: a script, a router that runs beside us.
    pub const OUTSIDE: [&'static str; 2] = ["script", "external"];

    /// Every policy name that an experiment file may use.
    pub fn all_names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().chain(Self::OUTSIDE)
    }

    /// The name used in experiment files, tables and figures.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::Random => "random",
            Self::PowerOfTwo => "power_of_two",
            Self::Jsq => "jsq",
            Self::LoadAware { .. } => "load_aware",
            Self::CacheAware { .. } => "cache_aware",
            Self::CacheLoadAware { .. } => "cache_load_aware",
            Self::DynamoDecode(_) => "dynamo_decode",
            Self::DynamoTopologyRequired(_) => "dynamo_topology_required",
            Self::DynamoTopologyPreferred(_) => "dynamo_topology_preferred",
            Self::DynamoTwoTier(_) => "dynamo_two_tier",
            Self::Dep9118Static(_) => "dep9118_static",
            Self::SglangCacheAware(_) => "sglang_cache_aware",
            Self::SmgExpectedWait(_) => "smg_expected_wait",
            Self::Llmd(_) => "llmd",
            Self::LlmdTopology(_) => "llmd_topology",
            Self::LlmdAffinity(_) => "llmd_affinity",
            Self::LlmdActive(_) => "llmd_active",
            Self::LlmdTopologyFilter(_) => "llmd_topology_filter",
            Self::Lmetric(_) => "lmetric",
            Self::AibrixPd(_) => "aibrix_pd",
            Self::MooncakeTtft(_) => "mooncake_ttft",
            Self::NetKvTopoOnly(_) => "netkv_topo_only",
            Self::NetKvStatic(_) => "netkv_static",
            Self::NetKv(_) => "netkv",
            Self::NetKvGuardedStatic(_) => "netkv_guarded_static",
            Self::NetKvGuardedNoLedger(_) => "netkv_guarded_no_ledger",
            Self::NetKvGuardedNoCache(_) => "netkv_guarded_no_cache",
            Self::NetKvGuardedNoLoad(_) => "netkv_guarded_no_load",
            Self::NetKvGuarded(_) => "netkv_guarded",
            Self::NetKvJoint(_) => "netkv_joint",
            Self::NetKvFlow(_) => "netkv_flow",
            Self::Clairvoyant => "clairvoyant",
            Self::Outside(outside) => outside.name(),
        }
    }

    /// Time between the instances' reports to this router; none if it does not look at reports.
    pub fn poll_interval(&self) -> Option<SimDuration> {
        match self {
            Self::SmgExpectedWait(config) => Some(config.poll_interval),
            Self::Llmd(config) | Self::LlmdTopology(config) => Some(config.poll_interval),
            Self::AibrixPd(config) => Some(config.poll_interval),
            Self::Outside(outside) => outside.poll_interval(),
            Self::RoundRobin
            | Self::Random
            | Self::PowerOfTwo
            | Self::Jsq
            | Self::LoadAware { .. }
            | Self::CacheAware { .. }
            | Self::CacheLoadAware { .. }
            | Self::DynamoDecode(_)
            | Self::DynamoTopologyRequired(_)
            | Self::DynamoTopologyPreferred(_)
            | Self::DynamoTwoTier(_)
            | Self::Dep9118Static(_)
            | Self::SglangCacheAware(_)
            | Self::LlmdAffinity(_)
            | Self::LlmdActive(_)
            | Self::LlmdTopologyFilter(_)
            | Self::Lmetric(_)
            | Self::MooncakeTtft(_)
            | Self::NetKvTopoOnly(_)
            | Self::NetKvStatic(_)
            | Self::NetKv(_)
            | Self::NetKvGuardedStatic(_)
            | Self::NetKvGuardedNoLedger(_)
            | Self::NetKvGuardedNoCache(_)
            | Self::NetKvGuardedNoLoad(_)
            | Self::NetKvGuarded(_)
            | Self::NetKvJoint(_)
            | Self::NetKvFlow(_)
            | Self::Clairvoyant => None,
        }
    }

    /// The policy, ready to decide. Whatever it draws at random comes from a stream of `seed`.
    pub fn build(&self, estimates: Estimates, seed: u64) -> Selector {
        let netkv = |config| decode(NetKv::new(config, estimates.iteration));
        let guarded = |weights, terms| decode(NetKvGuarded::new(weights, terms, estimates.iteration));
        let load_of = |measure| Load::new(measure, estimates.iteration);
        let all = GuardedTerms::ALL;
        match self.clone() {
            Self::RoundRobin => decode(RoundRobin::new()),
            Self::Random => decode(Random::new(seed)),
            Self::PowerOfTwo => decode(PowerOfTwo::new(seed)),
            Self::Jsq => decode(ShortestQueue),
            Self::LoadAware { load, ties } => decode(LoadAware::new(load_of(load), ties.breaker(seed))),
            Self::CacheAware { threshold_ratio, load, ties } => {
                decode(CacheAware::new(threshold_ratio, load_of(load), ties.breaker(seed)))
            }
            Self::CacheLoadAware { cache_weight, load_weight, load, ties } => {
                let score = Score::new(cache_weight, load_weight, load_of(load));
                decode(CacheLoadAware::new(score, ties.breaker(seed)))
            }
            Self::DynamoDecode(config) => decode(DynamoDecode::new(config, seed)),
            Self::DynamoTopologyRequired(config) => decode(DynamoTopology::new(config, Enforcement::Required, seed)),
            Self::DynamoTopologyPreferred(config) => decode(DynamoTopology::new(config, Enforcement::Preferred, seed)),
            Self::DynamoTwoTier(config) => decode(DynamoTwoTier::new(config)),
            Self::Dep9118Static(config) => decode(Dep9118Static::new(config, seed)),
            Self::SglangCacheAware(config) => decode(SglangCacheAware::new(config)),
            Self::SmgExpectedWait(config) => decode(SmgExpectedWait::new(config, seed)),
            Self::Llmd(config) => decode(Llmd::new(config, seed)),
            Self::LlmdTopology(config) => decode(LlmdTopology::new(config, seed)),
            Self::LlmdAffinity(config) => decode(LlmdAffinity::new(config, seed)),
            Self::LlmdActive(config) => decode(LlmdActive::new(config, seed)),
            Self::LlmdTopologyFilter(config) => decode(LlmdActive::filtered(config, seed)),
            Self::Lmetric(config) => decode(Lmetric::new(config, seed)),
            Self::AibrixPd(config) => pair(AibrixPd::new(config, seed)),
            Self::MooncakeTtft(config) => pair(MooncakeTtft::new(config, estimates)),
            Self::NetKvTopoOnly(config) => {
                netkv(NetKvConfig { ledger: Ledger::None, max_congestion_ratio: 0.0, ..config })
            }
            Self::NetKvStatic(config) => netkv(NetKvConfig { max_congestion_ratio: 0.0, ..config }),
            Self::NetKv(config) => netkv(config),
            Self::NetKvGuardedStatic(weights) => guarded(GuardedWeights { max_congestion_ratio: 0.0, ..weights }, all),
            Self::NetKvGuardedNoLedger(weights) => guarded(weights, GuardedTerms { ledger: false, ..all }),
            Self::NetKvGuardedNoCache(weights) => guarded(weights, GuardedTerms { cache: false, ..all }),
            Self::NetKvGuardedNoLoad(weights) => guarded(weights, GuardedTerms { load: false, ..all }),
            Self::NetKvGuarded(weights) => guarded(weights, all),
            Self::NetKvJoint(config) => Selector::Staged(Box::new(NetKvJoint::new(config, estimates))),
            Self::NetKvFlow(config) => {
                let flow = NetKvFlow::new(config, estimates);
                if config.chooses_prefill { Selector::Staged(Box::new(flow)) } else { decode(flow) }
            }
            Self::Clairvoyant => Selector::Clairvoyant,
            Self::Outside(outside) => outside.build(estimates, seed),
        }
    }
}

fn decode(policy: impl Policy + 'static) -> Selector {
    Selector::Decode(Box::new(policy))
}

fn pair(policy: impl PairPolicy + 'static) -> Selector {
    Selector::Pair(Box::new(policy))
}
