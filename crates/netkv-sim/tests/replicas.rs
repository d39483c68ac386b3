//! Several schedulers, each with books of its own.

mod common;

use common::{POLICIES, flows, millis, scenario};
use netkv_policy::{NetKvConfig, PolicyConfig, WhenFull};
use netkv_sim::{
    LocalPrefillConfig, LocalRule, PrefillPolicy, RunOutput, Scenario, SchedulerConfig, SelectionMoment, run,
    run_checked,
};
use netkv_units::{BlockId, SimDuration, SimTime};
use netkv_workload::Workload;

/// So many schedulers that no two of a few requests meet the same one.
const MANY: u32 = 1024;
const NEVER: SimDuration = millis(1_000_000);

/// Prompts of 1,000 tokens that share nothing, at these milliseconds, each on a prefill instance of its own; their decode
/// instance is chosen on arrival, and each is under way for 50 ms and more.
fn at(times_ms: &[u64], replicas: u32, gossip: SimDuration) -> Vec<usize> {
    let own_blocks = |n: u64| (2 * n..2 * n + 2).map(|block| BlockId::new(block as u32)).collect();
    let arrivals = times_ms
        .iter()
        .zip(0..)
        .map(|(ms, n)| (SimTime::from_nanos(ms * 1_000_000), 1000, 100, own_blocks(n)))
        .collect();
    let mut scenario = scenario(Workload::from_parts(arrivals));
    scenario.prefill.policy = PrefillPolicy::RoundRobin;
    scenario.policy = PolicyConfig::Jsq;
    scenario.selection = SelectionMoment::Arrival;
    scenario.scheduler = SchedulerConfig { replicas, gossip };
    let first = run_checked(&scenario).requests;
    let ids: Vec<u32> = first.iter().map(|record| record.decode_instance.expect("it decodes").get()).collect();
    let mut seen: Vec<u32> = Vec::new();
    // Named in the order in which they are chosen.
    ids.iter()
        .map(|id| {
            seen.iter().position(|other| other == id).unwrap_or_else(|| {
                seen.push(*id);
                seen.len() - 1
            })
        })
        .collect()
}

#[test]
fn schedulers_that_do_not_talk_send_everything_to_the_same_instance() {
    assert_eq!(at(&[0, 10, 20, 30], 1, SimDuration::ZERO), [0, 1, 2, 3], "one knows what it has sent");
    assert_eq!(at(&[0, 10, 20, 30], MANY, SimDuration::ZERO), [0, 1, 2, 3], "all hear at once");
    assert_eq!(at(&[0, 10, 20, 30], MANY, NEVER), [0, 0, 0, 0], "each takes the first of four idle ones");
}

#[test]
fn what_the_others_did_is_known_from_the_next_gossip_on() {
    // At 25 ms each hears of the first three, all on instance 0; the fourth and the fifth go to instance 1.
    assert_eq!(at(&[0, 10, 20, 30, 40], MANY, millis(25)), [0, 0, 0, 1, 1]);
}

/// Two hundred prompts of six lengths, of which each third begins with the same block, under a policy and these schedulers.
fn busy(policy: PolicyConfig, replicas: u32, gossip: SimDuration) -> Scenario {
    let mut next_block = 1;
    let mut new_block = || {
        next_block += 1;
        BlockId::new(next_block - 1)
    };
    let arrivals = (0..200)
        .map(|n: u64| {
            let (input, output) = (512 + 100 * (n % 6) as u32, 20 + (n % 7) as u32);
            let first = if n.is_multiple_of(3) { BlockId::new(0) } else { new_block() };
            let second = (input > 512).then(&mut new_block);
            (SimTime::from_nanos(n * 40_000_000), input, output, std::iter::once(first).chain(second).collect())
        })
        .collect();
    let scheduler = SchedulerConfig { replicas, gossip };
    Scenario { policy, scheduler, background: flows(0.2), ..scenario(Workload::from_parts(arrivals)) }
}

/// Every policy, and the paper's.
fn policies() -> impl Iterator<Item = PolicyConfig> {
    let netkv = NetKvConfig { when_full: WhenFull::Wait, ..NetKvConfig::PRINTED };
    POLICIES.into_iter().chain([PolicyConfig::NetKv(netkv)])
}

/// Rules that keep nothing between decisions but what they hear, and draw nothing.
fn is_without_memory(policy: &PolicyConfig) -> bool {
    !matches!(
        policy,
        PolicyConfig::RoundRobin
            | PolicyConfig::Random
            | PolicyConfig::PowerOfTwo
            | PolicyConfig::DynamoDecode(_)
            | PolicyConfig::DynamoTopologyRequired(_)
            | PolicyConfig::DynamoTopologyPreferred(_)
            | PolicyConfig::Dep9118Static(_)
            | PolicyConfig::Llmd(_)
            | PolicyConfig::LlmdTopology(_)
            | PolicyConfig::LlmdAffinity(_)
            | PolicyConfig::LlmdActive(_)
            | PolicyConfig::LlmdTopologyFilter(_)
            | PolicyConfig::Lmetric(_)
            | PolicyConfig::DynamoTwoTier(_)
            | PolicyConfig::SglangCacheAware(_)
            | PolicyConfig::SmgExpectedWait(_)
            | PolicyConfig::AibrixPd(_)
            | PolicyConfig::NetKvFlow(_)
    )
}

#[test]
fn schedulers_that_hear_at_once_decide_as_one() {
    let mut n = 0;
    for policy in policies().filter(is_without_memory) {
        let digest = |replicas| run(&busy(policy.clone(), replicas, SimDuration::ZERO)).digest();
        assert_eq!(digest(1), digest(5), "{policy:?}");
        n += 1;
    }
    assert!(n > 12, "{n} policies");
}

#[test]
fn every_policy_runs_with_several_schedulers_and_nothing_is_lost() {
    for policy in policies() {
        for gossip in [SimDuration::ZERO, millis(50), NEVER] {
            let of = |output: RunOutput| output.digest();
            let scenario = busy(policy.clone(), 3, gossip);
            assert_eq!(of(run_checked(&scenario)), of(run(&scenario)), "{policy:?} with gossip every {gossip:?}");
        }
    }
}

#[test]
fn prompts_that_are_computed_where_they_decode_are_in_the_books_until_they_are() {
    let keep = LocalPrefillConfig {
        rule: LocalRule::Session { min_hit_ratio: 0.2 },
        ..busy(PolicyConfig::Jsq, 1, NEVER).local_prefill
    };
    for policy in policies() {
        for gossip in [SimDuration::ZERO, millis(50), NEVER] {
            let scenario = Scenario { local_prefill: keep, ..busy(policy.clone(), 3, gossip) };
            let output = run_checked(&scenario);
            assert!(output.requests.iter().any(|record| record.prefilled_locally()), "{policy:?}");
            assert_eq!(output.digest(), run(&scenario).digest(), "{policy:?} with gossip every {gossip:?}");
        }
    }
}
