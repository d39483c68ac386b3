//! What a calibrated transport does to transfers, on paper; and that it breaks no law of a run.

mod common;

use common::random::random_scenario;
use common::{millis, scenario};
use netkv_fabric::{Calibration, Transport};
use netkv_sim::{Placement, Scenario, run, run_checked, run_with};
use netkv_units::{BlockId, SimDuration, SimTime, Tier};
use netkv_workload::Workload;

/// Two round trips of the idle way, three of the busy one, whose queue takes a millisecond.
const CALIBRATION: Calibration =
    Calibration { ramp_round_trips: 2.0, share_round_trips: 3.0, queue: SimDuration::from_nanos(1_000_000) };

/// Requests of 1,000 MB in two flows, at these milliseconds, all to one decode instance; a millisecond of latency.
fn to_one(decode: u32, arrivals_ms: &[u64]) -> Scenario {
    let part = |(n, &ms): (usize, &u64)| {
        let first = 2 * n as u32;
        let blocks = (first..first + 2).map(BlockId::new).collect();
        (SimTime::from_nanos(ms * 1_000_000), 1000, 3, blocks)
    };
    let mut scenario = scenario(Workload::from_parts(arrivals_ms.iter().enumerate().map(part).collect()));
    let prefill: Vec<u32> = (0..8).filter(|&instance| instance != decode).collect();
    scenario.cluster.prefill_instances = 7;
    scenario.cluster.placement = Placement::Listed(prefill);
    scenario.fabric.latency = [1; 4].map(millis);
    scenario.fabric.transport = Transport::Calibrated(CALIBRATION);
    scenario
}

fn transfers(scenario: &Scenario) -> Vec<SimDuration> {
    run_checked(scenario).requests.iter().map(|record| record.parts.transfer).collect()
}

#[test]
fn a_transfer_alone_waits_for_its_window_except_inside_a_node() {
    for (decode, tier, wanted) in [(1, Tier::Node, 1 + 5), (2, Tier::Pod, 1 + 4 + 50), (7, Tier::Core, 1 + 4 + 50)] {
        let scenario = to_one(decode, &[0]);
        assert_eq!(run(&scenario).requests[0].tier, Some(tier));
        assert_eq!(transfers(&scenario), [millis(wanted)]);
    }
}

/// The first enters at 1,005 ms. The second begins at 1,020, finds it at the receiver's interface and enters at 1,020 + 1 +
/// 4 + 9; by then the first has moved 290 of its 500 MB. Both go at half the rate until it has moved the rest, at 1,076; the
/// second has 290 MB left then.
#[test]
fn a_transfer_beside_another_waits_longer_and_the_other_is_done_sooner() {
    let mut scenario = to_one(7, &[0, 20]);
    assert_eq!(transfers(&scenario), [76, 85].map(millis));
    // At once, each a millisecond after its prompt is computed: 200 MB alone, 300 at half the rate, the second then 200.
    scenario.fabric.transport = Transport::Fluid;
    assert_eq!(transfers(&scenario), [81, 81].map(millis));
}

/// Of 10 MB in two flows: 1 ms each at the half rate that is theirs, less than three round trips of 3 ms.
#[test]
fn a_short_transfer_waits_no_longer_than_it_takes_at_its_share() {
    let mut scenario = to_one(7, &[0, 1010]);
    let long = (SimTime::ZERO, 1000, 3, (0..2).map(BlockId::new).collect());
    let short = (SimTime::from_nanos(1_010_000_000), 10, 3, vec![BlockId::new(2)]);
    scenario.workload = std::sync::Arc::new(Workload::from_parts(vec![long, short]));
    let times = transfers(&scenario);
    // Latency, ramp, its share of the wait, and as long again until it is through.
    assert_eq!(times[1], millis(1 + 4 + 1 + 1));
}

#[test]
fn without_round_trips_it_is_the_fluid_one_to_the_last_bit() {
    for seed in 0..40 {
        let mut scenario = random_scenario(seed);
        scenario.fabric.transport = Transport::Fluid;
        let fluid = run(&scenario).digest();
        scenario.fabric.transport =
            Transport::Calibrated(Calibration { ramp_round_trips: 0.0, share_round_trips: 0.0, ..CALIBRATION });
        assert_eq!(run(&scenario).digest(), fluid, "seed {seed}");
    }
}

#[test]
fn conservation_laws_hold_and_stretches_equal_single_iterations() {
    let mut moved = 0;
    for seed in 0..60 {
        let mut scenario = random_scenario(seed);
        let fluid = run(&scenario).digest();
        scenario.fabric.transport = Transport::Calibrated(CALIBRATION);
        let fast = run(&scenario);
        assert_eq!(run_checked(&scenario).requests, fast.requests, "seed {seed}");
        assert_eq!(run_with(&scenario, 1).requests, fast.requests, "seed {seed}");
        assert_eq!(run(&scenario).digest(), fast.digest(), "seed {seed}");
        moved += usize::from(fast.digest() != fluid);
    }
    assert!(moved > 40, "it changes runs: {moved} of 60");
}
