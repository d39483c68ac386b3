//! Instances that fail, are drained and come, by the scenario's schedule.
//!
//! Whoever is drained takes no new request and ends what it has; its caches stay. Whoever fails loses all: every request that
//! waits there, is computed or decoded there, or has its KV cache there or on the way from or to there, begins again, as a
//! client or gateway has it that repeats what was answered by an error: it is prefilled anew, on an instance that is chosen
//! anew, and makes all its tokens anew. Its arrival and its promise stay, so all that was lost is in its TTFT, before the
//! prefill that counts. Left out: the time until a failure is noticed, and engines that keep the tokens made so far.

use crate::event::Event;
use crate::gpu::{DecodePool, PrefillPool, Recall};
use crate::network::Network;
use crate::present::Present;
use crate::requests::{RequestState, Requests};
use crate::scenario::{ClusterChange, ClusterEvent, Pool, Scenario};
use crate::scheduler::Scheduler;
use netkv_policy::TransferStep;
use netkv_units::{RequestId, SimTime};

/// The rooms, as a change of the cluster finds them.
pub(crate) struct Rooms<'a> {
    pub scenario: &'a Scenario,
    pub now: SimTime,
    pub requests: &'a mut Requests,
    pub prefill: &'a mut PrefillPool,
    pub decode: &'a mut DecodePool,
    pub network: &'a mut Network,
    pub scheduler: &'a mut Scheduler,
}

/// What follows from it.
#[derive(Default)]
pub(crate) struct Aftermath {
    /// Requests that begin again, in order of arrival.
    pub lost: Vec<RequestId>,
    /// Prefill instances to be woken, and decode instances where there may be room.
    pub prefill: Vec<usize>,
    pub decode: Vec<usize>,
}

/// Whether a request has something on an instance.
fn is_on(state: &RequestState, pool: Pool, instance: usize) -> bool {
    match pool {
        Pool::Prefill => state.prefill() == instance && !state.has_arrived(),
        Pool::Decode => state.decode() == Some(instance),
    }
}

/// Whether an event is of something that an instance did before it failed. Others tell by themselves.
pub(crate) fn is_outdated(present: Present<'_>, event: Event) -> bool {
    if present.scenario.cluster.events.is_empty() {
        return false;
    }
    match event {
        Event::PrefillWake { prefill } => !present.prefill.is_due(present.now, prefill as usize),
        Event::TransferEnter { transfer } => !present.network.enters(present.now, transfer),
        Event::SwappedIn { request } => {
            let is_back = |decode| present.decode.is_back(present.now, decode, request);
            !present.requests.get(request).and_then(RequestState::decode).is_some_and(is_back)
        }
        Event::NetworkChange(_)
        | Event::NetworkWake { .. }
        | Event::Telemetry
        | Event::Poll
        | Event::Gossip
        | Event::ClusterChange { .. }
        | Event::Arrival
        | Event::PromptComputed { .. }
        | Event::DecodeWake { .. } => false,
    }
}

impl Rooms<'_> {
    /// The cluster changes, by the change of this number.
    pub(crate) fn change(&mut self, index: usize) -> Aftermath {
        let event: &ClusterEvent = &self.scenario.cluster.events[index];
        let instance = event.instance as usize;
        let is_available = event.change == ClusterChange::Join;
        match event.pool {
            Pool::Prefill => self.prefill.set_available(instance, is_available),
            Pool::Decode => self.decode.set_available(instance, is_available),
        }
        if event.change == ClusterChange::Fail { self.fail(event.pool, instance) } else { Aftermath::default() }
    }

    /// An instance fails.
    fn fail(&mut self, pool: Pool, instance: usize) -> Aftermath {
        let unended = self.requests.unended();
        let lost: Vec<_> = unended.filter(|&request| is_on(&self.requests[request], pool, instance)).collect();
        let mut aftermath = Aftermath { lost, ..Aftermath::default() };
        for index in 0..aftermath.lost.len() {
            self.recall(aftermath.lost[index], &mut aftermath);
        }
        match pool {
            Pool::Prefill => self.prefill.reset(self.scenario, instance),
            Pool::Decode => {
                self.decode.reset(self.now, self.scenario, instance);
                aftermath.decode.push(instance);
            }
        }
        aftermath.decode.sort_unstable();
        aftermath.decode.dedup();
        aftermath
    }

    /// Takes a request from wherever it is.
    fn recall(&mut self, request: RequestId, aftermath: &mut Aftermath) {
        let state = &self.requests[request];
        let (prefill, grant, input_tokens) = (state.prefill(), state.prefill_grant(), state.own().input_tokens);
        let in_blocks = self.scenario.kv.in_blocks(input_tokens);
        let (has_arrived, is_computed) = (state.has_arrived(), state.is_computed());
        let wakes = match (has_arrived, is_computed) {
            (true, _) => false,
            (false, true) => self.prefill.release(prefill, grant),
            (false, false) => self.prefill.recall(prefill, request, input_tokens, grant),
        };
        aftermath.prefill.extend(wakes.then_some(prefill));
        if let Some(decode) = state.decode() {
            let recall = match state.transfer() {
                Some(transfer) => {
                    let order = self.network.cancel_transfer(self.now, transfer);
                    self.scheduler.observe(&order, self.network.event(&order, self.now, TransferStep::Cut));
                    Recall::Moving(state.decode_grant())
                }
                None if is_computed => Recall::Waiting,
                None => Recall::Unseen,
            };
            let is_booked = has_arrived || state.transfer().is_some();
            let booked = (input_tokens, in_blocks);
            self.scheduler.recalled((request, self.now), decode, booked, is_booked);
            if has_arrived {
                self.network.lose(state.transfer_bytes());
            } else {
                self.decode.recall(self.now, decode, (request, input_tokens, in_blocks), recall);
                aftermath.decode.push(decode);
            }
        }
        self.requests.restart(request);
    }
}
