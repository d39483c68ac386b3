//! A scenario: everything that one run depends on, already valid. The grid builds it from an experiment file;
//! nothing here has a default.

pub use crate::cluster_config::{ClusterChange, ClusterConfig, ClusterEvent, KvParts, Placement, Pool};
use crate::profile::GpuProfile;
use netkv_fabric::{BackgroundConfig, Degradation, FabricConfig, FatTree, Layout};
use netkv_policy::PolicyConfig;
use netkv_units::{SimDuration, SimTime};
use netkv_workload::{Request, RequestSource};
use std::sync::Arc;

/// Version of the model: a change that moves any result raises it. Stored results of another epoch are not reused.
pub const SIM_EPOCH: u32 = 7;

/// One run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Seed of every random stream but the workload's, whose draws were made when it was built.
    pub seed: u64,
    /// The requests.
    pub workload: Arc<dyn RequestSource>,
    /// Which GPUs form which instance, and what each does.
    pub cluster: ClusterConfig,
    /// The network between them; its `shape` counts the GPUs.
    pub fabric: FabricConfig,
    /// The nodes in the place of those of the shape, where racks or pods are not alike.
    pub layout: Option<Arc<Layout>>,
    /// Links that carry less than they should for some time.
    pub degraded: Vec<Degradation>,
    /// Traffic of other tenants.
    pub background: BackgroundConfig,
    /// How the state of the network reaches the scheduler.
    pub telemetry: TelemetryConfig,
    /// How much of its congestion the oracle tells.
    pub oracle: OracleGranularity,
    /// Which bandwidth the oracle gives for a tier.
    pub oracle_bandwidth: OracleBandwidth,
    /// Whether its congestion holds the scheduler's own transfers.
    pub own_traffic: OwnTraffic,
    /// Latencies of the GPUs of each pool.
    pub gpu: GpuProfile,
    /// KV cache memory.
    pub kv: KvConfig,
    /// The prefill instances.
    pub prefill: PrefillConfig,
    /// The decode instances.
    pub decode: DecodeConfig,
    /// Which prompts decode instances compute themselves.
    pub local_prefill: LocalPrefillConfig,
    /// How KV caches are moved.
    pub transfer: TransferConfig,
    /// How many schedulers there are.
    pub scheduler: SchedulerConfig,
    /// When the decode instance of a request is chosen.
    pub selection: SelectionMoment,
    /// Where the first token comes from.
    pub first_token: FirstToken,
    /// What a request is promised.
    pub slo: SloConfig,
    /// Decode selection.
    pub policy: PolicyConfig,
    /// Which requests count.
    pub measure: MeasureConfig,
}

impl Scenario {
    /// When the last request arrives, if that is known before the run: in a loop that waits for answers it is not.
    pub(crate) fn last_arrival(&self) -> Option<SimTime> {
        self.workload.sessions().is_none().then(|| self.workload.last_arrival())
    }

    /// The fabric as it is built, whatever transfers see of it.
    pub fn tree(&self) -> FatTree {
        match &self.layout {
            Some(layout) => FatTree::laid_out(self.fabric, layout),
            None => FatTree::new(self.fabric),
        }
    }

    /// Whether transfers go on beside prefill.
    pub(crate) const fn overlaps(&self) -> bool {
        self.transfer.overlap.is_beside_prefill()
    }

    /// Whether prompt and output of a request fit the memory of an instance.
    pub(crate) fn can_ever_fit(&self, own: &Request) -> bool {
        let blocks = |tokens: u64| tokens.div_ceil(u64::from(self.kv.block_tokens));
        let (input_tokens, output_tokens) = (u64::from(own.input_tokens), u64::from(own.output_tokens));
        let fits_prefill =
            self.prefill.engine == PrefillMode::Delay || blocks(input_tokens) <= u64::from(self.kv.prefill_blocks);
        let most_blocks = blocks(input_tokens + output_tokens) + u64::from(self.decode.watermark_blocks);
        fits_prefill && most_blocks <= u64::from(self.kv.decode_blocks)
    }
}

/// Sampling of the links' counters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// Time between samples, each over the window since the last; zero: the oracle sees the present.
    pub interval: SimDuration,
    /// Time from a sample to when the scheduler can see it.
    pub delay: SimDuration,
    /// Relative error of a sample: each is multiplied by a uniform draw from 1 ± this.
    pub noise_ratio: f64,
    /// Probability that a link's sample is lost, and the last one stays.
    pub loss_ratio: f64,
}

/// How much of the network's state the oracle tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OracleGranularity {
    /// Bandwidth and latency of each tier; no congestion.
    Static,
    /// One congestion figure for each tier: the paper's thin interface (arXiv 2606.03910, section III).
    Tier,
    /// One congestion figure for each ordered pair of racks.
    Zone,
    /// The most congested rack or pod link that any of the transfer's flows would cross.
    Path,
    /// The rate that the transfer's flows would really get at this moment. Not deployable: an upper bound.
    Exact,
}

