//! Labels that tell where a node stands: which there are, and what is taken from them.

use super::reading::Reading;
use super::site::Server;
use crate::fault::{Fault, listed};
use netkv_units::nearest;
use std::collections::{BTreeMap, BTreeSet};

/// Families of labels for the switches above a node, the nearest first. Sources: Topograph's reference of node labels, as it
/// is and as it was before its version 1.1; the EC2 guide to instance topology, whose layer 3 is the nearest.
const TIERS: [&[&str]; 4] = [
    &[
        "fabric.topograph.run/tier-0",
        "fabric.topograph.run/tier-1",
        "fabric.topograph.run/tier-2",
        "fabric.topograph.run/tier-3",
        "fabric.topograph.run/tier-4",
    ],
    &["network.topology.nvidia.com/leaf", "network.topology.nvidia.com/spine", "network.topology.nvidia.com/core"],
    &[
        "network.topology.nvidia.com/block",
        "network.topology.nvidia.com/spine",
        "network.topology.nvidia.com/datacenter",
    ],
    &[
        "topology.k8s.aws/network-node-layer-3",
        "topology.k8s.aws/network-node-layer-2",
        "topology.k8s.aws/network-node-layer-1",
    ],
];

/// Around all switches, the nearest first.
const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";

/// Labels whose value is the NVLink domain. Sources: Topograph's reference and models, NVIDIA's device plugin, CoreWeave.
const DOMAINS: [&str; 6] = [
    "accelerator.topograph.run/domain",
    "network.topology.nvidia.com/accelerator",
    "nvidia.com/gpu.clique",
    "accelerated.topology.nvidia.com/level-0",
    "accelerator.topology.test/domain",
    "ds.coreweave.com/nvlink.domain",
];

/// Labels whose value is a part of the domain.
const SUB_DOMAINS: [&str; 2] = ["accelerator.topograph.run/sub-domain", "accelerator.topology.test/sub-domain"];

/// Sets the switches above servers from their labels, and tells what was taken.
///
/// # Errors
/// No label tells the racks, a label that is asked for is on no node, servers in several regions.
pub fn place(servers: &mut [Server], reading: &Reading, notes: &mut Vec<String>) -> Result<(), Vec<Fault>> {
    let on_any = |label: &str| servers.iter().any(|server| server.labels.contains_key(label));
    let regions = values(servers, REGION);
    if regions.len() > 1 {
        let shown = listed(regions.iter().map(String::as_str));
        return Err(vec![Fault::whole(format!(
            "nodes of {} regions ({shown}); a fabric is in one: kubectl get nodes -l {REGION}=NAME -o json",
            regions.len()
        ))]);
    }
    let mut tiers: Vec<String> = reading.tier_labels.clone();
    let unknown: Vec<Fault> =
        tiers.iter().filter(|label| !on_any(label)).map(|label| no_such("--tier-label", label, servers)).collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    if tiers.is_empty() {
        let family = TIERS.iter().find(|family| on_any(family[0])).ok_or_else(|| vec![no_tiers(servers)])?;
        tiers.extend(family.iter().filter(|label| on_any(label)).map(|label| (*label).to_owned()));
        if values(servers, ZONE).len() > 1 {
            tiers.push(ZONE.to_owned());
        }
    }
    notes.push(format!("switches above a node, the nearest first: {}", tiers.join(", ")));
    for server in servers {
        // A node that lacks the label of a tier has too few switches, or none: that is told with the others' number.
        server.switches = tiers.iter().map_while(|label| server.labels.get(label).cloned()).collect();
    }
    Ok(())
}

/// Sets the NVLink domains of servers from their labels.
///
/// # Errors
/// Labels that tell different domains, or one that is asked for and is on no node.
pub fn domains(servers: &mut [Server], reading: &Reading, notes: &mut Vec<String>) -> Result<(), Vec<Fault>> {
    let on_any = |label: &str| servers.iter().any(|server| server.labels.contains_key(label));
    let label = match &reading.domain_label {
        Some(label) if on_any(label) => label.clone(),
        Some(label) => return Err(vec![no_such("--domain-label", label, servers)]),
        None => {
            let told: Vec<&str> = DOMAINS.into_iter().filter(|label| on_any(label)).collect();
            let Some(first) = told.first() else { return Ok(()) };
            let differs = told.iter().find(|label| groups(servers, label) != groups(servers, first));
            if let Some(other) = differs {
                return Err(vec![Fault::whole(format!(
                    "{first} and {other} tell different NVLink domains; --domain-label LABEL says which is meant"
                ))]);
            }
            (*first).to_owned()
        }
    };
    notes.push(format!("NVLink domains: {label}"));
    let sub = SUB_DOMAINS.into_iter().find(|label| on_any(label));
    for server in servers {
        server.domain = server.labels.get(&label).cloned();
        server.sub_domain = sub.and_then(|label| server.labels.get(label).cloned());
    }
    Ok(())
}

/// A label that is asked for and is on no node.
pub fn no_such(option: &str, label: &str, servers: &[Server]) -> Fault {
    let known: BTreeSet<&str> = servers.iter().flat_map(|server| server.labels.keys().map(String::as_str)).collect();
    let near = nearest(label, known.iter().copied());
    let remedy = match near {
        Some(near) => format!("; did you mean {near}?"),
        None if known.is_empty() => "; the input has no labels".to_owned(),
        None => format!("; there are {}", listed(known.iter().copied())),
    };
    Fault::whole(format!("{option} {label}: no node has this label{remedy}"))
}

/// Which switch a node hangs on, no known label tells: those that could, are named.
fn no_tiers(servers: &[Server]) -> Fault {
    let labels: BTreeSet<&str> = servers.iter().flat_map(|server| server.labels.keys().map(String::as_str)).collect();
    let could = labels.into_iter().filter(|label| {
        let n_values = values(servers, label).len();
        *label != "kubernetes.io/hostname" && (2..servers.len()).contains(&n_values)
    });
    let could = listed(could);
    let hint = if could.is_empty() { String::new() } else { format!("; labels that group nodes: {could}") };
    Fault::whole(format!(
        "no label tells the switches above the nodes (known: {}, ...): --tier-label LABEL, the nearest first, says \
         which do{hint}",
        TIERS.iter().map(|family| family[0]).collect::<Vec<_>>().join(", ")
    ))
}

/// The values of a label.
fn values(servers: &[Server], label: &str) -> BTreeSet<String> {
    servers.iter().filter_map(|server| server.labels.get(label).cloned()).collect()
}

/// Which servers a label puts together, whatever it calls them.
fn groups(servers: &[Server], label: &str) -> BTreeSet<Vec<usize>> {
    let mut groups: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    for (at, server) in servers.iter().enumerate() {
        if let Some(value) = server.labels.get(label) {
            groups.entry(value).or_default().push(at);
        }
    }
    groups.into_values().collect()
}
