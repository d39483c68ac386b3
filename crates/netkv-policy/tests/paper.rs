//! The paper's rule (arXiv 2606.03910v1): its worked example, its equations worked out by hand, and its two propositions
//! on random instances.

mod common;

use common::decode_policy;
use netkv_policy::{
    BatchView, Candidate, CostOracle, GuardedTerms, GuardedWeights, IterationModel, Ledger, NetKv, NetKvConfig,
    NetKvGuarded, PathCost, Policy, PolicyConfig, PromptView, RequestView, WaitModel, WhenFull,
};
use netkv_units::{Bytes, InstanceId, LatencyCurve, RequestId, SimDuration, SimTime, Stream, Tier};

/// The paper's tiers: 450 GB/s, 100, 50 and 25 Gb/s; instance i is at tier i.
struct Tiers {
    congestion_ratio: [f64; 4],
    latency_ns: [u64; 4],
}

const BYTES_PER_SEC: [f64; 4] = [450e9, 12.5e9, 6.25e9, 3.125e9];

impl CostOracle for Tiers {
    fn path(&self, _: InstanceId, destination: InstanceId) -> PathCost {
        let tier = destination.index() % 4;
        PathCost {
            tier: Tier::ALL[tier],
            bandwidth_bytes_per_sec: BYTES_PER_SEC[tier],
            latency: SimDuration::from_nanos(self.latency_ns[tier]),
            congestion_ratio: self.congestion_ratio[tier],
            counts_in_flight: false,
            age: SimDuration::ZERO,
        }
    }
}

const fn tiers(congestion_ratio: [f64; 4]) -> Tiers {
    Tiers { congestion_ratio, latency_ns: [0; 4] }
}

/// 12 ms and 0.5 ms for each request; nothing for context, as in the paper.
const ITERATION: IterationModel =
    IterationModel { requests: LatencyCurve::linear(12_000_000_000_000, 500_000_000_000), per_token_fs: 0 };

const PRINTED: NetKv = NetKv::new(NetKvConfig::PRINTED, ITERATION);

/// 32,768 tokens, 10 GB.
const PROMPT: PromptView = PromptView {
    request: RequestId::new(0),
    input_tokens: 32_768,
    kv_bytes: Bytes::new(10_000_000_000),
    now: SimTime::ZERO,
    ttft_left: SimDuration::ZERO,
};
const REQUEST: RequestView = RequestView { source: InstanceId::new(99), prompt: PROMPT };

/// An idle instance that has this share of the prompt, in eighths.
fn with_hit(instance: u32, eighths: u32) -> Candidate {
    Candidate {
        max_batch: 64,
        free_tokens: 100_000,
        hit_tokens: PROMPT.input_tokens / 8 * eighths,
        transfer_bytes: Bytes::new(PROMPT.kv_bytes.get() / 8 * u64::from(8 - eighths)),
        ..Candidate::unknown(InstanceId::new(instance))
    }
}

/// The terms of a candidate's cost, in seconds: latency, transfer, queue, iteration.
fn terms(config: NetKvConfig, candidate: &Candidate, oracle: &Tiers) -> [f64; 4] {
    let rating = NetKv::new(config, ITERATION).rate(&REQUEST, &[*candidate], oracle).pop().expect("a rating");
    let value = |at: usize| rating.terms[at].value;
    [value(0), value(1), value(2), value(3)]
}

#[track_caller]
fn check_close(found: f64, expect: f64) {
    assert!((found - expect).abs() <= 1e-12 * expect.abs().max(1.0), "{found} is not {expect}");
}

/// Section V: d1 in the pod has half of the prompt and one transfer in flight on its tier, d2 across pods has 90 % of it
/// and none; with c = 0.2 both get 2.5 GB/s, 2.0 s against 0.4 s; with 0.5 on the core d2 gets 1.56 GB/s, 0.64 s.
#[test]
fn the_worked_example_of_the_paper() {
    let near = Candidate { source_tier_transfers: 1, transfer_bytes: Bytes::new(5_000_000_000), ..with_hit(2, 4) };
    let far = Candidate { transfer_bytes: Bytes::new(1_000_000_000), ..with_hit(3, 7) };
    let even = tiers([0.0, 0.0, 0.2, 0.2]);
    check_close(terms(NetKvConfig::PRINTED, &near, &even)[1], 2.0);
    check_close(terms(NetKvConfig::PRINTED, &far, &even)[1], 0.4);
    assert_eq!(PRINTED.choose(&REQUEST, &[near, far], &even), Some(1));
    let core = tiers([0.0, 0.0, 0.2, 0.5]);
    check_close(terms(NetKvConfig::PRINTED, &far, &core)[1], 0.64);
    assert_eq!(PRINTED.choose(&REQUEST, &[near, far], &core), Some(1));
}

