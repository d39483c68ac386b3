//! Cases with an answer on paper.

mod common;

use common::{FIRST, POLICIES, TOKENS, millis, picks_both, scenario};
use netkv_policy::PolicyConfig;
use netkv_sim::{
    FirstToken, METRICS, OracleGranularity, Placement, RunOutput, Scenario, TransferGranularity, Value, metrics, run,
    run_with,
};
use netkv_units::{BlockId, SimDuration, SimTime, Tier};
use netkv_workload::Workload;

fn blocks(first: u32, n: u32) -> Vec<BlockId> {
    (first..first + n).map(BlockId::new).collect()
}

fn single(input_tokens: u32, output_tokens: u32) -> Workload {
    let n_blocks = input_tokens.div_ceil(512);
    Workload::from_parts(vec![(SimTime::from_nanos(5), input_tokens, output_tokens, blocks(0, n_blocks))])
}

#[test]
fn one_request_takes_prefill_plus_latency_plus_bytes_over_rate_plus_one_iteration() {
    let mut scenario = scenario(single(1000, 3));
    scenario.transfer.setup = millis(7);
    scenario.fabric.latency = [1, 2, 3, 4].map(millis);
    for (decode, tier) in [(1, Tier::Node), (2, Tier::Pod), (7, Tier::Core)] {
        let prefill: Vec<u32> = (0..8).filter(|&instance| instance != decode).collect();
        scenario.cluster.prefill_instances = 7;
        scenario.cluster.placement = Placement::Listed(prefill);
        let output = run(&scenario);
        let record = &output.requests[0];
        assert_eq!(record.tier, Some(tier));
        // 1,000 MB in two flows of 500 MB: 10 GB/s each, 100 GB/s inside the node.
        let moving = if tier == Tier::Node { millis(5) } else { millis(50) };
        assert_eq!(record.parts.prefill_compute, millis(1000));
        assert_eq!(record.parts.transfer, millis(7) + scenario.fabric.latency[tier.index()] + moving);
        assert_eq!(record.parts.first_iteration, millis(10));
        assert_eq!(record.ttft, record.parts.total());
        assert_eq!(record.decoding, millis(20));
        assert_eq!(record.tbt_max, millis(10));
    }
}

#[test]
fn transfers_that_share_an_interface_share_its_bandwidth() {
    // Four prompts of the same length on four prefill instances, all done at once, one decode instance.
    let parts = (0..4).map(|n| (SimTime::ZERO, 1024, 1, blocks(2 * n, 2))).collect();
    let mut scenario = scenario(Workload::from_parts(parts));
    scenario.cluster.placement = Placement::Listed(vec![0, 1, 2, 3]);
    let alone = {
        let mut scenario = scenario.clone();
        scenario.workload = std::sync::Arc::new(single(1024, 1));
        run(&scenario).requests[0].parts.transfer
    };
    scenario.cluster.prefill_instances = 7;
    scenario.cluster.placement = Placement::Listed(vec![0, 1, 2, 3, 4, 5, 6]);
    let output = run(&scenario);
    // Instance 7's node also holds 6; 0 to 3 come in over its two NICs, four flows on each.
    for record in &output.requests {
        assert_eq!(record.parts.transfer.as_nanos(), 4 * alone.as_nanos(), "{record:?}");
    }
}

#[test]
fn pooled_interfaces_move_a_transfer_as_fast_as_its_ranks() {
    let mut scenario = scenario(single(1000, 1));
    let ranks = run(&scenario).requests[0].clone();
    scenario.transfer.granularity = TransferGranularity::Instance { flows: 1 };
    assert_eq!(run(&scenario).requests[0].parts.transfer, ranks.parts.transfer);
}

