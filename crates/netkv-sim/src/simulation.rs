//! The loop, and the rooms that it joins: requests, prefill and decode pools, network, scheduler.
//!
//! Each room owns its state, is told what happens, and returns what follows. All control flow between them is in
//! [`Simulation::dispatch`] and the handlers below it, in the order of a request's life; they alone push events.

mod access;

use crate::arrivals::Arrivals;
use crate::event::{Event, EventQueue};
use crate::failover::{Rooms, is_outdated};
use crate::gpu::{DecodePool, Grant, Member, PrefillPool};
use crate::measure::{RequestRecord, RunTotals};
use crate::network::{Network, TransferId};
use crate::present::{present, progress};
use crate::requests::Requests;
use crate::scenario::{LocalRule, PrefillMode, Scenario, SelectionMoment};
use crate::scheduler::{Scheduler, keeps};
use crate::scratch::Scratch;
use netkv_policy::TransferStep;
use netkv_units::{RequestId, SimTime};

/// A run in progress.
pub(crate) struct Simulation<'a> {
    scenario: &'a Scenario,
    now: SimTime,
    queue: EventQueue,
    arrivals: Arrivals<'a>,
    requests: Requests,
    prefill: PrefillPool,
    decode: DecodePool,
    network: Network,
    scheduler: Scheduler,
    totals: RunTotals,
    /// Requests that have not left the window.
    n_left: usize,
    scratch: Scratch,
}

impl<'a> Simulation<'a> {
    /// A run at its start; at most `max_stretch` decode iterations are taken in one event.
    pub(crate) fn new(scenario: &'a Scenario, max_stretch: u32) -> Self {
        let network = Network::new(scenario);
        let cluster = network.topology().cluster();
        let mut simulation = Self {
            scenario,
            now: SimTime::ZERO,
            queue: EventQueue::default(),
            arrivals: Arrivals::new(scenario),
            requests: Requests::new(scenario.workload.block_tokens()),
            prefill: PrefillPool::new(scenario, cluster.prefill().len()),
            decode: DecodePool::new(scenario, cluster.decode().len(), max_stretch),
            scheduler: Scheduler::new(scenario, cluster),
            network,
            totals: RunTotals::default(),
            n_left: scenario.workload.len(),
            scratch: Scratch::default(),
        };
        simulation.push_first();
        simulation
    }

    /// Puts the first event of each kind into the queue.
    fn push_first(&mut self) {
        for (change, time) in self.network.next_changes() {
            self.push(time, Event::NetworkChange(change));
        }
        self.push(self.network.next_sample(self.now), Event::Telemetry);
        self.push(self.scheduler.next_poll(self.now), Event::Poll);
        self.push(self.scheduler.next_gossip(self.now), Event::Gossip);
        self.push_arrivals();
        for (index, event) in (0..).zip(&self.scenario.cluster.events) {
            self.queue.push(event.at, Event::ClusterChange { index });
        }
        self.settle_network();
    }

    /// Puts the arrivals into the queue that are known by now.
    fn push_arrivals(&mut self) {
        while let Some(time) = self.arrivals.tell() {
            self.queue.push(time, Event::Arrival);
        }
    }

    fn push(&mut self, time: Option<SimTime>, event: Event) {
        if let Some(time) = time {
            self.queue.push(time, event);
        }
    }

    /// The next event; records of requests that leave with it go to `sink`, in order of arrival.
    pub(crate) fn step(&mut self, sink: &mut dyn FnMut(RequestRecord)) {
        let (time, event) = self.queue.pop().expect("a request that is not finished has an event to come");
        assert!(time >= self.now, "time ran back from {} to {time}", self.now);
        self.now = time;
        self.totals.events += 1;
        self.dispatch(event);
        if self.queue.next_time() != Some(self.now) {
            self.settle_network();
        }
        self.n_left -= self.requests.retire(sink);
    }

    fn dispatch(&mut self, event: Event) {
        if is_outdated(self.present(), event) {
            return;
        }
        match event {
            Event::NetworkChange(change) => {
                let next = self.network.change(self.now, change);
                self.push(next, event);
            }
            Event::NetworkWake { generation } => self.end_flows(generation),
            Event::TransferEnter { transfer } => self.enter_transfer(transfer),
            Event::Telemetry => self.sample_links(),
            Event::Poll => self.poll(),
            Event::Gossip => {
                let next = self.scheduler.gossip(self.now);
                self.push(next, event);
            }
            Event::ClusterChange { index } => self.change_cluster(index as usize),
            Event::Arrival => self.arrive(),
            Event::SwappedIn { request } => self.return_swapped(request),
            Event::PrefillWake { prefill } => self.turn_prefill(prefill as usize),
            Event::PromptComputed { request } => self.end_alone(request),
            Event::DecodeWake { decode, generation } => self.turn_decode(decode as usize, generation),
        }
    }

