//! The decode pool: its instances, when each is to be woken, and the gaps between the tokens that they make.

use super::available::available;
use super::busy::{BusyTime, mean_share};
use super::decode_engine::StretchEnd;
use super::decode_instance::{Admitted, DecodeInstance, Recall};
use super::kv_memory::{Grant, Prompt};
use super::member::Member;
use super::stretch::tbt_histogram;
use crate::scenario::{Pool, Scenario};
use hdrhistogram::Histogram;
use netkv_units::{RequestId, SimTime};

/// An instance's next wake, and how long it computed.
struct Clock {
    /// The wake that is under way, and its generation.
    wake: Option<SimTime>,
    generation: u32,
    busy: BusyTime,
}

/// The decode instances, in ascending order of id.
pub(crate) struct DecodePool {
    instances: Vec<DecodeInstance>,
    /// By instance.
    clocks: Vec<Clock>,
    /// Gaps between the tokens of requests that count.
    gaps: Histogram<u64>,
    /// By instance: whether it takes requests.
    available: Vec<bool>,
    max_stretch: u32,
}

impl DecodePool {
    /// `n` idle instances that take at most `max_stretch` iterations at once.
    pub(crate) fn new(scenario: &Scenario, n: usize, max_stretch: u32) -> Self {
        let clock = || Clock { wake: None, generation: 0, busy: BusyTime::new(scenario.last_arrival()) };
        Self {
            instances: (0..n).map(|_| DecodeInstance::new(scenario, max_stretch)).collect(),
            clocks: (0..n).map(|_| clock()).collect(),
            gaps: tbt_histogram(),
            available: available(scenario, Pool::Decode, n),
            max_stretch,
        }
    }

    /// Whether an instance takes requests.
    pub(crate) fn takes(&self, decode: usize) -> bool {
        self.available[decode]
    }

    /// An instance takes requests from now on, or does not.
    pub(crate) fn set_available(&mut self, decode: usize, is_available: bool) {
        self.available[decode] = is_available;
    }

    /// An instance loses all that it has. The tokens that it has made until now are out.
    pub(crate) fn reset(&mut self, now: SimTime, scenario: &Scenario, decode: usize) {
        self.instances[decode].catch_up(now, &mut self.gaps);
        self.instances[decode] = DecodeInstance::new(scenario, self.max_stretch);
        self.clocks[decode].busy.set(now, false);
    }

    /// Takes back a request that was assigned and is not in the engine: see [`DecodeInstance::recall`].
    pub(crate) fn recall(
        &mut self,
        now: SimTime,
        decode: usize,
        (request, input_tokens, in_blocks): (RequestId, u32, u64),
        recall: Recall,
    ) {
        self.instances[decode].catch_up(now, &mut self.gaps);
        self.instances[decode].recall(request, input_tokens, in_blocks, recall);
    }

    /// Whether a swapped-out request is back at this moment.
    pub(crate) fn is_back(&self, now: SimTime, decode: usize, request: RequestId) -> bool {
        self.instances[decode].is_back(now, request)
    }

    /// The instances, by position.
    pub(crate) fn instances(&self) -> &[DecodeInstance] {
        &self.instances
    }

    /// Accounts for all iterations that ended before `now`: before somebody looks.
    pub(crate) fn catch_up(&mut self, now: SimTime) {
        self.instances.iter_mut().for_each(|instance| instance.catch_up(now, &mut self.gaps));
    }

    /// A request was chosen to decode on an instance: see [`DecodeInstance::assign`].
    pub(crate) fn assign(&mut self, decode: usize, input_tokens: u32, in_blocks: u64) {
        self.instances[decode].assign(input_tokens, in_blocks);
    }

    /// A request that was assigned waits for memory from now on: see [`DecodeInstance::hand_over`].
    pub(crate) fn hand_over(
        &mut self,
        now: SimTime,
        decode: usize,
        (request, input_tokens): (RequestId, u32),
        to_compute: Option<Member>,
    ) {
        self.instances[decode].catch_up(now, &mut self.gaps);
        self.instances[decode].hand_over(request, input_tokens, to_compute);
    }

    /// Admits whom an instance has memory for; `admitted` becomes them.
    pub(crate) fn admit<'a>(
        &mut self,
        now: SimTime,
        decode: usize,
        prompt_of: impl Fn(RequestId) -> Prompt<'a>,
        admitted: &mut Admitted,
    ) {
        admitted.clear();
        self.instances[decode].admit(now, prompt_of, admitted);
    }

    /// The last byte of an admitted request's KV cache is there: it joins the batch.
    pub(crate) fn arrive(&mut self, now: SimTime, decode: usize, member: Member, grant: Grant) {
        self.instances[decode].arrive(now, member, grant, &mut self.gaps);
    }

    /// A swapped-out request is back: it joins the batch.
    pub(crate) fn take_back(&mut self, now: SimTime, decode: usize, request: RequestId) {
        self.instances[decode].take_back(now, request, &mut self.gaps);
    }

    /// An instance's wake time has come: `end` becomes what that brought. False if this wake is outdated.
    #[must_use]
    pub(crate) fn turn(&mut self, now: SimTime, decode: usize, generation: u32, end: &mut StretchEnd) -> bool {
        let (instance, clock) = (&mut self.instances[decode], &mut self.clocks[decode]);
        if clock.generation != generation {
            return false;
        }
        clock.wake = None;
        instance.turn(now, &mut self.gaps, end);
        clock.busy.set(now, instance.engine().is_busy());
        true
    }

    /// A request has made its last token on an instance; `in_blocks` are its prompt's tokens in whole blocks.
    pub(crate) fn finish(&mut self, decode: usize, in_blocks: u64) {
        self.instances[decode].finish(in_blocks);
    }

    /// When an instance has to be woken, and the generation of that wake, if that has changed since it was last asked;
    /// earlier wakes are outdated then.
    pub(crate) fn next_wake(&mut self, now: SimTime, decode: usize) -> Option<(SimTime, u32)> {
        let (wake, clock) = (self.instances[decode].wake_time(now), &mut self.clocks[decode]);
        if wake == clock.wake {
            return None;
        }
        clock.wake = wake;
        clock.generation += 1;
        wake.map(|time| (time, clock.generation))
    }

    /// Mean share of time that instances had a batch or computed a prompt, up to the last arrival.
    pub(crate) fn utilisation_ratio(&self, last_arrival: SimTime) -> f64 {
        mean_share(self.clocks.iter().map(|clock| &clock.busy), last_arrival)
    }

    /// # Panics
    /// If something of a request is left.
    pub(crate) fn check_empty(&self) {
        self.instances.iter().for_each(DecodeInstance::check_empty);
    }

    /// The gaps between tokens.
    pub(crate) fn into_gaps(self) -> Histogram<u64> {
        self.gaps
    }
}
