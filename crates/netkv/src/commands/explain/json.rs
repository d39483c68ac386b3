//! An explanation for machines: the same figures, times in seconds and nanoseconds as their names say.

use super::explained::{Explained, after_prefill, runner_up};
use netkv_policy::{PrefillCandidate, Rating};
use netkv_sim::{Considered, Outcome, TtftParts};
use netkv_units::SimTime;
use serde_json::{Map, Value, json};

/// The whole explanation.
pub fn of(explained: &Explained<'_>) -> Value {
    let explanation = explained.explanation;
    let decision = &explanation.decision;
    let instance = |index: usize| decision.considered[index].known.instance.get();
    let record = &explanation.outcomes[decision.chosen].record;
    let candidates = decision.considered.iter().zip(&explanation.outcomes);
    json!({
        "cell": explained.cell,
        "coordinates": explained.coordinates,
        "policy": explained.scenario.policy.name(),
        "digest": explanation.outcomes[decision.chosen].digest.to_string(),
        "request": record.request.get(),
        "arrival_ns": record.arrival.as_nanos(),
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "kv_bytes": decision.prompt.kv_bytes.get(),
        "decided_ns": decision.time.as_nanos(),
        "prefill_instance": decision.source.get(),
        "oracle_age_ns": decision.age.as_nanos(),
        "prefill_candidates": decision.prefill.iter().map(prefill).collect::<Vec<_>>(),
        "candidates": candidates.map(|(considered, outcome)| candidate(considered, outcome)).collect::<Vec<_>>(),
        "chosen": instance(decision.chosen),
        "runner_up": runner_up(explanation).map(instance),
        "best_in_hindsight": instance(explanation.best_in_hindsight()),
    })
}

fn prefill(candidate: &PrefillCandidate) -> Value {
    json!({
        "instance": candidate.instance.get(),
        "requests": candidate.requests,
        "backlog_tokens": candidate.backlog_tokens,
        "hit_tokens": candidate.hit_tokens,
    })
}

fn candidate(considered: &Considered, outcome: &Outcome) -> Value {
    let known = &considered.known;
    json!({
        "instance": known.instance.get(),
        "tier": considered.tier.name(),
        "known": {
            "running": known.running,
            "pending": known.pending,
            "running_tokens": known.running_tokens,
            "pending_tokens": known.pending_tokens,
            "free_tokens": known.free_tokens,
            "queued_tokens": known.queued_tokens,
            "hit_tokens": known.hit_tokens,
            "transfer_bytes": known.transfer_bytes.get(),
            "sharing_transfers": known.sharing_transfers,
            "in_flight_prompt_tokens": known.in_flight_prompt_tokens,
            "report": {
                "running": known.report.running,
                "waiting": known.report.waiting,
                "waiting_tokens": known.report.waiting_tokens,
                "used_tokens": known.report.used_tokens,
                "generated_tokens_per_s": known.report.generated_tokens_per_sec,
                "finished_requests_per_s": known.report.finished_requests_per_sec,
            },
            "dispatched": { "requests": known.dispatched.requests, "tokens": known.dispatched.tokens },
        },
        "oracle": considered.told.map(|path| json!({
            "bandwidth_bytes_per_s": path.bandwidth_bytes_per_sec,
            "latency_ns": path.latency.as_nanos(),
            "congestion_ratio": path.congestion_ratio,
            "counts_in_flight": path.counts_in_flight,
        })),
        "rating": considered.rating.as_ref().map(rating),
        "foreseen": {
            "admitted_ns": time(considered.foreseen.admitted),
            "transfer_end_ns": time(considered.foreseen.transfer_end),
            "joined_ns": time(considered.foreseen.joined),
            "first_token_ns": time(considered.foreseen.first_token),
        },
        "hindsight": hindsight(outcome),
    })
}

/// A time that may never come.
fn time(time: SimTime) -> Option<u64> {
    (time < SimTime::NEVER).then(|| time.as_nanos())
}

fn rating(rating: &Rating) -> Value {
    let term = |term: &netkv_policy::Term| json!({ "name": term.name, "unit": term.unit, "value": term.value });
    json!({
        "rank": rating.rank,
        "standing": rating.standing,
        "terms": rating.terms.iter().map(term).collect::<Vec<_>>(),
        "sum": rating.cost(),
    })
}

fn hindsight(outcome: &Outcome) -> Value {
    let record = &outcome.record;
    let parts = TtftParts::NAMES.iter().zip(record.parts.values());
    let parts: Map<_, _> = parts.map(|(name, part)| (format!("{name}_ns"), part.as_nanos().into())).collect();
    json!({
        "ttft_ns": record.ttft.as_nanos(),
        "after_prefill_ns": after_prefill(outcome).as_nanos(),
        "parts": parts,
        "transfer_bytes": record.transfer_bytes,
        "decode_hit_tokens": record.decode_hit_tokens,
        "tbt_mean_ns": record.tbt_mean_ns(),
        "slo_attained": record.slo_attained,
        "preemptions": record.preemptions,
        "all": {
            "ttft_mean_ns": outcome.ttft_mean_ns,
            "tbt_mean_ns": outcome.tbt_mean_ns,
            "slo_attainment_ratio": outcome.slo_attainment_ratio,
        },
    })
}
