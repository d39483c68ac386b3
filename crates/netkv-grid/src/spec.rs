//! The typed form of one grid point: a valid scenario that lacks only its seed and its requests.
//!
//! Every key of an experiment file is read here or in the modules below, once, with what it may hold; rules over
//! several keys follow where all of them are known. A [`CellSpec`] can be had only from a tree without errors.

mod background;
mod cluster;
mod degraded;
mod engine;
mod events;
mod local_prefill;
mod network;
mod nodes;
mod outside;
mod policy;
mod pools;
mod seconds;
mod sessions;
mod workload;

#[cfg(test)]
pub(crate) use degraded::FIELDS as DEGRADED_FIELDS;
pub(crate) use workload::WorkloadRecipe;

use crate::header;
use crate::issue::{Issue, Origin};
use crate::library::Library;
use crate::profile::{LatencyRange, Profile};
use crate::reader::{Range, Reader};
use crate::span::Span;
use crate::topology::Topology;
use crate::tree::Table;
use netkv_fabric::{BackgroundConfig, Degradation, Wiring};
use netkv_policy::PolicyConfig;
use netkv_sim::{
    ClusterConfig, DecodeConfig, FirstToken, KvConfig, LocalPrefillConfig, LocalRule, MeasureConfig, OracleBandwidth,
    OracleGranularity, Overlap, OwnTraffic, PrefillConfig, PrefillMode, Scenario, SchedulerConfig, SelectionMoment,
    SloConfig, TelemetryConfig, TransferConfig, TransferGranularity,
};
use netkv_units::SimDuration;
use netkv_workload::{Begin, RequestSource};
use network::Fabric;
use nodes::Nodes;
use pools::Pools;
use seconds::SECONDS;
use std::sync::Arc;

/// A valid scenario without its seed and its requests, and the recipe of these.
#[derive(Clone, Debug)]
pub struct CellSpec {
    recipe: WorkloadRecipe,
    pools: Pools,
    cluster: ClusterConfig,
    fabric: Fabric,
    topology: Option<Arc<Topology>>,
    degraded: Vec<Degradation>,
    background: BackgroundConfig,
    telemetry: TelemetryConfig,
    oracle: OracleGranularity,
    oracle_bandwidth: OracleBandwidth,
    own_traffic: OwnTraffic,
    kv: KvConfig,
    prefill: PrefillConfig,
    decode: DecodeConfig,
    local_prefill: LocalPrefillConfig,
    transfer: TransferConfig,
    scheduler: SchedulerConfig,
    selection: SelectionMoment,
    first_token: FirstToken,
    slo: SloConfig,
    policy: PolicyConfig,
    warmup: Warmup,
    rankings: bool,
}

/// How long a run warms up.
#[derive(Clone, Copy, Debug)]
enum Warmup {
    /// So long.
    Time(SimDuration),
    /// This share of the time in which requests arrive.
    Share(f64),
}

impl CellSpec {
    /// Whether nodes have NIC rates of their own, beside `fabric.nic_gbps`.
    pub fn has_nic_rates(&self) -> bool {
        self.topology.as_ref().is_some_and(|file| file.rates.iter().any(|own| own.nic_gbps.is_some()))
    }

    /// The scenario of this point with a seed and the requests of its recipe for that seed.
    pub(crate) fn scenario(&self, seed: u64, workload: Arc<dyn RequestSource>) -> Scenario {
        // Where requests wait for answers, nobody knows yet how long they will come for: the share is of their number.
        let (warmup, warmup_requests) = match self.warmup {
            Warmup::Time(time) => (time, 0),
            Warmup::Share(ratio) if workload.sessions().is_some() => {
                (SimDuration::ZERO, (workload.len() as f64 * ratio) as usize)
            }
            Warmup::Share(ratio) => (SimDuration::from_secs_f64(workload.span().as_secs_f64() * ratio), 0),
        };
        Scenario {
            seed,
            workload,
            cluster: self.cluster.clone(),
            fabric: self.fabric.config,
            layout: self.fabric.layout.clone(),
            degraded: self.degraded.clone(),
            background: self.background.clone(),
            telemetry: self.telemetry,
            oracle: self.oracle,
            oracle_bandwidth: self.oracle_bandwidth,
            own_traffic: self.own_traffic,
            gpu: self.pools.gpu(),
            kv: self.kv,
            prefill: self.prefill,
            decode: self.decode,
            local_prefill: self.local_prefill,
            transfer: self.transfer,
            scheduler: self.scheduler,
            selection: self.selection,
            first_token: self.first_token,
            slo: self.slo,
            policy: self.policy.clone(),
            measure: MeasureConfig { warmup, warmup_requests, rankings: self.rankings },
        }
    }

    /// The decode policy.
    pub const fn policy(&self) -> &PolicyConfig {
        &self.policy
    }

    /// Whether a number of sessions is at once, and requests come as fast as they are answered.
    pub fn is_closed(&self) -> bool {
        self.recipe.sessions().is_some_and(|sessions| matches!(sessions.begin, Begin::Users(_)))
    }

