//! The fat tree: GPUs in nodes, nodes in racks, racks in pods, and the directed links between them.
//!
//! Full duplex is two links. Every GPU has a pair of NVLink links (inside its node), every NIC a pair of links to its
//! leaf switch, shared by the GPUs that send over it; every leaf switch has a pair for each spine of its pod ("rack" links); every pod has a pair for each
//! core. Leaf switches are wired by rack (one for all NICs of a rack) or by rail (one for all NICs of a pod with the
//! same position in their nodes, modulo the number of rails: a NIC's peers on other nodes are one switch away).
//! Ways: tier 0 NVLink up, NVLink down; tier 1, the same leaf switch: NIC up, NIC down; tier 2 NIC up, rack up, rack
//! down, NIC down over one spine; tier 3 NIC up, rack up, pod up, pod down, rack down, NIC down over a spine of each
//! pod and a core. Switches themselves do not block. Leaves out: PCIe and NUMA inside a node, and detours over NVLink
//! to the NIC of another rail.

use crate::network::FlowNetwork;
use crate::shape::{Below, FabricShape, GpuPosition, Layout, NodePlace, NodeRates, Tables, Wiring};
use crate::transport::Transport;
use netkv_units::{BytesPerSec, GpuId, LinkId, SimDuration, Tier};
use std::ops::Range;
use std::sync::Arc;

/// How a flow's spine and core are chosen when it starts, among those whose links carry anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteChoice {
    /// By a hash of the flow, whatever else is on the way: equal-cost multi-path routing.
    Ecmp,
    /// Where an even share among the flows on the links would be largest at that moment, ties by the hash: the best
    /// that adaptive routing with full knowledge of the present could do for a new flow.
    LeastLoaded,
}

/// What oversubscription is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uplinks {
    /// Of a switch: the links of a rack (or pod) together carry its NICs' capacity over it, shared out evenly.
    Pooled,
    /// Of a link: each carries a NIC's capacity over it, however many there are, that of the fastest NIC below. So the paper
    /// has it: 100, 50 and 25 Gb/s by tier, "2:1" and "4:1" (arXiv 2606.03910, section VI); with pooled interfaces a NIC
    /// is an instance's.
    PerLink,
}

/// A fat tree with its capacities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FabricConfig {
    /// How many of each there are.
    pub shape: FabricShape,
    /// Each direction of a GPU's NVLink, where its node does not say otherwise.
    pub nvlink: BytesPerSec,
    /// Each direction of a NIC, as achieved: line rate times efficiency; where its node does not say otherwise.
    pub nic: BytesPerSec,
    /// What the two figures below are of.
    pub uplinks: Uplinks,
    /// A leaf switch's NIC capacity over its capacity to the spines; at least a positive number, 1 is non-blocking.
    pub rack_oversubscription: f64,
    /// A pod's NIC capacity over its capacity to the cores.
    pub pod_oversubscription: f64,
    /// Spines of a pod, each with a pair of links to every leaf switch of the pod.
    pub spines_per_pod: u32,
    /// Cores, each with a pair of links to every pod.
    pub cores: u32,
    /// How spines and cores are chosen.
    pub route: RouteChoice,
    /// Latency of a way, by tier.
    pub latency: [SimDuration; 4],
    /// How soon a transfer has its share of the links.
    pub transport: Transport,
}

/// What a directed link connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkKind {
    /// A GPU and the others of its node.
    NvLink,
    /// A GPU and its leaf switch.
    Nic,
    /// A leaf switch (of a rack, or of a rail) and a spine of its pod.
    Rack,
    /// A pod and a core.
    Pod,
}

impl LinkKind {
    /// Every kind, nearest to the GPU first.
    pub const ALL: [Self; 4] = [Self::NvLink, Self::Nic, Self::Rack, Self::Pod];

    /// 0 for NVLink to 3 for pod links.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The links that a flow takes, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    links: [LinkId; Path::MAX],
    len: u8,
}

