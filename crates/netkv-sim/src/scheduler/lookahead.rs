//! The clairvoyant yardstick: for each decode instance, when a request would make its first token there, by the true
//! state of everything. The least wins, ties to the lowest id. No router can know it: it shows how much any greedy
//! could gain.
//!
//! [`Future`] plays one instance on, from the decision to the first token, with copies of its engine and its memory
//! and of the network: who waits there for memory comes first, running members end when they end (how many tokens
//! they have left is part of the truth), prompts that the instance computes itself take their chunks, and every
//! transfer in flight or in set-up takes its share of the links, as do those that begin when memory is freed there.
//! Nobody else comes: no request whose prefill is still to end, none that waits for memory elsewhere, no new flow of
//! another tenant; capacities and caps stay as they are. Where the instance is chosen before prefill ends, the
//! prompt counts as computed at the decision. If nothing of that is otherwise in the run, the prediction is right to
//! the nanosecond, which the tests of `explain` hold it to.

use crate::gpu::{Admitted, DecodeInstance, Grant, StretchEnd, tbt_histogram};
use crate::network::{Traffic, TransferId};
use crate::present::Present;
use hdrhistogram::Histogram;
use netkv_units::{RequestId, SimTime};

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

/// Looks ahead; the memory is used again and again.
#[derive(Default)]
pub(super) struct Lookahead {
    /// Gaps between tokens that are only foreseen: nobody reads them.
    unread: Option<Histogram<u64>>,
}

impl Lookahead {
    /// The decode instance with the earliest first token. Those that a bound shows to be later are not played. The
    /// batches are up to date.
    pub(super) fn foresee_best(&mut self, present: Present<'_>, request: RequestId) -> usize {
        let source = present.requests[request].prefill();
        let n = present.decode.instances().len();
        let mut order: Vec<(SimTime, usize)> = (0..n)
            .filter(|&decode| present.decode.takes(decode))
            .map(|decode| (first_token_bound(present, request, (source, decode)), decode))
            .collect();
        order.sort_unstable();
        let mut best = (SimTime::NEVER, usize::MAX);
        for place in order {
            if place > best {
                break;
            }
            best = best.min((self.foresee(present, request, (source, place.1)).first_token, place.1));
        }
        best.1
    }

    /// When a request that is prefilled on the first of two instances would make its first token on the second, if it
    /// were handed over to it now. The batches are up to date.
    pub(super) fn foresee(&mut self, present: Present<'_>, request: RequestId, instances: (usize, usize)) -> Foreseen {
        Future::new(present, self.unread.get_or_insert_with(tbt_histogram), request, instances).play()
    }
}

/// A time before which the first token cannot come.
fn first_token_bound(present: Present<'_>, request: RequestId, (prefill, decode): (usize, usize)) -> SimTime {
    let instance = &present.decode.instances()[decode];
    let network = present.network;
    let prompt = present.requests.prompt(request);
    let iteration = present.scenario.gpu.decode.iteration(1, u64::from(prompt.input_tokens));
    let set_up = present.now + network.setup();
    // Whoever waits for memory may find more of its prompt there than now.
    if instance.has_queue() {
        return set_up + iteration;
    }
    let bytes = network.bytes_to_move(prompt.input_tokens, instance.memory().hit_tokens(prompt.prefix));
    if bytes == 0 {
        return set_up + iteration;
    }
    let topology = network.topology();
    let tier = topology.tier(prefill, decode);
    let edge = topology.slower_edge(tier, prefill, decode);
    let moving = topology.share(bytes, 0).to_nanobytes().time_at(edge).expect("interfaces have bandwidth");
    set_up + topology.latency(tier) + moving + iteration
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
struct Future<'a> {
    present: Present<'a>,
    request: RequestId,
    /// Positions of the request's instances.
    prefill: usize,
    decode: usize,
    now: SimTime,
    traffic: Traffic,
    network_wake: Option<SimTime>,
    instance: DecodeInstance,
    /// Requests that were admitted since the decision.
    grants: Vec<(RequestId, Grant)>,
    admitted: Admitted,
    arrived: Vec<TransferId>,
    stretch_end: StretchEnd,
    /// Nobody reads it.
    gaps: &'a mut Histogram<u64>,
    seen: Foreseen,
}

