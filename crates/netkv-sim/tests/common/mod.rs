//! Scenarios for tests: a small cluster whose every figure is round, to be changed by each test as it needs.

#![allow(dead_code, reason = "every test file uses a part of it")]

pub mod random;

use netkv_fabric::{
    BackgroundConfig, FabricConfig, FabricShape, FlowBackground, ModulatedBackground, RouteChoice, SizeTable,
    Transport, Uplinks, Wiring,
};
use netkv_policy::{
    AibrixConfig, Dep9118Config, DynamoConfig, DynamoLoad, FlowConfig, GuardedWeights, JointConfig, LlmdActiveConfig,
    LlmdAffinityConfig, LlmdConfig, LmetricConfig, LmetricLoad, LoadMeasure, MooncakeConfig, PolicyConfig,
    SglangConfig, SmgConfig, TieRule, TwoTierConfig,
};
use netkv_sim::{
    ClusterConfig, DecodeConfig, DecodeLatency, FirstToken, GpuProfile, KvConfig, KvParts, LocalPrefillConfig,
    LocalRule, MeasureConfig, MixedPass, OracleBandwidth, OracleGranularity, Overlap, OwnTraffic, Placement,
    PrefillConfig, PrefillLatency, PrefillMode, PrefillPolicy, PrefillQueue, Scenario, SchedulerConfig,
    SelectionMoment, SloConfig, TelemetryConfig, TransferConfig, TransferGranularity, TtftLimit,
};
use netkv_units::{BytesPerSec, LatencyCurve, SimDuration, Tier};
use netkv_workload::Workload;
use std::sync::Arc;

/// Milliseconds as a duration.
pub const fn millis(ms: u64) -> SimDuration {
    SimDuration::from_nanos(ms * 1_000_000)
}

/// The load that load-aware policies balance in tests.
pub const TOKENS: LoadMeasure = LoadMeasure::CommittedTokens;
/// Whom they take among equals.
pub const FIRST: TieRule = TieRule::LowestId;

/// The parameters of the guarded rule in tests.
pub const WEIGHTS: GuardedWeights =
    GuardedWeights { max_congestion_ratio: 0.95, tbt_limit_s: 0.05, drain_tokens_per_sec: 20_000.0 };

const DYNAMO: DynamoConfig = DynamoConfig {
    block_tokens: 16,
    load: DynamoLoad::Blocks,
    active_request_weight: 0.0,
    topology_domain: Tier::Rack,
    topology_weight: 0.85,
};

/// SMG's parameters in tests, and how often it polls.
pub const fn smg(poll_interval: SimDuration) -> PolicyConfig {
    PolicyConfig::SmgExpectedWait(SmgConfig {
        kv_pressure_s: 0.15,
        request_tokens: 1024,
        default_tokens_per_sec: 2000.0,
        poll_interval,
    })
}

/// llm-d's parameters in tests, and how often it polls.
pub const fn llmd(poll_interval: SimDuration) -> LlmdConfig {
    LlmdConfig { prefix_weight: 3.0, queue_weight: 2.0, kv_weight: 2.0, topology_weight: 1.0, poll_interval }
}

/// AIBrix's parameters in tests.
pub const fn aibrix(roleset: Tier) -> PolicyConfig {
    PolicyConfig::AibrixPd(AibrixConfig {
        roleset,
        prefill_spread_requests: 16,
        decode_spread_requests: 16,
        throughput_spread_tokens_per_sec: 2048.0,
        drain_ratio: 1.5,
        deviations: 1.0,
        running_weight: 1.0,
        throughput_weight: 1.0,
        poll_interval: millis(50),
    })
}

