//! Which GPUs form which instance, what each does, and how far apart they are.

use crate::scenario::{ClusterConfig, Placement};
use netkv_fabric::{FabricShape, GpuPosition};
use netkv_units::{GpuId, InstanceId, Stream, Tier};

/// The instances of a run.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// GPUs of an instance; one large one where interfaces are pooled.
    tp: u32,
    /// Flows of a transfer.
    flows: u32,
    /// The instances of each pool, ascending.
    prefill: Vec<InstanceId>,
    decode: Vec<InstanceId>,
    /// By instance: where its first GPU is.
    positions: Vec<GpuPosition>,
}

impl Cluster {
    /// Assigns roles.
    ///
    /// # Panics
    /// If `tp` does not divide the GPUs of a node or a pool is empty: the experiment reader refuses those.
    pub(crate) fn new(config: &ClusterConfig, shape: FabricShape, flows: u32, seed: u64) -> Self {
        assert_eq!(shape.gpus_per_node % config.tp, 0, "an instance is within a node");
        let n_instances = shape.gpus() / config.tp;
        assert!((1..n_instances).contains(&config.prefill_instances), "both pools have an instance: {config:?}");
        let mut prefill = match &config.placement {
            Placement::Listed(listed) => listed.clone(),
            Placement::PerPod => (0..config.prefill_instances).collect(),
            Placement::PerNode => spread(config, n_instances, shape.gpus_per_node / config.tp),
            Placement::PerRack => spread(config, n_instances, shape.gpus_per_node / config.tp * shape.nodes_per_rack),
            Placement::Scattered => {
                let mut all: Vec<u32> = (0..n_instances).collect();
                Stream::new(seed, "placement").shuffle(&mut all);
                all.truncate(config.prefill_instances as usize);
                all
            }
        };
        prefill.sort_unstable();
        let decode = (0..n_instances).filter(|instance| prefill.binary_search(instance).is_err());
        let decode = decode.map(InstanceId::new).collect();
        let prefill = prefill.into_iter().map(InstanceId::new).collect();
        let positions = (0..n_instances).map(|instance| shape.position(GpuId::new(instance * config.tp))).collect();
        Self { tp: config.tp, flows, prefill, decode, positions }
    }

    /// GPUs of an instance; one large one where interfaces are pooled.
    pub(crate) const fn tp(&self) -> u32 {
        self.tp
    }

    /// Flows of a transfer.
    pub(crate) const fn flows(&self) -> u32 {
        self.flows
    }

    /// The prefill instances, ascending.
    pub(crate) fn prefill(&self) -> &[InstanceId] {
        &self.prefill
    }

    /// The decode instances, ascending.
    pub(crate) fn decode(&self) -> &[InstanceId] {
        &self.decode
    }

    /// The GPU of an instance at the end of a transfer's flow.
    pub(crate) fn gpu(&self, instance: InstanceId, flow: u32) -> GpuId {
        GpuId::new(instance.get() * self.tp + flow % self.tp)
    }

    /// How far apart two instances are.
    pub(crate) fn tier(&self, a: InstanceId, b: InstanceId) -> Tier {
        self.positions[a.index()].tier(self.positions[b.index()])
    }
}

/// The prefill instances dealt out one to each group of `group` instances in turn; within a group, the first ones.
fn spread(config: &ClusterConfig, n_instances: u32, group: u32) -> Vec<u32> {
    let n_groups = n_instances / group;
    (0..config.prefill_instances).map(|n| n % n_groups * group + n / n_groups).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_fabric::Wiring;

    fn prefill(placement: Placement) -> Vec<u32> {
        let shape =
            FabricShape { pods: 2, racks_per_pod: 2, nodes_per_rack: 2, gpus_per_node: 8, wiring: Wiring::Racks };
        let config = ClusterConfig { tp: 4, prefill_instances: 8, placement };
        let cluster = Cluster::new(&config, shape, 4, 1);
        assert_eq!(cluster.prefill.len() + cluster.decode.len(), 16);
        cluster.prefill.iter().map(|instance| instance.get()).collect()
    }

    #[test]
    fn placements_put_prefill_where_they_say() {
        assert_eq!(prefill(Placement::PerPod), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(prefill(Placement::PerNode), [0, 2, 4, 6, 8, 10, 12, 14]);
        assert_eq!(prefill(Placement::PerRack), [0, 1, 4, 5, 8, 9, 12, 13]);
        assert_eq!(prefill(Placement::Listed(vec![15, 3, 4, 5, 6, 7, 8, 9]))[0], 3);
        assert_ne!(prefill(Placement::Scattered), prefill(Placement::PerPod));
    }
}
