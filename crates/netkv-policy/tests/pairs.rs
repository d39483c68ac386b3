//! The routers that choose prefill and decode instance together, on cases worked out by hand.

mod common;

use common::{AIBRIX, MOONCAKE, PROMPT, idle, idle_prefill, pair_policy};
use netkv_policy::{AibrixConfig, Candidate, CostOracle, PathCost, PolicyConfig, PrefillCandidate, Report};
use netkv_units::{Bytes, InstanceId, SimDuration, Tier};

/// Ten instances to a rack, two racks to a pod; 10 GB/s in a rack, 5 in a pod, 2.5 between pods, instances of equal
/// number in the same node.
struct Racks;

impl CostOracle for Racks {
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let of = |level: u32, instance: InstanceId| instance.get() / level;
        let same = |level| of(level, source) == of(level, destination);
        let (tier, bandwidth_bytes_per_sec) = match (same(10), same(20)) {
            (true, _) => (Tier::Rack, 10e9),
            (false, true) => (Tier::Pod, 5e9),
            (false, false) => (Tier::Core, 2.5e9),
        };
        let latency = SimDuration::ZERO;
        PathCost {
            tier,
            bandwidth_bytes_per_sec,
            latency,
            congestion_ratio: 0.9,
            counts_in_flight: false,
            age: latency,
        }
    }
}

/// Instances 0 and 10 prefill, 1 and 2, 11 and 12 decode: two rolesets of a rack each.
fn rolesets() -> ([PrefillCandidate; 2], [Candidate; 4]) {
    ([0, 10].map(idle_prefill), [1, 2, 11, 12].map(idle))
}

#[track_caller]
fn check(config: PolicyConfig, prefill: &[PrefillCandidate], decode: &[Candidate], expect: (usize, usize)) {
    for seed in 0..20 {
        let chosen = pair_policy(&config, seed).select_pair(&PROMPT, prefill, decode, &Racks);
        assert_eq!(chosen, expect, "{} with seed {seed}", config.name());
    }
}

/// How often each pair is taken in `n` decisions.
fn counts(config: PolicyConfig, prefill: &[PrefillCandidate], decode: &[Candidate], n: u32) -> Vec<Vec<u32>> {
    let mut policy = pair_policy(&config, 1);
    let mut counts = vec![vec![0; decode.len()]; prefill.len()];
    for _ in 0..n {
        let (p, d) = policy.select_pair(&PROMPT, prefill, decode, &Racks);
        counts[p][d] += 1;
    }
    counts
}

const PD: PolicyConfig = PolicyConfig::AibrixPd(AIBRIX);

#[test]
fn aibrix_takes_both_from_one_roleset_and_draws_among_equals() {
    let (prefill, decode) = rolesets();
    let counts = counts(PD, &prefill, &decode, 12_000);
    // Four pairs within a rack, equally often: 3,000 each, standard deviation 47; none across.
    for (p, d) in [(0, 0), (0, 1), (1, 2), (1, 3)] {
        assert!(counts[p][d].abs_diff(3000) < 250, "{counts:?}");
    }
    assert_eq!(counts[0][2] + counts[0][3] + counts[1][0] + counts[1][1], 0);
}

#[test]
fn aibrix_weighs_a_prefix_at_prefill_against_load_at_decode() {
    // Roleset 0 holds 50 % of the prompt: prefill scores 5 and 10, of 10: 0.5 and 1. Decode: 4, 5 and 2 requests in
    // flight, no rates, all free: 4 / 5 + 1 = 1.8, 2 and 1.4, of 2. Together 0.5 + 0.9 = 1.4 and 1 + 0.7 = 1.7.
    let (mut prefill, mut decode) = rolesets();
    prefill[0].hit_tokens = 500;
    for (candidate, running) in decode.iter_mut().zip([4, 5, 2]) {
        candidate.running = running;
    }
    check(PD, &prefill, &decode[..3], (0, 0));
    // With 10 %: 0.9 + 0.9 = 1.8 against 1.7.
    prefill[0].hit_tokens = 100;
    check(PD, &prefill, &decode[..3], (1, 2));
    // With 21 %: 0.79 + 0.9 = 1.69; 219 of 1,000 tokens count as much, per cents are whole.
    prefill[0].hit_tokens = 219;
    check(PD, &prefill, &decode[..3], (0, 0));
    prefill[0].hit_tokens = 199;
    check(PD, &prefill, &decode[..3], (1, 2));
}