/// Every policy.
pub const POLICIES: [PolicyConfig; 30] = [
    PolicyConfig::RoundRobin,
    PolicyConfig::LoadAware { load: TOKENS, ties: FIRST },
    PolicyConfig::CacheAware { threshold_ratio: 0.3, load: TOKENS, ties: FIRST },
    PolicyConfig::CacheLoadAware { cache_weight: 1.0, load_weight: 1.0, load: TOKENS, ties: FIRST },
    PolicyConfig::NetKvGuarded(WEIGHTS),
    PolicyConfig::NetKvGuardedStatic(WEIGHTS),
    PolicyConfig::NetKvJoint(JointConfig { netkv: WEIGHTS, price: 100.0, lateness_s: 0.2 }),
    PolicyConfig::NetKvFlow(FlowConfig { netkv: WEIGHTS, price: 10.0, ..FlowConfig::CHOSEN }),
    PolicyConfig::Clairvoyant,
    PolicyConfig::NetKvGuardedNoLedger(WEIGHTS),
    PolicyConfig::NetKvGuardedNoCache(WEIGHTS),
    PolicyConfig::NetKvGuardedNoLoad(WEIGHTS),
    PolicyConfig::Random,
    PolicyConfig::PowerOfTwo,
    PolicyConfig::Jsq,
    PolicyConfig::DynamoDecode(DYNAMO),
    PolicyConfig::DynamoTopologyRequired(DYNAMO),
    PolicyConfig::DynamoTopologyPreferred(DYNAMO),
    PolicyConfig::Dep9118Static(Dep9118Config { dynamo: DYNAMO, transfer_blocks_per_sec: 1250.0 }),
    PolicyConfig::SglangCacheAware(SglangConfig {
        cache_threshold_ratio: 0.3,
        balance_abs_requests: 3,
        balance_rel_ratio: 1.5,
    }),
    smg(millis(500)),
    PolicyConfig::Llmd(llmd(millis(50))),
    PolicyConfig::LlmdTopology(llmd(SimDuration::ZERO)),
    PolicyConfig::LlmdAffinity(LlmdAffinityConfig {
        block_tokens: 16,
        affinity_threshold_ratio: 0.8,
        max_ttft_penalty: millis(500),
        peak_prefill_tokens_per_sec: 1000.0,
        queue_threshold_tokens: 100_000,
    }),
    PolicyConfig::LlmdActive(LlmdActiveConfig { idle_requests: 0, min_affinity: Tier::Rack }),
    PolicyConfig::LlmdTopologyFilter(LlmdActiveConfig { idle_requests: 0, min_affinity: Tier::Rack }),
    PolicyConfig::Lmetric(LmetricConfig { block_tokens: 16, load: LmetricLoad::Requests }),
    PolicyConfig::DynamoTwoTier(TwoTierConfig {
        block_tokens: 16,
        cache_threshold_ratio: 0.5,
        balance_abs_requests: 3,
        balance_rel_ratio: 1.1,
    }),
    aibrix(Tier::Pod),
    PolicyConfig::MooncakeTtft(MooncakeConfig { tbt_limit_s: 0.05, drain_tokens_per_sec: 20_000.0 }),
];

/// Whether a policy picks the prefill instance as well.
pub const fn picks_both(policy: &PolicyConfig) -> bool {
    matches!(
        policy,
        PolicyConfig::AibrixPd(_)
            | PolicyConfig::MooncakeTtft(_)
            | PolicyConfig::NetKvJoint(_)
            | PolicyConfig::NetKvFlow(_)
    )
}

/// Two GPUs an instance, four prefill instances of eight.
fn cluster() -> ClusterConfig {
    ClusterConfig {
        tp: 2,
        decode_tp: 2,
        parts: KvParts { prefill: 2, decode: 2 },
        prefill_instances: 4,
        decode_instances: None,
        unused_gpus_per_node: 0,
        events: Vec::new(),
        placement: Placement::PerNode,
    }
}

/// 2 pods x 2 racks x 1 node x 4 GPUs.
const FABRIC: FabricConfig = FabricConfig {
    shape: FabricShape {
        pods: 2,
        racks_per_pod: 2,
        nodes_per_rack: 1,
        gpus_per_node: 4,
        nics_per_node: 4,
        wiring: Wiring::Racks,
    },
    nvlink: BytesPerSec::new(100_000_000_000),
    nic: BytesPerSec::new(10_000_000_000),
    uplinks: Uplinks::Pooled,
    rack_oversubscription: 1.0,
    pod_oversubscription: 1.0,
    spines_per_pod: 2,
    cores: 2,
    route: RouteChoice::Ecmp,
    latency: [SimDuration::ZERO; 4],
    transport: Transport::Fluid,
};

