//! The experiment file of a cluster.

use super::parts::Cluster;
use crate::fault::Fault;
use crate::hostlist::compress;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Keys that no input tells, with what to look at and when they are asked for.
const ASKED: [(&str, &str, Asked); 9] = [
    ("cluster.tp", "GPUs of one instance (tensor parallelism)", Asked::Always),
    ("cluster.prefill_instances", "how many of the instances prefill", Asked::WithoutRoles),
    (
        "cluster.placement",
        "where they are: \"scattered\", \"per_node\", \"per_rack\", \"per_pod\"",
        Asked::WithoutRoles,
    ),
    ("fabric.nvlink_gbytes_per_s", "NVLink of a GPU, GB/s each way", Asked::Always),
    ("fabric.nic_gbps", "line rate of a GPU's network interface, Gb/s", Asked::Always),
    ("fabric.rack_oversubscription", "what a rack's GPUs can send over what its uplinks carry", Asked::Racks),
    ("fabric.pod_oversubscription", "the same of a pod", Asked::Pods),
    ("background.kind", "traffic of others: \"none\" if the network is yours alone", Asked::Always),
    ("model.profile", "latencies of your GPUs and model", Asked::Always),
];

/// When a key is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Always,
    /// Roles are not told.
    WithoutRoles,
    /// There are several racks, or pods.
    Racks,
    Pods,
}

/// The axes of a file to begin with.
const AXES: &str = "\
[[axis]]                         # how busy the prefill instances are, with cold caches
key = \"workload.prefill_utilisation_ratio\"
values = [0.3, 0.6, 0.9]

