//! Nodes with NICs and NVLink of their own: cases with an answer on paper, and conservation in random ones.

mod common;

use common::random::{random_changes, random_scenario};
use common::{BACKGROUND, POLICIES, millis, scenario};
use netkv_fabric::{BackgroundConfig, Degradation, Layout, LinkKind, NodePlace, NodeRates, Wiring};
use netkv_policy::PolicyConfig;
use netkv_sim::{
    KvParts, OracleBandwidth, Overlap, Placement, Pool, Scenario, Unplanned, explain, network_plan, run, run_checked,
};
use netkv_units::{BlockId, BytesPerSec, InstanceId, RequestId, SimDuration, SimTime, Stream};
use netkv_workload::Workload;
use std::sync::Arc;

/// NICs of 400 and 200 Gb/s of which 0.75 are achieved, NVLinks of 450 and 300 GB/s: bytes per second.
const FAST: NodeRates = NodeRates { nvlink: rate(450_000), nic: rate(37_500) };
const SLOW: NodeRates = NodeRates { nvlink: rate(300_000), nic: rate(18_750) };

/// 1 GB over such NICs.
const OVER_FAST: SimDuration = SimDuration::from_nanos(26_666_667);
const OVER_SLOW: SimDuration = SimDuration::from_nanos(53_333_333);
const OVER_HALF_SLOW: SimDuration = SimDuration::from_nanos(106_666_667);

const fn rate(megabytes: u64) -> BytesPerSec {
    BytesPerSec::new(megabytes * 1_000_000)
}

/// Prompts of 1,000 tokens, 1 GB of KV cache each, without shared prefixes, at time zero.
fn prompts(n: u32) -> Workload {
    let own = |n: u32| vec![BlockId::new(2 * n), BlockId::new(2 * n + 1)];
    Workload::from_parts((0..n).map(|n| (SimTime::ZERO, 1000, 2, own(n))).collect())
}

/// So many prompts on nodes of a pod, each of so many GPUs with a NIC each, in a rack and with rates; as many instances of `tp`
/// GPUs as there is room for, of which the first ones prefill. Uplinks are never full.
fn nodes(n_prompts: u32, tp: u32, prefill: u32, nodes: &[(u32, u32, NodeRates)]) -> Scenario {
    let mut scenario = scenario(prompts(n_prompts));
    let place = |&(rack, gpus, _): &(u32, u32, NodeRates)| NodePlace { pod: 0, rack, gpus, nics: gpus };
    let rates = nodes.iter().map(|node| node.2).collect();
    let layout = Layout { nodes: nodes.iter().map(place).collect(), rates, wiring: Wiring::Racks };
    scenario.layout = Some(Arc::new(layout));
    (scenario.fabric.rack_oversubscription, scenario.fabric.pod_oversubscription) = (0.01, 0.01);
    (scenario.cluster.tp, scenario.cluster.decode_tp) = (tp, tp);
    scenario.cluster.parts = KvParts { prefill: tp, decode: tp };
    scenario.cluster.placement = Placement::PerPod;
    (scenario.cluster.prefill_instances, scenario.cluster.decode_instances) = (prefill, None);
    scenario
}

/// How long transfers take, by request.
fn transfers(scenario: &Scenario) -> Vec<SimDuration> {
    run_checked(scenario).requests.iter().map(|record| record.transfer).collect()
}

#[test]
fn a_transfer_goes_at_the_rate_of_its_slower_end() {
    for (from, to, expect) in
        [(FAST, SLOW, OVER_SLOW), (SLOW, FAST, OVER_SLOW), (FAST, FAST, OVER_FAST), (SLOW, SLOW, OVER_SLOW)]
    {
        for racks in [(0, 0), (0, 1)] {
            let scenario = nodes(1, 1, 1, &[(racks.0, 1, from), (racks.1, 1, to)]);
            let record = run_checked(&scenario).requests[0].clone();
            assert_eq!(record.transfer, expect, "{from:?} {to:?} {racks:?}");
            // Latency is zero: the promise is that of an idle rack, which is as fast.
            assert_eq!(record.ttft_limit, SimDuration::from_secs_f64(record.ttft.as_secs_f64() * 1.25));
        }
    }
}

#[test]
fn two_slow_sources_fill_a_fast_nic() {
    let into = |to| transfers(&nodes(2, 1, 2, &[(0, 1, SLOW), (0, 1, SLOW), (0, 1, to)]));
    assert_eq!(into(FAST), [OVER_SLOW; 2], "each at its full rate");
    assert_eq!(into(SLOW), [OVER_HALF_SLOW; 2]);
}

