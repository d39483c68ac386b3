//! Topology files (`netkv-topology/1`): the servers of a cluster, each with its pod, rack, GPUs and NICs, one `[[node]]` for
//! each. Pods and racks are whatever the labels say, and are numbered as they first come; those of one name are one, racks
//! within their pod. Servers of one `nvlink_domain` are one node to NVLink: they are of one rack, and alike in GPUs for each
//! NIC and in rates. A server without rates has those of the experiment.

use crate::issue::{InputErrors, Issue, Origin, nearest, with_suggestion};
use crate::reader::{Range, Reader, list};
use crate::source;
use crate::tree::{self, Content, Node, Table};
use netkv_fabric::NodePlace;
use std::fmt::Write as _;
use std::path::Path;

/// The format, and its version.
const FORMAT: &str = "netkv-topology/1";

/// What a server has.
const FIELDS: [&str; 8] = ["name", "pod", "rack", "gpus", "nics", "nvlink_domain", NIC, NVLINK];
const NIC: &str = "nic_gbps";
const NVLINK: &str = "nvlink_gbytes_per_s";

/// Bandwidths, in Gb/s or GB/s.
pub(crate) const BANDWIDTH: Range = Range::above(0.0, 1e6);

/// Most GPUs or NICs of a server. Chosen by us.
const MOST: u64 = 65_536;

/// A topology file that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    /// Everything that results depend on, for the keys of cells.
    pub canonical: String,
    /// What NVLink connects, in order of pod and rack.
    pub nodes: Vec<NodePlace>,
    /// By node: its rates.
    pub rates: Vec<OwnRates>,
    /// By node: the name of its first server, and where that stands.
    pub names: Vec<(String, Origin)>,
}

/// The rates that a server has of its own, in each direction; others are the experiment's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct OwnRates {
    /// Line rate of each of its NICs, in Gb/s.
    pub nic_gbps: Option<f64>,
    /// The NVLink of each of its GPUs, in GB/s.
    pub nvlink_gbytes_per_s: Option<f64>,
}

/// A server as the file has it.
struct Server<'a> {
    name: &'a str,
    pod: &'a str,
    rack: &'a str,
    domain: Option<&'a str>,
    gpus: u32,
    nics: u32,
    rates: OwnRates,
    origin: &'a Origin,
}

impl Topology {
    /// Reads a topology file that is named at `named_at`.
    pub(crate) fn load(path: &Path, named_at: &Origin) -> Result<Self, InputErrors> {
        let text = source::read(path, named_at)?;
        let tree = tree::parse(path, &text)?;
        let mut reader = Reader::new(&tree, &Origin::file(path), "a topology file has no default values");
        reader.choice("format", &[(FORMAT, ())]);
        let servers = read_servers(&mut reader);
        let issues = reader.finish();
        if !issues.is_empty() {
            return Err(InputErrors::new(issues));
        }
        laid_out(&servers.expect("a file without errors is complete"))
    }
}

fn read_servers<'a>(reader: &mut Reader<'a>) -> Option<Vec<Server<'a>>> {
    let node = reader.node("node")?;
    let allowed = "a list of tables, [[node]], each with name, pod, rack, gpus and nics";
    let Some(items) = list(node).filter(|items| !items.is_empty()) else { return reader.refuse("node", node, allowed) };
    let servers: Vec<_> = items.iter().map(|item| read_server(reader, item)).collect();
    servers.into_iter().collect()
}

fn read_server<'a>(reader: &mut Reader<'a>, item: &'a Node) -> Option<Server<'a>> {
    let Content::Table(table) = &item.content else { return reader.refuse("node", item, "a table") };
    if let Some((unknown, node)) = table.iter().find(|(key, _)| !FIELDS.contains(&key.as_str())) {
        let message = format!("a node has no field {unknown}; its fields: {}", FIELDS.join(", "));
        let message = with_suggestion(&message, nearest(unknown, FIELDS));
        reader.extend(&[Issue::new(&node.key_origin, message)]);
        return None;
    }
    let [name, pod, rack] = ["name", "pod", "rack"].map(|field| word(reader, item, table, field));
    let domain =
        if table.contains_key("nvlink_domain") { Some(word(reader, item, table, "nvlink_domain")?) } else { None };
    let [gpus, nics] = ["gpus", "nics"].map(|field| {
        let node = field_of(reader, item, table, field)?;
        reader.integer_of(field, node, 1, MOST).map(|count| count as u32)
    });
    let (gpus, nics) = (gpus?, nics?);
    if !gpus.is_multiple_of(nics) {
        reader.fail_at(&table["nics"], &format!("nics = {nics} does not divide gpus = {gpus}: GPUs share NICs evenly"));
        return None;
    }
    let rates = OwnRates { nic_gbps: rate(reader, table, NIC)?, nvlink_gbytes_per_s: rate(reader, table, NVLINK)? };
    Some(Server { name: name?, pod: pod?, rack: rack?, domain, gpus, nics, rates, origin: &item.key_origin })
}

/// A rate, if it is there; nothing if it is wrong.
fn rate(reader: &mut Reader<'_>, table: &Table, field: &str) -> Option<Option<f64>> {
    table.get(field).map_or(Some(None), |node| reader.float_of(field, node, BANDWIDTH).map(Some))
}

fn field_of<'a>(reader: &mut Reader<'_>, item: &Node, table: &'a Table, field: &str) -> Option<&'a Node> {
    let node = table.get(field);
    if node.is_none() {
        reader.extend(&[Issue::new(
            &item.key_origin,
            format!("a node without {field}; each has {}", FIELDS[..5].join(", ")),
        )]);
    }
    node
}

