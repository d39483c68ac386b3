//! The paper's simpler model, option by option, in cases with an answer on paper.

mod common;

use common::{millis, scenario};
use netkv_fabric::{BackgroundConfig, Uplinks};
use netkv_policy::{NetKvConfig, PolicyConfig, WhenFull};
use netkv_sim::{
    METRICS, OracleBandwidth, OwnTraffic, Placement, PrefillMode, Scenario, TransferGranularity, TtftLimit, Value,
    metrics, run, run_checked, run_with,
};
use netkv_units::{BlockId, LatencyCurve, SimTime, Tier};
use netkv_workload::Workload;

/// Prompts of these lengths with answers of these, all at time 0, that share nothing.
fn at_once(lengths: &[(u32, u32)]) -> Workload {
    let mut next = 0;
    let parts = lengths.iter().map(|&(input, output)| {
        let n = input.div_ceil(512);
        let blocks = (next..next + n).map(BlockId::new).collect();
        next += n;
        (SimTime::ZERO, input, output, blocks)
    });
    Workload::from_parts(parts.collect())
}

/// The paper's model on the small cluster: the prefill instances in the first rack of two pods, one flow over an
/// instance's pooled 20 GB/s, half of it between racks and a quarter between pods.
fn paper(workload: Workload) -> Scenario {
    let mut scenario = scenario(workload);
    scenario.cluster.prefill_instances = 2;
    scenario.cluster.placement = Placement::Listed(vec![0, 1]);
    scenario.fabric.uplinks = Uplinks::PerLink;
    scenario.fabric.rack_oversubscription = 2.0;
    scenario.fabric.pod_oversubscription = 4.0;
    scenario.transfer.granularity = TransferGranularity::Instance { flows: 1 };
    scenario.prefill.engine = PrefillMode::Delay;
    scenario.oracle_bandwidth = OracleBandwidth::Idle;
    scenario.own_traffic = OwnTraffic::Excluded;
    scenario.policy = PolicyConfig::NetKv(NetKvConfig::PRINTED);
    scenario
}

fn metric(scenario: &Scenario, name: &str) -> f64 {
    let index = METRICS.iter().position(|metric| metric.name == name).expect("a metric of that name");
    match metrics(&run(scenario))[index] {
        Value::Integer(value) => value as f64,
        Value::Float(value) => value,
        Value::Missing => f64::NAN,
    }
}

#[test]
fn prompts_are_computed_in_their_own_time_however_many_there_are() {
    let workload = at_once(&[(1000, 2), (1000, 2), (1000, 2), (400, 2)]);
    let output = run_checked(&paper(workload));
    let computed: Vec<_> = output.requests.iter().map(|record| record.parts.prefill_compute).collect();
    assert_eq!(computed, [millis(1000), millis(1000), millis(1000), millis(400)]);
    assert!(output.requests.iter().all(|record| record.parts.prefill_queue == millis(0)));
    // Twice the one, and once each of the others, over the time of no arrival after 0: nothing is counted.
    assert!(output.totals.prefill_utilisation_ratio < 1e-9);
}

#[test]
fn one_transfer_alone_gets_its_tier_s_bandwidth_less_the_steady_background() {
    for (ratio, to_pod_ms, to_core_ms) in [(0.0, 100, 200), (0.2, 125, 250)] {
        let mut scenario = paper(at_once(&[(1000, 2)]));
        scenario.background = BackgroundConfig::Steady { ratio };
        let output = run(&scenario);
        // 1 GB at 10 GB/s.
        assert_eq!((output.requests[0].tier, output.requests[0].parts.transfer), (Some(Tier::Pod), millis(to_pod_ms)));
        // All decode instances in the other pod.
        scenario.cluster.prefill_instances = 4;
        scenario.cluster.placement = Placement::PerPod;
        let output = run(&scenario);
        let record = &output.requests[0];
        assert_eq!((record.tier, record.parts.transfer), (Some(Tier::Core), millis(to_core_ms)));
    }
}

