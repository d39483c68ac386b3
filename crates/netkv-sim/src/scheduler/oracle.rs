//! The oracle as a policy sees it at one decision. What the scheduler may believe is in [`DecisionOracle`]; what is true
//! stays in the network.

use crate::network::{LinkMonitor, Network, Topology, ZoneUse};
use crate::scenario::{OracleBandwidth, OracleGranularity};
use netkv_fabric::{FlowNetwork, LinkKind};
use netkv_policy::{CostOracle, PathCost};
use netkv_units::{InstanceId, LinkId, SimDuration, SimTime, Tier};

/// What an oracle tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// How much of the congestion.
    pub(super) granularity: OracleGranularity,
    /// Which bandwidth of a tier.
    pub(super) bandwidth: OracleBandwidth,
}

/// The oracle as it stands at one decision.
#[derive(Clone, Copy)]
pub(super) struct DecisionOracle<'a> {
    granularity: OracleGranularity,
    bandwidth: OracleBandwidth,
    topology: &'a Topology,
    links: &'a FlowNetwork,
    monitor: &'a LinkMonitor,
    age: SimDuration,
    /// By tier: its congestion, from [`LinkMonitor::tier_congestion`].
    tier_congestion: [f64; 4],
    /// With zones: their mean uses.
    zones: Option<&'a ZoneUse>,
    /// Whether it shows the present, however old the samples are.
    shows_present: bool,
    /// Hashes of the transfer's flows, by rank.
    hashes: &'a [u64],
    /// With the exact granularity, by instance: the rate that the transfer would get now.
    exact_rate: &'a [f64],
}

/// The largest congestion that an oracle tells: a path that is wholly taken still has a cost.
const LARGEST_CONGESTION: f64 = 1.0 - 1e-9;

impl<'a> DecisionOracle<'a> {
    /// The oracle over a network that was looked at in this instant ([`Network::look`]), without congestion. `hashes`
    /// are those of the transfer's flows; `exact_rate` is what [`Network::probe`] found, for the exact granularity.
    pub(super) fn new(
        told: Told,
        network: &'a Network,
        now: SimTime,
        hashes: &'a [u64],
        exact_rate: &'a [f64],
    ) -> Self {
        let monitor = network.monitor();
        Self {
            granularity: told.granularity,
            bandwidth: told.bandwidth,
            topology: network.topology(),
            links: network.links(),
            monitor,
            age: monitor.age(now),
            tier_congestion: [0.0; 4],
            zones: monitor.zones(),
            shows_present: false,
            hashes,
            exact_rate,
        }
    }

    /// The same with the congestion that the scheduler believes in.
    pub(super) fn with_congestion(self) -> Self {
        Self { tier_congestion: self.monitor.tier_congestion(self.topology.tree(), self.links), ..self }
    }

    /// What it would tell if it showed the present; `zones` are those of the present.
    pub(super) fn of_the_present(&self, zones: &'a ZoneUse) -> Self {
        let tier_congestion = self.monitor.present_tier_congestion(self.topology.tree(), self.links);
        Self { shows_present: true, age: SimDuration::ZERO, tier_congestion, zones: Some(zones), ..*self }
    }

    /// The mean uses by zone at this moment.
    pub(super) fn present_zones(&self) -> ZoneUse {
        ZoneUse::new(self.topology.tree(), |link| self.monitor.present_ratio(link, self.links))
    }

    fn used_ratio(&self, link: LinkId) -> f64 {
        if self.shows_present {
            self.monitor.present_ratio(link, self.links)
        } else {
            self.monitor.used_ratio(link, self.links)
        }
    }

    fn zone_congestion(&self, source: InstanceId, destination: InstanceId) -> f64 {
        let zones = self.zones.expect("zones are refreshed before a decision that needs them");
        zones.congestion(self.topology.cluster().position(source), self.topology.cluster().position(destination))
    }

    fn path_congestion(&self, source: InstanceId, destination: InstanceId) -> f64 {
        let mut worst: f64 = 0.0;
        for (rank, &hash) in self.hashes.iter().enumerate() {
            let (from, to) = self.topology.cluster().ends(source, destination, rank as u32);
            let path = self.topology.tree().route(from, to, hash, self.links);
            let upper = path.links().iter().filter(|&&link| self.topology.tree().kind(link) >= LinkKind::Rack);
            worst = upper.fold(worst, |worst, &link| worst.max(self.used_ratio(link)));
        }
        worst
    }
}

impl CostOracle for DecisionOracle<'_> {
    fn leaving(&self, group: Tier) -> f64 {
        self.leaving_from(self.topology.cluster().prefill()[0], group)
    }

    fn leaving_from(&self, instance: InstanceId, group: Tier) -> f64 {
        self.topology.leaving_from(instance, group)
    }

    fn share_interfaces(&self, one: InstanceId, other: InstanceId) -> bool {
        let cluster = self.topology.cluster();
        cluster.interface(one) == cluster.interface(other)
    }

    fn alone(&self, over: Tier) -> f64 {
        self.topology.alone_over(over)
    }

    fn alone_from(&self, source: InstanceId, over: Tier) -> f64 {
        self.topology.alone_from(source, over)
    }

    fn tier(&self, one: InstanceId, other: InstanceId) -> Tier {
        self.topology.cluster().tier(one, other)
    }

    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let tier = self.topology.cluster().tier(source, destination);
        let exact = self.granularity == OracleGranularity::Exact;
        let bandwidth_bytes_per_sec = if exact {
            self.topology.interface_bandwidth(tier, source, destination)
        } else {
            self.topology.bandwidth(self.bandwidth, tier, source, destination)
        };
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
            latency: self.topology.tree().config().latency[tier.index()],
            congestion_ratio: congestion.clamp(0.0, LARGEST_CONGESTION),
            counts_in_flight: exact,
            age: if exact { SimDuration::ZERO } else { self.age },
        }
    }
}

#[cfg(test)]
mod tests;
