//! The typed form of one grid point: a valid scenario that lacks only its seed and its requests.
//!
//! Every key of an experiment file is read here or in the modules below, once, with what it may hold; rules over
//! several keys follow where all of them are known. A [`CellSpec`] can be had only from a tree without errors.

mod background;
mod cluster;
mod degraded;
mod engine;
mod local_prefill;
mod network;
mod policy;
mod seconds;
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
use crate::tree::Table;
use netkv_fabric::{BackgroundConfig, Degradation, FabricConfig, Wiring};
use netkv_policy::PolicyConfig;
use netkv_sim::{
    ClusterConfig, DecodeConfig, FirstToken, KvConfig, LocalPrefillConfig, LocalRule, MeasureConfig, OracleBandwidth,
    OracleGranularity, OwnTraffic, PrefillConfig, PrefillMode, Scenario, SchedulerConfig, SelectionMoment, SloConfig,
    TelemetryConfig, TransferConfig, TransferGranularity,
};
use netkv_units::SimDuration;
use netkv_workload::RequestSource;
use seconds::SECONDS;
use std::sync::Arc;

/// A valid scenario without its seed and its requests, and the recipe of these.
#[derive(Clone, Debug)]
pub struct CellSpec {
    recipe: WorkloadRecipe,
    profile: Arc<Profile>,
    cluster: ClusterConfig,
    fabric: FabricConfig,
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
    /// The scenario of this point with a seed and the requests of its recipe for that seed.
    pub(crate) fn scenario(&self, seed: u64, workload: Arc<dyn RequestSource>) -> Scenario {
        let warmup = match self.warmup {
            Warmup::Time(time) => time,
            Warmup::Share(ratio) => SimDuration::from_secs_f64(workload.span().as_secs_f64() * ratio),
        };
        Scenario {
            seed,
            workload,
            cluster: self.cluster.clone(),
            fabric: self.fabric,
            degraded: self.degraded.clone(),
            background: self.background.clone(),
            telemetry: self.telemetry,
            oracle: self.oracle,
            oracle_bandwidth: self.oracle_bandwidth,
            own_traffic: self.own_traffic,
            gpu: self.profile.gpu,
            kv: self.kv,
            prefill: self.prefill,
            decode: self.decode,
            local_prefill: self.local_prefill,
            transfer: self.transfer,
            scheduler: self.scheduler,
            selection: self.selection,
            first_token: self.first_token,
            slo: self.slo,
            policy: self.policy,
            measure: MeasureConfig { warmup, rankings: self.rankings },
        }
    }

    /// The decode policy.
    pub const fn policy(&self) -> &PolicyConfig {
        &self.policy
    }

    /// What its requests are made from.
    pub(crate) const fn recipe(&self) -> &WorkloadRecipe {
        &self.recipe
    }

    /// The latencies of its GPUs, with their origin.
    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What its requests are promised.
    pub const fn slo(&self) -> &SloConfig {
        &self.slo
    }

    /// What the record of others' traffic that it plays is known by; empty without one.
    pub(crate) fn recorded(&self) -> &str {
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
    let profile = library.profile(reader);
    let fabric = network::read_fabric(reader);
    let cluster = cluster::read_cluster(reader, profile.as_deref());
    let degraded = degraded::read_degraded(reader, fabric.as_ref());
    let background = background::read_background(reader, library, fabric.as_ref());
    let telemetry = network::read_telemetry(reader);
    let oracle = network::read_oracle(reader);
    let oracle_bandwidth = network::read_oracle_bandwidth(reader);
    let own_traffic = network::read_own_traffic(reader);
    let kv = engine::read_kv(reader, profile.as_deref(), cluster.as_ref());
    let prefill = engine::read_prefill(reader, kv.as_ref());
    let decode = engine::read_decode(reader, kv.as_ref());
    let local_prefill = local_prefill::read_local_prefill(reader, prefill.as_ref());
    let transfer = engine::read_transfer(reader, profile.as_deref());
    let scheduler = engine::read_scheduler(reader);
    let selection = engine::read_selection(reader, transfer.as_ref());
    engine::check_delay(reader, prefill.as_ref(), transfer.as_ref());
    check_granularity(reader, transfer.as_ref(), fabric.as_ref(), degraded.as_deref());
    let first_token = engine::read_first_token(reader);
    let slo = engine::read_slo(reader);
    let policy = policy::read_policy(reader, kv.as_ref(), selection);
    let warmup = read_warmup(reader);
    let rankings = reader.flag("measure.rankings");
    let latency = profile.as_ref().map(|profile| profile.gpu.prefill);
    let recipe = workload::read_recipe(reader, library, latency, prefill.as_ref(), cluster.as_ref());
    let profile = profile?;
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
        profile,
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
    fabric: Option<&FabricConfig>,
    degraded: Option<&[Degradation]>,
) {
    const KEY: &str = "transfer.granularity";
    if transfer.is_none_or(|transfer| transfer.granularity == TransferGranularity::Rank) {
        return;
    }
    if fabric.is_some_and(|fabric| fabric.shape.wiring != Wiring::Racks) {
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
