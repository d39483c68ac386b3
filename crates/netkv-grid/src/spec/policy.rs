//! The policy under test, with the parameters of every policy: they are checked, used or not.

use super::outside;
use super::seconds::{PERIOD, POSITIVE_SECONDS, SECONDS};
use crate::library::Library;
use crate::reader::{Range, Reader, one_of};
use netkv_policy::{
    AibrixConfig, BatchView, Dep9118Config, DynamoConfig, DynamoLoad, FlowConfig, GuardedWeights, JointConfig, Ledger,
    LlmdActiveConfig, LlmdAffinityConfig, LlmdConfig, LmetricConfig, LmetricLoad, LoadMeasure, MooncakeConfig,
    NetKvConfig, OutsidePolicy, PolicyConfig, SglangConfig, SmgConfig, TieRule, TwoTierConfig, WaitModel, WhenFull,
};
use netkv_sim::{KvConfig, SelectionMoment};
use netkv_units::{SimDuration, Tier};

/// A weight, or a factor.
const WEIGHT: Range = Range::closed(0.0, 1e9);
/// Tokens or blocks a second, zero excluded.
const RATE: Range = Range::above(0.0, 1e12);
/// Most requests that a threshold may name. Chosen by us.
const MAX_REQUESTS: u32 = 1 << 20;

/// Most tokens that a threshold may name. Chosen by us.
const MAX_TOKENS: u64 = 1 << 40;

/// The policy.
pub(super) fn read_policy(
    reader: &mut Reader<'_>,
    library: &Library,
    kv: Option<&KvConfig>,
    selection: Option<SelectionMoment>,
) -> Option<PolicyConfig> {
    let names: Vec<_> = PolicyConfig::all_names().map(|name| (name, name)).collect();
    let name = reader.choice("policy.name", &names);
    let threshold_ratio = reader.float("policy.cache_threshold_ratio", Range::closed(0.0, 1.0));
    let cache_weight = reader.float("policy.cache_weight", WEIGHT);
    let load_weight = reader.float("policy.load_weight", WEIGHT);
    let load = read_load(reader);
    let ties = reader.choice("policy.ties", &[("lowest_id", TieRule::LowestId), ("random", TieRule::Random)]);
    let weights = read_guarded(reader);
    let netkv = read_netkv(reader, kv, weights.as_ref());
    let price = reader.float("policy.joint.price", WEIGHT);
    let lateness_s = reader.float("policy.joint.lateness_s", SECONDS);
    let flow = read_flow(reader, weights.as_ref());
    let rivals = read_rivals(reader, kv);
    let script = outside::read_script(reader, library, ties, name == Some("script"));
    let external = outside::read_external(reader, library, kv, name == Some("external"));
    let (threshold_ratio, cache_weight, load_weight) = (threshold_ratio?, cache_weight?, load_weight?);
    let (load, ties, netkv) = (load?, ties?, netkv?);
    let (weights, rivals) = (weights?, rivals?);
    let GuardedWeights { tbt_limit_s, drain_tokens_per_sec, .. } = weights;
    let name = name?;
    check_refusal(reader, name, netkv.when_full, selection);
    Some(match name {
        "round_robin" => PolicyConfig::RoundRobin,
        "random" => PolicyConfig::Random,
        "power_of_two" => PolicyConfig::PowerOfTwo,
        "jsq" => PolicyConfig::Jsq,
        "load_aware" => PolicyConfig::LoadAware { load, ties },
        "cache_aware" => PolicyConfig::CacheAware { threshold_ratio, load, ties },
        "cache_load_aware" => PolicyConfig::CacheLoadAware { cache_weight, load_weight, load, ties },
        "mooncake_ttft" => PolicyConfig::MooncakeTtft(MooncakeConfig { tbt_limit_s, drain_tokens_per_sec }),
        "netkv_topo_only" => PolicyConfig::NetKvTopoOnly(netkv),
        "netkv_static" => PolicyConfig::NetKvStatic(netkv),
        "netkv" => PolicyConfig::NetKv(netkv),
        "netkv_guarded_static" => PolicyConfig::NetKvGuardedStatic(weights),
        "netkv_guarded_no_ledger" => PolicyConfig::NetKvGuardedNoLedger(weights),
        "netkv_guarded_no_cache" => PolicyConfig::NetKvGuardedNoCache(weights),
        "netkv_guarded_no_load" => PolicyConfig::NetKvGuardedNoLoad(weights),
        "netkv_guarded" => PolicyConfig::NetKvGuarded(weights),
        "netkv_joint" => {
            PolicyConfig::NetKvJoint(JointConfig { netkv: weights, price: price?, lateness_s: lateness_s? })
        }
        "netkv_flow" => PolicyConfig::NetKvFlow(flow?),
        "clairvoyant" => PolicyConfig::Clairvoyant,
        "script" => PolicyConfig::Outside(OutsidePolicy::new(script?)),
        "external" => PolicyConfig::Outside(OutsidePolicy::new(external?)),
        other => rivals.named(other),
    })
}

