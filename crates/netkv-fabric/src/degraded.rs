//! Links that carry less than they should for some time: a cable that runs at half its rate, an uplink that is down.
//!
//! A degradation is for every link that it describes. Where several hold at once, the worst counts. A link that
//! carries nothing is avoided by every choice of a route, as routing protocols do once they have converged; they are
//! taken to converge at once.

use crate::fat_tree::{FatTree, LinkKind};
use crate::place::{Direction, LinkPlace};
use netkv_units::{LinkId, SimTime};

/// Less capacity for some links, for some time. Where a field is none, every link matches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Degradation {
    /// Links of this kind.
    pub kind: LinkKind,
    /// And this direction.
    pub direction: Option<Direction>,
    /// Of this pod.
    pub pod: Option<u32>,
    /// Of this leaf switch (rack or rail), counted through all pods.
    pub rack: Option<u32>,
    /// To this spine, counted within the pod, or this core.
    pub switch: Option<u32>,
    /// Of this GPU; a NIC that GPUs share is each one's.
    pub gpu: Option<u32>,
    /// What is left of the capacity, in [0, 1].
    pub capacity_ratio: f64,
    /// From this time on.
    pub from: SimTime,
    /// Until this time.
    pub until: SimTime,
}

impl Degradation {
    /// Whether a link is meant.
    pub fn matches(&self, place: &LinkPlace) -> bool {
        let meant = |wanted: Option<u32>, has: Option<u32>| wanted.is_none() || wanted == has;
        let shares = |wanted: u32| place.gpu.is_some_and(|first| (first..first + place.gpus).contains(&wanted));
        self.kind == place.kind
            && self.direction.is_none_or(|direction| direction == place.direction)
            && meant(self.pod, Some(place.pod))
            && meant(self.rack, place.rack)
            && meant(self.switch, place.switch)
            && self.gpu.is_none_or(shares)
    }
}

/// A link's capacity changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapacityChange {
    /// Which link.
    pub link: LinkId,
    /// What it can carry from now on, as a share of its capacity.
    pub capacity_ratio: f64,
}

/// The degraded links of a run: a state machine that says when something changes next, and what.
#[derive(Clone, Debug)]
pub struct DegradedLinks {
    degradations: Vec<Degradation>,
    /// The links that are ever degraded, with their present share.
    links: Vec<(LinkId, LinkPlace, f64)>,
    /// The times at which something begins or ends, soonest last.
    times: Vec<SimTime>,
}

impl DegradedLinks {
    /// The links of `tree` that `degradations` describe.
    pub fn new(degradations: &[Degradation], tree: &FatTree) -> Self {
        let places =
            LinkKind::ALL.into_iter().flat_map(|kind| tree.links_of(kind)).map(|link| (link, tree.place(link)));
        let is_meant = |place: &LinkPlace| degradations.iter().any(|degradation| degradation.matches(place));
        let links = places.filter(|(_, place)| is_meant(place)).map(|(link, place)| (link, place, 1.0)).collect();
        let mut times: Vec<SimTime> = degradations.iter().flat_map(|one| [one.from, one.until]).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times.dedup();
        times.retain(|&time| time < SimTime::NEVER);
        Self { degradations: degradations.to_vec(), links, times }
    }

    /// When something changes next; none if nothing does any more.
    pub fn next_change(&self) -> Option<SimTime> {
        self.times.last().copied()
    }

    /// The changes that are due at `now`.
    ///
    /// # Panics
    /// If the next change is at another time.
    pub fn advance(&mut self, now: SimTime) -> Vec<CapacityChange> {
        assert_eq!(self.times.pop(), Some(now), "a degradation begins and ends at its own time");
        let mut changes = Vec::new();
        for (link, place, present) in &mut self.links {
            let holds = |one: &&Degradation| one.from <= now && now < one.until && one.matches(place);
            let worst = self.degradations.iter().filter(holds).map(|one| one.capacity_ratio).fold(1.0, f64::min);
            if worst.total_cmp(present).is_ne() {
                *present = worst;
                changes.push(CapacityChange { link: *link, capacity_ratio: worst });
            }
        }
        changes
    }
}

