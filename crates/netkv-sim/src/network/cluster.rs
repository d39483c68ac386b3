//! Which GPUs form which instance, what each does, and how far apart they are.
//!
//! A node's GPUs are cut into slots of as many GPUs as the larger instance has; a slot holds instances of one pool. With
//! one degree of tensor parallelism in both pools a slot is an instance. A placement puts the slots in an order: the first
//! ones prefill, those that follow decode, and what is left is in no instance.

use super::reshard::Reshard;
use crate::scenario::{ClusterConfig, Placement};
use netkv_fabric::{FatTree, GpuPosition, NodePlace, NodeRates};
use netkv_units::{BytesPerSec, GpuId, InstanceId, Stream, Tier};
use std::collections::{BTreeMap, BTreeSet};

/// The instances of a run.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// The instances of each pool, ascending.
    prefill: Vec<InstanceId>,
    decode: Vec<InstanceId>,
    /// By instance.
    instances: Vec<Instance>,
    reshard: Reshard,
    /// NVLinks' worth of rate of a transfer inside a node.
    inner_lanes: f64,
    most: Most,
}

/// What the widest and fastest instances have.
#[derive(Clone, Copy, Debug, Default)]
struct Most {
    /// Of prefill instances: NICs' worth of rate of a transfer out of one, and its bytes per second.
    lanes_out: f64,
    out: f64,
    /// Of decode instances: bytes per second of a transfer into one.
    into: f64,
    /// Of any: bytes per second of an NVLink.
    nvlink: f64,
}

/// Where an instance is.
#[derive(Clone, Copy, Debug)]
struct Instance {
    first_gpu: u32,
    /// Its GPUs; one large one where interfaces are pooled.
    tp: u32,
    position: GpuPosition,
    /// The NICs that its GPUs send over: the first, and how many; others may send over them as well.
    first_nic: u32,
    nics: u32,
    /// What a NIC and an NVLink of it carry, in bytes per second.
    nic: f64,
    nvlink: f64,
    /// NICs' worth of rate that its NICs leave to a transfer out of it, and into it, if nobody else sends.
    lanes: (f64, f64),
    /// Its NICs' worth of rate, if all GPUs behind them send.
    share: f64,
}

/// A slot: its first GPU, and the node and rack that it is in.
#[derive(Clone, Copy, Debug)]
struct Slot {
    first_gpu: u32,
    node: u32,
    rack: u32,
}

impl Cluster {
    /// Assigns roles to the GPUs of a tree, whose transfers are cut into the flows of `reshard`.
    ///
    /// # Panics
    /// If slots do not fill nodes, instances slots, or a pool is empty: the experiment reader refuses those.
    pub(crate) fn new(config: &ClusterConfig, tree: &FatTree, reshard: Reshard, seed: u64) -> Self {
        let slots = slots(tree.nodes(), config.slot(), config.unused_gpus_per_node);
        let order = order(&config.placement, &slots, seed);
        let per_slot = |tp: u32| config.slot() / tp;
        let slots_of = |instances: u32, tp: u32| {
            assert!(instances > 0 && instances.is_multiple_of(per_slot(tp)), "instances fill slots: {config:?}");
            (instances / per_slot(tp)) as usize
        };
        let n_prefill = slots_of(config.prefill_instances, config.tp);
        let left = slots.len().saturating_sub(n_prefill);
        let n_decode = config.decode_instances.map_or(left, |instances| slots_of(instances, config.decode_tp));
        assert!(n_decode > 0 && n_decode <= left, "both pools have an instance: {config:?}");
        // By slot: the GPUs of its instances and whether they prefill.
        let mut roles = vec![None; slots.len()];
        order[..n_prefill].iter().for_each(|&slot| roles[slot] = Some((config.tp, true)));
        order[n_prefill..n_prefill + n_decode].iter().for_each(|&slot| roles[slot] = Some((config.decode_tp, false)));
        let lanes = Lanes::new(tree, &reshard);
        let inner_lanes = reshard.lanes_out(1).min(reshard.lanes_in(1));
        let (prefill, decode, instances) = (Vec::new(), Vec::new(), Vec::new());
        let mut cluster = Self { prefill, decode, instances, reshard, inner_lanes, most: Most::default() };
        for (slot, role) in slots.iter().zip(roles) {
            let Some((tp, prefills)) = role else { continue };
            for place in 0..per_slot(tp) {
                let id = InstanceId::from_index(cluster.instances.len());
                if prefills {
                    cluster.prefill.push(id)
                } else {
                    cluster.decode.push(id)
                }
                cluster.instances.push(Instance::at(slot.first_gpu + place * tp, tp, tree, &lanes));
            }
        }
        cluster.most = cluster.find_most();
        cluster
    }

