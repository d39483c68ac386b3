//! What the scheduler is told, against what is worked out by hand.

use super::*;
use crate::scenario::{ClusterConfig, Placement};
use netkv_fabric::{FabricConfig, FabricShape, Path, RouteChoice, Uplinks, Wiring};
use netkv_units::Bytes;

/// 2 pods x 2 racks x 2 nodes x 2 GPUs; rack links carry 5 MB/s, pod links 2.5 MB/s.
fn tree() -> FatTree {
    FatTree::new(FabricConfig {
        shape: FabricShape { pods: 2, racks_per_pod: 2, nodes_per_rack: 2, gpus_per_node: 2, wiring: Wiring::Racks },
        nvlink: BytesPerSec::new(450_000_000),
        nic: BytesPerSec::new(10_000_000),
        uplinks: Uplinks::Pooled,
        rack_oversubscription: 2.0,
        pod_oversubscription: 8.0,
        spines_per_pod: 4,
        cores: 4,
        route: RouteChoice::Ecmp,
        latency: [SimDuration::ZERO; 4],
    })
}

/// One GPU an instance.
fn cluster(tree: &FatTree) -> Cluster {
    let config = ClusterConfig { tp: 1, prefill_instances: 1, placement: Placement::PerPod };
    Cluster::new(&config, tree.config().shape, config.tp, 1)
}

fn network(tree: &FatTree) -> FlowNetwork {
    let capacities: Vec<_> = (0..tree.n_links()).map(|link| tree.capacity(LinkId::from_index(link))).collect();
    FlowNetwork::new(&capacities, Path::MAX)
}

const LIVE: TelemetryConfig =
    TelemetryConfig { interval: SimDuration::ZERO, delay: SimDuration::ZERO, noise_ratio: 0.0, loss_ratio: 0.0 };

const SAMPLED: TelemetryConfig = TelemetryConfig { interval: SimDuration::from_nanos(1_000_000_000), ..LIVE };

fn seconds(secs: f64) -> SimTime {
    SimTime::from_secs_f64(secs)
}

fn oracle<'a>(
    granularity: OracleGranularity,
    parts: (&'a Cluster, &'a FatTree, &'a FlowNetwork),
    monitor: &'a LinkMonitor,
) -> DecisionOracle<'a> {
    let (cluster, tree, network) = parts;
    DecisionOracle {
        granularity,
        bandwidth: OracleBandwidth::Idle,
        cluster,
        tree,
        network,
        monitor,
        age: SimDuration::ZERO,
        tier_congestion: monitor.tier_congestion(tree, network),
        zones: monitor.zones.as_ref(),
        shows_present: false,
        hashes: &[],
        exact_rate: &[],
    }
}

