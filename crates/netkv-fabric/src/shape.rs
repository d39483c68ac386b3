//! Where GPUs are: in nodes, racks and pods, and behind which interfaces and leaf switches.
//!
//! A node is whatever NVLink connects: a server, or several servers of one NVLink domain. Its GPUs share its NICs evenly: of
//! g GPUs and n NICs, GPU i sends over NIC i n / g, rounded down. A shape says all that of a fabric whose pods, racks and
//! nodes are alike; a [`Layout`] of any.

use netkv_units::{BytesPerSec, GpuId, Tier};
use std::ops::Range;

/// How NICs are wired to leaf switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// A leaf switch for each rack.
    Racks,
    /// This many leaf switches for each pod: the NIC at position i of its node is on rail i modulo their number,
    /// which divides the NICs of a node.
    Rails(u32),
}

/// How many of each there are, where all are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FabricShape {
    /// Pods.
    pub pods: u32,
    /// Racks of a pod.
    pub racks_per_pod: u32,
    /// Nodes of a rack.
    pub nodes_per_rack: u32,
    /// GPUs of a node.
    pub gpus_per_node: u32,
    /// NICs of a node, which divide its GPUs.
    pub nics_per_node: u32,
    /// How these are wired.
    pub wiring: Wiring,
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePlace {
    /// Its pod.
    pub pod: u32,
    /// Its rack, counted through all pods.
    pub rack: u32,
    /// Its GPUs.
    pub gpus: u32,
    /// Its NICs, which divide its GPUs.
    pub nics: u32,
}

/// What the links of a node carry, in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRates {
    /// The NVLink of each of its GPUs.
    pub nvlink: BytesPerSec,
    /// Each of its NICs, as achieved.
    pub nic: BytesPerSec,
}

/// The nodes of a fabric, in order: those of a rack one after the other, and those of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The nodes.
    pub nodes: Vec<NodePlace>,
    /// By node: its rates; none at all where every node has those of the fabric.
    pub rates: Vec<NodeRates>,
    /// How their NICs are wired.
    pub wiring: Wiring,
}

/// Where a GPU is: its node, its leaf switch and its pod, each counted through the whole fabric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuPosition {
    node: u32,
    leaf: u32,
    pod: u32,
}

/// A GPU, and the NIC that it sends over, counted through the whole fabric.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) position: GpuPosition,
    pub(crate) nic: u32,
}

/// Who is on a NIC, and where that is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NicPlace {
    pub(crate) first_gpu: u32,
    pub(crate) gpus: u32,
    pub(crate) leaf: u32,
}

/// The NICs below a switch, or a pod's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Below {
    pub(crate) nics: u32,
    /// Bytes per second of all together, and of the fastest.
    pub(crate) total: u128,
    pub(crate) fastest: BytesPerSec,
}

/// A layout, looked up by GPU, NIC, leaf switch and pod.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub(crate) wiring: Wiring,
    /// By node: its place, and its rates.
    pub(crate) nodes: Vec<NodePlace>,
    pub(crate) rates: Vec<NodeRates>,
    pub(crate) gpus: Vec<Spot>,
    pub(crate) nics: Vec<NicPlace>,
    /// By leaf switch: its pod, and its NICs.
    pub(crate) leaf_pods: Vec<u32>,
    pub(crate) leaf_nics: Vec<Below>,
    /// By pod: its leaf switches, and its NICs.
    pub(crate) pod_leaves: Vec<Range<u32>>,
    pub(crate) pod_nics: Vec<Below>,
}

impl Below {
    fn add(&mut self, nics: u32, rate: BytesPerSec) {
        self.nics += nics;
        self.total += u128::from(nics) * u128::from(rate.get());
        self.fastest = self.fastest.max(rate);
    }
}

impl FabricShape {
    /// GPUs in all.
    pub const fn gpus(&self) -> u32 {
        self.pods * self.racks_per_pod * self.nodes_per_rack * self.gpus_per_node
    }

    /// NICs in all.
    pub const fn nics(&self) -> u32 {
        self.pods * self.racks_per_pod * self.nodes_per_rack * self.nics_per_node
    }

    /// Leaf switches of a pod: its racks or rails.
    pub const fn leaves_per_pod(&self) -> u32 {
        match self.wiring {
            Wiring::Racks => self.racks_per_pod,
            Wiring::Rails(rails) => rails,
        }
    }

    /// Leaf switches in all.
    pub const fn leaves(&self) -> u32 {
        self.pods * self.leaves_per_pod()
    }

    /// Its nodes, one by one.
    pub fn layout(&self) -> Layout {
        let n_racks = self.pods * self.racks_per_pod;
        let node = |rack: u32| NodePlace {
            pod: rack / self.racks_per_pod,
            rack,
            gpus: self.gpus_per_node,
            nics: self.nics_per_node,
        };
        let nodes = (0..n_racks).flat_map(|rack| (0..self.nodes_per_rack).map(move |_| rack)).map(node).collect();
        Layout { nodes, rates: Vec::new(), wiring: self.wiring }
    }
}

