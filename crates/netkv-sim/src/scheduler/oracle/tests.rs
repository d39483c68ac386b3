//! What the scheduler is told, against what is worked out by hand.

use super::*;
use crate::network::examples::{LIVE, topology};
use crate::scenario::OwnTraffic;
use netkv_fabric::FatTree;
use netkv_units::BytesPerSec;

fn oracle<'a>(
    granularity: OracleGranularity,
    topology: &'a Topology,
    links: &'a FlowNetwork,
    monitor: &'a LinkMonitor,
) -> DecisionOracle<'a> {
    DecisionOracle {
        granularity,
        bandwidth: OracleBandwidth::Idle,
        topology,
        links,
        monitor,
        age: SimDuration::ZERO,
        tier_congestion: monitor.tier_congestion(topology.tree(), links),
        zones: monitor.zones(),
        shows_present: false,
        hashes: &[],
        exact_rate: &[],
    }
}

/// What "idle" tells is what a transfer of one flow gets alone, over thin links to spines and cores too.
#[test]
fn an_idle_bandwidth_is_what_a_transfer_gets_alone() {
    let topology = topology();
    let (tree, cluster, mut links) = (topology.tree(), topology.cluster(), topology.idle_links());
    let monitor = LinkMonitor::new(LIVE, OwnTraffic::Counted, tree, 1);
    for (destination, alone) in [(1, 450_000_000), (2, 10_000_000), (4, 5_000_000), (8, 2_500_000)] {
        let (source, destination) = (InstanceId::new(0), InstanceId::new(destination));
        let (from, to) = cluster.ends(source, destination, 0);
        let path = tree.path(from, to, 3);
        let mut rates = Vec::new();
        links.probe(&[path.links()], &mut rates);
        assert_eq!(rates, [BytesPerSec::new(alone)]);
        let oracle = oracle(OracleGranularity::Static, &topology, &links, &monitor);
        assert!((oracle.path(source, destination).bandwidth_bytes_per_sec - alone as f64).abs() < 1.0);
    }
}

/// A monitor that sees these shares of the links of each rack and pod: up links, then down links.
fn seen(tree: &FatTree, racks: [f64; 8], pods: [f64; 4]) -> LinkMonitor {
    let mut monitor = LinkMonitor::new(LIVE, OwnTraffic::Counted, tree, 1);
    for (index, link) in tree.links_of(LinkKind::Rack).enumerate() {
        // The mean over the four spines is the zone's share.
        let around = [0.7, 0.9, 1.1, 1.3][index % 4];
        monitor.set_background(SimTime::ZERO, link, racks[index / 4] * around);
    }
    for (index, link) in tree.links_of(LinkKind::Pod).enumerate() {
        monitor.set_background(SimTime::ZERO, link, pods[index / 4]);
    }
    monitor
}

/// Congestion from the first instance of a rack to the last of another.
fn told(granularity: OracleGranularity, topology: &Topology, monitor: &mut LinkMonitor, from: u32, to: u32) -> f64 {
    let links = topology.idle_links();
    monitor.refresh_zones(topology.tree(), &links);
    let oracle = oracle(granularity, topology, &links, monitor);
    oracle.path(InstanceId::new(4 * from), InstanceId::new(4 * to + 3)).congestion_ratio
}

#[test]
fn a_zone_is_told_its_own_congestion_by_direction() {
    let topology = topology();
    let racks = [0.5, 0.0, 0.0, 0.0, 0.0, 0.1, 0.3, 0.7];
    let mut monitor = seen(topology.tree(), racks, [0.6, 0.0, 0.9, 0.2]);
    let expect = [
        (0, 0, 0.0), // Inside a rack.
        (0, 1, 0.5), // Up from rack 0.
        (1, 0, 0.0),
        (2, 3, 0.7), // Down to rack 3.
        (3, 2, 0.3),
        (0, 2, 0.6), // Up from pod 0.
        (0, 3, 0.7),
        (1, 2, 0.6),
        (2, 0, 0.9), // Down to pod 0.
    ];
    for (from, to, congestion) in expect {
        let told = told(OracleGranularity::Zone, &topology, &mut monitor, from, to);
        assert!((told - congestion).abs() < 1e-6, "from rack {from} to {to}: {told}, not {congestion}");
    }
}

#[test]
fn zones_tell_two_pairs_of_racks_apart_where_tiers_tell_their_mean() {
    let topology = topology();
    let mut monitor = seen(topology.tree(), [0.6, 0.2, 0.2, 0.2, 0.6, 0.2, 0.2, 0.2], [0.0; 4]);
    let mut told = |granularity, from, to| told(granularity, &topology, &mut monitor, from, to);
    let (busy, quiet) = (told(OracleGranularity::Zone, 0, 1), told(OracleGranularity::Zone, 2, 3));
    assert!((busy - 0.6).abs() < 1e-6 && (quiet - 0.2).abs() < 1e-6, "{busy} {quiet}");
    for (from, to) in [(0, 1), (2, 3)] {
        let tier = told(OracleGranularity::Tier, from, to);
        assert!((tier - 0.3).abs() < 1e-6, "{tier}");
    }
}
