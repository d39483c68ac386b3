//! Handlers between the two pools: moving the KV cache to the decode instance that was chosen.

use crate::event::Event;
use crate::gpu::decode_engine::Member;
use crate::scenario::FirstToken;
use crate::scheduler::oracle::flow_hashes;
use crate::serving::is_counted;
use crate::simulation::{PrefillInstance, Simulation};
use netkv_units::{Bytes, FlowId, GpuId, RequestId, SimDuration, SimTime, Tier};

/// The ledger's kinds of interface: NVLink inside a node, NICs elsewhere.
pub(crate) const fn interface(tier: Tier) -> usize {
    match tier {
        Tier::Node => 0,
        Tier::Rack | Tier::Pod | Tier::Core => 1,
    }
}

/// Whose a flow is and where it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowRoute {
    /// The request whose KV cache it moves; none if it is another tenant's.
    pub(crate) owner: Option<RequestId>,
    pub(crate) source: GpuId,
    pub(crate) destination: GpuId,
    /// What equal-cost multi-path routing goes by.
    pub(crate) hash: u64,
}

impl PrefillInstance {
    /// Transfers in flight out of it, by the kind of interface that they take.
    pub(crate) const fn sending_by_interface(&self) -> [u32; 2] {
        let [node, rack, pod, core] = self.sending;
        [node, rack + pod + core]
    }
}

