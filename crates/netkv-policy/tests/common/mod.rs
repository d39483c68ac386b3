//! What the tests of the policies share: a small cluster, and every policy with its source's parameters.

#![allow(dead_code, reason = "every test file uses a part of it")]

use netkv_policy::{
    AibrixConfig, Candidate, CostOracle, Dep9118Config, DynamoConfig, DynamoLoad, Estimates, FlowConfig,
    GuardedWeights, IterationModel, JointConfig, LlmdActiveConfig, LlmdAffinityConfig, LlmdConfig, LmetricConfig,
    LmetricLoad, LoadMeasure, MooncakeConfig, NetKvConfig, PairPolicy, PathCost, Policy, PolicyConfig,
    PrefillCandidate, PrefillModel, PromptView, RequestView, Selector, SglangConfig, SmgConfig, TieRule, TwoTierConfig,
};
use netkv_units::{Bytes, InstanceId, LatencyCurve, RequestId, SimDuration, SimTime, Tier};
use std::borrow::Borrow;

pub const ITERATION: IterationModel =
    IterationModel { requests: LatencyCurve::linear(10_000_000_000_000, 0), per_token_fs: 1_000_000_000 };
/// 0.1 s a batch, 0.1 ms a token.
pub const PREFILL: PrefillModel =
    PrefillModel { tokens: LatencyCurve::linear(100_000_000_000_000, 100_000_000_000), per_pair_fs: 0 };
pub const ESTIMATES: Estimates = Estimates { prefill: PREFILL, iteration: ITERATION };

/// The load that the project's own experiments balance.
pub const TOKENS: LoadMeasure = LoadMeasure::CommittedTokens;
/// Whom they take among equals.
pub const FIRST: TieRule = TieRule::LowestId;

pub const WEIGHTS: GuardedWeights =
    GuardedWeights { max_congestion_ratio: 0.95, tbt_limit_s: 0.05, drain_tokens_per_sec: 10_000.0 };
pub const DYNAMO: DynamoConfig = DynamoConfig {
    block_tokens: 16,
    load: DynamoLoad::Blocks,
    active_request_weight: 0.0,
    topology_domain: Tier::Rack,
    topology_weight: 0.85,
};
pub const TWO_TIER: TwoTierConfig =
    TwoTierConfig { block_tokens: 16, cache_threshold_ratio: 0.5, balance_abs_requests: 32, balance_rel_ratio: 1.1 };
pub const LMETRIC: LmetricConfig = LmetricConfig { block_tokens: 16, load: LmetricLoad::Requests };
pub const LLMD_AFFINITY: LlmdAffinityConfig = LlmdAffinityConfig {
    block_tokens: 16,
    affinity_threshold_ratio: 0.8,
    max_ttft_penalty: SimDuration::from_nanos(18_000_000_000),
    peak_prefill_tokens_per_sec: 15_928.0,
    queue_threshold_tokens: 4_194_304,
};
pub const LLMD_ACTIVE: LlmdActiveConfig = LlmdActiveConfig { idle_requests: 0, min_affinity: Tier::Node };
pub const SGLANG: SglangConfig =
    SglangConfig { cache_threshold_ratio: 0.3, balance_abs_requests: 64, balance_rel_ratio: 1.5 };
pub const SMG: SmgConfig = SmgConfig {
    kv_pressure_s: 0.15,
    request_tokens: 1024,
    default_tokens_per_sec: 2000.0,
    poll_interval: SimDuration::from_nanos(10_000_000_000),
};
pub const LLMD: LlmdConfig = LlmdConfig {
    prefix_weight: 3.0,
    queue_weight: 2.0,
    kv_weight: 2.0,
    topology_weight: 1.0,
    poll_interval: SimDuration::from_nanos(50_000_000),
};
pub const AIBRIX: AibrixConfig = AibrixConfig {
    roleset: Tier::Rack,
    prefill_spread_requests: 16,
    decode_spread_requests: 16,
    throughput_spread_tokens_per_sec: 2048.0,
    drain_ratio: 1.5,
    deviations: 1.0,
    running_weight: 1.0,
    throughput_weight: 1.0,
    poll_interval: SimDuration::from_nanos(50_000_000),
};
pub const DEP9118: Dep9118Config = Dep9118Config { dynamo: DYNAMO, transfer_blocks_per_sec: 1250.0 };
pub const MOONCAKE: MooncakeConfig = MooncakeConfig { tbt_limit_s: 0.05, drain_tokens_per_sec: 10_000.0 };

