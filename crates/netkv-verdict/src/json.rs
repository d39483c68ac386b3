//! The answer for machines: everything that the text says, in base units.

use crate::effect::{Effect, Ratio};
use crate::points::{Answer, Point, Standing};
use netkv_policy::NetworkView;
use serde_json::{Value, json};

impl Answer {
    /// The answer as JSON: times in seconds, shares as ratios.
    pub fn json(&self) -> Value {
        let options = &self.options;
        json!({
            "experiment": options.experiment,
            "compared": options.compared,
            "baseline": options.baseline,
            "confidence_ratio": options.confidence_ratio,
            "facts": options.facts,
            "reduced": options.reduced.is_some(),
            "left_out": options.reduced.as_ref().map(|reduced| &reduced.lacks),
            "many_comparisons": self.holm_words(),
            "warm_up": self.warmup_words(),
            "points": self.points.iter().map(point).collect::<Vec<_>>(),
        })
    }
}

fn point(point: &Point) -> Value {
    let coordinates: serde_json::Map<String, Value> =
        point.coordinates.iter().map(|(axis, value)| (axis.clone(), Value::from(value.as_str()))).collect();
    json!({
        "coordinates": coordinates,
        "best_blind": point.best_blind.map(|index| point.standings[index].name.as_str()),
        "standings": point.standings.iter().map(standing).collect::<Vec<_>>(),
    })
}

fn standing(one: &Standing) -> Value {
    let view = one.view().map(|view| match view {
        NetworkView::Blind => "blind",
        NetworkView::Aware => "aware",
        NetworkView::Truth => "truth",
    });
    json!({
        "name": one.name,
        "network_view": view,
        "seeds": one.n,
        "failed": one.n_failed,
        "without_requests": one.n_empty,
        // Null: the runs are too short to tell.
        "overloaded": (!one.may_be_overloaded()).then(|| one.is_overloaded()),
        "refused_requests": one.refused,
        "ttft_mean_s": one.ttft_s,
        "ttft_p99_s": one.ttft_p99_s,
        "ttft_transfer_s": one.transfer_s,
        "tbt_mean_s": one.tbt_s,
        "slo_attainment_ratio": one.slo_ratio,
        "gpu_goodput_rps": one.gpu_goodput_rps,
        "gpu_s_per_mtoken": one.gpu_s_per_mtoken,
        "cost_per_mtoken": one.cost_per_mtoken,
        "ttft_drift_ratio": one.drift,
        "ttft_drift_low": one.drift_by_seed.interval.map(|(low, _)| low),
        "ttft_drift_high": one.drift_by_seed.interval.map(|(_, high)| high),
        // Null: it cannot be told.
        "steady": one.is_steady(),
        "wait_mean_s": one.wait_s,
        "arrivals_span_s": one.span_s,
        "ttft_against_baseline": one.against_baseline.as_ref().map(ratio),
        "ttft_against_best_blind": one.against_blind.as_ref().map(ratio),
    })
}

const fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Pays => "pays",
        Effect::Same => "same",
        Effect::Harms => "harms",
        Effect::Open => "open",
    }
}

fn ratio(ratio: &Ratio) -> Value {
    let effect = word(ratio.effect());
    json!({
        "mean": ratio.mean,
        "low": ratio.interval.map(|(low, _)| low),
        "high": ratio.interval.map(|(_, high)| high),
        "seeds": ratio.n,
        "effect": effect,
        "p": ratio.p(),
        // Null of what the conclusion is not about.
        "p_holm": ratio.p_holm,
        "effect_after_holm": ratio.p_holm.map(|_| word(ratio.effect_after_holm())),
        "seeds_to_settle": if effect == "open" { ratio.seeds_to_settle() } else { None },
    })
}
