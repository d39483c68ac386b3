//! `kubectl get nodes -o json`: nodes with their labels and what they offer.

use super::labels;
use super::reading::Reading;
use super::site::{Gpus, Server, Site};
use crate::fault::{Fault, listed};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What the kubelet calls GPUs.
const RESOURCES: [&str; 2] = ["nvidia.com/gpu", "amd.com/gpu"];

/// Labels of GPU Feature Discovery.
const COUNT: &str = "nvidia.com/gpu.count";
const PRODUCT: &str = "nvidia.com/gpu.product";

/// What a label of a node with a GPU begins with.
const GPU_LABELS: &str = "nvidia.com/gpu.";

#[derive(Deserialize)]
struct Listing {
    kind: Option<String>,
    items: Option<Vec<Item>>,
    #[serde(flatten)]
    own: Item,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    capacity: BTreeMap<String, serde_json::Value>,
}

/// Reads the nodes.
///
/// # Errors
/// What is no list of nodes, and all that labels do not tell.
pub fn read(text: &str, reading: &Reading) -> Result<Site, Vec<Fault>> {
    let items = items(text).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let mut servers: Vec<Server> = Vec::new();
    let mut notes = Vec::new();
    let mut without = Vec::new();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for (at, item) in items.into_iter().enumerate() {
        if let Some(kind) = item.kind.as_deref().filter(|kind| *kind != "Node") {
            faults.push(Fault::whole(format!("items[{at}] is a {kind}; allowed: nodes, kubectl get nodes -o json")));
            continue;
        }
        let Some(name) = item.metadata.name else {
            faults.push(Fault::whole(format!("items[{at}] has no metadata.name")));
            continue;
        };
        if let Some(first) = names.insert(name.clone(), at) {
            faults.push(Fault::whole(format!("node {name} is there twice, as items[{first}] and items[{at}]")));
        }
        let gpus = gpus(&name, &item.metadata.labels, &item.status.capacity).unwrap_or_else(|fault| {
            faults.push(fault);
            Gpus::Untold
        });
        let has_gpu_labels = item.metadata.labels.keys().any(|label| label.starts_with(GPU_LABELS));
        if gpus == Gpus::Told(0) || gpus == Gpus::Untold && !has_gpu_labels {
            without.push((name, item.metadata.labels));
            continue;
        }
        let product = item.metadata.labels.get(PRODUCT).cloned();
        servers.push(Server { name, gpus, product, labels: item.metadata.labels, ..Server::default() });
    }
    if servers.is_empty() && reading.gpus_are_told {
        // Nobody tells of GPUs, but the command line does: all are servers.
        servers.extend(without.drain(..).map(|(name, labels)| Server { name, labels, ..Server::default() }));
    }
    if !without.is_empty() {
        let names = listed(without.iter().map(|(name, _)| name.as_str()));
        notes.push(format!("left out, since nothing tells of a GPU: {names}"));
    }
    if servers.is_empty() {
        let remedy = "--gpus-per-node N says how many each has";
        faults.push(Fault::whole(format!("no node tells of a GPU by {COUNT}, {}: {remedy}", RESOURCES.join(", "))));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let placed = labels::place(&mut servers, reading, &mut notes);
    let domains = labels::domains(&mut servers, reading, &mut notes);
    let faults: Vec<Fault> = [placed, domains].into_iter().filter_map(Result::err).flatten().collect();
    if faults.is_empty() { Ok(Site { format: "kubernetes", servers, notes }) } else { Err(faults) }
}

/// The nodes of a list, or the one that there is.
fn items(text: &str) -> Result<Vec<Item>, Fault> {
    let listing: Listing = serde_json::from_str(text).map_err(|error| {
        let remedy = if error.is_eof() { "; it is cut off: write it again" } else { "" };
        // The place stands before the message, as for other formats.
        let said = error.to_string();
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said).to_owned();
        Fault::at(Some(error.line() as u64), format!("no JSON of nodes: {said}{remedy}"))
    })?;
    match (listing.items, listing.kind.as_deref()) {
        (Some(items), _) => Ok(items),
        (None, Some("Node")) => Ok(vec![listing.own]),
        (None, kind) => Err(Fault::whole(format!(
            "{}; allowed: a list of nodes, kubectl get nodes -o json",
            kind.map_or_else(|| "no list of nodes".to_owned(), |kind| format!("a {kind}"))
        ))),
    }
}

/// The GPUs of a node.
fn gpus(
    node: &str,
    labels: &BTreeMap<String, String>,
    capacity: &BTreeMap<String, serde_json::Value>,
) -> Result<Gpus, Fault> {
    let number = |place: &str, text: &str| {
        let refused = || Fault::whole(format!("node {node}: {place} = {text:?}; allowed: a number of GPUs"));
        text.parse::<u32>().map_err(|_| refused())
    };
    let label = labels.get(COUNT).map(|text| number(COUNT, text)).transpose()?;
    let offered = RESOURCES.iter().find_map(|resource| capacity.get(*resource).map(|value| (*resource, value)));
    let offered = offered
        .map(|(resource, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            number(resource, &text)
        })
        .transpose()?;
    Ok(match (label, offered) {
        // MIG slices and time slices are offered as many; none is offered while the plugin is down.
        (Some(label), Some(offered)) if label != offered => Gpus::Contradiction(label, offered),
        (Some(count), _) | (None, Some(count)) => Gpus::Told(count),
        (None, None) => Gpus::Untold,
    })
}
