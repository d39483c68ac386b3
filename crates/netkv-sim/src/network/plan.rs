//! What an operator knows of a scenario's network that does not change: where instances are, and what each tier carries.
//! Whoever tells a real router of a real network begins with it.

use super::topology::Topology;
use crate::scenario::{OracleBandwidth, Scenario};
use netkv_fabric::Wiring;
use netkv_units::{InstanceId, SimDuration, Tier};

/// The network of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkPlan {
    /// By instance.
    pub instances: Vec<PlannedInstance>,
    /// By tier: the bandwidth that the scenario's oracle tells of it, in bytes per second.
    pub bandwidth_bytes_per_sec: [f64; 4],
    /// By tier: time from the first byte sent to the first byte received.
    pub latency: [SimDuration; 4],
    /// By tier: what one transfer gets at most, in bytes per second.
    pub alone_bytes_per_sec: [f64; 4],
    /// Pods of the fabric, and its racks counted through all pods.
    pub pods: u32,
    /// The racks.
    pub racks: u32,
}

/// An instance in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedInstance {
    /// Its pod, counted through the whole cluster as racks and nodes are.
    pub pod: u32,
    /// Its rack.
    pub rack: u32,
    /// Its node.
    pub node: u32,
    /// Whether it computes prompts; the others decode.
    pub prefills: bool,
    /// The number of its first network interface: whoever has the same one shares it.
    pub interface: u32,
    /// What all links carry out of it, out of its rack and out of its pod, in bytes per second.
    pub leaving_bytes_per_sec: [f64; 3],
}

/// Why a scenario's network has no such plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unplanned {
    /// Instances differ in GPUs or network interfaces, and so does the bandwidth of a tier.
    UnequalInstances,
    /// Leaf switches are those of rails: an instance has several.
    Rails,
}

/// The plan of a scenario's network.
///
/// # Errors
/// If one bandwidth for each tier would not be the truth.
pub fn network_plan(scenario: &Scenario) -> Result<NetworkPlan, Unplanned> {
    let topology = Topology::new(scenario);
    let (tree, cluster) = (topology.tree(), topology.cluster());
    if tree.wiring() != Wiring::Racks {
        return Err(Unplanned::Rails);
    }
    if !topology.is_uniform() {
        return Err(Unplanned::UnequalInstances);
    }
    let first = cluster.prefill()[0];
    let told = |bandwidth: OracleBandwidth, tier| topology.bandwidth(bandwidth, tier, first, first);
    let n = cluster.prefill().len() + cluster.decode().len();
    let nodes = tree.nodes();
    let instances = (0..n).map(InstanceId::from_index).map(|instance| {
        let node = cluster.position(instance).node();
        PlannedInstance {
            pod: nodes[node as usize].pod,
            rack: nodes[node as usize].rack,
            node,
            prefills: cluster.prefill().binary_search(&instance).is_ok(),
            interface: cluster.interface(instance),
            leaving_bytes_per_sec: [Tier::Node, Tier::Rack, Tier::Pod]
                .map(|group| topology.leaving_from(instance, group)),
        }
    });
    Ok(NetworkPlan {
        instances: instances.collect(),
        bandwidth_bytes_per_sec: Tier::ALL.map(|tier| told(scenario.oracle_bandwidth, tier)),
        latency: tree.config().latency,
        alone_bytes_per_sec: Tier::ALL.map(|tier| topology.alone_over(tier)),
        pods: nodes.iter().map(|node| node.pod + 1).max().unwrap_or_default(),
        racks: nodes.iter().map(|node| node.rack + 1).max().unwrap_or_default(),
    })
}
