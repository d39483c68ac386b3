//! The operator's side: link counters, their samples, and the oracle that is made from them for one decision.
//!
//! What the scheduler may believe is in [`DecisionOracle`]; what is true stays in the network. Only rack and pod
//! links are sampled, as an operator would read switch counters; a scheduler knows its own hosts' interfaces
//! through its ledger. Congestion of a tier: none inside a node or rack; for tier 2 the mean use of the rack links,
//! for tier 3 the larger of that and the mean use of the pod links. Congestion of a zone: see `zones`.
//!
//! Where the scheduler's own transfers are left out of it ([`OwnTraffic::Excluded`]), NICs are sampled too, and no tier
//! but the node's is less congested than they are on average.

use crate::network::cluster::Cluster;
use crate::network::zones::ZoneUse;
use crate::scenario::{OracleBandwidth, OracleGranularity, OwnTraffic, TelemetryConfig};
use netkv_fabric::{FatTree, FlowNetwork, LinkKind, ecmp_hash};
use netkv_policy::{CostOracle, PathCost};
use netkv_units::{BytesPerSec, InstanceId, LinkId, Meter, Nanobytes, SimDuration, SimTime, Stream, Tier};
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
    pub(crate) zones: Option<ZoneUse>,
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

    /// The age of what the scheduler sees at `now`, after samples that have become visible are taken over.
    pub(crate) fn refresh(&mut self, now: SimTime) -> SimDuration {
        if self.is_live() {
            return SimDuration::ZERO;
        }
        while let Some(sample) = self.underway.pop_front_if(|sample| sample.visible <= now) {
            self.spare.push(std::mem::replace(&mut self.seen, sample).used_ratio);
            self.zones = None;
        }
        now.since(self.seen.taken)
    }

    const fn is_live(&self) -> bool {
        self.config.interval.as_nanos() == 0
    }

    /// The share of a link that the scheduler believes is used.
    fn used_ratio(&self, link: LinkId, network: &FlowNetwork) -> f64 {
        if self.is_live() { self.present_ratio(link, network) } else { self.seen.used_ratio[link.index()] }
    }

    /// The share of a link that is used at this moment, as far as it counts.
    fn present_ratio(&self, link: LinkId, network: &FlowNetwork) -> f64 {
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

/// The oracle as it stands at one decision.
#[derive(Clone, Copy)]
pub(crate) struct DecisionOracle<'a> {
    pub(crate) granularity: OracleGranularity,
    pub(crate) bandwidth: OracleBandwidth,
    pub(crate) cluster: &'a Cluster,
    pub(crate) tree: &'a FatTree,
    pub(crate) network: &'a FlowNetwork,
    pub(crate) monitor: &'a LinkMonitor,
    pub(crate) age: SimDuration,
    /// By tier: its congestion, from [`LinkMonitor::tier_congestion`].
    pub(crate) tier_congestion: [f64; 4],
    /// With zones: their mean uses.
    pub(crate) zones: Option<&'a ZoneUse>,
    /// Whether it shows the present, however old the samples are.
    pub(crate) shows_present: bool,
    /// Hashes of the transfer's flows, by rank.
    pub(crate) hashes: &'a [u64],
    /// With the exact granularity, by instance: the rate that the transfer would get now.
    pub(crate) exact_rate: &'a [f64],
}

/// The largest congestion that an oracle tells: a path that is wholly taken still has a cost.
const LARGEST_CONGESTION: f64 = 1.0 - 1e-9;

impl<'a> DecisionOracle<'a> {
    /// What it would tell if it showed the present; `zones` are those of the present.
    pub(crate) fn of_the_present(&self, zones: &'a ZoneUse) -> Self {
        let tier_congestion =
            tier_means(self.tree, self.monitor.own_traffic, |link| self.monitor.present_ratio(link, self.network));
        Self { shows_present: true, age: SimDuration::ZERO, tier_congestion, zones: Some(zones), ..*self }
    }

    /// The mean uses by zone at this moment.
    pub(crate) fn present_zones(&self) -> ZoneUse {
        ZoneUse::new(self.tree, |link| self.monitor.present_ratio(link, self.network))
    }

    fn used_ratio(&self, link: LinkId) -> f64 {
        if self.shows_present {
            self.monitor.present_ratio(link, self.network)
        } else {
            self.monitor.used_ratio(link, self.network)
        }
    }