    /// Brings the rates up to date after the changes of this instant, and sees to the next wake.
    fn settle_network(&mut self) {
        if let Some((time, generation)) = self.network.settle() {
            self.queue.push(time, Event::NetworkWake { generation });
        }
    }

    fn sample_links(&mut self) {
        // Nobody else reads the samples.
        if self.scheduler.looks_at_state() {
            self.network.sample(self.now);
        }
        self.push(self.network.next_sample(self.now), Event::Telemetry);
    }

    fn poll(&mut self) {
        self.decode.catch_up(self.now);
        self.scheduler.poll(present!(self));
        self.push(self.scheduler.next_poll(self.now), Event::Poll);
    }

    /// An instance fails, is drained or joins: requests that were on it begin again.
    fn change_cluster(&mut self, index: usize) {
        let Self { scenario, now, requests, prefill, decode, network, scheduler, .. } = self;
        let aftermath = Rooms { scenario, now: *now, requests, prefill, decode, network, scheduler }.change(index);
        aftermath.prefill.iter().for_each(|&prefill| self.wake_prefill(true, prefill));
        for &decode in &aftermath.decode {
            self.admit_waiting(decode);
            self.wake_decode(decode);
        }
        self.totals.failovers += aftermath.lost.len() as u64;
        aftermath.lost.iter().for_each(|&request| self.send_to_prefill(request));
    }

    /// The next request of the workload arrives.
    fn arrive(&mut self) {
        let request = self.arrivals.take(|own, blocks, counts| self.requests.push(own, blocks, counts));
        self.push_arrivals();
        if self.scenario.can_ever_fit(self.requests[request].own()) {
            match self.choose_local(request) {
                Some(decode) => self.keep_local(request, decode),
                None => self.send_to_prefill(request),
            }
        } else {
            self.totals.rejected += 1;
            self.turn_away(request);
        }
    }

    /// The decode instance that computes an arriving request's prompt itself; none if a prefill instance is to.
    fn choose_local(&mut self, request: RequestId) -> Option<usize> {
        if self.scenario.local_prefill.rule == LocalRule::Never {
            return None;
        }
        self.decode.catch_up(self.now);
        keeps(present!(self), request)
    }

    /// Gives an arriving request to a decode instance that computes its prompt itself.
    fn keep_local(&mut self, request: RequestId, decode: usize) {
        self.requests.keep_local(request);
        self.assign_decode(request, decode);
        self.hand_over(request);
    }

    /// Gives an arriving request to a prefill instance.
    fn send_to_prefill(&mut self, request: RequestId) {
        let prefill = self.choose_prefill(request);
        let prompt = self.requests.prompt(request);
        let mut chooses = self.scheduler.selects_at(SelectionMoment::Arrival);
        match self.scenario.prefill.engine {
            PrefillMode::Batched => {
                let wakes = self.prefill.enqueue(self.now, prefill, request, prompt);
                self.wake_prefill(wakes, prefill);
            }
            PrefillMode::Delay => {
                let end = self.prefill.begin_alone(self.now, prefill, request, prompt.input_tokens);
                self.requests.begin_prefill(request, self.now, Grant::NONE);
                self.queue.push(end, Event::PromptComputed { request });
                chooses |= self.scheduler.selects_at(SelectionMoment::PrefillStart);
            }
        }
        if chooses && self.needs_decode(request) {
            assert!(self.select_decode(request), "nobody is refused before its prompt is computed");
        }
    }

    fn choose_prefill(&mut self, request: RequestId) -> usize {
        if !self.scheduler.selects_prefill() {
            let prefill = self.prefill.choose(self.requests.prompt(request));
            self.requests.assign_prefill(request, prefill);
            return prefill;
        }
        self.look(request, None);
        let (prefill, decode) = self.scheduler.select_prefill(present!(self), request);
        self.requests.assign_prefill(request, prefill);
        if let Some(decode) = decode {
            self.assign_decode(request, decode);
        }
        prefill
    }

    /// Whether a request has tokens left to make once its prompt is computed.
    fn needs_decode(&self, request: RequestId) -> bool {
        self.scenario.first_token.leaves_tokens(self.requests[request].own().output_tokens)
    }

    /// Brings up to date what the scheduler looks at before a decision.
    fn look(&mut self, request: RequestId, source: Option<usize>) {
        let needs = self.scheduler.needs(request, source.is_some());
        if needs.batches {
            self.decode.catch_up(self.now);
        }
        if needs.network {
            self.network.look(self.now, needs.zones);
        }
        if let Some(source) = source.filter(|_| needs.rates) {
            self.network.probe(request, source, self.scheduler.rates_mut());
        }
    }

