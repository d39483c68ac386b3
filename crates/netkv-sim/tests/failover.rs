//! Instances that fail, are drained and come: cases with an answer on paper, and conservation in random ones.

mod common;

use common::random::{random_changes, random_scenario};
use common::{POLICIES, millis, scenario};
use netkv_sim::{
    ClusterChange, ClusterEvent, Overlap, Placement, Pool, RequestRecord, Scenario, Unexplained, explain, run,
    run_checked,
};
use netkv_units::{BlockId, RequestId, SimTime, Stream};
use netkv_workload::Workload;

use ClusterChange::{Drain, Fail, Join};
use Pool::{Decode, Prefill};

/// Prompts of 1,000 tokens that come at these milliseconds, with so many tokens of answer; all of one prefix.
fn at(ms: &[u64], output_tokens: u32) -> Scenario {
    let prompt = |ms: &u64| (SimTime::ZERO + millis(*ms), 1000, output_tokens, vec![BlockId::new(0), BlockId::new(1)]);
    let mut scenario = scenario(Workload::from_parts(ms.iter().map(prompt).collect()));
    // Instances 0 to 3 prefill in one pod, 4 to 7 decode in the other: 50 ms from here to there.
    scenario.cluster.placement = Placement::PerPod;
    scenario.kv.prefix_caching = false;
    scenario.policy = POLICIES[0].clone();
    scenario
}

fn with(mut scenario: Scenario, events: &[(u64, Pool, u32, ClusterChange)]) -> Vec<RequestRecord> {
    let event = |&(ms, pool, instance, change)| ClusterEvent { at: SimTime::ZERO + millis(ms), pool, instance, change };
    scenario.cluster.events = events.iter().map(event).collect();
    let output = run_checked(&scenario);
    let failovers: u32 = output.requests.iter().map(|record| record.failovers).sum();
    assert_eq!(output.totals.failovers, u64::from(failovers));
    output.requests
}

/// Where a request was prefilled and decoded.
fn instances(record: &RequestRecord) -> (u32, u32) {
    (record.prefill_instance.get(), record.decode_instance.expect("it was decoded").get())
}

/// Prefilled until 1,000 ms, moved until 1,050, tokens every 10 ms from 1,060 on.
#[test]
fn who_was_decoded_on_an_instance_that_fails_is_prefilled_anew() {
    let record = with(at(&[0], 100), &[(1500, Decode, 0, Fail)])[0].clone();
    // Again from 1,500 ms on: computed until 2,500, there at 2,550.
    assert_eq!((record.parts.prefill_queue, record.parts.prefill_compute), (millis(1500), millis(1000)));
    assert_eq!((record.ttft, record.decoding, record.failovers), (millis(2560), millis(990), 1));
    assert_eq!(record.parts.total(), record.ttft);
    assert_ne!(instances(&record).1, 4);
    assert_eq!(record.transfer_bytes, 1_000_000_000, "of the transfer that counted");
}

#[test]
fn who_waits_is_computed_or_moved_when_its_prefill_instance_fails_begins_again() {
    let ttft = |ms: u64| {
        let record = with(at(&[0], 2), &[(ms, Prefill, 0, Fail)])[0].clone();
        (record.ttft, record.failovers, instances(&record).0)
    };
    assert_eq!(ttft(400), (millis(400 + 1060), 1, 1), "being computed");
    assert_eq!(ttft(1020), (millis(1020 + 1060), 1, 1), "being moved");
    assert_eq!(ttft(1055), (millis(1060), 0, 0), "nothing of it is there any more");
    // Five prompts on four instances: the last one waits behind the first.
    let records = with(at(&[0, 0, 0, 0, 1], 2), &[(500, Prefill, 0, Fail)]);
    let again: Vec<_> = records.iter().map(|record| record.failovers).collect();
    assert_eq!(again, [1, 0, 0, 0, 1]);
    // The first goes behind the second, which is done at 1,000 ms, the last behind the third.
    assert_eq!([&records[0], &records[4]].map(|record| instances(record).0), [1, 2]);
    assert_eq!(records[0].parts.prefill_queue, millis(1000));
}

