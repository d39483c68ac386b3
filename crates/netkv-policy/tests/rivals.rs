//! The rules that other systems took up in 2026, on cases worked out by hand from their own numbers and tests.

mod common;

use common::{
    DYNAMO, LLMD_ACTIVE, LLMD_AFFINITY, LMETRIC, PROMPT, QUIET, REQUEST, TWO_TIER, check, check_request, check_tie,
    decode_policy, four, idle,
};
use netkv_policy::{
    Candidate, DynamoConfig, DynamoLoad, LlmdActiveConfig, LlmdAffinityConfig, LmetricConfig, LmetricLoad, Policy,
    PolicyConfig, PromptView, RequestEvent, RequestStep, RequestView, TwoTierConfig,
};
use netkv_units::{InstanceId, RequestId, SimDuration, SimTime, Tier};

/// A prompt of so many tokens.
fn prompt_of(input_tokens: u32) -> RequestView {
    RequestView { prompt: PromptView { input_tokens, ..PROMPT }, ..REQUEST }
}

fn holding(instance: u32, hit_tokens: u32, running: u32) -> Candidate {
    Candidate { hit_tokens, running, ..idle(instance) }
}

#[test]
fn two_tiers_as_in_dynamo_s_own_tests() {
    // Ten blocks of 16 tokens. Six are 0.6 of them: the cached one, for all its load. Five are 0.5, not more than that.
    let ten = prompt_of(160);
    let check_ten = |config, candidates: [Candidate; 2], expect| {
        check_request(PolicyConfig::DynamoTwoTier(config), &ten, &candidates, &QUIET, expect);
    };
    check_ten(TWO_TIER, [holding(0, 0, 0), holding(1, 96, 4)], 1);
    check_ten(TWO_TIER, [holding(0, 0, 0), holding(1, 80, 4)], 0);
    // Tokens of a block that is not whole are none: 95 of 96.
    check_ten(TWO_TIER, [holding(0, 0, 0), holding(1, 95, 4)], 0);
    let tuned = TwoTierConfig { cache_threshold_ratio: 0.2, ..TWO_TIER };
    check_ten(tuned, [holding(0, 0, 0), holding(1, 48, 4)], 1);
    // Uneven needs both: 40 - 0 > 32 and 40 > 1.1 * 0; 704 is not more than 1.1 * 640, 705 is.
    check_ten(TWO_TIER, [holding(0, 0, 0), holding(1, 160, 40)], 0);
    check_ten(TWO_TIER, [holding(0, 0, 640), holding(1, 160, 704)], 1);
    check_ten(TWO_TIER, [holding(0, 0, 640), holding(1, 160, 705)], 0);
    // 32 apart are even.
    check_ten(TWO_TIER, [holding(0, 0, 0), holding(1, 160, 32)], 1);
}

#[test]
fn two_tiers_take_the_least_loaded_of_those_that_hold_most() {
    let config = PolicyConfig::DynamoTwoTier(TWO_TIER);
    let mut candidates = [holding(0, 700, 9), holding(1, 720, 5), holding(2, 735, 4), holding(3, 0, 0)];
    // 43, 45 and 45 whole blocks of 63.
    check(&config, &candidates, &QUIET, 2);
    candidates[1].running = 4;
    check(&config, &candidates, &QUIET, 1);
}

#[test]
fn dynamo_can_balance_requests_in_the_place_of_blocks() {
    let requests = DynamoConfig { load: DynamoLoad::Requests, active_request_weight: 7.0, ..DYNAMO };
    let mut candidates = [idle(0), idle(1)];
    candidates[0] = Candidate { running: 1, in_flight_prompt_tokens: 16_000, ..candidates[0] };
    candidates[1] = Candidate { running: 1, pending: 1, in_flight_prompt_tokens: 32, ..candidates[1] };
    check(PolicyConfig::DynamoDecode(DYNAMO), &candidates, &QUIET, 1);
    check(PolicyConfig::DynamoDecode(requests), &candidates, &QUIET, 0);
    candidates[0].pending = 1;
    check_tie(PolicyConfig::DynamoDecode(requests), &candidates, &[0, 1]);
}

#[test]
fn lmetric_as_in_dynamo_s_own_tests() {
    let config = PolicyConfig::Lmetric(LMETRIC);
    let ten = prompt_of(160);
    // 160 * 1 against 32 * 4 = 128; 32 * 6 = 192 is more. (32 * 5 is as much, and a draw.)
    check_request(&config, &ten, &[holding(0, 0, 0), holding(1, 128, 3)], &QUIET, 1);
    check_request(&config, &ten, &[holding(0, 0, 0), holding(1, 128, 5)], &QUIET, 0);
    // Who holds all has one token left, and the batch decides.
    check_request(&config, &ten, &[holding(0, 160, 3), holding(1, 160, 1)], &QUIET, 1);
}

