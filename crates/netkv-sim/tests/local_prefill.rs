//! Prompts that are computed on decode instances: cases worked out by hand, the rules, and the laws of a run.

mod common;

use common::random::random_local;
use common::{millis, scenario};
use netkv_sim::{
    FirstToken, LocalRule, METRICS, MixedPass, Placement, RequestRecord, Scenario, Value, metric_index, metrics, run,
    run_checked, run_with,
};
use netkv_units::{BlockId, InstanceId, LatencyCurve, SimDuration, SimTime};
use netkv_workload::Workload;

/// Every prompt is computed where it is decoded.
const ALWAYS: LocalRule = LocalRule::Short { max_tokens: u32::MAX, max_ratio: 1.1 };

fn at_ms(ms: u64) -> SimTime {
    SimTime::ZERO + millis(ms)
}

fn blocks(first: u32, input_tokens: u32) -> Vec<BlockId> {
    (first..first + input_tokens.div_ceil(512)).map(BlockId::new).collect()
}

/// Requests of (arrival in ms, first block, prompt, answer), on seven prefill instances and one that decodes: number 7.
/// Prefill takes 1 ms a token, an iteration 10 ms, a chunk has 512 tokens.
fn one_instance(requests: &[(u64, u32, u32, u32)], rule: LocalRule) -> Scenario {
    let parts = requests.iter().map(|&(ms, first, input, output)| (at_ms(ms), input, output, blocks(first, input)));
    let mut scenario = scenario(Workload::from_parts(parts.collect()));
    scenario.cluster.prefill_instances = 7;
    scenario.cluster.placement = Placement::Listed((0..7).collect());
    scenario.local_prefill.rule = rule;
    scenario
}

fn records(scenario: &Scenario) -> Vec<RequestRecord> {
    let output = run_checked(scenario);
    assert_eq!(output.digest(), run(scenario).digest());
    output.requests
}

fn ms(duration: SimDuration) -> u64 {
    assert_eq!(duration.as_nanos() % 1_000_000, 0, "{duration:?}");
    duration.as_nanos() / 1_000_000
}

#[test]
fn a_prompt_alone_takes_the_sum_of_its_chunks_whichever_side_makes_first_tokens() {
    for first_token in [FirstToken::Decode, FirstToken::Prefill] {
        let mut scenario = one_instance(&[(5, 0, 1200, 3)], ALWAYS);
        scenario.first_token = first_token;
        // 3 ms a batch, 1 ms a token and 2 us a pair: of 512, 512 and 176 tokens after 0, 512 and 1,024.
        scenario.gpu.local.tokens = LatencyCurve::linear(3_000_000_000_000, 1_000_000_000_000);
        scenario.gpu.local.per_pair_fs = 2_000_000_000;
        let record = &records(&scenario)[0];
        let pairs_us = 2 * (1200 * 1200 / 2);
        assert_eq!(record.ttft, millis(3 * 3 + 1200) + SimDuration::from_nanos(pairs_us * 1000));
        assert_eq!((record.parts.prefill_queue, record.parts.prefill_compute), (millis(0), record.ttft));
        assert_eq!((ms(record.decoding), ms(record.tbt_max)), (20, 10), "two more tokens");
        let here = InstanceId::new(7);
        assert_eq!((record.prefill_instance, record.decode_instance), (here, Some(here)));
        assert!(record.prefilled_locally());
        assert_eq!((record.tier, record.transfer_start, record.transfer_bytes), (None, None, 0));
    }
}

#[test]
fn an_answer_of_one_token_ends_with_the_last_chunk() {
    let record = &records(&one_instance(&[(0, 0, 600, 1)], ALWAYS))[0];
    assert_eq!((ms(record.ttft), ms(record.decoding), record.finish), (600, 0, at_ms(600)));
    assert_eq!(record.decode_instance, Some(InstanceId::new(7)));
}

#[test]
fn a_member_waits_for_the_chunks_beside_it() {
    // The first one makes tokens at 100, 110, 120 and 130 ms. Then it is beside chunks of 512 and 88 tokens: 522 and 98 ms.
    let records = records(&one_instance(&[(0, 0, 100, 50), (125, 1, 600, 10)], ALWAYS));
    let [member, prompt] = &records[..] else { panic!("two") };
    assert_eq!((ms(member.ttft), ms(member.tbt_max)), (100, 522));
    assert_eq!((ms(prompt.parts.prefill_queue), ms(prompt.parts.prefill_compute)), (5, 522 + 98));
    assert_eq!(prompt.ttft, prompt.parts.total());
    // Six tokens by then, the other 44 and the other 9 every 10 ms.
    assert_eq!((member.finish, prompt.finish), (at_ms(750 + 440), at_ms(750 + 90)));
    assert_eq!(ms(prompt.tbt_max), 10);
}