    /// Has the scheduler choose a decode instance for a request whose prefill instance is known; false if it refuses it.
    #[must_use]
    fn select_decode(&mut self, request: RequestId) -> bool {
        self.look(request, Some(self.requests[request].prefill()));
        let Some(chosen) = self.scheduler.select_decode(present!(self), request) else { return false };
        self.assign_decode(request, chosen);
        true
    }

    /// A request will decode on this instance.
    fn assign_decode(&mut self, request: RequestId, decode: usize) {
        let input_tokens = self.requests[request].own().input_tokens;
        self.requests.assign_decode(request, decode);
        let in_blocks = self.scenario.kv.in_blocks(input_tokens);
        self.decode.assign(decode, input_tokens, in_blocks);
        self.scheduler.sent((request, self.now), decode, (input_tokens, in_blocks));
    }

    fn wake_prefill(&mut self, wakes: bool, prefill: usize) {
        self.push(wakes.then_some(self.now), Event::PrefillWake { prefill: prefill as u32 });
    }

    /// A prefill batch ends, or an idle instance was woken: hands over what is done, and starts the next batch.
    fn turn_prefill(&mut self, prefill: usize) {
        let mut computed = std::mem::take(&mut self.scratch.computed);
        self.prefill.finish_batch(prefill, &mut computed);
        computed.iter().for_each(|&request| self.finish_prefill(request));
        self.scratch.computed = computed;
        let mut begun = std::mem::take(&mut self.scratch.begun);
        let prompt_of = |request| self.requests.prompt(request);
        if let Some(end) = self.prefill.start_batch(self.now, prefill, prompt_of, &mut begun) {
            begun.iter().for_each(|&(request, grant)| self.requests.begin_prefill(request, self.now, grant));
            self.queue.push(end, Event::PrefillWake { prefill: prefill as u32 });
            self.send_early(prefill, &begun);
        }
        self.scratch.begun = begun;
    }

    /// Sends off what need not wait for the end of a batch that has begun, and holds what is on its way to it.
    fn send_early(&mut self, prefill: usize, begun: &[(RequestId, Grant)]) {
        let overlaps = self.scenario.overlaps();
        let chooses = self.scheduler.selects_at(SelectionMoment::PrefillStart);
        for &(request, _) in begun {
            if self.scenario.selection != SelectionMoment::PrefillDone && self.needs_decode(request) {
                if chooses {
                    assert!(self.select_decode(request), "nobody is refused before its prompt is computed");
                }
                if overlaps {
                    self.hand_over(request);
                }
            }
        }
        if overlaps {
            for running in self.prefill.instances()[prefill].engine().running() {
                if let Some(transfer) = self.requests[running.request].transfer() {
                    self.network.pace(self.now, transfer, progress(&self.prefill, prefill, running));
                }
            }
        }
    }

    /// A prompt that was computed without regard to others is done.
    fn end_alone(&mut self, request: RequestId) {
        self.prefill.finish_alone(self.requests[request].prefill(), request);
        self.finish_prefill(request);
    }

    /// A prompt's KV cache is complete.
    fn finish_prefill(&mut self, request: RequestId) {
        self.requests.end_prefill(request, self.now);
        let state = &self.requests[request];
        self.prefill.mark_ready(state.prefill(), state.prefill_grant());
        self.scheduler.computed((request, self.now), state.prefill());
        if !self.needs_decode(request) {
            let mut member = Member::new(request, state.own().input_tokens, 0, Some(self.now), false);
            member.first_iteration = Some(self.now);
            self.release_prefill(request);
            self.finish_request(&member);
        } else if self.scenario.overlaps() {
            if let Some(transfer) = state.transfer()
                && self.network.release(self.now, transfer)
            {
                self.end_transfer(transfer);
            }
        } else {
            if self.scheduler.selects_at(SelectionMoment::PrefillDone) && !self.select_decode(request) {
                return self.refuse(request);
            }
            self.hand_over(request);
        }
    }

    /// The policy has found no decode instance that can take a request whose prompt is computed.
    fn refuse(&mut self, request: RequestId) {
        self.release_prefill(request);
        self.totals.refused += 1;
        self.totals.refused_counted += u64::from(self.requests[request].counts());
        self.turn_away(request);
    }

    fn turn_away(&mut self, request: RequestId) {
        self.requests.refuse(request);
        self.answer(request);
    }

    /// A request has ended: whoever waited for it goes on.
    fn answer(&mut self, request: RequestId) {
        self.arrivals.end(request, self.now);
        self.push_arrivals();
    }

    /// Gives back the memory that a request held where it was prefilled.
    fn release_prefill(&mut self, request: RequestId) {
        let state = &self.requests[request];
        let prefill = state.prefill();
        let wakes = self.prefill.release(prefill, state.prefill_grant());
        self.wake_prefill(wakes, prefill);
    }

