//! What a scheduler predicts the GPUs' times by. An operator fits the coefficients to measurements of the engines.

/// Predicted times of both phases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimates {
    /// Of prefill.
    pub prefill: PrefillModel,
    /// Of one decode iteration.
    pub iteration: IterationModel,
}

/// Predicted time to prefill a prompt: base + per token computed + per pair of tokens attended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrefillModel {
    /// Seconds of a batch whatever it holds.
    pub base_s: f64,
    /// Seconds for each token computed.
    pub per_token_s: f64,
    /// Seconds for each pair of a computed token and a token before it.
    pub per_pair_s: f64,
}

/// Predicted time of one decode iteration: base + per request in the batch + per token of context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IterationModel {
    /// Seconds of an iteration whatever its batch.
    pub base_s: f64,
    /// Seconds added by each request in the batch.
    pub per_request_s: f64,
    /// Seconds added by each token of context in the batch.
    pub per_token_s: f64,
}

impl PrefillModel {
    /// Seconds to compute `computed` tokens after `present` ones whose KV cache is there.
    pub fn seconds(&self, computed: f64, present: f64) -> f64 {
        self.base_s + self.per_token_s * computed + self.per_pair_s * (computed * present + computed * computed / 2.0)
    }
}

impl IterationModel {
    /// Seconds of an iteration over `requests` requests with `tokens` tokens of context in all.
    pub fn seconds(&self, requests: u32, tokens: u64) -> f64 {
        self.base_s + self.per_request_s * f64::from(requests) + self.per_token_s * tokens as f64
    }
}
