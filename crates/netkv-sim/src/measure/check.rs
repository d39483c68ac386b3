//! Conservation laws of a run, checked from nothing: slow and obvious, for tests.
//!
//! Requests: each one that has arrived and not ended is in just one place, or in two if its transfer goes on beside its
//! prefill; the scheduler's counts are those of these places. Tokens: context and tokens to come of a member add up to
//! its prompt and answer. Memory: private blocks, used and reserved, and references to prefix blocks are those of the
//! requests that hold them. Bytes: what has crossed the first links of transfers and what is left of their flows add up
//! to all bytes that were sent off, to the rounding of completions. Rates: see [`FlowNetwork::check_invariants`].
//!
//! [`FlowNetwork::check_invariants`]: netkv_fabric::FlowNetwork::check_invariants

use crate::gpu::decode_engine::Member;
use crate::gpu::kv_memory::KvMemory;
use crate::measure::record::{RequestRecord, RunEnd, RunOutput};
use crate::requests::RequestState;
use crate::scenario::{FirstToken, Scenario};
use crate::simulation::Simulation;
use netkv_fabric::{Direction, LinkKind};
use netkv_units::{Nanobytes, RequestId};
use std::collections::BTreeSet;

/// Runs a scenario as [`crate::run`] does, and checks every law after every event.
///
/// # Panics
/// If one does not hold; and as [`crate::run`].
pub fn run_checked(scenario: &Scenario) -> RunOutput {
    let mut simulation = Simulation::new(scenario, u32::MAX);
    let mut requests: Vec<RequestRecord> = Vec::new();
    while !simulation.is_done() {
        simulation.step(&mut |record| requests.push(record));
        let sent_before: u64 = requests.iter().map(|record| record.transfer_bytes).sum();
        Check::new(&simulation).all_laws(sent_before, requests.len() as u64);
    }
    let RunEnd { tbt_histogram, totals } = simulation.into_end();
    RunOutput { requests, tbt_histogram, totals }
}

/// A simulation between two events, and who is where in it.
struct Check<'a, 'b> {
    simulation: &'a Simulation<'b>,
    /// In a prefill queue, and being computed.
    queued: BTreeSet<RequestId>,
    computed: BTreeSet<RequestId>,
    /// Waiting for decode memory, and being moved: memory is reserved for these.
    waiting: BTreeSet<RequestId>,
    moving: BTreeSet<RequestId>,
}

impl<'a, 'b> Check<'a, 'b> {
    fn new(simulation: &'a Simulation<'b>) -> Self {
        let queued = simulation.prefill.iter().flat_map(|instance| instance.engine.queued()).collect();
        let running = simulation.prefill.iter().flat_map(|instance| instance.engine.running());
        let computed = running.map(|running| running.request).collect();
        let waiting: BTreeSet<_> = simulation.decode.iter().flat_map(|one| one.waiting.iter().copied()).collect();
        let mut check = Self { simulation, queued, computed, waiting, moving: BTreeSet::new() };
        // Handed over, admitted, and not in an engine: on the way.
        let decoding: BTreeSet<_> = (0..simulation.decode.len())
            .flat_map(|decode| check.members(decode))
            .map(|member| member.request)
            .collect();
        let handed_over = |request: &RequestId| {
            let in_prefill = check.queued.contains(request) || check.computed.contains(request);
            !in_prefill
                || (check.computed.contains(request) && simulation.overlaps() && check.state(*request).decode.is_some())
        };
        let moving = simulation
            .requests
            .unended()
            .filter(|request| handed_over(request) && !check.waiting.contains(request) && !decoding.contains(request));
        check.moving = moving.collect();
        check
    }