    /// A request waits for memory on its decode instance from now on, and is moved, or computed there, when it has it.
    fn hand_over(&mut self, request: RequestId) {
        let state = &self.requests[request];
        let (decode, to_compute) = (state.assigned(), state.local_member(request));
        self.decode.hand_over(self.now, decode, (request, state.own().input_tokens), to_compute);
        self.admit_waiting(decode);
        self.wake_decode(decode);
    }

    /// Admits whom a decode instance has memory for: swapped-out requests return, transfers begin.
    fn admit_waiting(&mut self, decode: usize) {
        let mut admitted = std::mem::take(&mut self.scratch.admitted);
        self.decode.admit(self.now, decode, |request| self.requests.prompt(request), &mut admitted);
        for &(back, request) in &admitted.returning {
            self.queue.push(back, Event::SwappedIn { request });
        }
        admitted.local.iter().for_each(|&(request, grant)| self.requests.admit_local(request, grant));
        for &(request, grant) in &admitted.granted {
            let state = &self.requests[request];
            let (instances, input_tokens) = ((state.prefill(), decode), state.own().input_tokens);
            let order = self.network.order(request, instances, input_tokens, grant.hit_tokens);
            let (transfer, enters) = self.network.begin_transfer(self.now, order);
            self.scheduler.observe(&order, self.network.event(&order, self.now, TransferStep::Begun));
            self.requests.admit(request, grant, transfer);
            self.queue.push(enters, Event::TransferEnter { transfer });
        }
        self.scratch.admitted = admitted;
    }

    /// A transfer is set up.
    fn enter_transfer(&mut self, transfer: TransferId) {
        let request = self.network.traffic().order(transfer).request;
        let state = &self.requests[request];
        let computing = (self.scenario.overlaps() && !state.is_computed()).then(|| {
            let running = self.prefill.running(state.prefill(), request);
            progress(&self.prefill, state.prefill(), &running)
        });
        if self.network.enter_transfer(self.now, transfer, computing) {
            self.end_transfer(transfer);
        }
    }

    /// Flows may be done.
    fn end_flows(&mut self, generation: u32) {
        if !self.network.wakes(generation) {
            return;
        }
        let mut arrived = std::mem::take(&mut self.scratch.arrived);
        self.network.end_flows(self.now, &mut arrived);
        arrived.iter().for_each(|&transfer| self.end_transfer(transfer));
        self.scratch.arrived = arrived;
    }

    /// All of a request's KV cache is on its decode instance.
    fn end_transfer(&mut self, transfer: TransferId) {
        let (order, begun) = self.network.finish_transfer(transfer);
        self.scheduler.observe(&order, self.network.event(&order, self.now, TransferStep::Ended));
        self.requests.arrive(&order, begun, self.now);
        self.release_prefill(order.request);
        let state = &self.requests[order.request];
        let member = state.member(order.request, self.scenario);
        self.decode.arrive(self.now, order.decode, member, state.decode_grant());
        self.wake_decode(order.decode);
    }

    /// Sees to it that a decode instance's next wake is in the queue.
    fn wake_decode(&mut self, decode: usize) {
        if let Some((time, generation)) = self.decode.next_wake(self.now, decode) {
            self.queue.push(time, Event::DecodeWake { decode: decode as u32, generation });
        }
    }

    /// A decode instance's stretch ends, or its first begins.
    fn turn_decode(&mut self, decode: usize, generation: u32) {
        let mut end = std::mem::take(&mut self.scratch.stretch_end);
        if self.decode.turn(self.now, decode, generation, &mut end) {
            if let Some(computed) = end.computed {
                self.requests.end_local(computed.request, computed.start, self.now);
                self.scheduler.joined((computed.request, self.now), decode, computed.input_tokens);
            }
            end.finished.iter().for_each(|member| self.finish_request(member));
            end.preempted.iter().for_each(|member| self.requests.preempt(member.request));
            self.totals.preemptions += end.preempted.len() as u64;
            self.admit_waiting(decode);
            self.wake_decode(decode);
        }
        self.scratch.stretch_end = end;
    }

    /// A swapped-out request is back.
    fn return_swapped(&mut self, request: RequestId) {
        let decode = self.requests[request].assigned();
        self.decode.take_back(self.now, decode, request);
        self.wake_decode(decode);
    }

    /// A request has made its last token.
    fn finish_request(&mut self, member: &Member) {
        self.requests.finish(self.scenario, self.network.topology(), member);
        let state = &self.requests[member.request];
        if let Some(decode) = state.decode() {
            let in_blocks = self.scenario.kv.in_blocks(state.own().input_tokens);
            self.decode.finish(decode, in_blocks);
            self.scheduler.finished((member.request, self.now), decode, in_blocks);
        }
        self.answer(member.request);
    }
}