#[test]
fn aibrix_scores_decode_by_load_rate_and_free_memory() {
    // In flight 4 and 2, rates 100 and 50 tokens/s, free 80 and 40 %: relative to 4, 100 and 80 %
    // (1 + 0) / 1 = 1 and (0.5 + 0.5) / 0.5 = 2.
    let (prefill, mut decode) = rolesets();
    let report = |rate, used_tokens| Report { generated_tokens_per_sec: rate, used_tokens, ..Report::default() };
    decode[0] = Candidate { running: 4, report: report(100.0, 20_000), ..decode[0] };
    decode[1] = Candidate { running: 2, report: report(50.0, 60_000), ..decode[1] };
    check(PD, &prefill[..1], &decode[..2], (0, 0));
    // With 78 % free: (0.5 + 0.5) / (78 / 80) = 1.026; at 81 %, now the most: 1 / (80 / 81) = 1.0125 and 1.
    decode[1].report.used_tokens = 22_000;
    check(PD, &prefill[..1], &decode[..2], (0, 0));
    decode[1].report.used_tokens = 19_000;
    check(PD, &prefill[..1], &decode[..2], (0, 1));
    // A full cache counts as 0.1 % free, not as none.
    decode[0].report.used_tokens = 100_000;
    decode[1] = Candidate { running: 10, ..decode[1] };
    check(PD, &prefill[..1], &decode[..2], (0, 1));
}

#[test]
fn aibrix_leaves_the_most_loaded_prefill_instances_out() {
    // Requests 0, 0, 3 in one roleset, the last holding the whole prompt: mean 1, standard deviation sqrt(3) = 1.73: 3
    // > 2.73.
    let (_, decode) = rolesets();
    let mut prefill = [0, 3, 4].map(idle_prefill);
    prefill[2] = PrefillCandidate { requests: 3, hit_tokens: 1000, ..prefill[2] };
    let chosen = counts(PD, &prefill, &decode[..1], 300);
    assert_eq!(chosen[2][0], 0, "{chosen:?}");
    // With 1, 1, 3: mean 1.67, standard deviation 1.15: 3 > 2.82, but not 3 > 3.97: with two deviations it stays, and
    // its prefix wins.
    (prefill[0].requests, prefill[1].requests) = (1, 1);
    let chosen = counts(PD, &prefill, &decode[..1], 300);
    assert_eq!(chosen[2][0], 0, "{chosen:?}");
    let wider = PolicyConfig::AibrixPd(AibrixConfig { deviations: 2.0, ..AIBRIX });
    check(wider, &prefill, &decode[..1], (2, 0));
}

#[test]
fn aibrix_takes_a_far_less_loaded_prefill_instance_first() {
    let (mut prefill, mut decode) = rolesets();
    // 17 is more than 16 apart: the prefix in roleset 0 and the load of roleset 1's decode count for nothing any more.
    prefill[0] = PrefillCandidate { requests: 17, hit_tokens: 1000, ..prefill[0] };
    decode.iter_mut().skip(2).for_each(|candidate| candidate.running = 15);
    decode[3].running = 14;
    check(PD, &prefill, &decode, (1, 3));
    // 16 is not more than 16, nor more than mean + one deviation (8 + 11.3). Prefill 0 + 1 and 10 + 0, of 10: 0.1 and
    // 1; decode 1 and 14 / 15 + 1 = 1.93, of 2: 0.5 and 0.97.
    prefill[0].requests = 16;
    let counts = counts(PD, &prefill, &decode, 100);
    assert_eq!(counts[0][0] + counts[0][1], 100, "{counts:?}");
}

#[test]
fn aibrix_takes_a_far_less_loaded_decode_instance_next() {
    let (mut prefill, mut decode) = rolesets();
    prefill[0].hit_tokens = 1000;
    // 16 apart is enough here. The prefix in roleset 0 does not help.
    (decode[0].running, decode[1].pending, decode[2].running) = (16, 16, 3);
    check(PD, &prefill, &decode, (1, 3));
    decode[3].running = 1;
    let still_even = counts(PD, &prefill, &decode, 50);
    assert_eq!(still_even[0][0] + still_even[0][1], 50, "{still_even:?}");
    // Generation rates 2,049 apart: the lowest rate is taken; 2,048 apart it is not.
    let (_, mut decode) = rolesets();
    decode.iter_mut().for_each(|candidate| candidate.report.generated_tokens_per_sec = 3000.0);
    decode[2].report.generated_tokens_per_sec = 951.0;
    check(PD, &prefill, &decode, (1, 2));
    decode[2].report.generated_tokens_per_sec = 952.0;
    let chosen = counts(PD, &prefill, &decode, 50);
    assert_eq!(chosen[1][2], 0, "{chosen:?}");
}