/// 2 pods x 2 racks x 1 node x 4 GPUs, two GPUs an instance: 8 instances, 4 of each kind. 10 GB/s NICs, no
/// oversubscription, no background, no latency; 1 MB of KV cache a token; prefill 1 ms a token, decode 10 ms an
/// iteration.
pub fn scenario(workload: Workload) -> Scenario {
    Scenario {
        seed: 1,
        workload: Arc::new(workload),
        cluster: cluster(),
        fabric: FABRIC,
        layout: None,
        degraded: Vec::new(),
        background: BackgroundConfig::None,
        telemetry: TelemetryConfig {
            interval: SimDuration::ZERO,
            delay: SimDuration::ZERO,
            noise_ratio: 0.0,
            loss_ratio: 0.0,
        },
        oracle: OracleGranularity::Tier,
        oracle_bandwidth: OracleBandwidth::Share,
        own_traffic: OwnTraffic::Counted,
        gpu: GpuProfile {
            prefill: PrefillLatency { tokens: LatencyCurve::linear(0, 1_000_000_000_000), per_pair_fs: 0 },
            decode: DecodeLatency { requests: LatencyCurve::linear(10_000_000_000_000, 0), per_token_fs: 0 },
            local: PrefillLatency { tokens: LatencyCurve::linear(0, 1_000_000_000_000), per_pair_fs: 0 },
        },
        kv: KvConfig {
            bytes_per_token: 1_000_000,
            prefill_bytes_per_token: 1_000_000,
            block_tokens: 16,
            prefill_blocks: 100_000,
            decode_blocks: 100_000,
            prefix_caching: true,
        },
        prefill: PrefillConfig {
            engine: PrefillMode::Batched,
            policy: PrefillPolicy::LeastTokens,
            max_batch_tokens: 8192,
            max_batch_requests: 64,
            queue: PrefillQueue::Fcfs,
            host_tier_tokens: 0,
            host_load_bytes_per_sec: 50_000_000_000,
        },
        decode: DecodeConfig { max_batch: 64, watermark_blocks: 10, host_bytes_per_sec: 50_000_000_000 },
        local_prefill: LocalPrefillConfig { rule: LocalRule::Never, chunk_tokens: 512, pass: MixedPass::Separate },
        transfer: TransferConfig {
            granularity: TransferGranularity::Rank,
            skip_cached: true,
            setup: SimDuration::ZERO,
            setup_per_descriptor: SimDuration::ZERO,
            descriptor_bytes: 16_384,
            overlap: Overlap::None,
        },
        scheduler: SchedulerConfig { replicas: 1, gossip: SimDuration::ZERO },
        selection: SelectionMoment::PrefillDone,
        first_token: FirstToken::Decode,
        slo: SloConfig { ttft: TtftLimit::Slowdown(1.25), tbt: millis(50) },
        policy: PolicyConfig::RoundRobin,
        measure: MeasureConfig { warmup: SimDuration::ZERO, warmup_requests: 0, rankings: false },
    }
}

/// A background that is busy half of the time, unequal between pods.
pub const BACKGROUND: BackgroundConfig = BackgroundConfig::Modulated(ModulatedBackground {
    quiet_ratio: (0.05, 0.25),
    busy_ratio: (0.35, 0.55),
    quiet_dwell: SimDuration::from_nanos(500_000_000),
    busy_dwell: SimDuration::from_nanos(500_000_000),
    pod_spread_ratio: 0.5,
});

/// Competing flows of 360 MB on average, unequal between pods.
pub fn flows(offered_load_ratio: f64) -> BackgroundConfig {
    let sizes = SizeTable::named("bulk").expect("a known table");
    BackgroundConfig::Flows(FlowBackground { offered_load_ratio, sizes, size_scale: 1.0, pod_spread_ratio: 0.5 })
}