    fn find_most(&self) -> Most {
        let most = |pool: &[InstanceId], of: &dyn Fn(&Instance) -> f64| {
            pool.iter().map(|instance| of(&self.instances[instance.index()])).fold(0.0, f64::max)
        };
        let nvlink = |one: &Instance| one.nvlink;
        Most {
            lanes_out: most(&self.prefill, &|source| source.lanes.0),
            out: most(&self.prefill, &|source| source.out()),
            into: most(&self.decode, &|destination| destination.into()),
            nvlink: most(&self.prefill, &nvlink).max(most(&self.decode, &nvlink)),
        }
    }

    /// Flows of a transfer.
    pub(crate) const fn flows(&self) -> u32 {
        self.reshard.flows()
    }

    /// The prefill instances, ascending.
    pub(crate) fn prefill(&self) -> &[InstanceId] {
        &self.prefill
    }

    /// The decode instances, ascending.
    pub(crate) fn decode(&self) -> &[InstanceId] {
        &self.decode
    }

    /// The GPUs at the ends of a transfer's flow.
    pub(crate) fn ends(&self, source: InstanceId, destination: InstanceId, flow: u32) -> (GpuId, GpuId) {
        let (from, to) = self.reshard.ranks(flow);
        let gpu = |instance: InstanceId, rank: u32| {
            let Instance { first_gpu, tp, .. } = self.instances[instance.index()];
            // An instance that is asked about as the other end of what it does in truth may have fewer GPUs.
            GpuId::new(first_gpu + if rank < tp { rank } else { rank % tp })
        };
        (gpu(source, from), gpu(destination, to))
    }

    /// Where the first GPU of an instance is.
    pub(crate) fn position(&self, instance: InstanceId) -> GpuPosition {
        self.instances[instance.index()].position
    }

    /// How far apart two instances are.
    pub(crate) fn tier(&self, a: InstanceId, b: InstanceId) -> Tier {
        self.position(a).tier(self.position(b))
    }

    /// The first NIC of an instance: whoever has the same one shares it, and all others.
    pub(crate) fn interface(&self, instance: InstanceId) -> u32 {
        self.instances[instance.index()].first_nic
    }

    /// NICs of an instance, those included that it shares.
    pub(crate) fn nics(&self, instance: InstanceId) -> u32 {
        self.instances[instance.index()].nics
    }

    /// Bytes per second of a NIC of an instance.
    pub(crate) fn nic(&self, instance: InstanceId) -> f64 {
        self.instances[instance.index()].nic
    }

    /// Bytes per second of a transfer between two instances over their NICs if nobody else sends: its flows are as large, so
    /// the NIC that is slowest for the flows on it holds all of them.
    pub(crate) fn over_nics(&self, source: InstanceId, destination: InstanceId) -> f64 {
        let (from, to) = (&self.instances[source.index()], &self.instances[destination.index()]);
        from.out().min(to.into())
    }

    /// The same if all GPUs behind their NICs send.
    pub(crate) fn sure_over_nics(&self, source: InstanceId, destination: InstanceId) -> f64 {
        let share = |instance: InstanceId| {
            let Instance { nic, share, .. } = self.instances[instance.index()];
            nic * share
        };
        self.over_nics(source, destination).min(share(source)).min(share(destination))
    }

    /// The same inside a node, over the NVLink of each GPU.
    pub(crate) fn over_nvlink(&self, source: InstanceId, destination: InstanceId) -> f64 {
        let nvlink = |instance: InstanceId| self.instances[instance.index()].nvlink;
        nvlink(source).min(nvlink(destination)) * self.inner_lanes
    }

    /// The most that a transfer gets over NICs if nobody else sends: between the fastest instances.
    pub(crate) fn most_over_nics(&self) -> BytesPerSec {
        BytesPerSec::new(self.most.out.min(self.most.into) as u64)
    }

    /// The same out of NICs that are as fast as an instance's, and as many as any has.
    pub(crate) fn most_from(&self, source: InstanceId) -> BytesPerSec {
        let most = self.most_over_nics();
        most.min(BytesPerSec::new((self.nic(source) * self.most.lanes_out) as u64))
    }

    /// The most that a transfer gets inside a node if nobody else sends.
    pub(crate) fn most_over_nvlink(&self) -> f64 {
        self.most.nvlink * self.inner_lanes
    }

    /// Whether all instances are as large and as fast, and share NICs with as many; and so do all nodes.
    pub(crate) fn is_uniform(&self, tree: &FatTree) -> bool {
        let alike = |one: &Instance| (one.tp, one.nic, one.nvlink);
        let first = alike(&self.instances[0]);
        let mut sharing = tree.nodes().iter().map(|node| node.gpus / node.nics);
        let one = sharing.next();
        sharing.all(|other| Some(other) == one) && self.instances.iter().all(|instance| alike(instance) == first)
    }
}

