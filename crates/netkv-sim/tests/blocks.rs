//! Prefix blocks of other sizes than 512 tokens: what traces of engines have.

mod common;

use common::random::{in_finer_blocks, random_scenario};
use common::scenario;
use netkv_sim::{RequestRecord, Scenario, run, run_checked};
use netkv_units::{BlockId, SimTime};
use netkv_workload::Workload;

/// Requests of so many tokens and ids, ten seconds apart, in blocks of `block_tokens`.
fn prompts(block_tokens: u32, prompts: &[(u32, Vec<u32>)]) -> Vec<RequestRecord> {
    let parts = prompts.iter().enumerate().map(|(idx, (input_tokens, ids))| {
        let blocks = ids.iter().map(|&id| BlockId::new(id)).collect();
        (SimTime::from_nanos(10_000_000_000 * idx as u64), *input_tokens, 2, blocks)
    });
    let workload = Workload::in_blocks(block_tokens, parts.collect());
    let mut scenario = scenario(workload);
    scenario.cluster.prefill_instances = 1;
    run_checked(&scenario).requests
}

/// 1,000 tokens are 62 whole blocks of 16 and a part of one; the second prompt has the first 40 in common, the third all 62.
/// Blocks of 512 would say 512 of the second and 512 of the third.
#[test]
fn a_prompt_hits_the_whole_blocks_of_sixteen_tokens_that_it_shares() {
    let first: Vec<u32> = (0..63).collect();
    let second: Vec<u32> = (0..40).chain(63..86).collect();
    let third: Vec<u32> = (0..62).chain(86..87).collect();
    let records = prompts(16, &[(1000, first), (1000, second), (1000, third)]);
    let hits: Vec<u32> = records.iter().map(|record| record.prefill_hit_tokens).collect();
    assert_eq!(hits, [0, 640, 992]);
}

/// Blocks of 2,048: 5,000 tokens are two whole ones.
#[test]
fn coarse_blocks_are_hit_as_a_whole() {
    let records = prompts(2048, &[(5000, vec![0, 1, 2]), (5000, vec![0, 1, 3]), (2000, vec![4])]);
    let hits: Vec<u32> = records.iter().map(|record| record.prefill_hit_tokens).collect();
    assert_eq!(hits, [0, 4096, 0]);
}

/// With room for everything, blocks of 512 that are cut into smaller ones are the same run: no part of a last block is shared,
/// so the same tokens hit.
#[test]
fn blocks_that_are_cut_are_the_same_run_where_nothing_is_evicted() {
    let mut hits = 0;
    for seed in 0..60 {
        let mut coarse = random_scenario(seed);
        (coarse.kv.prefill_blocks, coarse.kv.decode_blocks) = (1_000_000, 1_000_000);
        coarse.prefill.host_tier_tokens = 0;
        let runs: Vec<_> = [16, 64, 512].map(|size| run(&in_finer_blocks(&coarse, size)).requests).into();
        assert!(runs[0] == runs[2] && runs[1] == runs[2], "seed {seed}");
        assert!(runs[2] == run(&coarse).requests, "seed {seed}");
        hits += runs[0].iter().map(|record| u64::from(record.prefill_hit_tokens)).sum::<u64>();
    }
    assert!(hits > 0, "nothing was shared");
}

/// Tight memory, host tiers, failures of room: everything that is checked at each event holds for finer blocks.
#[test]
fn invariants_hold_for_finer_blocks() {
    let mut differ = 0;
    for seed in 0..60 {
        let coarse = random_scenario(seed);
        let fine: Scenario = in_finer_blocks(&coarse, [16, 32, 128][seed as usize % 3]);
        assert_eq!(fine.workload.len(), coarse.workload.len());
        let records = run_checked(&fine).requests;
        assert_eq!(records, run(&fine).requests, "seed {seed}");
        differ += usize::from(records != run(&coarse).requests);
    }
    assert!(differ > 0, "memory was never so tight that the size of blocks counts");
}

#[test]
#[should_panic(expected = "engine blocks divide prefix blocks")]
fn blocks_finer_than_the_engines_are_refused() {
    let _ = run(&scenario(Workload::in_blocks(8, vec![(SimTime::ZERO, 8, 1, vec![BlockId::new(0)])])));
}