#[test]
fn a_joint_pass_takes_once_what_either_takes_for_nothing() {
    // A batch of prefill takes 4 ms besides; an iteration 10 ms: beside the batch a chunk adds 512 and 88 ms, alone 4 more.
    let mut scenario = one_instance(&[(0, 0, 96, 50), (125, 1, 600, 10)], ALWAYS);
    scenario.gpu.local.tokens = LatencyCurve::linear(4_000_000_000_000, 1_000_000_000_000);
    for (pass, most, compute) in [(MixedPass::Separate, 526, 526 + 102), (MixedPass::Joint, 522, 522 + 98)] {
        scenario.local_prefill.pass = pass;
        let records = records(&scenario);
        assert_eq!((ms(records[0].ttft), ms(records[0].tbt_max)), (100, most));
        assert_eq!(ms(records[1].parts.prefill_compute), compute);
    }
}

#[test]
fn prompts_are_computed_one_after_the_other_in_order_of_arrival() {
    let records = records(&one_instance(&[(0, 0, 600, 1), (1, 2, 100, 1), (2, 3, 100, 1)], ALWAYS));
    let ends: Vec<_> = records.iter().map(|record| record.finish).collect();
    assert_eq!(ends, [at_ms(600), at_ms(700), at_ms(800)]);
    assert_eq!(ms(records[1].parts.prefill_queue), 599);
}

#[test]
fn what_is_cached_is_not_computed_but_for_the_last_token() {
    let again = [(0, 0, 1024, 2), (5_000, 0, 1100, 2), (9_000, 0, 1024, 2)];
    let records = records(&one_instance(&again, ALWAYS));
    assert_eq!(records.iter().map(|record| ms(record.ttft)).collect::<Vec<_>>(), [1024, 76, 1]);
    assert_eq!(records.iter().map(|record| record.prefill_hit_tokens).collect::<Vec<_>>(), [0, 1024, 1023]);
    assert_eq!(records.iter().map(|record| record.decode_hit_tokens).collect::<Vec<_>>(), [0, 1024, 1024]);
}

/// A conversation whose first turn of 1,024 tokens is moved, and a second one of so many tokens.
fn second_turn(input_tokens: u32, rule: LocalRule) -> RequestRecord {
    records(&one_instance(&[(0, 0, 1024, 2), (9_000, 0, input_tokens, 2)], rule)).pop().expect("two")
}

#[test]
fn little_that_is_left_is_computed_where_the_rest_is() {
    let short = |max_tokens, max_ratio| LocalRule::Short { max_tokens, max_ratio };
    // 512 of 1,536 tokens are lacking.
    assert!(second_turn(1536, short(2048, 0.7)).prefilled_locally());
    assert!(!second_turn(1536, short(512, 0.7)).prefilled_locally());
    assert!(!second_turn(1536, short(2048, 1.0 / 3.0)).prefilled_locally());
    assert!(!second_turn(4096, short(4096, 0.7)).prefilled_locally(), "3,072 of 4,096 are 0.75");
}

#[test]
fn a_turn_stays_where_enough_of_its_conversation_is() {
    let session = |min_hit_ratio| LocalRule::Session { min_hit_ratio };
    assert!(second_turn(2048, session(0.5)).prefilled_locally());
    assert!(!second_turn(2049, session(0.5)).prefilled_locally());
    assert!(second_turn(2049, session(0.49)).prefilled_locally());
}