/// The bandwidth B of a tier, as the oracle gives it. (The paper's B is that of one link of the tier, which a transfer
/// alone reaches.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OracleBandwidth {
    /// What a transfer is sure of when every GPU sends: its NICs over the tier's oversubscription.
    Share,
    /// What a transfer gets when nobody else sends, its flows on links of their own.
    Idle,
    /// What one link of the tier carries: a transfer of several flows may get more.
    Link,
}

/// Whether congestion holds the scheduler's own transfers, of which it knows by its ledger as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnTraffic {
    /// It does: what a link's counters say.
    Counted,
    /// It does not: KV transfers are marked (by a DSCP class or a queue) and left out, as in the paper (section III). NICs
    /// are sampled too, since the ledger does not know what others send over them; and a first sample is there from the
    /// start.
    Excluded,
}

/// KV cache memory of an instance, the same for every instance of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvConfig {
    /// Bytes of KV cache for one token, all GPUs of a decode instance together: what is moved to it.
    pub bytes_per_token: u64,
    /// The same of a prefill instance, whose GPUs may hold another number of copies.
    pub prefill_bytes_per_token: u64,
    /// Tokens of one memory block of the engine; divides the prefix block of the trace.
    pub block_tokens: u32,
    /// Capacity of a prefill instance in blocks.
    pub prefill_blocks: u32,
    /// Capacity of a decode instance in blocks.
    pub decode_blocks: u32,
    /// Whether finished prompts stay in the prefix caches.
    pub prefix_caching: bool,
}

impl KvConfig {
    /// Tokens of the whole blocks of the engine that a prompt fills: what a router that hashes blocks counts of it.
    pub(crate) const fn in_blocks(&self, input_tokens: u32) -> u64 {
        (input_tokens as u64) / self.block_tokens as u64 * self.block_tokens as u64
    }

    /// Tokens that this many blocks of the engine hold.
    pub(crate) const fn tokens_of(&self, blocks: u32) -> u64 {
        blocks as u64 * self.block_tokens as u64
    }
}

/// The prefill pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefillConfig {
    /// How prompts share an instance.
    pub engine: PrefillMode,
    /// Which prefill instance takes an arriving request; the same for every decode policy under comparison.
    pub policy: PrefillPolicy,
    /// Prompt tokens computed in one batch; longer prompts are computed in chunks.
    pub max_batch_tokens: u32,
    /// Requests in one batch.
    pub max_batch_requests: u32,
    /// Which waiting prompt is computed next.
    pub queue: PrefillQueue,
    /// Tokens of an instance's tier in host memory, which keeps whole prefix blocks; none: evicted blocks are gone.
    pub host_tier_tokens: u64,
    /// Rate at which the KV cache of such blocks is loaded, in bytes per second.
    pub host_load_bytes_per_sec: u64,
}

impl PrefillConfig {
    /// Tokens of a prompt that are computed in one batch at the most.
    pub const fn chunk_tokens(&self) -> u32 {
        match self.engine {
            PrefillMode::Batched => self.max_batch_tokens,
            PrefillMode::Delay => u32::MAX,
        }
    }
}

/// How prompts share a prefill instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefillMode {
    /// In batches, out of a queue, with KV memory and prefix caches.
    Batched,
    /// They do not: each takes the time that it would take alone, uncached and in one batch, however many there are (the
    /// paper's T_prefill = c l + d, without a queue). Its KV memory is taken to be there.
    Delay,
}

/// Which waiting prompt is computed next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefillQueue {
    /// The first that came.
    Fcfs,
    /// The one with the fewest tokens to compute, less what its wait is worth.
    ShortestFirst {
        /// Tokens that a second of waiting makes up for; zero: the longest may wait for ever.
        ageing_tokens_per_sec: u64,
    },
}

/// Choice of the prefill instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefillPolicy {
    /// In turn.
    RoundRobin,
    /// Fewest prompt tokens waiting or being computed; ties to the lowest id.
    LeastTokens,
    /// Fewest tokens waiting or being computed plus those of the prompt that its prefix cache lacks.
    CacheAware,
}

/// The decode pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeConfig {
    /// Requests in one continuous batch.
    pub max_batch: u32,
    /// Blocks kept free when a request is admitted, so that running requests can grow.
    pub watermark_blocks: u32,
    /// Rate at which a preempted request's KV cache moves to the host or back, in bytes per second.
    pub host_bytes_per_sec: u64,
}

/// Prompts that are computed on decode instances, in chunks beside their batches. Nothing of them is moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalPrefillConfig {
    /// Which ones.
    pub rule: LocalRule,
    /// Prompt tokens that an iteration computes beside its batch, at the most.
    pub chunk_tokens: u32,
    /// How long an iteration with a chunk lasts.
    pub pass: MixedPass,
}

/// How long a decode iteration with a chunk of a prompt beside it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MixedPass {
    /// As long as both, one after the other.
    Separate,
    /// As long as both, but what either takes for nothing (reading the weights, launching kernels) is taken once, the larger.
    Joint,
}