    /// What its requests are made from.
    pub(crate) const fn recipe(&self) -> &WorkloadRecipe {
        &self.recipe
    }

    /// The latencies of its prefill instances, with their origin.
    pub(crate) fn profile(&self) -> &Profile {
        &self.pools.prefill
    }

    /// The profiles of its pools, and what it asks of each.
    pub(crate) fn used_profiles(&self) -> Vec<(&Profile, LatencyRange)> {
        self.pools.asked(self.asked_latencies())
    }

    /// Of the files that it depends on besides its requests and that profile, all that results depend on.
    pub(crate) fn other_files(&self) -> impl Iterator<Item = &str> {
        let topology = self.topology.as_ref().map(|topology| topology.canonical.as_str());
        [Some(self.pools.decode.canonical()), topology, Some(self.recorded()), self.outside()].into_iter().flatten()
    }

    /// What its requests are promised.
    pub const fn slo(&self) -> &SloConfig {
        &self.slo
    }

    /// What a policy of somebody else's is known by.
    fn outside(&self) -> Option<&str> {
        if let PolicyConfig::Outside(outside) = &self.policy { Some(outside.identity()) } else { None }
    }

    /// What the record of others' traffic that it plays is known by; empty without one.
    fn recorded(&self) -> &str {
        match &self.background {
            BackgroundConfig::Recorded(recording) => &recording.known_by,
            BackgroundConfig::None
            | BackgroundConfig::Steady { .. }
            | BackgroundConfig::Modulated(_)
            | BackgroundConfig::Flows(_) => "",
        }
    }

    /// KV cache memory of an instance.
    pub const fn kv(&self) -> &KvConfig {
        &self.kv
    }

    /// What it asks of the profile's latencies, whatever the seed. A batch may be as small as one; how large, the limits
    /// of the engines say.
    pub(crate) fn asked_latencies(&self) -> LatencyRange {
        let lengths = self.recipe.lengths();
        let [shortest, longest, total] =
            [lengths.shortest_input, lengths.longest_input, lengths.longest_total].map(u64::from);
        let PrefillConfig { max_batch_tokens, max_batch_requests, .. } = self.prefill;
        let most_tokens = match self.prefill.engine {
            PrefillMode::Batched => u64::from(max_batch_tokens).min(u64::from(max_batch_requests) * longest),
            PrefillMode::Delay => longest,
        };
        let longest_chunk = match self.local_prefill.rule {
            LocalRule::Never => 0,
            LocalRule::Short { .. } | LocalRule::Deflect { .. } | LocalRule::Session { .. } => {
                u64::from(self.local_prefill.chunk_tokens).min(longest)
            }
        };
        let most_tokens = most_tokens.max(longest_chunk);
        LatencyRange {
            prefill_batch_tokens: Span { low: 1, high: most_tokens },
            prefill_context_tokens: Span { low: shortest, high: longest },
            decode_batch: Span { low: 1, high: u64::from(self.decode.max_batch) },
            decode_context_tokens: Span { low: shortest, high: total },
        }
    }

    /// Reads a grid point, or says all that is wrong with it. `is_known` if a point with the same keys had no unknown one.
    pub(crate) fn read(tree: &Table, file: &Origin, library: &Library, is_known: bool) -> Result<Self, Vec<Issue>> {
        let reader = if is_known { Reader::trusting } else { Reader::new };
        let mut reader = reader(tree, file, header::NO_DEFAULTS);
        header::OWN_KEYS.iter().chain([&header::WORD]).for_each(|key| reader.accept(key));
        let spec = Self::read_keys(&mut reader, library);
        let issues = reader.finish();
        if !issues.is_empty() {
            return Err(issues);
        }
        Ok(spec.expect("a point without errors is complete"))
    }

    /// Reads the keys, and reports to the reader what is wrong with them.
    pub(crate) fn read_keys(reader: &mut Reader<'_>, library: &Library) -> Option<Self> {
        read_sections(reader, library)
    }
}

