//! The operator's side: link counters and their samples.
//!
//! Only rack and pod links are sampled, as an operator would read switch counters; a scheduler knows its own hosts'
//! interfaces through its ledger. Congestion of a tier: none inside a node or rack; for tier 2 the mean use of the rack
//! links, for tier 3 the larger of that and the mean use of the pod links. Congestion of a zone: see `zones`.
//!
//! Where the scheduler's own transfers are left out of it ([`OwnTraffic::Excluded`]), NICs are sampled too, and no tier
//! but the node's is less congested than they are on average.

use super::zones::ZoneUse;
use crate::scenario::{OwnTraffic, TelemetryConfig};
use netkv_fabric::{FatTree, FlowNetwork, LinkKind};
use netkv_units::{BytesPerSec, LinkId, Meter, Nanobytes, SimDuration, SimTime, Stream, Tier};
use std::collections::VecDeque;

/// Use of every sampled link at one moment.
#[derive(Clone, Debug)]
struct Sample {
    taken: SimTime,
    /// When the scheduler can see it.
    visible: SimTime,
    /// By link: share of capacity used over the window, background included.
    used_ratio: Vec<f64>,
}

/// Counters of the fabric's links, and the samples taken of them.
pub(crate) struct LinkMonitor {
    config: TelemetryConfig,
    own_traffic: OwnTraffic,
    /// By link: what it can carry when nothing else uses it.
    nominal: Vec<BytesPerSec>,
    /// By link: what it can carry now, less than nominal if it is degraded, and could until now.
    carries: Vec<Meter>,
    /// By link: the share of that which the background takes; and what it takes, and has taken.
    background_ratio: Vec<f64>,
    background: Vec<Meter>,
    /// Rack and pod links, and NICs if the scheduler's own transfers do not count.
    sampled: Vec<LinkId>,
    /// By link: counter at the last sample, and what could have crossed the link until then.
    last: Vec<(Nanobytes, Nanobytes)>,
    last_taken: SimTime,
    seen: Sample,
    /// Mean uses by zone of what is seen, once they are asked for.
    zones: Option<ZoneUse>,
    underway: VecDeque<Sample>,
    /// Memory of samples that are seen no more.
    spare: Vec<Vec<f64>>,
    stream: Stream,
}

/// A part as a share of the whole; nothing left of nothing is as good as full.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 1.0 }
}

impl LinkMonitor {
    /// The counters of `tree`, all at zero.
    pub(crate) fn new(config: TelemetryConfig, own_traffic: OwnTraffic, tree: &FatTree, seed: u64) -> Self {
        let nominal: Vec<_> = (0..tree.n_links()).map(|link| tree.capacity(LinkId::from_index(link))).collect();
        let n_links = nominal.len();
        let nics = (own_traffic == OwnTraffic::Excluded).then(|| tree.links_of(LinkKind::Nic));
        let switched = tree.links_of(LinkKind::Rack).chain(tree.links_of(LinkKind::Pod));
        let none = Sample { taken: SimTime::ZERO, visible: SimTime::ZERO, used_ratio: vec![0.0; n_links] };
        Self {
            config,
            own_traffic,
            carries: nominal.iter().map(|&rate| Meter::new(rate)).collect(),
            background_ratio: vec![0.0; n_links],
            background: vec![Meter::default(); n_links],
            nominal,
            sampled: switched.chain(nics.into_iter().flatten()).collect(),
            last: vec![(Nanobytes::ZERO, Nanobytes::ZERO); n_links],
            last_taken: SimTime::ZERO,
            seen: none,
            zones: None,
            underway: VecDeque::new(),
            spare: Vec::new(),
            stream: Stream::new(seed, "telemetry"),
        }
    }

    /// Where own transfers do not count, what others use at the start is known from the start.
    pub(crate) fn see_start(&mut self, network: &FlowNetwork) {
        if self.own_traffic == OwnTraffic::Excluded {
            for index in 0..self.sampled.len() {
                let link = self.sampled[index];
                self.seen.used_ratio[link.index()] = self.present_ratio(link, network);
            }
        }
    }

    /// Others take `ratio` of a link from now on; returns what is left of it.
    pub(crate) fn set_background(&mut self, now: SimTime, link: LinkId, ratio: f64) -> BytesPerSec {
        self.background_ratio[link.index()] = ratio;
        self.divide(now, link)
    }

    /// A link can carry this share of its nominal capacity from now on; returns what others leave of that.
    pub(crate) fn set_capacity(&mut self, now: SimTime, link: LinkId, ratio: f64) -> BytesPerSec {
        let nominal = self.nominal[link.index()].get() as f64;
        self.carries[link.index()].set(now, BytesPerSec::new((nominal * ratio) as u64));
        self.divide(now, link)
    }

    /// Gives the background its share of what a link can carry now, and returns the rest.
    fn divide(&mut self, now: SimTime, link: LinkId) -> BytesPerSec {
        let carries = self.carries[link.index()].rate();
        let taken = BytesPerSec::new((carries.get() as f64 * self.background_ratio[link.index()]) as u64);
        self.background[link.index()].set(now, taken);
        carries - taken
    }

    /// Takes a sample of the window since the last one.
    pub(crate) fn sample(&mut self, now: SimTime, network: &FlowNetwork) {
        let mut used_ratio = self.spare.pop().unwrap_or_default();
        used_ratio.clone_from(&self.underway.back().unwrap_or(&self.seen).used_ratio);
        for &link in &self.sampled {
            let crossed = match self.own_traffic {
                OwnTraffic::Counted => self.counter(link, now, network),
                OwnTraffic::Excluded => self.others_moved(link, now, network),
            };
            let counters = (crossed, self.carries[link.index()].until(now));
            let last = std::mem::replace(&mut self.last[link.index()], counters);
            let used = share((counters.0 - last.0).get() as f64, (counters.1 - last.1).get() as f64);
            let error = self.config.noise_ratio * self.stream.uniform(-1.0, 1.0);
            if self.stream.unit() >= self.config.loss_ratio {
                used_ratio[link.index()] = used * (1.0 + error);
            }
        }
        self.last_taken = now;
        self.underway.push_back(Sample { taken: now, visible: now + self.config.delay, used_ratio });
    }