/// Which prompts a decode instance computes itself: decided when a request arrives, before anything else is chosen. The
/// formulas, their sources and what is ours stand in `scheduler/local.rs`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LocalRule {
    /// None.
    Never,
    /// Those of which little is left to compute where most of them is cached.
    Short {
        /// Fewer tokens than this are left, ...
        max_tokens: u32,
        /// ... and less than this share of the prompt.
        max_ratio: f64,
    },
    /// Those that would wait longer for a prefill instance than a decode instance needs for them.
    Deflect {
        /// Iterations with a chunk do not last longer than this.
        tbt_limit: SimDuration,
        /// Chunks are taken to last this many times as long as predicted.
        margin_factor: f64,
        /// A chunk that is shorter than this, and not a prompt's last one, is not worth its iteration.
        min_chunk_tokens: u32,
    },
    /// Those of which a decode instance holds much.
    Session {
        /// At least this share of the prompt.
        min_hit_ratio: f64,
    },
}

/// Moving KV caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferConfig {
    /// How a transfer is split into flows.
    pub granularity: TransferGranularity,
    /// Whether blocks that the decode instance's prefix cache holds are not sent again.
    pub skip_cached: bool,
    /// Time to set a transfer up, before its first byte leaves.
    pub setup: SimDuration,
    /// What each descriptor of a flow adds to that: an entry for a piece of memory that is moved as one.
    pub setup_per_descriptor: SimDuration,
    /// Bytes of a descriptor, at least 1.
    pub descriptor_bytes: u64,
    /// Whether it goes on beside prefill.
    pub overlap: Overlap,
}

impl TransferConfig {
    /// Flows of a transfer between the instances of a cluster: one for each pair of ranks that share bytes, or as many as were asked for.
    pub fn flows(&self, cluster: &ClusterConfig) -> u32 {
        match self.granularity {
            TransferGranularity::Rank => cluster.decode_tp * (cluster.parts.prefill / cluster.parts.decode).max(1),
            TransferGranularity::Instance { flows } => flows,
        }
    }

    /// Time to set a transfer of so many bytes up. Its flows are set up side by side, each with the descriptors of its
    /// share, so the largest share counts.
    ///
    /// # Panics
    /// If that is beyond the range of time.
    pub const fn setup_of(&self, bytes: u64, flows: u32) -> SimDuration {
        let descriptors = bytes.div_ceil(flows as u64).div_ceil(self.descriptor_bytes);
        SimDuration::from_nanos(self.setup.as_nanos() + self.setup_per_descriptor.as_nanos() * descriptors)
    }
}

/// Whether the KV cache of a prompt leaves while it is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// When all of it is there.
    None,
    /// Layer by layer. The decode instance must have been chosen when prefill begins.
    Layerwise {
        /// Layers of the model, at least one: the last one cannot leave before prefill ends.
        layers: u32,
    },
}

impl Overlap {
    /// Whether transfers go on beside prefill.
    pub(crate) const fn is_beside_prefill(self) -> bool {
        matches!(self, Self::Layerwise { .. })
    }
}

/// The schedulers: replicas of one router, over which requests are spread at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerConfig {
    /// How many there are, at least one. All see the same telemetry and reports; each keeps books of its own requests.
    pub replicas: u32,
    /// Time between the moments at which each is told what the others did; zero: at once.
    pub gossip: SimDuration,
}

/// When the decode instance of a request is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelectionMoment {
    /// When it arrives, after its prefill instance.
    Arrival,
    /// When the first batch with its prompt begins.
    PrefillStart,
    /// When its prompt is computed.
    PrefillDone,
}

/// How a transfer is split into flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferGranularity {
    /// One flow for each GPU, rank i to rank i.
    Rank,
    /// Flows that may use the bandwidth of all the instance's interfaces, as if they were one.
    Instance {
        /// How many flows, each with a route of its own and an even share of the bytes; at least one.
        flows: u32,
    },
}

/// Which side emits the first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstToken {
    /// The decode side: TTFT includes the transfer.
    Decode,
    /// The prefill side: TTFT ends with prefill, and the transfer is part of the first gap between tokens.
    Prefill,
}

impl FirstToken {
    /// Whether a request that is to make `output_tokens` has tokens left to make once its prompt is computed.
    pub(crate) const fn leaves_tokens(self, output_tokens: u32) -> bool {
        matches!(self, Self::Decode) || output_tokens > 1
    }
}

/// Service level objective of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SloConfig {
    /// Limit on TTFT.
    pub ttft: TtftLimit,
    /// Limit on the request's mean time between tokens.
    pub tbt: SimDuration,
}

/// Limit on TTFT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TtftLimit {
    /// The same for every request.
    Fixed(SimDuration),
    /// This many times the request's TTFT on an idle cluster with empty caches and a same-rack transfer.
    Slowdown(f64),
}

/// Which requests count in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasureConfig {
    /// Requests that arrive earlier warm the caches and are left out of every metric.
    pub warmup: SimDuration,
    /// So do the first so many requests.
    pub warmup_requests: usize,
    /// Whether each decision is compared with what it would be if the oracle showed the present. No request's outcome
    /// depends on it.
    pub rankings: bool,
}