impl Path {
    /// The longest way: across pods.
    pub const MAX: usize = 6;

    fn new(links: &[LinkId]) -> Self {
        let mut path = Self { links: [LinkId::new(0); Self::MAX], len: links.len() as u8 };
        path.links[..links.len()].copy_from_slice(links);
        path
    }

    /// The links in order.
    pub fn links(&self) -> &[LinkId] {
        &self.links[..usize::from(self.len)]
    }
}

/// A fat tree's links, numbered: for each kind in the order of [`LinkKind`], all up links, then all down links.
#[derive(Clone, Debug)]
pub struct FatTree {
    config: FabricConfig,
    /// First link of each kind, and the end.
    first: [u32; 5],
    tables: Arc<Tables>,
}

impl FatTree {
    /// The tree of `config`, with the nodes of its shape.
    ///
    /// # Panics
    /// As [`FatTree::laid_out`].
    pub fn new(config: FabricConfig) -> Self {
        Self::laid_out(config, &config.shape.layout())
    }

    /// The tree of `config` with these nodes in the place of its shape's.
    ///
    /// # Panics
    /// If a count is zero, an oversubscription is not positive or the nodes are out of order: the experiment reader refuses
    /// those.
    pub fn laid_out(config: FabricConfig, layout: &Layout) -> Self {
        assert!(layout.gpus() > 0 && config.spines_per_pod > 0 && config.cores > 0, "an empty fabric: {config:?}");
        assert!(config.rack_oversubscription > 0.0 && config.pod_oversubscription > 0.0, "{config:?}");
        let per_direction =
            [layout.gpus(), layout.nics(), layout.leaves() * config.spines_per_pod, layout.pods() * config.cores];
        let mut first = [0; 5];
        for (kind, count) in per_direction.into_iter().enumerate() {
            first[kind + 1] = first[kind] + 2 * count;
        }
        let rates = NodeRates { nvlink: config.nvlink, nic: config.nic };
        Self { config, first, tables: Arc::new(Tables::new(layout, rates)) }
    }

    /// What the tree was made from.
    pub const fn config(&self) -> &FabricConfig {
        &self.config
    }

    /// Number of directed links.
    pub const fn n_links(&self) -> usize {
        self.first[4] as usize
    }

    /// Every link of a kind, up links first.
    pub fn links_of(&self, kind: LinkKind) -> impl Iterator<Item = LinkId> + use<> {
        (self.first[kind.index()]..self.first[kind.index() + 1]).map(LinkId::new)
    }

    /// The kind of a link.
    pub fn kind(&self, link: LinkId) -> LinkKind {
        let kind = (1..4).take_while(|&kind| link.get() >= self.first[kind]).count();
        LinkKind::ALL[kind]
    }

    /// The nodes, in order.
    pub fn nodes(&self) -> &[NodePlace] {
        &self.tables.nodes
    }

    /// What the links of the node at a position carry.
    pub fn rates(&self, position: GpuPosition) -> NodeRates {
        self.tables.rates[position.node() as usize]
    }

    /// How their NICs are wired.
    pub fn wiring(&self) -> Wiring {
        self.tables.wiring
    }

    /// GPUs in all.
    pub fn n_gpus(&self) -> u32 {
        self.tables.gpus.len() as u32
    }

    /// Pods.
    pub fn n_pods(&self) -> u32 {
        self.tables.pod_nics.len() as u32
    }

    /// Leaf switches of a pod.
    pub fn leaves_of(&self, pod: u32) -> Range<u32> {
        self.tables.pod_leaves[pod as usize].clone()
    }

    /// The pod of a leaf switch.
    pub fn pod_of_leaf(&self, leaf: u32) -> u32 {
        self.tables.leaf_pods[leaf as usize]
    }

    /// Whether pods have equally many leaf switches, these equally many GPUs and NICs, and all NICs one rate.
    pub fn is_even(&self) -> bool {
        self.tables.is_even()
    }

