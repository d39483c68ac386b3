//! What the routers of the field see of the instances, and when they decide.

mod common;

use common::{FIRST, POLICIES, TOKENS, aibrix, llmd, millis, picks_both, scenario, smg};
use netkv_policy::PolicyConfig;
use netkv_sim::{PrefillPolicy, RunOutput, Scenario, SelectionMoment, run};
use netkv_units::{BlockId, SimDuration, SimTime, Tier};
use netkv_workload::Workload;
use std::collections::BTreeSet;

/// Blocks that nobody shares.
fn own_blocks(request: u64, n: u64) -> Vec<BlockId> {
    (request * n..(request + 1) * n).map(|block| BlockId::new(block as u32)).collect()
}

/// Four prompts of 1,000 tokens that share nothing, one every 10 ms, each on a prefill instance of its own. A transfer
/// takes 50 ms and more, so each is under way when the next is placed.
fn four_at_once(policy: PolicyConfig, seed: u64) -> Scenario {
    let arrivals = (0..4).map(|n| (SimTime::from_nanos(n * 10_000_000), 1000, 100, own_blocks(n, 2))).collect();
    let mut scenario = scenario(Workload::from_parts(arrivals));
    scenario.prefill.policy = PrefillPolicy::RoundRobin;
    (scenario.policy, scenario.seed) = (policy, seed);
    scenario
}

/// The policy of this name with its parameters in tests.
fn named(name: &str) -> PolicyConfig {
    POLICIES.into_iter().find(|policy| policy.name() == name).expect("it is in the list")
}

/// On how many different instances the four decode.
fn spread(scenario: &Scenario) -> usize {
    run(scenario).requests.iter().map(|record| record.decode_instance).collect::<BTreeSet<_>>().len()
}

/// In how many of 40 runs the four decode on four instances.
fn spread_out(policy: PolicyConfig, selection: SelectionMoment) -> usize {
    let scenarios = (0..40).map(|seed| Scenario { selection, ..four_at_once(policy.clone(), seed) });
    scenarios.filter(|scenario| spread(scenario) == 4).count()
}

#[test]
fn a_router_with_live_counts_spreads_what_comes_at_once() {
    let others = ["dynamo_two_tier", "llmd_active", "lmetric"].map(named);
    let ours = [PolicyConfig::Jsq, PolicyConfig::LoadAware { load: TOKENS, ties: FIRST }];
    for policy in ours.into_iter().chain(others) {
        assert_eq!(spread_out(policy.clone(), SelectionMoment::PrefillDone), 40, "{policy:?}");
        assert_eq!(spread_out(policy.clone(), SelectionMoment::Arrival), 40, "{policy:?}");
    }
}

#[test]
fn a_router_that_counts_tokens_on_their_way_forgets_those_that_have_come() {
    let affinity = named("llmd_affinity");
    assert_eq!(spread_out(affinity.clone(), SelectionMoment::Arrival), 40);
    // Inside a node a KV cache is there before the next prompt is computed.
    let late = spread_out(affinity, SelectionMoment::PrefillDone);
    assert!((15..40).contains(&late), "{late} of 40");
}

#[test]
fn a_router_without_counts_of_its_own_is_blind_between_polls() {
    // Live metrics show who waits; metrics of 10 s ago do not, and 4! / 4^4 = 9 % of random placements are spread out.
    let live = PolicyConfig::Llmd(llmd(SimDuration::ZERO));
    assert_eq!(spread_out(live, SelectionMoment::PrefillDone), 40);
    let stale = spread_out(PolicyConfig::Llmd(llmd(millis(10_000))), SelectionMoment::PrefillDone);
    assert!((1..15).contains(&stale), "{stale} of 40");
    // Polled every 5 ms it sees each before the next comes.
    assert_eq!(spread_out(PolicyConfig::Llmd(llmd(millis(5))), SelectionMoment::PrefillDone), 40);
}

#[test]
fn a_router_that_counts_what_it_has_sent_is_not() {
    for interval in [SimDuration::ZERO, millis(5), millis(10_000)] {
        assert_eq!(spread_out(smg(interval), SelectionMoment::PrefillDone), 40, "polled every {interval:?}");
        assert_eq!(spread_out(smg(interval), SelectionMoment::Arrival), 40, "polled every {interval:?}");
    }
}

#[test]
fn an_instance_reports_nothing_of_requests_that_are_still_prefilled() {
    // Prefill takes 1 s: when the last one is placed on arrival, none has reached a decode instance.
    let live = PolicyConfig::Llmd(llmd(SimDuration::ZERO));
    let early = spread_out(live, SelectionMoment::Arrival);
    assert!((1..15).contains(&early), "{early} of 40");
}

/// Sixty prompts over six seconds.
fn sixty(policy: PolicyConfig) -> Scenario {
    let arrivals = (0..60).map(|n| (SimTime::from_nanos(n * 100_000_000), 500, 50, own_blocks(n, 1))).collect();
    Scenario { policy, ..scenario(Workload::from_parts(arrivals)) }
}

fn tiers(output: &RunOutput) -> BTreeSet<Tier> {
    output.requests.iter().filter_map(|record| record.tier).collect()
}

#[test]
fn pairs_of_one_roleset_are_within_its_level() {
    let nodes = run(&sixty(aibrix(Tier::Node)));
    assert_eq!(tiers(&nodes), BTreeSet::from([Tier::Node]));
    let pods = run(&sixty(aibrix(Tier::Pod)));
    assert_eq!(tiers(&pods), BTreeSet::from([Tier::Node, Tier::Pod]));
    // Every instance of both pools has its share.
    let of = |pick: fn(&netkv_sim::RequestRecord) -> u32| pods.requests.iter().map(pick).collect::<BTreeSet<_>>().len();
    assert_eq!(of(|record| record.prefill_instance.get()), 4);
    assert_eq!(of(|record| record.decode_instance.map_or(u32::MAX, |instance| instance.get())), 4);
}

#[test]
fn a_policy_that_chooses_pairs_does_so_on_arrival_whatever_the_experiment_says() {
    let staged = |policy: &PolicyConfig| matches!(policy, PolicyConfig::NetKvJoint(_) | PolicyConfig::NetKvFlow(_));
    let pairs: Vec<_> = POLICIES.into_iter().filter(|policy| picks_both(policy) && !staged(policy)).collect();
    assert_eq!(pairs.len(), 2);
    for policy in pairs {
        let late = run(&sixty(policy.clone()));
        let early = run(&Scenario { selection: SelectionMoment::Arrival, ..sixty(policy.clone()) });
        assert_eq!(late.digest(), early.digest(), "{policy:?}");
        let other = run(&Scenario { selection: SelectionMoment::Arrival, ..sixty(PolicyConfig::Jsq) });
        assert_ne!(late.digest(), other.digest(), "{policy:?}");
    }
}

#[test]
fn random_draws_come_from_the_seed_of_the_run() {
    let digest = |seed| run(&Scenario { seed, ..sixty(PolicyConfig::Random) }).digest();
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}
