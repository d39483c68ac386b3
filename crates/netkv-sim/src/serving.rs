//! Handlers of the two GPU pools: prefill queues and batches, decode batches, swapping, and the finished request.

use crate::event::Event;
use crate::gpu::decode_engine::Member;
use crate::gpu::prefill_engine::Prompt;
use crate::measure::record::{RequestRecord, TtftParts};
use crate::scenario::{FirstToken, PrefillMode, PrefillPolicy, PrefillQueue, Scenario, SelectionMoment, TtftLimit};
use crate::simulation::Simulation;
use netkv_units::{Bytes, BytesPerSec, RequestId, SimDuration, SimTime};

impl Simulation<'_> {
    /// Gives an arriving request to a prefill instance.
    pub(crate) fn enqueue_prefill(&mut self, request: RequestId) {
        let chosen = self.select_prefill(request).unwrap_or_else(|| self.choose_prefill(request));
        self.requests[request].prefill = chosen as u32;
        let input_tokens = self.requests[request].own.input_tokens;
        if self.scenario.prefill.engine == PrefillMode::Delay {
            return self.begin_delay(request, chosen);
        }
        let instance = &mut self.prefill[chosen];
        let cached_tokens = match self.scenario.prefill.queue {
            PrefillQueue::Fcfs => 0,
            PrefillQueue::ShortestFirst { .. } => instance.memory.hit_tokens(self.requests.prefix(request)),
        };
        instance.engine.enqueue(self.now, request, input_tokens, cached_tokens);
        self.wake_prefill(chosen);
        if self.selects_at(SelectionMoment::Arrival) && self.needs_decode(request) {
            self.select_early(request);
        }
    }

    /// Has the policy choose before the prompt is computed. The experiment reader lets no policy refuse requests then.
    fn select_early(&mut self, request: RequestId) {
        assert!(self.select_decode(request), "a request is refused once its prompt is computed");
    }

    /// A prompt is computed from now on, without regard to others.
    fn begin_delay(&mut self, request: RequestId, prefill: usize) {
        let input_tokens = self.requests[request].own.input_tokens;
        let duration = self.prefill[prefill].engine.begin_alone(request, input_tokens);
        let busy = self.before_last_arrival(self.now, self.now + duration);
        self.prefill[prefill].busy += busy;
        self.requests[request].prefill_start = self.now;
        self.queue.push(self.now + duration, Event::PromptComputed { request });
        let early = self.selects_at(SelectionMoment::Arrival) || self.selects_at(SelectionMoment::PrefillStart);
        if early && self.needs_decode(request) {
            self.select_early(request);
        }
    }

    /// A prompt that was computed without regard to others is done.
    pub(crate) fn end_delay(&mut self, request: RequestId) {
        let prefill = self.requests[request].prefill as usize;
        self.prefill[prefill].engine.finish_alone(request);
        self.finish_prefill(request);
    }

    /// Whether a request has tokens left to make once its prompt is computed.
    pub(crate) fn needs_decode(&self, request: RequestId) -> bool {
        self.scenario.first_token == FirstToken::Decode || self.requests[request].own.output_tokens > 1
    }

    fn choose_prefill(&mut self, request: RequestId) -> usize {
        let backlog = |index: usize| self.prefill[index].engine.backlog_tokens();
        let pool = 0..self.prefill.len();
        let least = match self.scenario.prefill.policy {
            PrefillPolicy::RoundRobin => {
                let turn = self.next_prefill;
                self.next_prefill = (turn + 1) % self.prefill.len();
                return turn;
            }
            PrefillPolicy::LeastTokens => pool.min_by_key(|&index| backlog(index)),
            PrefillPolicy::CacheAware => {
                let input_tokens = u64::from(self.requests[request].own.input_tokens);
                let prefix = self.requests.prefix(request);
                pool.min_by_key(|&index| {
                    let hit = u64::from(self.prefill[index].memory.hit_tokens(prefix));
                    backlog(index) + input_tokens - hit
                })
            }
        };
        least.expect("there is a prefill instance")
    }

    /// Has an idle prefill instance start a batch at the end of this instant.
    pub(crate) fn wake_prefill(&mut self, prefill: usize) {
        let instance = &mut self.prefill[prefill];
        if !instance.engine.is_busy() && !instance.woken {
            instance.woken = true;
            self.queue.push(self.now, Event::PrefillWake { prefill: prefill as u32 });
        }
    }

    /// A prefill batch ends, or an idle instance was woken: hands over what is done, and starts the next batch.
    pub(crate) fn turn_prefill(&mut self, prefill: u32) {
        let index = prefill as usize;
        // What ends here frees memory, but nobody need wake the engine: its next batch starts below.
        self.prefill[index].woken = true;
        if self.prefill[index].engine.is_busy() {
            let mut done = std::mem::take(&mut self.scratch.done);
            done.clear();
            self.prefill[index].engine.finish_batch(&mut done);
            for &request in &done {
                self.finish_prefill(request);
            }
            self.scratch.done = done;
        }
        self.prefill[index].woken = false;
        let requests = &self.requests;
        let instance = &mut self.prefill[index];
        let prompt =
            |request| Prompt { input_tokens: requests[request].own.input_tokens, prefix: requests.prefix(request) };
        let taken = &mut self.scratch.taken;
        taken.clear();
        let Some(duration) = instance.engine.start_batch(&mut instance.memory, prompt, taken) else { return };
        let end = self.now + duration;
        let busy = self.before_last_arrival(self.now, end);
        self.prefill[index].busy += busy;
        for &(request, grant) in &self.scratch.taken {
            let state = &mut self.requests[request];
            state.prefill_start = self.now;
            state.prefill_grant = grant;
        }
        self.queue.push(end, Event::PrefillWake { prefill });
        self.begin_prompts();
        if self.overlaps() {
            self.pace_transfers(index, end);
        }
    }

    /// The prompts that were just taken from a queue are computed from now on.
    fn begin_prompts(&mut self) {
        if self.scenario.selection == SelectionMoment::PrefillDone {
            return;
        }
        for index in 0..self.scratch.taken.len() {
            let (request, _) = self.scratch.taken[index];
            if !self.needs_decode(request) {
                continue;
            }
            if self.selects_at(SelectionMoment::PrefillStart) {
                self.select_early(request);
            }
            if self.overlaps() {
                self.hand_over(request);
            }
        }
    }

    /// A prompt's KV cache is complete.
    fn finish_prefill(&mut self, request: RequestId) {
        let state = &mut self.requests[request];
        state.prefill_end = self.now;
        let (own, prefill) = (state.own, state.prefill as usize);
        if let Some((holding, private_blocks)) = state.prefill_grant.held() {
            self.prefill[prefill].memory.mark_ready(holding, private_blocks);
        }
        if !self.needs_decode(request) {
            self.release_prefill(request);
            let mut member = Member::new(request, own.input_tokens, 0, Some(self.now), false);
            member.first_iteration = Some(self.now);
            self.finish_request(&member);
        } else if self.overlaps() {
            self.finish_overlap(request);
        } else {
            if self.selects_at(SelectionMoment::PrefillDone) && !self.select_decode(request) {
                return self.refuse(request);
            }
            self.hand_over(request);
        }
    }

    /// The policy has found no decode instance that can take a request whose prompt is computed.
    fn refuse(&mut self, request: RequestId) {
        self.release_prefill(request);
        self.totals.refused += 1;
        self.totals.refused_counted += u64::from(is_counted(self.scenario, self.requests[request].own.arrival));
        self.requests.refuse(request);
    }

    /// Gives back the memory that a request held where it was prefilled.
    pub(crate) fn release_prefill(&mut self, request: RequestId) {
        let state = &self.requests[request];
        let prefill = state.prefill as usize;
        let Some((holding, private_blocks)) = state.prefill_grant.held() else { return };
        self.prefill[prefill].memory.release(holding, private_blocks);
        self.wake_prefill(prefill);
    }

    /// Puts a request whose KV cache is there into its instance's batch.
    pub(crate) fn join_decode(&mut self, decode: usize, member: Member) {
        let instance = &mut self.decode[decode];
        instance.engine.catch_up(self.now, &mut instance.memory, &mut self.tbt);
        instance.outside -= 1;
        instance.outside_tokens -= u64::from(member.context_tokens);
        instance.engine.join(self.now, member);
        self.schedule_decode(decode);
    }

    /// Sees to it that the instance's next wake is in the queue; an idle one with requests is woken at once.
    pub(crate) fn schedule_decode(&mut self, decode: usize) {
        let instance = &mut self.decode[decode];
        let idle_wake = (instance.engine.n_joining() > 0).then_some(self.now);
        let wake = instance.engine.wake_time().or(idle_wake);
        if wake != instance.wake {
            instance.wake = wake;
            instance.generation += 1;
            if let Some(time) = wake {
                let generation = instance.generation;
                self.queue.push(time, Event::DecodeWake { decode: decode as u32, generation });
            }
        }
    }

    /// A decode instance's stretch ends, or its first begins.
    pub(crate) fn turn_decode(&mut self, decode: u32, generation: u32) {
        let index = decode as usize;
        if self.decode[index].generation != generation {
            return;
        }
        let mut end = std::mem::take(&mut self.scratch.stretch_end);
        let instance = &mut self.decode[index];
        instance.wake = None;
        instance.engine.turn(self.now, &mut instance.memory, &mut self.tbt, &mut end);
        self.count_busy(index);
        for member in &end.finished {
            self.finish_request(member);
        }
        for &member in &end.preempted {
            self.swap_out(index, member);
        }
        self.scratch.stretch_end = end;
        self.admit_waiting(index);
        self.schedule_decode(index);
    }

    fn count_busy(&mut self, decode: usize) {
        let busy = self.decode[decode].engine.is_busy();
        match (self.decode[decode].busy_since, busy) {
            (None, true) => self.decode[decode].busy_since = Some(self.now),
            (Some(since), false) => {
                let time = self.before_last_arrival(since, self.now);
                self.decode[decode].busy += time;
                self.decode[decode].busy_since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// A member lost its place for lack of memory: its KV cache goes to the host.
    fn swap_out(&mut self, decode: usize, member: Member) {
        self.requests[member.request].preemptions += 1;
        self.totals.preemptions += 1;
        let away = self.now + host_time(self.scenario, member.context_tokens);
        let instance = &mut self.decode[decode];
        instance.outside += 1;
        instance.outside_tokens += u64::from(member.context_tokens);
        instance.queued_tokens += u64::from(member.context_tokens);
        instance.swapped.push_front((member, away));
    }

    /// Admits swapped-out requests, then waiting ones, in order, as far as memory goes.
    pub(crate) fn admit_waiting(&mut self, decode: usize) {
        let now = self.now;
        let watermark = self.scenario.decode.watermark_blocks;
        while let Some((member, away)) = self.decode[decode].swapped.front().copied() {
            let prefix = self.requests.prefix(member.request);
            let instance = &mut self.decode[decode];
            // With room for its next token as well: else two could swap each other out for ever.
            let tokens = member.context_tokens + 1;
            let Some(grant) = instance.memory.admit(prefix, tokens, watermark) else { break };
            instance.swapped.pop_front();
            instance.queued_tokens -= u64::from(member.context_tokens);
            let back = away.max(now) + host_time(self.scenario, member.context_tokens);
            instance.returning.push((back, member.with_memory(&instance.memory, tokens, grant)));
            self.queue.push(back, Event::SwappedIn { request: member.request });
        }
        while self.decode[decode].swapped.is_empty() {
            let Some(&request) = self.decode[decode].waiting.front() else { break };
            let input_tokens = self.requests[request].own.input_tokens;
            let prefix = self.requests.prefix(request);
            let Some(grant) = self.decode[decode].memory.admit(prefix, input_tokens, watermark) else { break };
            self.decode[decode].waiting.pop_front();
            self.decode[decode].queued_tokens -= u64::from(input_tokens);
            self.requests[request].decode_grant = grant;
            self.start_transfer(request);
        }
        let instance = &mut self.decode[decode];
        instance.engine.replan(&instance.memory);
    }

    /// A swapped-out request is back.
    pub(crate) fn return_swapped(&mut self, request: RequestId) {
        let decode = self.requests[request].decode.expect("it was decoding") as usize;
        let returning = &mut self.decode[decode].returning;
        let place = returning.iter().position(|(_, member)| member.request == request).expect("it is returning");
        let (_, member) = returning.remove(place);
        self.decode[decode].memory.mark_ready(member.holding, member.private_blocks);
        self.join_decode(decode, member);
    }

    /// A request has made its last token.
    pub(crate) fn finish_request(&mut self, member: &Member) {
        let record = self.record_of(member);
        assert_eq!(record.parts.total(), record.ttft, "the parts of TTFT add up");
        let state = &self.requests[member.request];
        if let Some(decode) = state.decode.map(|decode| decode as usize) {
            self.decode[decode].in_flight_prompt_tokens -= self.in_blocks(state.own.input_tokens);
            if let Some(signals) = &mut self.signals {
                signals.finish(decode, self.now);
            }
        }
        self.requests.finish(member.request, record);
    }

    fn record_of(&self, member: &Member) -> RequestRecord {
        let scenario = self.scenario;
        let state = &self.requests[member.request];
        let own = &state.own;
        let first_token = member.first_token.expect("a finished request has a first token");
        let finish = member.last_token.expect("a finished request has a last token");
        let mut parts = TtftParts {
            prefill_queue: state.prefill_start.since(own.arrival),
            prefill_compute: state.prefill_end.since(state.prefill_start),
            ..TtftParts::default()
        };
        let transfer = state.transfer_end.since(state.admitted);
        // What goes on beside prefill is no part of TTFT.
        let exposed = state.admitted.max(state.prefill_end);
        if scenario.first_token == FirstToken::Decode {
            let joined = member.first_iteration.expect("it was in an iteration");
            parts.admission_wait = exposed.since(state.prefill_end);
            parts.transfer = state.transfer_end.since(exposed);
            parts.decode_wait = joined.since(state.transfer_end);
            parts.first_iteration = first_token.since(joined);
        }
        let prefill_instance = self.cluster.prefill[state.prefill as usize];
        let decode_instance = state.decode.map(|decode| self.cluster.decode[decode as usize]);
        let ttft = first_token.since(own.arrival);
        let decoding = finish.since(first_token);
        let ttft_limit = ttft_limit(scenario, own.input_tokens);
        let gaps = u128::from(own.output_tokens - 1);
        let tbt_attained = u128::from(decoding.as_nanos()) <= u128::from(scenario.slo.tbt.as_nanos()) * gaps;
        RequestRecord {
            request: member.request,
            arrival: own.arrival,
            input_tokens: own.input_tokens,
            output_tokens: own.output_tokens,
            prefill_instance,
            decode_instance,
            tier: decode_instance.map(|decode| self.cluster.tier(prefill_instance, decode)),
            prefill_hit_tokens: state.prefill_grant.hit_tokens,
            prefill_host_tokens: state.prefill_grant.host_tokens,
            decode_hit_tokens: state.decode_grant.hit_tokens,
            transfer_bytes: state.transfer_bytes,
            transfer_start: state.decode.map(|_| state.admitted),
            transfer,
            parts,
            ttft,
            decoding,
            tbt_max: member.tbt_max,
            finish,
            ttft_limit,
            preemptions: state.preemptions,
            slo_attained: ttft <= ttft_limit && tbt_attained,
            counted: is_counted(scenario, own.arrival),
        }
    }
}

/// Time to move a context between GPU and host memory.
pub(crate) fn host_time(scenario: &Scenario, context_tokens: u32) -> SimDuration {
    let bytes = Bytes::new(u64::from(context_tokens) * scenario.kv.bytes_per_token);
    let rate = BytesPerSec::new(scenario.decode.host_bytes_per_sec);
    bytes.to_nanobytes().time_at(rate).expect("the host has bandwidth")
}

/// Whether a request that arrived at `arrival` counts in the metrics.
pub(crate) fn is_counted(scenario: &Scenario, arrival: SimTime) -> bool {
    arrival.since(SimTime::ZERO) >= scenario.measure.warmup
}

/// The TTFT that a request with a prompt of `input_tokens` is promised.
pub(crate) fn ttft_limit(scenario: &Scenario, input_tokens: u32) -> SimDuration {
    match scenario.slo.ttft {
        TtftLimit::Fixed(limit) => limit,
        TtftLimit::Slowdown(factor) => {
            SimDuration::from_secs_f64(idle_ttft(scenario, input_tokens).as_secs_f64() * factor)
        }
    }
}

/// TTFT of a prompt on an idle cluster with empty caches, over a transfer inside a rack.
fn idle_ttft(scenario: &Scenario, input_tokens: u32) -> SimDuration {
    let prefill = scenario.gpu.prefill.prompt(input_tokens, 0, scenario.prefill.chunk_tokens());
    if scenario.first_token == FirstToken::Prefill {
        return prefill;
    }
    let bytes = Bytes::new(u64::from(input_tokens) * scenario.kv.bytes_per_token);
    let rate = BytesPerSec::new(scenario.fabric.nic.get() * u64::from(scenario.cluster.tp));
    let moving = bytes.to_nanobytes().time_at(rate).expect("interfaces have bandwidth");
    let latency = scenario.transfer.setup + scenario.fabric.latency[1];
    prefill + latency + moving + scenario.gpu.decode.iteration(1, u64::from(input_tokens))
}
