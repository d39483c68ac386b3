//! The cluster on its fabric: which instance is where, and the ways from one to another.

use super::cluster::Cluster;
use super::reshard::Reshard;
use crate::scenario::{OracleBandwidth, Scenario, TransferGranularity};
use netkv_fabric::{FatTree, FlowNetwork, LinkKind, NodePlace, Path, Wiring, ecmp_hash};
use netkv_units::{Bytes, BytesPerSec, GpuId, InstanceId, LinkId, RequestId, SimDuration, Tier};

/// Instances, links and ways. Nothing of it changes during a run.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    cluster: Cluster,
    tree: FatTree,
    seed: u64,
    /// What a transfer inside a rack gets if nobody else sends, between the fastest instances.
    alone: BytesPerSec,
    /// By kind: what the slowest link can carry when nothing else uses it.
    slowest: [BytesPerSec; 4],
    /// Where all instances are alike: what the oracle gives for each tier, by which bandwidth it gives.
    uniform: Option<[[f64; 4]; 3]>,
}

/// The cluster and fabric as the flows see them: with pooled interfaces, one large GPU for each instance.
fn flow_view(scenario: &Scenario) -> (FatTree, Cluster) {
    let TransferGranularity::Instance { flows } = scenario.transfer.granularity else {
        let tree = scenario.tree();
        let cluster = Cluster::new(&scenario.cluster, &tree, Reshard::new(&scenario.cluster), scenario.seed);
        return (tree, cluster);
    };
    let (mut fabric, mut cluster) = (scenario.fabric, scenario.cluster.clone());
    assert!(cluster.is_uniform() && scenario.layout.is_none(), "pooled interfaces are all alike");
    let pooled = |rate: BytesPerSec| BytesPerSec::new(rate.get() * u64::from(cluster.tp));
    (fabric.nic, fabric.nvlink) = (pooled(fabric.nic), pooled(fabric.nvlink));
    fabric.shape.gpus_per_node /= cluster.tp;
    fabric.shape.nics_per_node = fabric.shape.gpus_per_node;
    (cluster.tp, cluster.decode_tp) = (1, 1);
    let tree = FatTree::new(fabric);
    let cluster = Cluster::new(&cluster, &tree, Reshard::pooled(flows), scenario.seed);
    (tree, cluster)
}

/// Where an instance is, each counted through the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstancePlace {
    /// Its pod.
    pub pod: u32,
    /// Its rack.
    pub rack: u32,
    /// Its node.
    pub node: u32,
}

/// Where an instance of a scenario is, for whoever shows it to people.
///
/// # Panics
/// If the scenario has no such instance.
pub fn place(scenario: &Scenario, instance: InstanceId) -> InstancePlace {
    let (tree, cluster) = flow_view(scenario);
    let node = cluster.position(instance).node();
    let NodePlace { pod, rack, .. } = tree.nodes()[node as usize];
    InstancePlace { pod, rack, node }
}

