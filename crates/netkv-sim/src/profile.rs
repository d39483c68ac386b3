//! Latencies of the GPUs, as integers: femtoseconds per token and so on, so that many decode iterations can be
//! added up in closed form and give exactly what adding them one at a time gives.
//!
//! Coefficients are fitted to measurements elsewhere and come in a profile file with their origin and error.

use netkv_units::{LatencyCurve, SimDuration};

/// Femtoseconds in a nanosecond.
pub(crate) const FEMTOS_PER_NANO: u64 = 1_000_000;

/// Latencies of one model, on one kind of GPU at one degree of tensor parallelism or on one for each pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuProfile {
    /// Batches of prefill instances.
    pub prefill: PrefillLatency,
    /// Iterations of decode instances.
    pub decode: DecodeLatency,
    /// Prompts that decode instances compute themselves.
    pub local: PrefillLatency,
}

/// Time of a prefill batch: a curve over the tokens computed + per pair of tokens attended.
///
/// With n tokens computed and h cached or computed earlier, a prompt adds n h + n^2 / 2 pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefillLatency {
    /// Time of a batch that computes so many tokens, attention left out.
    pub tokens: LatencyCurve,
    /// Femtoseconds for each pair of a computed token and a token before it.
    pub per_pair_fs: u64,
}

/// Time of a decode iteration: a curve over the requests in the batch + per token of context in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLatency {
    /// Time of an iteration over so many requests, their context left out.
    pub requests: LatencyCurve,
    /// Femtoseconds for each token of context.
    pub per_token_fs: u64,
}

impl PrefillLatency {
    /// Time of a batch whose prompts compute `(n, h)` tokens each: n new ones after h that are there.
    pub fn batch(&self, prompts: impl IntoIterator<Item = (u32, u32)>) -> SimDuration {
        SimDuration::from_nanos(self.batch_fs(prompts) / FEMTOS_PER_NANO)
    }

    /// The same in femtoseconds.
    pub(crate) fn batch_fs(&self, prompts: impl IntoIterator<Item = (u32, u32)>) -> u64 {
        let (mut tokens, mut pairs_fs) = (0, 0);
        for (computed, present) in prompts {
            let (computed, present) = (u64::from(computed), u64::from(present));
            tokens += computed;
            // n h + n^2 / 2, with the half kept exact by doubling.
            let double_pairs = 2 * computed * present + computed * computed;
            pairs_fs += self.per_pair_fs * double_pairs / 2;
        }
        self.tokens.at(tokens) + pairs_fs
    }

    /// Femtoseconds that a queue of so many tokens, which attend so many pairs, is expected to take; nothing if it is empty.
    pub(crate) fn backlog_fs(&self, tokens: u64, pairs: u64) -> u64 {
        if tokens == 0 { 0 } else { self.tokens.at(tokens) + self.per_pair_fs * pairs }
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
        self.requests.at(requests) + self.per_token_fs * tokens
    }

    /// Time of an iteration over `requests` requests with `tokens` tokens of context in all.
    pub fn iteration(&self, requests: u64, tokens: u64) -> SimDuration {
        SimDuration::from_nanos(self.iteration_fs(requests, tokens) / FEMTOS_PER_NANO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_batch_count_together_and_pairs_prompt_by_prompt() {
        let tokens = LatencyCurve::new(1_000_000, &[(0, 2_000_000), (10, 5_000_000)]);
        let latency = PrefillLatency { tokens, per_pair_fs: 4_000_000 };
        // 1 + 10 x 2 + 5 x 5 ns for 15 tokens; 8 x 3 + 32 and 7 x 0 + 24.5 pairs of 4 ns.
        assert_eq!(latency.batch([(8, 3), (7, 0)]).as_nanos(), 46 + 4 * 56 + 98);
        assert_eq!(latency.prompt(15, 3, 8).as_nanos(), 17 + 4 * 56 + (9 + 4 * (4 * 11 + 8)));
    }

    #[test]
    fn a_batch_bends_where_its_curve_does_and_grows_with_its_context() {
        let requests = LatencyCurve::new(10_000_000, &[(0, 1_000_000), (4, 3_000_000)]);
        let latency = DecodeLatency { requests, per_token_fs: 500_000 };
        assert_eq!(latency.iteration(3, 100).as_nanos(), 10 + 3 + 50);
        assert_eq!(latency.iteration(6, 101).as_nanos(), 10 + 4 + 6 + 50);
    }
}
