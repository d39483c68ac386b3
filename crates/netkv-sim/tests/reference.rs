//! The fast engine against the obvious one, which takes every decode iteration by itself: every record of every
//! request must be equal to the last bit, on random scenarios with tight memory, preemption, shared prefixes,
//! background traffic of every kind and every policy. And the laws of a run: same scenario, same bits; TTFT parts add up.

mod common;

use common::random::random_scenario;
use common::{BACKGROUND, scenario};
use netkv_sim::{Overlap, RequestRecord, RunOutput, Scenario, run, run_checked, run_with};
use netkv_workload::Workload;

fn check_laws(output: &RunOutput, scenario: &Scenario) {
    assert_eq!(output.requests.len(), scenario.workload.len(), "every request finishes once");
    for record in &output.requests {
        assert_eq!(record.parts.total(), record.ttft);
        assert_eq!(record.finish, record.arrival + record.ttft + record.decoding);
        assert!(record.prefill_hit_tokens < record.input_tokens);
        assert!(record.decode_hit_tokens <= record.input_tokens);
    }
    let gaps: u64 = output.requests.iter().map(|record| u64::from(record.output_tokens) - 1).sum();
    assert_eq!(output.tbt_histogram.len(), gaps, "every gap between tokens is counted once");
}

#[test]
fn stretches_of_iterations_equal_one_at_a_time_to_the_last_bit() {
    let (mut preemptions, mut hits, mut loaded, mut overlapped) = (0, 0, 0, 0);
    for seed in 0..400 {
        let scenario = random_scenario(seed);
        let (fast, slow) = (run(&scenario), run_with(&scenario, 1));
        check_laws(&fast, &scenario);
        for (fast, slow) in fast.requests.iter().zip(&slow.requests) {
            assert_eq!(fast, slow, "seed {seed}");
        }
        assert!(fast.tbt_histogram == slow.tbt_histogram, "seed {seed}: another histogram");
        assert_eq!(fast.totals.end, slow.totals.end, "seed {seed}");
        preemptions += fast.totals.preemptions;
        loaded += fast.requests.iter().map(|record| u64::from(record.prefill_host_tokens)).sum::<u64>();
        let beside = |record: &&RequestRecord| record.transfer > record.parts.transfer;
        overlapped +=
            usize::from(scenario.transfer.overlap != Overlap::None) * fast.requests.iter().filter(beside).count();
        hits += fast.requests.iter().map(|record| u64::from(record.decode_hit_tokens)).sum::<u64>();
    }
    println!("{preemptions} preemptions, {hits} tokens hit on decode instances, {loaded} loaded from the host");
    println!("{overlapped} transfers went on beside prefill");
    assert!(preemptions > 300 && hits > 100_000, "the scenarios exercise preemption and hits");
    assert!(loaded > 10_000 && overlapped > 1_000, "and host tiers and layerwise transfer");
}

#[test]
fn conservation_laws_hold_after_every_event() {
    for seed in 0..120 {
        let scenario = random_scenario(seed);
        assert_eq!(run_checked(&scenario).requests, run(&scenario).requests, "seed {seed}");
    }
}

#[test]
fn the_same_scenario_gives_the_same_bits() {
    for seed in 0..20 {
        let scenario = random_scenario(seed);
        assert_eq!(run(&scenario).digest(), run(&scenario).digest(), "seed {seed}");
    }
}

#[test]
fn another_seed_gives_another_background_and_other_results() {
    let mut scenario = scenario(Workload::poisson(4.0, 200, 900, 50, 1));
    scenario.background = BACKGROUND;
    let first = run(&scenario).digest();
    scenario.seed = 2;
    assert_ne!(run(&scenario).digest(), first);
}
