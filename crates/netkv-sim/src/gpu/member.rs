//! A request as a decode instance's batch has it.

use super::kv_memory::{Grant, Holding, KvMemory};
use netkv_units::{RequestId, SimDuration, SimTime};

/// A request in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which one.
    pub request: RequestId,
    /// Tokens of context, the running iteration's not counted.
    pub context_tokens: u32,
    /// Tokens still to be made.
    pub remaining_tokens: u32,
    /// Memory blocks that it holds through the prefix cache.
    pub shared_blocks: u32,
    /// Memory blocks of its own.
    pub private_blocks: u32,
    /// Its prefix blocks.
    pub holding: Holding,
    /// When its first token came, if it has.
    pub first_token: Option<SimTime>,
    /// When its last token came.
    pub last_token: Option<SimTime>,
    /// The longest gap between its tokens.
    pub tbt_max: SimDuration,
    /// Whether its gaps go into the histogram.
    pub counted: bool,
    /// When the first iteration that it was in began, if it has.
    pub first_iteration: Option<SimTime>,
    /// Joined at the start of the running stretch: its last token is not the last iteration's.
    pub(super) fresh: bool,
}

impl Member {
    /// A request with a prompt of `context_tokens` that is to make `remaining_tokens` tokens; `last_token` is when
    /// the prefill side made its first, if it did.
    pub const fn new(
        request: RequestId,
        context_tokens: u32,
        remaining_tokens: u32,
        last_token: Option<SimTime>,
        counted: bool,
    ) -> Self {
        Self {
            request,
            context_tokens,
            remaining_tokens,
            shared_blocks: 0,
            private_blocks: 0,
            holding: Holding::EMPTY,
            first_token: last_token,
            last_token,
            tbt_max: SimDuration::ZERO,
            counted,
            first_iteration: None,
            fresh: true,
        }
    }

    /// The same with the memory that it was granted for `tokens` tokens.
    pub(crate) const fn with_memory(self, memory: &KvMemory, tokens: u32, grant: Grant) -> Self {
        let Grant { private_blocks, holding, .. } = grant;
        Self { shared_blocks: memory.blocks_for(tokens) - private_blocks, private_blocks, holding, ..self }
    }
}