/// The parameters of other systems' rules.
struct Rivals {
    dynamo: DynamoConfig,
    two_tier: TwoTierConfig,
    transfer_blocks_per_sec: f64,
    sglang: SglangConfig,
    smg: SmgConfig,
    llmd: LlmdConfig,
    affinity: LlmdAffinityConfig,
    active: LlmdActiveConfig,
    lmetric: LmetricConfig,
    aibrix: AibrixConfig,
}

impl Rivals {
    /// The rule of this name.
    fn named(&self, name: &str) -> PolicyConfig {
        let &Self { dynamo, transfer_blocks_per_sec, .. } = self;
        match name {
            "dynamo_decode" => PolicyConfig::DynamoDecode(dynamo),
            "dynamo_topology_required" => PolicyConfig::DynamoTopologyRequired(dynamo),
            "dynamo_topology_preferred" => PolicyConfig::DynamoTopologyPreferred(dynamo),
            "dynamo_two_tier" => PolicyConfig::DynamoTwoTier(self.two_tier),
            "dep9118_static" => PolicyConfig::Dep9118Static(Dep9118Config { dynamo, transfer_blocks_per_sec }),
            "sglang_cache_aware" => PolicyConfig::SglangCacheAware(self.sglang),
            "smg_expected_wait" => PolicyConfig::SmgExpectedWait(self.smg),
            "llmd" => PolicyConfig::Llmd(self.llmd),
            "llmd_topology" => PolicyConfig::LlmdTopology(self.llmd),
            "llmd_affinity" => PolicyConfig::LlmdAffinity(self.affinity),
            "llmd_active" => PolicyConfig::LlmdActive(self.active),
            "llmd_topology_filter" => PolicyConfig::LlmdTopologyFilter(self.active),
            "lmetric" => PolicyConfig::Lmetric(self.lmetric),
            "aibrix_pd" => PolicyConfig::AibrixPd(self.aibrix),
            other => unreachable!("{other} is in {} but not built here", one_of(&PolicyConfig::NAMES)),
        }
    }
}

fn read_rivals(reader: &mut Reader<'_>, kv: Option<&KvConfig>) -> Option<Rivals> {
    let dynamo = read_dynamo(reader, kv);
    let two_tier = read_two_tier(reader, kv);
    let transfer_blocks_per_sec = reader.float("policy.dynamo.transfer_blocks_per_s", WEIGHT);
    let (sglang, smg, llmd) = (read_sglang(reader), read_smg(reader), read_llmd(reader));
    let (affinity, active) = (read_llmd_affinity(reader, kv), read_llmd_active(reader));
    let (lmetric, aibrix) = (read_lmetric(reader, kv), read_aibrix(reader));
    Some(Rivals {
        dynamo: dynamo?,
        two_tier: two_tier?,
        transfer_blocks_per_sec: transfer_blocks_per_sec?,
        sglang: sglang?,
        smg: smg?,
        llmd: llmd?,
        affinity: affinity?,
        active: active?,
        lmetric: lmetric?,
        aibrix: aibrix?,
    })
}

/// What load-aware, cache-aware and cache+load-aware balance.
fn read_load(reader: &mut Reader<'_>) -> Option<LoadMeasure> {
    reader.choice(
        "policy.load",
        &[
            ("committed_tokens", LoadMeasure::CommittedTokens),
            ("next_iteration", LoadMeasure::NextIteration),
            ("committed_iteration", LoadMeasure::CommittedIteration),
        ],
    )
}