/// The same prompt twice: the second finds all of it, and only what is left is computed and moved.
#[test]
fn a_full_cache_saves_the_prefill_and_the_transfer() {
    let again = |caching| {
        let later = SimTime::from_secs_f64(100.0);
        let parts = vec![(SimTime::ZERO, 1024, 2, blocks(0, 2)), (later, 1024, 2, blocks(0, 2))];
        let mut scenario = scenario(Workload::from_parts(parts));
        scenario.cluster = netkv_sim::ClusterConfig {
            prefill_instances: 1,
            placement: Placement::Listed(vec![0]),
            ..scenario.cluster
        };
        scenario.policy = PolicyConfig::CacheAware { threshold_ratio: 0.3, load: TOKENS, ties: FIRST };
        scenario.kv.prefix_caching = caching;
        run(&scenario).requests[1].clone()
    };
    let cold = again(false);
    assert_eq!((cold.prefill_hit_tokens, cold.decode_hit_tokens), (0, 0));
    assert_eq!(cold.parts.prefill_compute, millis(1024));
    assert_eq!(cold.transfer_bytes, 1_024_000_000);
    let warm = again(true);
    assert_eq!((warm.prefill_hit_tokens, warm.decode_hit_tokens), (1023, 1024));
    assert_eq!(warm.parts.prefill_compute, millis(1));
    assert_eq!(warm.transfer_bytes, 0);
    assert_eq!(warm.parts.transfer, SimDuration::ZERO);
}

#[test]
fn cached_blocks_are_sent_again_unless_the_transport_skips_them() {
    let later = SimTime::from_secs_f64(100.0);
    let parts = vec![(SimTime::ZERO, 1024, 2, blocks(0, 2)), (later, 1500, 2, blocks(0, 3))];
    let mut scenario = scenario(Workload::from_parts(parts));
    scenario.policy = PolicyConfig::CacheAware { threshold_ratio: 0.3, load: TOKENS, ties: FIRST };
    assert_eq!(run(&scenario).requests[1].transfer_bytes, (1500 - 1024) * 1_000_000);
    scenario.transfer.skip_cached = false;
    assert_eq!(run(&scenario).requests[1].transfer_bytes, 1500 * 1_000_000);
}

#[test]
fn with_one_decode_instance_all_policies_that_pick_it_are_equal() {
    let mut scenario = scenario(Workload::poisson(2.0, 300, 700, 20, 3));
    scenario.cluster.prefill_instances = 7;
    scenario.cluster.placement = Placement::PerPod;
    for background in [common::BACKGROUND, common::flows(0.3)] {
        scenario.background = background;
        let digest = |policy| {
            let mut output = run(&Scenario { policy, ..scenario.clone() });
            // Polls are events too.
            output.totals.events = 0;
            output.digest()
        };
        let digests: Vec<_> = POLICIES.into_iter().filter(|policy| !picks_both(policy)).map(digest).collect();
        assert!(digests.iter().all(|&digest| digest == digests[0]), "{digests:?}");
    }
}

#[test]
fn a_first_token_from_the_prefill_side_does_not_wait_for_the_transfer() {
    let mut scenario = scenario(single(1000, 3));
    scenario.cluster.placement = Placement::PerPod;
    scenario.first_token = FirstToken::Prefill;
    let record = run(&scenario).requests[0].clone();
    assert_eq!(record.ttft, millis(1000));
    // The first gap holds the transfer and an iteration, the second an iteration.
    assert_eq!(record.decoding, millis(50 + 10 + 10));
    assert_eq!(record.tbt_max, millis(60));
    assert_eq!((record.parts.transfer, record.transfer), (SimDuration::ZERO, millis(50)));
    assert_eq!(metric(&run(&scenario), "transfer_p50_ns"), Value::Integer(50_000_000));
    scenario.workload = std::sync::Arc::new(single(1000, 1));
    let alone = run(&scenario).requests[0].clone();
    assert_eq!((alone.decode_instance, alone.transfer_bytes, alone.decoding), (None, 0, SimDuration::ZERO));
}

