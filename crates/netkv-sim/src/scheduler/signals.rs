//! What a scheduler that polls sees: the reports of the decode instances, each as old as the last poll, and what it has
//! sent to each since. With interval zero a report is made at every decision.
//!
//! An instance reports what its engine has received. A request whose decode instance is chosen before its prefill ends
//! is known to the scheduler alone until then.

use crate::gpu::DecodeInstance;
use crate::present::Present;
use crate::scenario::KvConfig;
use netkv_policy::{Dispatched, Report};
use netkv_units::{SimDuration, SimTime};
use std::collections::VecDeque;

/// The span over which a report counts finished requests.
const FINISHED_WINDOW: SimDuration = SimDuration::from_nanos(60_000_000_000);

/// Reports, and the scheduler's counts since.
pub(super) struct Signals {
    interval: SimDuration,
    /// By decode instance.
    seen: Vec<Seen>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    report: Report,
    /// By scheduler.
    dispatched: Vec<Dispatched>,
    /// When the requests that finished within the last minute did.
    finished: VecDeque<SimTime>,
}

impl Signals {
    /// Those of `n` idle instances, polled every `interval`, for so many schedulers.
    pub(super) fn new(interval: SimDuration, n: usize, replicas: usize) -> Self {
        let seen = Seen { dispatched: vec![Dispatched::default(); replicas], ..Seen::default() };
        Self { interval, seen: vec![seen; n] }
    }

    /// A prompt is sent to an instance, as one of the schedulers counts.
    pub(super) fn dispatch(&mut self, replica: usize, decode: usize, input_tokens: u32) {
        let dispatched = &mut self.seen[decode].dispatched[replica];
        dispatched.requests += 1;
        dispatched.tokens += u64::from(input_tokens);
    }

    /// A request finishes on an instance.
    pub(super) fn finish(&mut self, decode: usize, now: SimTime) {
        self.seen[decode].finished.push_back(now);
    }

    /// The last report of an instance, and what was sent to it since, as far as one of the schedulers knows.
    pub(super) fn seen_of(&self, replica: usize, decode: usize) -> (Report, Dispatched) {
        (self.seen[decode].report, self.seen[decode].dispatched[replica])
    }

    /// Time between polls; zero: one at every decision.
    pub(super) const fn interval(&self) -> SimDuration {
        self.interval
    }

    /// Whether a report is made at every decision.
    pub(super) fn are_live(&self) -> bool {
        self.interval == SimDuration::ZERO
    }

    /// All instances, whose batches are up to date, are polled.
    pub(super) fn poll(&mut self, present: Present<'_>) {
        for (decode, instance) in present.decode.instances().iter().enumerate() {
            self.take(decode, present.now, report_of(instance, &present.scenario.kv));
        }
    }

    fn take(&mut self, decode: usize, now: SimTime, report: Report) {
        let seen = &mut self.seen[decode];
        while seen.finished.pop_front_if(|&mut then| now.since(then) > FINISHED_WINDOW).is_some() {}
        let finished_requests_per_sec = seen.finished.len() as f64 / FINISHED_WINDOW.as_secs_f64();
        seen.report = Report { finished_requests_per_sec, ..report };
        seen.dispatched.fill(Dispatched::default());
    }
}

/// What an instance tells whose batch is up to date.
fn report_of(instance: &DecodeInstance, kv: &KvConfig) -> Report {
    let (engine, memory, load) = (instance.engine(), instance.memory(), instance.load());
    Report {
        running: engine.n_running() as u32,
        waiting: load.outside - load.unseen + engine.n_joining() as u32,
        waiting_tokens: load.outside_tokens - load.unseen_tokens + engine.joining_tokens(),
        used_tokens: kv.tokens_of(memory.capacity() - memory.available()),
        generated_tokens_per_sec: engine.tokens_per_sec(),
        finished_requests_per_sec: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_report_clears_what_was_sent_before_it() {
        let mut signals = Signals::new(SimDuration::ZERO, 2, 2);
        signals.dispatch(0, 1, 100);
        signals.dispatch(0, 1, 50);
        assert_eq!(signals.seen_of(0, 1), (Report::default(), Dispatched { requests: 2, tokens: 150 }));
        assert_eq!(signals.seen_of(0, 0).1, Dispatched::default());
        assert_eq!(signals.seen_of(1, 1).1, Dispatched::default(), "the other scheduler has sent nothing");
        let report = Report { running: 3, ..Report::default() };
        signals.take(1, at(1), report);
        assert_eq!(signals.seen_of(0, 1), (report, Dispatched::default()));
    }

    #[test]
    fn finished_requests_count_for_a_minute() {
        let mut signals = Signals::new(SimDuration::ZERO, 1, 1);
        for seconds in [0, 30, 60, 70] {
            signals.finish(0, at(seconds));
        }
        for (seconds, expected) in [(60, 4.0), (61, 3.0), (90, 3.0), (91, 2.0), (131, 0.0)] {
            signals.take(0, at(seconds), Report::default());
            let rate = signals.seen_of(0, 0).0.finished_requests_per_sec;
            assert!((rate * 60.0 - expected).abs() < 1e-12, "at {seconds} s: {rate}");
        }
    }
}
