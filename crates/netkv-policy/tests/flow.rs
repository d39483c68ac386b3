//! Our rule with a book of its transfers, on cases worked out by hand. From instance 9 instance 0 is in the same node, 1 in
//! the same rack, 2 in the same pod, 3 in another pod; an iteration takes 10 ms and 1 us a token.

mod common;

use common::{ESTIMATES, FLOW, PROMPT, QUIET, REQUEST, four, idle, idle_prefill};
use netkv_policy::{
    Candidate, FlowConfig, PolicyConfig, PromptView, RequestView, Selector, StagedPolicy, TransferEvent, TransferStep,
};
use netkv_units::{Bytes, InstanceId, SimTime, Tier};

fn flow(config: FlowConfig) -> Box<dyn StagedPolicy> {
    match PolicyConfig::NetKvFlow(config).build(ESTIMATES, 1) {
        Selector::Staged(policy) => policy,
        Selector::Decode(_) | Selector::Pair(_) | Selector::Clairvoyant => panic!("it picks one after the other"),
    }
}

fn at(seconds: f64) -> RequestView {
    RequestView { prompt: PromptView { now: SimTime::from_secs_f64(seconds), ..PROMPT }, ..REQUEST }
}

fn transfer(destination: u32, tier: Tier, bytes: u64, is_over: bool) -> TransferEvent {
    let (source, destination) = (InstanceId::new(9), InstanceId::new(destination));
    let step = if is_over { TransferStep::Ended } else { TransferStep::Begun };
    TransferEvent { source, destination, tier, bytes: Bytes::new(bytes), now: SimTime::ZERO, step }
}

/// The instances of the same pod, and of another.
fn far() -> [Candidate; 2] {
    [2, 3].map(idle)
}

#[test]
fn the_nearest_of_equals_is_taken() {
    assert_eq!(flow(FLOW).select(&REQUEST, &four(), &QUIET), 0);
    assert_eq!(flow(FLOW).select(&REQUEST, &far(), &QUIET), 0);
}

#[test]
fn transfers_over_the_same_links_send_it_elsewhere_until_they_end() {
    let mut policy = flow(FLOW);
    // 1 GB over 5 GB/s of the rack against 2.5 GB/s of the pod: 0.2 s against 0.4.
    assert_eq!(policy.select(&at(0.0), &far(), &QUIET), 0);
    // Four more that go into the near instance, on interfaces of the source that are as wide: 5 GB over the 5 GB/s of the
    // downlink. To the other pod the uplinks are shared with them as well: both take a second, and the first is taken.
    for _ in 0..4 {
        policy.observe(&transfer(2, Tier::Pod, 1_000_000_000, false));
    }
    assert_eq!(policy.select(&at(0.0), &far(), &QUIET), 0);
    // The near instance has a longer iteration now: that decides among ways that are equally slow.
    let mut candidates = far();
    candidates[0].running_tokens = 1_000;
    assert_eq!(policy.select(&at(0.0), &candidates, &QUIET), 1);
    for _ in 0..4 {
        policy.observe(&transfer(2, Tier::Pod, 1_000_000_000, true));
    }
    assert_eq!(policy.select(&at(0.0), &candidates, &QUIET), 0);
}

#[test]
fn the_price_rises_while_uneven_batches_exceed_their_budget() {
    // All 4 requests with 4,000 tokens are on the near instance: 14 ms a token, 12 if they were even, twice the budget of 1 ms.
    let mut candidates = [0, 1].map(idle);
    candidates[0].running = 4;
    candidates[0].running_tokens = 4_000;
    let config = FlowConfig { price: 4.0, tbt_budget_s: 0.001, ..FLOW };
    let mut policy = flow(config);
    // 100 ms over the interfaces against an iteration that is 4 ms longer: 20 ms with the price.
    assert_eq!(policy.select(&at(0.0), &candidates, &QUIET), 0);
    // After two seconds at twice the budget the price is e times as high: 4 + 43 ms.
    assert_eq!(policy.select(&at(2.0), &candidates, &QUIET), 0);
    // After fifteen 100 times, which is the most: 1.6 s.
    assert_eq!(policy.select(&at(15.0), &candidates, &QUIET), 1);
    // Even batches bring it down again.
    let mut even = candidates;
    even[1] = Candidate { running: 4, running_tokens: 4_000, ..even[1] };
    assert_eq!(policy.select(&at(60.0), &even, &QUIET), 0);
    assert_eq!(policy.select(&at(60.0), &candidates, &QUIET), 0);
}

#[test]
fn of_near_equals_the_cached_and_then_the_least_loaded_is_taken() {
    // 0.2 s to the same pod, 0.4 s to another: twice the cost, but for the iteration.
    let mut candidates = far();
    candidates[0].running_tokens = 1_000;
    let near_equals = |tolerance_ratio| flow(FlowConfig { tolerance_ratio, ..FLOW });
    assert_eq!(near_equals(0.5).select(&at(0.0), &candidates, &QUIET), 0, "beyond the tolerance the cost decides");
    assert_eq!(near_equals(1.5).select(&at(0.0), &candidates, &QUIET), 1, "within it the load");
    candidates[0].hit_tokens = 500;
    assert_eq!(near_equals(1.5).select(&at(0.0), &candidates, &QUIET), 0, "and before that the cache");
    let ratings = near_equals(1.5).rate(&at(0.0), &candidates, &QUIET);
    assert!((ratings[0].cost() - ratings[1].cost()).abs() < 1e-12, "{ratings:?}");
    let ratings = near_equals(0.5).rate(&at(0.0), &candidates, &QUIET);
    assert!(ratings[0].cost() < ratings[1].cost(), "{ratings:?}");
}

#[test]
fn prompts_are_computed_by_their_caches_and_the_way_from_there() {
    let mut prefill = [8, 9].map(idle_prefill);
    let mut policy = flow(FLOW);
    assert_eq!(policy.select_prefill(&PROMPT, &prefill, &four(), &QUIET), 0, "the first of equals");
    prefill[1].hit_tokens = 500;
    assert_eq!(policy.select_prefill(&PROMPT, &prefill, &four(), &QUIET), 1);
}

#[test]
fn a_given_prefill_instance_leaves_the_decode_instance_to_choose() {
    let config = FlowConfig { chooses_prefill: false, ..FLOW };
    assert!(matches!(PolicyConfig::NetKvFlow(config).build(ESTIMATES, 1), Selector::Decode(_)));
}
