//! Dynamo's rules on cases worked out by hand from its own numbers.

mod common;

use common::{DEP9118, DYNAMO, PROMPT, QUIET, REQUEST, check, check_request, check_tie, four};
use netkv_policy::{Candidate, Dep9118Config, DynamoConfig, PolicyConfig, PromptView, RequestView};
use netkv_units::{Bytes, Tier};

/// An instance with this many blocks of prompts in flight.
fn with_blocks(candidate: Candidate, blocks: u64) -> Candidate {
    Candidate { in_flight_prompt_tokens: blocks * 16, ..candidate }
}

/// A prompt of this many blocks.
fn prompt_of(blocks: u32) -> RequestView {
    let prompt = PromptView { input_tokens: blocks * 16, ..PROMPT };
    RequestView { prompt, ..REQUEST }
}

#[test]
fn the_fewest_blocks_of_prompts_in_flight_win_whatever_else_runs_or_is_cached() {
    let mut candidates = four();
    for (candidate, blocks) in candidates.iter_mut().zip([50, 49, 50, 60]) {
        *candidate = with_blocks(*candidate, blocks);
    }
    check(PolicyConfig::DynamoDecode(DYNAMO), &candidates, &QUIET, 1);
    // Neither a whole prompt in its cache nor an idle batch helps another: the decode leg credits no overlap, and
    // generated tokens are not tracked.
    candidates[0].hit_tokens = 1000;
    candidates[1].running_tokens = 90_000;
    check(PolicyConfig::DynamoDecode(DYNAMO), &candidates, &QUIET, 1);
}

#[test]
fn requests_in_flight_count_if_they_are_given_a_weight() {
    // Dynamo's own test: 100 blocks and 4 requests cost 100 at weight 0 and 100 + 32 * 4 = 228 at weight 32.
    let weighted = DynamoConfig { active_request_weight: 32.0, ..DYNAMO };
    let mut candidates = [with_blocks(four()[0], 100), with_blocks(four()[1], 227)];
    candidates[0].running = 4;
    check(PolicyConfig::DynamoDecode(DYNAMO), &candidates, &QUIET, 0);
    check(PolicyConfig::DynamoDecode(weighted), &candidates, &QUIET, 1);
    candidates[1] = with_blocks(candidates[1], 229);
    check(PolicyConfig::DynamoDecode(weighted), &candidates, &QUIET, 0);
}

#[test]
fn ties_are_drawn_uniformly() {
    let mut candidates = four();
    candidates[2] = with_blocks(candidates[2], 1);
    check_tie(PolicyConfig::DynamoDecode(DYNAMO), &candidates, &[0, 1, 3]);
}

#[test]
fn a_preferred_domain_costs_half_at_weight_0_85() {
    // exp(-tanh(0.85)) = exp(-0.69107) = 0.50104. Dynamo's own test has 100 blocks in the domain and 90 outside: with
    // one block of this request 50.6 against 91.
    let config = PolicyConfig::DynamoTopologyPreferred(DYNAMO);
    let near_and_far = |near, far| [with_blocks(four()[1], near), with_blocks(four()[2], far)];
    check_request(&config, &prompt_of(1), &near_and_far(100, 90), &QUIET, 0);
    // With N = 100 blocks: 0.50104 * (act_local + 100) < act_remote + 100, so beside an idle remote instance the local
    // one is kept up to act_local = 99.585 and left from there on.
    check_request(&config, &prompt_of(100), &near_and_far(99, 0), &QUIET, 0);
    check_request(&config, &prompt_of(100), &near_and_far(100, 0), &QUIET, 1);
    // Ten times the prompt, ten times the load: 0.50104 * 1996 = 1000.08 and 0.50104 * 1995 = 999.58.
    check_request(&config, &prompt_of(1000), &near_and_far(995, 0), &QUIET, 0);
    check_request(config, &prompt_of(1000), &near_and_far(996, 0), &QUIET, 1);
    // At weight 1 the factor is exp(-tanh(1)) = 0.46691: 0.46691 * (act_local + 100) < 100 up to 114.17.
    let stronger = PolicyConfig::DynamoTopologyPreferred(DynamoConfig { topology_weight: 1.0, ..DYNAMO });
    check_request(&stronger, &prompt_of(100), &near_and_far(114, 0), &QUIET, 0);
    check_request(stronger, &prompt_of(100), &near_and_far(115, 0), &QUIET, 1);
}

#[test]
fn a_domain_is_all_that_is_within_its_tier() {
    // Domain "rack": instances 0 (node) and 1 (rack) are in it, 2 and 3 are not.
    let config = PolicyConfig::DynamoTopologyPreferred(DYNAMO);
    let mut candidates = four();
    candidates[0] = with_blocks(candidates[0], 1);
    check(config, &candidates, &QUIET, 1);
    // Domain "pod": instance 2 is as good as 1.
    let wider = PolicyConfig::DynamoTopologyPreferred(DynamoConfig { topology_domain: Tier::Pod, ..DYNAMO });
    check_tie(wider, &candidates, &[1, 2]);
}

#[test]
fn a_required_domain_is_never_left_unless_it_is_empty() {
    let config = PolicyConfig::DynamoTopologyRequired(DYNAMO);
    let mut candidates = four();
    candidates[0] = with_blocks(candidates[0], 400_000);
    candidates[1] = with_blocks(candidates[1], 400_001);
    check(&config, &candidates, &QUIET, 0);
    candidates[2] = with_blocks(candidates[2], 1);
    check(config, &candidates[2..], &QUIET, 1);
}

#[test]
fn dep_9118_adds_the_time_of_the_whole_prompt_by_the_static_table() {
    // 1 GB takes 0.01, 0.1, 0.2 and 0.4 s: 12.5, 125, 250 and 500 blocks at 1,250 blocks a second.
    let config = PolicyConfig::Dep9118Static(DEP9118);
    let mut candidates = four();
    check(&config, &candidates, &QUIET, 0);
    candidates[0] = with_blocks(candidates[0], 112);
    check(&config, &candidates, &QUIET, 0);
    candidates[0] = with_blocks(candidates[0], 113);
    check(&config, &candidates, &QUIET, 1);
    // What an instance holds of the prompt, what is on the way and what is in flight count for nothing.
    candidates[1].sharing_transfers = 50;
    candidates[3] = Candidate { hit_tokens: 1000, transfer_bytes: Bytes::ZERO, ..candidates[3] };
    let congested = common::Oracle { congestion_ratio: [0.0, 0.9, 0.0, 0.0], counts_in_flight: false };
    check(config, &candidates, &congested, 1);
    // Without weight it is the decode rule.
    let without = Dep9118Config { transfer_blocks_per_sec: 0.0, ..DEP9118 };
    check_tie(PolicyConfig::Dep9118Static(without), &candidates, &[1, 2, 3]);
}