#[test]
fn a_prompt_that_would_wait_longer_is_deflected_in_chunks_that_keep_the_limit() {
    let rule = LocalRule::Deflect { tbt_limit: millis(50), margin_factor: 2.0, min_chunk_tokens: 16 };
    // All prefill instances have a prompt of 2,000 tokens. The next one has nobody beside it, and is done at once; the one
    // after that is beside it: 10 ms and twice the chunk are 50 ms for 20 tokens, 30 ms an iteration.
    let mut requests: Vec<_> = (0..7).map(|n| (0, 4 * n, 2000, 1)).collect();
    requests.extend([(10, 28, 100, 400), (200, 29, 310, 2)]);
    let records = records(&one_instance(&requests, rule));
    assert!(records[..7].iter().all(|record| !record.prefilled_locally() && ms(record.parts.prefill_compute) == 2000));
    let [member, prompt] = &records[7..] else { panic!("two") };
    assert_eq!((ms(member.ttft), ms(member.tbt_max)), (100, 30));
    // 15 chunks of 20 tokens and one of 10.
    assert_eq!((ms(prompt.parts.prefill_queue), ms(prompt.parts.prefill_compute)), (0, 15 * 30 + 20));
    // With a limit that leaves no room for 16 tokens it takes the usual way.
    let tight = LocalRule::Deflect { tbt_limit: millis(41), margin_factor: 2.0, min_chunk_tokens: 16 };
    let output = run_checked(&one_instance(&requests, tight));
    assert!(output.requests[7].prefilled_locally() && !output.requests[8].prefilled_locally());
}

#[test]
fn a_prompt_is_deflected_only_if_that_is_sooner() {
    let rule = LocalRule::Deflect { tbt_limit: millis(50), margin_factor: 1.0, min_chunk_tokens: 16 };
    let deflected = |tokens| {
        let mut requests: Vec<_> = (0..7).map(|n| (0, 4 * n, 2000, 1)).collect();
        requests.push((10, 28, tokens, 2));
        records(&one_instance(&requests, rule))[7].prefilled_locally()
    };
    // The queues hold what is being computed until it is done: 2,000 ms.
    assert_eq!((deflected(1999), deflected(2000)), (true, false));
}

#[test]
fn metrics_of_transfers_are_of_those_that_were_moved() {
    let short = LocalRule::Short { max_tokens: 2048, max_ratio: 0.7 };
    let output = run(&one_instance(&[(0, 0, 1024, 2), (9_000, 0, 1536, 2)], short));
    let values = metrics(&output);
    assert_eq!(values.len(), METRICS.len());
    let of = |name: &str| values[metric_index(name).expect("a metric")];
    assert_eq!(of("local_prefill_ratio"), Value::Float(0.5));
    assert_eq!(of("transfer_mean_bytes"), Value::Integer(1_024_000_000));
    let tiers = ["node", "rack", "pod", "core"].map(|tier| of(&format!("tier_{tier}_ratio")).number());
    assert_eq!(tiers.into_iter().flatten().sum::<f64>().to_bits(), 1.0_f64.to_bits(), "of one transfer");
}

#[test]
fn stretches_of_iterations_equal_one_at_a_time_to_the_last_bit() {
    let (mut local, mut preemptions, mut waited) = (0, 0, 0);
    for seed in 0..400 {
        let scenario = random_local(seed);
        let (fast, slow) = (run(&scenario), run_with(&scenario, 1));
        for (fast, slow) in fast.requests.iter().zip(&slow.requests) {
            assert_eq!(fast, slow, "seed {seed}");
        }
        assert!(fast.tbt_histogram == slow.tbt_histogram, "seed {seed}: another histogram");
        assert_eq!(fast.totals.end, slow.totals.end, "seed {seed}");
        let gaps: u64 = fast.requests.iter().map(|record| u64::from(record.output_tokens) - 1).sum();
        assert_eq!(fast.tbt_histogram.len(), gaps, "every gap between tokens is counted once");
        for record in &fast.requests {
            assert_eq!(record.parts.total(), record.ttft);
            assert!(record.prefill_hit_tokens < record.input_tokens);
        }
        let kept = fast.requests.iter().filter(|record| record.prefilled_locally());
        waited += kept.clone().filter(|record| record.parts.prefill_queue > millis(100)).count();
        local += kept.count();
        preemptions += fast.totals.preemptions;
    }
    println!("{local} prompts were computed where they were decoded, {waited} waited; {preemptions} preemptions");
    assert!(local > 5_000 && waited > 200 && preemptions > 300, "{local}, {waited}, {preemptions}");
}

#[test]
fn conservation_laws_hold_after_every_event() {
    for seed in 0..160 {
        let scenario = random_local(seed);
        assert_eq!(run_checked(&scenario).requests, run(&scenario).requests, "seed {seed}");
    }
}

#[test]
fn the_same_scenario_gives_the_same_bits() {
    for seed in 0..20 {
        let scenario = random_local(seed);
        assert_eq!(run(&scenario).digest(), run(&scenario).digest(), "seed {seed}");
    }
}
