//! Pools that differ, NICs that are shared, and racks of unequal size: cases with an answer on paper, and conservation in
//! random ones.

mod common;

use common::random::{random_local, random_scenario};
use common::{POLICIES, millis, scenario};
use netkv_fabric::{Degradation, LinkKind, Wiring};
use netkv_sim::{
    KvParts, LocalRule, ObserveConfig, OracleBandwidth, Placement, Scenario, explain, run, run_checked, run_observed,
};
use netkv_units::{BlockId, LatencyCurve, RequestId, SimDuration, SimTime, Stream, Tier};
use netkv_workload::Workload;
use std::sync::Arc;

/// Prompts of so many tokens, without shared prefixes, at time zero.
fn prompts(n: u32, input_tokens: u32) -> Workload {
    let blocks = input_tokens.div_ceil(512);
    let own = |n: u32| (n * blocks..(n + 1) * blocks).map(BlockId::new).collect();
    Workload::from_parts((0..n).map(|n| (SimTime::ZERO, input_tokens, 2, own(n))).collect())
}

/// One prompt of 1,000 tokens, 1 GB of KV cache, prefilled on the first slot and decoded on the last: 10 GB/s NICs, 100 GB/s
/// NVLink, two pods of two nodes of four GPUs.
fn across(tp: (u32, u32), parts: (u32, u32)) -> Scenario {
    let mut scenario = scenario(prompts(1, 1000));
    (scenario.cluster.tp, scenario.cluster.decode_tp) = tp;
    scenario.cluster.parts = KvParts { prefill: parts.0, decode: parts.1 };
    let slots = 16 / tp.0.max(tp.1);
    let per_slot = tp.0.max(tp.1) / tp.0;
    scenario.cluster.prefill_instances = (slots - 1) * per_slot;
    scenario.cluster.placement = Placement::PerPod;
    // A spine and a core for each flow that could collide: none is slower than a NIC.
    (scenario.fabric.rack_oversubscription, scenario.fabric.pod_oversubscription) = (0.1, 0.1);
    scenario
}

/// The flows of the first transfer: the GPUs at their ends and their bytes.
fn flows(scenario: &Scenario) -> Vec<(u32, u32, u64)> {
    let config = ObserveConfig { every: millis(1000), kinds: vec![LinkKind::Nic], flows: true };
    let (_, seen) = run_observed(scenario, &config);
    let of_first = seen.flows.iter().filter(|flow| flow.request == RequestId::new(0));
    of_first.map(|flow| (flow.source.get(), flow.destination.get(), flow.bytes.get())).collect()
}

#[test]
fn each_decode_rank_reads_its_heads_from_the_prefill_ranks_that_hold_them() {
    // From the first instance of each shape to the last GPUs.
    let (quarter, half) = (250_000_000, 500_000_000);
    let wider = across((2, 4), (2, 4));
    assert_eq!(flows(&wider), [(0, 12, quarter), (0, 13, quarter), (1, 14, quarter), (1, 15, quarter)]);
    let mut narrower = across((4, 2), (4, 2));
    narrower.cluster.decode_instances = Some(2);
    assert_eq!(flows(&narrower), [(0, 12, quarter), (1, 12, quarter), (2, 13, quarter), (3, 13, quarter)]);
    // Two KV heads on four ranks: the copies are not read.
    assert_eq!(flows(&across((4, 2), (2, 2))), [(0, 12, half), (2, 13, half)]);
    // A latent: every decode rank reads all of it, which is what the bytes of a token say then.
    let mut latent = across((4, 2), (1, 1));
    latent.kv.bytes_per_token = 2_000_000;
    assert_eq!(flows(&latent), [(0, 12, 2 * half), (2, 13, 2 * half)]);
}

#[test]
fn the_busiest_nic_of_either_side_sets_the_time() {
    // 1 GB over two NICs of 10 GB/s, whichever side has but two; over four, and over the one of a single rank.
    for (tp, parts, expect) in [
        ((2, 4), (2, 4), 50),
        ((4, 2), (4, 2), 50),
        ((4, 4), (4, 4), 25),
        ((4, 2), (2, 2), 50),
        ((1, 4), (1, 4), 100),
        ((4, 1), (4, 1), 100),
    ] {
        let scenario = across(tp, parts);
        let record = run_checked(&scenario).requests[0].clone();
        assert_eq!((record.tier, record.transfer), (Some(Tier::Core), millis(expect)), "{tp:?}");
        assert_eq!(record.parts.prefill_compute, millis(1000));
        // Latency is zero: the promise is that of an idle rack, which is as fast.
        assert_eq!(record.ttft_limit, SimDuration::from_secs_f64(record.ttft.as_secs_f64() * 1.25), "{tp:?}");
    }
}

