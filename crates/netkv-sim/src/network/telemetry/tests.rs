//! What samples show, against what is worked out by hand.

use super::*;
use crate::network::Topology;
use crate::network::examples::{LIVE, SAMPLED, seconds, topology};
use netkv_units::Bytes;

/// The example's links, idle.
fn fabric() -> (Topology, FlowNetwork) {
    let topology = topology();
    let links = topology.idle_links();
    (topology, links)
}

#[test]
fn zones_of_a_sample_are_those_of_the_last_visible_one() {
    let (topology, network) = fabric();
    let tree = topology.tree();
    let mut monitor = LinkMonitor::new(SAMPLED, OwnTraffic::Counted, tree, 1);
    let gpus = [0, 4].map(|gpu| tree.position(netkv_units::GpuId::new(gpu)));
    let zone = |monitor: &mut LinkMonitor, now: f64| {
        monitor.refresh(seconds(now));
        monitor.refresh_zones(tree, &network);
        monitor.zones().expect("refreshed").congestion(gpus[0], gpus[1])
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
    let (topology, mut network) = fabric();
    let (tree, link) = (topology.tree(), first_rack_link(topology.tree()));
    let mut monitor = LinkMonitor::new(SAMPLED, OwnTraffic::Counted, tree, 1);
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
    let (topology, mut network) = fabric();
    let (tree, link) = (topology.tree(), first_rack_link(topology.tree()));
    let mut monitor = LinkMonitor::new(LIVE, OwnTraffic::Counted, tree, 1);
    monitor.set_background(SimTime::ZERO, link, 0.25);
    network.start_flow(seconds(3.0), &[link], Bytes::new(9_000_000), Some(BytesPerSec::new(1_000_000)));
    network.resolve();
    assert_eq!(monitor.refresh(seconds(3.0)), SimDuration::ZERO);
    assert!((monitor.used_ratio(link, &network) - 0.45).abs() < 1e-12);
}

#[test]
fn a_delayed_sample_is_seen_late_and_ages() {
    let (topology, network) = fabric();
    let (tree, link) = (topology.tree(), first_rack_link(topology.tree()));
    let delay = SimDuration::from_secs_f64(2.5);
    let mut monitor = LinkMonitor::new(TelemetryConfig { delay, ..SAMPLED }, OwnTraffic::Counted, tree, 1);
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
    let (topology, network) = fabric();
    let (tree, link) = (topology.tree(), first_rack_link(topology.tree()));
    let mut monitor = LinkMonitor::new(TelemetryConfig { noise_ratio: 0.1, ..SAMPLED }, OwnTraffic::Counted, tree, 1);
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
    let (topology, network) = fabric();
    let tree = topology.tree();
    let config = TelemetryConfig { loss_ratio: 0.3, delay: SimDuration::from_secs_f64(1.5), ..SAMPLED };
    let mut monitor = LinkMonitor::new(config, OwnTraffic::Counted, tree, 1);
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