pub const FLOW: FlowConfig = FlowConfig {
    netkv: WEIGHTS,
    price: 4.0,
    tbt_budget_s: 0.001,
    lateness_s: 0.1,
    learning: 0.1,
    memory_s: 10.0,
    tolerance_ratio: 0.0,
    counts_own: true,
    chooses_prefill: true,
};

/// Every policy, in the order of the list of names.
pub const ALL: [PolicyConfig; 33] = [
    PolicyConfig::RoundRobin,
    PolicyConfig::Random,
    PolicyConfig::PowerOfTwo,
    PolicyConfig::Jsq,
    PolicyConfig::LoadAware { load: TOKENS, ties: FIRST },
    PolicyConfig::CacheAware { threshold_ratio: 0.3, load: TOKENS, ties: FIRST },
    PolicyConfig::CacheLoadAware { cache_weight: 1.0, load_weight: 1.0, load: TOKENS, ties: FIRST },
    PolicyConfig::DynamoDecode(DYNAMO),
    PolicyConfig::DynamoTopologyRequired(DYNAMO),
    PolicyConfig::DynamoTopologyPreferred(DYNAMO),
    PolicyConfig::DynamoTwoTier(TWO_TIER),
    PolicyConfig::Dep9118Static(DEP9118),
    PolicyConfig::SglangCacheAware(SGLANG),
    PolicyConfig::SmgExpectedWait(SMG),
    PolicyConfig::Llmd(LLMD),
    PolicyConfig::LlmdTopology(LLMD),
    PolicyConfig::LlmdAffinity(LLMD_AFFINITY),
    PolicyConfig::LlmdActive(LLMD_ACTIVE),
    PolicyConfig::LlmdTopologyFilter(LLMD_ACTIVE),
    PolicyConfig::Lmetric(LMETRIC),
    PolicyConfig::AibrixPd(AIBRIX),
    PolicyConfig::MooncakeTtft(MOONCAKE),
    PolicyConfig::NetKvTopoOnly(NetKvConfig::PRINTED),
    PolicyConfig::NetKvStatic(NetKvConfig::PRINTED),
    PolicyConfig::NetKv(NetKvConfig::PRINTED),
    PolicyConfig::NetKvGuardedStatic(WEIGHTS),
    PolicyConfig::NetKvGuardedNoLedger(WEIGHTS),
    PolicyConfig::NetKvGuardedNoCache(WEIGHTS),
    PolicyConfig::NetKvGuardedNoLoad(WEIGHTS),
    PolicyConfig::NetKvGuarded(WEIGHTS),
    PolicyConfig::NetKvJoint(JointConfig { netkv: WEIGHTS, price: 4.0, lateness_s: 0.1 }),
    PolicyConfig::NetKvFlow(FLOW),
    PolicyConfig::Clairvoyant,
];

/// From instance 9 instance 0 is in the same node, 1 in the same rack, 2 in the same pod, 3 in another pod.
pub struct Oracle {
    pub congestion_ratio: [f64; 4],
    pub counts_in_flight: bool,
}

pub const QUIET: Oracle = Oracle { congestion_ratio: [0.0; 4], counts_in_flight: false };

impl CostOracle for Oracle {
    fn leaving(&self, group: Tier) -> f64 {
        [10e9, 5e9, 2.5e9, 2.5e9][group.index()]
    }

