//! A decode instance's continuous batch.
//!
//! All members generate one token in each iteration; requests join and leave between iterations (Orca, OSDI '22).
//! An iteration takes base + per request + per token of context, so with a fixed batch its time grows by the same
//! amount from one to the next, and the end of the j-th iteration from now has a closed form in integer
//! femtoseconds. A *stretch* is a number of iterations during which nobody joins, leaves or runs out of memory; only
//! its end is an event. What one iteration at a time would have shown in between, to anyone who looks, is caught
//! up with by [`DecodeEngine::catch_up`] before anything is read or changed. The tests hold the engine against one
//! that takes every iteration by itself.
//!
//! Memory: while an iteration runs, each member holds room for its context and the token being made. If the next
//! iteration does not find room, the newest members are swapped out to the host until it does.
//!
//! An instance that computes prompts itself (`chunks`) takes one iteration at a time as long as it does. A prompt keeps
//! its memory until it is computed: only members are swapped out.

use super::chunks::{Chunks, Computed, LocalPrompt, LocalPrompts};
use super::kv_memory::{Holding, KvMemory};
use super::member::Member;
use super::stretch::{Stretch, record};
use crate::profile::DecodeLatency;
use hdrhistogram::Histogram;
use netkv_units::{SimDuration, SimTime};

/// What the end of a stretch brought.
#[derive(Clone, Debug, Default)]
pub struct StretchEnd {
    /// Members that made their last token.
    pub finished: Vec<Member>,
    /// Members that were swapped out.
    pub preempted: Vec<Member>,
    /// Prompts that were computed here, at most one: members from now on, or finished.
    pub computed: Option<Computed>,
}

/// The batch of one decode instance.
#[derive(Clone, Debug)]
pub struct DecodeEngine {
    latency: DecodeLatency,
    max_batch: usize,
    members: Vec<Member>,
    joining: Vec<Member>,
    local: LocalPrompts,
    stretch: Option<Stretch>,
    /// At most this many iterations in a stretch: 1 is the plain one-at-a-time engine.
    max_stretch: u32,
}

impl DecodeEngine {
    /// An idle engine that computes prompts in these chunks, if it is given any.
    ///
    /// # Panics
    /// If a limit is zero.
    pub fn new(latency: DecodeLatency, max_batch: usize, chunks: Chunks, max_stretch: u32) -> Self {
        assert!(max_batch > 0 && max_stretch > 0, "a batch has a member and a stretch an iteration");
        let local = LocalPrompts::new(chunks);
        Self { latency, max_batch, members: Vec::new(), joining: Vec::new(), local, stretch: None, max_stretch }
    }

    /// Requests in the batch.
    pub fn n_running(&self) -> usize {
        self.members.len()
    }

    /// Requests that wait for the next iteration or a place in the batch.
    pub fn n_joining(&self) -> usize {
        self.joining.len()
    }

    /// The requests in the batch, and those that wait for the next iteration or a place.
    pub fn held(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().chain(&self.joining)
    }

    /// The prompts that are computed here, in order.
    pub(crate) fn local(&self) -> impl Iterator<Item = &LocalPrompt> {
        self.local.iter()
    }

    /// Whether somebody waits for the next iteration.
    pub(crate) fn has_work_to_come(&self) -> bool {
        !self.joining.is_empty() || !self.local.is_empty()
    }

    /// Femtoseconds of an iteration of its present batch alone; zero if nobody decodes.
    pub(crate) fn decoding_fs(&self) -> u64 {
        match self.members.len() as u64 {
            0 => 0,
            requests => self.latency.iteration_fs(requests, self.running_tokens()),
        }
    }

    /// Whether iterations are running.
    pub const fn is_busy(&self) -> bool {
        self.stretch.is_some()
    }

    /// Tokens of context in the batch.
    pub fn running_tokens(&self) -> u64 {
        context_tokens(&self.members)
    }

    /// Tokens of context that wait for the next iteration or a place in the batch.
    pub fn joining_tokens(&self) -> u64 {
        context_tokens(&self.joining)
    }

    /// Tokens that it generates each second, at the pace of its present iteration; 0 while it is idle.
    pub fn tokens_per_sec(&self) -> f64 {
        let iteration_fs = self.stretch.as_ref().map_or(1, |stretch| stretch.first_fs);
        self.members.len() as f64 / (iteration_fs as f64 * 1e-15)
    }

    /// When the engine has to be woken next; none while it is idle.
    pub fn wake_time(&self) -> Option<SimTime> {
        self.stretch.as_ref().map(|stretch| stretch.end_of(stretch.planned))
    }

    /// When the running iteration ends, once the engine has caught up; none while it is idle.
    pub(crate) fn iteration_end(&self) -> Option<SimTime> {
        self.stretch.as_ref().map(|stretch| stretch.end_of(1))
    }

