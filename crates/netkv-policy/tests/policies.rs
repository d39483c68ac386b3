//! Each policy on cases worked out by hand.

use netkv_policy::{Candidate, CostOracle, IterationModel, NetKvWeights, PathCost, PolicyConfig, RequestView};
use netkv_units::{Bytes, InstanceId, LatencyCurve, SimDuration, Tier};

const ITERATION: IterationModel =
    IterationModel { requests: LatencyCurve::linear(10_000_000_000_000, 0), per_token_fs: 1_000_000_000 };
const WEIGHTS: NetKvWeights =
    NetKvWeights { max_congestion_ratio: 0.95, tbt_limit_s: 0.05, drain_tokens_per_sec: 10_000.0 };

/// Instance 0 is in the request's node, 1 in its rack, 2 in its pod, 3 in another pod.
struct Oracle {
    congestion_ratio: [f64; 4],
    counts_in_flight: bool,
}

const QUIET: Oracle = Oracle { congestion_ratio: [0.0; 4], counts_in_flight: false };

impl CostOracle for Oracle {
    fn path(&self, _: InstanceId, destination: InstanceId) -> PathCost {
        let tier = destination.index();
        PathCost {
            tier: Tier::ALL[tier],
            bandwidth_bytes_per_sec: [100e9, 10e9, 5e9, 2.5e9][tier],
            latency: SimDuration::ZERO,
            congestion_ratio: self.congestion_ratio[tier],
            counts_in_flight: self.counts_in_flight,
            age: SimDuration::ZERO,
        }
    }
}

const REQUEST: RequestView = RequestView { source: InstanceId::new(9), input_tokens: 1000 };

/// An idle instance with room for 100,000 tokens; the whole prompt of 1 GB would have to be moved to it.
fn idle(instance: u32) -> Candidate {
    Candidate {
        instance: InstanceId::new(instance),
        running: 0,
        pending: 0,
        max_batch: 64,
        running_tokens: 0,
        pending_tokens: 0,
        capacity_tokens: 100_000,
        free_tokens: 100_000,
        queued_tokens: 0,
        hit_tokens: 0,
        transfer_bytes: Bytes::new(1_000_000_000),
        sharing_transfers: 0,
    }
}

fn four() -> [Candidate; 4] {
    [0, 1, 2, 3].map(idle)
}

#[track_caller]
fn check(config: PolicyConfig, candidates: &[Candidate], oracle: &Oracle, expect: usize) {
    assert_eq!(config.build(ITERATION).select(&REQUEST, candidates, oracle), expect, "{}", config.name());
}

#[test]
fn round_robin_takes_them_in_turn() {
    let mut policy = PolicyConfig::RoundRobin.build(ITERATION);
    let chosen: Vec<_> = (0..6).map(|_| policy.select(&REQUEST, &four(), &QUIET)).collect();
    assert_eq!(chosen, [0, 1, 2, 3, 0, 1]);
}

#[test]
fn load_aware_counts_what_was_promised_as_well_as_what_runs() {
    let mut candidates = four();
    candidates[0].running_tokens = 500;
    candidates[1].pending_tokens = 400;
    candidates[2].running_tokens = 300;
    candidates[3] = Candidate { running_tokens: 200, pending_tokens: 200, ..candidates[3] };
    check(PolicyConfig::LoadAware, &candidates, &QUIET, 2);
    candidates[2].pending_tokens = 100;
    check(PolicyConfig::LoadAware, &candidates, &QUIET, 1);
}

#[test]
fn cache_aware_takes_the_longest_prefix_if_it_is_worth_it() {
    let config = PolicyConfig::CacheAware { threshold_ratio: 0.3 };
    let mut candidates = four();
    candidates[0].running_tokens = 1;
    candidates[2] = Candidate { hit_tokens: 300, running_tokens: 50_000, ..candidates[2] };
    check(config, &candidates, &QUIET, 1);
    candidates[2].hit_tokens = 301;
    check(config, &candidates, &QUIET, 2);
}

#[test]
fn cache_load_aware_weighs_the_cached_share_against_relative_load() {
    let config = |cache_weight| PolicyConfig::CacheLoadAware { cache_weight, load_weight: 1.0 };
    let mut candidates = four();
    for candidate in &mut candidates {
        candidate.running_tokens = 600;
    }
    // Scores: 0: -0.6, 3: w 0.5 - 1.
    candidates[3] = Candidate { hit_tokens: 500, running_tokens: 1000, ..candidates[3] };
    check(config(0.79), &candidates, &QUIET, 0);
    check(config(0.81), &candidates, &QUIET, 3);
}