impl Layout {
    /// GPUs in all.
    pub fn gpus(&self) -> u32 {
        self.nodes.iter().map(|node| node.gpus).sum()
    }

    /// NICs in all.
    pub fn nics(&self) -> u32 {
        self.nodes.iter().map(|node| node.nics).sum()
    }

    /// Pods.
    pub fn pods(&self) -> u32 {
        self.nodes.last().map_or(0, |node| node.pod + 1)
    }

    /// Leaf switches in all.
    pub fn leaves(&self) -> u32 {
        match self.wiring {
            Wiring::Racks => self.nodes.last().map_or(0, |node| node.rack + 1),
            Wiring::Rails(rails) => self.pods() * rails,
        }
    }
}

impl GpuPosition {
    /// Its node.
    pub const fn node(self) -> u32 {
        self.node
    }

    /// Its leaf switch: a rack, or a rail.
    pub const fn leaf(self) -> u32 {
        self.leaf
    }

    /// Its pod.
    pub const fn pod(self) -> u32 {
        self.pod
    }

    /// The lowest level that connects GPUs at two positions.
    pub const fn tier(self, other: Self) -> Tier {
        if self.node == other.node {
            Tier::Node
        } else if self.leaf == other.leaf {
            Tier::Rack
        } else if self.pod == other.pod {
            Tier::Pod
        } else {
            Tier::Core
        }
    }
}

impl Tables {
    /// Those of a layout, whose nodes have these rates unless it says others.
    ///
    /// # Panics
    /// If it is empty or out of order, NICs are not shared evenly or some nodes alone have rates: the experiment reader
    /// refuses those.
    pub(crate) fn new(layout: &Layout, rates: NodeRates) -> Self {
        let (n_leaves, n_pods) = (layout.leaves() as usize, layout.pods() as usize);
        let n_rates = layout.rates.len();
        assert!(n_rates == 0 || n_rates == layout.nodes.len(), "{n_rates} rates of {} nodes", layout.nodes.len());
        let mut tables = Self {
            wiring: layout.wiring,
            nodes: layout.nodes.clone(),
            rates: if n_rates == 0 { vec![rates; layout.nodes.len()] } else { layout.rates.clone() },
            gpus: Vec::with_capacity(layout.gpus() as usize),
            nics: Vec::with_capacity(layout.nics() as usize),
            leaf_pods: vec![0; n_leaves],
            leaf_nics: vec![Below::default(); n_leaves],
            pod_leaves: vec![Range::default(); n_pods],
            pod_nics: vec![Below::default(); n_pods],
        };
        assert!(layout.nodes.is_sorted_by_key(|node| (node.pod, node.rack)), "nodes are in order of pod and rack");
        for (index, node) in layout.nodes.iter().enumerate() {
            tables.add(index as u32, node, layout.wiring);
        }
        assert!(tables.leaf_nics.iter().all(|below| below.nics > 0), "every leaf switch has a NIC");
        tables
    }

    fn add(&mut self, index: u32, node: &NodePlace, wiring: Wiring) {
        assert!(node.nics > 0 && node.gpus.is_multiple_of(node.nics), "GPUs share NICs evenly: {node:?}");
        let (gpus_per_nic, pod, rate) = (node.gpus / node.nics, node.pod as usize, self.rates[index as usize].nic);
        for nic in 0..node.nics {
            let leaf = match wiring {
                Wiring::Racks => node.rack,
                Wiring::Rails(rails) => node.pod * rails + nic % rails,
            };
            let position = GpuPosition { node: index, leaf, pod: node.pod };
            let number = self.nics.len() as u32;
            self.nics.push(NicPlace { first_gpu: self.gpus.len() as u32, gpus: gpus_per_nic, leaf });
            self.gpus.extend((0..gpus_per_nic).map(|_| Spot { position, nic: number }));
            self.leaf_pods[leaf as usize] = node.pod;
            self.leaf_nics[leaf as usize].add(1, rate);
            let leaves = &mut self.pod_leaves[pod];
            let is_first = leaves.start == leaves.end;
            *leaves = if is_first { leaf } else { leaves.start.min(leaf) }..leaves.end.max(leaf + 1);
        }
        self.pod_nics[pod].add(node.nics, rate);
    }

    /// By leaf switch: the GPUs behind it, ascending.
    pub(crate) fn leaf_gpus(&self) -> Vec<Vec<GpuId>> {
        let mut gpus = vec![Vec::new(); self.leaf_pods.len()];
        for (gpu, spot) in self.gpus.iter().enumerate() {
            gpus[spot.position.leaf as usize].push(GpuId::new(gpu as u32));
        }
        gpus
    }