/// Eqs. (3) and (4): s_eff / (B (1 - c) / (1 + n)) + latency.
#[test]
fn effective_bandwidth_is_what_congestion_leaves_over_the_transfers_in_flight() {
    let oracle = Tiers { congestion_ratio: [0.0, 0.5, 0.2, 0.9], latency_ns: [1_000, 3_000, 8_000, 15_000] };
    for (tier, n, transfer_s, latency_s) in [
        (0, 0, 10.0 / 450.0, 1e-6),
        (1, 0, 10.0 / 6.25, 3e-6),
        (2, 3, 10.0 / (5.0 / 4.0), 8e-6),
        (3, 1, 10.0 / (0.3125 / 2.0), 15e-6),
        // No more than 16 of them count.
        (2, 16, 10.0 / (5.0 / 17.0), 8e-6),
        (2, 40, 10.0 / (5.0 / 17.0), 8e-6),
    ] {
        let candidate = Candidate { source_tier_transfers: n, sharing_transfers: 9, ..with_hit(tier, 0) };
        let [latency, transfer, ..] = terms(NetKvConfig::PRINTED, &candidate, &oracle);
        check_close(latency, latency_s);
        check_close(transfer, transfer_s);
        let uncapped = NetKvConfig { ledger_cap: 0, ..NetKvConfig::PRINTED };
        check_close(terms(uncapped, &candidate, &oracle)[1] / transfer_s, f64::from(1 + n) / f64::from(1 + n.min(16)));
    }
}

/// Eqs. (6) and (7): iterations for those who find no place, and the first one with the request in it.
#[test]
fn predecessors_that_find_no_place_cost_an_iteration_each() {
    let quiet = tiers([0.0; 4]);
    // Running, waiting, T_queue; then T_decode of the running batch, and of all that were sent there.
    for (running, pending, iterations, decode_s) in [
        (0, 0, 0.0, [0.0125, 0.0125]),
        (62, 2, 0.0, [0.0435, 0.0445]),
        // 5 - (64 - 62) = 3 iterations; 12 + 63 x 0.5 ms, and 12 + 68 x 0.5 ms.
        (62, 5, 3.0, [0.0435, 0.046]),
        (64, 2, 2.0, [0.0445, 0.0455]),
    ] {
        let candidate = Candidate { running, pending, ..with_hit(2, 0) };
        for (batch, decode_s) in [BatchView::Running, BatchView::Committed].into_iter().zip(decode_s) {
            let config = NetKvConfig { batch, ..NetKvConfig::PRINTED };
            let [_, _, queue, decode] = terms(config, &candidate, &quiet);
            check_close(decode, decode_s);
            // An iteration of the batch without the request is half a millisecond shorter.
            check_close(queue, iterations * (decode_s - 0.0005));
        }
    }
}

/// Algorithm 1, line 2: free memory of at least what the request lacks, and the reserve.
#[test]
fn feasible_is_who_has_room_for_what_is_missing_and_the_reserve() {
    let quiet = tiers([0.0; 4]);
    let config = NetKvConfig { reserve_tokens: 1_000, ..NetKvConfig::PRINTED };
    let rule = NetKv::new(config, ITERATION);
    let room = |instance, eighths, free_tokens| Candidate { free_tokens, ..with_hit(instance, eighths) };
    let lacking = 32_768 / 8 * 6;
    assert_eq!(rule.choose(&REQUEST, &[room(2, 2, lacking + 1_000)], &quiet), Some(0));
    assert_eq!(rule.choose(&REQUEST, &[room(2, 2, lacking + 999)], &quiet), None, "it is refused");
    // A farther one with room comes before a near one without.
    assert_eq!(rule.choose(&REQUEST, &[room(2, 2, 0), room(3, 0, 40_000)], &quiet), Some(1));
    let waits = NetKv::new(NetKvConfig { when_full: WhenFull::Wait, ..config }, ITERATION);
    assert_eq!(waits.choose(&REQUEST, &[room(3, 2, 0), room(2, 2, 0)], &quiet), Some(1), "it waits on the best of all");
    // A full batch only costs time, and there is no limit on TBT.
    let full = Candidate { running: 64, ..room(2, 0, 40_000) };
    assert_eq!(rule.choose(&REQUEST, &[full], &quiet), Some(0));
}

