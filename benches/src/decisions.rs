//! A router's decisions: candidates in every state, and an operator's table of the fabric.

use netkv_policy::{
    Candidate, CostOracle, Estimates, FlowConfig, GuardedTerms, GuardedWeights, IterationModel, NetKv, NetKvConfig,
    NetKvGuarded, PathCost, Policy, PolicyConfig, PrefillModel, PromptView, RequestView, Selector, TransferEvent, TransferStep,
};
use netkv_units::{Bytes, InstanceId, LatencyCurve, SimDuration, SimTime, Stream, Tier, RequestId};

/// Bytes of KV cache for one token (Llama-3.1-70B).
const BYTES_PER_TOKEN: u64 = 327_680;

/// Instances in a node, a rack and a pod, as in experiments/base.toml.
const GROUPS: [u32; 3] = [2, 4, 8];

/// The figures of each tier, and how far apart two instances are.
pub struct Table {
    is_one_pod: bool,
    figures: [PathCost; 4],
}

impl Table {
    /// A fabric of pods of two racks of two nodes: instances at every distance, most of them in other pods.
    pub fn mixed() -> Self {
        Self::new(false)
    }

    /// All instances in the same pod, none in the same rack.
    pub fn one_pod() -> Self {
        Self::new(true)
    }

    fn new(is_one_pod: bool) -> Self {
        let figures = Tier::ALL.map(|tier| PathCost {
            tier,
            bandwidth_bytes_per_sec: [1.8e12, 37.5e9, 18.75e9, 9.375e9][tier.index()],
            latency: SimDuration::from_nanos([2_000, 4_000, 8_000, 15_000][tier.index()]),
            congestion_ratio: [0.0, 0.0, 0.3, 0.4][tier.index()],
            counts_in_flight: false,
            age: SimDuration::from_nanos(500_000_000),
        });
        Self { is_one_pod, figures }
    }

    fn tier_of(&self, one: InstanceId, other: InstanceId) -> Tier {
        if self.is_one_pod {
            return if one == other { Tier::Node } else { Tier::Pod };
        }
        let together = |&size: &u32| one.index() as u32 / size == other.index() as u32 / size;
        Tier::ALL[GROUPS.iter().position(together).unwrap_or(GROUPS.len())]
    }
}

impl CostOracle for Table {
    fn leaving(&self, group: Tier) -> f64 {
        [37.5e9, 75e9, 150e9, 150e9][group.index()]
    }

    fn alone(&self, over: Tier) -> f64 {
        self.figures[over.index()].bandwidth_bytes_per_sec
    }

    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        self.figures[self.tier_of(source, destination).index()]
    }
}

const ITERATION: IterationModel =
    IterationModel { requests: LatencyCurve::linear(12_500_000_000_000, 15_000_000_000), per_token_fs: 35_000_000 };

/// The paper's rule.
pub const fn netkv() -> NetKv {
    NetKv::new(NetKvConfig::PRINTED, ITERATION)
}

/// The guarded rule with the parameters of the base experiment and this TBT limit.
pub fn guarded(tbt_limit_s: f64) -> NetKvGuarded {
    let weights = GuardedWeights { max_congestion_ratio: 0.95, tbt_limit_s, drain_tokens_per_sec: 20_000.0 };
    NetKvGuarded::new(weights, GuardedTerms::ALL, ITERATION)
}

/// `netkv_flow` with the prefill instance given and `in_flight` transfers from it to the first instances, its book filled.
pub fn flow(table: &Table, candidates: &[Candidate], in_flight: usize) -> Box<dyn Policy> {
    let config = FlowConfig { chooses_prefill: false, ..FlowConfig::CHOSEN };
    let prefill = PrefillModel { tokens: LatencyCurve::linear(10_000_000_000_000, 60_000_000_000), per_pair_fs: 0 };
    let Selector::Decode(mut policy) =
        PolicyConfig::NetKvFlow(config).build(Estimates { prefill, iteration: ITERATION }, 1)
    else {
        unreachable!("the prefill instance is given")
    };
    policy.select(&request(), candidates, table);
    for candidate in candidates.iter().cycle().take(in_flight) {
        let (source, destination) = (request().source, candidate.instance);
        let tier = table.path(source, destination).tier;
        let (bytes, now) = (candidate.transfer_bytes, SimTime::ZERO);
        policy.observe(&TransferEvent { source, destination, tier, bytes, now, step: TransferStep::Begun });
    }
    policy
}

/// A request with a prompt of 12,000 tokens.
pub const fn request() -> RequestView {
    let prompt = PromptView {
 request: RequestId::new(0),
        now: SimTime::ZERO,
        input_tokens: 12_000,
        kv_bytes: Bytes::new(12_000 * BYTES_PER_TOKEN),
        ttft_left: SimDuration::ZERO,
    };
    RequestView { source: InstanceId::new(0), prompt }
}

/// `n` instances under load: a few without room, a third with a part of the prompt, some with transfers on the way.
pub fn candidates(n: u32, seed: u64) -> Vec<Candidate> {
    let mut stream = Stream::new(seed, "candidates");
    let mut below = |n: u64| stream.below(n);
    let mut candidate = |instance: u32| {
        let (running, pending) = (below(100) as u32, below(4) as u32);
        let running_tokens = u64::from(running) * (2_000 + below(4_000));
        let pending_tokens = u64::from(pending) * 12_000;
        let hit_tokens = if below(3) == 0 { below(24) as u32 * 512 } else { 0 };
        Candidate {
            running,
            pending,
            max_batch: 128,
            running_tokens,
            pending_tokens,
            capacity_tokens: 450_000,
            free_tokens: 450_000_u64.saturating_sub(running_tokens + pending_tokens),
            queued_tokens: if below(10) == 0 { 12_000 } else { 0 },
            hit_tokens,
            transfer_bytes: Bytes::new((12_000 - u64::from(hit_tokens)) * BYTES_PER_TOKEN),
            sharing_transfers: below(3) as u32,
            source_tier_transfers: below(3) as u32,
            ..Candidate::unknown(InstanceId::new(instance))
        }
    };
    (0..n).map(&mut candidate).collect()
}
