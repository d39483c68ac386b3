//! Our policy on cases worked out by hand.

mod common;

use common::{ESTIMATES, PROMPT, QUIET, REQUEST, WEIGHTS, decode_policy, four, idle, idle_prefill};
use netkv_policy::{
    Candidate, CostOracle, JointConfig, PathCost, PolicyConfig, PrefillCandidate, PromptView, RequestView, Selector,
    StagedPolicy,
};
use netkv_units::{InstanceId, RequestId, SimDuration, Tier};

fn joint(price: f64, lateness_s: f64) -> Box<dyn StagedPolicy> {
    let config = PolicyConfig::NetKvJoint(JointConfig { netkv: WEIGHTS, price, lateness_s });
    match config.build(ESTIMATES, 1) {
        Selector::Staged(policy) => policy,
        Selector::Decode(_) | Selector::Pair(_) | Selector::Clairvoyant => panic!("it picks one after the other"),
    }
}

/// The near instance has a batch of 20,000 tokens, the others none. An iteration takes 10 ms and 1 us a token.
fn near_is_full() -> [Candidate; 4] {
    let mut candidates = four();
    candidates[0].running_tokens = 20_000;
    candidates
}

#[test]
fn without_prices_it_decodes_where_netkv_does() {
    let mut candidates = near_is_full();
    for step in 0..8 {
        candidates[1].sharing_transfers = step;
        candidates[0].running_tokens = u64::from(step) * 10_000;
        let netkv = decode_policy(&PolicyConfig::NetKvGuarded(WEIGHTS), 1).select(&REQUEST, &candidates, &QUIET);
        assert_eq!(joint(0.0, 0.0).select(&REQUEST, &candidates, &QUIET), netkv);
    }
}

#[test]
fn a_price_gives_up_the_near_instance_once_its_batch_costs_more_than_the_way() {
    // In the node 10 ms over the network and an iteration of 31 ms, 21 beyond an empty one; in the rack 100 ms and 11, 1
    // beyond: 41 + 21 price against 111 + price, equal at 3.5.
    assert_eq!(joint(3.4, 0.0).select(&REQUEST, &near_is_full(), &QUIET), 0);
    assert_eq!(joint(3.6, 0.0).select(&REQUEST, &near_is_full(), &QUIET), 1);
}

#[test]
fn being_late_costs_if_it_can_be_helped() {
    let left = |ms: u64| PromptView {
        request: RequestId::new(0),
        ttft_left: SimDuration::from_nanos(ms * 1_000_000),
        ..PROMPT
    };
    let chosen = |ms, lateness_s| {
        let request = RequestView { prompt: left(ms), ..REQUEST };
        joint(4.0, lateness_s).select(&request, &near_is_full(), &QUIET)
    };
    // 125 ms in the node, of which 41 until the first token; 115 in the rack, of which 111.
    assert_eq!(chosen(50, 0.009), 1);
    assert_eq!(chosen(50, 0.011), 0);
    assert_eq!(chosen(112, 0.011), 1, "both are in time");
    assert_eq!(chosen(30, 0.011), 1, "both are late");
    assert_eq!(chosen(0, 0.011), 1, "it is late already");
}

/// Instances 0 and 10 are in one rack, 1 and 11 in another: 10 GB/s there, 2.5 GB/s between them.
struct TwoRacks;

impl CostOracle for TwoRacks {
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let near = source.get() % 10 == destination.get() % 10;
        PathCost {
            tier: if near { Tier::Rack } else { Tier::Core },
            bandwidth_bytes_per_sec: if near { 10e9 } else { 2.5e9 },
            latency: SimDuration::ZERO,
            congestion_ratio: 0.0,
            counts_in_flight: false,
            age: SimDuration::ZERO,
        }
    }
}

fn prefill_chosen(policy: &mut dyn StagedPolicy, prompt: &PromptView, prefill: &[PrefillCandidate; 2]) -> usize {
    let mut decode = [0, 1].map(idle);
    decode[0].running_tokens = 20_000;
    policy.select_prefill(prompt, prefill, &decode, &TwoRacks)
}

#[test]
fn prompts_are_computed_near_an_instance_that_is_free() {
    let mut prefill = [10, 11].map(idle_prefill);
    let mut policy = joint(4.0, 0.0);
    // 100 + 31 + 84 ms after prefill on instance 10, 100 + 11 + 4 on 11.
    assert_eq!(prefill_chosen(&mut *policy, &PROMPT, &prefill), 1);
    // A prompt of 10 tokens before it there: 101 ms more.
    prefill[1] = PrefillCandidate { requests: 1, backlog_tokens: 10, ..prefill[1] };
    assert_eq!(prefill_chosen(&mut *policy, &PROMPT, &prefill), 0);
    // 100 of its 1,000 tokens in the cache there: 10 ms less.
    prefill[1].hit_tokens = 100;
    assert_eq!(prefill_chosen(&mut *policy, &PROMPT, &prefill), 1);
}

#[test]
fn prompts_are_computed_where_they_are_in_time() {
    // 200 ms of prefill; then 131 ms from instance 10 and 111 from 11, within the 350 that are promised. With the price it
    // is 415 against 315.
    let mut prefill = [10, 11].map(idle_prefill);
    let prompt = PromptView { ttft_left: SimDuration::from_nanos(350_000_000), ..PROMPT };
    assert_eq!(prefill_chosen(&mut *joint(4.0, 0.1), &prompt, &prefill), 1);
    // With 10 tokens before it and 100 in the cache, 291 ms of prefill on instance 11: 406 with the price, but 402 without,
    // which is late.
    prefill[1] = PrefillCandidate { requests: 1, backlog_tokens: 10, hit_tokens: 100, ..prefill[1] };
    assert_eq!(prefill_chosen(&mut *joint(4.0, 0.0), &prompt, &prefill), 1);
    assert_eq!(prefill_chosen(&mut *joint(4.0, 0.1), &prompt, &prefill), 0);
    // Once every way is late, that decides nothing.
    let prompt = PromptView { ttft_left: SimDuration::from_nanos(100_000_000), ..PROMPT };
    assert_eq!(prefill_chosen(&mut *joint(4.0, 0.1), &prompt, &prefill), 1);
}