fn word<'a>(reader: &mut Reader<'_>, item: &Node, table: &'a Table, field: &str) -> Option<&'a str> {
    let node = field_of(reader, item, table, field)?;
    let text = match &node.content {
        Content::Text(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
        Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
    };
    text.or_else(|| reader.refuse(field, node, "a string that is not empty"))
}

/// The position of a word among those that came before, where it is added if it is new.
fn numbered<T: PartialEq>(seen: &mut Vec<T>, word: T) -> usize {
    seen.iter().position(|other| *other == word).unwrap_or_else(|| {
        seen.push(word);
        seen.len() - 1
    })
}

/// The nodes that servers form, in order.
fn laid_out(servers: &[Server<'_>]) -> Result<Topology, InputErrors> {
    let (mut names, mut pods, mut racks, mut domains) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut issues = Vec::new();
    // By node: pod, rack as it came, and its first server, with GPUs and NICs of all.
    let mut nodes: Vec<(usize, usize, &Server<'_>, u32, u32)> = Vec::new();
    for server in servers {
        if names.contains(&server.name) {
            issues.push(Issue::new(server.origin, format!("node {} is there twice", server.name)));
        }
        names.push(server.name);
        let (pod, rack) = (numbered(&mut pods, server.pod), numbered(&mut racks, (server.pod, server.rack)));
        let known = domains.len();
        let node = match server.domain {
            Some(domain) => numbered(&mut domains, Some(domain)),
            None => {
                domains.push(None);
                known
            }
        };
        if node == known {
            nodes.push((pod, rack, server, server.gpus, server.nics));
            continue;
        }
        let (_, of_rack, first, gpus, nics) = &mut nodes[node];
        if *of_rack != rack {
            let message = format!(
                "node {} is of NVLink domain {}, as {} is, but of another rack; allowed: domains within a rack",
                server.name,
                server.domain.unwrap_or_default(),
                first.name
            );
            issues.push(Issue::new(server.origin, message));
        } else if server.gpus / server.nics != first.gpus / first.nics {
            let message = format!(
                "node {} has {} GPUs for each NIC, and {} of the same NVLink domain has {}; allowed: as many",
                server.name,
                server.gpus / server.nics,
                first.name,
                first.gpus / first.nics
            );
            issues.push(Issue::new(server.origin, message));
        } else if let Some(message) = unlike(server, first) {
            issues.push(Issue::new(server.origin, message));
        }
        (*gpus, *nics) = (*gpus + server.gpus, *nics + server.nics);
    }
    if !issues.is_empty() {
        return Err(InputErrors::new(issues));
    }
    nodes.sort_by_key(|(pod, rack, ..)| (*pod, *rack));
    // Racks are counted through all pods, in the order of these.
    let mut order: Vec<usize> = Vec::new();
    let rates: Vec<OwnRates> = nodes.iter().map(|(_, _, server, ..)| server.rates).collect();
    let place = |&(pod, rack, server, gpus, nics): &(usize, usize, &Server<'_>, u32, u32)| {
        let rack = numbered(&mut order, rack) as u32;
        (NodePlace { pod: pod as u32, rack, gpus, nics }, (server.name.to_owned(), server.origin.clone()))
    };
    let (nodes, names): (Vec<NodePlace>, Vec<_>) = nodes.iter().map(place).unzip();
    let mut canonical = format!("{FORMAT} {nodes:?}");
    if rates.iter().any(|own| *own != OwnRates::default()) {
        let _ = write!(canonical, " {rates:?}");
    }
    Ok(Topology { canonical, nodes, rates, names })
}

/// What is wrong with the rates of two servers of one NVLink domain.
fn unlike(server: &Server<'_>, first: &Server<'_>) -> Option<String> {
    let fields = [
        (NIC, server.rates.nic_gbps, first.rates.nic_gbps),
        (NVLINK, server.rates.nvlink_gbytes_per_s, first.rates.nvlink_gbytes_per_s),
    ];
    let (field, own, other) = fields.into_iter().find(|(_, own, other)| own != other)?;
    let said = |rate: Option<f64>| rate.map_or_else(|| format!("no {field}"), |rate| format!("{field} = {rate}"));
    Some(format!(
        "node {} has {}, and {} of the same NVLink domain has {}; allowed: the same",
        server.name,
        said(own),
        first.name,
        said(other)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(nodes: &str) -> String {
        let path = Path::new("nodes.toml");
        let tree = tree::parse(path, &format!("format = '{FORMAT}'\n{nodes}")).expect("it is TOML");
        let mut reader = Reader::new(&tree, &Origin::file(path), "");
        reader.choice("format", &[(FORMAT, ())]);
        let servers = read_servers(&mut reader).expect("they are right");
        laid_out(&servers).expect("they fit together").canonical
    }

    /// Keys of stored cells hang on the first text.
    #[test]
    fn the_canonical_text_has_rates_only_if_the_file_has() {
        let node = "[[node]]\nname = 'a'\npod = 'p'\nrack = 'r'\ngpus = 8\nnics = 4\n";
        let plain = "netkv-topology/1 [NodePlace { pod: 0, rack: 0, gpus: 8, nics: 4 }]";
        assert_eq!(canonical(node), plain);
        let own = "OwnRates { nic_gbps: Some(400.0), nvlink_gbytes_per_s: None }";
        for rate in ["400", "400.0"] {
            assert_eq!(canonical(&format!("{node}nic_gbps = {rate}\n")), format!("{plain} [{own}]"));
        }
    }
}