#[test]
fn what_is_left_of_a_nic_by_slow_flows_goes_to_fast_ones() {
    // 37.5 GB/s over 1.2, two NICs of 37.5 and two of 18.75 behind one spine: 93.75 GB/s, of which the slow ones take 18.75 each
    // and the fast ones get 28.125.
    let mut scenario = nodes(4, 1, 4, &[(0, 2, FAST), (0, 2, SLOW), (1, 4, FAST)]);
    (scenario.fabric.spines_per_pod, scenario.fabric.rack_oversubscription) = (1, 1.2);
    let over = SimDuration::from_nanos(35_555_556);
    assert_eq!(transfers(&scenario), [over, over, OVER_SLOW, OVER_SLOW]);
}

#[test]
fn inside_a_node_its_nvlink_counts() {
    let inside = |rates| transfers(&nodes(1, 1, 1, &[(0, 2, rates)]))[0];
    assert_eq!([inside(FAST), inside(SLOW)].map(SimDuration::as_nanos), [2_222_222, 3_333_333]);
}

/// Two ranks on one side and four on the other: two NICs carry two flows each, four carry one.
#[test]
fn unequal_tp_and_unequal_nics_go_at_the_slowest_nic_for_its_flows() {
    let quick = NodeRates { nic: rate(40_000), ..FAST };
    let plain = NodeRates { nic: rate(10_000), ..FAST };
    for (tp, from, to, expect) in [
        ((2, 4), quick, plain, 25), // 2 x 40 GB/s out, 4 x 10 in
        ((2, 4), plain, quick, 50), // 2 x 10 out
        ((4, 2), quick, plain, 50), // 2 x 10 in
        ((4, 2), plain, quick, 25), // 4 x 10 out, 2 x 40 in
    ] {
        let mut scenario = nodes(1, tp.0, 4 / tp.0, &[(0, 4, from), (0, 4, to)]);
        (scenario.cluster.decode_tp, scenario.cluster.parts.decode) = (tp.1, tp.1);
        scenario.policy = POLICIES[4].clone();
        let record = run_checked(&scenario).requests[0].clone();
        assert_eq!(record.transfer, millis(expect), "{tp:?}");
        assert_eq!(record.ttft_limit, SimDuration::from_secs_f64(record.ttft.as_secs_f64() * 1.25), "{tp:?}");
        scenario.oracle_bandwidth = OracleBandwidth::Idle;
        let explanation = explain(&scenario, RequestId::new(0)).expect("it is decoded");
        let told = explanation.decision.considered[0].told.expect("the policy asks");
        assert_eq!(told.bandwidth_bytes_per_sec, 1e12 / expect as f64, "{tp:?}");
    }
}

/// A fast prefill node, and a fast and a slow one that decode, in one rack and in others.
#[test]
fn an_oracle_tells_of_the_pair_or_of_the_slowest_of_all() {
    use OracleBandwidth::{Idle, Link, Share};
    let told = |bandwidth, rack: u32, oversubscription: f64| {
        let mut scenario = nodes(1, 2, 1, &[(0, 2, FAST), (rack, 2, FAST), (rack, 2, SLOW)]);
        (scenario.oracle_bandwidth, scenario.policy) = (bandwidth, POLICIES[4].clone());
        (scenario.fabric.rack_oversubscription, scenario.fabric.spines_per_pod) = (oversubscription, 1);
        let explanation = explain(&scenario, RequestId::new(0)).expect("it is decoded");
        let paths = explanation.decision.considered.into_iter().map(|one| one.told.expect("the policy asks"));
        paths.map(|path| path.bandwidth_bytes_per_sec / 1e9).collect::<Vec<_>>()
    };
    for bandwidth in [Share, Idle] {
        assert_eq!(told(bandwidth, 0, 2.0), [75.0, 37.5], "{bandwidth:?}");
    }
    assert_eq!(told(Link, 0, 2.0), [18.75, 18.75]);
    // Over racks: what NICs are sure of is half; one flow's link carries all of the rack's NICs / 2: 37.5 GB/s out of the first.
    assert_eq!(told(Share, 1, 2.0), [37.5, 18.75]);
    assert_eq!(told(Idle, 1, 2.0), [75.0, 37.5]);
    assert_eq!(told(Idle, 1, 8.0), [18.75, 18.75], "two flows over 9.375 GB/s each");
    assert_eq!(told(Link, 1, 8.0), [9.375, 9.375]);
}

