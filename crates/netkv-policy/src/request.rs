//! The request that a policy places.

use netkv_units::{Bytes, InstanceId, RequestId, SimDuration, SimTime};

/// The request to be placed, once its prefill instance is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestView {
    /// The prefill instance that holds its KV cache, or will.
    pub source: InstanceId,
    /// Its prompt.
    pub prompt: PromptView,
}

/// A request's prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptView {
    /// Which request it is of: a number of its own, for rules that follow requests.
    pub request: RequestId,
    /// Its length, in tokens.
    pub input_tokens: u32,
    /// Size of its whole KV cache.
    pub kv_bytes: Bytes,
    /// The time by the router's clock.
    pub now: SimTime,
    /// What is left now of the time in which its first token was promised; zero if it is over.
    pub ttft_left: SimDuration,
}