    /// What has crossed a link until `now`, background included.
    fn counter(&self, link: LinkId, now: SimTime, network: &FlowNetwork) -> Nanobytes {
        let mut counter = network.moved(link, now);
        counter += self.background_moved(link, now);
        counter
    }

    /// What others have moved over a link until `now`, their flows included.
    fn others_moved(&self, link: LinkId, now: SimTime, network: &FlowNetwork) -> Nanobytes {
        let mut others = self.background_moved(link, now);
        others += network.background_moved(link, now);
        others
    }

    /// What others have moved over a link until `now`, their flows apart.
    pub(crate) fn background_moved(&self, link: LinkId, now: SimTime) -> Nanobytes {
        self.background[link.index()].until(now)
    }

    /// Takes over the samples that have become visible; returns the age of what the scheduler sees.
    pub(crate) fn refresh(&mut self, now: SimTime) -> SimDuration {
        while let Some(sample) = self.underway.pop_front_if(|sample| sample.visible <= now) {
            self.spare.push(std::mem::replace(&mut self.seen, sample).used_ratio);
            self.zones = None;
        }
        self.age(now)
    }

    /// The age of what the scheduler sees.
    pub(crate) fn age(&self, now: SimTime) -> SimDuration {
        if self.is_live() { SimDuration::ZERO } else { now.since(self.seen.taken) }
    }

    /// Mean uses by zone, as they were brought up to date last; none before.
    pub(crate) const fn zones(&self) -> Option<&ZoneUse> {
        self.zones.as_ref()
    }

    const fn is_live(&self) -> bool {
        self.config.interval.as_nanos() == 0
    }

    /// The share of a link that the scheduler believes is used.
    pub(crate) fn used_ratio(&self, link: LinkId, network: &FlowNetwork) -> f64 {
        if self.is_live() { self.present_ratio(link, network) } else { self.seen.used_ratio[link.index()] }
    }

    /// The share of a link that is used at this moment, as far as it counts.
    pub(crate) fn present_ratio(&self, link: LinkId, network: &FlowNetwork) -> f64 {
        let flows = match self.own_traffic {
            OwnTraffic::Counted => network.allocated(link),
            OwnTraffic::Excluded => network.background_allocated(link),
        };
        let used = self.background[link.index()].rate() + flows;
        share(used.get() as f64, self.carries[link.index()].rate().get() as f64)
    }

    /// By tier: the congestion that the scheduler believes in.
    pub(crate) fn tier_congestion(&self, tree: &FatTree, network: &FlowNetwork) -> [f64; 4] {
        tier_means(tree, self.own_traffic, |link| self.used_ratio(link, network))
    }

    /// By tier: the congestion of the present, however old the samples are.
    pub(crate) fn present_tier_congestion(&self, tree: &FatTree, network: &FlowNetwork) -> [f64; 4] {
        tier_means(tree, self.own_traffic, |link| self.present_ratio(link, network))
    }

    /// Brings the mean uses by zone up to what the scheduler believes: after a refresh, before congestion of zones is
    /// told.
    pub(crate) fn refresh_zones(&mut self, tree: &FatTree, network: &FlowNetwork) {
        if self.is_live() || self.zones.is_none() {
            self.zones = Some(ZoneUse::new(tree, |link| self.used_ratio(link, network)));
        }
    }

    /// By kind of link: mean share of capacity used from the start until `now`, in all and by the background, its
    /// flows included.
    pub(crate) fn means(&self, now: SimTime, tree: &FatTree, network: &FlowNetwork) -> ([f64; 4], [f64; 4]) {
        let window = now.since(SimTime::ZERO);
        let mean = |kind: LinkKind, moved: &dyn Fn(LinkId) -> Nanobytes| {
            let ratio = |link: LinkId| moved(link).get() as f64 / self.nominal[link.index()].over(window).get() as f64;
            let sum: f64 = tree.links_of(kind).map(ratio).sum();
            sum / tree.links_of(kind).count() as f64
        };
        let all = |link: LinkId| self.counter(link, now, network);
        let others = |link: LinkId| self.others_moved(link, now, network);
        (LinkKind::ALL.map(|kind| mean(kind, &all)), LinkKind::ALL.map(|kind| mean(kind, &others)))
    }
}

/// By tier: its congestion, given the use of each link.
fn tier_means(tree: &FatTree, own_traffic: OwnTraffic, used_ratio: impl Fn(LinkId) -> f64) -> [f64; 4] {
    let mean_use = |kind: LinkKind| {
        let (mut sum, mut n) = (0.0, 0.0);
        for link in tree.links_of(kind) {
            sum += used_ratio(link);
            n += 1.0;
        }
        sum / n
    };
    let (rack, pod) = (mean_use(LinkKind::Rack), mean_use(LinkKind::Pod));
    let nic = match own_traffic {
        OwnTraffic::Counted => 0.0,
        OwnTraffic::Excluded => mean_use(LinkKind::Nic),
    };
    Tier::ALL.map(|tier| match tier {
        Tier::Node => 0.0,
        Tier::Rack => nic,
        Tier::Pod => nic.max(rack),
        Tier::Core => nic.max(rack).max(pod),
    })
}

#[cfg(test)]
mod tests;