/// One prompt at a time: what the end of one frees does not end the next.
#[test]
fn prompts_with_a_single_token_from_the_prefill_side_are_computed_one_after_the_other() {
    let parts = (0..3).map(|n| (SimTime::ZERO, 1000, 1, blocks(2 * n, 2))).collect();
    let mut scenario = scenario(Workload::from_parts(parts));
    scenario.cluster.prefill_instances = 1;
    scenario.cluster.placement = Placement::Listed(vec![0]);
    scenario.first_token = FirstToken::Prefill;
    scenario.prefill.max_batch_requests = 1;
    let output = run(&scenario);
    let ttfts: Vec<_> = output.requests.iter().map(|record| record.ttft).collect();
    assert_eq!(ttfts, [1000, 2000, 3000].map(millis));
    // (0 x 1 + 1 x 2 + 2 x 3) / (2 x 1 + 1 x 2 + 0 x 3)
    assert_eq!(metric(&output, "ttft_drift_ratio"), Value::Float(2.0));
    assert_eq!(metric(&output, "offered_rps"), Value::Missing, "all came at once");
}

/// Three requests, a minute apart, of three tokens each: nobody waits, and the last one keeps no promise.
#[test]
fn goodput_counts_what_arrives_and_is_kept() {
    let at = |minutes: u64| SimTime::ZERO + SimDuration::from_nanos(minutes * 60_000_000_000);
    let prompts = [(0, 1000, blocks(0, 2)), (1, 1000, blocks(2, 2)), (2, 3000, blocks(4, 6))];
    let parts = prompts.map(|(minutes, tokens, blocks)| (at(minutes), tokens, 3, blocks));
    let mut scenario = scenario(Workload::from_parts(parts.to_vec()));
    let slowest = run(&scenario).requests[..2].iter().map(|record| record.ttft).max().expect("there are two");
    scenario.slo.ttft = netkv_sim::TtftLimit::Fixed(slowest);
    let output = run(&scenario);
    let gpus = f64::from(scenario.fabric.shape.gpus());
    let close = |name: &str, expected: f64| match metric(&output, name) {
        Value::Float(value) => assert!((value / expected - 1.0).abs() < 1e-12, "{name}: {value}, not {expected}"),
        other @ (Value::Integer(_) | Value::Missing) => panic!("{name}: {other:?}"),
    };
    close("offered_rps", 2.0 / 120.0);
    close("offered_goodput_rps", 2.0 / 120.0 * 2.0 / 3.0);
    close("gpu_goodput_rps", 2.0 / 120.0 * 2.0 / 3.0 / gpus);
    close("gpu_s_per_mtoken", 120.0 * gpus / 6e-6);
}

fn metric(output: &RunOutput, name: &str) -> Value {
    let index = METRICS.iter().position(|metric| metric.name == name).expect("a metric of that name");
    metrics(output)[index]
}

#[test]
fn the_slo_is_a_multiple_of_the_idle_ttft() {
    // One request on an idle cluster takes just its idle TTFT: latency is zero, so pods are as near as racks.
    let mut scenario = scenario(single(1000, 3));
    scenario.cluster.placement = Placement::PerPod;
    scenario.slo.ttft = netkv_sim::TtftLimit::Slowdown(1.0);
    let output = run(&scenario);
    assert_eq!(output.requests[0].ttft_limit, output.requests[0].ttft);
    assert_eq!(metric(&output, "slo_attainment_ratio"), Value::Float(1.0));
    scenario.slo.tbt = SimDuration::from_nanos(9_999_999);
    assert_eq!(metric(&run(&scenario), "slo_attainment_ratio"), Value::Float(0.0));
    assert_eq!(metric(&run(&scenario), "slo_ttft_ratio"), Value::Float(1.0));
    // The largest limit that an experiment may have: no limit at all.
    scenario.workload = std::sync::Arc::new(single(1000, 30_000));
    scenario.slo.tbt = SimDuration::from_secs_f64(1e6);
    assert_eq!(metric(&run(&scenario), "slo_attainment_ratio"), Value::Float(1.0));
}

#[test]
fn requests_that_can_never_fit_are_refused_and_counted() {
    let mut scenario = scenario(single(1000, 3));
    scenario.kv.decode_blocks = 70;
    let output = run(&scenario);
    assert_eq!((output.requests.len(), output.totals.rejected), (0, 1));
    assert_eq!(metric(&output, "ttft_mean_ns"), Value::Missing);
}