    /// Whether pods have equally many leaf switches, these equally many GPUs and NICs, and all NICs one rate.
    pub(crate) fn is_even(&self) -> bool {
        let same = |mut all: std::slice::Iter<'_, u32>| {
            let first = all.next();
            all.all(|one| Some(one) == first)
        };
        let per_pod: Vec<u32> = self.pod_leaves.iter().map(|leaves| leaves.end - leaves.start).collect();
        let gpus: Vec<u32> = self.leaf_gpus().iter().map(|gpus| gpus.len() as u32).collect();
        let nics: Vec<u32> = self.leaf_nics.iter().map(|below| below.nics).collect();
        let one_rate = self.rates.windows(2).all(|pair| pair[0].nic == pair[1].nic);
        same(per_pod.iter()) && same(gpus.iter()) && same(nics.iter()) && one_rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: FabricShape = FabricShape {
        pods: 2,
        racks_per_pod: 2,
        nodes_per_rack: 2,
        gpus_per_node: 8,
        nics_per_node: 8,
        wiring: Wiring::Racks,
    };

    const RATES: NodeRates = NodeRates { nvlink: BytesPerSec::new(450), nic: BytesPerSec::new(50) };

    #[test]
    fn every_gpu_has_its_place_on_a_leaf_switch() {
        for wiring in [Wiring::Racks, Wiring::Rails(8), Wiring::Rails(4), Wiring::Rails(1)] {
            let shape = FabricShape { wiring, ..SHAPE };
            let tables = Tables::new(&shape.layout(), RATES);
            let gpus = tables.leaf_gpus();
            assert_eq!(gpus.len(), shape.leaves() as usize, "{wiring:?}");
            assert!(gpus.iter().all(|gpus| gpus.len() as u32 == shape.gpus() / shape.leaves()), "{wiring:?}");
            for (leaf, gpu) in gpus.iter().enumerate().flat_map(|(leaf, gpus)| gpus.iter().map(move |gpu| (leaf, gpu)))
            {
                let expect = match wiring {
                    Wiring::Racks => gpu.get() / 16,
                    Wiring::Rails(rails) => gpu.get() / 32 * rails + gpu.get() % 8 % rails,
                };
                assert_eq!(leaf as u32, expect, "{wiring:?}");
            }
            assert!(tables.is_even());
        }
    }

    /// Two NICs for eight GPUs: GPUs 0 to 3 of a node send over the first, 4 to 7 over the second.
    #[test]
    fn gpus_share_the_nics_of_their_node_evenly() {
        let shape = FabricShape { nics_per_node: 2, wiring: Wiring::Rails(2), ..SHAPE };
        let tables = Tables::new(&shape.layout(), RATES);
        let seen: Vec<_> = [0, 3, 4, 7, 8, 63].map(|gpu: usize| tables.gpus[gpu].nic).into();
        assert_eq!(seen, [0, 0, 1, 1, 2, 15]);
        assert_eq!([2, 5].map(|gpu: usize| tables.gpus[gpu].position.leaf), [0, 1], "a NIC's rail is its GPUs'");
        assert_eq!((tables.nics[3].first_gpu, tables.nics[3].gpus), (12, 4));
    }

    #[test]
    fn racks_and_pods_may_be_of_unequal_size() {
        let node = |pod, rack, gpus, nics| NodePlace { pod, rack, gpus, nics };
        let nodes = vec![node(0, 0, 8, 8), node(0, 0, 4, 2), node(0, 1, 8, 8), node(1, 2, 72, 72)];
        let layout = Layout { nodes, rates: Vec::new(), wiring: Wiring::Racks };
        assert_eq!((layout.gpus(), layout.nics(), layout.pods(), layout.leaves()), (92, 90, 2, 3));
        let tables = Tables::new(&layout, RATES);
        let nics = |all: &[Below]| all.iter().map(|below| below.nics).collect::<Vec<_>>();
        assert_eq!((nics(&tables.leaf_nics), nics(&tables.pod_nics)), (vec![10, 8, 72], vec![18, 72]));
        assert_eq!((tables.pod_leaves.as_slice(), tables.is_even()), (&[0..2, 2..3][..], false));
        let tier = |one: usize, other: usize| tables.gpus[one].position.tier(tables.gpus[other].position);
        assert_eq!(
            [tier(0, 7), tier(0, 8), tier(0, 12), tier(0, 20), tier(20, 91)],
            [Tier::Node, Tier::Rack, Tier::Pod, Tier::Core, Tier::Node]
        );
    }

    /// Two nodes of a rack with a NIC of 50 and two of 25, on rails: one rail has the first NIC and one of the others.
    #[test]
    fn switches_have_the_nics_that_are_below_them() {
        let node = |nics| NodePlace { pod: 0, rack: 0, gpus: 2, nics };
        let slow = NodeRates { nic: BytesPerSec::new(25), ..RATES };
        let layout = |wiring| Layout { nodes: vec![node(1), node(2)], rates: vec![RATES, slow], wiring };
        let below = |nics, total, fastest| Below { nics, total, fastest: BytesPerSec::new(fastest) };
        let racks = Tables::new(&layout(Wiring::Racks), RATES);
        assert_eq!((racks.leaf_nics.as_slice(), racks.is_even()), (&[below(3, 100, 50)][..], false));
        let rails = Tables::new(&layout(Wiring::Rails(2)), RATES);
        assert_eq!(rails.leaf_nics, [below(2, 75, 50), below(1, 25, 25)]);
        assert_eq!(rails.pod_nics, racks.leaf_nics);
    }
}
