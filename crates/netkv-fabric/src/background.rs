//! Traffic of other tenants; here as a share that each rack and pod link loses ("modulated"), in `competing` as flows.
//!
//! Each link alternates between a quiet and a busy state with exponential dwell times; on entering a state its
//! share is drawn uniformly from the state's range and multiplied by its pod's factor. The factors go evenly
//! from 1 + spread to 1 - spread over the pods (which pod is the hot one is drawn from the seed), because a
//! background that is the same everywhere gives a selector nothing to choose between. No share is clamped, so
//! the mean is exactly [`ModulatedBackground::mean_ratio`]. Leaves out: correlation between links, and any
//! reaction of the background to our transfers.

use crate::background_change::BackgroundChange;
use crate::competing::FlowBackground;
use crate::fat_tree::{FatTree, LinkKind};
use crate::pod_factors::pod_factors;
use crate::recorded::{Recording, Replay};
use netkv_units::{LinkId, SimDuration, SimTime, Stream};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Traffic of other tenants.
#[derive(Clone, Debug, PartialEq)]
pub enum BackgroundConfig {
    /// None.
    None,
    /// The same share of every NIC, rack and pod link, all the time: the paper's background (arXiv 2606.03910, section
    /// VI), which takes its part of every tier's bandwidth alike.
    Steady {
        /// The share, in [0, 1).
        ratio: f64,
    },
    /// Shares that come and go.
    Modulated(ModulatedBackground),
    /// Shares as they were recorded.
    Recorded(Arc<Recording>),
    /// Flows that share the links with the KV caches; see [`CompetingFlows`](crate::CompetingFlows).
    Flows(FlowBackground),
}

/// Parameters of the modulated background.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModulatedBackground {
    /// Range of the share in the quiet state.
    pub quiet_ratio: (f64, f64),
    /// Range of the share in the busy state.
    pub busy_ratio: (f64, f64),
    /// Mean time in the quiet state.
    pub quiet_dwell: SimDuration,
    /// Mean time in the busy state.
    pub busy_dwell: SimDuration,
    /// How unequal the pods are, in [0, 1).
    pub pod_spread_ratio: f64,
}

impl ModulatedBackground {
    /// The share that is taken, averaged over time, links and pods.
    pub fn mean_ratio(&self) -> f64 {
        let middle = |range: (f64, f64)| (range.0 + range.1) / 2.0;
        let (quiet, busy) = (self.quiet_dwell.as_secs_f64(), self.busy_dwell.as_secs_f64());
        (middle(self.quiet_ratio) * quiet + middle(self.busy_ratio) * busy) / (quiet + busy)
    }

    /// The largest share that any link can lose.
    pub fn max_ratio(&self) -> f64 {
        self.busy_ratio.1.max(self.quiet_ratio.1) * (1.0 + self.pod_spread_ratio)
    }
}

/// The background of a run whose shares change: a state machine that says when one does next, and how.
#[derive(Clone, Debug)]
pub struct Background(Shares);

#[derive(Clone, Debug)]
enum Shares {
    Modulated(Modulated),
    Recorded(Replay),
}

#[derive(Clone, Debug)]
struct Modulated {
    config: ModulatedBackground,
    links: Vec<ModulatedLink>,
    /// Time of each link's next change, soonest first.
    next: BinaryHeap<Reverse<(SimTime, usize)>>,
}

#[derive(Clone, Debug)]
struct ModulatedLink {
    link: LinkId,
    pod_factor: f64,
    busy: bool,
    stream: Stream,
}

impl Background {
    /// The background of `config` on the links of `tree`, with each link's share at time zero; none if it is neither a
    /// modulated nor a recorded one.
    pub fn new(config: &BackgroundConfig, tree: &FatTree, seed: u64) -> Option<(Self, Vec<BackgroundChange>)> {
        let (shares, initial) = match config {
            BackgroundConfig::None | BackgroundConfig::Steady { .. } | BackgroundConfig::Flows(_) => return None,
            BackgroundConfig::Modulated(config) => {
                let (modulated, initial) = Modulated::new(*config, tree, seed);
                (Shares::Modulated(modulated), initial)
            }
            BackgroundConfig::Recorded(recording) => {
                let (replay, initial) = Replay::new(recording, tree);
                (Shares::Recorded(replay), initial)
            }
        };
        Some((Self(shares), initial))
    }

    /// When the next change comes; never if none does any more.
    pub fn next_change(&self) -> SimTime {
        match &self.0 {
            Shares::Modulated(modulated) => modulated.next_change(),
            Shares::Recorded(replay) => replay.next_change(),
        }
    }

    /// The change that is due at `now`.
    ///
    /// # Panics
    /// If the next change is at another time.
    pub fn advance(&mut self, now: SimTime) -> BackgroundChange {
        match &mut self.0 {
            Shares::Modulated(modulated) => modulated.advance(now),
            Shares::Recorded(replay) => replay.advance(now),
        }
    }
}

