//! What a scheduler predicts the GPUs' times by. An operator fits the coefficients to measurements of the engines.

use netkv_units::LatencyCurve;

/// Seconds of a femtosecond.
const FEMTOSECOND_S: f64 = 1e-15;

/// Predicted times of both phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimates {
    /// Of prefill.
    pub prefill: PrefillModel,
    /// Of one decode iteration.
    pub iteration: IterationModel,
}

/// Predicted time to prefill a prompt: a curve over the tokens computed + per pair of tokens attended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefillModel {
    /// Time of a batch that computes so many tokens, attention left out.
    pub tokens: LatencyCurve,
    /// Femtoseconds for each pair of a computed token and a token before it.
    pub per_pair_fs: u64,
}

/// Predicted time of one decode iteration: a curve over the batch + per token of context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IterationModel {
    /// Time of an iteration over so many requests, their context left out.
    pub requests: LatencyCurve,
    /// Femtoseconds added by each token of context in the batch.
    pub per_token_fs: u64,
}

impl PrefillModel {
    /// Seconds to compute `computed` tokens in one batch after `present` ones whose KV cache is there.
    pub fn seconds(&self, computed: u64, present: u64) -> f64 {
        let pairs = computed as f64 * present as f64 + computed as f64 * computed as f64 / 2.0;
        self.work_s(computed, pairs)
    }

    /// Seconds to compute so many tokens that attend so many pairs; nothing if there are none.
    pub fn work_s(&self, tokens: u64, pairs: f64) -> f64 {
        if tokens == 0 {
            return 0.0;
        }
        (self.tokens.at(tokens) as f64 + self.per_pair_fs as f64 * pairs) * FEMTOSECOND_S
    }
}

impl IterationModel {
    /// Seconds of an iteration over `requests` requests with `tokens` tokens of context in all.
    #[inline(always)]
    pub fn seconds(&self, requests: u32, tokens: u64) -> f64 {
        (self.requests.at(u64::from(requests)) + self.per_token_fs * tokens) as f64 * FEMTOSECOND_S
    }
}
