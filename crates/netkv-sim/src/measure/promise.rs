//! What a request is promised, and whether it counts.

use crate::scenario::{FirstToken, Scenario, TtftLimit};
use netkv_units::{Bytes, BytesPerSec, SimDuration, SimTime, Tier};

/// Which requests count in the metrics: those after the warm-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counting {
    warmup: SimDuration,
    warmup_requests: usize,
}

impl Counting {
    /// Those of a scenario.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self { warmup: scenario.measure.warmup, warmup_requests: scenario.measure.warmup_requests }
    }

    /// Whether a request counts that arrived at `arrival`, after `n_before` others.
    pub(crate) fn counts(self, arrival: SimTime, n_before: usize) -> bool {
        arrival.since(SimTime::ZERO) >= self.warmup && n_before >= self.warmup_requests
    }
}

/// The TTFT that a request with a prompt of `input_tokens` is promised, where a transfer gets `alone` inside an idle rack.
pub(crate) fn ttft_limit(scenario: &Scenario, alone: BytesPerSec, input_tokens: u32) -> SimDuration {
    match scenario.slo.ttft {
        TtftLimit::Fixed(limit) => limit,
        TtftLimit::Slowdown(factor) => {
            SimDuration::from_secs_f64(idle_ttft(scenario, alone, input_tokens).as_secs_f64() * factor)
        }
    }
}

/// TTFT of a prompt on an idle cluster with empty caches, over a transfer inside a rack.
fn idle_ttft(scenario: &Scenario, alone: BytesPerSec, input_tokens: u32) -> SimDuration {
    let prefill = scenario.gpu.prefill.prompt(input_tokens, 0, scenario.prefill.chunk_tokens());
    if scenario.first_token == FirstToken::Prefill {
        return prefill;
    }
    let bytes = Bytes::new(u64::from(input_tokens) * scenario.kv.bytes_per_token);
    let moving = bytes.to_nanobytes().time_at(alone).expect("interfaces have bandwidth");
    let flows = scenario.transfer.flows(&scenario.cluster);
    let latency = scenario.transfer.setup_of(bytes.get(), flows) + scenario.fabric.latency[Tier::Rack.index()];
    prefill + latency + moving + scenario.gpu.decode.iteration(1, u64::from(input_tokens))
}