#[test]
fn the_promise_is_that_of_the_fastest_pair() {
    // The first prefill instance is slow, and so is the first that decodes: 1,000 + 26.7 + 10 ms are promised all the same.
    let scenario = nodes(1, 1, 2, &[(0, 1, SLOW), (0, 1, FAST), (0, 1, SLOW), (0, 1, FAST)]);
    let record = run_checked(&scenario).requests[0].clone();
    assert_eq!((record.prefill_instance, record.transfer), (InstanceId::new(0), OVER_SLOW));
    assert_eq!(record.ttft_limit, SimDuration::from_secs_f64((millis(1010) + OVER_FAST).as_secs_f64() * 1.25));
}

#[test]
fn the_yardstick_plays_instances_with_fast_nics() {
    // 26.7 ms there, 53.3 on the first; by the fabric's 10 GB/s neither could be reached within 100.
    let mut scenario = nodes(1, 1, 1, &[(0, 1, FAST), (0, 1, SLOW), (0, 1, FAST)]);
    scenario.policy = PolicyConfig::Clairvoyant;
    let record = run_checked(&scenario).requests[0].clone();
    assert_eq!((record.decode_instance, record.transfer), (Some(InstanceId::new(2)), OVER_FAST));
    let explanation = explain(&scenario, RequestId::new(0)).expect("it is decoded");
    let foreseen = explanation.decision.considered.iter().map(|one| one.foreseen.transfer_end);
    let prefilled = SimTime::ZERO + millis(1000);
    assert_eq!(foreseen.collect::<Vec<_>>(), [prefilled + OVER_SLOW, prefilled + OVER_FAST]);
}

/// What `netkv_flow` counts with are the ways of each pair.
#[test]
fn a_book_of_flows_goes_by_the_rates_of_both_ends() {
    let predicted = |from| {
        let mut scenario = nodes(1, 1, 1, &[(0, 1, from), (0, 1, SLOW), (0, 1, FAST)]);
        scenario.policy = POLICIES.iter().find(|one| matches!(one, PolicyConfig::NetKvFlow(_))).expect("there").clone();
        let explanation = explain(&scenario, RequestId::new(0)).expect("it is decoded");
        let ratings = explanation.decision.considered.into_iter().map(|one| one.rating.expect("it rates"));
        let moving =
            ratings.map(|rating| rating.terms.iter().find(|term| term.name == "transfer").expect("there").value);
        moving.map(|seconds| (seconds * 1e9).round() as u64).collect::<Vec<_>>()
    };
    let [fast, slow] = [OVER_FAST, OVER_SLOW].map(SimDuration::as_nanos);
    assert_eq!(predicted(FAST), [slow, fast]);
    assert_eq!(predicted(SLOW), [slow, slow]);
}

#[test]
fn shares_of_others_and_degraded_links_are_of_their_own_rate() {
    let scenario = || nodes(1, 1, 1, &[(0, 1, FAST), (0, 1, SLOW)]);
    let mut shared = scenario();
    shared.background = BackgroundConfig::Steady { ratio: 0.5 };
    assert_eq!(transfers(&shared), [OVER_HALF_SLOW]);
    let mut degraded = scenario();
    degraded.degraded = vec![Degradation {
        kind: LinkKind::Nic,
        direction: None,
        pod: None,
        rack: None,
        switch: None,
        gpu: Some(0),
        capacity_ratio: 0.25,
        from: SimTime::ZERO,
        until: SimTime::NEVER,
    }];
    // A quarter of the fast one is half of the slow one.
    assert_eq!(transfers(&degraded), [OVER_HALF_SLOW]);
}

#[test]
fn a_plan_by_tiers_is_refused_where_instances_differ() {
    let unequal = nodes(1, 1, 1, &[(0, 1, FAST), (0, 1, SLOW)]);
    assert_eq!(network_plan(&unequal).err(), Some(Unplanned::UnequalInstances));
    let equal = network_plan(&nodes(1, 1, 1, &[(0, 1, SLOW), (0, 1, SLOW)])).expect("all are alike");
    assert_eq!(equal.alone_bytes_per_sec, [3e11, 1.875e10, 1.875e10, 1.875e10]);
}