#[test]
fn aibrix_takes_the_shortest_drain_time_if_they_differ_by_more_than_half() {
    // Its own test: 8 requests drained at 2.0 a second take 4 s, 6 at 0.3 take 20 s: 20 / 4 = 5 > 1.5, although the
    // scores prefer the second.
    let (prefill, mut decode) = rolesets();
    let report = |finished, used_tokens| Report {
        finished_requests_per_sec: finished,
        generated_tokens_per_sec: 200.0,
        used_tokens,
        ..Report::default()
    };
    decode[0] = Candidate { running: 8, report: report(2.0, 30_000), ..decode[0] };
    decode[1] = Candidate { running: 6, report: report(0.3, 30_000), ..decode[1] };
    check(PD, &prefill[..1], &decode[..2], (0, 0));
    // 8 / 2 = 4 s and 6 / 1 = 6 s differ by 1.5 and no more: scores (8 / 8 + 0) and (6 / 8 + 0).
    decode[1].report.finished_requests_per_sec = 1.0;
    check(PD, &prefill[..1], &decode[..2], (0, 1));
    // Rates below 0.1 count as 0.1: 3 / 0.1 = 30 s and 2 / 0.1 = 20 s differ by 1.5 and no more, 3 / 0.05 = 60 s would.
    // With 70 and 35 % free the scores are 3 / 3 and (2 / 3) / (35 / 70) = 1.33.
    let slow = |running, rate, used| Candidate { running, report: report(rate, used), ..decode[0] };
    check(
        PD,
        &prefill[..1],
        &[slow(3, 0.05, 30_000), Candidate { instance: decode[1].instance, ..slow(2, 0.1, 65_000) }],
        (0, 0),
    );
    // Without a rate anywhere the check is skipped.
    decode[1].report.finished_requests_per_sec = 0.0;
    check(PD, &prefill[..1], &decode[..2], (0, 1));
}

#[test]
fn aibrix_uses_complete_rolesets_only_unless_there_is_none() {
    // Rack 2 prefills only, rack 3 decodes only: both stay idle however busy the others are.
    let prefill = [0, 20].map(idle_prefill);
    let mut decode = [1, 30].map(idle);
    decode[0].running = 50;
    check(PD, &prefill, &decode, (0, 0));
    let counts = counts(PD, &prefill[1..], &decode[1..], 10);
    assert_eq!(counts, [[10]]);
    // A wider roleset takes them all in: pods are instances 0 to 19 and 20 to 39.
    let pods = PolicyConfig::AibrixPd(AibrixConfig { roleset: Tier::Pod, ..AIBRIX });
    check(pods, &prefill, &decode, (1, 1));
}

const TTFT: PolicyConfig = PolicyConfig::MooncakeTtft(MOONCAKE);

#[test]
fn mooncake_prefills_where_queue_and_computation_end_first() {
    // 0.1 s a batch and 0.1 ms a token. 1,000 tokens: 0.2 s. A queue with 3,000 tokens: 0.1 + 0.3 = 0.4 s.
    let (mut prefill, decode) = rolesets();
    prefill[0] = PrefillCandidate { requests: 2, backlog_tokens: 3000, ..prefill[0] };
    check(TTFT, &prefill, &decode, (1, 2));
    // A prefix of 900 tokens on instance 0 saves 0.09 s; with a queue of one token (0.1001 s) that makes 0.2101 s against
    // 0.2 s; with an empty queue 0.11 s.
    prefill[0] = PrefillCandidate { requests: 1, backlog_tokens: 1, hit_tokens: 900, ..prefill[0] };
    check(TTFT, &prefill, &decode, (1, 2));
    prefill[0] = PrefillCandidate { requests: 0, backlog_tokens: 0, ..prefill[0] };
    check(TTFT, &prefill, &decode, (0, 0));
    // The first of equals.
    check(TTFT, &rolesets().0, &decode, (0, 0));
}

#[test]
fn mooncake_decodes_where_transfer_wait_and_iteration_end_first() {
    // 1 GB from rack 0: 0.1 s in the rack, 0.2 s in the pod, whatever the congestion or the transfers in flight.
    let (prefill, mut decode) = rolesets();
    decode[0].sharing_transfers = 50;
    check(TTFT, &prefill[..1], &decode, (0, 0));
    // Instance 0 lacks 1,000 tokens of memory: 0.1 s more, equal to the pod but for rounding; 1,100: 0.11 s.
    decode[0].free_tokens = 0;
    decode[0].queued_tokens = 100;
    decode[1].free_tokens = 0;
    check(TTFT, &prefill[..1], &decode, (0, 1));
    decode[1].queued_tokens = 200;
    check(TTFT, &prefill[..1], &decode, (0, 2));
    // 9 of 10 tokens are there: 0.02 s in the pod.
    let (_, mut decode) = rolesets();
    decode[3] = Candidate { hit_tokens: 900, transfer_bytes: Bytes::new(100_000_000), ..decode[3] };
    check(TTFT, &prefill[..1], &decode, (0, 3));
}

#[test]
fn mooncake_keeps_the_tbt_limit_if_it_can() {
    // 10 ms + (39,001 + 1,000) x 1 us is over 50 ms.
    let (prefill, mut decode) = rolesets();
    decode[0].running_tokens = 39_001;
    decode[1].running_tokens = 39_001;
    check(TTFT, &prefill[..1], &decode, (0, 2));
    decode.iter_mut().for_each(|candidate| candidate.running_tokens = 60_000);
    check(TTFT, &prefill[..1], &decode, (0, 0));
}