    fn path(&self, _: InstanceId, destination: InstanceId) -> PathCost {
        // Those beyond the four are prefill instances of one node.
        let tier = if destination.index() < 4 { destination.index() } else { 0 };
        PathCost {
            tier: Tier::ALL[tier],
            bandwidth_bytes_per_sec: [100e9, 10e9, 5e9, 2.5e9][tier],
            latency: SimDuration::ZERO,
            congestion_ratio: self.congestion_ratio[tier],
            counts_in_flight: self.counts_in_flight,
            age: SimDuration::ZERO,
        }
    }
}

pub const PROMPT: PromptView = PromptView {
    request: RequestId::new(0),
    input_tokens: 1000,
    kv_bytes: Bytes::new(1_000_000_000),
    now: SimTime::ZERO,
    ttft_left: SimDuration::ZERO,
};
pub const REQUEST: RequestView = RequestView { source: InstanceId::new(9), prompt: PROMPT };

/// An idle instance with room for 100,000 tokens; the whole prompt of 1 GB would have to be moved to it.
pub fn idle(instance: u32) -> Candidate {
    Candidate {
        max_batch: 64,
        capacity_tokens: 100_000,
        free_tokens: 100_000,
        transfer_bytes: PROMPT.kv_bytes,
        ..Candidate::unknown(InstanceId::new(instance))
    }
}

/// One at each distance.
pub fn four() -> [Candidate; 4] {
    [0, 1, 2, 3].map(idle)
}

pub fn idle_prefill(instance: u32) -> PrefillCandidate {
    PrefillCandidate {
        instance: InstanceId::new(instance),
        requests: 0,
        backlog_tokens: 0,
        backlog_pairs: 0,
        hit_tokens: 0,
    }
}

/// A policy that picks the decode instance.
pub fn decode_policy(config: &PolicyConfig, seed: u64) -> Box<dyn Policy> {
    match config.build(ESTIMATES, seed) {
        Selector::Decode(policy) => policy,
        Selector::Pair(_) | Selector::Staged(_) | Selector::Clairvoyant => panic!("{} is no rule for d", config.name()),
    }
}

/// A policy that picks both.
pub fn pair_policy(config: &PolicyConfig, seed: u64) -> Box<dyn PairPolicy> {
    match config.build(ESTIMATES, seed) {
        Selector::Pair(policy) => policy,
        Selector::Decode(_) | Selector::Staged(_) | Selector::Clairvoyant => {
            panic!("{} does not pick both at once", config.name())
        }
    }
}

/// The policy takes `expect` for the request, whatever the seed.
#[track_caller]
pub fn check(config: impl Borrow<PolicyConfig>, candidates: &[Candidate], oracle: &dyn CostOracle, expect: usize) {
    check_request(config, &REQUEST, candidates, oracle, expect);
}

#[track_caller]
pub fn check_request(
    config: impl Borrow<PolicyConfig>,
    request: &RequestView,
    candidates: &[Candidate],
    oracle: &dyn CostOracle,
    expect: usize,
) {
    let config = config.borrow();
    for seed in 0..20 {
        let chosen = decode_policy(config, seed).select(request, candidates, oracle);
        assert_eq!(chosen, expect, "{} with seed {seed}", config.name());
    }
}

/// How often each candidate is taken in `n` decisions.
pub fn counts(config: impl Borrow<PolicyConfig>, candidates: &[Candidate], n: u32) -> Vec<u32> {
    let mut policy = decode_policy(config.borrow(), 1);
    let mut counts = vec![0; candidates.len()];
    for _ in 0..n {
        counts[policy.select(&REQUEST, candidates, &QUIET)] += 1;
    }
    counts
}

/// The policy takes each of `tied` equally often, and nobody else.
#[track_caller]
pub fn check_tie(config: impl Borrow<PolicyConfig>, candidates: &[Candidate], tied: &[usize]) {
    let n = 3000 * tied.len() as u32;
    let config = config.borrow();
    let counts = counts(config, candidates, n);
    for (position, &count) in counts.iter().enumerate() {
        // Binomial: 3,000 expected, standard deviation at most 55.
        let fair = if tied.contains(&position) { count.abs_diff(3000) < 300 } else { count == 0 };
        assert!(fair, "{}: {counts:?}, tied {tied:?}", config.name());
    }
}