/// The paper's rule and its deviations; those of the guarded rule take its parameters.
fn read_netkv(reader: &mut Reader<'_>, kv: Option<&KvConfig>, guarded: Option<&GuardedWeights>) -> Option<NetKvConfig> {
    let ledger = reader.choice(
        "policy.netkv.ledger",
        &[("source_tier", Ledger::SourceTier), ("interface", Ledger::Interface), ("none", Ledger::None)],
    );
    let ledger_cap = reader.count("policy.netkv.ledger_cap", 0, MAX_REQUESTS);
    let max_congestion_ratio = reader.float("policy.netkv.max_congestion_ratio", Range::closed(0.0, 1.0));
    let batch =
        reader.choice("policy.netkv.batch", &[("running", BatchView::Running), ("committed", BatchView::Committed)]);
    let waits_by_memory = reader.choice("policy.netkv.wait", &[("slots", false), ("memory", true)]);
    let reserve_gb = reader.float("policy.netkv.reserve_gb", Range::closed(0.0, 1e6));
    let is_guarded = reader.choice("policy.netkv.guard", &[("none", false), ("room_and_tbt", true)]);
    let when_full = reader.choice("policy.netkv.when_full", &[("refuse", WhenFull::Refuse), ("wait", WhenFull::Wait)]);
    let &GuardedWeights { tbt_limit_s, drain_tokens_per_sec, .. } = guarded?;
    Some(NetKvConfig {
        ledger: ledger?,
        ledger_cap: ledger_cap?,
        max_congestion_ratio: max_congestion_ratio?,
        batch: batch?,
        wait: if waits_by_memory? { WaitModel::Memory { drain_tokens_per_sec } } else { WaitModel::Slots },
        reserve_tokens: (reserve_gb? * 1e9 / kv?.bytes_per_token as f64).ceil() as u64,
        guard_tbt_s: is_guarded?.then_some(tbt_limit_s),
        when_full: when_full?,
    })
}

/// That of both ends by a book of the transfers in flight; whether the oracle counts these is the oracle's key.
fn read_flow(reader: &mut Reader<'_>, guarded: Option<&GuardedWeights>) -> Option<FlowConfig> {
    let price = reader.float("policy.flow.price", WEIGHT);
    let lateness_s = reader.float("policy.flow.lateness_s", SECONDS);
    let tbt_budget_ms = reader.float("policy.flow.tbt_budget_ms", POSITIVE_SECONDS);
    let learning = reader.float("policy.flow.learning", Range::closed(0.0, 1.0));
    let memory_s = reader.float("policy.flow.memory_s", POSITIVE_SECONDS);
    let chooses_prefill = reader.choice("policy.flow.prefill", &[("chosen", true), ("given", false)]);
    let tolerance_ratio = reader.float("policy.flow.tolerance_ratio", Range::closed(0.0, 10.0));
    let counts_own = reader.choice("oracle.own_traffic", &[("counted", true), ("excluded", false)]);
    Some(FlowConfig {
        netkv: *guarded?,
        price: price?,
        lateness_s: lateness_s?,
        tbt_budget_s: tbt_budget_ms? * 1e-3,
        learning: learning?,
        memory_s: memory_s?,
        tolerance_ratio: tolerance_ratio?,
        counts_own: counts_own?,
        chooses_prefill: chooses_prefill?,
    })
}

/// A prompt that is refused has been computed: the paper's rule decides then.
fn check_refusal(reader: &mut Reader<'_>, name: &str, when_full: WhenFull, selection: Option<SelectionMoment>) {
    let refuses = ["netkv", "netkv_static", "netkv_topo_only"].contains(&name) && when_full == WhenFull::Refuse;
    if refuses && selection.is_some_and(|at| at != SelectionMoment::PrefillDone) {
        let message = format!(
            "policy.netkv.when_full = \"refuse\" of policy {name} refuses prompts that are computed; allowed with \
             selection.at = \"prefill_done\"; with another, write when_full = \"wait\""
        );
        reader.fail("policy.netkv.when_full", &message);
    }
}