    /// What an instance's own interfaces carry towards `tier`.
    fn interface_bandwidth(&self, tier: Tier) -> f64 {
        let config = self.tree.config();
        let edge = if tier == Tier::Node { config.nvlink } else { config.nic };
        edge.get() as f64 * f64::from(self.cluster.tp)
    }

    /// Bandwidth of a transfer over `tier` if nobody else sends and each of its flows has links of its own: a link to
    /// a spine or a core may be slower than a NIC.
    fn idle_bandwidth(&self, tier: Tier) -> f64 {
        (self.link_bandwidth(tier) * f64::from(self.cluster.flows)).min(self.interface_bandwidth(tier))
    }

    /// Bandwidth of the slowest link of a way over `tier`.
    fn link_bandwidth(&self, tier: Tier) -> f64 {
        let slowest = |kinds: &[LinkKind]| {
            let capacity = |&kind: &LinkKind| self.tree.links_of(kind).next().map(|link| self.tree.capacity(link));
            kinds.iter().filter_map(capacity).min().map_or(0.0, |rate| rate.get() as f64)
        };
        match tier {
            Tier::Node => slowest(&[LinkKind::NvLink]),
            Tier::Rack => slowest(&[LinkKind::Nic]),
            Tier::Pod => slowest(&[LinkKind::Nic, LinkKind::Rack]),
            Tier::Core => slowest(&[LinkKind::Nic, LinkKind::Rack, LinkKind::Pod]),
        }
    }

    /// Bandwidth of a transfer over `tier` if everybody sends.
    fn shared_bandwidth(&self, tier: Tier) -> f64 {
        let config = self.tree.config();
        let oversubscription = match tier {
            Tier::Node | Tier::Rack => 1.0,
            Tier::Pod => config.rack_oversubscription.max(1.0),
            Tier::Core => config.rack_oversubscription.max(config.pod_oversubscription).max(1.0),
        };
        self.interface_bandwidth(tier) / oversubscription
    }

    fn zone_congestion(&self, source: InstanceId, destination: InstanceId) -> f64 {
        let zones = self.zones.expect("zones are refreshed before a decision that needs them");
        zones.congestion(self.cluster.gpu(source, 0), self.cluster.gpu(destination, 0))
    }

    fn path_congestion(&self, source: InstanceId, destination: InstanceId) -> f64 {
        let mut worst: f64 = 0.0;
        for (rank, &hash) in self.hashes.iter().enumerate() {
            let gpu = |instance| self.cluster.gpu(instance, rank as u32);
            let path = self.tree.route(gpu(source), gpu(destination), hash, self.network);
            let upper = path.links().iter().filter(|&&link| self.tree.kind(link) >= LinkKind::Rack);
            worst = upper.fold(worst, |worst, &link| worst.max(self.used_ratio(link)));
        }
        worst
    }
}

impl CostOracle for DecisionOracle<'_> {
    fn tier(&self, one: InstanceId, other: InstanceId) -> Tier {
        self.cluster.tier(one, other)
    }

    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let tier = self.cluster.tier(source, destination);
        let told = match self.bandwidth {
            OracleBandwidth::Share => self.shared_bandwidth(tier),
            OracleBandwidth::Idle => self.idle_bandwidth(tier),
            OracleBandwidth::Link => self.link_bandwidth(tier),
        };
        let exact = self.granularity == OracleGranularity::Exact;
        let bandwidth_bytes_per_sec = if exact { self.interface_bandwidth(tier) } else { told };
        let congestion = match self.granularity {
            OracleGranularity::Static => 0.0,
            OracleGranularity::Tier => self.tier_congestion[tier.index()],
            OracleGranularity::Zone => self.zone_congestion(source, destination),
            OracleGranularity::Path => self.path_congestion(source, destination),
            OracleGranularity::Exact => 1.0 - self.exact_rate[destination.index()] / bandwidth_bytes_per_sec,
        };
        PathCost {
            tier,
            bandwidth_bytes_per_sec,
            latency: self.tree.config().latency[tier.index()],
            congestion_ratio: congestion.clamp(0.0, LARGEST_CONGESTION),
            counts_in_flight: exact,
            age: if exact { SimDuration::ZERO } else { self.age },
        }
    }
}

/// Hashes of a transfer's flows, by rank.
pub(crate) fn flow_hashes(seed: u64, transfer: u32, flows: u32, hashes: &mut Vec<u64>) {
    hashes.clear();
    hashes.extend((0..flows).map(|rank| ecmp_hash(seed, u64::from(transfer), u64::from(rank))));
}

#[cfg(test)]
mod tests;
