//! The network cost oracle: the thin interface between the operator of a network and a scheduler.
//!
//! Source: *NetKV* (arXiv 2606.03910), section III: four maps, from a pair to its tier, and from a tier to bandwidth,
//! latency and congestion, the last one refreshed at intervals. Here they are asked for by pair, so that finer oracles
//! have the same interface. An operator can fill it from a topology file (tier, bandwidth, latency) and from switch
//! counters (congestion, age).

use netkv_units::{InstanceId, SimDuration, Tier};

/// What the operator tells about the way from one instance to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathCost {
    /// The lowest level of the fabric that connects the two.
    pub tier: Tier,
    /// What one transfer gets on the idle network, in bytes per second; positive.
    pub bandwidth_bytes_per_sec: f64,
    /// Time from the first byte sent to the first byte received.
    pub latency: SimDuration,
    /// Share of that bandwidth which is taken, in [0, 1).
    pub congestion_ratio: f64,
    /// Whether `congestion_ratio` already counts the scheduler's own transfers of this very moment. Then its
    /// ledger must not count them again.
    pub counts_in_flight: bool,
    /// How old the congestion figure is; zero where it is the present truth or a constant.
    pub age: SimDuration,
}

/// What a scheduler may know of the network.
pub trait CostOracle {
    /// The cost of the way from `source` to `destination`.
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost;

    /// What all links together carry out of a group of instances, or into it, on the idle network, in bytes per second: the
    /// interfaces of one instance (`Tier::Node`), the uplinks of those that `Tier::Rack` connects, or of those that
    /// `Tier::Pod` connects. An operator knows it from the fabric's plan; it does not change. Infinite where it is not known:
    /// then nothing is shared there.
    fn leaving(&self, _group: Tier) -> f64 {
        f64::INFINITY
    }

    /// The same of the group of one instance, where groups are not alike: its network interfaces, those included that it shares
    /// with others, the uplinks of its rack, or those of its pod.
    fn leaving_from(&self, _instance: InstanceId, group: Tier) -> f64 {
        self.leaving(group)
    }

    /// Whether two instances send and receive over the same network interfaces.
    fn share_interfaces(&self, _one: InstanceId, _other: InstanceId) -> bool {
        false
    }

    /// What one transfer gets at most over a tier, in bytes per second: that of its interfaces, and of the links that its flows
    /// are hashed to, if nobody else sends. An operator knows it from the fabric's plan; it does not change. Infinite where it
    /// is not known.
    fn alone(&self, _over: Tier) -> f64 {
        f64::INFINITY
    }

    /// The same of a transfer from one instance, where these are not alike: its interfaces may be slower than others'.
    fn alone_from(&self, _source: InstanceId, over: Tier) -> f64 {
        self.alone(over)
    }

    /// How far apart two instances are: for policies that look at distance alone, which this may tell with less work.
    fn tier(&self, one: InstanceId, other: InstanceId) -> Tier {
        self.path(one, other).tier
    }
}