#[test]
fn an_oracle_tells_the_bandwidth_of_unequal_sides() {
    for (bandwidth, nics) in [(OracleBandwidth::Share, 2.0), (OracleBandwidth::Idle, 2.0), (OracleBandwidth::Link, 1.0)]
    {
        let mut scenario = across((4, 2), (4, 2));
        scenario.oracle_bandwidth = bandwidth;
        (scenario.fabric.rack_oversubscription, scenario.fabric.pod_oversubscription) = (1.0, 1.0);
        (scenario.fabric.spines_per_pod, scenario.fabric.cores) = (1, 1);
        scenario.policy = POLICIES[4].clone();
        let explanation = explain(&scenario, RequestId::new(0)).expect("it is decoded");
        let told = explanation.decision.considered[0].told.expect("the policy asks");
        assert_eq!(told.bandwidth_bytes_per_sec, nics * 1e10, "{bandwidth:?}");
    }
}

#[test]
fn each_pool_has_its_latencies_and_memory() {
    let mut scenario = across((2, 4), (2, 4));
    // Chunks of decode instances take 2 ms a token there, 1 ms on prefill instances.
    scenario.gpu.local.tokens = LatencyCurve::linear(0, 2_000_000_000_000);
    assert_eq!(run_checked(&scenario).requests[0].parts.prefill_compute, millis(1000));
    scenario.local_prefill.rule = LocalRule::Session { min_hit_ratio: 0.0 };
    let kept = run_checked(&scenario).requests[0].clone();
    assert!(kept.prefilled_locally());
    assert_eq!(kept.parts.prefill_compute, millis(2000));
    // Blocks that a prefill instance loads from its host are as large as they are there: 3 MB a token at 3.072 GB/s.
    let mut host = across((4, 4), (4, 4));
    let prompt = |first: u32, n: u32| (first..first + n).map(BlockId::new).collect::<Vec<_>>();
    let last = [prompt(0, 2), prompt(4, 1)].concat();
    let parts = [(0.0, 1024, prompt(0, 2)), (10.0, 1024, prompt(2, 2)), (20.0, 1025, last)];
    let parts = parts.map(|(secs, tokens, blocks)| (SimTime::from_secs_f64(secs), tokens, 2, blocks));
    host.workload = Arc::new(Workload::from_parts(parts.to_vec()));
    (host.cluster.prefill_instances, host.cluster.decode_instances) = (1, Some(3));
    (host.kv.prefill_blocks, host.prefill.host_tier_tokens) = (70, 8 * 512);
    (host.kv.prefill_bytes_per_token, host.prefill.host_load_bytes_per_sec) = (3_000_000, 3_072_000_000);
    let loaded = run_checked(&host).requests[2].clone();
    assert_eq!((loaded.prefill_host_tokens, loaded.parts.prefill_compute), (1024, millis(1 + 1000)));
}

/// Nodes of four GPUs, one GPU an instance, and so many NICs a node. The first node prefills and the second decodes; two
/// prompts are computed at once on GPUs 0 and 1 and go to GPUs 4 and 5.
fn small_instances(nics_per_node: u32) -> Scenario {
    let mut scenario = scenario(prompts(2, 1000));
    scenario.fabric.shape.nics_per_node = nics_per_node;
    (scenario.fabric.rack_oversubscription, scenario.fabric.pod_oversubscription) = (0.1, 0.1);
    (scenario.cluster.tp, scenario.cluster.decode_tp) = (1, 1);
    scenario.cluster.parts = KvParts { prefill: 1, decode: 1 };
    scenario.cluster.placement = Placement::PerPod;
    (scenario.cluster.prefill_instances, scenario.cluster.decode_instances) = (4, Some(4));
    scenario
}