#[test]
fn equals_go_to_the_lowest_id() {
    let quiet = tiers([0.0; 4]);
    let twins = [with_hit(3, 0), with_hit(2, 0), with_hit(6, 0)];
    assert_eq!(PRINTED.choose(&REQUEST, &twins, &quiet), Some(1));
}

#[test]
fn the_ablations_leave_out_congestion_and_the_counter() {
    let congested = tiers([0.0, 0.0, 0.9, 0.0]);
    let shared = Candidate { source_tier_transfers: 9, ..with_hit(2, 0) };
    let candidates = [shared, with_hit(3, 0)];
    let choice = |config: PolicyConfig| decode_policy(&config, 1).place(&REQUEST, &candidates, &congested);
    let printed = NetKvConfig::PRINTED;
    assert_eq!(choice(PolicyConfig::NetKv(printed)), Some(1));
    assert_eq!(choice(PolicyConfig::NetKvStatic(printed)), Some(1), "ten shares of the pod's link");
    assert_eq!(choice(PolicyConfig::NetKvTopoOnly(printed)), Some(0));
    let calm = [with_hit(2, 0), with_hit(3, 0)];
    let calm = |config: PolicyConfig| decode_policy(&config, 1).place(&REQUEST, &calm, &congested);
    assert_eq!(calm(PolicyConfig::NetKv(printed)), Some(1));
    assert_eq!(calm(PolicyConfig::NetKvStatic(printed)), Some(0));
}

/// Proposition 1, eq. (8): cache-aware takes the far instance with the longer prefix; the near one is faster whenever
/// (1 - rho1) < k (1 - c1) / (1 - c3) (1 - rho2) + B1 (1 - c1) / s (T_queue(d2) - T_queue(d1)), k = B1 / B3.
#[test]
fn proposition_1_says_when_the_near_instance_is_faster() {
    let mut stream = Stream::new(1, "proposition 1");
    // The proposition leaves T_decode out: the batches are equal.
    let config = NetKvConfig { batch: BatchView::Running, ..NetKvConfig::PRINTED };
    let rule = NetKv::new(config, ITERATION);
    let (mut near_wins, mut cases) = (0, 0);
    for _ in 0..20_000 {
        let (one, two) = (stream.below(8) as u32, stream.below(8) as u32);
        let (c1, c3) = (stream.uniform(0.0, 0.9), stream.uniform(0.0, 0.9));
        let queued = |stream: &mut Stream| 60 + stream.below(10) as u32;
        let near = Candidate { running: 64, pending: queued(&mut stream), ..with_hit(1, one.min(two)) };
        let far = Candidate { running: 64, pending: queued(&mut stream), ..with_hit(3, one.max(two)) };
        let oracle = tiers([0.0, c1, 0.0, c3]);
        let [_, _, queue_near, _] = terms(config, &near, &oracle);
        let [_, _, queue_far, _] = terms(config, &far, &oracle);
        let lacks = |candidate: &Candidate| candidate.transfer_bytes.get() as f64 / PROMPT.kv_bytes.get() as f64;
        let residual = BYTES_PER_SEC[1] * (1.0 - c1);
        let right = 4.0 * (1.0 - c1) / (1.0 - c3) * lacks(&far)
            + residual / PROMPT.kv_bytes.get() as f64 * (queue_far - queue_near);
        if (lacks(&near) - right).abs() < 1e-9 {
            continue;
        }
        let expect = usize::from(lacks(&near) >= right);
        assert_eq!(rule.choose(&REQUEST, &[near, far], &oracle), Some(expect), "{near:?} {far:?} {c1} {c3}");
        (near_wins, cases) = (near_wins + 1 - expect, cases + 1);
    }
    assert!(near_wins > cases / 10 && near_wins < cases * 9 / 10, "both happen: {near_wins} of {cases}");
    // Its example: rho1 = 0, rho2 = 0.5, k = 4, equal congestion and queues: 1 < 2, the far transfer takes twice as long.
    let quiet = tiers([0.0; 4]);
    let ratio = terms(NetKvConfig::PRINTED, &with_hit(3, 4), &quiet)[1]
        / terms(NetKvConfig::PRINTED, &with_hit(1, 0), &quiet)[1];
    check_close(ratio, 2.0);
}

