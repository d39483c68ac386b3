//! What a scheduler that polls sees: the reports of the decode instances, each as old as the last poll, and what it has
//! sent to each since. With interval zero a report is made at every decision.
//!
//! An instance reports what its engine has received. A request whose decode instance is chosen before its prefill ends
//! is known to the scheduler alone until then.

use crate::event::Event;
use crate::simulation::Simulation;
use netkv_policy::{Dispatched, Report};
use netkv_units::{SimDuration, SimTime};
use std::collections::VecDeque;

/// The span over which a report counts finished requests.
const FINISHED_WINDOW: SimDuration = SimDuration::from_nanos(60_000_000_000);

/// Reports, and the scheduler's counts since.
pub(crate) struct Signals {
    interval: SimDuration,
    /// By decode instance.
    seen: Vec<Seen>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    report: Report,
    dispatched: Dispatched,
    /// When the requests that finished within the last minute did.
    finished: VecDeque<SimTime>,
}

impl Signals {
    /// Those of `n` idle instances, polled every `interval`.
    pub(crate) fn new(interval: SimDuration, n: usize) -> Self {
        Self { interval, seen: vec![Seen::default(); n] }
    }

    /// The scheduler sends a prompt to an instance.
    pub(crate) fn dispatch(&mut self, decode: usize, input_tokens: u32) {
        let dispatched = &mut self.seen[decode].dispatched;
        dispatched.requests += 1;
        dispatched.tokens += u64::from(input_tokens);
    }

    /// A request finishes on an instance.
    pub(crate) fn finish(&mut self, decode: usize, now: SimTime) {
        self.seen[decode].finished.push_back(now);
    }

    /// The last report of an instance, and what was sent to it since.
    pub(crate) fn seen_of(&self, decode: usize) -> (Report, Dispatched) {
        (self.seen[decode].report, self.seen[decode].dispatched)
    }

    fn take(&mut self, decode: usize, now: SimTime, report: Report) {
        let seen = &mut self.seen[decode];
        while seen.finished.pop_front_if(|&mut then| now.since(then) > FINISHED_WINDOW).is_some() {}
        let finished_requests_per_sec = seen.finished.len() as f64 / FINISHED_WINDOW.as_secs_f64();
        seen.report = Report { finished_requests_per_sec, ..report };
        seen.dispatched = Dispatched::default();
    }
}

impl Simulation<'_> {
    /// Puts the next poll into the queue, if the scheduler polls at intervals.
    pub(crate) fn push_poll(&mut self) {
        let Some(signals) = self.signals.as_ref().filter(|signals| signals.interval > SimDuration::ZERO) else {
            return;
        };
        self.queue.push(self.now + signals.interval, Event::Poll);
    }

    /// The scheduler polls the decode instances.
    pub(crate) fn poll(&mut self) {
        self.take_reports();
        self.push_poll();
    }

    /// Brings reports up to date if they are live.
    pub(crate) fn refresh_live_reports(&mut self) {
        if self.signals.as_ref().is_some_and(|signals| signals.interval == SimDuration::ZERO) {
            self.take_reports();
        }
    }

    fn take_reports(&mut self) {
        for decode in 0..self.decode.len() {
            let instance = &mut self.decode[decode];
            instance.engine.catch_up(self.now, &mut instance.memory, &mut self.tbt);
            let report = self.report_of(decode);
            self.signals.as_mut().expect("the scheduler polls").take(decode, self.now, report);
        }
    }

    fn report_of(&self, decode: usize) -> Report {
        let instance = &self.decode[decode];
        let memory = &instance.memory;
        Report {
            running: instance.engine.n_running() as u32,
            waiting: instance.outside - instance.unseen + instance.engine.n_joining() as u32,
            waiting_tokens: instance.outside_tokens - instance.unseen_tokens + instance.engine.joining_tokens(),
            used_tokens: self.block_tokens(memory.capacity() - memory.available()),
            generated_tokens_per_sec: instance.engine.tokens_per_sec(),
            finished_requests_per_sec: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::decode_engine::{DecodeEngine, Member, StretchEnd};
    use crate::gpu::kv_memory::KvMemory;
    use crate::gpu::profile::DecodeLatency;
    use crate::simulation::tbt_histogram;
    use netkv_units::LatencyCurve;
    use netkv_units::RequestId;

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_report_clears_what_was_sent_before_it() {
        let mut signals = Signals::new(SimDuration::ZERO, 2);
        signals.dispatch(1, 100);
        signals.dispatch(1, 50);
        assert_eq!(signals.seen_of(1), (Report::default(), Dispatched { requests: 2, tokens: 150 }));
        assert_eq!(signals.seen_of(0).1, Dispatched::default());
        let report = Report { running: 3, ..Report::default() };
        signals.take(1, at(1), report);
        assert_eq!(signals.seen_of(1), (report, Dispatched::default()));
    }

    #[test]
    fn finished_requests_count_for_a_minute() {
        let mut signals = Signals::new(SimDuration::ZERO, 1);
        for seconds in [0, 30, 60, 70] {
            signals.finish(0, at(seconds));
        }
        for (seconds, expected) in [(60, 4.0), (61, 3.0), (90, 3.0), (91, 2.0), (131, 0.0)] {
            signals.take(0, at(seconds), Report::default());
            let rate = signals.seen_of(0).0.finished_requests_per_sec;
            assert!((rate * 60.0 - expected).abs() < 1e-12, "at {seconds} s: {rate}");
        }
    }

    #[test]
    fn an_engine_generates_its_batch_in_the_time_of_an_iteration() {
        // 10 ms, 1 ms for each request, 1 us for each token.
        let latency = DecodeLatency {
            requests: LatencyCurve::linear(10_000_000_000_000, 1_000_000_000_000),
            per_token_fs: 1_000_000_000,
        };
        let mut engine = DecodeEngine::new(latency, 8, u32::MAX);
        let (mut memory, mut tbt) = (KvMemory::new(1000, 16, 512, false), tbt_histogram());
        assert!(engine.tokens_per_sec() <= 0.0);
        for request in 0..3 {
            engine.join(at(1), Member::new(RequestId::new(request), 1000, 10, None, true));
        }
        engine.turn(at(1), &mut memory, &mut tbt, &mut StretchEnd::default());
        // 3 tokens in 10 + 3 + 3 ms.
        assert!((engine.tokens_per_sec() - 187.5).abs() < 1e-9, "{}", engine.tokens_per_sec());
    }
}
