//! What a real network adds: the cost of descriptors, and traffic of others as it was recorded. Answers on paper.

mod common;

use common::{millis, scenario};
use netkv_fabric::{BackgroundConfig, LinkKind, RecordedShare, Recording};
use netkv_sim::{Placement, Scenario, TransferGranularity, run};
use netkv_units::{BlockId, SimDuration, SimTime, Tier};
use netkv_workload::Workload;
use std::sync::Arc;

/// One request of 1,000 tokens at time 0, from the first instance of a node to one of another rack.
fn one_request() -> Scenario {
    let blocks = (0..2).map(BlockId::new).collect();
    let mut scenario = scenario(Workload::from_parts(vec![(SimTime::ZERO, 1000, 3, blocks)]));
    scenario.cluster.prefill_instances = 7;
    scenario.cluster.placement = Placement::Listed((0..8).filter(|instance| *instance != 2).collect());
    scenario
}

fn transfer(scenario: &Scenario) -> SimDuration {
    let output = run(scenario);
    let record = &output.requests[0];
    assert_eq!(record.tier, Some(Tier::Pod));
    assert_eq!(record.ttft, record.parts.total());
    record.parts.transfer
}

#[test]
fn descriptors_cost_what_each_flow_has_of_them() {
    let mut scenario = one_request();
    scenario.transfer.setup = millis(7);
    let latency = scenario.fabric.latency[Tier::Pod.index()];
    // 1,000 MB in two flows of 500 MB at 10 GB/s.
    let plain = millis(7) + latency + millis(50);
    assert_eq!(transfer(&scenario), plain);
    scenario.transfer.setup_per_descriptor = SimDuration::from_nanos(20_000);
    scenario.transfer.descriptor_bytes = 1_000_000;
    assert_eq!(transfer(&scenario), plain + millis(10), "500 descriptors of 1 MB at 20 us");
    scenario.transfer.descriptor_bytes = 300_000_000;
    assert_eq!(transfer(&scenario), plain + SimDuration::from_nanos(40_000), "two, of which one is not full");
    scenario.transfer.granularity = TransferGranularity::Instance { flows: 1 };
    assert_eq!(transfer(&scenario), plain + SimDuration::from_nanos(80_000), "one flow has all four");
}

#[test]
fn a_recorded_share_is_what_a_transfer_does_not_get() {
    let share = |from: u64, ratio: f64| RecordedShare {
        from: millis(from),
        kind: LinkKind::Nic,
        direction: None,
        pod: None,
        rack: None,
        switch: None,
        ratio,
    };
    let with = |shares: Vec<RecordedShare>, end: u64| {
        let mut scenario = one_request();
        let recording = Recording { shares, end: millis(end), known_by: String::new() };
        scenario.background = BackgroundConfig::Recorded(Arc::new(recording));
        transfer(&scenario)
    };
    let latency = one_request().fabric.latency[Tier::Pod.index()];
    assert_eq!(with(vec![share(0, 0.5)], 0), latency + millis(100), "half the rate for good");
    // The transfer begins at 1,000 ms. 25 ms at 10 GB/s move half, the rest takes twice as long.
    assert_eq!(with(vec![share(0, 0.0), share(1025, 0.5)], 9000), latency + millis(75));
    // A round of 500 ms: the third begins at 1,000 ms with the share of the start.
    assert_eq!(with(vec![share(0, 0.5), share(50, 0.0)], 500), latency + millis(75));
}