    /// Adds a request at `now`; it is in the batch from the next iteration on. The stretch is cut at the first end
    /// of an iteration that is not before `now`.
    pub fn join(&mut self, now: SimTime, member: Member) {
        self.joining.push(Member { fresh: true, ..member });
        if self.members.len() < self.max_batch {
            self.cut(now);
        }
    }

    /// Adds a prompt at `now` that is computed here and has its memory, but for `present` tokens that are there; from the
    /// next iteration on.
    pub(crate) fn compute(&mut self, now: SimTime, member: Member, present: u32) {
        self.local.push(member, present);
        self.cut(now);
    }

    /// Ends the stretch with the first iteration that does not end before `now`.
    fn cut(&mut self, now: SimTime) {
        if let Some(stretch) = &mut self.stretch {
            let ended = stretch.ended_before(now);
            stretch.planned = stretch.planned.min(ended + 1);
        }
    }

    /// Accounts for every iteration that ended before `now`.
    pub fn catch_up(&mut self, now: SimTime, memory: &mut KvMemory, tbt: &mut Histogram<u64>) {
        if let Some(stretch) = self.stretch {
            let ended = stretch.ended_before(now).min(stretch.planned - 1);
            self.pass(stretch, ended, memory, tbt);
        }
    }

    /// Accounts for the first `n` iterations of the running stretch, after which it goes on.
    fn pass(&mut self, stretch: Stretch, n: u32, memory: &mut KvMemory, tbt: &mut Histogram<u64>) {
        if n > 0 {
            self.credit(stretch, n, tbt);
            self.stretch = Some(stretch.after(n));
            self.hold_next_token(memory);
        }
    }

    /// Shortens the running stretch to what memory still allows, after something else took of it.
    pub fn replan(&mut self, memory: &KvMemory) {
        if let Some(planned) = self.stretch.as_ref().map(|stretch| stretch.planned) {
            let allowed = self.iterations_within(memory.available(), memory, planned);
            let stretch = self.stretch.as_mut().expect("it is running");
            stretch.planned = allowed;
        }
    }

    /// The engine's wake time has come, or it was idle and requests have joined: ends the stretch, lets finished
    /// members go and waiting ones in, and begins the next stretch.
    pub fn turn(&mut self, now: SimTime, memory: &mut KvMemory, tbt: &mut Histogram<u64>, end: &mut StretchEnd) {
        end.finished.clear();
        end.preempted.clear();
        end.computed = None;
        let mut fraction_fs = 0;
        if let Some(stretch) = self.stretch {
            assert_eq!(stretch.end_of(stretch.planned), now, "a stretch ends at its time");
            // The memory of every token but the last is taken as it would have been one at a time.
            self.pass(stretch, stretch.planned - 1, memory, tbt);
        }
        if let Some(last) = self.stretch.take() {
            self.credit(last, 1, tbt);
            fraction_fs = last.after(1).fraction_fs;
            self.members.retain(|member| {
                let finished = member.remaining_tokens == 0;
                if finished {
                    end.finished.push(*member);
                }
                !finished
            });
            if let Some(prompt) = self.local.end_chunk() {
                self.complete(now, prompt, memory, end);
            }
        }
        // Once the batch has drained, the next one starts its own clock.
        if self.members.is_empty() && self.local.is_empty() {
            fraction_fs = 0;
        }
        for member in &end.finished {
            memory.release(member.holding, member.private_blocks);
        }
        let places = self.max_batch - self.members.len();
        self.members.extend(self.joining.drain(..places.min(self.joining.len())));
        self.preempt_until_room(memory, end);
        // Only now: one that was swapped out again at once is in no iteration.
        for member in self.members.iter_mut().rev().take_while(|member| member.fresh) {
            member.first_iteration = member.first_iteration.or(Some(now));
        }
        self.begin_stretch(now, fraction_fs, memory);
    }

    /// Swaps out the newest members until each one left has room for its next token.
    fn preempt_until_room(&mut self, memory: &mut KvMemory, end: &mut StretchEnd) {
        while self.growth(memory, 1) > memory.available() {
            let newest = self.members.pop().expect("members without growth always have room");
            memory.release(newest.holding, newest.private_blocks);
            end.preempted.push(Member { shared_blocks: 0, private_blocks: 0, holding: Holding::EMPTY, ..newest });
        }
    }

    /// A prompt's last chunk has been computed at `now`, which has made the first token: it joins, unless that was all.
    fn complete(&mut self, now: SimTime, prompt: LocalPrompt, memory: &mut KvMemory, end: &mut StretchEnd) {
        let member = Member { first_token: Some(now), last_token: Some(now), ..prompt.member };
        memory.mark_ready(member.holding, member.private_blocks);
        let start = prompt.start.expect("it was begun");
        end.computed = Some(Computed { request: member.request, input_tokens: member.context_tokens, start });
        let joins = member.remaining_tokens > 0;
        if joins { self.joining.push(member) } else { end.finished.push(member) }
    }

