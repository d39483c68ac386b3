//! What is the same at every point of an experiment, in one line of its answer.

use netkv_grid::Experiment;
use std::collections::{BTreeMap, BTreeSet};

/// Load, instances, network and workload, as far as no axis sweeps them; none if all are swept.
pub fn words(experiment: &Experiment) -> Option<String> {
    let parts = parts(&settings(experiment));
    (!parts.is_empty()).then(|| format!("fixed: {}", parts.join(", ")))
}

/// The keys that are equal at all points. Axes set keys one by one or by files, so it is enough to look at one point for
/// each of their values.
fn settings(experiment: &Experiment) -> BTreeMap<String, String> {
    let mut seen: BTreeSet<(usize, String)> = BTreeSet::new();
    let mut settings: Option<BTreeMap<String, String>> = None;
    for cell in experiment.cells().step_by(experiment.seeds().len()) {
        let values = cell.axis_values().iter().map(ToString::to_string).enumerate();
        if values.map(|place| seen.insert(place)).fold(settings.is_none(), |any, is_new| any | is_new) {
            let own: BTreeMap<_, _> =
                experiment.resolved(&cell).into_iter().map(|(key, value, _)| (key, value)).collect();
            settings = Some(match settings {
                None => own,
                Some(mut known) => {
                    known.retain(|key, value| own.get(key) == Some(value));
                    known
                }
            });
        }
    }
    settings.unwrap_or_default()
}

fn parts(settings: &BTreeMap<String, String>) -> Vec<String> {
    let said = |key: &str| settings.get(key).map(|value| value.trim_matches('"').trim_end_matches(".0").to_owned());
    let number = |key: &str| said(key).and_then(|value| value.parse::<f64>().ok());
    let rack = said("fabric.rack_oversubscription").map(|value| format!("{value} of racks"));
    let pod = said("fabric.pod_oversubscription").map(|value| format!("{value} of pods"));
    let oversubscription: Vec<String> = rack.into_iter().chain(pod).collect();
    [
        said("workload.load").and_then(|load| match load.as_str() {
            "prefill_utilisation" => Some(format!("load {} of prefill", said("workload.prefill_utilisation_ratio")?)),
            "rate" => Some(format!("{} requests/s", said("workload.rate_rps")?)),
            "capacity" => Some(format!(
                "load {} of {} requests/s",
                said("workload.capacity_ratio")?,
                said("workload.capacity_rps")?
            )),
            "sessions" => Some(format!("{} sessions at once", said("workload.sessions")?)),
            _ => Some("load as in the trace".to_owned()),
        }),
        waiting(&said),
        pools(&number),
        said("fabric.nic_gbps").map(|nic| format!("NIC {nic} Gb/s")),
        (!oversubscription.is_empty()).then(|| format!("oversubscription {}", oversubscription.join(" and "))),
        said("background.kind").map(|kind| format!("background {kind}")),
        said("workload.context").and_then(|context| match context.as_str() {
            "fixed" => Some(format!("context {} tokens", said("workload.context_tokens")?)),
            "scaled" => Some(format!("context x {}", said("workload.context_scale")?)),
            _ => Some(format!("context {context}")),
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// "closed loop, think times exponential, 30 s"; nothing of an open one.
fn waiting(said: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let kind = said("workload.loop").filter(|kind| kind != "open")?.replace('_', " ");
    let think = said("workload.think")?;
    if think == "trace" {
        return Some(format!("{kind} loop, think times of the trace"));
    }
    let mean_s = said("workload.think_s").map_or_else(String::new, |mean_s| format!(", {mean_s} s"));
    Some(format!("{kind} loop, think times {think}{mean_s}"))
}

/// "8 prefill and 8 decode instances".
fn pools(number: &dyn Fn(&str) -> Option<f64>) -> Option<String> {
    let gpus = ["pods", "racks_per_pod", "nodes_per_rack", "gpus_per_node"]
        .into_iter()
        .map(|key| number(&format!("cluster.{key}")))
        .product::<Option<f64>>()?;
    let prefill = number("cluster.prefill_instances")?;
    let decode = gpus / number("cluster.tp")? - prefill;
    Some(format!("{prefill} prefill and {decode} decode instances"))
}

#[cfg(test)]
mod tests {
    use super::parts;

    fn said(swept: &[&str]) -> String {
        let all = [
            ("workload.load", "\"prefill_utilisation\""),
            ("workload.prefill_utilisation_ratio", "0.6"),
            ("workload.loop", "\"open\""),
            ("workload.context", "\"native\""),
            ("cluster.pods", "2"),
            ("cluster.racks_per_pod", "2"),
            ("cluster.nodes_per_rack", "2"),
            ("cluster.gpus_per_node", "8"),
            ("cluster.tp", "4"),
            ("cluster.prefill_instances", "6"),
            ("fabric.nic_gbps", "100.0"),
            ("fabric.rack_oversubscription", "2.0"),
            ("fabric.pod_oversubscription", "4.0"),
            ("background.kind", "\"modulated\""),
        ];
        let left = all.into_iter().filter(|(key, _)| !swept.contains(key));
        parts(&left.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()).join(", ")
    }

    #[test]
    fn only_what_no_axis_sweeps_is_said() {
        let network = "NIC 100 Gb/s, oversubscription 2 of racks and 4 of pods, background modulated, context native";
        assert_eq!(said(&[]), format!("load 0.6 of prefill, 6 prefill and 10 decode instances, {network}"));
        let swept =
            ["workload.prefill_utilisation_ratio", "fabric.nic_gbps", "fabric.pod_oversubscription", "cluster.pods"];
        assert_eq!(said(&swept), "oversubscription 2 of racks, background modulated, context native");
    }

    #[test]
    fn a_loop_that_waits_is_said_with_its_think_times() {
        let of = |pairs: &[(&str, &str)]| {
            parts(&pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()).join(", ")
        };
        let closed = [
            ("workload.load", "\"sessions\""),
            ("workload.sessions", "64"),
            ("workload.loop", "\"closed\""),
            ("workload.think", "\"exponential\""),
            ("workload.think_s", "30.0"),
        ];
        assert_eq!(of(&closed), "64 sessions at once, closed loop, think times exponential, 30 s");
        let partly = [("workload.loop", "\"partly_open\""), ("workload.think", "\"trace\"")];
        assert_eq!(of(&partly), "partly open loop, think times of the trace");
    }
}
