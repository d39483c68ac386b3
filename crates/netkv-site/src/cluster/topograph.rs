//! Topograph's model files, in the three forms that they have had: switches as a list with capacity blocks below them, as a
//! map with nodes below them, and as a map with `blocks` of nodes that name their switch. Source: Topograph's page on modelling,
//! and the models of its tests.

use super::labels;
use super::reading::Reading;
use super::site::{Server, Site};
use super::slurm_yaml::{line, named};
use super::tree::{Named, Paths, Switch, paths};
use super::yaml;
use crate::fault::{Fault, listed};
use crate::hostlist::expand;
use netkv_units::nearest;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    #[serde(default, rename = "topology")]
    _plugin: Option<String>,
    #[serde(default, rename = "physical_layers")]
    _physical_layers: Option<IgnoredAny>,
    #[serde(default)]
    switches: Entries<ModelSwitch>,
    #[serde(default)]
    nodes: Entries<Node>,
    #[serde(default)]
    capacity_blocks: Entries<CapacityBlock>,
    #[serde(default)]
    blocks: Vec<Group>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ModelSwitch {
    name: Option<String>,
    metadata: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    switches: Vec<Spanned<String>>,
    nodes: Vec<Spanned<String>>,
    capacity_blocks: Vec<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Node {
    name: Option<String>,
    id: Option<String>,
    #[serde(rename = "type")]
    product: Option<String>,
    capacity_block: Option<Spanned<String>>,
    attributes: Attributes,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CapacityBlock {
    name: Option<String>,
    #[serde(rename = "type")]
    product: Option<String>,
    nvlink: Option<String>,
    nodes: Vec<Spanned<String>>,
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Attributes {
    nvlink: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    switch: Option<Spanned<String>>,
    #[serde(default)]
    nodes: Vec<Spanned<String>>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Named things in the order of the file: a map, or a list of things that say their name.
struct Entries<T>(Vec<(Named, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// What says its name in a list, and may say it in a map.
trait Says {
    fn name(&self) -> Option<&str>;
}

impl Says for ModelSwitch {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl Says for Node {
    fn name(&self) -> Option<&str> {
        self.name.as_deref().or(self.id.as_deref())
    }
}

impl Says for CapacityBlock {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl<'de, T: DeserializeOwned + Default + Says> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned + Default + Says> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map by name, or a list of things with a name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Option<T>>()? {
            let value = value.unwrap_or_default();
            if let Some(other) = value.name().filter(|name| *name != key.value) {
                return Err(serde::de::Error::custom(format!("{} calls itself {other}", key.value)));
            }
            entries.push((named(&key), value));
        }
        Ok(Entries(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(value) = list.next_element::<Spanned<T>>()? {
            let Some(name) = value.value.name().map(str::to_owned) else {
                return Err(serde::de::Error::custom(format!("entry {} has no name", entries.len() + 1)));
            };
            entries.push((Named { name, line: line(&value) }, value.value));
        }
        Ok(Entries(entries))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Entries::default())
    }
}

/// Reads a model.
///
/// # Errors
/// YAML that is no model, names that nothing describes, servers on two switches or in two blocks.
pub fn read(text: &str, reading: &Reading) -> Result<Site, Vec<Fault>> {
    let model: Model = yaml::read(text).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let mut servers = servers(&model, &mut faults);
    let switches = switches(&model, &servers, &mut faults);
    // A leaf of the newest form may be known from its parent and its block alone.
    let paths = paths(&switches, true).map_err(|more| [std::mem::take(&mut faults), more].concat());
    let paths = match paths {
        Ok(paths) if faults.is_empty() => paths,
        Ok(_) => return Err(faults),
        Err(faults) => return Err(faults),
    };
    let mut notes = Vec::new();
    let empty: BTreeSet<&str> = paths.empty.iter().map(String::as_str).collect();
    if !empty.is_empty() {
        notes.push(format!("switches without servers: {}", listed(empty)));
    }
    inherit(&model, &paths, &mut servers);
    let mut servers: Vec<Server> = servers.into_values().collect();
    servers.sort_by_key(|server| server.line);
    if servers.is_empty() {
        return Err(vec![Fault::whole("the model has no nodes")]);
    }
    if servers.iter().all(|server| server.domain.is_none()) {
        labels::domains(&mut servers, reading, &mut notes)?;
    } else {
        notes.push("NVLink domains: attribute nvlink".to_owned());
    }
    Ok(Site { format: "topograph", servers, notes })
}

/// The names of lists, with the lines of these.
fn names(lists: &[Spanned<String>], faults: &mut Vec<Fault>) -> Vec<Named> {
    let mut all = Vec::new();
    for list in lists {
        match expand(&list.value) {
            Ok(names) => all.extend(names.into_iter().map(|name| Named { name, line: line(list) })),
            Err(message) => faults.push(Fault::at(line(list), message)),
        }
    }
    all
}

/// The servers by name, from whatever describes them, without their switches.
fn servers(model: &Model, faults: &mut Vec<Fault>) -> BTreeMap<String, Server> {
    let mut servers: BTreeMap<String, Server> = BTreeMap::new();
    for (own, node) in &model.nodes.0 {
        let labels = node.labels.iter().chain(&node.annotations).map(pair).collect();
        let domain = node.attributes.nvlink.clone();
        let server = Server {
            name: own.name.clone(),
            line: own.line,
            product: node.product.clone(),
            domain,
            labels,
            ..Server::default()
        };
        if servers.insert(own.name.clone(), server).is_some() {
            faults.push(Fault::at(own.line, format!("node {} is described twice", own.name)));
        }
    }
    let are_described = !servers.is_empty();
    let known: Vec<String> = servers.keys().cloned().collect();
    let mut blocks: BTreeMap<String, String> = BTreeMap::new();
    for (own, node) in &model.nodes.0 {
        if let Some(block) = &node.capacity_block {
            blocks.insert(own.name.clone(), block.value.clone());
        }
    }
    for (own, block) in &model.capacity_blocks.0 {
        for server in names(&block.nodes, faults) {
            if are_described && !servers.contains_key(&server.name) {
                faults.push(unknown(&server, "node", &known, &format!("capacity block {}", own.name)));
                continue;
            }
            if let Some(other) = blocks.insert(server.name.clone(), own.name.clone()).filter(|other| *other != own.name)
            {
                let message = format!("node {} is in capacity block {} and in {other}", server.name, own.name);
                faults.push(Fault::at(server.line, message));
            }
            let entry = servers.entry(server.name.clone()).or_insert_with(|| fresh(&server));
            entry.product = entry.product.take().or_else(|| block.product.clone());
            let nvlink = block.attributes.nvlink.clone().or_else(|| block.nvlink.clone());
            entry.domain = entry.domain.take().or(nvlink);
        }
    }
    for group in &model.blocks {
        for server in names(&group.nodes, faults) {
            let entry = servers.entry(server.name.clone()).or_insert_with(|| fresh(&server));
            entry.labels.extend(group.labels.iter().chain(&group.annotations).map(pair));
        }
    }
    servers
}

fn fresh(named: &Named) -> Server {
    Server { name: named.name.clone(), line: named.line, ..Server::default() }
}

fn pair((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

/// Something that is named and nowhere described.
fn unknown(named: &Named, what: &str, known: &[String], place: &str) -> Fault {
    let near = nearest(&named.name, known.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Fault::at(named.line, format!("{what} {} of {place} is nowhere described{near}", named.name))
}

/// The switches with the servers on them.
fn switches(model: &Model, servers: &BTreeMap<String, Server>, faults: &mut Vec<Fault>) -> Vec<Switch> {
    let blocks: BTreeMap<&str, &CapacityBlock> =
        model.capacity_blocks.0.iter().map(|(own, block)| (own.name.as_str(), block)).collect();
    let block_names: Vec<String> = blocks.keys().map(|name| (*name).to_owned()).collect();
    let server_names: Vec<String> = servers.keys().cloned().collect();
    let mut all = Vec::new();
    for (own, switch) in &model.switches.0 {
        let place = format!("switch {}", own.name);
        let mut on = names(&switch.nodes, faults);
        for server in on.iter().filter(|server| !servers.contains_key(&server.name)) {
            faults.push(unknown(server, "node", &server_names, &place));
        }
        for block in &switch.capacity_blocks {
            match blocks.get(block.value.as_str()) {
                Some(block) => on.extend(names(&block.nodes, &mut Vec::new())),
                None => faults.push(unknown(&named(block), "capacity block", &block_names, &place)),
            }
        }
        let below = names(&switch.switches, faults);
        all.push(Switch { own: own.clone(), switches: below, servers: on });
    }
    let mut known: BTreeSet<String> = BTreeSet::new();
    known.extend(all.iter().map(|switch| switch.own.name.clone()));
    known.extend(all.iter().flat_map(|switch| switch.switches.iter().map(|child| child.name.clone())));
    for group in &model.blocks {
        let Some(switch) = &group.switch else { continue };
        let on = names(&group.nodes, &mut Vec::new());
        if let Some(described) = all.iter_mut().find(|own| own.own.name == switch.value) {
            described.servers.extend(on);
        } else if known.contains(&switch.value) {
            all.push(Switch { own: named(switch), switches: Vec::new(), servers: on });
        } else {
            let known: Vec<String> = known.iter().cloned().collect();
            faults.push(unknown(&named(switch), "switch", &known, "a block"));
        }
    }
    all
}

/// Gives every server its switches, and their labels where it has none of its own.
fn inherit(model: &Model, paths: &Paths, servers: &mut BTreeMap<String, Server>) {
    let switches: BTreeMap<&str, &ModelSwitch> =
        model.switches.0.iter().map(|(own, switch)| (own.name.as_str(), switch)).collect();
    for (name, above) in &paths.above {
        let server = servers.get_mut(name).expect("a server on a switch is described");
        server.switches.clone_from(above);
        for switch in above.iter().filter_map(|switch| switches.get(switch.as_str())) {
            for (label, value) in switch.metadata.iter().chain(&switch.labels).chain(&switch.annotations) {
                server.labels.entry(label.clone()).or_insert_with(|| value.clone());
            }
        }
    }
}