#[test]
fn a_transfer_of_four_flows_ends_with_the_slowest_route() {
    let mut scenario = paper(at_once(&[(1000, 2)]));
    scenario.transfer.granularity = TransferGranularity::Instance { flows: 4 };
    // Two spines, links of 10 GB/s under a NIC of 20: with k of the four flows on one link the transfer takes
    // max(k / 4 / 10, 1 / 20) seconds a GB.
    let transfers: Vec<u64> = (0..40)
        .map(|seed| {
            scenario.seed = seed;
            run(&scenario).requests[0].parts.transfer.as_nanos() / 1_000_000
        })
        .collect();
    for expect in [50, 75, 100] {
        assert!(transfers.contains(&expect), "{transfers:?}");
    }
    assert!(transfers.iter().all(|ms| [50, 75, 100].contains(ms)), "{transfers:?}");
}

#[test]
fn who_fits_nowhere_is_refused_or_waits() {
    // 4 x 512 tokens of prompt and one block for the answer fit once on each of six instances.
    let mut scenario = paper(at_once(&[(2048, 8); 10]));
    scenario.kv.decode_blocks = 4 * 32 + 40;
    scenario.decode.watermark_blocks = 0;
    scenario.slo.ttft = TtftLimit::Fixed(millis(1_000_000));
    let output = run_checked(&scenario);
    assert_eq!((output.requests.len(), output.totals.refused), (6, 4));
    assert!((metric(&scenario, "slo_ttft_ratio") - 0.6).abs() < 1e-12, "who is refused was promised something too");
    assert!((metric(&scenario, "refused_requests") - 4.0).abs() < 1e-12);
    let waiting = NetKvConfig { when_full: WhenFull::Wait, ..NetKvConfig::PRINTED };
    scenario.policy = PolicyConfig::NetKv(waiting);
    let output = run_checked(&scenario);
    assert_eq!((output.requests.len(), output.totals.refused), (10, 0));
}

/// TBT as the paper counts it: the iteration of the batch that a request enters.
#[test]
fn the_entry_iteration_grows_with_the_batch_that_is_entered() {
    let mut scenario = paper(at_once(&[(100, 50), (200, 50), (300, 50)]));
    scenario.gpu.decode.requests = LatencyCurve::linear(10_000_000_000_000, 1_000_000_000_000);
    // One decode instance: the three enter batches of one, two and three.
    scenario.cluster.prefill_instances = 7;
    scenario.cluster.placement = Placement::Listed((0..7).collect());
    let expect = (11.0 + 12.0 + 13.0) / 3.0 * 1e6;
    assert!((metric(&scenario, "tbt_entry_mean_ns") - expect).abs() < 1.0);
    assert!((metric(&scenario, "tbt_entry_p95_ns") - 13e6).abs() < 1.0);
}

#[test]
fn every_option_agrees_with_one_iteration_at_a_time_and_keeps_the_laws() {
    for seed in 0..20 {
        let lengths: Vec<(u32, u32)> =
            (0..60).map(|index| (100 + 700 * ((seed * 7 + index * 13) % 11), 5 + index % 37)).collect();
        let mut scenario = paper(at_once(&lengths));
        scenario.seed = u64::from(seed);
        scenario.background = BackgroundConfig::Steady { ratio: 0.1 };
        scenario.transfer.granularity = TransferGranularity::Instance { flows: 1 + seed % 4 };
        scenario.telemetry.interval = millis(u64::from(seed % 3) * 100);
        scenario.kv.decode_blocks = 1000;
        let (fast, slow, checked) = (run(&scenario), run_with(&scenario, 1), run_checked(&scenario));
        assert_eq!(fast.requests, slow.requests, "seed {seed}");
        assert_eq!(fast.digest(), checked.digest(), "seed {seed}");
    }
}