/// What "idle" tells is what a transfer of one flow gets alone, over thin links to spines and cores too.
#[test]
fn an_idle_bandwidth_is_what_a_transfer_gets_alone() {
    let tree = tree();
    let (cluster, mut network) = (cluster(&tree), network(&tree));
    let monitor = LinkMonitor::new(LIVE, OwnTraffic::Counted, &tree, 1);
    for (destination, alone) in [(1, 450_000_000), (2, 10_000_000), (4, 5_000_000), (8, 2_500_000)] {
        let (source, destination) = (InstanceId::new(0), InstanceId::new(destination));
        let path = tree.path(cluster.gpu(source, 0), cluster.gpu(destination, 0), 3);
        let mut rates = Vec::new();
        network.probe(&[path.links()], &mut rates);
        assert_eq!(rates, [BytesPerSec::new(alone)]);
        let oracle = oracle(OracleGranularity::Static, (&cluster, &tree, &network), &monitor);
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
fn told(granularity: OracleGranularity, tree: &FatTree, monitor: &mut LinkMonitor, from: u32, to: u32) -> f64 {
    let (cluster, network) = (cluster(tree), network(tree));
    monitor.refresh_zones(tree, &network);
    let oracle = oracle(granularity, (&cluster, tree, &network), monitor);
    oracle.path(InstanceId::new(4 * from), InstanceId::new(4 * to + 3)).congestion_ratio
}

#[test]
fn a_zone_is_told_its_own_congestion_by_direction() {
    let tree = tree();
    let racks = [0.5, 0.0, 0.0, 0.0, 0.0, 0.1, 0.3, 0.7];
    let mut monitor = seen(&tree, racks, [0.6, 0.0, 0.9, 0.2]);
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
        let told = told(OracleGranularity::Zone, &tree, &mut monitor, from, to);
        assert!((told - congestion).abs() < 1e-6, "from rack {from} to {to}: {told}, not {congestion}");
    }
}

#[test]
fn zones_tell_two_pairs_of_racks_apart_where_tiers_tell_their_mean() {
    let tree = tree();
    let mut monitor = seen(&tree, [0.6, 0.2, 0.2, 0.2, 0.6, 0.2, 0.2, 0.2], [0.0; 4]);
    let mut told = |granularity, from, to| told(granularity, &tree, &mut monitor, from, to);
    let (busy, quiet) = (told(OracleGranularity::Zone, 0, 1), told(OracleGranularity::Zone, 2, 3));
    assert!((busy - 0.6).abs() < 1e-6 && (quiet - 0.2).abs() < 1e-6, "{busy} {quiet}");
    for (from, to) in [(0, 1), (2, 3)] {
        let tier = told(OracleGranularity::Tier, from, to);
        assert!((tier - 0.3).abs() < 1e-6, "{tier}");
    }
}

#[test]
fn zones_of_a_sample_are_those_of_the_last_visible_one() {
    let tree = tree();
    let network = network(&tree);
    let mut monitor = LinkMonitor::new(SAMPLED, OwnTraffic::Counted, &tree, 1);
    let gpus = [0, 4].map(netkv_units::GpuId::new);
    let zone = |monitor: &mut LinkMonitor, now: f64| {
        monitor.refresh(seconds(now));
        monitor.refresh_zones(&tree, &network);
        monitor.zones.as_ref().expect("refreshed").congestion(gpus[0], gpus[1])
    };
    assert!(zone(&mut monitor, 0.5).abs() < 1e-12);
    for link in tree.links_of(LinkKind::Rack) {
        monitor.set_background(SimTime::ZERO, link, 0.4);
    }
    assert!(zone(&mut monitor, 0.9).abs() < 1e-12, "no sample has been taken");
    monitor.sample(seconds(1.0), &network);
    assert!((zone(&mut monitor, 1.0) - 0.4).abs() < 1e-12);
}

fn first_rack_link(tree: &FatTree) -> LinkId {
    tree.links_of(LinkKind::Rack).next().expect("there are racks")
}

#[test]
fn a_sample_is_the_exact_mean_over_its_window_of_background_and_flows() {
    let tree = tree();
    let (link, mut network) = (first_rack_link(&tree), network(&tree));
    let mut monitor = LinkMonitor::new(SAMPLED, OwnTraffic::Counted, &tree, 1);
    let used = |monitor: &mut LinkMonitor, now: f64, network: &FlowNetwork| {
        assert_eq!(monitor.refresh(seconds(now)), SimDuration::ZERO);
        monitor.used_ratio(link, network)
    };
    monitor.set_background(SimTime::ZERO, link, 0.5);
    monitor.set_background(seconds(1.0), link, 0.1);
    monitor.sample(seconds(2.0), &network);
    assert!((used(&mut monitor, 2.0, &network) - 0.3).abs() < 1e-12);
    // A flow of 1 MB at 1 MB/s, a fifth of the link, within a window of four seconds.
    network.start_flow(seconds(3.0), &[link], Bytes::new(1_000_000), Some(BytesPerSec::new(1_000_000)));
    network.resolve();
    network.take_completed(seconds(4.0), &mut Vec::new());
    network.resolve();
    monitor.sample(seconds(6.0), &network);
    assert!((used(&mut monitor, 6.0, &network) - (0.1 + 0.2 / 4.0)).abs() < 1e-12);
}

#[test]
fn without_an_interval_the_present_is_seen() {
    let tree = tree();
    let (link, mut network) = (first_rack_link(&tree), network(&tree));
    let mut monitor = LinkMonitor::new(LIVE, OwnTraffic::Counted, &tree, 1);
    monitor.set_background(SimTime::ZERO, link, 0.25);
    network.start_flow(seconds(3.0), &[link], Bytes::new(9_000_000), Some(BytesPerSec::new(1_000_000)));
    network.resolve();
    assert_eq!(monitor.refresh(seconds(3.0)), SimDuration::ZERO);
    assert!((monitor.used_ratio(link, &network) - 0.45).abs() < 1e-12);
}

#[test]
fn a_delayed_sample_is_seen_late_and_ages() {
    let tree = tree();
    let (link, network) = (first_rack_link(&tree), network(&tree));
    let delay = SimDuration::from_secs_f64(2.5);
    let mut monitor = LinkMonitor::new(TelemetryConfig { delay, ..SAMPLED }, OwnTraffic::Counted, &tree, 1);
    let shares = [0.1, 0.2, 0.3, 0.4];
    for (second, share) in shares.into_iter().enumerate() {
        monitor.set_background(seconds(second as f64), link, share);
        monitor.sample(seconds(second as f64 + 1.0), &network);
    }
    for (now, share, age) in [(3.499, 0.0, 3.499), (3.5, 0.1, 2.5), (4.4, 0.1, 3.4), (5.6, 0.3, 2.6), (9.0, 0.4, 5.0)] {
        assert_eq!(monitor.refresh(seconds(now)), SimDuration::from_secs_f64(age), "at {now} s");
        assert!((monitor.used_ratio(link, &network) - share).abs() < 1e-12, "at {now} s");
    }
}

#[test]
fn noise_is_relative_and_bounded_and_has_no_bias() {
    let tree = tree();
    let (link, network) = (first_rack_link(&tree), network(&tree));
    let mut monitor = LinkMonitor::new(TelemetryConfig { noise_ratio: 0.1, ..SAMPLED }, OwnTraffic::Counted, &tree, 1);
    monitor.set_background(SimTime::ZERO, link, 0.4);
    let n = 10_000;
    let mut uses = Vec::new();
    for second in 1..=n {
        monitor.sample(seconds(f64::from(second)), &network);
        monitor.refresh(seconds(f64::from(second)));
        uses.push(monitor.used_ratio(link, &network));
    }
    let (least, most) = (uses.iter().copied().fold(1.0, f64::min), uses.iter().copied().fold(0.0, f64::max));
    assert!((0.36..0.361).contains(&least) && most > 0.439 && most <= 0.44, "{least} {most}");
    let mean = uses.iter().sum::<f64>() / f64::from(n);
    assert!((mean - 0.4).abs() < 0.001, "{mean}");
}

#[test]
fn a_lost_sample_leaves_the_last_one_in_place_for_that_link_alone() {
    let tree = tree();
    let network = network(&tree);
    let config = TelemetryConfig { loss_ratio: 0.3, delay: SimDuration::from_secs_f64(1.5), ..SAMPLED };
    let mut monitor = LinkMonitor::new(config, OwnTraffic::Counted, &tree, 1);
    let links: Vec<LinkId> = tree.links_of(LinkKind::Rack).collect();
    let mut before = vec![0.0; links.len()];
    let (n, mut lost, mut all_lost) = (2_000, 0, 0);
    for second in 0..n {
        // A share that no other window has.
        let share = 0.8 * f64::from(second + 1) / f64::from(n);
        for &link in &links {
            monitor.set_background(seconds(f64::from(second)), link, share);
        }
        monitor.sample(seconds(f64::from(second) + 1.0), &network);
        let newest = monitor.underway.back().expect("it is under way").used_ratio.clone();
        let mut lost_here = 0;
        for (&link, before) in links.iter().zip(&mut before) {
            let used = newest[link.index()];
            let is_lost = used.total_cmp(before).is_eq();
            assert!(is_lost || (used - share).abs() < 1e-6, "{used} is neither {before} nor {share}");
            lost_here += usize::from(is_lost);
            *before = used;
        }
        lost += lost_here;
        all_lost += usize::from(lost_here == links.len());
        monitor.refresh(seconds(f64::from(second) + 1.0));
    }
    let share = lost as f64 / (f64::from(n) * links.len() as f64);
    assert!((share - 0.3).abs() < 0.01, "{share} of the samples were lost");
    assert_eq!(all_lost, 0, "links lose their samples independently");
}