fn read_guarded(reader: &mut Reader<'_>) -> Option<GuardedWeights> {
    let max_congestion_ratio = reader.float("policy.max_congestion_ratio", Range::below(0.0, 1.0));
    let tbt_limit_ms = reader.float("policy.tbt_limit_ms", POSITIVE_SECONDS);
    let drain_tokens_per_sec = reader.float("policy.drain_tokens_per_s", RATE);
    Some(GuardedWeights {
        max_congestion_ratio: max_congestion_ratio?,
        tbt_limit_s: tbt_limit_ms? * 1e-3,
        drain_tokens_per_sec: drain_tokens_per_sec?,
    })
}

/// Which instances are together, by how near they are.
fn read_level(reader: &mut Reader<'_>, key: &str) -> Option<Tier> {
    reader.choice(key, &[("node", Tier::Node), ("rack", Tier::Rack), ("pod", Tier::Pod)])
}

pub(super) fn read_poll_interval(reader: &mut Reader<'_>, key: &str) -> Option<SimDuration> {
    let seconds = reader.float(key, SECONDS)?;
    if seconds > 0.0 && !PERIOD.contains(seconds) {
        reader.fail(key, &format!("{key} is too short; allowed: 0, or {PERIOD}"));
        return None;
    }
    Some(SimDuration::from_secs_f64(seconds))
}

fn read_dynamo(reader: &mut Reader<'_>, kv: Option<&KvConfig>) -> Option<DynamoConfig> {
    let load =
        reader.choice("policy.dynamo.load", &[("blocks", DynamoLoad::Blocks), ("requests", DynamoLoad::Requests)]);
    let active_request_weight = reader.float("policy.dynamo.active_request_weight", WEIGHT);
    let topology_domain = read_level(reader, "policy.dynamo.topology_domain");
    let topology_weight = reader.float("policy.dynamo.topology_weight", Range::closed(0.0, 1.0));
    Some(DynamoConfig {
        block_tokens: kv?.block_tokens,
        load: load?,
        active_request_weight: active_request_weight?,
        topology_domain: topology_domain?,
        topology_weight: topology_weight?,
    })
}

fn read_two_tier(reader: &mut Reader<'_>, kv: Option<&KvConfig>) -> Option<TwoTierConfig> {
    let cache_threshold_ratio = reader.float("policy.dynamo.cache_threshold_ratio", Range::closed(0.0, 1.0));
    let balance_abs_requests = reader.count("policy.dynamo.balance_abs_requests", 0, MAX_REQUESTS);
    let balance_rel_ratio = reader.float("policy.dynamo.balance_rel_ratio", Range::closed(1.0, 1e9));
    Some(TwoTierConfig {
        block_tokens: kv?.block_tokens,
        cache_threshold_ratio: cache_threshold_ratio?,
        balance_abs_requests: balance_abs_requests?,
        balance_rel_ratio: balance_rel_ratio?,
    })
}

fn read_lmetric(reader: &mut Reader<'_>, kv: Option<&KvConfig>) -> Option<LmetricConfig> {
    let loads = [("requests", LmetricLoad::Requests), ("blocks", LmetricLoad::Blocks)];
    let load = reader.choice("policy.lmetric.load", &loads);
    Some(LmetricConfig { block_tokens: kv?.block_tokens, load: load? })
}

fn read_sglang(reader: &mut Reader<'_>) -> Option<SglangConfig> {
    let cache_threshold_ratio = reader.float("policy.sglang.cache_threshold_ratio", Range::closed(0.0, 1.0));
    let balance_abs_requests = reader.count("policy.sglang.balance_abs_requests", 0, MAX_REQUESTS);
    let balance_rel_ratio = reader.float("policy.sglang.balance_rel_ratio", WEIGHT);
    Some(SglangConfig {
        cache_threshold_ratio: cache_threshold_ratio?,
        balance_abs_requests: balance_abs_requests?,
        balance_rel_ratio: balance_rel_ratio?,
    })
}