impl Topology {
    /// That of a scenario.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let (tree, cluster) = flow_view(scenario);
        Self::of(cluster, tree, scenario.seed)
    }

    /// A cluster on a tree; `seed` is that of the ways that flows take.
    pub(crate) fn of(cluster: Cluster, tree: FatTree, seed: u64) -> Self {
        let alone = cluster.most_over_nics();
        let slowest = LinkKind::ALL.map(|kind| tree.slowest(kind));
        let mut topology = Self { cluster, tree, seed, alone, slowest, uniform: None };
        if topology.cluster.is_uniform(&topology.tree) {
            let one = topology.cluster.prefill()[0];
            let told = |told| Tier::ALL.map(|tier| topology.bandwidth(told, tier, one, one));
            topology.uniform = Some([OracleBandwidth::Share, OracleBandwidth::Idle, OracleBandwidth::Link].map(told));
        }
        topology
    }

    /// The instances.
    pub(crate) const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The links.
    pub(crate) const fn tree(&self) -> &FatTree {
        &self.tree
    }

    /// The links without a flow.
    pub(crate) fn idle_links(&self) -> FlowNetwork {
        let capacities: Vec<_> =
            (0..self.tree.n_links()).map(|link| self.tree.capacity(LinkId::from_index(link))).collect();
        FlowNetwork::new(&capacities, Path::MAX)
    }

    /// How far a prefill instance is from a decode instance, by their positions in the pools.
    pub(crate) fn tier(&self, prefill: usize, decode: usize) -> Tier {
        self.cluster.tier(self.cluster.prefill()[prefill], self.cluster.decode()[decode])
    }

    /// What a transfer inside a rack gets if nobody else sends, between the fastest instances.
    pub(crate) const fn alone(&self) -> BytesPerSec {
        self.alone
    }

    /// The bandwidth of a transfer over `tier`, between these instances, as an oracle gives it.
    #[inline]
    pub(crate) fn bandwidth(
        &self,
        told: OracleBandwidth,
        tier: Tier,
        source: InstanceId,
        destination: InstanceId,
    ) -> f64 {
        if let Some(by_tier) = &self.uniform {
            return by_tier[told as usize][tier.index()];
        }
        match told {
            OracleBandwidth::Share => self.shared_bandwidth(tier, source, destination),
            OracleBandwidth::Idle => self.idle_bandwidth(tier, self.interface_bandwidth(tier, source, destination)),
            OracleBandwidth::Link => self.link_bandwidth(tier),
        }
    }

    /// What a transfer gets over a tier at most if nobody else sends.
    pub(crate) fn alone_over(&self, tier: Tier) -> f64 {
        let interfaces = match tier {
            Tier::Node => self.cluster.most_over_nvlink(),
            Tier::Rack | Tier::Pod | Tier::Core => self.alone.get() as f64,
        };
        self.idle_bandwidth(tier, interfaces)
    }

    /// The same if it comes from an instance with the NICs and NVLink of this one.
    pub(crate) fn alone_from(&self, source: InstanceId, tier: Tier) -> f64 {
        let interfaces = match tier {
            Tier::Node => self.cluster.over_nvlink(source, source),
            Tier::Rack | Tier::Pod | Tier::Core => self.cluster.most_from(source).get() as f64,
        };
        self.idle_bandwidth(tier, interfaces)
    }

    /// What all links together carry out of the group of an instance, or into it: its network interfaces, those included that
    /// it shares, the uplinks of its rack, or those of its pod.
    pub(crate) fn leaving_from(&self, instance: InstanceId, group: Tier) -> f64 {
        let (tree, position) = (&self.tree, self.cluster.position(instance));
        let both_ways = |kind: LinkKind, is_its: &dyn Fn(LinkId) -> bool| {
            let its = tree.links_of(kind).filter(|&link| is_its(link));
            its.map(|link| tree.capacity(link).get() as f64).sum::<f64>() / 2.0
        };
        let of_its_pod = |link: LinkId| tree.pod(link) == position.pod();
        match (group, tree.wiring()) {
            (Tier::Node, _) => self.cluster.nic(instance) * f64::from(self.cluster.nics(instance)),
            (Tier::Rack, Wiring::Racks) => {
                both_ways(LinkKind::Rack, &|link| tree.place(link).rack == Some(position.leaf()))
            }
            (Tier::Rack, Wiring::Rails(_)) => both_ways(LinkKind::Rack, &of_its_pod),
            (Tier::Pod | Tier::Core, _) => both_ways(LinkKind::Pod, &of_its_pod),
        }
    }

    /// The slower end of a flow over `tier` between a prefill and a decode instance, by their positions in the pools: what it gets
    /// at most.
    pub(crate) fn slower_edge(&self, tier: Tier, prefill: usize, decode: usize) -> BytesPerSec {
        let rates = |instance: InstanceId| self.tree.rates(self.cluster.position(instance));
        let (from, to) = (rates(self.cluster.prefill()[prefill]), rates(self.cluster.decode()[decode]));
        match tier {
            Tier::Node => from.nvlink.min(to.nvlink),
            Tier::Rack | Tier::Pod | Tier::Core => from.nic.min(to.nic),
        }
    }

    /// Whether every tier has one bandwidth, between whichever instances.
    pub(crate) const fn is_uniform(&self) -> bool {
        self.uniform.is_some()
    }

    /// What the interfaces of two instances carry of a transfer over `tier` if nobody else sends.
    pub(crate) fn interface_bandwidth(&self, tier: Tier, source: InstanceId, destination: InstanceId) -> f64 {
        match tier {
            Tier::Node => self.cluster.over_nvlink(source, destination),
            Tier::Rack | Tier::Pod | Tier::Core => self.cluster.over_nics(source, destination),
        }
    }

    /// Bandwidth of a transfer over `tier` between interfaces of so much if nobody else sends and each of its flows has links
    /// of its own: a link to a spine or a core may be slower than a NIC. Of these the slowest of its kind counts.
    fn idle_bandwidth(&self, tier: Tier, interfaces: f64) -> f64 {
        let switched: &[LinkKind] = match tier {
            Tier::Node | Tier::Rack => &[],
            Tier::Pod => &[LinkKind::Rack],
            Tier::Core => &[LinkKind::Rack, LinkKind::Pod],
        };
        (self.slowest_of(switched) * f64::from(self.cluster.flows())).min(interfaces)
    }

    /// Bandwidth of the slowest link of a way over `tier`, wherever in the fabric.
    fn link_bandwidth(&self, tier: Tier) -> f64 {
        self.slowest_of(match tier {
            Tier::Node => &[LinkKind::NvLink],
            Tier::Rack => &[LinkKind::Nic],
            Tier::Pod => &[LinkKind::Nic, LinkKind::Rack],
            Tier::Core => &[LinkKind::Nic, LinkKind::Rack, LinkKind::Pod],
        })
    }

    /// Bandwidth of the slowest link of these kinds; infinite if there are none.
    fn slowest_of(&self, kinds: &[LinkKind]) -> f64 {
        let capacities = kinds.iter().map(|&kind| self.slowest[kind.index()]);
        capacities.min().map_or(f64::INFINITY, |rate| rate.get() as f64)
    }

    /// Bandwidth of a transfer over `tier` if everybody sends, those behind the same NICs included.
    fn shared_bandwidth(&self, tier: Tier, source: InstanceId, destination: InstanceId) -> f64 {
        let config = self.tree.config();
        let oversubscription = match tier {
            Tier::Node => return self.interface_bandwidth(tier, source, destination),
            Tier::Rack => 1.0,
            Tier::Pod => config.rack_oversubscription.max(1.0),
            Tier::Core => config.rack_oversubscription.max(config.pod_oversubscription).max(1.0),
        };
        self.cluster.sure_over_nics(source, destination) / oversubscription
    }

    /// The links on which flows enter the network.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = LinkId> {
        let kinds = [LinkKind::NvLink, LinkKind::Nic].into_iter();
        kinds.flat_map(|kind| {
            let links = self.tree.links_of(kind);
            let n = links.size_hint().0 / 2;
            links.take(n)
        })
    }

    /// Time of the first byte over a tier.
    pub(crate) const fn latency(&self, tier: Tier) -> SimDuration {
        self.tree.config().latency[tier.index()]
    }

    /// What equal-cost multi-path routing goes by for one flow of a transfer.
    pub(crate) fn hash(&self, request: RequestId, rank: u32) -> u64 {
        ecmp_hash(self.seed, u64::from(request.get()), u64::from(rank))
    }

    /// The GPUs at the ends of one flow of a transfer.
    pub(crate) fn ends(&self, prefill: usize, decode: usize, rank: u32) -> (GpuId, GpuId) {
        self.cluster.ends(self.cluster.prefill()[prefill], self.cluster.decode()[decode], rank)
    }

    /// What one of a transfer's flows has to move of so many bytes: an even share, the first ones a byte more if need
    /// be.
    pub(crate) fn share(&self, bytes: u64, rank: u32) -> Bytes {
        let n_flows = u64::from(self.cluster.flows());
        Bytes::new(bytes / n_flows + u64::from(u64::from(rank) < bytes % n_flows))
    }
}
