//! Prompts that a decode instance computes itself, in chunks beside its batch: mixed batches, as Sarathi-Serve (OSDI '24)
//! has them.
//!
//! An iteration computes a chunk of the first such prompt, in order of admission, and lasts as long as the decode iteration
//! and a prefill batch of that chunk one after the other ([`MixedPass::Separate`]), or less the smaller of the two times
//! that a pass takes for nothing ([`MixedPass::Joint`]): a pass over both reads the weights once. No profile has measured
//! such passes; the first is slower than they are, and the second may be faster. Left out: chunks of two prompts in one
//! iteration.

use super::member::Member;
use crate::profile::{FEMTOS_PER_NANO, PrefillLatency};
use crate::scenario::{LocalRule, MixedPass, Scenario};
use netkv_units::{RequestId, SimTime};
use std::collections::VecDeque;

/// How long chunks are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks {
    latency: PrefillLatency,
    most: u32,
    tbt: Option<TbtLimit>,
    /// Femtoseconds that a chunk beside a batch takes less than by itself.
    shared_fs: u64,
}

#[cfg(test)]
impl Default for Chunks {
    /// Of one token, in no time.
    fn default() -> Self {
        let tokens = netkv_units::LatencyCurve::linear(0, 0);
        Self { latency: PrefillLatency { tokens, per_pair_fs: 0 }, most: 1, tbt: None, shared_fs: 0 }
    }
}

/// A limit on iterations with a chunk.
#[derive(Clone, Copy, Debug)]
struct TbtLimit {
    limit_fs: u64,
    margin_factor: f64,
    /// A chunk of a prompt that was begun is no shorter, whatever the limit: it has to end.
    least: u32,
}

impl Chunks {
    /// Those of a scenario.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let tbt = match scenario.local_prefill.rule {
            LocalRule::Deflect { tbt_limit, margin_factor, min_chunk_tokens } => {
                let limit_fs = tbt_limit.as_nanos() * FEMTOS_PER_NANO;
                Some(TbtLimit { limit_fs, margin_factor, least: min_chunk_tokens })
            }
            LocalRule::Never | LocalRule::Short { .. } | LocalRule::Session { .. } => None,
        };
        let gpu = scenario.gpu;
        let shared_fs = match scenario.local_prefill.pass {
            MixedPass::Separate => 0,
            MixedPass::Joint => gpu.local.tokens.base_fs().min(gpu.decode.requests.base_fs()),
        };
        Self { latency: gpu.local, most: scenario.local_prefill.chunk_tokens, tbt, shared_fs }
    }

    /// Femtoseconds that a chunk of `tokens` after `present` tokens of its prompt adds to a decode iteration of
    /// `decoding_fs`; zero of that if nobody decodes.
    fn time_fs(&self, tokens: u32, present: u32, decoding_fs: u64) -> u64 {
        let shared_fs = if decoding_fs > 0 { self.shared_fs } else { 0 };
        self.latency.batch_fs([(tokens, present)]) - shared_fs
    }

    /// Tokens of the next chunk of a prompt with `left` tokens to compute after `present`, beside a decode iteration of
    /// `decoding_fs`. If nobody decodes, nobody is delayed.
    fn next(&self, left: u32, present: u32, decoding_fs: u64) -> u32 {
        let most = self.most.min(left);
        let Some(tbt) = self.tbt.filter(|_| decoding_fs > 0) else { return most };
        self.within(tbt, most, present, decoding_fs).max(tbt.least.min(most))
    }

    /// Whether the limit leaves room for a first chunk that is worth its iteration.
    pub(crate) fn can_begin(&self, left: u32, present: u32, decoding_fs: u64) -> bool {
        let most = self.most.min(left);
        let Some(tbt) = self.tbt.filter(|_| decoding_fs > 0) else { return true };
        self.within(tbt, most, present, decoding_fs) >= tbt.least.min(most)
    }

    /// Femtoseconds of the iterations that compute `left` tokens after `present` beside a batch that stays as it is; none if
    /// they are more than `limit_fs`.
    pub(crate) fn whole_fs(&self, mut left: u32, mut present: u32, decoding_fs: u64, limit_fs: u64) -> Option<u64> {
        let mut total_fs = 0;
        while left > 0 {
            let tokens = self.next(left, present, decoding_fs);
            total_fs += decoding_fs + self.time_fs(tokens, present, decoding_fs);
            if total_fs > limit_fs {
                return None;
            }
            (left, present) = (left - tokens, present + tokens);
        }
        Some(total_fs)
    }

    /// The most tokens up to `most` that the limit allows.
    fn within(&self, tbt: TbtLimit, most: u32, present: u32, decoding_fs: u64) -> u32 {
        let Some(slack_fs) = tbt.limit_fs.checked_sub(decoding_fs) else { return 0 };
        let fits = |tokens| self.time_fs(tokens, present, decoding_fs) as f64 * tbt.margin_factor <= slack_fs as f64;
        if fits(most) {
            return most;
        }
        let (mut within, mut beyond) = (0, most);
        while beyond - within > 1 {
            let middle = within + (beyond - within) / 2;
            if fits(middle) { within = middle } else { beyond = middle }
        }
        within
    }
}

/// A prompt that is computed where it will be decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalPrompt {
    /// The request as it will be in the batch, with its memory.
    pub member: Member,
    /// Tokens whose KV cache is there.
    pub present: u32,
    /// When the iteration with its first chunk began, if it has.
    pub start: Option<SimTime>,
}

impl LocalPrompt {
    /// Tokens that are still to be computed.
    pub(crate) const fn left(&self) -> u32 {
        self.member.context_tokens - self.present
    }
}

/// A prompt whose last chunk has been computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Computed {
    /// Which one.
    pub request: RequestId,
    /// Its length.
    pub input_tokens: u32,
    /// When the iteration with its first chunk began.
    pub start: SimTime,
}

/// The prompts that an instance computes itself and has memory for.
#[derive(Clone, Debug)]
pub(super) struct LocalPrompts {
    chunks: Chunks,
    queue: VecDeque<LocalPrompt>,
    /// Tokens of the first one that the running iteration computes.
    computing: u32,
}

impl LocalPrompts {
    /// None yet.
    pub(super) const fn new(chunks: Chunks) -> Self {
        Self { chunks, queue: VecDeque::new(), computing: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// In the order in which they are computed.
    pub(super) fn iter(&self) -> impl Iterator<Item = &LocalPrompt> {
        self.queue.iter()
    }

    /// Adds a prompt of which `present` tokens need not be computed.
    pub(super) fn push(&mut self, member: Member, present: u32) {
        self.queue.push_back(LocalPrompt { member, present, start: None });
    }

    /// An iteration begins at `now` whose batch takes `decoding_fs`: how much longer it lasts for its chunk.
    pub(super) fn begin_chunk(&mut self, now: SimTime, decoding_fs: u64) -> u64 {
        let Some(prompt) = self.queue.front_mut() else { return 0 };
        prompt.start = prompt.start.or(Some(now));
        self.computing = self.chunks.next(prompt.left(), prompt.present, decoding_fs);
        self.chunks.time_fs(self.computing, prompt.present, decoding_fs)
    }

    /// The iteration ends: the prompt that is complete with it, if one is.
    pub(super) fn end_chunk(&mut self) -> Option<LocalPrompt> {
        let prompt = self.queue.front_mut().filter(|_| self.computing > 0)?;
        prompt.present += std::mem::take(&mut self.computing);
        self.queue.pop_front_if(|prompt| prompt.left() == 0)
    }
}
