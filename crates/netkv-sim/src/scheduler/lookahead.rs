//! The clairvoyant yardstick: for each decode instance, when a request would make its first token there, by the true
//! state of everything. The least wins, ties to the lowest id. No router can know it: it shows how much any greedy
//! could gain.
//!
//! [`Future`] plays one instance on, from the decision to the first token, with copies of its engine and its memory and
//! of the network: who waits there for memory comes first, running members end when they end (how many tokens they
//! have left is part of the truth), and every transfer in flight or in set-up takes its share of the links, as do those
//! that begin when memory is freed there. Nobody else comes: no request whose prefill is still to end, none that waits
//! for memory elsewhere, no new flow of another tenant; capacities and caps stay as they are. Where the instance is
//! chosen before prefill ends, the prompt counts as computed at the decision. If nothing of that is otherwise in the
//! run, the prediction is right to the nanosecond, which the tests of `explain` hold it to.

use crate::gpu::decode_engine::{DecodeEngine, Member, StretchEnd};
use crate::gpu::kv_memory::{Grant, KvMemory};
use crate::scheduler::oracle::flow_hashes;
use crate::serving::host_time;
use crate::simulation::{Simulation, tbt_histogram};
use hdrhistogram::Histogram;
use netkv_fabric::FlowNetwork;
use netkv_units::{FlowId, RequestId, SimTime, Tier};
use std::collections::VecDeque;

/// When a request would be where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The instance has memory for it.
    pub admitted: SimTime,
    /// The last byte of its KV cache is there.
    pub transfer_end: SimTime,
    /// The first iteration with it begins.
    pub joined: SimTime,
    /// That iteration ends. [`SimTime::NEVER`], as the others, if it never would.
    pub first_token: SimTime,
}

impl Foreseen {
    const NEVER: Self = Self {
        admitted: SimTime::NEVER,
        transfer_end: SimTime::NEVER,
        joined: SimTime::NEVER,
        first_token: SimTime::NEVER,
    };
}

impl Simulation<'_> {
    /// The decode instance with the earliest first token. Those that a bound shows to be later are not played.
    pub(crate) fn foresee_best(&mut self, request: RequestId) -> usize {
        self.catch_up_all();
        let mut order: Vec<(SimTime, usize)> =
            (0..self.decode.len()).map(|decode| (self.first_token_bound(request, decode), decode)).collect();
        order.sort_unstable();
        let mut best = (SimTime::NEVER, usize::MAX);
        for place in order {
            if place > best {
                break;
            }
            best = best.min((self.foresee(request, place.1).first_token, place.1));
        }
        best.1
    }

    /// Accounts for all decode iterations that have ended.
    pub(crate) fn catch_up_all(&mut self) {
        for instance in &mut self.decode {
            instance.engine.catch_up(self.now, &mut instance.memory, &mut self.tbt);
        }
    }

    /// When a request would make its first token on an instance, if it were handed over to it now. All engines have
    /// caught up.
    pub(crate) fn foresee(&mut self, request: RequestId, decode: usize) -> Foreseen {
        let mut unread = self.scratch.unread.take().unwrap_or_else(tbt_histogram);
        let foreseen = Future::new(self, &mut unread, request, decode).play();
        self.scratch.unread = Some(unread);
        foreseen
    }

    /// A time before which the first token cannot come.
    fn first_token_bound(&self, request: RequestId, decode: usize) -> SimTime {
        let instance = &self.decode[decode];
        let prefix = self.requests.prefix(request);
        let input_tokens = self.requests[request].own.input_tokens;
        let iteration = self.scenario.gpu.decode.iteration(1, u64::from(input_tokens));
        let set_up = self.now + self.scenario.transfer.setup;
        // Whoever waits for memory may find more of its prompt there than now.
        if !instance.waiting.is_empty() || !instance.swapped.is_empty() {
            return set_up + iteration;
        }
        let bytes = self.bytes_to_move(input_tokens, instance.memory.hit_tokens(prefix));
        if bytes == 0 {
            return set_up + iteration;
        }
        let tier = self.tier_to(request, decode);
        let config = self.tree.config();
        let edge = if tier == Tier::Node { config.nvlink } else { config.nic };
        let moving = self.share(bytes, 0).to_nanobytes().time_at(edge).expect("interfaces have bandwidth");
        let latency = config.latency[tier.index()];
        set_up + latency + moving + iteration
    }
}

