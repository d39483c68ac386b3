//! What the wiring, the choice of routes and degraded links do to a transfer, on paper.

mod common;

use common::{flows, millis, scenario};
use netkv_fabric::{BackgroundConfig, Degradation, LinkKind, RouteChoice, Wiring};
use netkv_sim::{OracleGranularity, Placement, Scenario, run};
use netkv_units::{BlockId, SimDuration, SimTime, Tier};
use netkv_workload::Workload;

/// One request of 1,000 MB in two flows, from second 1 on, from instance 0 to the only decode instance.
fn transfer_to(decode: u32) -> Scenario {
    let blocks = (0..2).map(BlockId::new).collect();
    let mut scenario = scenario(Workload::from_parts(vec![(SimTime::ZERO, 1000, 3, blocks)]));
    let prefill: Vec<u32> = (0..8).filter(|&instance| instance != decode).collect();
    scenario.cluster.prefill_instances = 7;
    scenario.cluster.placement = Placement::Listed(prefill);
    scenario
}

fn transfer_time(scenario: &Scenario) -> SimDuration {
    run(scenario).requests[0].parts.transfer
}

fn degraded(kind: LinkKind, switch: Option<u32>, capacity_ratio: f64, from_s: f64, until_s: f64) -> Degradation {
    Degradation {
        kind,
        direction: None,
        pod: None,
        rack: None,
        switch,
        gpu: None,
        capacity_ratio,
        from: SimTime::from_secs_f64(from_s),
        until: SimTime::from_secs_f64(until_s),
    }
}

#[test]
fn a_degraded_link_slows_a_transfer_for_as_long_as_it_is_degraded() {
    let mut scenario = transfer_to(2);
    assert_eq!(transfer_time(&scenario), millis(50));
    // 20 ms at 10 GB/s, 20 ms at half of that, the rest of the 500 MB at 10 GB/s again.
    scenario.degraded = vec![degraded(LinkKind::Nic, None, 0.5, 1.02, 1.04)];
    assert_eq!(transfer_time(&scenario), millis(60));
    // For another GPU's NIC, or after the transfer, nothing changes.
    scenario.degraded[0].gpu = Some(15);
    assert_eq!(transfer_time(&scenario), millis(50));
    scenario.degraded = vec![degraded(LinkKind::Nic, None, 0.5, 1.06, 1.08)];
    assert_eq!(transfer_time(&scenario), millis(50));
}

#[test]
fn flows_leave_a_link_that_goes_down_and_new_ones_avoid_it() {
    for (decode, kind) in [(2, LinkKind::Rack), (7, LinkKind::Rack), (7, LinkKind::Pod)] {
        for switch in 0..2 {
            for from_s in [0.0, 1.02] {
                // The other spine or core carries both flows at full rate.
                let mut scenario = transfer_to(decode);
                scenario.degraded = vec![degraded(kind, Some(switch), 0.0, from_s, 9.0)];
                assert_eq!(transfer_time(&scenario), millis(50), "{kind:?} {switch} from {from_s}");
            }
        }
    }
}

#[test]
fn ranks_stay_on_their_rails() {
    // Between racks of a pod; the links to the spines are thin.
    let mut scenario = transfer_to(2);
    scenario.fabric.rack_oversubscription = 100.0;
    let by_rack = run(&scenario);
    assert_eq!(by_rack.requests[0].tier, Some(Tier::Pod));
    // 40 GB/s of NICs / 100 / 2 spines: 0.2 GB/s, or half of that if both flows take one spine.
    assert!(by_rack.requests[0].parts.transfer >= millis(2500));
    scenario.fabric.shape.wiring = Wiring::Rails(2);
    let by_rail = run(&scenario);
    assert_eq!(by_rail.requests[0].tier, Some(Tier::Rack));
    assert_eq!(by_rail.requests[0].parts.transfer, millis(50));
    // With as many rails as GPUs in a node, the second instance of a node is on other rails than the first.
    scenario.fabric.shape.wiring = Wiring::Rails(4);
    assert_eq!(run(&scenario).requests[0].tier, Some(Tier::Rack));
    let scenario = Scenario { cluster: transfer_to(3).cluster, ..scenario };
    assert_eq!(run(&scenario).requests[0].tier, Some(Tier::Pod));
}

#[test]
fn the_least_loaded_spine_is_never_shared_while_another_is_idle() {
    let mut times = [RouteChoice::Ecmp, RouteChoice::LeastLoaded].map(|route| {
        (0..16)
            .map(|seed| {
                let mut scenario = Scenario { seed, ..transfer_to(2) };
                // Each of the two spines has room for one of the two flows.
                scenario.fabric.rack_oversubscription = 2.0;
                scenario.fabric.route = route;
                transfer_time(&scenario)
            })
            .collect::<Vec<_>>()
    });
    times.iter_mut().for_each(|times| times.sort_unstable());
    let [ecmp, least_loaded] = times;
    assert_eq!((ecmp[0], ecmp[15]), (millis(50), millis(100)), "some hashes collide, some do not");
    assert_eq!((least_loaded[0], least_loaded[15]), (millis(50), millis(50)));
}

/// The second flow has a byte more, which takes a tenth of a nanosecond once it is alone: it ends at the same instant,
/// after the first one's end was dealt with.
#[test]
fn two_flows_may_end_at_one_instant_one_after_the_other() {
    let mut scenario = transfer_to(2);
    scenario.kv.bytes_per_token = 1_000_005;
    scenario.workload =
        std::sync::Arc::new(Workload::from_parts(vec![(SimTime::ZERO, 999, 3, (0..2).map(BlockId::new).collect())]));
    scenario.fabric.spines_per_pod = 1;
    scenario.fabric.rack_oversubscription = 4.0;
    // Alone for the last 0.3 ns: 499,502,497 and one more bytes, 5 GB/s each, are 99,900,499.4 and .6 ns.
    assert_eq!(transfer_time(&scenario), SimDuration::from_nanos(99_900_499));
}

/// Everything at once, and the laws that the run itself checks: nothing is left, every flow has a bottleneck.
#[test]
fn degraded_rails_with_competing_flows_serve_every_request() {
    for (seed, route) in [(1, RouteChoice::Ecmp), (2, RouteChoice::LeastLoaded)] {
        for oracle in
            [OracleGranularity::Tier, OracleGranularity::Zone, OracleGranularity::Path, OracleGranularity::Exact]
        {
            let mut scenario = Scenario { seed, oracle, ..scenario(Workload::poisson(4.0, 200, 900, 20, seed)) };
            scenario.background = flows(0.3);
            scenario.fabric.shape.wiring = Wiring::Rails(2);
            scenario.fabric.route = route;
            scenario.degraded = vec![
                degraded(LinkKind::Rack, Some(0), 0.0, 5.0, 15.0),
                degraded(LinkKind::Pod, Some(1), 0.0, 7.0, 30.0),
                degraded(LinkKind::Nic, None, 0.3, 10.0, 20.0),
            ];
            assert_eq!(run(&scenario).requests.len(), 200);
            scenario.background = BackgroundConfig::None;
            assert_eq!(run(&scenario).requests.len(), 200);
        }
    }
}