/// A pod that could be cut off if everything that is ever down were down at once: in words, none if there is none. A
/// transfer over a link that nothing can replace would wait for as long as it is down.
pub fn cut_off(degradations: &[Degradation], tree: &FatTree) -> Option<String> {
    let config = tree.config();
    let is_down = |place: &LinkPlace| degradations.iter().any(|one| one.capacity_ratio <= 0.0 && one.matches(place));
    let is_up = |kind: LinkKind, pod: Option<u32>, switch: u32| {
        let mut own = tree.links_of(kind).map(|link| tree.place(link));
        own.all(|place| place.switch != Some(switch) || pod.is_some_and(|pod| pod != place.pod) || !is_down(&place))
    };
    let without_spine = (0..tree.n_pods())
        .find(|&pod| !(0..config.spines_per_pod).any(|spine| is_up(LinkKind::Rack, Some(pod), spine)));
    if let Some(pod) = without_spine {
        return Some(format!("no spine of pod {pod} is always connected to all its leaf switches"));
    }
    let has_core = tree.n_pods() == 1 || (0..config.cores).any(|core| is_up(LinkKind::Pod, None, core));
    (!has_core).then(|| "no core is always connected to all pods".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fat_tree::FabricConfig;

    /// 2 pods of 2 racks, 2 spines in each, 2 cores.
    fn tree() -> FatTree {
        FatTree::new(FabricConfig { spines_per_pod: 2, cores: 2, ..*crate::fat_tree::tests::tree().config() })
    }

    fn all(kind: LinkKind, capacity_ratio: f64, from_s: f64, until_s: f64) -> Degradation {
        Degradation {
            kind,
            direction: None,
            pod: None,
            rack: None,
            switch: None,
            gpu: None,
            capacity_ratio,
            from: SimTime::from_secs_f64(from_s),
            until: SimTime::from_secs_f64(until_s),
        }
    }

    #[test]
    fn the_worst_of_what_holds_counts_and_ends_with_its_time() {
        let tree = tree();
        let one = Degradation {
            rack: Some(3),
            switch: Some(1),
            direction: Some(Direction::Up),
            ..all(LinkKind::Rack, 0.25, 2.0, 4.0)
        };
        let mut links = DegradedLinks::new(&[all(LinkKind::Rack, 0.5, 1.0, 3.0), one], &tree);
        let mut seen = Vec::new();
        while let Some(now) = links.next_change() {
            let changes = links.advance(now);
            let worst = changes.iter().map(|change| change.capacity_ratio).fold(2.0, f64::min);
            seen.push((now.as_secs_f64(), changes.len(), worst));
        }
        // 16 rack links; one of them worse from 2 s on, and for a second longer.
        assert_eq!(seen, [(1.0, 16, 0.5), (2.0, 1, 0.25), (3.0, 15, 1.0), (4.0, 1, 1.0)]);
    }

    #[test]
    fn a_pod_without_a_spine_or_core_is_cut_off() {
        let tree = tree();
        let down = |kind, switch| Degradation { switch: Some(switch), ..all(kind, 0.0, 0.0, 9.0) };
        assert_eq!(cut_off(&[down(LinkKind::Rack, 0), down(LinkKind::Pod, 1)], &tree), None);
        let halves = [0, 1].map(|rack| Degradation { rack: Some(rack), ..down(LinkKind::Rack, rack) });
        let message = cut_off(&halves, &tree).expect("each rack of pod 0 has lost another spine");
        assert_eq!(message, "no spine of pod 0 is always connected to all its leaf switches");
        let cores = [0, 1].map(|core| Degradation { pod: Some(core), ..down(LinkKind::Pod, core) });
        assert_eq!(cut_off(&cores, &tree).as_deref(), Some("no core is always connected to all pods"));
        assert_eq!(cut_off(&[all(LinkKind::Rack, 0.01, 0.0, 9.0)], &tree), None);
    }
}
