//! The serving engine: memory, batches, transfers, and objectives.

use super::pools::Pools;
use super::seconds::{POSITIVE_SECONDS, SECONDS};
use crate::profile::Profile;
use crate::reader::{Range, Reader};
use netkv_sim::{
    ClusterConfig, DecodeConfig, FirstToken, KvConfig, Overlap, PrefillConfig, PrefillMode, PrefillPolicy,
    PrefillQueue, SchedulerConfig, SelectionMoment, SloConfig, TransferConfig, TransferGranularity, TtftLimit,
};
use netkv_units::SimDuration;
use netkv_workload::BLOCK_TOKENS;
use std::sync::Arc;

/// Keys of the memory of a GPU: all of it, that for KV caches alone, and either of a decode instance's.
const HBM_MEMORY: &str = "kv.hbm_gb_per_gpu";
const FIXED_MEMORY: &str = "kv.fixed_gb_per_gpu";
const DECODE_MEMORY: &str = "decode.memory_gb_per_gpu";

/// Most flows of a transfer over pooled interfaces. Chosen by us.
const MAX_FLOWS: u32 = 256;

/// Most routers side by side. Chosen by us.
const MAX_REPLICAS: u32 = 1024;
/// Routers that talk more often do nothing else.
const SHORTEST_GOSSIP_S: f64 = 1e-3;

/// Most tokens or requests of a batch. Chosen by us.
const MAX_BATCH: u32 = 1 << 20;

/// KV memory: what the weights leave of the GPUs' memory, in blocks.
pub(super) fn read_kv(
    reader: &mut Reader<'_>,
    pools: Option<&Pools>,
    cluster: Option<&ClusterConfig>,
) -> Option<KvConfig> {
    let block_tokens = reader.count("kv.block_tokens", 1, BLOCK_TOKENS);
    let hbm_gb = reader.float("kv.hbm_gb_per_gpu", Range::above(0.0, 1e5));
    let utilisation = reader.float("kv.hbm_utilisation_ratio", Range::above(0.0, 1.0));
    let is_fixed = reader.choice("kv.capacity", &[("hbm", false), ("fixed", true)]);
    let fixed_gb = reader.float("kv.fixed_gb_per_gpu", Range::above(0.0, 1e5));
    let decode_gb = reader.float(DECODE_MEMORY, Range::closed(0.0, 1e5));
    let prefix_caching = reader.flag("kv.prefix_caching");
    let block_tokens = block_tokens?;
    let (pools, cluster, decode_gb) = (pools?, cluster?, decode_gb?);
    let (key, gb) = if is_fixed? { (FIXED_MEMORY, fixed_gb?) } else { (HBM_MEMORY, hbm_gb?) };
    let utilisation = Some(utilisation?).filter(|_| key == HBM_MEMORY);
    let prefill = Memory { key, profile: &pools.prefill, tp: cluster.tp, gb, utilisation };
    let (key, gb) = if decode_gb > 0.0 { (DECODE_MEMORY, decode_gb) } else { (key, gb) };
    let decode = Memory { key, profile: &pools.decode, tp: cluster.decode_tp, gb, utilisation };
    let prefill_blocks = prefill.blocks(reader, block_tokens);
    let is_same = (decode.tp, decode.key) == (prefill.tp, prefill.key) && Arc::ptr_eq(&pools.prefill, &pools.decode);
    let decode_blocks = if is_same { prefill_blocks } else { decode.blocks(reader, block_tokens) };
    Some(KvConfig {
        bytes_per_token: decode.profile.model.bytes_per_token(),
        prefill_bytes_per_token: prefill.profile.model.bytes_per_token(),
        block_tokens,
        prefill_blocks: prefill_blocks?,
        decode_blocks: decode_blocks?,
        prefix_caching: prefix_caching?,
    })
}

