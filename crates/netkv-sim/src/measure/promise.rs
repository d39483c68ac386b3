//! What a request is promised, and whether it counts.

use crate::scenario::{FirstToken, Scenario, TtftLimit};
use netkv_units::{Bytes, BytesPerSec, SimDuration, SimTime, Tier};

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
    let flows = scenario.transfer.flows(scenario.cluster.tp);
    let latency = scenario.transfer.setup_of(bytes.get(), flows) + scenario.fabric.latency[Tier::Rack.index()];
    prefill + latency + moving + scenario.gpu.decode.iteration(1, u64::from(input_tokens))
}
