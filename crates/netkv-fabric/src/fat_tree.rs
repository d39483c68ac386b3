//! The fat tree: GPUs in nodes, nodes in racks, racks in pods, and the directed links between them.
//!
//! Full duplex is two links. Every GPU has a pair of NVLink links (inside its node) and a pair of NIC links (to
//! its rack's leaf switch); every rack has a pair for each spine of its pod; every pod has a pair for each core.
//! Ways: tier 0 NVLink up, NVLink down; tier 1 NIC up, NIC down; tier 2 NIC up, rack up, rack down, NIC down
//! over one spine; tier 3 NIC up, rack up, pod up, pod down, rack down, NIC down over a spine of each pod and a
//! core. Switches themselves do not block. Leaves out: PCIe and NUMA inside a node, rail-optimised wiring.

use netkv_units::{BytesPerSec, GpuId, LinkId, SimDuration, Tier};

/// How many of each there are.
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
}

/// A fat tree with its capacities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FabricConfig {
    /// How many of each there are.
    pub shape: FabricShape,
    /// Each direction of a GPU's NVLink.
    pub nvlink: BytesPerSec,
    /// Each direction of a GPU's NIC, as achieved: line rate times efficiency.
    pub nic: BytesPerSec,
    /// A rack's NIC capacity over its capacity to the spines; at least a positive number, 1 is non-blocking.
    pub rack_oversubscription: f64,
    /// A pod's NIC capacity over its capacity to the cores.
    pub pod_oversubscription: f64,
    /// Spines of a pod, each with a pair of links to every rack of the pod.
    pub spines_per_pod: u32,
    /// Cores, each with a pair of links to every pod.
    pub cores: u32,
    /// Latency of a way, by tier.
    pub latency: [SimDuration; 4],
}

/// What a directed link connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkKind {
    /// A GPU and the others of its node.
    NvLink,
    /// A GPU and its leaf switch.
    Nic,
    /// A rack and a spine of its pod.
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

impl FabricShape {
    /// GPUs in all.
    pub const fn gpus(&self) -> u32 {
        self.pods * self.racks_per_pod * self.nodes_per_rack * self.gpus_per_node
    }

    /// Racks in all.
    pub const fn racks(&self) -> u32 {
        self.pods * self.racks_per_pod
    }

    /// The lowest level that connects two GPUs.
    pub fn tier(&self, a: GpuId, b: GpuId) -> Tier {
        let node = |gpu: GpuId| gpu.get() / self.gpus_per_node;
        let rack = |gpu: GpuId| node(gpu) / self.nodes_per_rack;
        let pod = |gpu: GpuId| rack(gpu) / self.racks_per_pod;
        if node(a) == node(b) {
            Tier::Node
        } else if rack(a) == rack(b) {
            Tier::Rack
        } else if pod(a) == pod(b) {
            Tier::Pod
        } else {
            Tier::Core
        }
    }
}

/// A fat tree's links, numbered: for each kind in the order of [`LinkKind`], all up links, then all down links.
#[derive(Clone, Debug)]
pub struct FatTree {
    config: FabricConfig,
    /// First link of each kind, and the end.
    first: [u32; 5],
}