/// Prefix blocks are of whole blocks of the engine.
pub(super) fn check_blocks(reader: &mut Reader<'_>, kv: &KvConfig, prefix_tokens: u32) {
    let own = kv.block_tokens;
    if prefix_tokens.is_multiple_of(own) {
        return;
    }
    let divisors: Vec<_> = (1..=prefix_tokens.min(BLOCK_TOKENS))
        .filter(|size| prefix_tokens.is_multiple_of(*size))
        .map(|size| size.to_string())
        .collect();
    let other = if own.is_multiple_of(prefix_tokens) {
        format!("; or with `netkv trace convert --block-tokens {own}` a trace with blocks of {own}")
    } else {
        String::new()
    };
    let message = format!(
        "kv.block_tokens = {own} does not divide the trace's prefix block of {prefix_tokens} tokens; allowed: {}{other}",
        divisors.join(", ")
    );
    reader.fail("kv.block_tokens", &message);
}

/// The memory of an instance.
struct Memory<'a> {
    /// The key that says how much a GPU has, or has for KV caches alone.
    key: &'static str,
    profile: &'a Profile,
    tp: u32,
    gb: f64,
    /// The share that the engine uses, from which weights are taken off; none if all of it is for KV caches.
    utilisation: Option<f64>,
}

impl Memory<'_> {
    /// Blocks of KV caches that it holds.
    fn blocks(&self, reader: &mut Reader<'_>, block_tokens: u32) -> Option<u32> {
        let model = &self.profile.model;
        let free_gb = match self.utilisation {
            Some(utilisation) => f64::from(self.tp) * self.gb * utilisation - model.weights_gb,
            None => f64::from(self.tp) * self.gb,
        };
        let bytes_per_token = model.bytes_per_token();
        let blocks = (free_gb * 1e9 / bytes_per_token as f64 / f64::from(block_tokens)).floor();
        if blocks < 1.0 {
            let block_gb = bytes_per_token as f64 * f64::from(block_tokens) * 1e-9;
            match self.utilisation {
                Some(utilisation) => self.refuse(reader, utilisation, block_gb),
                None => self.refuse_fixed(reader, block_gb),
            }
            return None;
        }
        if blocks > f64::from(u32::MAX) {
            let key = self.key;
            reader.fail(key, &format!("{key} makes {blocks} blocks of KV memory; allowed: at most {}", u32::MAX));
            return None;
        }
        Some(blocks as u32)
    }

    /// Says that the weights leave no memory, and how much there must be.
    fn refuse(&self, reader: &mut Reader<'_>, utilisation: f64, block_gb: f64) {
        let Self { key, profile, tp, gb, .. } = *self;
        let (weights_gb, gpus) = (profile.model.weights_gb, f64::from(tp));
        let least_gb = up((weights_gb + block_gb) / gpus / utilisation, 10.0);
        let is_enough = |tp: &u32| f64::from(*tp) * gb * utilisation >= weights_gb + block_gb;
        let in_node = reader.quietly(|reader| reader.count("cluster.gpus_per_node", 1, 65_536)).unwrap_or(tp);
        let wider = (tp + 1..=in_node).find(|wider| in_node.is_multiple_of(*wider) && is_enough(wider));
        let wider = wider.map_or_else(String::new, |tp| format!(", or cluster.tp = {tp} with a profile for it"));
        let message = format!(
            "{key} = {gb} leaves no KV memory: {tp} GPUs x {gb} GB x kv.hbm_utilisation_ratio = {utilisation} are {:.1} \
             GB, and the weights of {} take {weights_gb} GB; allowed: at least {least_gb} GB{wider}",
            gpus * gb * utilisation,
            profile.label
        );
        reader.fail(key, &message);
    }

    /// Says that the memory holds no block, and how much there must be.
    fn refuse_fixed(&self, reader: &mut Reader<'_>, block_gb: f64) {
        let Self { key, tp, gb, .. } = *self;
        let least_gb = up(block_gb / f64::from(tp), 1e6);
        let message = format!(
            "{key} = {gb} leaves no KV memory: {tp} GPUs have less than one block of {:.3} MB (kv.block_tokens); allowed: at \
             least {least_gb} GB",
            block_gb * 1e3
        );
        reader.fail(key, &message);
    }
}

/// The next number that has no more digits than `unit`, which is 1 over the last of them.
fn up(value: f64, unit: f64) -> f64 {
    (value * unit).ceil() / unit
}

