//! SMG's expected wait: least estimated time to drain, plus a barrier against full KV caches.
//!
//! wait(d) = (queued(d) + (running(d) + unaccounted(d)) * p + dispatched(d)) / throughput(d) + w * k(d) / (1 - k(d))
//!
//! From d's last report: queued, the tokens of its waiting requests (p for each if it tells only their number); running
//! requests; throughput, its generation rate (`default_tokens_per_sec` while it has none); k, the share of its KV cache
//! in use, at most 0.999. Kept by the router: dispatched, the tokens sent since that report; unaccounted, its live
//! count of requests in flight less those that the report and the dispatches since tell of. p = 1,024 tokens, w = 0.15
//! s, a report every 10 s; waits within 1 us of the least are drawn from uniformly. Source: SMG 1.13.0 (crate smg),
//! `src/policies/least_load.rs` and `src/worker/expected_wait.rs`; the same rule serves its prefill and decode legs.
//!
//! Left out: the cap on waiting requests (off by default), workers that do not report (here all do).

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;
use crate::ties::Ties;
use netkv_units::SimDuration;

/// Waits this close to the least are equals (`TIE_EPSILON_SECS`).
const TIE_S: f64 = 1e-6;
/// KV caches count as no fuller than this (`ExpectedWait::new`).
const FULLEST_RATIO: f64 = 0.999;

/// Parameters of SMG's expected wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmgConfig {
    /// Weight of the barrier against full KV caches, in seconds.
    pub kv_pressure_s: f64,
    /// What a request counts whose size is not known, in tokens.
    pub request_tokens: u32,
    /// What an instance drains that tells no rate, in tokens per second.
    pub default_tokens_per_sec: f64,
    /// Time between reports.
    pub poll_interval: SimDuration,
}

/// The rule.
pub(crate) struct SmgExpectedWait {
    config: SmgConfig,
    ties: Ties,
}

impl SmgExpectedWait {
    /// The rule with these parameters.
    pub(crate) fn new(config: SmgConfig, seed: u64) -> Self {
        Self { config, ties: Ties::new(seed) }
    }
}

impl SmgConfig {
    fn wait_s(&self, candidate: &Candidate) -> f64 {
        let (drain_s, pressure_s) = self.parts_s(candidate);
        drain_s + pressure_s
    }

    /// Time to drain, and the barrier against full KV caches.
    fn parts_s(&self, candidate: &Candidate) -> (f64, f64) {
        let report = &candidate.report;
        let of_unknown_size = f64::from(self.request_tokens);
        let queued = match report.waiting_tokens {
            0 => f64::from(report.waiting) * of_unknown_size,
            tokens => tokens as f64,
        };
        let accounted = report.running + report.waiting + candidate.dispatched.requests;
        let unaccounted = candidate.in_flight().saturating_sub(accounted);
        let held = (f64::from(report.running) + f64::from(unaccounted)) * of_unknown_size;
        let reported = report.generated_tokens_per_sec;
        let throughput = if reported > 0.0 { reported } else { self.default_tokens_per_sec };
        let full = candidate.reported_kv_ratio().min(FULLEST_RATIO);
        let drain_s = (queued + held + candidate.dispatched.tokens as f64) / throughput;
        (drain_s, self.kv_pressure_s * full / (1.0 - full))
    }
}

impl Policy for SmgExpectedWait {
    fn select(&mut self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let waits = candidates.iter().map(|candidate| self.config.wait_s(candidate));
        self.ties.least(TIE_S, waits.enumerate()).expect("there is a candidate")
    }

    fn rate(&self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let rating = |candidate: &Candidate| {
            let (drain_s, pressure_s) = self.config.parts_s(candidate);
            Rating::new([Term::new("drain", "s", drain_s), Term::new("KV pressure", "s", pressure_s)])
        };
        candidates.iter().map(rating).collect()
    }
}
