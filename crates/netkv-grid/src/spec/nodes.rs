//! The nodes of the cluster: as many alike as five keys say, or those of a topology file.

use crate::issue::Issue;
use crate::library::Library;
use crate::reader::Reader;
use crate::topology::Topology;
use crate::tree::Node;
use netkv_fabric::{FabricShape, Layout, NodePlace, Wiring};
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
        check_overruled(reader)?;
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

    /// The nodes with this wiring, if they are not alike.
    pub(super) fn layout(&self, wiring: Wiring) -> Option<Arc<Layout>> {
        self.file.as_ref().map(|file| Arc::new(Layout { nodes: file.nodes.clone(), wiring }))
    }

    /// Whether each GPU has a NIC to itself.
    pub(super) fn own_nics(&self) -> bool {
        self.list.iter().all(|node| node.gpus == node.nics)
    }
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

/// Whoever counts nodes beside the file, or above it, meant something, and it does nothing. What a file that is extended says
/// is what the topology file is meant to replace.
fn check_overruled(reader: &mut Reader<'_>) -> Option<()> {
    let file = |node: &Node| node.key_origin.file.clone();
    let named = file(reader.node(TOPOLOGY)?);
    let mut good = true;
    for key in SHAPE {
        let Some(node) = reader.node(key) else { continue };
        if file(node) == named || node.key_origin.file.to_str() == Some("--set") {
            let message = format!(
                "{key} = {} does nothing: {TOPOLOGY} names a file that has the nodes; remove one of them",
                node.content.canonical()
            );
            reader.extend(&[Issue::new(&node.key_origin, message)]);
            good = false;
        }
    }
    good.then_some(())
}