/// By how many GPUs share a NIC, where there are nodes of that kind: NICs' worth of rate that these leave to a transfer out of
/// an instance, and into one.
struct Lanes(BTreeMap<u32, (f64, f64)>);

impl Lanes {
    fn new(tree: &FatTree, reshard: &Reshard) -> Self {
        let sharing: BTreeSet<u32> = tree.nodes().iter().map(|node| node.gpus / node.nics).collect();
        Self(sharing.into_iter().map(|share| (share, (reshard.lanes_out(share), reshard.lanes_in(share)))).collect())
    }
}

impl Instance {
    /// That of `tp` GPUs.
    ///
    /// # Panics
    /// If it shares a NIC and has another one as well: the experiment reader refuses that.
    fn at(first_gpu: u32, tp: u32, tree: &FatTree, lanes: &Lanes) -> Self {
        let (first, last) = (GpuId::new(first_gpu), GpuId::new(first_gpu + tp - 1));
        let position = tree.position(first);
        let NodePlace { gpus, nics, .. } = tree.nodes()[position.node() as usize];
        let gpus_per_nic = gpus / nics;
        assert_eq!(position.node(), tree.position(last).node(), "an instance is within a node");
        assert!(tp.is_multiple_of(gpus_per_nic) || gpus_per_nic.is_multiple_of(tp), "whole NICs, or a share of one");
        let first_nic = tree.nic(first);
        let NodeRates { nvlink, nic } = tree.rates(position);
        Self {
            first_gpu,
            tp,
            position,
            first_nic,
            nics: tree.nic(last) - first_nic + 1,
            nic: nic.get() as f64,
            nvlink: nvlink.get() as f64,
            lanes: lanes.0[&gpus_per_nic],
            share: f64::from(tp) / f64::from(gpus_per_nic),
        }
    }

    /// Bytes per second that its NICs leave to a transfer out of it, if nobody else sends.
    fn out(&self) -> f64 {
        self.nic * self.lanes.0
    }

    /// The same into it.
    fn into(&self) -> f64 {
        self.nic * self.lanes.1
    }
}

/// The slots of so many GPUs in each node, whose last GPUs are unused.
fn slots(nodes: &[NodePlace], gpus: u32, unused: u32) -> Vec<Slot> {
    let (mut slots, mut first) = (Vec::new(), 0);
    for (index, node) in nodes.iter().enumerate() {
        let usable = node.gpus.checked_sub(unused).expect("a node has the GPUs that it leaves unused");
        assert!(usable.is_multiple_of(gpus), "slots of {gpus} GPUs fill {usable} of {node:?}");
        let slot = |place: u32| Slot { first_gpu: first + place * gpus, node: index as u32, rack: node.rack };
        slots.extend((0..usable / gpus).map(slot));
        first += node.gpus;
    }
    slots
}

/// The slots in the order in which they are given away.
fn order(placement: &Placement, slots: &[Slot], seed: u64) -> Vec<usize> {
    let mut all: Vec<u32> = (0..slots.len() as u32).collect();
    match placement {
        Placement::PerPod => {}
        Placement::PerNode => all = spread(slots, |slot| slot.node),
        Placement::PerRack => all = spread(slots, |slot| slot.rack),
        Placement::Scattered => Stream::new(seed, "placement").shuffle(&mut all),
        Placement::Listed(listed) => {
            all.retain(|slot| !listed.contains(slot));
            all.splice(0..0, listed.iter().copied());
        }
    }
    all.into_iter().map(|slot| slot as usize).collect()
}