fn read_smg(reader: &mut Reader<'_>) -> Option<SmgConfig> {
    let kv_pressure_s = reader.float("policy.smg.kv_pressure_s", SECONDS);
    let request_tokens = reader.count("policy.smg.request_tokens", 1, u32::MAX);
    let default_tokens_per_sec = reader.float("policy.smg.default_tokens_per_s", RATE);
    let poll_interval = read_poll_interval(reader, "policy.smg.poll_interval_s");
    Some(SmgConfig {
        kv_pressure_s: kv_pressure_s?,
        request_tokens: request_tokens?,
        default_tokens_per_sec: default_tokens_per_sec?,
        poll_interval: poll_interval?,
    })
}

fn read_llmd(reader: &mut Reader<'_>) -> Option<LlmdConfig> {
    let prefix_weight = reader.float("policy.llmd.prefix_weight", WEIGHT);
    let queue_weight = reader.float("policy.llmd.queue_weight", WEIGHT);
    let kv_weight = reader.float("policy.llmd.kv_weight", WEIGHT);
    let topology_weight = reader.float("policy.llmd.topology_weight", WEIGHT);
    let poll_interval = read_poll_interval(reader, "policy.llmd.poll_interval_s");
    Some(LlmdConfig {
        prefix_weight: prefix_weight?,
        queue_weight: queue_weight?,
        kv_weight: kv_weight?,
        topology_weight: topology_weight?,
        poll_interval: poll_interval?,
    })
}

fn read_llmd_affinity(reader: &mut Reader<'_>, kv: Option<&KvConfig>) -> Option<LlmdAffinityConfig> {
    let affinity_threshold_ratio = reader.float("policy.llmd.affinity_threshold_ratio", Range::closed(0.0, 1.0));
    let max_ttft_penalty_s = reader.float("policy.llmd.max_ttft_penalty_s", SECONDS);
    let peak_prefill_tokens_per_sec = reader.float("policy.llmd.peak_prefill_tokens_per_s", RATE);
    let queue_threshold_tokens = reader.integer("policy.llmd.queue_threshold_tokens", 1, MAX_TOKENS);
    Some(LlmdAffinityConfig {
        block_tokens: kv?.block_tokens,
        affinity_threshold_ratio: affinity_threshold_ratio?,
        max_ttft_penalty: SimDuration::from_secs_f64(max_ttft_penalty_s?),
        peak_prefill_tokens_per_sec: peak_prefill_tokens_per_sec?,
        queue_threshold_tokens: queue_threshold_tokens?,
    })
}

fn read_llmd_active(reader: &mut Reader<'_>) -> Option<LlmdActiveConfig> {
    let idle_requests = reader.count("policy.llmd.idle_requests", 0, MAX_REQUESTS);
    let min_affinity = read_level(reader, "policy.llmd.min_affinity");
    Some(LlmdActiveConfig { idle_requests: idle_requests?, min_affinity: min_affinity? })
}

fn read_aibrix(reader: &mut Reader<'_>) -> Option<AibrixConfig> {
    let roleset = read_level(reader, "policy.aibrix.roleset");
    let prefill_spread_requests = reader.count("policy.aibrix.prefill_spread_requests", 0, MAX_REQUESTS);
    let decode_spread_requests = reader.count("policy.aibrix.decode_spread_requests", 1, MAX_REQUESTS);
    let throughput_spread = reader.float("policy.aibrix.throughput_spread_tokens_per_s", WEIGHT);
    let drain_ratio = reader.float("policy.aibrix.drain_ratio", WEIGHT);
    let deviations = reader.float("policy.aibrix.deviations", WEIGHT);
    let running_weight = reader.float("policy.aibrix.running_weight", WEIGHT);
    let throughput_weight = reader.float("policy.aibrix.throughput_weight", WEIGHT);
    let poll_interval = read_poll_interval(reader, "policy.aibrix.poll_interval_s");
    Some(AibrixConfig {
        roleset: roleset?,
        prefill_spread_requests: prefill_spread_requests?,
        decode_spread_requests: decode_spread_requests?,
        throughput_spread_tokens_per_sec: throughput_spread?,
        drain_ratio: drain_ratio?,
        deviations: deviations?,
        running_weight: running_weight?,
        throughput_weight: throughput_weight?,
        poll_interval: poll_interval?,
    })
}