/// The prefill pool.
pub(super) fn read_prefill(reader: &mut Reader<'_>, kv: Option<&KvConfig>) -> Option<PrefillConfig> {
    let policy = reader.choice(
        "prefill.policy",
        &[
            ("round_robin", PrefillPolicy::RoundRobin),
            ("least_tokens", PrefillPolicy::LeastTokens),
            ("cache_aware", PrefillPolicy::CacheAware),
        ],
    );
    let engine = reader.choice("prefill.engine", &[("batched", PrefillMode::Batched), ("delay", PrefillMode::Delay)]);
    let max_batch_tokens = reader.count("prefill.max_batch_tokens", 1, MAX_BATCH);
    let max_batch_requests = reader.count("prefill.max_batch_requests", 1, MAX_BATCH);
    let is_fcfs = reader.choice("prefill.queue", &[("fcfs", true), ("shortest_first", false)]);
    let ageing_tokens_per_sec = reader.integer("prefill.ageing_tokens_per_s", 0, 1_000_000_000);
    let host_gb = reader.float("prefill.host_cache_gb", Range::closed(0.0, 1e6));
    let host_gbytes = reader.float("prefill.host_load_gbytes_per_s", Range::closed(1e-6, 1e6));
    let ageing_tokens_per_sec = ageing_tokens_per_sec?;
    let bytes_per_token = kv?.prefill_bytes_per_token;
    Some(PrefillConfig {
        engine: engine?,
        policy: policy?,
        max_batch_tokens: max_batch_tokens?,
        max_batch_requests: max_batch_requests?,
        queue: if is_fcfs? { PrefillQueue::Fcfs } else { PrefillQueue::ShortestFirst { ageing_tokens_per_sec } },
        host_tier_tokens: (host_gb? * 1e9 / bytes_per_token as f64) as u64,
        host_load_bytes_per_sec: (host_gbytes? * 1e9) as u64,
    })
}

/// The decode pool.
pub(super) fn read_decode(reader: &mut Reader<'_>, kv: Option<&KvConfig>) -> Option<DecodeConfig> {
    let max_batch = reader.count("decode.max_batch", 1, MAX_BATCH);
    let watermark_ratio = reader.float("decode.watermark_ratio", Range::below(0.0, 1.0));
    let host_gbytes = reader.float("decode.host_gbytes_per_s", Range::closed(1e-6, 1e6));
    let blocks = f64::from(kv?.decode_blocks);
    Some(DecodeConfig {
        max_batch: max_batch?,
        watermark_blocks: (watermark_ratio? * blocks).ceil() as u32,
        host_bytes_per_sec: (host_gbytes? * 1e9) as u64,
    })
}

/// Least bytes of a descriptor. Chosen by us: the keys of one head of one token.
const MIN_DESCRIPTOR_BYTES: u32 = 64;

/// How KV caches are moved.
pub(super) fn read_transfer(reader: &mut Reader<'_>, profile: Option<&Profile>) -> Option<TransferConfig> {
    let is_pooled = reader.choice("transfer.granularity", &[("rank", false), ("instance", true)]);
    let flows = reader.count("transfer.flows", 1, MAX_FLOWS);
    let skip_cached = reader.flag("transfer.skip_cached");
    let setup_us = reader.float("transfer.setup_us", SECONDS);
    let per_descriptor_us = reader.float("transfer.setup_us_per_descriptor", Range::closed(0.0, 1e6));
    let descriptor_bytes = reader.count("transfer.descriptor_bytes", MIN_DESCRIPTOR_BYTES, 1 << 30);
    let is_layerwise = reader.choice("transfer.overlap", &[("none", false), ("layerwise", true)]);
    let layers = profile?.model.kv.layers();
    let flows = flows?;
    Some(TransferConfig {
        granularity: if is_pooled? { TransferGranularity::Instance { flows } } else { TransferGranularity::Rank },
        skip_cached: skip_cached?,
        setup: SimDuration::from_secs_f64(setup_us? * 1e-6),
        setup_per_descriptor: SimDuration::from_secs_f64(per_descriptor_us? * 1e-6),
        descriptor_bytes: u64::from(descriptor_bytes?),
        overlap: if is_layerwise? { Overlap::Layerwise { layers } } else { Overlap::None },
    })
}

