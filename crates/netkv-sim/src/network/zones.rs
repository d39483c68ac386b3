//! Congestion between zones: what an operator who aggregates counters by rack and by pod can tell.
//!
//! A zone is a rack. From one rack to another, congestion is the largest of the mean uses of the source's up links, of
//! the destination's down links and, in different pods, of the source pod's up links and the destination pod's down
//! links. Inside a rack there is none. Leaves out which of these links a flow is hashed to; `path` knows that.

use netkv_fabric::{FatTree, GpuPosition, LinkKind};
use netkv_units::LinkId;

/// Mean use of the links of every rack and pod, by direction.
#[derive(Clone, Debug)]
pub(crate) struct ZoneUse {
    /// By rack, of its links to the spines: all racks up, then all racks down.
    rack: Vec<f64>,
    /// By pod, of its links to the cores: all pods up, then all pods down.
    pod: Vec<f64>,
}

impl ZoneUse {
    /// The means of `used_ratio` over the links of each zone of `tree`.
    pub(crate) fn new(tree: &FatTree, used_ratio: impl Fn(LinkId) -> f64) -> Self {
        let config = tree.config();
        // Links of a kind are numbered by direction, then rack or pod, then spine or core.
        let means = |kind: LinkKind, group: u32| {
            let uses: Vec<f64> = tree.links_of(kind).map(&used_ratio).collect();
            uses.chunks(group as usize).map(|group| group.iter().sum::<f64>() / group.len() as f64).collect()
        };
        Self { rack: means(LinkKind::Rack, config.spines_per_pod), pod: means(LinkKind::Pod, config.cores) }
    }

    /// Congestion from the rack of one GPU to that of another.
    pub(crate) fn congestion(&self, source: GpuPosition, destination: GpuPosition) -> f64 {
        let (from, to) = (source.leaf() as usize, destination.leaf() as usize);
        if from == to {
            return 0.0;
        }
        let largest = |means: &[f64], from: usize, to: usize| means[from].max(means[means.len() / 2 + to]);
        let racks = largest(&self.rack, from, to);
        let (from_pod, to_pod) = (source.pod() as usize, destination.pod() as usize);
        if from_pod == to_pod { racks } else { racks.max(largest(&self.pod, from_pod, to_pod)) }
    }
}
