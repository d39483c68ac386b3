//! Ids: dense indices, one type for each kind of thing, so that they cannot be mixed up.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// The id of position `index` in its table.
            ///
            /// # Panics
            /// If `index` does not fit 32 bits.
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("a table has fewer than 2^32 entries"))
            }

            /// The id with this number.
            pub const fn new(number: u32) -> Self {
                Self(number)
            }

            /// Its position in the table that it indexes.
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The number itself, for records.
            pub const fn get(self) -> u32 {
                self.0
            }
        }
    };
}

id!(
    /// A request, by its position in the workload (order of arrival).
    RequestId
);
id!(
    /// A serving instance (`tp` GPUs); prefill and decode instances share one numbering.
    InstanceId
);
id!(
    /// A GPU; consecutive numbers share a node, then a rack, then a pod.
    GpuId
);
id!(
    /// A directed link of the fabric.
    LinkId
);
id!(
    /// A flow: one point-to-point stream of a transfer.
    FlowId
);
id!(
    /// A KV cache transfer: one or several flows between two instances.
    TransferId
);
id!(
    /// A prefix block of the trace: equal ids mean equal prefixes up to and including the block.
    BlockId
);

/// How far apart two instances are: the lowest level of the fabric that connects them (MODEL of the
/// four-tier fat tree: NVLink inside a node, then rack, pod, and the core between pods).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Tier 0: the same node; NVLink.
    Node,
    /// Tier 1: the same rack; one leaf switch.
    Rack,
    /// Tier 2: the same pod; leaf, spine, leaf.
    Pod,
    /// Tier 3: different pods; leaf, spine, core, spine, leaf.
    Core,
}

impl Tier {
    /// Every tier, nearest first.
    pub const ALL: [Self; 4] = [Self::Node, Self::Rack, Self::Pod, Self::Core];

    /// Their names, nearest first, as files, messages and tables have them.
    pub const NAMES: [&'static str; 4] = ["node", "rack", "pod", "core"];

    /// Its name, one of [`Self::NAMES`].
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }

    /// 0 for the nearest to 3 for the farthest.
    pub const fn index(self) -> usize {
        self as usize
    }
}
