//! Where a link is: its direction, and what it connects. For whoever shows links to people; the simulation itself
//! only needs their numbers.

use crate::fat_tree::{FatTree, LinkKind};
use netkv_units::LinkId;

/// Away from the GPUs or towards them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From a GPU, rack or pod.
    Up,
    /// To it.
    Down,
}

impl Direction {
    /// "up" or "down".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl LinkKind {
    /// "nvlink", "nic", "rack" or "pod".
    pub const fn name(self) -> &'static str {
        match self {
            Self::NvLink => "nvlink",
            Self::Nic => "nic",
            Self::Rack => "rack",
            Self::Pod => "pod",
        }
    }
}

/// The place of a directed link in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPlace {
    /// What it connects.
    pub kind: LinkKind,
    /// Which way.
    pub direction: Direction,
    /// Its pod.
    pub pod: u32,
    /// Its leaf switch (rack or rail), counted through all pods; none for a pod's links.
    pub rack: Option<u32>,
    /// Its spine, counted within the pod, or its core; none for links of GPUs.
    pub switch: Option<u32>,
    /// Its GPU, the first of those that share it; none for links of racks and pods.
    pub gpu: Option<u32>,
    /// How many GPUs share it: that one and those after it; none for links of racks and pods.
    pub gpus: u32,
}

impl FatTree {
    /// The other direction of a link's cable.
    ///
    /// # Panics
    /// If the tree has no such link.
    pub fn reverse(&self, link: LinkId) -> LinkId {
        assert!(link.index() < self.n_links(), "{link:?} is not one of {} links", self.n_links());
        let (mut of_kind, n) = (self.links_of(self.kind(link)), self.links_of(self.kind(link)).count() as u32);
        let first = of_kind.next().expect("a fabric has links of every kind").get();
        LinkId::new(first + (link.get() - first + n / 2) % n)
    }

    /// Where a link is.
    ///
    /// # Panics
    /// If the tree has no such link.
    pub fn place(&self, link: LinkId) -> LinkPlace {
        assert!(link.index() < self.n_links(), "{link:?} is not one of {} links", self.n_links());
        let (kind, number, tables) = (self.kind(link), self.number(link), self.tables());
        let first = self.links_of(kind).next().expect("a fabric has links of every kind");
        let direction = if link.get() - first.get() == number { Direction::Up } else { Direction::Down };
        let config = self.config();
        let (rack, switch, gpu, gpus) = match kind {
            LinkKind::NvLink => (Some(tables.gpus[number as usize].position.leaf()), None, Some(number), 1),
            LinkKind::Nic => {
                let nic = tables.nics[number as usize];
                (Some(nic.leaf), None, Some(nic.first_gpu), nic.gpus)
            }
            LinkKind::Rack => (Some(number / config.spines_per_pod), Some(number % config.spines_per_pod), None, 0),
            LinkKind::Pod => (None, Some(number % config.cores), None, 0),
        };
        LinkPlace { kind, direction, pod: self.pod(link), rack, switch, gpu, gpus }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fat_tree::ecmp_hash;
    use crate::fat_tree::tests::tree;
    use netkv_units::GpuId;

    /// A way from GPU 3 (rack 0, pod 0) to GPU 50 (rack 3, pod 1) names these places in turn.
    #[test]
    fn the_links_of_a_way_are_where_its_ends_are() {
        let tree = tree();
        let path = tree.path(GpuId::new(3), GpuId::new(50), ecmp_hash(1, 2, 3));
        let places: Vec<LinkPlace> = path.links().iter().map(|&link| tree.place(link)).collect();
        use Direction::{Down, Up};
        use LinkKind::{Nic, Pod, Rack};
        let seen: Vec<_> = places.iter().map(|at| (at.kind, at.direction, at.pod, at.rack, at.gpu)).collect();
        let expect = [
            (Nic, Up, 0, Some(0), Some(3)),
            (Rack, Up, 0, Some(0), None),
            (Pod, Up, 0, None, None),
            (Pod, Down, 1, None, None),
            (Rack, Down, 1, Some(3), None),
            (Nic, Down, 1, Some(3), Some(50)),
        ];
        assert_eq!(seen, expect);
        assert_eq!(places[2].switch, places[3].switch, "over one core");
    }

    #[test]
    fn the_reverse_of_a_link_is_in_the_same_place_the_other_way() {
        let tree = tree();
        for link in (0..tree.n_links()).map(LinkId::from_index) {
            let (one, other) = (tree.place(link), tree.place(tree.reverse(link)));
            assert_ne!(one.direction, other.direction);
            assert_eq!(LinkPlace { direction: one.direction, ..other }, one);
            assert_eq!(tree.reverse(tree.reverse(link)), link);
        }
    }

    #[test]
    fn every_link_has_a_place_of_its_own() {
        let tree = tree();
        let mut places: Vec<_> = (0..tree.n_links())
            .map(|link| tree.place(LinkId::from_index(link)))
            .map(|at| (at.kind, at.direction, at.pod, at.rack, at.switch, at.gpu))
            .collect();
        assert!(places.is_sorted(), "links are numbered by kind, direction, pod, rack and switch");
        places.dedup();
        assert_eq!(places.len(), tree.n_links());
        assert!(places.iter().all(|at| at.3.is_none_or(|rack| rack / 2 == at.2)), "a rack is in its pod");
    }
}