/// One slot of each group in turn; within a group, the first ones first.
fn spread(slots: &[Slot], group: impl Fn(&Slot) -> u32) -> Vec<u32> {
    let mut turns: Vec<(u32, u32)> = Vec::with_capacity(slots.len());
    for (index, slot) in slots.iter().enumerate() {
        let is_next = index > 0 && group(&slots[index - 1]) == group(slot);
        turns.push((if is_next { turns[index - 1].0 + 1 } else { 0 }, index as u32));
    }
    turns.sort_unstable();
    turns.into_iter().map(|(_, slot)| slot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::examples::fabric;
    use crate::scenario::KvParts;
    use netkv_fabric::{FabricConfig, FabricShape, Layout, Wiring};

    const SHAPE: FabricShape = FabricShape {
        pods: 2,
        racks_per_pod: 2,
        nodes_per_rack: 2,
        gpus_per_node: 8,
        nics_per_node: 8,
        wiring: Wiring::Racks,
    };

    /// What a NIC of the example fabric carries.
    const NIC: f64 = 1e7;

    fn config(placement: Placement) -> ClusterConfig {
        ClusterConfig {
            tp: 4,
            decode_tp: 4,
            parts: KvParts { prefill: 1, decode: 1 },
            prefill_instances: 8,
            decode_instances: None,
            unused_gpus_per_node: 0,
            events: Vec::new(),
            placement,
        }
    }

    fn cluster(config: &ClusterConfig, shape: FabricShape) -> Cluster {
        let tree = FatTree::new(FabricConfig { shape, ..fabric() });
        Cluster::new(config, &tree, Reshard::new(config), 1)
    }

    fn prefill(placement: Placement) -> Vec<u32> {
        let cluster = cluster(&config(placement), SHAPE);
        assert_eq!(cluster.prefill.len() + cluster.decode.len(), 16);
        cluster.prefill.iter().map(|instance| instance.get()).collect()
    }

    /// By instance of a pool: its first GPU.
    fn gpus(cluster: &Cluster, pool: &[InstanceId]) -> Vec<u32> {
        pool.iter().map(|instance| cluster.instances[instance.index()].first_gpu).collect()
    }

    #[test]
    fn placements_put_prefill_where_they_say() {
        assert_eq!(prefill(Placement::PerPod), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(prefill(Placement::PerNode), [0, 2, 4, 6, 8, 10, 12, 14]);
        assert_eq!(prefill(Placement::PerRack), [0, 1, 4, 5, 8, 9, 12, 13]);
        assert_eq!(prefill(Placement::Listed(vec![15, 3, 4, 5, 6, 7, 8, 9]))[0], 3);
        assert_ne!(prefill(Placement::Scattered), prefill(Placement::PerPod));
    }

    /// Prefill instances of 2 GPUs beside decode instances of 8: a node holds four of the one, or one of the other.
    #[test]
    fn a_slot_holds_instances_of_one_pool() {
        let config = ClusterConfig { tp: 2, decode_tp: 8, prefill_instances: 12, ..config(Placement::PerPod) };
        let cluster = cluster(&config, SHAPE);
        assert_eq!(gpus(&cluster, &cluster.prefill), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]);
        assert_eq!(gpus(&cluster, &cluster.decode), [24, 32, 40, 48, 56]);
        assert_eq!(cluster.decode[0].get(), 12, "instances are numbered in the order of their GPUs");
    }

    #[test]
    fn gpus_at_the_end_of_a_node_and_whole_slots_may_be_in_no_instance() {
        let six = ClusterConfig { tp: 3, decode_tp: 3, unused_gpus_per_node: 2, ..config(Placement::PerPod) };
        let some = cluster(&ClusterConfig { decode_instances: Some(2), ..six.clone() }, SHAPE);
        assert_eq!(gpus(&some, &some.prefill), [0, 3, 8, 11, 16, 19, 24, 27]);
        assert_eq!(gpus(&some, &some.decode), [32, 35]);
        assert_eq!(cluster(&six, SHAPE).decode.len(), 8);
    }

    #[test]
    fn instances_that_are_smaller_than_a_nics_share_of_gpus_share_it() {
        let shape = FabricShape { nics_per_node: 2, ..SHAPE };
        let two = ClusterConfig { tp: 2, decode_tp: 2, prefill_instances: 16, ..config(Placement::PerPod) };
        let cluster = cluster(&two, shape);
        let (one, other, next) = (InstanceId::new(0), InstanceId::new(1), InstanceId::new(2));
        assert_eq!([one, other, next].map(|instance| cluster.interface(instance)), [0, 0, 1]);
        assert_eq!((cluster.over_nics(one, other), cluster.sure_over_nics(one, other)), (NIC, 0.5 * NIC));
        let eight = ClusterConfig { tp: 8, decode_tp: 8, prefill_instances: 4, ..config(Placement::PerPod) };
        let whole = self::cluster(&eight, shape);
        let rates = (whole.over_nics(one, other), whole.sure_over_nics(one, other));
        assert_eq!((whole.nics(one), rates), (2, (2.0 * NIC, 2.0 * NIC)));
    }

    /// A rack of one node of 8 GPUs, one of 16, and 24 more in another pod: dealt out in turn until a node is full.
    #[test]
    fn nodes_of_unequal_size_are_filled_in_turn() {
        let node = |pod, rack, gpus| NodePlace { pod, rack, gpus, nics: gpus };
        let nodes = vec![node(0, 0, 8), node(0, 1, 16), node(1, 2, 24)];
        let layout = Layout { nodes, rates: Vec::new(), wiring: Wiring::Racks };
        let tree = FatTree::laid_out(fabric(), &layout);
        let seven = ClusterConfig { prefill_instances: 7, ..config(Placement::PerNode) };
        let cluster = Cluster::new(&seven, &tree, Reshard::new(&seven), 1);
        assert_eq!(gpus(&cluster, &cluster.prefill), [0, 4, 8, 12, 16, 24, 28]);
        assert_eq!(gpus(&cluster, &cluster.decode), [20, 32, 36, 40, 44]);
    }
}