[[axis]]                         # docs/policies.md has every policy; clairvoyant is a yardstick, no router
key = \"policy.name\"
values = [\"round_robin\", \"load_aware\", \"cache_load_aware\", \"netkv\", \"netkv_joint\", \"clairvoyant\"]
";

/// The experiment file `name`, of letters, digits, "-" and "_": the cluster's shape, the keys of `set` as TOML values, and where each server is. With `base` the keys
/// that nobody tells are those of the base experiment, and the file says so.
///
/// # Errors
/// Keys that are asked for, and those that the input has settled.
pub fn written(
    cluster: &Cluster,
    name: &str,
    source: &str,
    set: &BTreeMap<String, String>,
    base: bool,
) -> Result<String, Vec<Fault>> {
    let mut settled = settled(cluster, set)?;
    let asked: Vec<&(&str, &str, Asked)> = ASKED
        .iter()
        .filter(|(key, _, when)| is_asked(cluster, *when) && !settled.contains_key(*key) && !set.contains_key(*key))
        .collect();
    if !asked.is_empty() && !base {
        let fault = |(key, meaning, _): &&(&str, &str, Asked)| {
            Fault::whole(format!("the input does not tell {key} ({meaning}): --set {key}=VALUE"))
        };
        let all =
            Fault::whole("--assume-base takes what is not told from netkv's base experiment, and says so in the file");
        return Err(asked.iter().map(fault).chain([all]).collect());
    }
    if asked.is_empty() && base {
        return Err(vec![Fault::whole("--assume-base has no effect: everything is told")]);
    }
    settled.extend(set.clone());
    let mut text = format!(
        "# A cluster as {source} tells of it. `netkv run` on this file answers: does network-aware selection of the decode\n\
         # instance pay here, and where? Keys that are not here come from netkv's base experiment.\n"
    );
    for note in &cluster.notes {
        text_line(&mut text, &format!("# {note}"));
    }
    if let Some(product) = &cluster.product {
        text_line(&mut text, &format!("# GPUs: {product}; model.profile is to be of these"));
    }
    text_line(&mut text, "extends = \"builtin:base\"");
    text_line(&mut text, &format!("name = \"{name}\""));
    text_line(&mut text, "seeds = [1, 2, 3, 4, 5]");
    if !asked.is_empty() {
        text_line(
            &mut text,
            "\n# NOT TOLD by the input, and therefore those of the base experiment. Set them, each in its section:",
        );
        asked.iter().for_each(|(key, meaning, _)| text_line(&mut text, &format!("#   {key}: {meaning}")));
    }
    sections(&mut text, &settled);
    text.push('\n');
    text.push_str(AXES);
    places(&mut text, cluster);
    Ok(text)
}

fn is_asked(cluster: &Cluster, when: Asked) -> bool {
    let [pods, racks, ..] = cluster.shape();
    match when {
        Asked::Always => true,
        Asked::WithoutRoles => !cluster.has_roles(),
        Asked::Racks => pods * racks > 1,
        Asked::Pods => pods > 1,
    }
}

/// The keys that the input settles, as TOML values.
fn settled(cluster: &Cluster, set: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Vec<Fault>> {
    let [pods, racks, nodes, gpus] = cluster.shape();
    let counts = [("pods", pods), ("racks_per_pod", racks), ("nodes_per_rack", nodes), ("gpus_per_node", gpus)];
    let mut settled: BTreeMap<String, String> =
        counts.iter().map(|(key, count)| (format!("cluster.{key}"), count.to_string())).collect();
    if cluster.has_roles() {
        let tp = set.get("cluster.tp").and_then(|tp| tp.parse::<u32>().ok()).filter(|tp| *tp > 0);
        let Some(tp) = tp else {
            return Err(vec![Fault::whole("which instances prefill depends on their size: --set cluster.tp=GPUS")]);
        };
        if gpus % tp != 0 {
            return Err(vec![Fault::whole(format!("cluster.tp = {tp} does not divide the {gpus} GPUs of a node"))]);
        }
        let prefill = cluster.prefill_instances(tp).map_err(|fault| vec![fault])?;
        settled.insert("cluster.prefill_instances".to_owned(), prefill.len().to_string());
        settled.insert("cluster.placement".to_owned(), format!("{prefill:?}"));
    }
    let overruled: Vec<Fault> = settled
        .keys()
        .filter(|key| set.contains_key(*key))
        .map(|key| Fault::whole(format!("--set {key}: the input tells it")))
        .collect();
    if overruled.is_empty() { Ok(settled) } else { Err(overruled) }
}

/// The keys by section.
fn sections(text: &mut String, keys: &BTreeMap<String, String>) {
    let mut sorted: Vec<((&str, &str), &String)> =
        keys.iter().map(|(key, value)| (key.rsplit_once('.').unwrap_or(("", key)), value)).collect();
    sorted.sort();
    let mut last = String::new();
    for ((section, name), value) in sorted {
        if section != last {
            text_line(text, &format!("\n[{section}]"));
            section.clone_into(&mut last);
        }
        text_line(text, &format!("{name} = {value}"));
    }
}

/// Which server is where, as comments: numbers of pods, racks and nodes as results have them.
fn places(text: &mut String, cluster: &Cluster) {
    text_line(text, "\n# Where servers are, pods, racks and nodes counted from 0 as in results:");
    for (at, pod) in cluster.pods.iter().enumerate() {
        let name = pod.name.as_deref().map_or_else(String::new, |name| format!(" ({name})"));
        text_line(text, &format!("# pod {at}{name}"));
        for (at, rack) in pod.racks.iter().enumerate() {
            let one =
                |unit: &super::parts::Unit| compress(&unit.servers.iter().map(String::as_str).collect::<Vec<_>>());
            let single = rack.units.iter().all(|unit| unit.servers.len() == 1);
            let nodes = if single {
                compress(&rack.units.iter().map(|unit| unit.servers[0].as_str()).collect::<Vec<_>>())
            } else {
                rack.units.iter().map(one).collect::<Vec<_>>().join(" | ")
            };
            text_line(text, &format!("#   rack {at} ({}): {nodes}", rack.name));
        }
    }
}

fn text_line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("a string takes any text");
}