/// Every section in turn, so that each reports its errors whatever the others hold.
fn read_sections(reader: &mut Reader<'_>, library: &Library) -> Option<CellSpec> {
    let pools = Pools::read(reader, library);
    let nodes = Nodes::read(reader, library);
    let fabric = network::read_fabric(reader, nodes.as_ref());
    let cluster = cluster::read_cluster(reader, pools.as_ref(), nodes.as_ref());
    let degraded = degraded::read_degraded(reader, fabric.as_ref());
    let background = background::read_background(reader, library, fabric.as_ref());
    let telemetry = network::read_telemetry(reader);
    let oracle = network::read_oracle(reader);
    let oracle_bandwidth = network::read_oracle_bandwidth(reader);
    let own_traffic = network::read_own_traffic(reader);
    let kv = engine::read_kv(reader, pools.as_ref(), cluster.as_ref());
    let prefill = engine::read_prefill(reader, kv.as_ref());
    let decode = engine::read_decode(reader, kv.as_ref());
    let local_prefill = local_prefill::read_local_prefill(reader, prefill.as_ref(), kv.as_ref());
    let transfer = engine::read_transfer(reader, pools.as_ref().map(|pools| &*pools.prefill));
    let scheduler = engine::read_scheduler(reader);
    let selection = engine::read_selection(reader, transfer.as_ref());
    engine::check_delay(reader, prefill.as_ref(), transfer.as_ref());
    let overlaps = transfer.is_some_and(|transfer| transfer.overlap != Overlap::None);
    let events = cluster.as_ref().map_or(&[][..], |cluster| &cluster.events);
    events::check_events(reader, events, prefill.as_ref(), local_prefill.as_ref(), overlaps);
    check_granularity(reader, transfer.as_ref(), fabric.as_ref(), degraded.as_deref());
    check_pooled(reader, transfer.as_ref(), cluster.as_ref(), nodes.as_ref());
    let first_token = engine::read_first_token(reader);
    let slo = engine::read_slo(reader);
    let policy = policy::read_policy(reader, library, kv.as_ref(), selection);
    outside::check_external(reader, policy.as_ref(), scheduler.as_ref(), local_prefill.as_ref());
    let warmup = read_warmup(reader);
    let rankings = reader.flag("measure.rankings");
    let latency = pools.as_ref().map(|pools| pools.prefill.gpu.prefill);
    let recipe = workload::read_recipe(reader, library, latency, prefill.as_ref(), cluster.as_ref());
    if let (Some(kv), Some(recipe)) = (&kv, &recipe) {
        engine::check_blocks(reader, kv, recipe.block_tokens());
    }
    Some(CellSpec {
        recipe: recipe?,
        cluster: cluster?,
        fabric: fabric?,
        degraded: degraded?,
        background: background?,
        telemetry: telemetry?,
        oracle: oracle?,
        oracle_bandwidth: oracle_bandwidth?,
        own_traffic: own_traffic?,
        kv: kv?,
        prefill: prefill?,
        decode: decode?,
        local_prefill: local_prefill?,
        transfer: transfer?,
        scheduler: scheduler?,
        selection: selection?,
        first_token: first_token?,
        slo: slo?,
        policy: policy?,
        warmup: warmup?,
        rankings: rankings?,
        pools: pools?,
        topology: nodes?.file,
    })
}

/// How long a run warms up.
fn read_warmup(reader: &mut Reader<'_>) -> Option<Warmup> {
    let is_share = reader.choice("measure.warmup", &[("seconds", false), ("share", true)]);
    let warmup_s = reader.float("measure.warmup_s", SECONDS);
    let ratio = reader.float("measure.warmup_share_ratio", Range::below(0.0, 1.0));
    let (warmup_s, ratio) = (warmup_s?, ratio?);
    Some(if is_share? { Warmup::Share(ratio) } else { Warmup::Time(SimDuration::from_secs_f64(warmup_s)) })
}

/// Pooled interfaces have no rails, and none of them can be told apart.
fn check_granularity(
    reader: &mut Reader<'_>,
    transfer: Option<&TransferConfig>,
    fabric: Option<&Fabric>,
    degraded: Option<&[Degradation]>,
) {
    const KEY: &str = "transfer.granularity";
    if transfer.is_none_or(|transfer| transfer.granularity == TransferGranularity::Rank) {
        return;
    }
    if fabric.is_some_and(|fabric| fabric.config.shape.wiring != Wiring::Racks) {
        reader.fail(
            KEY,
            "transfer.granularity = \"instance\" pools NICs of several rails; allowed with fabric.wiring = \"racks\"",
        );
    }
    if degraded.is_some_and(|degraded| degraded.iter().any(|one| one.gpu.is_some())) {
        reader
            .fail(KEY, "transfer.granularity = \"instance\" knows no single GPU; allowed without fabric.degraded.gpu");
    }
}

/// Pooled interfaces are those of instances that are alike, on nodes that are.
fn check_pooled(
    reader: &mut Reader<'_>,
    transfer: Option<&TransferConfig>,
    cluster: Option<&ClusterConfig>,
    nodes: Option<&Nodes>,
) {
    const KEY: &str = "transfer.granularity";
    if transfer.is_none_or(|transfer| transfer.granularity == TransferGranularity::Rank) {
        return;
    }
    let start = "transfer.granularity = \"instance\" makes one interface of an instance's NICs";
    if let Some(cluster) = cluster.filter(|cluster| !cluster.is_uniform()) {
        let (tp, decode_tp, unused) = (cluster.tp, cluster.decode_tp, cluster.unused_gpus_per_node);
        let message = format!(
            "{start}; allowed where decode.tp is cluster.tp and no GPU of a node is unused; here they are {decode_tp}, {tp} and \
             cluster.unused_gpus_per_node = {unused}"
        );
        reader.fail(KEY, &message);
    }
    if nodes.is_some_and(|nodes| nodes.file.is_some() || !nodes.own_nics()) {
        let message =
            format!("{start}; allowed with a NIC for each GPU (cluster.nics_per_node = 0) and without fabric.topology");
        reader.fail(KEY, &message);
    }
}
