//! The cluster on its fabric: which instance is where, and the ways from one to another.

use super::cluster::Cluster;
use crate::scenario::{Scenario, TransferGranularity};
use netkv_fabric::{FabricConfig, FatTree, FlowNetwork, Path, ecmp_hash};
use netkv_units::{Bytes, BytesPerSec, GpuId, LinkId, RequestId, SimDuration, Tier};

/// Instances, links and ways. Nothing of it changes during a run.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    cluster: Cluster,
    tree: FatTree,
    seed: u64,
}

/// The cluster and fabric as the flows see them: with pooled interfaces, one large GPU for each instance.
fn flow_view(scenario: &Scenario) -> (FabricConfig, Cluster) {
    let mut fabric = scenario.fabric;
    let mut cluster = scenario.cluster.clone();
    let mut n_flows = cluster.tp;
    if let TransferGranularity::Instance { flows } = scenario.transfer.granularity {
        n_flows = flows;
        let pooled = |rate: BytesPerSec| BytesPerSec::new(rate.get() * u64::from(cluster.tp));
        (fabric.nic, fabric.nvlink) = (pooled(fabric.nic), pooled(fabric.nvlink));
        fabric.shape.gpus_per_node /= cluster.tp;
        cluster.tp = 1;
    }
    let cluster = Cluster::new(&cluster, fabric.shape, n_flows, scenario.seed);
    (fabric, cluster)
}

impl Topology {
    /// That of a scenario.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let (fabric, cluster) = flow_view(scenario);
        Self::of(cluster, FatTree::new(fabric), scenario.seed)
    }

    /// A cluster on a tree; `seed` is that of the ways that flows take.
    pub(crate) const fn of(cluster: Cluster, tree: FatTree, seed: u64) -> Self {
        Self { cluster, tree, seed }
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
        let (source, destination) = (self.cluster.prefill()[prefill], self.cluster.decode()[decode]);
        (self.cluster.gpu(source, rank), self.cluster.gpu(destination, rank))
    }

    /// What one of a transfer's flows has to move of so many bytes: an even share, the first ones a byte more if need
    /// be.
    pub(crate) fn share(&self, bytes: u64, rank: u32) -> Bytes {
        let n_flows = u64::from(self.cluster.flows());
        Bytes::new(bytes / n_flows + u64::from(u64::from(rank) < bytes % n_flows))
    }
}
