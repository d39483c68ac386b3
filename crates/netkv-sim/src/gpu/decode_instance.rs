//! A decode instance: its batch, its memory, and the requests on their way into either.
//!
//! A request that was assigned to it is handed over once its KV cache may come, waits for memory, is admitted, arrives
//! with the last byte of its KV cache and joins the batch. A member that lost its place for lack of memory is swapped
//! out to the host, and comes before all who wait.
//!
//! A request whose prompt is computed here waits for memory like the others, and counts as on its way until it joins.
//!
//! A state machine that can be copied and played on: the clairvoyant yardstick does just that.

use super::chunks::Chunks;
use super::decode_engine::{DecodeEngine, StretchEnd};
use super::host_link::HostLink;
use super::kv_memory::{Grant, KvMemory, Prompt};
use super::member::Member;
use crate::scenario::Scenario;
use hdrhistogram::Histogram;
use netkv_units::{BytesPerSec, RequestId, SimTime};
use std::collections::VecDeque;

/// What an instance was given, by how far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Requests that it was given and that are not in its engine, and their tokens.
    pub outside: u32,
    pub outside_tokens: u64,
    /// Of these, the ones that its engine does not know of yet: they are still prefilled.
    pub unseen: u32,
    pub unseen_tokens: u64,
    /// Prompt tokens of all requests that it was given and that have not finished, in whole blocks.
    pub in_flight_prompt_tokens: u64,
    /// Tokens of those that wait for memory: waiting or swapped out.
    pub queued_tokens: u64,
}

/// Who was admitted, in order.
#[derive(Default)]
pub(crate) struct Admitted {
    /// Swapped-out requests, and when they are back.
    pub returning: Vec<(SimTime, RequestId)>,
    /// Requests whose transfers may begin, and what they were granted.
    pub granted: Vec<(RequestId, Grant)>,
    /// Requests whose prompts are computed on the instance from now on, and what they were granted.
    pub local: Vec<(RequestId, Grant)>,
}

impl Admitted {
    /// Nobody.
    pub(crate) fn clear(&mut self) {
        self.returning.clear();
        self.granted.clear();
        self.local.clear();
    }
}

/// Where a request is that is taken back from a decode instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recall {
    /// It was not handed over yet.
    Unseen,
    /// It waits for memory.
    Waiting,
    /// It was granted this and is moved.
    Moving(Grant),
}

/// One decode instance.
#[derive(Clone, Debug)]
pub(crate) struct DecodeInstance {
    engine: DecodeEngine,
    memory: KvMemory,
    host: HostLink,
    watermark_blocks: u32,
    /// Requests that wait for memory, in order.
    waiting: VecDeque<RequestId>,
    /// Those of them whose prompts are to be computed here, as they will be in the batch.
    to_compute: VecDeque<Member>,
    /// Requests that were swapped out, the next to return first, and when their KV cache had left.
    swapped: VecDeque<(Member, SimTime)>,
    /// Members on their way back from the host, and when they are there.
    returning: Vec<(SimTime, Member)>,
    load: Load,
}

impl DecodeInstance {
    /// An idle instance.
    pub(super) fn new(scenario: &Scenario, max_stretch: u32) -> Self {
        let (kv, prefix_tokens) = (&scenario.kv, scenario.workload.block_tokens());
        let rate = BytesPerSec::new(scenario.decode.host_bytes_per_sec);
        Self {
            engine: DecodeEngine::new(
                scenario.gpu.decode,
                scenario.decode.max_batch as usize,
                Chunks::new(scenario),
                max_stretch,
            ),
            memory: KvMemory::new(kv.decode_blocks, kv.block_tokens, prefix_tokens, kv.prefix_caching),
            host: HostLink { bytes_per_token: kv.bytes_per_token, rate },
            watermark_blocks: scenario.decode.watermark_blocks,
            waiting: VecDeque::new(),
            to_compute: VecDeque::new(),
            swapped: VecDeque::new(),
            returning: Vec::new(),
            load: Load::default(),
        }
    }