    /// Where a GPU is.
    pub fn position(&self, gpu: GpuId) -> GpuPosition {
        self.tables.gpus[gpu.index()].position
    }

    /// The NIC that a GPU sends over, counted through the whole fabric.
    pub fn nic(&self, gpu: GpuId) -> u32 {
        self.tables.gpus[gpu.index()].nic
    }

    /// The lowest level that connects two GPUs.
    pub fn tier(&self, one: GpuId, other: GpuId) -> Tier {
        self.position(one).tier(self.position(other))
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The number of a link among those of its kind and direction.
    pub(crate) fn number(&self, link: LinkId) -> u32 {
        let kind = self.kind(link).index();
        let per_direction = (self.first[kind + 1] - self.first[kind]) / 2;
        (link.get() - self.first[kind]) % per_direction
    }

    /// The pod that a link belongs to.
    pub fn pod(&self, link: LinkId) -> u32 {
        let (number, tables) = (self.number(link), &self.tables);
        match self.kind(link) {
            LinkKind::NvLink => tables.gpus[number as usize].position.pod(),
            LinkKind::Nic => tables.leaf_pods[tables.nics[number as usize].leaf as usize],
            LinkKind::Rack => tables.leaf_pods[(number / self.config.spines_per_pod) as usize],
            LinkKind::Pod => number / self.config.cores,
        }
    }

    /// What a link can carry when nothing else uses it.
    pub fn capacity(&self, link: LinkId) -> BytesPerSec {
        let (config, tables, number) = (&self.config, &self.tables, self.number(link));
        let of_node = |gpu: u32| self.rates(tables.gpus[gpu as usize].position);
        let uplink = |below: &Below, oversubscription: f64, links: u32| {
            let (shared, links) = match config.uplinks {
                Uplinks::Pooled => (below.total as f64, links),
                Uplinks::PerLink => (below.fastest.get() as f64, 1),
            };
            BytesPerSec::new((shared / (oversubscription * f64::from(links))) as u64)
        };
        match self.kind(link) {
            LinkKind::NvLink => of_node(number).nvlink,
            LinkKind::Nic => of_node(tables.nics[number as usize].first_gpu).nic,
            LinkKind::Rack => {
                let below = &tables.leaf_nics[(number / config.spines_per_pod) as usize];
                uplink(below, config.rack_oversubscription, config.spines_per_pod)
            }
            LinkKind::Pod => {
                let below = &tables.pod_nics[(number / config.cores) as usize];
                uplink(below, config.pod_oversubscription, config.cores)
            }
        }
    }

    /// What the slowest link of a kind can carry when nothing else uses it.
    pub fn slowest(&self, kind: LinkKind) -> BytesPerSec {
        let capacities = self.links_of(kind).map(|link| self.capacity(link));
        capacities.min().expect("a fabric has links of every kind")
    }

    /// The way of a flow between two different GPUs on an idle tree whose links all carry something. `hash` picks spine
    /// and core among equals (see [`ecmp_hash`]).
    pub fn path(&self, source: GpuId, destination: GpuId, hash: u64) -> Path {
        self.way(source, destination, |field, n, _| pick(hash, field, n))
    }

    /// The way of a flow between two different GPUs as `network` is now.
    pub fn route(&self, source: GpuId, destination: GpuId, hash: u64, network: &FlowNetwork) -> Path {
        self.way(source, destination, |field, n, links| {
            let first = pick(hash, field, n);
            let share = |at: u32| links(at).into_iter().flatten().map(|link| network.even_share(link)).min();
            let in_turn = (0..n).map(|turn| (first + turn) % n);
            let chosen = match self.config.route {
                RouteChoice::Ecmp => in_turn.into_iter().find(|&at| share(at) > Some(0)),
                // The first of the largest; `max_by_key` would take the last.
                RouteChoice::LeastLoaded => in_turn.rev().max_by_key(|&at| share(at)),
            };
            chosen.unwrap_or(first)
        })
    }

    /// A way whose switches `choose` picks: given the field of the hash, how many switches there are, and the links
    /// that the way takes over each of them.
    fn way(
        &self,
        source: GpuId,
        destination: GpuId,
        choose: impl Fn(u32, u32, &dyn Fn(u32) -> [Option<LinkId>; 2]) -> u32,
    ) -> Path {
        let FabricConfig { spines_per_pod, cores, .. } = self.config;
        let (from, to) = (self.tables.gpus[source.index()], self.tables.gpus[destination.index()]);
        let up = |kind: LinkKind, index: u32| LinkId::new(self.first[kind.index()] + index);
        let down = |kind: LinkKind, index: u32| {
            let (start, end) = (self.first[kind.index()], self.first[kind.index() + 1]);
            LinkId::new(start + (end - start) / 2 + index)
        };
        let (nic_up, nic_down) = (up(LinkKind::Nic, from.nic), down(LinkKind::Nic, to.nic));
        let rack_up = |spine: u32| up(LinkKind::Rack, from.position.leaf() * spines_per_pod + spine);
        let rack_down = |spine: u32| down(LinkKind::Rack, to.position.leaf() * spines_per_pod + spine);
        match from.position.tier(to.position) {
            Tier::Node => Path::new(&[up(LinkKind::NvLink, source.get()), down(LinkKind::NvLink, destination.get())]),
            Tier::Rack => Path::new(&[nic_up, nic_down]),
            Tier::Pod => {
                let spine = choose(0, spines_per_pod, &|spine| [Some(rack_up(spine)), Some(rack_down(spine))]);
                Path::new(&[nic_up, rack_up(spine), rack_down(spine), nic_down])
            }
            Tier::Core => {
                let pod_up = |core: u32| up(LinkKind::Pod, from.position.pod() * cores + core);
                let pod_down = |core: u32| down(LinkKind::Pod, to.position.pod() * cores + core);
                let spine = choose(0, spines_per_pod, &|spine| [Some(rack_up(spine)), None]);
                let core = choose(1, cores, &|core| [Some(pod_up(core)), Some(pod_down(core))]);
                let spine_down = choose(2, spines_per_pod, &|spine| [Some(rack_down(spine)), None]);
                Path::new(&[nic_up, rack_up(spine), pod_up(core), pod_down(core), rack_down(spine_down), nic_down])
            }
        }
    }
}

/// One of `n` by a field of a hash: fields are of 21 bits and independent, and `n` is far below 2^21.
const fn pick(hash: u64, field: u32, n: u32) -> u32 {
    ((((hash >> (21 * field)) & 0x1f_ffff) * n as u64) >> 21) as u32
}

/// The hash that equal-cost multi-path routing uses for one flow: SplitMix64's finaliser over (seed, transfer,
/// rank). Fixed, so that a flow takes the same way on every machine and under every policy.
pub fn ecmp_hash(seed: u64, transfer: u64, rank: u64) -> u64 {
    let mut z = seed ^ transfer.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ rank.wrapping_mul(0xd134_2543_de82_ef95);
    for _ in 0..2 {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
    }
    z
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// 64 GPUs in 2 pods of 2 racks of 2 nodes.
    pub(crate) fn tree() -> FatTree {
        FatTree::new(FabricConfig {
            shape: FabricShape {
                pods: 2,
                racks_per_pod: 2,
                nodes_per_rack: 2,
                gpus_per_node: 8,
                nics_per_node: 8,
                wiring: Wiring::Racks,
            },
            nvlink: BytesPerSec::new(450_000_000_000),
            nic: BytesPerSec::new(50_000_000_000),
            uplinks: Uplinks::Pooled,
            rack_oversubscription: 2.0,
            pod_oversubscription: 4.0,
            spines_per_pod: 4,
            cores: 8,
            route: RouteChoice::Ecmp,
            latency: [SimDuration::ZERO; 4],
            transport: Transport::Fluid,
        })
    }

    #[test]
    fn links_are_numbered_by_kind_and_direction() {
        let tree = tree();
        assert_eq!(tree.n_links(), 2 * (64 + 64 + 16 + 16));
        let counts = LinkKind::ALL.map(|kind| tree.links_of(kind).count());
        assert_eq!(counts, [128, 128, 32, 32]);
        for kind in LinkKind::ALL {
            assert!(tree.links_of(kind).all(|link| tree.kind(link) == kind));
            assert_eq!(tree.links_of(kind).filter(|&link| tree.pod(link) == 0).count(), counts[kind.index()] / 2);
        }
    }

    #[test]
    fn the_largest_fabric_knows_its_pods() {
        let shape = FabricShape { pods: 4096, racks_per_pod: 16, ..tree().config().shape };
        let tree = FatTree::new(FabricConfig { shape, spines_per_pod: 24, ..*tree().config() });
        assert_eq!(tree.links_of(LinkKind::Rack).map(|link| tree.pod(link)).max(), Some(4095));
    }

    #[test]
    fn oversubscription_divides_the_capacity_of_the_nics_below() {
        let tree = tree();
        let total = |kind| tree.links_of(kind).map(|link| tree.capacity(link).get()).sum::<u64>() / 2;
        let nics = total(LinkKind::Nic);
        assert_eq!(total(LinkKind::Rack), nics / 2);
        assert_eq!(total(LinkKind::Pod), nics / 4);
    }

    #[test]
    fn a_way_climbs_to_the_lowest_common_level_and_back() {
        let tree = tree();
        let kinds = |a, b| {
            let path = tree.path(GpuId::new(a), GpuId::new(b), ecmp_hash(1, 2, 3));
            path.links().iter().map(|&link| tree.kind(link)).collect::<Vec<_>>()
        };
        use LinkKind::{Nic, NvLink, Pod, Rack};
        assert_eq!(kinds(0, 7), [NvLink, NvLink]);
        assert_eq!(kinds(0, 8), [Nic, Nic]);
        assert_eq!(kinds(0, 16), [Nic, Rack, Rack, Nic]);
        assert_eq!(kinds(0, 32), [Nic, Rack, Pod, Pod, Rack, Nic]);
    }

    #[test]
    fn a_rail_is_one_switch_for_the_same_position_in_every_node_of_a_pod() {
        let shape = FabricShape { wiring: Wiring::Rails(8), ..tree().config().shape };
        let tree = FatTree::new(FabricConfig { shape, ..*tree().config() });
        let tier = |a, b| tree.tier(GpuId::new(a), GpuId::new(b));
        assert_eq!(
            [tier(3, 11), tier(3, 27), tier(3, 12), tier(3, 35), tier(3, 4)],
            [Tier::Rack, Tier::Rack, Tier::Pod, Tier::Core, Tier::Node]
        );
        // Oversubscription is that of the leaf switches, whichever NICs are theirs.
        let total = |kind| tree.links_of(kind).map(|link| tree.capacity(link).get()).sum::<u64>() / 2;
        assert_eq!([total(LinkKind::Rack), total(LinkKind::Pod)], [1_600_000_000_000, 800_000_000_000]);
    }

    #[test]
    fn ecmp_spreads_flows_evenly_over_spines_and_cores() {
        let tree = tree();
        let mut uses = vec![0_u32; tree.n_links()];
        let flows = 80_000;
        for transfer in 0..flows {
            let path = tree.path(GpuId::new(0), GpuId::new(63), ecmp_hash(7, transfer, 0));
            path.links().iter().for_each(|link| uses[link.index()] += 1);
        }
        for (kind, ways) in [(LinkKind::Rack, 4.0), (LinkKind::Pod, 8.0)] {
            for link in tree.links_of(kind).filter(|link| uses[link.index()] > 0) {
                let share = f64::from(uses[link.index()]) * ways / flows as f64;
                assert!((share - 1.0).abs() < 0.05, "{kind:?} {link:?}: {share}");
            }
        }
    }
}
