//! Latencies of the GPUs, as integers: femtoseconds per token and so on, so that many decode iterations can be
//! added up in closed form and give exactly what adding them one at a time gives.
//!
//! Coefficients are fitted to measurements elsewhere and come in a profile file with their origin and error.

use netkv_units::SimDuration;

/// Femtoseconds in a nanosecond.
pub(crate) const FEMTOS_PER_NANO: u64 = 1_000_000;

/// Latencies of one model on one kind of GPU at one degree of tensor parallelism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuProfile {
    /// Prefill batches.
    pub prefill: PrefillLatency,
    /// Decode iterations.
    pub decode: DecodeLatency,
}

/// Time of a prefill batch: base + per token computed + per pair of tokens attended, at least the floor.
///
/// With n tokens computed and h cached or computed earlier, a prompt adds n h + n^2 / 2 pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefillLatency {
    /// Femtoseconds of any batch.
    pub base_fs: u64,
    /// Femtoseconds for each token computed.
    pub per_token_fs: u64,
    /// Femtoseconds for each pair of a computed token and a token before it.
    pub per_pair_fs: u64,
    /// The shortest batch, in femtoseconds.
    pub floor_fs: u64,
}

/// Time of a decode iteration: base + per request in the batch + per token of context in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLatency {
    /// Femtoseconds of any iteration.
    pub base_fs: u64,
    /// Femtoseconds for each request.
    pub per_request_fs: u64,
    /// Femtoseconds for each token of context.
    pub per_token_fs: u64,
}

impl PrefillLatency {
    /// Time of a batch whose prompts compute `(n, h)` tokens each: n new ones after h that are there.
    pub fn batch(&self, prompts: impl IntoIterator<Item = (u32, u32)>) -> SimDuration {
        let mut femtos = self.base_fs;
        for (computed, present) in prompts {
            let (computed, present) = (u64::from(computed), u64::from(present));
            // n h + n^2 / 2, with the half kept exact by doubling.
            let double_pairs = 2 * computed * present + computed * computed;
            femtos += self.per_token_fs * computed + self.per_pair_fs * double_pairs / 2;
        }
        SimDuration::from_nanos(femtos.max(self.floor_fs) / FEMTOS_PER_NANO)
    }

    /// Time to prefill one prompt alone, `cached` of its tokens present, in chunks of at most `chunk_tokens`.
    ///
    /// # Panics
    /// If `chunk_tokens` is zero.
    pub fn prompt(&self, input_tokens: u32, cached: u32, chunk_tokens: u32) -> SimDuration {
        assert!(chunk_tokens > 0, "a chunk has at least one token");
        let mut present = cached;
        let mut total = SimDuration::ZERO;
        while present < input_tokens {
            let computed = chunk_tokens.min(input_tokens - present);
            total += self.batch([(computed, present)]);
            present += computed;
        }
        total
    }
}

impl DecodeLatency {
    /// Femtoseconds of an iteration over `requests` requests with `tokens` tokens of context in all.
    pub fn iteration_fs(&self, requests: u64, tokens: u64) -> u64 {
        self.base_fs + self.per_request_fs * requests + self.per_token_fs * tokens
    }

    /// Time of an iteration over `requests` requests with `tokens` tokens of context in all.
    pub fn iteration(&self, requests: u64, tokens: u64) -> SimDuration {
        SimDuration::from_nanos(self.iteration_fs(requests, tokens) / FEMTOS_PER_NANO)
    }
}