    /// Its batch.
    pub(crate) const fn engine(&self) -> &DecodeEngine {
        &self.engine
    }

    /// What it holds.
    pub(crate) const fn memory(&self) -> &KvMemory {
        &self.memory
    }

    /// What it was given.
    pub(crate) const fn load(&self) -> Load {
        self.load
    }

    /// Requests that wait for memory, in order.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = RequestId> {
        self.waiting.iter().copied()
    }

    /// Members that were swapped out and have no memory.
    pub(crate) fn swapped(&self) -> impl Iterator<Item = &Member> {
        self.swapped.iter().map(|(member, _)| member)
    }

    /// Members on their way back from the host.
    pub(crate) fn returning(&self) -> impl Iterator<Item = &Member> {
        self.returning.iter().map(|(_, member)| member)
    }

    /// Whether anybody waits for memory.
    pub(crate) fn has_queue(&self) -> bool {
        !self.waiting.is_empty() || !self.swapped.is_empty()
    }

    /// Whether a prompt would find memory at once.
    pub(crate) fn has_room_for(&self, prompt: Prompt<'_>) -> bool {
        !self.has_queue() && self.memory.fits(prompt.prefix, prompt.input_tokens, self.watermark_blocks)
    }

    /// When the next member is back from the host, and who.
    pub(crate) fn next_return(&self) -> Option<(SimTime, RequestId)> {
        let first = self.returning.iter().min_by_key(|(back, _)| *back);
        first.map(|(back, member)| (*back, member.request))
    }

    /// When it has to be woken next: an idle one with requests at once; none if it is idle without.
    pub(crate) fn wake_time(&self, now: SimTime) -> Option<SimTime> {
        let idle_wake = self.engine.has_work_to_come().then_some(now);
        self.engine.wake_time().or(idle_wake)
    }

    /// Accounts for every iteration that ended before `now`, so that the instance shows what is true then.
    pub(crate) fn catch_up(&mut self, now: SimTime, gaps: &mut Histogram<u64>) {
        self.engine.catch_up(now, &mut self.memory, gaps);
    }

    /// A request was chosen to decode here; `in_blocks` are its prompt's tokens in whole blocks.
    pub(crate) const fn assign(&mut self, input_tokens: u32, in_blocks: u64) {
        self.load.outside += 1;
        self.load.outside_tokens += input_tokens as u64;
        self.load.unseen += 1;
        self.load.unseen_tokens += input_tokens as u64;
        self.load.in_flight_prompt_tokens += in_blocks;
    }

    /// A request that was assigned waits for memory from now on; its prompt is computed here if `to_compute` is what it will
    /// be in the batch.
    pub(crate) fn hand_over(&mut self, request: RequestId, input_tokens: u32, to_compute: Option<Member>) {
        self.load.unseen -= 1;
        self.load.unseen_tokens -= u64::from(input_tokens);
        self.load.queued_tokens += u64::from(input_tokens);
        self.waiting.push_back(request);
        self.to_compute.extend(to_compute);
    }

    /// Admits swapped-out requests, then waiting ones, in order, as far as memory goes; adds them to `admitted`.
    pub(crate) fn admit<'a>(
        &mut self,
        now: SimTime,
        prompt_of: impl Fn(RequestId) -> Prompt<'a>,
        admitted: &mut Admitted,
    ) {
        while let Some((member, away)) = self.swapped.front().copied() {
            // With room for its next token as well: else two could swap each other out for ever.
            let tokens = member.context_tokens + 1;
            let prefix = prompt_of(member.request).prefix;
            let Some(grant) = self.memory.admit(prefix, tokens, self.watermark_blocks) else { break };
            self.swapped.pop_front();
            self.load.queued_tokens -= u64::from(member.context_tokens);
            let back = away.max(now) + self.host.time(u64::from(member.context_tokens));
            self.returning.push((back, member.with_memory(&self.memory, tokens, grant)));
            admitted.returning.push((back, member.request));
        }
        while self.swapped.is_empty() {
            let Some(&request) = self.waiting.front() else { break };
            let Prompt { input_tokens, prefix } = prompt_of(request);
            let Some(grant) = self.memory.admit(prefix, input_tokens, self.watermark_blocks) else { break };
            self.waiting.pop_front();
            self.load.queued_tokens -= u64::from(input_tokens);
            let Some(member) = self.to_compute.pop_front_if(|member| member.request == request) else {
                admitted.granted.push((request, grant));
                continue;
            };
            // The last token is always computed: it makes the first one of the answer.
            let present = grant.hit_tokens.min(input_tokens - 1);
            self.engine.compute(now, member.with_memory(&self.memory, input_tokens, grant), present);
            admitted.local.push((request, grant));
        }
        self.engine.replan(&self.memory);
    }

    /// The last byte of an admitted request's KV cache is there: it joins the batch.
    pub(crate) fn arrive(&mut self, now: SimTime, member: Member, grant: Grant, gaps: &mut Histogram<u64>) {
        self.memory.mark_ready(grant.holding, grant.private_blocks);
        let member = member.with_memory(&self.memory, member.context_tokens, grant);
        self.join(now, member, gaps);
    }

    /// A swapped-out request is back: it joins the batch.
    pub(crate) fn take_back(&mut self, now: SimTime, request: RequestId, gaps: &mut Histogram<u64>) {
        let place = self.returning.iter().position(|(_, member)| member.request == request);
        let (_, member) = self.returning.remove(place.expect("it is returning"));
        self.memory.mark_ready(member.holding, member.private_blocks);
        self.join(now, member, gaps);
    }

    fn join(&mut self, now: SimTime, member: Member, gaps: &mut Histogram<u64>) {
        self.catch_up(now, gaps);
        self.load.outside -= 1;
        self.load.outside_tokens -= u64::from(member.context_tokens);
        self.engine.join(now, member);
    }

    /// Its wake time has come: see [`DecodeEngine::turn`]. Members that lost their place go to the host.
    pub(crate) fn turn(&mut self, now: SimTime, gaps: &mut Histogram<u64>, end: &mut StretchEnd) {
        self.engine.turn(now, &mut self.memory, gaps, end);
        if let Some(computed) = end.computed {
            self.load.outside -= 1;
            self.load.outside_tokens -= u64::from(computed.input_tokens);
        }
        for &member in &end.preempted {
            self.load.outside += 1;
            self.load.outside_tokens += u64::from(member.context_tokens);
            self.load.queued_tokens += u64::from(member.context_tokens);
            let away = now + self.host.time(u64::from(member.context_tokens));
            self.swapped.push_front((member, away));
        }
    }

    /// Takes back a request that was assigned, of `input_tokens` in the prompt or `in_blocks` in whole blocks, and is not in
    /// the engine.
    pub(super) fn recall(&mut self, request: RequestId, input_tokens: u32, in_blocks: u64, recall: Recall) {
        let tokens = u64::from(input_tokens);
        match recall {
            Recall::Unseen => {
                self.load.unseen -= 1;
                self.load.unseen_tokens -= tokens;
            }
            Recall::Waiting => {
                self.waiting.retain(|&other| other != request);
                self.load.queued_tokens -= tokens;
            }
            Recall::Moving(grant) => self.memory.abandon(grant.holding, grant.private_blocks),
        }
        self.load.outside -= 1;
        self.load.outside_tokens -= tokens;
        self.finish(in_blocks);
    }

    /// Whether a swapped-out request is back at this moment.
    pub(super) fn is_back(&self, now: SimTime, request: RequestId) -> bool {
        self.returning.iter().any(|(back, member)| *back == now && member.request == request)
    }

    /// A request that was assigned has made its last token.
    pub(super) const fn finish(&mut self, in_blocks: u64) {
        self.load.in_flight_prompt_tokens -= in_blocks;
    }

    /// # Panics
    /// If something of a request is left.
    pub(super) fn check_empty(&self) {
        assert_eq!(self.load, Load::default(), "no request is left");
        assert_eq!(self.memory.available(), self.memory.capacity(), "decode memory is given back");
    }
}