impl Modulated {
    /// The background on the rack and pod links of `tree`, with each link's share at time zero.
    fn new(config: ModulatedBackground, tree: &FatTree, seed: u64) -> (Self, Vec<BackgroundChange>) {
        let factors = pod_factors(tree.n_pods(), config.pod_spread_ratio, seed);
        let kinds = [LinkKind::Rack, LinkKind::Pod];
        let mut background = Self { config, links: Vec::new(), next: BinaryHeap::new() };
        let mut initial = Vec::new();
        for link in kinds.into_iter().flat_map(|kind| tree.links_of(kind)) {
            let mut stream = Stream::indexed(seed, "background", u64::from(link.get()));
            let busy_share =
                config.busy_dwell.as_secs_f64() / (config.busy_dwell.as_secs_f64() + config.quiet_dwell.as_secs_f64());
            // Starts in its long-run state, so that a short run has the same mean.
            let busy = stream.unit() < busy_share;
            let pod_factor = factors[tree.pod(link) as usize];
            background.links.push(ModulatedLink { link, pod_factor, busy, stream });
            initial.push(background.enter_state(background.links.len() - 1, SimTime::ZERO));
        }
        (background, initial)
    }

    /// When the next change comes.
    fn next_change(&self) -> SimTime {
        self.next.peek().expect("a fabric has rack and pod links").0.0
    }

    /// The change that is due at `now`.
    ///
    /// # Panics
    /// If the next change is at another time.
    fn advance(&mut self, now: SimTime) -> BackgroundChange {
        let Reverse((time, index)) = self.next.pop().expect("a fabric has rack and pod links");
        assert_eq!(time, now, "a background change is due at its own time");
        self.links[index].busy = !self.links[index].busy;
        self.enter_state(index, now)
    }

    fn enter_state(&mut self, index: usize, now: SimTime) -> BackgroundChange {
        let state = &mut self.links[index];
        let (range, dwell) = if state.busy {
            (self.config.busy_ratio, self.config.busy_dwell)
        } else {
            (self.config.quiet_ratio, self.config.quiet_dwell)
        };
        let ratio = state.stream.uniform(range.0, range.1) * state.pod_factor;
        let until = now + SimDuration::from_secs_f64(state.stream.exponential(dwell.as_secs_f64()));
        self.next.push(Reverse((until, index)));
        BackgroundChange { link: state.link, ratio }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fat_tree::{FabricConfig, RouteChoice, Uplinks};
    use crate::shape::{FabricShape, Wiring};
    use crate::transport::Transport;
    use netkv_units::BytesPerSec;

    #[test]
    fn the_long_run_mean_is_the_promised_one_and_pods_differ() {
        let tree = FatTree::new(FabricConfig {
            shape: FabricShape {
                pods: 2,
                racks_per_pod: 2,
                nodes_per_rack: 1,
                gpus_per_node: 1,
                nics_per_node: 1,
                wiring: Wiring::Racks,
            },
            nvlink: BytesPerSec::new(1),
            nic: BytesPerSec::new(1),
            uplinks: Uplinks::Pooled,
            rack_oversubscription: 1.0,
            pod_oversubscription: 1.0,
            spines_per_pod: 2,
            cores: 2,
            route: RouteChoice::Ecmp,
            latency: [SimDuration::ZERO; 4],
            transport: Transport::Fluid,
        });
        let config = ModulatedBackground {
            quiet_ratio: (0.05, 0.25),
            busy_ratio: (0.35, 0.55),
            quiet_dwell: SimDuration::from_secs_f64(2.0),
            busy_dwell: SimDuration::from_secs_f64(1.0),
            pod_spread_ratio: 0.5,
        };
        let (mut background, initial) =
            Background::new(&BackgroundConfig::Modulated(config), &tree, 3).expect("there is a background");
        let mut ratio = vec![0.0; tree.n_links()];
        let mut since = vec![SimTime::ZERO; tree.n_links()];
        let mut area = [0.0; 2];
        initial.iter().for_each(|change| ratio[change.link.index()] = change.ratio);
        let horizon = SimTime::from_secs_f64(20_000.0);
        while background.next_change() < horizon {
            let now = background.next_change();
            let change = background.advance(now);
            let link = change.link.index();
            area[tree.pod(change.link) as usize] += ratio[link] * now.since(since[link]).as_secs_f64();
            assert!(change.ratio <= config.max_ratio());
            (ratio[link], since[link]) = (change.ratio, now);
        }
        let links_of_a_pod = initial.len() as f64 / 2.0;
        let mut means = area.map(|sum| sum / (links_of_a_pod * horizon.as_secs_f64()));
        means.sort_by(f64::total_cmp);
        let mean = config.mean_ratio();
        assert!((mean - (0.15 * 2.0 + 0.45) / 3.0).abs() < 1e-12);
        assert!((means[0] / (mean * 0.5) - 1.0).abs() < 0.02, "{means:?} {mean}");
        assert!((means[1] / (mean * 1.5) - 1.0).abs() < 0.02, "{means:?} {mean}");
    }
}