#[test]
fn instances_behind_one_nic_share_it() {
    let transfers = |nics_per_node: u32| {
        let output = run_checked(&small_instances(nics_per_node));
        assert_eq!(output.totals.gpus, 8, "those of the instances");
        output.requests.iter().map(|record| (record.tier, record.transfer)).collect::<Vec<_>>()
    };
    assert_eq!(transfers(4), [(Some(Tier::Pod), millis(100)); 2], "a NIC each");
    assert_eq!(transfers(2), [(Some(Tier::Pod), millis(200)); 2], "GPUs 0 and 1 share theirs, and so do 4 and 5");
    assert_eq!(transfers(1), [(Some(Tier::Pod), millis(200)); 2]);
}

#[test]
fn schedulers_know_which_instances_share_a_nic() {
    // The second prompt is done while the first is moved from the other GPU of the node to instance 4.
    let sharing = |nics_per_node: u32| {
        let mut scenario = small_instances(nics_per_node);
        let prompt = |first: u32| (first..first + 2).map(BlockId::new).collect::<Vec<_>>();
        let parts = [(0, prompt(0)), (50, prompt(2))].map(|(ms, own)| (SimTime::ZERO + millis(ms), 1000, 2, own));
        scenario.workload = Arc::new(Workload::from_parts(parts.to_vec()));
        scenario.policy = POLICIES[4].clone();
        let explanation = explain(&scenario, RequestId::new(1)).expect("it is decoded");
        explanation.decision.considered.iter().map(|one| one.known.sharing_transfers).collect::<Vec<_>>()
    };
    assert_eq!(sharing(4), [1, 0, 0, 0]);
    assert_eq!(sharing(1), [1; 4], "out of the same NIC, and into the same one");
}

#[test]
fn a_nic_that_is_degraded_is_so_for_all_its_gpus() {
    let transfer = |gpu: u32| {
        let mut scenario = small_instances(1);
        scenario.workload = Arc::new(prompts(1, 1000));
        scenario.degraded = vec![Degradation {
            kind: LinkKind::Nic,
            direction: None,
            pod: None,
            rack: None,
            switch: None,
            gpu: Some(gpu),
            capacity_ratio: 0.5,
            from: SimTime::ZERO,
            until: SimTime::NEVER,
        }];
        run_checked(&scenario).requests[0].transfer
    };
    assert_eq!(transfer(3), millis(200));
    assert_eq!(transfer(8), millis(100), "that of another node");
}

/// Random scenarios on random mixed clusters.
fn random_mixed(seed: u64, local: bool) -> Scenario {
    let mut scenario = if local { random_local(seed) } else { random_scenario(seed) };
    let mut stream = Stream::new(seed, "mixed");
    scenario.fabric.shape.gpus_per_node = 8;
    scenario.fabric.shape.nics_per_node = [1, 2, 4, 8][stream.below(4) as usize];
    let tps = [1, 2, 4];
    let (tp, decode_tp) = (tps[stream.below(3) as usize], tps[stream.below(3) as usize]);
    let heads = [1, 2, 8][stream.below(3) as usize];
    scenario.cluster.parts = KvParts { prefill: heads.min(tp), decode: heads.min(decode_tp) };
    (scenario.cluster.tp, scenario.cluster.decode_tp) = (tp, decode_tp);
    scenario.cluster.unused_gpus_per_node = [0, 4][stream.below(2) as usize];
    let slot = tp.max(decode_tp);
    scenario.cluster.prefill_instances = [1, 2][stream.below(2) as usize] * slot / tp;
    if stream.below(2) == 0 {
        scenario.cluster.decode_instances = Some([1, 2][stream.below(2) as usize] * slot / decode_tp);
    }
    scenario.cluster.placement = [Placement::Scattered, Placement::PerNode, Placement::PerRack, Placement::PerPod]
        [stream.below(4) as usize]
        .clone();
    if stream.below(3) == 0 && scenario.fabric.shape.nics_per_node > 1 {
        scenario.fabric.shape.wiring = Wiring::Rails(2);
    }
    scenario.scheduler.replicas = [1, 3][stream.below(2) as usize];
    scenario.kv.prefill_bytes_per_token = 1_500_000;
    scenario
}

#[test]
fn nothing_is_lost_on_mixed_clusters() {
    for seed in 0..60 {
        let scenario = random_mixed(seed, seed % 4 == 0);
        let output = run_checked(&scenario);
        let served = output.requests.len() as u64 + output.totals.rejected + output.totals.refused;
        assert_eq!(served, scenario.workload.len() as u64, "seed {seed}");
        assert_eq!(output.digest(), run(&scenario).digest(), "seed {seed}");
    }
}