#[test]
fn lmetric_draws_among_equals_and_counts_who_is_on_the_way() {
    let config = PolicyConfig::Lmetric(LMETRIC);
    // 1,000 * 2 against 500 * 4.
    let mut candidates = [holding(0, 0, 1), holding(1, 500, 1)];
    candidates[1].pending = 2;
    check_tie(&config, &candidates, &[0, 1]);
    candidates[1].pending = 3;
    check(&config, &candidates, &QUIET, 0);
}

#[test]
fn lmetric_by_blocks_multiplies_what_is_left_with_what_is_held() {
    let config = PolicyConfig::Lmetric(LmetricConfig { load: LmetricLoad::Blocks, ..LMETRIC });
    // 1,000 tokens are 63 blocks. 62.5 * 64 = 4,000 against 62.5 * (1 + 64) = 4,062.5, or 37.5 * 65 = 2,437.5.
    let mut candidates = [idle(0), idle(1)];
    candidates[1].in_flight_prompt_tokens = 16;
    check(&config, &candidates, &QUIET, 0);
    candidates[1].hit_tokens = 400;
    check(&config, &candidates, &QUIET, 1);
    // 400 tokens on their way are as many not held: 62.5 blocks again.
    candidates[1].pending_tokens = 400;
    check(&config, &candidates, &QUIET, 0);
}

/// llm-d's rule when so many tokens are on their way to each of four instances.
fn llmd_with(config: LlmdAffinityConfig, in_flight: [u32; 4], seed: u64) -> Box<dyn Policy> {
    let mut policy = decode_policy(&PolicyConfig::LlmdAffinity(config), seed);
    for (instance, tokens) in (0..).zip(in_flight).filter(|&(_, tokens)| tokens > 0) {
        let request = RequestId::new(1000 + instance);
        let prompt = PromptView { request, input_tokens: tokens, ..PROMPT };
        policy.select(&RequestView { prompt, ..REQUEST }, &four(), &QUIET);
        policy.follow(&step(RequestStep::Sent, request, instance));
    }
    policy
}

fn step(step: RequestStep, request: RequestId, instance: u32) -> RequestEvent {
    RequestEvent { request, step, instance: InstanceId::new(instance), now: SimTime::ZERO }
}

#[track_caller]
fn check_llmd(config: LlmdAffinityConfig, in_flight: [u32; 4], candidates: &[Candidate], expect: usize) {
    for seed in 0..20 {
        let chosen = llmd_with(config, in_flight, seed).select(&prompt_of(160), candidates, &QUIET);
        assert_eq!(chosen, expect, "seed {seed}");
    }
}

#[test]
fn llmd_stays_with_the_prefix_until_saturated_as_in_dynamo_s_port_of_it() {
    // 9 of 10 blocks. 10,000 tokens are 0.6 s at 15,928 a second; 300,000 are 18.8 s, beyond the 18.
    let candidates = [idle(0), holding(1, 144, 0)];
    let with = |tokens| [0, tokens, 0, 0];
    check_llmd(LLMD_AFFINITY, with(10_000), &candidates, 1);
    check_llmd(LLMD_AFFINITY, with(300_000), &candidates, 0);
    // 18 s to the token: 286,704.
    check_llmd(LLMD_AFFINITY, with(286_704), &candidates, 1);
    check_llmd(LLMD_AFFINITY, with(286_705), &candidates, 0);
    // Without a penalty it always stays.
    let always = LlmdAffinityConfig { max_ttft_penalty: SimDuration::ZERO, ..LLMD_AFFINITY };
    check_llmd(always, with(4_000_000), &candidates, 1);
}

#[test]
fn without_a_sticky_instance_llmd_takes_the_least_token_load() {
    // 7 of 10 blocks are less than 0.8: 100 + 160 against 205 + 48 and 213 + 48; 8 are sticky.
    check_llmd(LLMD_AFFINITY, [100, 205, 0, 0], &[idle(0), holding(1, 112, 0)], 1);
    check_llmd(LLMD_AFFINITY, [100, 213, 0, 0], &[idle(0), holding(1, 112, 0)], 0);
    check_llmd(LLMD_AFFINITY, [100, 213, 0, 0], &[idle(0), holding(1, 128, 0)], 1);
    // Running requests do not count, nor those that others have sent; beyond the threshold all are alike.
    let mut candidates = four();
    candidates[1].running = 20;
    candidates[3].pending_tokens = 5000;
    check_tie(PolicyConfig::LlmdAffinity(LLMD_AFFINITY), &candidates, &[0, 1, 2, 3]);
    let low = LlmdAffinityConfig { queue_threshold_tokens: 100, ..LLMD_AFFINITY };
    let chosen = |seed| llmd_with(low, [0, 500, 0, 0], seed).select(&prompt_of(160), &candidates, &QUIET);
    assert!((0..100).any(|seed| chosen(seed) == 1), "260 and 660 are both 100 of 100");
}