/// The margin of Proposition 2, eq. (9): two tiers keep their order as long as no congestion is off by more.
fn margin(fast: f64, slow: f64, c_fast: f64, c_slow: f64) -> f64 {
    (fast * (1.0 - c_fast) - slow * (1.0 - c_slow)) / (fast + slow)
}

#[test]
fn proposition_2_bounds_the_error_that_keeps_the_order_of_tiers() {
    // Its example: B1 / B3 = 4, both c = 0.3: 0.42.
    check_close(margin(4.0, 1.0, 0.3, 0.3), 0.42);
    let mut stream = Stream::new(1, "proposition 2");
    for _ in 0..20_000 {
        let (c2, c3) = (stream.uniform(0.0, 0.95), stream.uniform(0.0, 0.95));
        let tolerance = margin(BYTES_PER_SEC[2], BYTES_PER_SEC[3], c2, c3);
        if tolerance <= 1e-6 {
            continue;
        }
        let candidates = [with_hit(2, 0), with_hit(3, 0)];
        let chosen = |error: f64| {
            let stale = |ratio: f64| ratio.clamp(0.0, 1.0 - 1e-9);
            PRINTED.choose(&REQUEST, &candidates, &tiers([0.0, 0.0, stale(c2 + error), stale(c3 - error)]))
        };
        assert_eq!(chosen(tolerance * 0.999), Some(0), "within the margin of {c2} and {c3}");
        // Just beyond it, if both figures can be off by that much.
        if c2 + tolerance * 1.001 < 1.0 && c3 - tolerance * 1.001 > 0.0 {
            assert_eq!(chosen(tolerance * 1.001), Some(1), "beyond the margin of {c2} and {c3}");
        }
    }
}

/// Every deviation taken, the rule is the guarded one.
#[test]
fn with_every_deviation_it_is_the_guarded_rule() {
    let mut stream = Stream::new(1, "guarded");
    let weights = GuardedWeights { max_congestion_ratio: 0.95, tbt_limit_s: 0.05, drain_tokens_per_sec: 20_000.0 };
    let config = NetKvConfig {
        ledger: Ledger::Interface,
        ledger_cap: 0,
        max_congestion_ratio: 0.95,
        batch: BatchView::Committed,
        wait: WaitModel::Memory { drain_tokens_per_sec: 20_000.0 },
        reserve_tokens: 0,
        guard_tbt_s: Some(0.05),
        when_full: WhenFull::Wait,
    };
    let (one, other) = (NetKv::new(config, ITERATION), NetKvGuarded::new(weights, GuardedTerms::ALL, ITERATION));
    for case in 0..20_000 {
        let oracle = tiers([0.0, stream.unit(), stream.unit(), stream.unit()].map(|ratio| ratio.min(1.0 - 1e-9)));
        let n = 1 + stream.below(12) as u32;
        let candidates: Vec<_> = (0..n).map(|instance| random_candidate(&mut stream, instance)).collect();
        assert_eq!(
            one.choose(&REQUEST, &candidates, &oracle),
            Some(other.choose(&REQUEST, &candidates, &oracle)),
            "case {case}: {candidates:?}"
        );
    }
}

fn random_candidate(stream: &mut Stream, instance: u32) -> Candidate {
    Candidate {
        running: stream.below(90) as u32,
        pending: stream.below(4) as u32,
        free_tokens: stream.below(60_000),
        queued_tokens: if stream.below(3) == 0 { stream.below(9_000) } else { 0 },
        sharing_transfers: stream.below(5) as u32,
        source_tier_transfers: stream.below(5) as u32,
        ..with_hit(instance, stream.below(8) as u32)
    }
}