#[test]
fn rates_of_the_fabric_written_out_change_nothing() {
    for (n, policy) in POLICIES.iter().enumerate() {
        let mut scenario = random_scenario(n as u64);
        scenario.policy = policy.clone();
        let plain = run(&scenario).digest();
        let layout = scenario.fabric.shape.layout();
        let rates = NodeRates { nvlink: scenario.fabric.nvlink, nic: scenario.fabric.nic };
        let rates = vec![rates; layout.nodes.len()];
        scenario.layout = Some(Arc::new(Layout { rates, ..layout }));
        assert_eq!(run(&scenario).digest(), plain, "{policy:?}");
    }
}

/// Random scenarios on nodes of unequal rates and sizes, whose GPUs share NICs, between pools of unequal tp.
fn random_rates(seed: u64) -> Scenario {
    let mut scenario = random_scenario(seed);
    let mut stream = Stream::new(seed, "rates");
    let tps = [1, 2, 4];
    let (tp, decode_tp) = (tps[stream.below(3) as usize], tps[stream.below(3) as usize]);
    let heads = [1, 2, 8][stream.below(3) as usize];
    scenario.cluster.parts = KvParts { prefill: heads.min(tp), decode: heads.min(decode_tp) };
    (scenario.cluster.tp, scenario.cluster.decode_tp) = (tp, decode_tp);
    let slot = tp.max(decode_tp);
    let (mut nodes, mut rates, mut racks) = (Vec::new(), Vec::new(), 0);
    for pod in 0..2 {
        for _ in 0..=stream.below(2) {
            for _ in 0..=stream.below(3) {
                let gpus = [4, 8][stream.below(2) as usize];
                let nics = [1, 2, 4][stream.below(3) as usize];
                nodes.push(NodePlace { pod, rack: racks, gpus, nics });
                let nic = rate([2_500, 5_000, 10_000, 40_000][stream.below(4) as usize]);
                rates.push(NodeRates { nic, nvlink: rate([50_000, 300_000][stream.below(2) as usize]) });
            }
            racks += 1;
        }
    }
    let slots = nodes.iter().map(|node| node.gpus / slot).sum::<u32>();
    scenario.cluster.prefill_instances = (1 + stream.below(u64::from(slots) - 1) as u32) * slot / tp;
    scenario.cluster.placement =
        [Placement::Scattered, Placement::PerNode, Placement::PerRack][stream.below(3) as usize].clone();
    let by_rail = stream.below(3) == 0 && nodes.iter().all(|node| node.nics > 1);
    let wiring = if by_rail { Wiring::Rails(2) } else { Wiring::Racks };
    scenario.layout = Some(Arc::new(Layout { nodes, rates, wiring }));
    if matches!(scenario.background, BackgroundConfig::Flows(_)) {
        scenario.background = BACKGROUND;
    }
    scenario.oracle_bandwidth =
        [OracleBandwidth::Share, OracleBandwidth::Idle, OracleBandwidth::Link][stream.below(3) as usize];
    scenario.kv.prefill_bytes_per_token = 1_500_000;
    scenario
}

/// The same with all but the first instance of each pool failing, being drained and coming back.
fn with_events(mut scenario: Scenario, seed: u64) -> Scenario {
    scenario.transfer.overlap = Overlap::None;
    let mut stream = Stream::new(seed, "cluster events");
    let span_ms = scenario.workload.last_arrival().as_nanos() / 1_000_000 + 2000;
    let layout = scenario.layout.clone().expect("it has one");
    let slot = scenario.cluster.tp.max(scenario.cluster.decode_tp);
    let slots = layout.nodes.iter().map(|node| node.gpus / slot).sum::<u32>();
    let prefill = scenario.cluster.prefill_instances;
    let decode = (slots - prefill * scenario.cluster.tp / slot) * slot / scenario.cluster.decode_tp;
    let pools = [(Pool::Prefill, prefill), (Pool::Decode, decode)];
    let instances = pools.into_iter().flat_map(|(pool, instances)| (1..instances).map(move |n| (pool, n)));
    scenario.cluster.events = random_changes(&mut stream, span_ms, instances, 4);
    scenario
}

#[test]
fn nothing_is_lost_between_nodes_of_unequal_rates() {
    let mut failovers = 0;
    for seed in 0..80 {
        let mut scenario = random_rates(seed);
        if seed % 2 == 0 {
            scenario = with_events(scenario, seed);
        }
        let output = run_checked(&scenario);
        let served = output.requests.len() as u64 + output.totals.rejected + output.totals.refused;
        assert_eq!(served, scenario.workload.len() as u64, "seed {seed}");
        assert_eq!(output.digest(), run(&scenario).digest(), "seed {seed}");
        failovers += output.totals.failovers;
    }
    assert!(failovers > 100, "{failovers}");
}