    fn begin_stretch(&mut self, now: SimTime, fraction_fs: u64, memory: &mut KvMemory) {
        let shortest = self.members.iter().map(|member| member.remaining_tokens).min();
        let computes = !self.local.is_empty();
        if shortest.is_none() && !computes {
            return;
        }
        self.hold_next_token(memory);
        let decoding_fs = self.decoding_fs();
        let chunk_fs = self.local.begin_chunk(now, decoding_fs);
        // After a preemption there may be both a free place and a request for it: it joins next time.
        let someone_joins = !self.joining.is_empty() && self.members.len() < self.max_batch;
        let limit = match shortest {
            Some(shortest) if !someone_joins && !computes => shortest.min(self.max_stretch),
            Some(_) | None => 1,
        };
        self.stretch = Some(Stretch {
            start: now,
            fraction_fs,
            first_fs: decoding_fs + chunk_fs,
            growth_fs: self.latency.per_token_fs * self.members.len() as u64,
            planned: self.iterations_within(memory.available(), memory, limit),
        });
    }

    /// The most iterations, up to `limit` and at least the running one, whose tokens find room in `available` blocks.
    fn iterations_within(&self, available: u32, memory: &KvMemory, limit: u32) -> u32 {
        if self.growth(memory, limit) <= available {
            return limit;
        }
        let (mut fits, mut beyond) = (1, limit);
        while beyond - fits > 1 {
            let middle = fits + (beyond - fits) / 2;
            if self.growth(memory, middle) <= available { fits = middle } else { beyond = middle }
        }
        fits
    }

    /// Blocks that the members need for `iterations` more tokens, beyond those that they hold.
    fn growth(&self, memory: &KvMemory, iterations: u32) -> u32 {
        let missing = |member: &Member| {
            let held = member.shared_blocks + member.private_blocks;
            memory.blocks_for(member.context_tokens + iterations).saturating_sub(held)
        };
        self.members.iter().map(missing).sum()
    }

    /// Gives every member room for the token of the iteration that begins.
    fn hold_next_token(&mut self, memory: &mut KvMemory) {
        let blocks = self.growth(memory, 1);
        if blocks == 0 {
            return;
        }
        memory.grow(blocks);
        for member in &mut self.members {
            let own = memory.blocks_for(member.context_tokens + 1) - member.shared_blocks;
            member.private_blocks = member.private_blocks.max(own);
        }
    }

    /// The first `n` iterations of `stretch` have ended: every member has made `n` tokens.
    fn credit(&mut self, stretch: Stretch, n: u32, tbt: &mut Histogram<u64>) {
        let (first_end, last_end) = (stretch.end_of(1), stretch.end_of(n));
        let gap = |from: SimTime, to: SimTime| to.since(from).as_nanos();
        let first_gap = gap(stretch.start, first_end);
        let counted = self.members.iter().filter(|member| member.counted).count() as u64;
        let longest = stretch.record_gaps(n, counted, tbt);
        let settled = self.members.iter().filter(|member| member.counted && !member.fresh).count() as u64;
        record(tbt, first_gap, settled);
        for member in &mut self.members {
            let own_first =
                if member.fresh { member.last_token.map(|last| gap(last, first_end)) } else { Some(first_gap) };
            if let Some(nanos) = own_first.filter(|_| member.fresh) {
                record(tbt, nanos, u64::from(member.counted));
            }
            let worst = longest.max(own_first.unwrap_or(0));
            member.tbt_max = member.tbt_max.max(SimDuration::from_nanos(worst));
            member.first_token = member.first_token.or(Some(first_end));
            member.last_token = Some(last_end);
            member.context_tokens += n;
            member.remaining_tokens -= n;
            member.fresh = false;
        }
    }
}

fn context_tokens(members: &[Member]) -> u64 {
    members.iter().map(|member| u64::from(member.context_tokens)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tbt_histogram;
    use netkv_units::{LatencyCurve, RequestId};

    #[test]
    fn an_engine_generates_its_batch_in_the_time_of_an_iteration() {
        // 10 ms, 1 ms for each request, 1 us for each token.
        let latency = DecodeLatency {
            requests: LatencyCurve::linear(10_000_000_000_000, 1_000_000_000_000),
            per_token_fs: 1_000_000_000,
        };
        let now = SimTime::from_nanos(1_000_000_000);
        let mut engine = DecodeEngine::new(latency, 8, Chunks::default(), u32::MAX);
        let (mut memory, mut tbt) = (KvMemory::new(1000, 16, 512, false), tbt_histogram());
        assert!(engine.tokens_per_sec() <= 0.0);
        for request in 0..3 {
            engine.join(now, Member::new(RequestId::new(request), 1000, 10, None, true));
        }
        engine.turn(now, &mut memory, &mut tbt, &mut StretchEnd::default());
        // 3 tokens in 10 + 3 + 3 ms.
        assert!((engine.tokens_per_sec() - 187.5).abs() < 1e-9, "{}", engine.tokens_per_sec());
    }
}