#[test]
fn who_is_moved_to_an_instance_that_fails_begins_again() {
    let record = with(at(&[0], 2), &[(1020, Decode, 0, Fail)])[0].clone();
    assert_eq!((record.ttft, record.failovers), (millis(1020 + 1060), 1));
}

#[test]
fn whoever_is_drained_ends_what_it_has_and_takes_nothing_new() {
    let events = [(1500, Decode, 0, Drain), (4000, Decode, 0, Join)];
    let records = with(at(&[0, 1000, 2000, 3000, 4000], 100), &events);
    let decoded: Vec<_> = records.iter().map(|record| instances(record).1).collect();
    // In turn: the fifth, of four again, is done when the first instance is back.
    assert_eq!(decoded[0], 4);
    assert!(decoded[1..4].iter().all(|&decode| decode != 4), "{decoded:?}");
    assert!(records.iter().all(|record| record.failovers == 0));
    assert_eq!((records[0].ttft, records[0].decoding), (millis(1060), millis(990)), "as if nothing had happened");
    let mut later = at(&[0, 6000], 2);
    later.policy = POLICIES[1].clone();
    let back = with(later, &[(500, Decode, 0, Drain), (4000, Decode, 0, Join)]);
    assert_eq!([instances(&back[0]).1, instances(&back[1]).1], [5, 4], "the lowest of equals, once it is back");
}

#[test]
fn who_joins_is_not_there_before() {
    let joins = [(2000, Prefill, 0, Join), (2000, Decode, 0, Join)];
    let mut scenario = at(&[0, 5000], 2);
    scenario.policy = POLICIES[1].clone();
    let records = with(scenario, &joins);
    assert_eq!([instances(&records[0]), instances(&records[1])], [(1, 5), (0, 4)]);
}

#[test]
fn whoever_fails_comes_back_with_empty_caches() {
    let hits = |change| {
        let mut scenario = at(&[0, 5000], 2);
        scenario.kv.prefix_caching = true;
        scenario.policy = POLICIES[1].clone();
        let events =
            [(2000, Prefill, 0, change), (3000, Prefill, 0, Join), (2000, Decode, 0, change), (3000, Decode, 0, Join)];
        let mut events = events.to_vec();
        events.sort_by_key(|event| event.0);
        let last = with(scenario, &events)[1].clone();
        assert_eq!(instances(&last), (0, 4));
        (last.prefill_hit_tokens, last.decode_hit_tokens)
    };
    assert_eq!((hits(Drain), hits(Fail)), ((512, 512), (0, 0)));
}

#[test]
fn a_cluster_that_changes_is_not_explained() {
    let mut scenario = at(&[0], 2);
    scenario.cluster.events = vec![ClusterEvent { at: SimTime::ZERO, pool: Decode, instance: 3, change: Drain }];
    assert_eq!(explain(&scenario, RequestId::new(0)), Err(Unexplained::ClusterChanges));
}

/// Random scenarios in which all but the first instance of each pool fail, are drained, join and come back.
fn random_events(seed: u64) -> Scenario {
    let mut scenario = random_scenario(seed);
    scenario.transfer.overlap = Overlap::None;
    let mut stream = Stream::new(seed, "cluster events");
    scenario.scheduler.replicas = [1, 3][stream.below(2) as usize];
    let span_ms = scenario.workload.last_arrival().as_nanos() / 1_000_000 + 2000;
    let instances = [Prefill, Decode].into_iter().flat_map(|pool| (1..4).map(move |n| (pool, n)));
    scenario.cluster.events = random_changes(&mut stream, span_ms, instances, 6);
    scenario
}

#[test]
fn nothing_is_lost_when_instances_fail() {
    let mut failovers = 0;
    for seed in 0..80 {
        let scenario = random_events(seed);
        let output = run_checked(&scenario);
        let served = output.requests.len() as u64 + output.totals.rejected + output.totals.refused;
        assert_eq!(served, scenario.workload.len() as u64, "seed {seed}");
        assert!(output.requests.iter().all(|record| record.parts.total() == record.ttft), "seed {seed}");
        assert_eq!(output.digest(), run(&scenario).digest(), "seed {seed}");
        failovers += output.totals.failovers;
    }
    assert!(failovers > 300, "{failovers}");
}
