//! The requests between arrival and end: a window that moves over the workload, so that a run holds those it serves and
//! not all there are.
//!
//! Requests are numbered in order of arrival. The window reaches from the first one that has not ended to the last that
//! has arrived; what ends inside waits for those before it, so that records leave in order of their numbers.

use crate::gpu::{Grant, Member, Prompt};
use crate::measure::{RequestRecord, TtftParts, ttft_limit};
use crate::network::{Order, Topology, TransferId};
use crate::scenario::{FirstToken, Scenario};
use netkv_units::{BlockId, RequestId, SimTime};
use netkv_workload::Request;
use std::collections::VecDeque;
use std::ops::Index;

/// What is known of a request while it is served.
#[derive(Clone, Debug)]
pub(crate) struct RequestState {
    own: Request,
    /// Whether it counts in the metrics.
    counts: bool,
    /// The whole blocks of its prompt: those that prefix caches may keep.
    prefix: Vec<BlockId>,
    /// Positions of its instances in their pools.
    prefill: usize,
    decode: Option<usize>,
    /// Its prompt is computed where it is decoded, and it has no prefill instance.
    is_local: bool,
    prefill_start: SimTime,
    prefill_end: SimTime,
    prefill_grant: Grant,
    decode_grant: Grant,
    /// Its transfer, while that is in flight.
    transfer: Option<TransferId>,
    /// What its transfer moved, when that began, and when it ended.
    transfer_bytes: u64,
    admitted: SimTime,
    transfer_end: SimTime,
    preemptions: u32,
    /// How often it lost an instance and began again.
    failovers: u32,
    end: End,
}

/// How a request has ended.
#[derive(Clone, Debug)]
enum End {
    /// Not yet.
    None,
    Refused,
    Finished(RequestRecord),
}

impl RequestState {
    /// What it asks for.
    pub(crate) const fn own(&self) -> &Request {
        &self.own
    }

    /// Whether it counts in the metrics.
    pub(crate) const fn counts(&self) -> bool {
        self.counts
    }

    /// Its prompt.
    pub(crate) fn prompt(&self) -> Prompt<'_> {
        Prompt { input_tokens: self.own.input_tokens, prefix: &self.prefix }
    }

    /// Position of its prefill instance.
    pub(crate) const fn prefill(&self) -> usize {
        self.prefill
    }

    /// Position of its decode instance; none as long as it is not chosen.
    pub(crate) const fn decode(&self) -> Option<usize> {
        self.decode
    }

    /// The same of a request that has been assigned one.
    ///
    /// # Panics
    /// If it has not.
    pub(crate) fn assigned(&self) -> usize {
        self.decode.expect("its decode instance was chosen")
    }

    /// Whether its prompt is computed where it is decoded.
    pub(crate) const fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether its prompt is computed.
    pub(crate) fn is_computed(&self) -> bool {
        self.prefill_end > SimTime::ZERO
    }

    /// What it was granted where it is prefilled.
    pub(crate) const fn prefill_grant(&self) -> Grant {
        self.prefill_grant
    }

    /// What it was granted where it decodes.
    pub(crate) const fn decode_grant(&self) -> Grant {
        self.decode_grant
    }

    /// Its transfer, while that is in flight.
    pub(crate) const fn transfer(&self) -> Option<TransferId> {
        self.transfer
    }

    /// Whether its transfer is over.
    pub(crate) fn has_arrived(&self) -> bool {
        self.transfer_end > SimTime::ZERO
    }

    /// Bytes that its transfer has moved; zero until that has ended.
    pub(crate) const fn transfer_bytes(&self) -> u64 {
        self.transfer_bytes
    }

    /// The request as its decode instance's batch takes it in, without memory.
    pub(crate) fn member(&self, request: RequestId, scenario: &Scenario) -> Member {
        let (made, first) = match scenario.first_token {
            FirstToken::Decode => (0, None),
            FirstToken::Prefill => (1, Some(self.prefill_end)),
        };
        Member::new(request, self.own.input_tokens, self.own.output_tokens - made, first, self.counts)
    }

    /// The same of one whose prompt is computed there, once it is: its last chunk makes the first token, whichever side
    /// does so elsewhere. None if it is computed elsewhere.
    pub(crate) fn local_member(&self, request: RequestId) -> Option<Member> {
        let member = Member::new(request, self.own.input_tokens, self.own.output_tokens - 1, None, self.counts);
        self.is_local.then_some(member)
    }

    /// The parts of the TTFT of a request that `member` was.
    fn parts(&self, scenario: &Scenario, member: &Member, first_token: SimTime) -> TtftParts {
        let before = TtftParts {
            prefill_queue: self.prefill_start.since(self.own.arrival),
            prefill_compute: self.prefill_end.since(self.prefill_start),
            ..TtftParts::default()
        };
        if self.is_local {
            return before;
        }
        match scenario.first_token {
            FirstToken::Prefill => before,
            FirstToken::Decode => {
                let joined = member.first_iteration.expect("it was in an iteration");
                // What goes on beside prefill is no part of TTFT.
                let exposed = self.admitted.max(self.prefill_end);
                TtftParts {
                    admission_wait: exposed.since(self.prefill_end),
                    transfer: self.transfer_end.since(exposed),
                    decode_wait: joined.since(self.transfer_end),
                    first_iteration: first_token.since(joined),
                    ..before
                }
            }
        }
    }

    fn record(&self, scenario: &Scenario, topology: &Topology, member: &Member) -> RequestRecord {
        let own = &self.own;
        let first_token = member.first_token.expect("a finished request has a first token");
        let finish = member.last_token.expect("a finished request has a last token");
        let cluster = topology.cluster();
        let ttft = first_token.since(own.arrival);
        let decoding = finish.since(first_token);
        let ttft_limit = ttft_limit(scenario, topology.alone(), own.input_tokens);
        let gaps = u128::from(own.output_tokens - 1);
        // What was moved there, from another instance.
        let moved_to = self.decode.filter(|_| !self.is_local);
        let own_hit_tokens = self.decode_grant.hit_tokens.min(own.input_tokens - 1);
        let tbt_attained = u128::from(decoding.as_nanos()) <= u128::from(scenario.slo.tbt.as_nanos()) * gaps;
        RequestRecord {
            request: member.request,
            arrival: own.arrival,
            input_tokens: own.input_tokens,
            output_tokens: own.output_tokens,
            prefill_instance: if self.is_local {
                cluster.decode()[self.assigned()]
            } else {
                cluster.prefill()[self.prefill]
            },
            decode_instance: self.decode.map(|decode| cluster.decode()[decode]),
            tier: moved_to.map(|decode| topology.tier(self.prefill, decode)),
            prefill_hit_tokens: if self.is_local { own_hit_tokens } else { self.prefill_grant.hit_tokens },
            prefill_host_tokens: self.prefill_grant.host_tokens,
            decode_hit_tokens: self.decode_grant.hit_tokens,
            transfer_bytes: self.transfer_bytes,
            transfer_start: moved_to.map(|_| self.admitted),
            transfer: self.transfer_end.since(self.admitted),
            parts: self.parts(scenario, member, first_token),
            ttft,
            decoding,
            tbt_max: member.tbt_max,
            finish,
            ttft_limit,
            preemptions: self.preemptions,
            failovers: self.failovers,
            slo_attained: ttft <= ttft_limit && tbt_attained,
            counted: self.counts,
        }
    }
}

