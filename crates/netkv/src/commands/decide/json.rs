//! A decision for machines.

use super::decided::{Decided, Network};
use netkv_oracle::{NEVER, TIERS};
use netkv_policy::{PathCost, Rating, Term};
use serde_json::{Value, json};

/// All of it.
pub fn of(decided: &Decided<'_>) -> Value {
    let candidate = |at: usize| {
        let known = &decided.candidates[at];
        json!({
            "instance": known.instance.get(),
            "path": path(&decided.paths[at]),
            "hit_tokens": known.hit_tokens,
            "transfer_bytes": known.transfer_bytes.get(),
            "free_tokens": known.free_tokens,
            "rating": decided.ratings.as_ref().map(|ratings| rating(&ratings[at])),
        })
    };
    json!({
        "policy": decided.policy,
        "parameters": decided.parameters,
        "network": match decided.network {
            Network::Oracle(url) => url,
            Network::Idle => "idle",
            Network::Told => "told",
        },
        "age_s": decided.view.age_s(),
        "source": decided.source.get(),
        "input_tokens": decided.prompt.input_tokens,
        "kv_bytes": decided.prompt.kv_bytes.get(),
        "chosen": decided.chosen.map(|at| decided.candidates[at].instance.get()),
        "candidates": (0..decided.candidates.len()).map(candidate).collect::<Vec<_>>(),
    })
}

fn path(path: &PathCost) -> Value {
    json!({
        "tier": path.tier.index(),
        "name": TIERS[path.tier.index()],
        "bytes_per_s": path.bandwidth_bytes_per_sec,
        "latency_ns": path.latency.as_nanos(),
        "congestion": path.congestion_ratio,
        "counts_in_flight": path.counts_in_flight,
        "age_s": (path.age < NEVER).then(|| path.age.as_secs_f64()),
    })
}

fn rating(rating: &Rating) -> Value {
    let term = |term: &Term| json!({ "name": term.name, "unit": term.unit, "value": term.value });
    json!({
        "rank": rating.rank,
        "standing": rating.standing,
        "terms": rating.terms.iter().map(term).collect::<Vec<_>>(),
        "sum": rating.cost(),
    })
}