impl<'a> Future<'a> {
    /// Everything as it is now, and the request handed over to the instance.
    fn new(
        present: Present<'a>,
        gaps: &'a mut Histogram<u64>,
        request: RequestId,
        (prefill, decode): (usize, usize),
    ) -> Self {
        let mut instance = present.decode.instances()[decode].clone();
        let input_tokens = present.requests.prompt(request).input_tokens;
        instance.assign(input_tokens, present.scenario.kv.in_blocks(input_tokens));
        instance.hand_over(request, input_tokens, None);
        Self {
            present,
            request,
            prefill,
            decode,
            now: present.now,
            traffic: present.network.traffic().clone(),
            network_wake: present.network.next_wake(),
            instance,
            grants: Vec::new(),
            admitted: Admitted::default(),
            arrived: Vec::new(),
            stretch_end: StretchEnd::default(),
            gaps,
            seen: Foreseen::NEVER,
        }
    }

    /// Goes on to the first token.
    fn play(mut self) -> Foreseen {
        self.admit();
        while self.seen.first_token == SimTime::NEVER {
            if self.next().is_none_or(|(time, _)| time > self.now) {
                self.traffic.links_mut().resolve();
                self.network_wake = self.traffic.links().next_completion();
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
        let times = [
            (self.network_wake, Next::Network),
            (self.traffic.next_entry().map(|entry| entry.0), Next::Enter),
            (self.instance.next_return().map(|entry| entry.0), Next::Return),
            (self.instance.wake_time(self.now), Next::Turn),
        ];
        times.into_iter().filter_map(|(time, next)| Some((time?, next))).min()
    }

    /// Admits whom the instance has memory for: transfers from wherever their prompts were computed begin.
    fn admit(&mut self) {
        let Present { requests, network, .. } = self.present;
        self.admitted.clear();
        self.instance.admit(self.now, |request| requests.prompt(request), &mut self.admitted);
        for &(request, grant) in &self.admitted.granted {
            let is_own = request == self.request;
            let prefill = if is_own { self.prefill } else { requests[request].prefill() };
            let input_tokens = requests.prompt(request).input_tokens;
            let order = network.order(request, (prefill, self.decode), input_tokens, grant.hit_tokens);
            self.traffic.begin(network.topology(), self.now, network.setup_of(order.bytes), order);
            self.grants.push((request, grant));
            if is_own {
                self.seen.admitted = self.now;
            }
        }
    }

    /// A transfer is set up. Its prompt counts as computed.
    fn enter(&mut self) {
        let (_, transfer) = self.traffic.next_entry().expect("somebody enters");
        self.traffic.enter(self.present.network.topology(), self.now, transfer, false);
        if self.traffic.order(transfer).bytes == 0 {
            self.arrive(transfer);
        }
    }

    /// Flows are done.
    fn end_flows(&mut self) {
        self.network_wake = None;
        let mut arrived = std::mem::take(&mut self.arrived);
        arrived.clear();
        self.traffic.end_flows(self.now, &mut arrived);
        for &transfer in &arrived {
            self.arrive(transfer);
        }
        self.arrived = arrived;
    }

    /// A transfer is over; one to another instance makes no difference to this one.
    fn arrive(&mut self, transfer: TransferId) {
        let (order, _) = self.traffic.finish(transfer);
        if order.decode != self.decode {
            return;
        }
        let state = &self.present.requests[order.request];
        let granted = self.grants.iter().find(|grant| grant.0 == order.request);
        let grant = granted.map_or(state.decode_grant(), |grant| grant.1);
        let member = state.member(order.request, self.present.scenario);
        self.instance.arrive(self.now, member, grant, self.gaps);
        if order.request == self.request {
            self.seen.transfer_end = self.now;
        }
    }

    /// A swapped-out request is back.
    fn take_back(&mut self) {
        let (_, request) = self.instance.next_return().expect("somebody returns");
        self.instance.take_back(self.now, request, self.gaps);
    }

    /// The instance's wake time has come.
    fn turn(&mut self) {
        self.instance.turn(self.now, self.gaps, &mut self.stretch_end);
        let own = self.instance.engine().held().find(|member| member.request == self.request);
        if let Some(joined) = own.and_then(|member| member.first_iteration) {
            self.seen.joined = joined;
            self.seen.first_token = self.instance.engine().iteration_end().expect("it is in an iteration");
        }
        self.admit();
    }
}
