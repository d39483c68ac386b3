//! What is the same at every point of an experiment, in one line of its answer.

use netkv_grid::Experiment;
use std::collections::{BTreeMap, BTreeSet};

/// Load, instances, network and workload, as far as no axis sweeps them; none if all are swept.
pub fn words(experiment: &Experiment) -> Option<String> {
    let mut points = experiment.cells().step_by(experiment.seeds().len());
    let parts = parts(&settings(experiment), points.any(|cell| cell.spec().has_nic_rates()));
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

fn parts(settings: &BTreeMap<String, String>, nics_by_node: bool) -> Vec<String> {
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
        pools(&number, said("fabric.topology").is_some_and(|file| !file.is_empty())),
        if nics_by_node {
            Some("NICs by node".to_owned())
        } else {
            said("fabric.nic_gbps").map(|nic| format!("NIC {nic} Gb/s"))
        },
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

/// "8 prefill and 8 decode instances"; the latter only if keys say how many there are.
fn pools(number: &dyn Fn(&str) -> Option<f64>, has_topology: bool) -> Option<String> {
    let prefill = number("cluster.prefill_instances")?;
    let (tp, decode_tp) = (number("cluster.tp")?, number("decode.tp")?);
    let decode = match number("cluster.decode_instances")? {
        0.0 if has_topology => return Some(format!("{prefill} prefill instances")),
        0.0 => {
            let nodes = ["pods", "racks_per_pod", "nodes_per_rack"]
                .into_iter()
                .map(|key| number(&format!("cluster.{key}")))
                .product::<Option<f64>>()?;
            let gpus = nodes * (number("cluster.gpus_per_node")? - number("cluster.unused_gpus_per_node")?);
            (gpus - prefill * tp) / if decode_tp > 0.0 { decode_tp } else { tp }
        }
        some => some,
    };
    Some(format!("{prefill} prefill and {decode} decode instances"))
}

#[cfg(test)]
mod tests {
    use super::parts;
    use std::collections::BTreeMap;

    fn all() -> [(&'static str, &'static str); 18] {
        [
            ("workload.load", "\"prefill_utilisation\""),
            ("workload.prefill_utilisation_ratio", "0.6"),
            ("workload.loop", "\"open\""),
            ("workload.context", "\"native\""),
            ("cluster.pods", "2"),
            ("cluster.racks_per_pod", "2"),
            ("cluster.nodes_per_rack", "2"),
            ("cluster.gpus_per_node", "8"),
            ("cluster.tp", "4"),
            ("decode.tp", "0"),
            ("cluster.decode_instances", "0"),
            ("cluster.unused_gpus_per_node", "0"),
            ("fabric.topology", "\"\""),
            ("cluster.prefill_instances", "6"),
            ("fabric.nic_gbps", "100.0"),
            ("fabric.rack_oversubscription", "2.0"),
            ("fabric.pod_oversubscription", "4.0"),
            ("background.kind", "\"modulated\""),
        ]
    }

    fn said(swept: &[&str]) -> String {
        let left = all().into_iter().filter(|(key, _)| !swept.contains(key));
        parts(&left.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(), false).join(", ")
    }

    #[test]
    fn only_what_no_axis_sweeps_is_said() {
        let network = "NIC 100 Gb/s, oversubscription 2 of racks and 4 of pods, background modulated, context native";
        assert_eq!(said(&[]), format!("load 0.6 of prefill, 6 prefill and 10 decode instances, {network}"));
        let mixed = |changed: &[(&str, &str)]| {
            let own = |key: &str| changed.iter().find(|(other, _)| *other == key).map(|(_, value)| *value);
            let settings = all().map(|(key, value)| (key.to_owned(), own(key).unwrap_or(value).to_owned()));
            parts(&settings.into_iter().collect(), false)[1].clone()
        };
        assert_eq!(mixed(&[("decode.tp", "8")]), "6 prefill and 5 decode instances");
        assert_eq!(mixed(&[("cluster.unused_gpus_per_node", "4")]), "6 prefill and 2 decode instances");
        assert_eq!(mixed(&[("cluster.decode_instances", "3")]), "6 prefill and 3 decode instances");
        assert_eq!(mixed(&[("fabric.topology", "\"nodes.toml\"")]), "6 prefill instances");
        let swept =
            ["workload.prefill_utilisation_ratio", "fabric.nic_gbps", "fabric.pod_oversubscription", "cluster.pods"];
        assert_eq!(said(&swept), "oversubscription 2 of racks, background modulated, context native");
        assert_eq!(parts(&BTreeMap::new(), true), ["NICs by node"]);
    }

    #[test]
    fn a_loop_that_waits_is_said_with_its_think_times() {
        let of = |pairs: &[(&str, &str)]| {
            let settings = pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
            parts(&settings.collect(), false).join(", ")
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