    fn state(&self, request: RequestId) -> &'a RequestState {
        &self.simulation.requests[request]
    }

    /// Everybody that a decode instance has had: in its batch, waiting for the next, swapped out, on the way back.
    fn members(&self, decode: usize) -> impl Iterator<Item = &'a Member> + use<'a> {
        let instance = &self.simulation.decode[decode];
        instance
            .engine
            .held()
            .chain(instance.swapped.iter().map(|(member, _)| member))
            .chain(instance.returning.iter().map(|(_, member)| member))
    }

    fn all_laws(&self, retired_bytes: u64, retired: u64) {
        self.everybody_is_somewhere();
        for decode in 0..self.simulation.decode.len() {
            self.counts_of(decode);
            self.decode_memory(decode);
        }
        for prefill in 0..self.simulation.prefill.len() {
            self.prefill_memory(prefill);
        }
        if self.simulation.competition.is_none() {
            self.bytes(retired_bytes, retired);
        }
        if self.simulation.queue.next_time() != Some(self.simulation.now) {
            self.simulation.network.check_invariants();
        }
    }

    fn everybody_is_somewhere(&self) {
        let members = (0..self.simulation.decode.len()).flat_map(|decode| self.members(decode));
        let mut late: Vec<RequestId> = members.map(|member| member.request).collect();
        late.extend(self.waiting.iter().chain(&self.moving));
        late.sort_unstable();
        assert!(late.is_sorted_by(|one, two| one < two), "nobody is in two places of the decode side: {late:?}");
        assert!(self.queued.is_disjoint(&self.computed), "who waits is not computed");
        assert_eq!(self.moving.len(), self.simulation.transfers_in_flight as usize, "transfers are counted");
        let unended: BTreeSet<RequestId> = self.simulation.requests.unended().collect();
        let found: BTreeSet<_> = late.iter().chain(&self.queued).chain(&self.computed).copied().collect();
        assert_eq!(found, unended, "whoever has not ended is somewhere");
        let twice = late.iter().filter(|request| self.queued.contains(request) || self.computed.contains(request));
        assert!(twice.count() == 0 || self.simulation.overlaps(), "only overlapping transfers leave during prefill");
    }

    /// The scheduler's bookkeeping of an instance, and the tokens of its members.
    fn counts_of(&self, decode: usize) {
        let instance = &self.simulation.decode[decode];
        let (mut outside, mut outside_tokens, mut queued_tokens) = (0, 0, 0);
        let (mut unseen, mut unseen_tokens, mut in_flight_prompt_tokens) = (0, 0, 0);
        for request in self.simulation.requests.unended() {
            let state = self.state(request);
            if state.decode == Some(decode as u32) {
                in_flight_prompt_tokens += self.simulation.in_blocks(state.own.input_tokens);
            }
            let is_member = self.members(decode).any(|member| member.request == request);
            if state.decode == Some(decode as u32) && !is_member {
                outside += 1;
                outside_tokens += u64::from(state.own.input_tokens);
                queued_tokens += u64::from(state.own.input_tokens) * u64::from(self.waiting.contains(&request));
                if !self.waiting.contains(&request) && !self.moving.contains(&request) {
                    unseen += 1;
                    unseen_tokens += u64::from(state.own.input_tokens);
                }
            }
        }
        for (member, _) in &instance.swapped {
            queued_tokens += u64::from(member.context_tokens);
        }
        for member in
            instance.swapped.iter().map(|(member, _)| member).chain(instance.returning.iter().map(|(_, member)| member))
        {
            outside += 1;
            outside_tokens += u64::from(member.context_tokens);
        }
        assert_eq!(instance.outside, outside, "requests outside the engine of {decode}");
        assert_eq!(instance.outside_tokens, outside_tokens, "their tokens");
        assert_eq!(instance.queued_tokens, queued_tokens, "tokens that wait for memory of {decode}");
        assert_eq!(
            (instance.unseen, instance.unseen_tokens),
            (unseen, unseen_tokens),
            "not yet handed over to {decode}"
        );
        assert_eq!(instance.in_flight_prompt_tokens, in_flight_prompt_tokens, "prompts in flight of {decode}");
        let made_before = u32::from(self.simulation.scenario.first_token == FirstToken::Prefill);
        for member in self.members(decode) {
            let own = &self.state(member.request).own;
            let all = own.input_tokens + own.output_tokens - made_before;
            assert_eq!(member.context_tokens + member.remaining_tokens, all, "tokens of {:?}", member.request);
        }
    }

    fn decode_memory(&self, decode: usize) {
        let instance = &self.simulation.decode[decode];
        let on_the_way: Vec<_> =
            self.moving.iter().filter(|&&request| self.state(request).decode == Some(decode as u32)).collect();
        let reserved: u32 =
            on_the_way.iter().map(|&&request| self.state(request).decode_grant.private_blocks).sum::<u32>()
                + instance.returning.iter().map(|(_, member)| member.private_blocks).sum::<u32>();
        let used: u32 = instance.engine.held().map(|member| member.private_blocks).sum();
        let holders = instance
            .engine
            .held()
            .chain(instance.returning.iter().map(|(_, member)| member))
            .map(|member| member.request);
        self.memory(&instance.memory, used, reserved, holders.chain(on_the_way.into_iter().copied()));
    }

    fn prefill_memory(&self, prefill: usize) {
        let instance = &self.simulation.prefill[prefill];
        let is_here = |request: &&RequestId| self.state(**request).prefill == prefill as u32;
        let computed: Vec<_> = self.computed.iter().filter(is_here).copied().collect();
        // A prompt that is moved while it is computed counts once.
        let done = self.waiting.union(&self.moving).filter(is_here).filter(|request| !self.computed.contains(request));
        let done: Vec<_> = done.copied().collect();
        let blocks = |requests: &[RequestId]| -> u32 {
            requests.iter().map(|&request| self.state(request).prefill_grant.private_blocks).sum()
        };
        let holds = |request: &RequestId| self.state(*request).prefill_grant.held().is_some();
        let holders = computed.iter().chain(&done).copied().filter(holds);
        self.memory(&instance.memory, blocks(&done), blocks(&computed), holders);
    }

    fn memory(&self, memory: &KvMemory, used: u32, reserved: u32, holders: impl Iterator<Item = RequestId>) {
        assert_eq!(memory.private(), (used, reserved), "private blocks, used and reserved");
        assert_eq!(memory.free() + memory.used() + memory.reserved(), memory.capacity(), "no block is lost");
        let references: usize = holders.map(|request| self.simulation.requests.prefix(request).len()).sum();
        let expected = if self.simulation.scenario.kv.prefix_caching { references } else { 0 };
        assert_eq!(memory.references(), expected, "references to prefix blocks");
    }

    fn bytes(&self, retired_bytes: u64, retired: u64) {
        let Simulation { tree, network, now, requests, .. } = self.simulation;
        let (mut found, mut sent, mut transfers) = (Nanobytes::ZERO, retired_bytes, retired);
        for kind in [LinkKind::NvLink, LinkKind::Nic] {
            for link in tree.links_of(kind).filter(|&link| tree.place(link).direction == Direction::Up) {
                found += network.moved(link, *now);
                for flow in network.flows_on(link) {
                    found += network.remaining(*now, flow);
                }
            }
        }
        for state in requests.states().filter(|state| state.is_set_up) {
            sent += state.transfer_bytes;
            transfers += 1;
        }
        // Each flow's completion is off by half a nanosecond at the most.
        let fastest = u128::from(tree.config().nvlink.get().max(tree.config().nic.get()));
        let tolerance = u128::from(transfers) * u128::from(self.simulation.cluster.flows) * fastest / 2;
        let sent = u128::from(sent) * 1_000_000_000;
        assert!(found.get().abs_diff(sent) <= tolerance, "{} nanobytes of {sent}", found.get());
    }
}
