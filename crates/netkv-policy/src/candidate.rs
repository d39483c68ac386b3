//! What a scheduler knows about the instances at the moment of a decision.
//!
//! Every router sees them in its own way: some keep live counts of what they have sent and what has come back
//! (Dynamo, SGLang), others poll the instances and count what they have sent since (SMG), others poll and count
//! nothing (llm-d). A [`Candidate`] therefore holds both the live view and the last polled [`Report`] with what was
//! [`Dispatched`] since; each policy says in its first lines which of them it looks at.

use crate::estimates::PrefillModel;
use crate::request::PromptView;
use netkv_units::{Bytes, InstanceId};

/// What the scheduler knows about one decode instance: the instance's own report and the scheduler's bookkeeping of
/// what it has sent there and not yet seen arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The instance.
    pub instance: InstanceId,
    /// Requests in its continuous batch.
    pub running: u32,
    /// Requests dispatched to it that do not decode yet: still being prefilled, waiting for room, in transfer, or
    /// swapped out.
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
    /// larger of those into this instance and those out of the request's source, of the same kind of link; while the
    /// source is still to be chosen, those into this instance.
    pub sharing_transfers: u32,
    /// The scheduler's own transfers now in flight from the request's source over the tier that this one would take, to
    /// whatever instance; none while the source is still to be chosen.
    pub source_tier_transfers: u32,
    /// Prompt tokens of the requests that were sent to it and have not finished, of each prompt those that fill whole KV
    /// blocks: routers that hash blocks count no others.
    pub in_flight_prompt_tokens: u64,
    /// What it last told a scheduler that polls.
    pub report: Report,
    /// What was sent to it since that report.
    pub dispatched: Dispatched,
}

/// What an instance tells when it is polled; as old as the poll.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Requests in its continuous batch.
    pub running: u32,
    /// Requests that it has received and that do not decode yet.
    pub waiting: u32,
    /// Summed context length of the waiting requests, in tokens.
    pub waiting_tokens: u64,
    /// KV cache tokens that requests hold; what could be evicted counts as free.
    pub used_tokens: u64,
    /// Tokens that it generates each second, at the pace of its present iteration; 0 while it is idle.
    pub generated_tokens_per_sec: f64,
    /// Requests that have finished there each second, over the last minute.
    pub finished_requests_per_sec: f64,
}

/// What a scheduler has sent to an instance since its last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dispatched {
    /// Requests.
    pub requests: u32,
    /// Their prompts, in tokens.
    pub tokens: u64,
}

/// What the scheduler knows about one prefill instance, for policies that choose it as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefillCandidate {
    /// The instance.
    pub instance: InstanceId,
    /// Requests sent to it whose prefill is not done.
    pub requests: u32,
    /// Prompt tokens of these that are still to be computed.
    pub backlog_tokens: u64,
    /// Pairs of these tokens and those before them in their prompts: what attention has to do for them.
    pub backlog_pairs: u64,
    /// Tokens of the request's prompt that its prefix cache holds.
    pub hit_tokens: u32,
}

impl PrefillCandidate {
    /// Predicted seconds until the prefill of `prompt` would be done there: what is still to be computed of the prompts
    /// before it, and its own.
    pub(crate) fn done_s(&self, prompt: &PromptView, model: &PrefillModel) -> f64 {
        let queue_s = model.work_s(self.backlog_tokens, self.backlog_pairs as f64);
        let present = self.hit_tokens.min(prompt.input_tokens);
        queue_s + model.seconds(u64::from(prompt.input_tokens - present), u64::from(present))
    }
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
            source_tier_transfers: 0,
            in_flight_prompt_tokens: 0,
            report: Report {
                running: 0,
                waiting: 0,
                waiting_tokens: 0,
                used_tokens: 0,
                generated_tokens_per_sec: 0.0,
                finished_requests_per_sec: 0.0,
            },
            dispatched: Dispatched { requests: 0, tokens: 0 },
        }
    }

    /// KV tokens that the instance holds or has been promised: the load that the load-aware policies balance.
    pub const fn committed_tokens(&self) -> u64 {
        self.running_tokens + self.pending_tokens
    }

    /// Requests that were sent to the instance and have not finished: a router's own live count.
    pub const fn in_flight(&self) -> u32 {
        self.running + self.pending
    }

    /// Share of its KV cache that requests held at its last report.
    pub fn reported_kv_ratio(&self) -> f64 {
        self.report.used_tokens as f64 / self.capacity_tokens.max(1) as f64
    }

    /// Tokens that must be freed before a prompt of `input_tokens` is admitted: those of whoever waits there
    /// already, and what it lacks itself; zero if it has room at once.
    pub const fn missing_tokens(&self, input_tokens: u32) -> u64 {
        self.missing_beside(input_tokens.saturating_sub(self.hit_tokens))
    }

    /// The same for a prompt that lacks `lacking_tokens`.
    pub(crate) const fn missing_beside(&self, lacking_tokens: u32) -> u64 {
        (self.queued_tokens + lacking_tokens as u64).saturating_sub(self.free_tokens)
    }

    /// Whether its batch has a place for one more.
    pub(crate) const fn has_place(&self) -> bool {
        self.in_flight() < self.max_batch
    }

    /// Whether a prompt of `input_tokens` would be admitted at once, and find a place in the batch.
    pub const fn has_room(&self, input_tokens: u32) -> bool {
        self.has_place() && self.queued_tokens == 0 && self.missing_tokens(input_tokens) == 0
    }
}