/// A prompt that is computed without regard to others has no batches whose layers could leave, and no queue or cache.
pub(super) fn check_delay(reader: &mut Reader<'_>, prefill: Option<&PrefillConfig>, transfer: Option<&TransferConfig>) {
    let Some(prefill) = prefill.filter(|prefill| prefill.engine == PrefillMode::Delay) else { return };
    if transfer.is_some_and(|transfer| transfer.overlap != Overlap::None) {
        let message =
            "prefill.engine = \"delay\" computes no layers one by one; allowed with transfer.overlap = \"none\"";
        reader.fail("prefill.engine", message);
    }
    if prefill.host_tier_tokens > 0 {
        reader
            .fail("prefill.engine", "prefill.engine = \"delay\" has no caches; allowed with prefill.host_cache_gb = 0");
    }
    if prefill.queue != PrefillQueue::Fcfs {
        reader.fail("prefill.engine", "prefill.engine = \"delay\" has no queue; allowed with prefill.queue = \"fcfs\"");
    }
    if prefill.policy == PrefillPolicy::CacheAware {
        let message = "prefill.engine = \"delay\" has no caches; allowed with prefill.policy = \"round_robin\" or \
                       \"least_tokens\"";
        reader.fail("prefill.engine", message);
    }
}

/// When the decode instance is chosen: before prefill if the transfer is to go on beside it.
pub(super) fn read_selection(reader: &mut Reader<'_>, transfer: Option<&TransferConfig>) -> Option<SelectionMoment> {
    let at = reader.choice(
        "selection.at",
        &[
            ("arrival", SelectionMoment::Arrival),
            ("prefill_start", SelectionMoment::PrefillStart),
            ("prefill_done", SelectionMoment::PrefillDone),
        ],
    )?;
    let overlaps = transfer.is_some_and(|transfer| transfer.overlap != Overlap::None);
    if overlaps && at == SelectionMoment::PrefillDone {
        let message = "selection.at = \"prefill_done\" comes too late for transfer.overlap = \"layerwise\"; allowed \
                       with it: \"arrival\", \"prefill_start\"";
        reader.fail("selection.at", message);
        return None;
    }
    Some(at)
}

/// How many schedulers there are, and what they hear of each other.
pub(super) fn read_scheduler(reader: &mut Reader<'_>) -> Option<SchedulerConfig> {
    let replicas = reader.count("scheduler.replicas", 1, MAX_REPLICAS);
    let gossip_s = reader.float("scheduler.gossip_s", SECONDS);
    if gossip_s.is_some_and(|seconds| seconds > 0.0 && seconds < SHORTEST_GOSSIP_S) {
        let message = format!("scheduler.gossip_s is too short; allowed: 0 (at once), or at least {SHORTEST_GOSSIP_S}");
        reader.fail("scheduler.gossip_s", &message);
        return None;
    }
    Some(SchedulerConfig { replicas: replicas?, gossip: SimDuration::from_secs_f64(gossip_s?) })
}

/// Which side emits the first token.
pub(super) fn read_first_token(reader: &mut Reader<'_>) -> Option<FirstToken> {
    reader.choice("transfer.first_token", &[("decode", FirstToken::Decode), ("prefill", FirstToken::Prefill)])
}

/// What a request is promised.
pub(super) fn read_slo(reader: &mut Reader<'_>) -> Option<SloConfig> {
    let is_slowdown = reader.choice("slo.ttft", &[("slowdown", true), ("fixed", false)]);
    let slowdown = reader.float("slo.ttft_slowdown", Range::closed(1.0, 1e6));
    let ttft_s = reader.float("slo.ttft_s", POSITIVE_SECONDS);
    let tbt_ms = reader.float("slo.tbt_ms", POSITIVE_SECONDS);
    let (slowdown, ttft_s) = (slowdown?, ttft_s?);
    let ttft =
        if is_slowdown? { TtftLimit::Slowdown(slowdown) } else { TtftLimit::Fixed(SimDuration::from_secs_f64(ttft_s)) };
    Some(SloConfig { ttft, tbt: SimDuration::from_secs_f64(tbt_ms? * 1e-3) })
}
