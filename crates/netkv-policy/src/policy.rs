//! What a policy is given, and what it must answer.

use crate::oracle::CostOracle;
use netkv_units::{Bytes, InstanceId};

/// The request to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestView {
    /// The prefill instance that holds its KV cache.
    pub source: InstanceId,
    /// Length of its prompt, in tokens.
    pub input_tokens: u32,
}

/// What the scheduler knows about one decode instance at the moment of the decision: the instance's own report
/// and the scheduler's bookkeeping of what it has sent there and not yet seen arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The instance.
    pub instance: InstanceId,
    /// Requests in its continuous batch.
    pub running: u32,
    /// Requests dispatched to it that do not decode yet: waiting for room, in transfer, or swapped out.
    pub pending: u32,
    /// Requests that its batch can hold.
    pub max_batch: u32,
    /// Summed context length of the running requests, in tokens.
    pub running_tokens: u64,
    /// Summed context length of the pending requests, in tokens.
    pub pending_tokens: u64,
    /// KV cache capacity, in tokens.
    pub capacity_tokens: u64,
    /// KV cache tokens that the request could be given beside those of `hit_tokens`: neither used nor kept free, an
    /// evictable cached prefix counted as free unless it is the request's own.
    pub free_tokens: u64,
    /// Tokens of the requests that wait there for memory: they come first.
    pub queued_tokens: u64,
    /// Tokens of the request's prompt that its prefix cache holds.
    pub hit_tokens: u32,
    /// What would have to be moved to it: the KV cache less what it holds, where the transport skips that.
    pub transfer_bytes: Bytes,
    /// The scheduler's own transfers now in flight that would share a network interface with this one: the
    /// larger of those into this instance and those out of the request's source, of the same kind of link.
    pub sharing_transfers: u32,
}

impl Candidate {
    /// An instance of which nothing is known.
    pub const fn unknown(instance: InstanceId) -> Self {
        Self {
            instance,
            running: 0,
            pending: 0,
            max_batch: 0,
            running_tokens: 0,
            pending_tokens: 0,
            capacity_tokens: 0,
            free_tokens: 0,
            queued_tokens: 0,
            hit_tokens: 0,
            transfer_bytes: Bytes::ZERO,
            sharing_transfers: 0,
        }
    }

    /// KV tokens that the instance holds or has been promised: the load that the load-aware policies balance.
    pub fn committed_tokens(&self) -> u64 {
        self.running_tokens + self.pending_tokens
    }

    /// Tokens that must be freed before a prompt of `input_tokens` is admitted: those of whoever waits there
    /// already, and what it lacks itself; zero if it has room at once.
    pub fn missing_tokens(&self, input_tokens: u32) -> u64 {
        let wanted = self.queued_tokens + u64::from(input_tokens.saturating_sub(self.hit_tokens));
        wanted.saturating_sub(self.free_tokens)
    }

    /// Whether a prompt of `input_tokens` would be admitted at once, and find a place in the batch.
    pub fn has_room(&self, input_tokens: u32) -> bool {
        let has_place = self.running + self.pending < self.max_batch;
        has_place && self.queued_tokens == 0 && self.missing_tokens(input_tokens) == 0
    }
}

/// A rule that picks a decode instance.
pub trait Policy: Send {
    /// The position in `candidates` of the instance that takes `request`.
    ///
    /// `candidates` is not empty and in ascending order of instance id; ties end with the lowest id unless the
    /// policy's own rule says otherwise. The answer depends on the arguments and on the policy's own earlier
    /// decisions alone.
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize;

    /// Whether the answer depends on more than how many candidates there are. If it does not, the caller may leave all
    /// but their `instance` at zero, and tell nothing of the network.
    fn looks_at_state(&self) -> bool {
        true
    }
}