/// What is to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// In the order of [`crate::event::Event`].
    Network,
    Enter,
    Return,
    Turn,
}

/// One decode instance, as it would go on.
struct Future<'s, 'a> {
    present: &'s Simulation<'a>,
    request: RequestId,
    decode: usize,
    now: SimTime,
    network: FlowNetwork,
    network_wake: Option<SimTime>,
    /// By flow, whose it is.
    owners: Vec<Option<RequestId>>,
    /// Flows that transfers to this instance have left.
    flows_left: Vec<(RequestId, u32)>,
    /// Transfers that are being set up, in the order in which that began, and when their flows enter the network.
    entering: VecDeque<(SimTime, RequestId)>,
    /// Requests that were admitted since the decision, and what they move.
    grants: Vec<(RequestId, Grant, u64)>,
    engine: DecodeEngine,
    memory: KvMemory,
    waiting: VecDeque<RequestId>,
    swapped: VecDeque<(Member, SimTime)>,
    returning: Vec<(SimTime, Member)>,
    stretch_end: StretchEnd,
    /// Nobody reads it.
    tbt: &'s mut Histogram<u64>,
    seen: Foreseen,
}

impl<'s, 'a> Future<'s, 'a> {
    /// Everything as it is now, and the request handed over to the instance.
    fn new(present: &'s Simulation<'a>, tbt: &'s mut Histogram<u64>, request: RequestId, decode: usize) -> Self {
        let instance = &present.decode[decode];
        let owners = present.flow_routes.iter().map(|route| route.owner).collect();
        let entering = present.entering.iter().map(|&other| {
            let state = &present.requests[other];
            let decode = state.decode.expect("it was chosen") as usize;
            (present.entry_time(state.admitted, other, decode, state.transfer_bytes), other)
        });
        let mut waiting = instance.waiting.clone();
        waiting.push_back(request);
        Self {
            present,
            request,
            decode,
            now: present.now,
            network: present.network.clone(),
            network_wake: present.network_wake,
            owners,
            flows_left: Vec::new(),
            entering: entering.collect(),
            grants: Vec::new(),
            engine: instance.engine.clone(),
            memory: instance.memory.clone(),
            waiting,
            swapped: instance.swapped.clone(),
            returning: instance.returning.clone(),
            stretch_end: StretchEnd::default(),
            tbt,
            seen: Foreseen::NEVER,
        }
    }

    /// Goes on to the first token.
    fn play(mut self) -> Foreseen {
        self.admit();
        while self.seen.first_token == SimTime::NEVER {
            if self.next().is_none_or(|(time, _)| time > self.now) {
                self.network.resolve();
                self.network_wake = self.network.next_completion();
            }
            let Some((time, next)) = self.next() else { break };
            self.now = time;
            match next {
                Next::Network => self.end_flows(),
                Next::Enter => self.enter(),
                Next::Return => self.take_back(),
                Next::Turn => self.turn(),
            }
        }
        self.seen
    }

    /// What comes next, and when; the first of what comes at once.
    fn next(&self) -> Option<(SimTime, Next)> {
        let idle_wake = (self.engine.n_joining() > 0).then_some(self.now);
        let turn = self.engine.wake_time().or(idle_wake);
        let times = [
            (self.network_wake, Next::Network),
            (self.entering.iter().map(|entry| entry.0).min(), Next::Enter),
            (self.returning.iter().map(|entry| entry.0).min(), Next::Return),
            (turn, Next::Turn),
        ];
        times.into_iter().filter_map(|(time, next)| Some((time?, next))).min()
    }

    /// As [`Simulation::admit_waiting`].
    fn admit(&mut self) {
        let (present, watermark) = (self.present, self.present.scenario.decode.watermark_blocks);
        while let Some((member, away)) = self.swapped.front().copied() {
            let tokens = member.context_tokens + 1;
            let Some(grant) = self.memory.admit(present.requests.prefix(member.request), tokens, watermark) else {
                break;
            };
            self.swapped.pop_front();
            let back = away.max(self.now) + host_time(present.scenario, member.context_tokens);
            self.returning.push((back, member.with_memory(&self.memory, tokens, grant)));
        }
        while self.swapped.is_empty() {
            let Some(&request) = self.waiting.front() else { break };
            let input_tokens = present.requests[request].own.input_tokens;
            let Some(grant) = self.memory.admit(present.requests.prefix(request), input_tokens, watermark) else {
                break;
            };
            self.waiting.pop_front();
            let bytes = present.bytes_to_move(input_tokens, grant.hit_tokens);
            self.grants.push((request, grant, bytes));
            self.entering.push_back((present.entry_time(self.now, request, self.decode, bytes), request));
            if request == self.request {
                self.seen.admitted = self.now;
            }
        }
        self.engine.replan(&self.memory);
    }

