//! Which GPUs there are, what they hold of a KV cache, and how they come and go.

use netkv_units::SimTime;

/// Instances of the cluster: consecutive GPUs of one node each, numbered in GPU order. The GPUs of a node are cut into slots
/// of as many as the larger instance has; a slot holds instances of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// GPUs of a prefill instance (tensor parallelism), and of a decode instance; one divides the other.
    pub tp: u32,
    /// See `tp`.
    pub decode_tp: u32,
    /// How they share out a KV cache.
    pub parts: KvParts,
    /// How many instances prefill; they fill slots.
    pub prefill_instances: u32,
    /// How many decode; none: all that there is room for.
    pub decode_instances: Option<u32>,
    /// The last GPUs of each node are in no instance; the others are whole slots.
    pub unused_gpus_per_node: u32,
    /// Which slots are whose.
    pub placement: Placement,
    /// Instances that fail, are drained or come, in order of time. At every moment each pool has one that takes requests.
    pub events: Vec<ClusterEvent>,
}

/// Something that becomes of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterEvent {
    /// When; before all else of that instant but the network.
    pub at: SimTime,
    /// Of which pool it is.
    pub pool: Pool,
    /// Its position there, in the order of instance numbers.
    pub instance: u32,
    /// What becomes of it.
    pub change: ClusterChange,
}

/// The pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pool {
    /// Prefill instances.
    Prefill,
    /// Decode instances.
    Decode,
}

/// What can become of an instance. One whose first change is to join is not there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterChange {
    /// It takes requests from now on, for the first time or again.
    Join,
    /// It takes no new ones.
    Drain,
    /// It takes none, and what it had is lost: requests on it begin again elsewhere.
    Fail,
}

impl ClusterConfig {
    /// GPUs of a slot.
    pub fn slot(&self) -> u32 {
        self.tp.max(self.decode_tp)
    }

    /// Whether instances are alike and every GPU is in one.
    pub const fn is_uniform(&self) -> bool {
        self.tp == self.decode_tp && self.unused_gpus_per_node == 0
    }
}

/// Into how many different parts the GPUs of an instance share out a KV cache: as many as they are, or fewer where several
/// hold the same KV heads or the whole latent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvParts {
    /// Of a prefill instance; divides its GPUs.
    pub prefill: u32,
    /// Of a decode instance.
    pub decode: u32,
}

/// Where the prefill instances are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Anywhere: a seeded shuffle of the slots.
    Scattered,
    /// Spread over the nodes as evenly as can be.
    PerNode,
    /// Spread over the racks as evenly as can be, whole nodes first.
    PerRack,
    /// The first in GPU order: whole pods first.
    PerPod,
    /// Exactly these slots.
    Listed(Vec<u32>),
}
