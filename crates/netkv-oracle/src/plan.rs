//! What does not change: where instances are, and what each tier carries. Three of the paper's four maps (arXiv 2606.03910,
//! section III: `tier_map`, `tier_bandwidth`, `tier_latency`) follow from it.

use netkv_units::{Digester, InstanceId, Tier};
use serde::{Deserialize, Serialize};

/// Names of the tiers, nearest first.
pub const TIERS: [&str; 4] = Tier::NAMES;

/// Most instances that a plan may have. Chosen by us: the largest clusters that are told of have a tenth of it.
const MAX_INSTANCES: usize = 100_000;

/// The network of a cluster, as its operator plans it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// By instance.
    pub instances: Vec<Instance>,
    /// By tier: what one transfer gets on the idle network, in bytes per second.
    pub bandwidth_bytes_per_s: [f64; 4],
    /// By tier: time from the first byte sent to the first byte received, in nanoseconds.
    pub latency_ns: [u64; 4],
    /// By tier: what one transfer gets at most if nobody else sends, in bytes per second.
    pub alone_bytes_per_s: [f64; 4],
    /// Pods.
    pub pods: u32,
    /// Racks, counted through all pods.
    pub racks: u32,
}

/// Where an instance is, and what it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Its pod; pods, racks and nodes are counted through the whole cluster.
    pub pod: u32,
    /// Its rack.
    pub rack: u32,
    /// Its node: what NVLink joins.
    pub node: u32,
    /// Whether it computes prompts; the others decode.
    pub prefills: bool,
    /// The number of its first network interface: whoever has the same one shares it.
    pub interface: u32,
    /// What all links carry out of it, out of its rack and out of its pod, in bytes per second.
    pub leaving_bytes_per_s: [f64; 3],
}

impl Plan {
    /// What is wrong with it, in words; for plans that came over a network.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.instances.is_empty() || self.instances.len() > MAX_INSTANCES {
            return Err(format!("{} instances; allowed: 1 to {MAX_INSTANCES}", self.instances.len()));
        }
        let rates = self.bandwidth_bytes_per_s.iter().chain(&self.alone_bytes_per_s);
        if let Some(rate) = rates.into_iter().find(|rate| !(rate.is_finite() && **rate > 0.0)) {
            return Err(format!("a tier of {rate} bytes per second; allowed: more than zero"));
        }
        let is_placed = |instance: &&Instance| instance.pod < self.pods && instance.rack < self.racks;
        if let Some(number) = self.instances.iter().position(|instance| !is_placed(&instance)) {
            return Err(format!("instance {number} is in no rack or pod of the {} and {}", self.racks, self.pods));
        }
        let leaving = |instance: &Instance| instance.leaving_bytes_per_s.iter().all(|rate| *rate >= 0.0);
        match self.instances.iter().position(|instance| !leaving(instance)) {
            Some(number) => Err(format!("less than nothing leaves instance {number}")),
            None => Ok(()),
        }
    }

    /// The instance with this number, if there is one.
    pub fn instance(&self, number: InstanceId) -> Option<&Instance> {
        self.instances.get(number.index())
    }

    /// The lowest level of the fabric that connects two instances; the core if one of them is not in the plan.
    pub fn tier(&self, one: InstanceId, other: InstanceId) -> Tier {
        match (self.instance(one), self.instance(other)) {
            (Some(one), Some(other)) if one.node == other.node => Tier::Node,
            (Some(one), Some(other)) if one.rack == other.rack => Tier::Rack,
            (Some(one), Some(other)) if one.pod == other.pod => Tier::Pod,
            (Some(_) | None, Some(_) | None) => Tier::Core,
        }
    }

    /// What it is known by: equal for equal plans.
    pub fn known_by(&self) -> String {
        let text = serde_json::to_string(self).expect("a plan of numbers is JSON");
        Digester::new().bytes(text.as_bytes()).finish().to_string()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two pods of two racks of two nodes of an instance: the first of each rack prefills.
    pub(crate) fn plan() -> Plan {
        let instance = |number: u32| Instance {
            pod: number / 4,
            rack: number / 2,
            node: number,
            prefills: number.is_multiple_of(2),
            interface: number,
            leaving_bytes_per_s: [50e9, 100e9, 400e9],
        };
        Plan {
            instances: (0..8).map(instance).collect(),
            bandwidth_bytes_per_s: [450e9, 50e9, 25e9, 12.5e9],
            latency_ns: [1_000, 3_000, 8_000, 15_000],
            alone_bytes_per_s: [450e9, 50e9, 50e9, 50e9],
            pods: 2,
            racks: 4,
        }
    }

    #[test]
    fn tiers_follow_from_places() {
        let plan = plan();
        plan.check().expect("it is a plan");
        let tiers: Vec<usize> =
            [0, 1, 2, 4, 99].map(|other| plan.tier(InstanceId::new(0), InstanceId::new(other)).index()).to_vec();
        assert_eq!(tiers, [0, 1, 2, 3, 3]);
        let mut other = plan.clone();
        other.latency_ns[0] = 2;
        assert_ne!(plan.known_by(), other.known_by());
    }

    #[test]
    fn a_plan_that_is_none_is_refused() {
        let changed = |change: &dyn Fn(&mut Plan)| {
            let mut plan = plan();
            change(&mut plan);
            plan.check().expect_err("it is refused")
        };
        assert!(changed(&|plan| plan.instances.clear()).contains("0 instances"));
        assert!(changed(&|plan| plan.bandwidth_bytes_per_s[2] = 0.0).contains("0 bytes per second"));
        assert!(changed(&|plan| plan.instances[3].rack = 4).contains("instance 3"));
        assert!(changed(&|plan| plan.instances[5].leaving_bytes_per_s[1] = -1.0).contains("instance 5"));
    }
}