impl FatTree {
    /// The tree of `config`.
    ///
    /// # Panics
    /// If a count is zero or an oversubscription is not positive: the experiment reader refuses those.
    pub fn new(config: FabricConfig) -> Self {
        let shape = config.shape;
        assert!(shape.gpus() > 0 && config.spines_per_pod > 0 && config.cores > 0, "an empty fabric: {config:?}");
        assert!(config.rack_oversubscription > 0.0 && config.pod_oversubscription > 0.0, "{config:?}");
        let per_direction =
            [shape.gpus(), shape.gpus(), shape.racks() * config.spines_per_pod, shape.pods * config.cores];
        let mut first = [0; 5];
        for (kind, count) in per_direction.into_iter().enumerate() {
            first[kind + 1] = first[kind] + 2 * count;
        }
        Self { config, first }
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

    /// The pod that a link belongs to.
    pub fn pod(&self, link: LinkId) -> u32 {
        let kind = self.kind(link);
        let start = self.first[kind.index()];
        let per_direction = (self.first[kind.index() + 1] - start) / 2;
        let per_pod = per_direction / self.config.shape.pods;
        (link.get() - start) % per_direction / per_pod
    }

    /// What a link can carry when nothing else uses it.
    pub fn capacity(&self, link: LinkId) -> BytesPerSec {
        let config = &self.config;
        let shape = config.shape;
        let nic = config.nic.get() as f64;
        let rack_nics = nic * f64::from(shape.nodes_per_rack * shape.gpus_per_node);
        let shared = |total: f64, oversubscription: f64, links: u32| {
            BytesPerSec::new((total / (oversubscription * f64::from(links))) as u64)
        };
        match self.kind(link) {
            LinkKind::NvLink => config.nvlink,
            LinkKind::Nic => config.nic,
            LinkKind::Rack => shared(rack_nics, config.rack_oversubscription, config.spines_per_pod),
            LinkKind::Pod => {
                shared(rack_nics * f64::from(shape.racks_per_pod), config.pod_oversubscription, config.cores)
            }
        }
    }

    /// The way of a flow between two different GPUs. `hash` picks spine and core among equals (see [`ecmp_hash`]).
    pub fn path(&self, source: GpuId, destination: GpuId, hash: u64) -> Path {
        let config = &self.config;
        let up = |kind: LinkKind, index: u32| LinkId::new(self.first[kind.index()] + index);
        let down = |kind: LinkKind, index: u32| {
            let (start, end) = (self.first[kind.index()], self.first[kind.index() + 1]);
            LinkId::new(start + (end - start) / 2 + index)
        };
        let rack = |gpu: GpuId| gpu.get() / (config.shape.gpus_per_node * config.shape.nodes_per_rack);
        let pod = |gpu: GpuId| rack(gpu) / config.shape.racks_per_pod;
        let (nic_up, nic_down) = (up(LinkKind::Nic, source.get()), down(LinkKind::Nic, destination.get()));
        // Independent 21-bit fields of the hash; a count of spines or cores is far below 2^21.
        let pick = |field: u32, n: u32| ((((hash >> (21 * field)) & 0x1f_ffff) * u64::from(n)) >> 21) as u32;
        let spine = pick(0, config.spines_per_pod);
        let rack_up = up(LinkKind::Rack, rack(source) * config.spines_per_pod + spine);
        let rack_down = |spine| down(LinkKind::Rack, rack(destination) * config.spines_per_pod + spine);
        match config.shape.tier(source, destination) {
            Tier::Node => Path::new(&[up(LinkKind::NvLink, source.get()), down(LinkKind::NvLink, destination.get())]),
            Tier::Rack => Path::new(&[nic_up, nic_down]),
            Tier::Pod => Path::new(&[nic_up, rack_up, rack_down(spine), nic_down]),
            Tier::Core => {
                let core = pick(1, config.cores);
                let pod_up = up(LinkKind::Pod, pod(source) * config.cores + core);
                let pod_down = down(LinkKind::Pod, pod(destination) * config.cores + core);
                let spine_down = pick(2, config.spines_per_pod);
                Path::new(&[nic_up, rack_up, pod_up, pod_down, rack_down(spine_down), nic_down])
            }
        }
    }
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
mod tests {
    use super::*;

    fn tree() -> FatTree {
        FatTree::new(FabricConfig {
            shape: FabricShape { pods: 2, racks_per_pod: 2, nodes_per_rack: 2, gpus_per_node: 8 },
            nvlink: BytesPerSec::new(450_000_000_000),
            nic: BytesPerSec::new(50_000_000_000),
            rack_oversubscription: 2.0,
            pod_oversubscription: 4.0,
            spines_per_pod: 4,
            cores: 8,
            latency: [SimDuration::ZERO; 4],
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
        let shape = FabricShape { pods: 4096, racks_per_pod: 16, nodes_per_rack: 2, gpus_per_node: 8 };
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
