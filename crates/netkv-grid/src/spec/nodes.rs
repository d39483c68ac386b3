//! The nodes of the cluster: as many alike as five keys say, or those of a topology file.

use crate::issue::Issue;
use crate::library::Library;
use crate::reader::Reader;
use crate::topology::{OwnRates, Topology};
use crate::tree::Node;
use netkv_fabric::{FabricShape, NodePlace, NodeRates, Wiring};
use netkv_units::BytesPerSec;
use std::sync::Arc;

/// Most GPUs of a cluster. Chosen by us: 64 times the largest cluster that the paper's kind of fabric is built for.
const MAX_GPUS: u64 = 1 << 20;

/// Keys that count nodes and what is in them; a topology file takes their place.
const SHAPE: [&str; 5] = [
    "cluster.pods",
    "cluster.racks_per_pod",
    "cluster.nodes_per_rack",
    "cluster.gpus_per_node",
    "cluster.nics_per_node",
];

const TOPOLOGY: &str = "fabric.topology";

/// Rates; those of nodes take their place, where all nodes of a topology file have them.
pub(super) const NIC: &str = "fabric.nic_gbps";
pub(super) const NVLINK: &str = "fabric.nvlink_gbytes_per_s";

/// The nodes, however they are wired.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    pub(super) list: Vec<NodePlace>,
    /// Where they are alike.
    shape: Option<FabricShape>,
    /// Where they are not.
    pub(super) file: Option<Arc<Topology>>,
}

impl Nodes {
    /// Reads the keys that count them, and the topology file.
    pub(super) fn read(reader: &mut Reader<'_>, library: &Library) -> Option<Self> {
        let shape = read_shape(reader);
        let label = reader.text(TOPOLOGY);
        reader.note(TOPOLOGY, || "\"\", or a path, seen from the file that names it".to_owned());
        if label?.is_empty() {
            let shape = shape?;
            return Some(Self { list: shape.layout().nodes, shape: Some(shape), file: None });
        }
        let file = library.topology(reader, TOPOLOGY);
        check_overruled(reader, file.as_deref())?;
        let file = file?;
        let gpus: u64 = file.nodes.iter().map(|node| u64::from(node.gpus)).sum();
        check_gpus(reader, TOPOLOGY, gpus)?;
        Some(Self { list: file.nodes.clone(), shape: None, file: Some(file) })
    }

    /// Reports what is wrong with a node, where it stands, or at `key` if all are alike.
    pub(super) fn fail(&self, reader: &mut Reader<'_>, index: usize, key: &str, message: &str) {
        match &self.file {
            None => reader.fail(key, message),
            Some(file) => {
                let (name, origin) = &file.names[index];
                reader.extend(&[Issue::new(origin, format!("node {name}: {message}"))]);
            }
        }
    }

    /// The fabric's shape with this wiring; one of nothing if nodes are not alike.
    pub(super) fn shape(&self, wiring: Wiring) -> FabricShape {
        let nothing =
            FabricShape { pods: 0, racks_per_pod: 0, nodes_per_rack: 0, gpus_per_node: 0, nics_per_node: 0, wiring };
        self.shape.map_or(nothing, |shape| FabricShape { wiring, ..shape })
    }

    /// By node: its rates, where it has some of its own or else these; none if no node has any. `nic` makes of a line rate in Gb/s
    /// what a NIC carries.
    pub(super) fn rates(&self, others: NodeRates, nic: impl Fn(f64) -> BytesPerSec) -> Vec<NodeRates> {
        let Some(file) = &self.file else { return Vec::new() };
        let of_node = |own: &OwnRates| NodeRates {
            nvlink: own.nvlink_gbytes_per_s.map_or(others.nvlink, nvlink_rate),
            nic: own.nic_gbps.map_or(others.nic, &nic),
        };
        let rates: Vec<_> = file.rates.iter().map(of_node).collect();
        if rates.iter().all(|rates| *rates == others) { Vec::new() } else { rates }
    }

    /// Whether each GPU has a NIC to itself.
    pub(super) fn own_nics(&self) -> bool {
        self.list.iter().all(|node| node.gpus == node.nics)
    }
}

/// What an NVLink of so many GB/s carries.
pub(super) fn nvlink_rate(gbytes_per_s: f64) -> BytesPerSec {
    BytesPerSec::new((gbytes_per_s * 1e9) as u64)
}

/// Pods, racks of a pod, nodes of a rack, GPUs and NICs of a node.
fn read_shape(reader: &mut Reader<'_>) -> Option<FabricShape> {
    let [pods, racks, nodes, gpus] = [0, 1, 2, 3].map(|at| reader.count(SHAPE[at], 1, 65_536));
    let nics = reader.count(SHAPE[4], 0, 65_536);
    let shape = [pods?, racks?, nodes?, gpus?];
    let total: u64 = shape.iter().fold(1, |product: u64, &count| product.saturating_mul(u64::from(count)));
    check_gpus(reader, SHAPE[0], total)?;
    let ([pods, racks_per_pod, nodes_per_rack, gpus_per_node], nics) = (shape, nics?);
    let nics_per_node = if nics == 0 { gpus_per_node } else { nics };
    if !gpus_per_node.is_multiple_of(nics_per_node) {
        let divisors: Vec<_> =
            (1..=gpus_per_node).filter(|n| gpus_per_node.is_multiple_of(*n)).map(|n| n.to_string()).collect();
        let message = format!(
            "{} = {nics} does not divide {} = {gpus_per_node}: GPUs share NICs evenly; allowed: 0 (one for each GPU), {}",
            SHAPE[4],
            SHAPE[3],
            divisors.join(", ")
        );
        reader.fail(SHAPE[4], &message);
        return None;
    }
    Some(FabricShape { pods, racks_per_pod, nodes_per_rack, gpus_per_node, nics_per_node, wiring: Wiring::Racks })
}

fn check_gpus(reader: &mut Reader<'_>, key: &str, gpus: u64) -> Option<()> {
    if gpus > MAX_GPUS {
        reader.fail(key, &format!("the cluster has {gpus} GPUs; allowed: at most {MAX_GPUS}"));
        return None;
    }
    Some(())
}

/// Whoever counts nodes beside the file, or above it, meant something, and it does nothing; so does a rate that all nodes have
/// of their own. What a file that is extended says is what the topology file is meant to replace.
fn check_overruled(reader: &mut Reader<'_>, topology: Option<&Topology>) -> Option<()> {
    let file = |node: &Node| node.key_origin.file.clone();
    let named = file(reader.node(TOPOLOGY)?);
    let mut good = true;
    let all_have = |has: &dyn Fn(&OwnRates) -> bool| topology.is_some_and(|topology| topology.rates.iter().all(has));
    let nic = (NIC, "their rates", all_have(&|own| own.nic_gbps.is_some()));
    let nvlink = (NVLINK, "their rates", all_have(&|own| own.nvlink_gbytes_per_s.is_some()));
    let shape = SHAPE.map(|key| (key, "the nodes", true));
    for (key, what, _) in shape.into_iter().chain([nic, nvlink]).filter(|(.., overruled)| *overruled) {
        let Some(node) = reader.node(key) else { continue };
        if file(node) == named || node.key_origin.file.to_str() == Some("--set") {
            let message = format!(
                "{key} = {} does nothing: {TOPOLOGY} names a file that has {what}; remove one of them",
                node.content.canonical()
            );
            reader.extend(&[Issue::new(&node.key_origin, message)]);
            good = false;
        }
    }
    good.then_some(())
}