/// Two prompts of ten whole blocks that reach the one decode instance together, with room for both prompts and one
/// block more: each needs a block for its first token.
fn two_for_one_block(watermark_blocks: u32) -> Scenario {
    let parts = (0..2).map(|n| (SimTime::ZERO, 160, 40, vec![BlockId::new(n)])).collect();
    let mut scenario = scenario(Workload::from_parts(parts));
    scenario.cluster.prefill_instances = 7;
    scenario.cluster.placement = Placement::Listed(vec![0, 1, 2, 3, 4, 5, 6]);
    scenario.policy = PolicyConfig::RoundRobin;
    scenario.kv.decode_blocks = 21;
    scenario.decode.watermark_blocks = watermark_blocks;
    // 160 MB to the host take a little over 160 ms, as long as the sixteen tokens of a block.
    scenario.decode.host_bytes_per_sec = 999_999_937;
    scenario
}

#[test]
fn two_requests_do_not_swap_each_other_out_for_ever() {
    let scenario = two_for_one_block(0);
    let output = run(&scenario);
    assert_eq!(output.requests.len(), 2);
    assert!(output.totals.preemptions > 0, "memory is tight");
    assert_eq!(output.requests, run_with(&scenario, 1).requests);
}

#[test]
fn a_request_swapped_out_before_its_first_iteration_waited_for_it() {
    let output = run(&two_for_one_block(1));
    let preempted = output.requests.iter().find(|record| record.preemptions > 0).expect("one was swapped out");
    assert_eq!(preempted.parts.first_iteration, millis(10));
    assert!(preempted.parts.decode_wait >= millis(320), "to the host and back: {:?}", preempted.parts);
    assert_eq!(preempted.parts.total(), preempted.ttft);
}

/// The near decode instance holds a quarter of the last prompt and a running request, and has no room for the rest
/// beside them; the far one is empty.
#[test]
fn a_cached_prefix_is_not_room_as_well() {
    let later = SimTime::from_secs_f64;
    let last = [blocks(0, 1), blocks(3, 3)].concat();
    let parts = vec![
        (SimTime::ZERO, 512, 2, blocks(0, 1)),
        (later(100.0), 1024, 1000, blocks(1, 2)),
        (later(103.0), 2048, 2, last),
    ];
    let mut scenario = scenario(Workload::from_parts(parts));
    scenario.cluster.prefill_instances = 6;
    scenario.cluster.placement = Placement::Listed(vec![0, 2, 3, 4, 5, 6]);
    scenario.policy = PolicyConfig::NetKvGuarded(common::WEIGHTS);
    scenario.kv.decode_blocks = 200;
    let output = run(&scenario);
    let chosen: Vec<_> = output.requests.iter().filter_map(|record| record.decode_instance).collect();
    assert_eq!(chosen, [1, 1, 7].map(netkv_units::InstanceId::new));
    assert_eq!(output.requests[2].parts.admission_wait, SimDuration::ZERO);
}

#[test]
fn the_exact_oracle_sees_a_transfer_that_is_being_set_up() {
    // Two prompts done at once on two prefill instances; the decode instances are as near to both.
    let parts = (0..2).map(|n| (SimTime::ZERO, 1024, 2, blocks(2 * n, 2))).collect();
    let mut scenario = scenario(Workload::from_parts(parts));
    scenario.cluster.placement = Placement::PerPod;
    scenario.transfer.setup = SimDuration::from_nanos(100_000);
    (scenario.fabric.spines_per_pod, scenario.fabric.cores) = (1, 1);
    scenario.oracle = OracleGranularity::Exact;
    for policy in [PolicyConfig::NetKvGuarded(common::WEIGHTS), PolicyConfig::Clairvoyant] {
        scenario.policy = policy;
        let output = run(&scenario);
        assert_ne!(output.requests[0].decode_instance, output.requests[1].decode_instance);
        assert_eq!(output.requests[0].transfer, SimDuration::from_nanos(51_300_000));
    }
}