#[test]
fn llmd_breaks_stickiness_for_the_best_of_the_others_and_then_rates_all() {
    // The least sticky TTFT counts: 20 s and 25 s against 1 s, or 19.
    let candidates = [holding(0, 160, 0), holding(1, 160, 0), idle(2), idle(3)];
    let seconds = |times: [u32; 4]| times.map(|time| 15_928 * time);
    check_llmd(LLMD_AFFINITY, seconds([25, 20, 1, 5]), &candidates, 2);
    check_llmd(LLMD_AFFINITY, seconds([25, 19, 1, 5]), &candidates, 1);
}

#[test]
fn llmd_counts_what_was_not_cached_until_it_has_come() {
    let mut policy = llmd_with(LLMD_AFFINITY, [0; 4], 1);
    let candidates = [holding(0, 512, 0), idle(1)];
    let load = |policy: &dyn Policy| policy.rate(&prompt_of(0), &candidates, &QUIET)[0].cost() * 4_194_304.0;
    // 1,000 tokens, of which 512 are there.
    policy.select(&REQUEST, &candidates, &QUIET);
    policy.follow(&step(RequestStep::Sent, REQUEST.prompt.request, 0));
    assert!((load(&*policy) - 488.0).abs() < 1e-6);
    policy.follow(&step(RequestStep::Computed, REQUEST.prompt.request, 9));
    assert!((load(&*policy) - 488.0).abs() < 1e-6);
    // One that another router has sent is not known.
    policy.follow(&step(RequestStep::Sent, RequestId::new(77), 0));
    policy.follow(&step(RequestStep::Joined, RequestId::new(77), 0));
    assert!((load(&*policy) - 488.0).abs() < 1e-6);
    policy.follow(&step(RequestStep::Joined, REQUEST.prompt.request, 0));
    assert!(load(&*policy).abs() < 1e-6);
    // Its end takes nothing away a second time; one that is taken back is sent anew.
    policy.follow(&step(RequestStep::Finished, REQUEST.prompt.request, 0));
    policy.select(&REQUEST, &candidates, &QUIET);
    policy.follow(&step(RequestStep::Sent, REQUEST.prompt.request, 0));
    policy.follow(&step(RequestStep::Recalled, REQUEST.prompt.request, 0));
    assert!(load(&*policy).abs() < 1e-6);
}

#[test]
fn llmd_s_decode_profile_takes_the_fewest_requests_and_draws() {
    let config = PolicyConfig::LlmdActive(LLMD_ACTIVE);
    let mut candidates = four();
    candidates[0].running = 3;
    candidates[1] = Candidate { running: 1, pending: 1, hit_tokens: 0, ..candidates[1] };
    candidates[2] = Candidate { pending: 2, hit_tokens: 1000, ..candidates[2] };
    candidates[3].running = 2;
    check_tie(&config, &candidates, &[1, 2, 3]);
    candidates[2].running = 1;
    candidates[1].running = 0;
    check(&config, &candidates, &QUIET, 1);
    // Up to the threshold all are idle.
    let idle_at_two = PolicyConfig::LlmdActive(LlmdActiveConfig { idle_requests: 2, ..LLMD_ACTIVE });
    check_tie(idle_at_two, &candidates, &[1, 3]);
}

#[test]
fn llmd_s_topology_filter_keeps_near_instances_and_fails_open() {
    let config = |min_affinity| PolicyConfig::LlmdTopologyFilter(LlmdActiveConfig { min_affinity, ..LLMD_ACTIVE });
    let mut candidates = four();
    candidates[0].running = 9;
    candidates[1].running = 8;
    candidates[2].running = 7;
    check(config(Tier::Node), &candidates, &QUIET, 0);
    check(config(Tier::Rack), &candidates, &QUIET, 1);
    check(config(Tier::Pod), &candidates, &QUIET, 2);
    // Nobody on the host: all take part.
    check(config(Tier::Node), &candidates[1..], &QUIET, 2);
    check(config(Tier::Rack), &candidates[2..], &QUIET, 1);
}