    /// As [`Simulation::enter_transfer`].
    fn enter(&mut self) {
        let first = self.entering.iter().enumerate().min_by_key(|(_, entry)| entry.0);
        let (position, _) = first.expect("somebody enters");
        let (_, request) = self.entering.remove(position).expect("it is there");
        let granted = self.grants.iter().find(|grant| grant.0 == request);
        let state = &self.present.requests[request];
        let decode = granted.map_or_else(|| state.decode.expect("it was chosen") as usize, |_| self.decode);
        let bytes = granted.map_or(state.transfer_bytes, |grant| grant.2);
        if bytes == 0 {
            if decode == self.decode {
                self.arrive(request);
            }
            return;
        }
        let flows = self.present.cluster.flows;
        let mut hashes = Vec::new();
        flow_hashes(self.present.scenario.seed, request.get(), flows, &mut hashes);
        for (rank, &hash) in hashes.iter().enumerate() {
            let path = self.present.way(&self.network, (request, decode), rank as u32, hash);
            let size = self.present.share(bytes, rank as u32);
            let flow = self.network.start_flow(self.now, path.links(), size, None);
            self.owners.resize(self.owners.len().max(flow.index() + 1), None);
            self.owners[flow.index()] = Some(request);
        }
        self.flows_left.push((request, flows));
    }

    /// As [`Simulation::end_flows`].
    fn end_flows(&mut self) {
        let mut ended: Vec<FlowId> = Vec::new();
        self.network_wake = None;
        self.network.take_completed(self.now, &mut ended);
        for flow in ended {
            let Some(request) = self.owners[flow.index()] else { continue };
            let state = &self.present.requests[request];
            if request != self.request && state.decode != Some(self.decode as u32) {
                continue;
            }
            let known = self.flows_left.iter().position(|entry| entry.0 == request);
            let position = known.unwrap_or_else(|| {
                self.flows_left.push((request, state.flows_left));
                self.flows_left.len() - 1
            });
            self.flows_left[position].1 -= 1;
            if self.flows_left[position].1 == 0 {
                self.arrive(request);
            }
        }
    }

    /// As [`Simulation::end_transfer`].
    fn arrive(&mut self, request: RequestId) {
        let state = &self.present.requests[request];
        let granted = self.grants.iter().find(|grant| grant.0 == request);
        let grant = granted.map_or(state.decode_grant, |grant| grant.1);
        self.memory.mark_ready(grant.holding, grant.private_blocks);
        let member = self.present.member_of(request).with_memory(&self.memory, state.own.input_tokens, grant);
        self.join(member);
        if request == self.request {
            self.seen.transfer_end = self.now;
        }
    }

    /// As [`Simulation::return_swapped`].
    fn take_back(&mut self) {
        let first = self.returning.iter().enumerate().min_by_key(|(_, entry)| entry.0);
        let (position, _) = first.expect("somebody returns");
        let (_, member) = self.returning.remove(position);
        self.memory.mark_ready(member.holding, member.private_blocks);
        self.join(member);
    }

    fn join(&mut self, member: Member) {
        self.engine.catch_up(self.now, &mut self.memory, self.tbt);
        self.engine.join(self.now, member);
    }

    /// As [`Simulation::turn_decode`].
    fn turn(&mut self) {
        self.engine.turn(self.now, &mut self.memory, self.tbt, &mut self.stretch_end);
        for index in 0..self.stretch_end.preempted.len() {
            let member = self.stretch_end.preempted[index];
            self.swapped.push_front((member, self.now + host_time(self.present.scenario, member.context_tokens)));
        }
        let own = self.engine.held().find(|member| member.request == self.request);
        if let Some(joined) = own.and_then(|member| member.first_iteration) {
            self.seen.joined = joined;
            self.seen.first_token = self.engine.iteration_end().expect("it is in an iteration");
        }
        self.admit();
    }
}