/// The requests that have arrived and not left.
pub(crate) struct Requests {
    /// Tokens of a prefix block.
    block_tokens: u32,
    /// Number of the first one.
    first: usize,
    states: VecDeque<RequestState>,
    /// When the last one that counts has arrived.
    last_counted: SimTime,
    /// Memory for prefixes, of requests that have left.
    spare: Vec<Vec<BlockId>>,
}

impl Requests {
    /// None, of prompts in prefix blocks of so many tokens.
    pub(crate) const fn new(block_tokens: u32) -> Self {
        Self { block_tokens, first: 0, states: VecDeque::new(), last_counted: SimTime::ZERO, spare: Vec::new() }
    }

    /// A request arrives; `blocks` are those of its prompt.
    pub(crate) fn push(&mut self, own: Request, blocks: &[BlockId], counts: bool) -> RequestId {
        self.last_counted = if counts { own.arrival } else { self.last_counted };
        let mut prefix = self.spare.pop().unwrap_or_default();
        prefix.clear();
        prefix.extend_from_slice(&blocks[..(own.input_tokens / self.block_tokens) as usize]);
        self.states.push_back(RequestState {
            own,
            counts,
            prefix,
            prefill: 0,
            decode: None,
            is_local: false,
            prefill_start: SimTime::ZERO,
            prefill_end: SimTime::ZERO,
            prefill_grant: Grant::NONE,
            decode_grant: Grant::NONE,
            transfer: None,
            transfer_bytes: 0,
            admitted: SimTime::ZERO,
            transfer_end: SimTime::ZERO,
            preemptions: 0,
            failovers: 0,
            end: End::None,
        });
        RequestId::from_index(self.first + self.states.len() - 1)
    }

    /// When the last one that counts has arrived; time 0 if none has.
    pub(crate) const fn last_counted(&self) -> SimTime {
        self.last_counted
    }

    /// Every request in the window.
    pub(crate) fn states(&self) -> impl Iterator<Item = &RequestState> {
        self.states.iter()
    }

    /// The requests that have not ended, in order of arrival.
    pub(crate) fn unended(&self) -> impl Iterator<Item = RequestId> {
        let unended = self.states.iter().enumerate().filter(|(_, state)| matches!(state.end, End::None));
        unended.map(|(offset, _)| RequestId::from_index(self.first + offset))
    }