#[test]
fn netkv_prefers_the_near_until_it_is_congested_shared_or_full() {
    let config = PolicyConfig::NetKv(WEIGHTS);
    check(config, &four(), &QUIET, 0);
    let only_far = &four()[1..];
    check(config, only_far, &QUIET, 0);
    // 1 GB: 0.1 s at 10 GB/s; three transfers more make it 0.4 s, the pod's 5 GB/s take 0.2 s.
    let mut shared = four()[1..].to_vec();
    shared[0].sharing_transfers = 3;
    check(config, &shared, &QUIET, 1);
    check(config, &shared, &Oracle { counts_in_flight: true, ..QUIET }, 0);
    let congested = Oracle { congestion_ratio: [0.0, 0.9, 0.1, 0.0], counts_in_flight: false };
    check(config, only_far, &congested, 1);
    check(PolicyConfig::NetKvStatic(WEIGHTS), only_far, &congested, 0);
    let mut full = four();
    full[0].free_tokens = 999;
    check(config, &full, &QUIET, 1);
    full[0].hit_tokens = 1;
    check(config, &full, &QUIET, 0);
}

#[test]
fn netkv_avoids_instances_whose_iterations_are_too_long() {
    let config = PolicyConfig::NetKv(WEIGHTS);
    let mut candidates = four();
    // 10 ms + (39,001 + 1,000) x 1 us is over the limit of 50 ms.
    candidates[0].running_tokens = 39_001;
    check(config, &candidates, &QUIET, 1);
    candidates[0].running_tokens = 39_000;
    check(config, &candidates[..1], &QUIET, 0);
    candidates.iter_mut().for_each(|candidate| candidate.running_tokens = 80_000);
    check(config, &candidates, &QUIET, 0);
}

#[test]
fn netkv_without_room_anywhere_takes_the_shortest_wait() {
    let mut candidates = four();
    for (candidate, free) in candidates.iter_mut().zip([0, 100, 900, 950]) {
        candidate.free_tokens = free;
    }
    // Waits of 0.1, 0.09, 0.01, 0.005 s; transfers of 0.01, 0.1, 0.2, 0.4 s.
    check(PolicyConfig::NetKv(WEIGHTS), &candidates, &QUIET, 0);
    candidates[0].running_tokens = 200_000;
    check(PolicyConfig::NetKv(WEIGHTS), &candidates, &QUIET, 1);
}

#[test]
fn netkv_counts_those_who_wait_already() {
    let mut candidates = four();
    candidates.iter_mut().for_each(|candidate| candidate.free_tokens = 1500);
    // Instance 0 lacks 500 + 1000 - 1500 = 0 tokens, but somebody is before the request: it has no room at once.
    candidates[0].queued_tokens = 500;
    check(PolicyConfig::NetKv(WEIGHTS), &candidates, &QUIET, 1);
    // Nobody has room: waits of 0.15, 0.05 s; transfers of 0.01, 0.1 s.
    candidates[0].queued_tokens = 2000;
    candidates[1].queued_tokens = 1000;
    check(PolicyConfig::NetKv(WEIGHTS), &candidates[..2], &QUIET, 1);
}

#[test]
fn netkv_wants_a_place_in_the_batch() {
    let mut candidates = four();
    candidates[0] = Candidate { running: 60, pending: 3, ..candidates[0] };
    check(PolicyConfig::NetKv(WEIGHTS), &candidates, &QUIET, 0);
    candidates[0].pending = 4;
    check(PolicyConfig::NetKv(WEIGHTS), &candidates, &QUIET, 1);
}

#[test]
fn netkv_moves_only_what_is_missing() {
    let mut candidates = four();
    candidates[0].sharing_transfers = 30;
    candidates[2].transfer_bytes = Bytes::new(100_000_000);
    check(PolicyConfig::NetKv(WEIGHTS), &candidates, &QUIET, 2);
}

#[test]
fn equal_costs_go_to_the_lowest_id() {
    for config in [
        PolicyConfig::LoadAware,
        PolicyConfig::CacheAware { threshold_ratio: 0.3 },
        PolicyConfig::CacheLoadAware { cache_weight: 1.0, load_weight: 1.0 },
        PolicyConfig::NetKv(WEIGHTS),
    ] {
        let same = [idle(1), idle(1), idle(1)];
        check(config, &same, &QUIET, 0);
    }
}

#[test]
fn every_policy_has_a_name_in_the_list() {
    for config in [
        PolicyConfig::RoundRobin,
        PolicyConfig::LoadAware,
        PolicyConfig::CacheAware { threshold_ratio: 0.3 },
        PolicyConfig::CacheLoadAware { cache_weight: 1.0, load_weight: 1.0 },
        PolicyConfig::NetKv(WEIGHTS),
        PolicyConfig::NetKvStatic(WEIGHTS),
        PolicyConfig::Clairvoyant(WEIGHTS),
    ] {
        assert!(PolicyConfig::NAMES.contains(&config.name()));
    }
}
