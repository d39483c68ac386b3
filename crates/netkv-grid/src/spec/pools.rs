//! What the two pools differ in: the profile of their GPUs, and how many form an instance.
//!
//! `model.profile` and `cluster.tp` are those of prefill instances, and of decode instances unless `[decode]` says
//! otherwise.

use crate::library::Library;
use crate::profile::{LatencyRange, Profile};
use crate::reader::Reader;
use netkv_sim::{GpuProfile, KvParts};
use std::sync::Arc;

/// Profiles of both pools.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    pub(super) prefill: Arc<Profile>,
    pub(super) decode: Arc<Profile>,
}

impl Pools {
    /// Reads `model.profile` and `decode.profile`.
    pub(super) fn read(reader: &mut Reader<'_>, library: &Library) -> Option<Self> {
        let prefill = library.profile(reader, "model.profile");
        let own = reader.text("decode.profile");
        reader.note("decode.profile", || "\"\", or as model.profile".to_owned());
        let decode = if own?.is_empty() { prefill.clone() } else { library.profile(reader, "decode.profile") };
        let pools = Self { prefill: prefill?, decode: decode? };
        if pools.decode.model.kv != pools.prefill.model.kv {
            let message = format!(
                "decode.profile = \"{}\" has KV caches of another shape than model.profile = \"{}\": {:?}, not {:?}; allowed: \
                 profiles of one model",
                pools.decode.label, pools.prefill.label, pools.decode.model.kv, pools.prefill.model.kv
            );
            reader.fail("decode.profile", &message);
            return None;
        }
        Some(pools)
    }

    /// Latencies of both.
    pub(super) fn gpu(&self) -> GpuProfile {
        let (prefill, decode) = (self.prefill.gpu, self.decode.gpu);
        GpuProfile { prefill: prefill.prefill, decode: decode.decode, local: decode.prefill }
    }

    /// What is asked of the latencies of each profile; once if they are one.
    pub(super) fn asked(&self, asked: LatencyRange) -> Vec<(&Profile, LatencyRange)> {
        if Arc::ptr_eq(&self.prefill, &self.decode) {
            return vec![(&*self.prefill, asked)];
        }
        // What the other pool is asked for is none of a pool's business: as much as is measured.
        let of_prefill = LatencyRange {
            decode_batch: self.prefill.valid.decode_batch,
            decode_context_tokens: self.prefill.valid.decode_context_tokens,
            ..asked
        };
        let of_decode = LatencyRange {
            prefill_batch_tokens: self.decode.valid.prefill_batch_tokens,
            prefill_context_tokens: self.decode.valid.prefill_context_tokens,
            ..asked
        };
        vec![(&*self.prefill, of_prefill), (&*self.decode, of_decode)]
    }

    /// Into how many parts instances of so many GPUs share out a KV cache. Where both pools are alike, ranks send to ranks
    /// whatever they hold.
    pub(super) fn parts(&self, reader: &mut Reader<'_>, tp: u32, decode_tp: u32) -> Option<KvParts> {
        let [prefill, decode] = [&self.prefill, &self.decode].map(|profile| profile.model.kv_copies);
        if (tp, prefill) == (decode_tp, decode) {
            return Some(KvParts { prefill: tp, decode: tp });
        }
        for (key, profile, tp) in [("model.profile", &self.prefill, tp), ("decode.profile", &self.decode, decode_tp)] {
            let copies = profile.model.kv_copies;
            if !tp.is_multiple_of(copies) {
                let message = format!(
                    "{key} = \"{}\": {copies} copies of a KV cache (kv.copies) are not spread evenly over {tp} GPUs; allowed \
                     where pools differ: a divisor of tp",
                    profile.label
                );
                reader.fail(key, &message);
                return None;
            }
        }
        let parts = KvParts { prefill: tp / prefill, decode: decode_tp / decode };
        if !parts.prefill.is_multiple_of(parts.decode) && !parts.decode.is_multiple_of(parts.prefill) {
            let message = format!(
                "KV caches in {} parts on prefill instances and {} on decode instances cannot be moved rank by rank; allowed: \
                 one a multiple of the other (tp over kv.copies of the profile)",
                parts.prefill, parts.decode
            );
            reader.fail("decode.tp", &message);
            return None;
        }
        Some(parts)
    }
}

/// GPUs of a prefill and of a decode instance; they must be those of the profiles.
pub(super) fn read_tps(reader: &mut Reader<'_>, pools: Option<&Pools>) -> Option<(u32, u32)> {
    let tp = reader.count("cluster.tp", 1, 65_536);
    let own = reader.count("decode.tp", 0, 65_536);
    let (tp, own) = (tp?, own?);
    let decode_tp = if own == 0 { tp } else { own };
    let Some(Pools { prefill, decode }) = pools else { return Some((tp, decode_tp)) };
    if prefill.model.tp != tp {
        let message = format!("cluster.tp = {tp}, but the profile {} is for tp = {}", prefill.label, prefill.model.tp);
        reader.fail("cluster.tp", &message);
    }
    if decode.model.tp != decode_tp && (own > 0 || !Arc::ptr_eq(prefill, decode)) {
        let said = if own > 0 { format!("decode.tp = {own}") } else { format!("decode.tp = 0 is cluster.tp = {tp}") };
        let message = format!(
            "{said}, but the profile {} is for tp = {}; decode.profile names one for decode instances",
            decode.label, decode.model.tp
        );
        reader.fail(if own > 0 { "decode.tp" } else { "decode.profile" }, &message);
    }
    if !tp.is_multiple_of(decode_tp) && !decode_tp.is_multiple_of(tp) {
        let message = format!("decode.tp = {decode_tp} and cluster.tp = {tp}; allowed: one a multiple of the other");
        reader.fail("decode.tp", &message);
        return None;
    }
    Some((tp, decode_tp))
}