    /// A request's prompt.
    pub(crate) fn prompt(&self, request: RequestId) -> Prompt<'_> {
        self[request].prompt()
    }

    /// Its prefill instance was chosen.
    pub(crate) fn assign_prefill(&mut self, request: RequestId, prefill: usize) {
        self.state_mut(request).prefill = prefill;
    }

    /// Its prompt will be computed where it is decoded.
    pub(crate) fn keep_local(&mut self, request: RequestId) {
        self.state_mut(request).is_local = true;
    }

    /// Its decode instance was chosen.
    pub(crate) fn assign_decode(&mut self, request: RequestId, decode: usize) {
        self.state_mut(request).decode = Some(decode);
    }

    /// Its prompt is computed from now on, in the memory that it was granted.
    pub(crate) fn begin_prefill(&mut self, request: RequestId, now: SimTime, grant: Grant) {
        let state = self.state_mut(request);
        (state.prefill_start, state.prefill_grant) = (now, grant);
    }

    /// Its prompt is computed.
    pub(crate) fn end_prefill(&mut self, request: RequestId, now: SimTime) {
        self.state_mut(request).prefill_end = now;
    }

    /// It has memory where its prompt is computed and it decodes.
    pub(crate) fn admit_local(&mut self, request: RequestId, grant: Grant) {
        self.state_mut(request).decode_grant = grant;
    }

    /// The last chunk of its prompt, the first of which began at `start`, was computed where it decodes.
    pub(crate) fn end_local(&mut self, request: RequestId, start: SimTime, now: SimTime) {
        let state = self.state_mut(request);
        (state.prefill_start, state.prefill_end) = (start, now);
    }

    /// It has memory where it decodes, and its transfer begins.
    pub(crate) fn admit(&mut self, request: RequestId, grant: Grant, transfer: TransferId) {
        let state = self.state_mut(request);
        (state.decode_grant, state.transfer) = (grant, Some(transfer));
    }

    /// Its transfer, which began at `begun`, is over.
    pub(crate) fn arrive(&mut self, order: &Order, begun: SimTime, now: SimTime) {
        let state = self.state_mut(order.request);
        state.transfer = None;
        (state.transfer_bytes, state.admitted, state.transfer_end) = (order.bytes, begun, now);
    }

    /// It has lost an instance and begins again, as if it came now; its promise stays.
    pub(crate) fn restart(&mut self, request: RequestId) {
        let state = self.state_mut(request);
        (state.prefill, state.decode, state.transfer, state.transfer_bytes) = (0, None, None, 0);
        (state.prefill_grant, state.decode_grant) = (Grant::NONE, Grant::NONE);
        (state.prefill_start, state.prefill_end) = (SimTime::ZERO, SimTime::ZERO);
        (state.admitted, state.transfer_end) = (SimTime::ZERO, SimTime::ZERO);
        state.failovers += 1;
    }

    /// A request that may have left.
    pub(crate) fn get(&self, request: RequestId) -> Option<&RequestState> {
        request.index().checked_sub(self.first).and_then(|at| self.states.get(at))
    }

    /// It was swapped out.
    pub(crate) fn preempt(&mut self, request: RequestId) {
        self.state_mut(request).preemptions += 1;
    }

    /// It can never be served.
    pub(crate) fn refuse(&mut self, request: RequestId) {
        self.end(request, End::Refused);
    }

    /// It has made its last token, as `member` of a batch.
    ///
    /// # Panics
    /// If it has ended before.
    pub(crate) fn finish(&mut self, scenario: &Scenario, topology: &Topology, member: &Member) {
        let record = self[member.request].record(scenario, topology, member);
        assert_eq!(record.parts.total(), record.ttft, "the parts of TTFT add up");
        self.end(member.request, End::Finished(record));
    }

    /// Everybody reads a request; only this file writes one.
    fn state_mut(&mut self, request: RequestId) -> &mut RequestState {
        &mut self.states[request.index() - self.first]
    }

    fn end(&mut self, request: RequestId, end: End) {
        let state = self.state_mut(request);
        assert!(matches!(state.end, End::None), "request {request:?} ends once");
        state.end = end;
    }

    /// Takes the requests at the front that have ended out of the window, and gives the records of those that finished
    /// to `sink`; returns how many left.
    pub(crate) fn retire(&mut self, sink: &mut dyn FnMut(RequestRecord)) -> usize {
        let before = self.first;
        while let Some(front) = self.states.pop_front_if(|front| !matches!(front.end, End::None)) {
            self.first += 1;
            self.spare.push(front.prefix);
            if let End::Finished(record) = front.end {
                sink(record);
            }
        }
        self.first - before
    }
}

impl Index<RequestId> for Requests {
    type Output = RequestState;

    fn index(&self, request: RequestId) -> &RequestState {
        &self.states[request.index() - self.first]
    }
}