impl Simulation<'_> {
    /// A request waits for memory on its decode instance from now on, and is moved when it has it.
    pub(crate) fn hand_over(&mut self, request: RequestId) {
        let state = &self.requests[request];
        let chosen = state.decode.expect("it was chosen") as usize;
        let instance = &mut self.decode[chosen];
        instance.engine.catch_up(self.now, &mut instance.memory, &mut self.tbt);
        instance.unseen -= 1;
        instance.unseen_tokens -= u64::from(state.own.input_tokens);
        instance.queued_tokens += u64::from(state.own.input_tokens);
        instance.waiting.push_back(request);
        self.admit_waiting(chosen);
        self.schedule_decode(chosen);
    }

    /// What has to be moved to an instance that has `hit_tokens` of a prompt.
    pub(crate) fn bytes_to_move(&self, input_tokens: u32, hit_tokens: u32) -> u64 {
        u64::from(input_tokens - self.skipped_tokens(hit_tokens)) * self.scenario.kv.bytes_per_token
    }

    /// Tokens of a prompt that are not sent to an instance that has `hit_tokens` of it.
    pub(crate) const fn skipped_tokens(&self, hit_tokens: u32) -> u32 {
        if self.scenario.transfer.skip_cached { hit_tokens } else { 0 }
    }

    /// The decode instance has reserved memory: the transfer begins.
    pub(crate) fn start_transfer(&mut self, request: RequestId) {
        let input_tokens = self.requests[request].own.input_tokens;
        let bytes = self.bytes_to_move(input_tokens, self.requests[request].decode_grant.hit_tokens);
        let state = &mut self.requests[request];
        state.admitted = self.now;
        state.transfer_bytes = bytes;
        let (prefill, decode) = (state.prefill as usize, state.decode.expect("it was chosen") as usize);
        let tier = self.cluster.tier(self.cluster.prefill[prefill], self.cluster.decode[decode]);
        self.prefill[prefill].sending[tier.index()] += 1;
        self.decode[decode].receiving[interface(tier)] += 1;
        self.transfers_in_flight += 1;
        self.totals.transfers_in_flight_max = self.totals.transfers_in_flight_max.max(self.transfers_in_flight);
        self.entering.push(request);
        let enters = self.entry_time(self.now, request, decode, bytes);
        self.queue.push(enters, Event::TransferEnter { request });
    }

    /// When a transfer of so many bytes whose set-up begins at `admitted` is set up, and its first bytes have arrived.
    pub(crate) fn entry_time(&self, admitted: SimTime, request: RequestId, decode: usize, bytes: u64) -> SimTime {
        let tier = self.tier_to(request, decode);
        let latency = if bytes == 0 { SimDuration::ZERO } else { self.tree.config().latency[tier.index()] };
        admitted + self.scenario.transfer.setup + latency
    }

    /// How far a request's prefill instance is from a decode instance.
    pub(crate) fn tier_to(&self, request: RequestId, decode: usize) -> Tier {
        let prefill = self.requests[request].prefill as usize;
        self.cluster.tier(self.cluster.prefill[prefill], self.cluster.decode[decode])
    }

    /// What one of the flows has to move of so many bytes: an even share, the first ones a byte more if need be.
    pub(crate) fn share(&self, bytes: u64, rank: u32) -> Bytes {
        let n_flows = u64::from(self.cluster.flows);
        Bytes::new(bytes / n_flows + u64::from(u64::from(rank) < bytes % n_flows))
    }

    /// The transfer's flows enter the network: an even share of the bytes each, the first ones a byte more if need be.
    pub(crate) fn enter_transfer(&mut self, request: RequestId) {
        let bytes = self.requests[request].transfer_bytes;
        self.requests[request].is_set_up = true;
        self.entering.retain(|&other| other != request);
        let is_computed = !self.overlaps() || self.requests[request].prefill_end > SimTime::ZERO;
        if bytes == 0 {
            if is_computed {
                self.end_transfer(request);
            }
            return;
        }
        flow_hashes(self.scenario.seed, request.get(), self.cluster.flows, &mut self.scratch.hashes);
        let state = &mut self.requests[request];
        state.flows_left = self.cluster.flows;
        let source = self.cluster.prefill[state.prefill as usize];
        let destination = self.cluster.decode[state.decode.expect("it was chosen") as usize];
        for rank in 0..self.cluster.flows {
            let size = self.share(bytes, rank);
            let route = FlowRoute {
                owner: Some(request),
                source: self.cluster.gpu(source, rank),
                destination: self.cluster.gpu(destination, rank),
                hash: self.scratch.hashes[rank as usize],
            };
            let flow = self.launch(route, size);
            if !is_computed && size > Bytes::ZERO {
                self.requests[request].flows.push((flow, size));
            }
        }
        if !is_computed {
            self.pace_transfer(request);
        }
    }

    /// A flow enters the network.
    pub(crate) fn launch(&mut self, route: FlowRoute, size: Bytes) -> FlowId {
        let path = self.tree.route(route.source, route.destination, route.hash, &self.network);
        let flow = match route.owner {
            Some(_) => self.network.start_flow(self.now, path.links(), size, None),
            None => self.network.start_background_flow(self.now, path.links(), size),
        };
        if self.flow_routes.len() <= flow.index() {
            self.flow_routes.resize(flow.index() + 1, route);
        }
        self.flow_routes[flow.index()] = route;
        flow
    }

    /// The capacities of degraded links change; flows over a link that is down take another way.
    pub(crate) fn change_capacities(&mut self) {
        let degraded = self.degraded.as_mut().expect("it made this event");
        let changes = degraded.advance(self.now);
        if let Some(next) = degraded.next_change() {
            self.queue.push(next, Event::Degradation);
        }
        for change in &changes {
            let left = self.monitor.set_capacity(self.now, change.link, change.capacity_ratio);
            self.network.set_capacity(self.now, change.link, left);
        }
        for change in changes.iter().filter(|change| change.capacity_ratio <= 0.0) {
            let mut stranded: Vec<FlowId> = self.network.flows_on(change.link).collect();
            stranded.sort_unstable();
            for flow in stranded {
                let FlowRoute { source, destination, hash, .. } = self.flow_routes[flow.index()];
                let path = self.tree.route(source, destination, hash, &self.network);
                self.network.reroute(self.now, flow, path.links());
            }
        }
    }

    /// Flows may be done.
    pub(crate) fn end_flows(&mut self) {
        let mut ended = std::mem::take(&mut self.scratch.ended);
        ended.clear();
        self.network.take_completed(self.now, &mut ended);
        for flow in &ended {
            let Some(request) = self.flow_routes[flow.index()].owner else {
                self.competition.as_mut().expect("it started this flow").active -= 1;
                continue;
            };
            let state = &mut self.requests[request];
            state.flows_left -= 1;
            if state.flows_left == 0 {
                self.end_transfer(request);
            }
        }
        self.scratch.ended = ended;
    }

    /// All of a request's KV cache is on its decode instance.
    pub(crate) fn end_transfer(&mut self, request: RequestId) {
        let state = &mut self.requests[request];
        state.transfer_end = self.now;
        let (prefill, decode) = (state.prefill as usize, state.decode.expect("it was chosen") as usize);
        let tier = self.cluster.tier(self.cluster.prefill[prefill], self.cluster.decode[decode]);
        self.prefill[prefill].sending[tier.index()] -= 1;
        self.decode[decode].receiving[interface(tier)] -= 1;
        self.transfers_in_flight -= 1;
        let grant = state.decode_grant;
        let member = self.member_of(request);
        self.release_prefill(request);
        let memory = &mut self.decode[decode].memory;
        memory.mark_ready(grant.holding, grant.private_blocks);
        let member = member.with_memory(memory, member.context_tokens, grant);
        self.join_decode(decode, member);
    }

    /// A request as its decode instance's batch takes it in, without memory.
    pub(crate) fn member_of(&self, request: RequestId) -> Member {
        let state = &self.requests[request];
        let (made, first) = match self.scenario.first_token {
            FirstToken::Decode => (0, None),
            FirstToken::Prefill => (1, Some(state.prefill_end)),
        };
        let counted = is_counted(self.scenario, state.own.arrival);
        Member::new(request, state.own.input_tokens, state.own.output_tokens - made, first, counted)
    }
}
