//! Competing flows in whole runs: what the network carries of them, and what they do to transfers.

mod common;

use common::{BACKGROUND, POLICIES, flows, scenario};
use netkv_fabric::{BackgroundConfig, FlowBackground};
use netkv_sim::{OracleGranularity, RunOutput, Scenario, run};
use netkv_units::SimTime;
use netkv_workload::Workload;

/// Transfers of 900 MB from 4 requests a second.
fn busy(background: BackgroundConfig) -> Scenario {
    let mut scenario = scenario(Workload::poisson(4.0, 400, 900, 20, 3));
    scenario.background = background;
    scenario
}

fn mean_transfer_s(output: &RunOutput) -> f64 {
    let sum: f64 = output.requests.iter().map(|record| record.transfer.as_secs_f64()).sum();
    sum / output.requests.len() as f64
}

#[test]
fn the_network_carries_the_promised_load() {
    // Two small requests, a long time apart.
    let parts = [0.0, 1000.0].map(|arrival| (SimTime::from_secs_f64(arrival), 16, 2, Vec::new()));
    let blocks =
        |(arrival, input, output, _): (_, _, _, Vec<()>)| (arrival, input, output, vec![netkv_units::BlockId::new(0)]);
    let mut scenario = scenario(Workload::from_parts(parts.map(blocks).to_vec()));
    for load in [0.1, 0.4] {
        scenario.background = flows(load);
        let totals = run(&scenario).totals;
        let [nvlink, nic, rack, pod] = totals.background_ratio;
        println!("load {load}: {:?}, {} events", totals.background_ratio, totals.events);
        assert!(nvlink < 1e-12, "{nvlink}");
        // No oversubscription: NICs and racks alike; half of the flows less what factors of 1.5 and 0.5 keep inside.
        assert!((rack / load - 1.0).abs() < 0.02 && (nic / load - 1.0).abs() < 0.02, "{nic} {rack}");
        assert!((pod / (load * 0.375) - 1.0).abs() < 0.02, "{pod}");
        for (all, others) in totals.link_utilisation_ratio.into_iter().zip(totals.background_ratio) {
            assert!((all - others).abs() < 1e-5, "{all} {others}");
        }
    }
}

#[test]
fn transfers_are_not_counted_as_background() {
    let none = run(&busy(BackgroundConfig::None));
    // One flow in six hours on average, and this run takes minutes.
    let rare = run(&busy(flows(1e-7)));
    assert_eq!(none.requests, rare.requests);
    assert_eq!(none.totals.link_utilisation_ratio, rare.totals.link_utilisation_ratio);
    assert!(rare.totals.background_ratio.into_iter().all(|ratio| ratio < 1e-9), "{:?}", rare.totals.background_ratio);
    let some = run(&busy(flows(0.3)));
    for kind in 1..4 {
        let own = some.totals.link_utilisation_ratio[kind] - some.totals.background_ratio[kind];
        let alone = none.totals.link_utilisation_ratio[kind];
        assert!((own / alone - 1.0).abs() < 0.05, "{own} of transfers, {alone} without flows of others");
    }
}

#[test]
fn flows_of_others_slow_transfers_and_rare_ones_hardly_do() {
    let backgrounds = [BackgroundConfig::None, BACKGROUND, flows(0.01), flows(0.3), flows(0.6)];
    let [none, modulated, rare, some, many] = backgrounds.map(|background| mean_transfer_s(&run(&busy(background))));
    println!(
        "mean transfer: alone {none:.4} s, modulated {modulated:.4} s, flows at 0.01 {rare:.4} s, 0.3 {some:.4} s, 0.6 {many:.4} s"
    );
    assert!(none < modulated);
    assert!(none < rare && rare < 1.03 * none, "{none} {rare}");
    assert!(1.1 * none < some && 1.1 * some < many, "{none} {some} {many}");
}

#[test]
fn every_policy_and_oracle_sees_the_same_flows_of_others() {
    let mut carried = Vec::new();
    for policy in POLICIES {
        for oracle in [OracleGranularity::Tier, OracleGranularity::Zone, OracleGranularity::Path] {
            let mut scenario = busy(flows(0.3));
            (scenario.policy, scenario.oracle) = (policy.clone(), oracle);
            let output = run(&scenario);
            assert_eq!(output.digest(), run(&scenario).digest());
            carried.push(output.totals.background_ratio[2] * output.totals.end.as_secs_f64());
        }
    }
    // Up to what is under way at the end, and how late that is.
    let (least, most) = (carried.iter().copied().fold(f64::MAX, f64::min), carried.iter().copied().fold(0.0, f64::max));
    assert!(most / least < 1.02, "{carried:?}");
}

#[test]
fn larger_flows_at_the_same_load_are_fewer() {
    let BackgroundConfig::Flows(base) = flows(0.3) else { panic!("flows") };
    let events = |size_scale: f64| {
        let background = BackgroundConfig::Flows(FlowBackground { size_scale, ..base.clone() });
        let output = run(&busy(background));
        assert!((output.totals.background_ratio[2] / 0.3 - 1.0).abs() < 0.1, "{:?}", output.totals.background_ratio);
        output.totals.events
    };
    assert!(events(0.25) > 2 * events(1.0));
}
