//! The theorems of docs/theory.md on random instances, with the policies as they are implemented: what they promise
//! holds, and just beyond their conditions it does not.

use netkv_policy::{
    Candidate, CostOracle, Estimates, GuardedWeights, IterationModel, LoadMeasure, PathCost, PolicyConfig,
    PrefillModel, PromptView, RequestView, Selector, TieRule,
};
use netkv_units::{Bytes, InstanceId, LatencyCurve, RequestId, SimDuration, SimTime, Stream, Tier};

const ITERATION: IterationModel =
    IterationModel { requests: LatencyCurve::linear(15_000_000_000_000, 30_000_000_000), per_token_fs: 30_000_000 };
const ESTIMATES: Estimates =
    Estimates { prefill: PrefillModel { tokens: LatencyCurve::linear(0, 0), per_pair_fs: 0 }, iteration: ITERATION };
const WEIGHTS: GuardedWeights =
    GuardedWeights { max_congestion_ratio: 0.95, tbt_limit_s: 1e9, drain_tokens_per_sec: 20_000.0 };

/// What the oracle tells of the way to each candidate, by instance.
#[derive(Clone, Debug)]
struct Oracle(Vec<PathCost>);

impl CostOracle for Oracle {
    fn path(&self, _: InstanceId, destination: InstanceId) -> PathCost {
        self.0[destination.index()]
    }
}

impl Oracle {
    fn with_congestion(&self, ratios: &[f64]) -> Self {
        let paths = self.0.iter().zip(ratios);
        Self(paths.map(|(&path, &congestion_ratio)| PathCost { congestion_ratio, ..path }).collect())
    }

    fn congestion(&self) -> Vec<f64> {
        self.0.iter().map(|path| path.congestion_ratio).collect()
    }
}

/// A decision: the request, the candidates, and the oracle's figures.
struct Instance {
    request: RequestView,
    candidates: Vec<Candidate>,
    oracle: Oracle,
}

impl Instance {
    fn choice(&self, config: PolicyConfig, oracle: &Oracle) -> usize {
        let Selector::Decode(mut policy) = config.build(ESTIMATES, 1) else { panic!("{} picks both", config.name()) };
        policy.select(&self.request, &self.candidates, oracle)
    }

    /// Seconds of the transfer to a candidate, by the formula.
    fn transfer_s(&self, at: usize, congestion: f64) -> f64 {
        let (path, candidate) = (self.oracle.0[at], self.candidates[at]);
        let share = 1.0 + f64::from(candidate.sharing_transfers);
        let taken = congestion.clamp(0.0, WEIGHTS.max_congestion_ratio);
        candidate.transfer_bytes.get() as f64 * share / (path.bandwidth_bytes_per_sec * (1.0 - taken))
    }

    /// The cost of a candidate, by the formula. Every one has room.
    fn cost_s(&self, at: usize, congestion: f64) -> f64 {
        let (path, candidate) = (self.oracle.0[at], self.candidates[at]);
        let tokens = candidate.committed_tokens() + u64::from(self.request.prompt.input_tokens);
        let iteration_s = ITERATION.seconds(candidate.running + candidate.pending + 1, tokens);
        path.latency.as_secs_f64() + self.transfer_s(at, congestion) + iteration_s
    }
}

/// Ways of any bandwidth and congestion to candidates that are alike in everything else.
fn alike(stream: &mut Stream, n: u32) -> Instance {
    let bytes = Bytes::new(1_000_000 + stream.below(40_000_000_000));
    let path = |stream: &mut Stream| PathCost {
        tier: Tier::ALL[stream.below(4) as usize],
        bandwidth_bytes_per_sec: 1e9 * libm::exp(stream.uniform(0.0, 6.0)),
        latency: SimDuration::ZERO,
        congestion_ratio: stream.uniform(0.0, 0.9),
        counts_in_flight: false,
        age: SimDuration::ZERO,
    };
    let candidate = |number| Candidate {
        max_batch: 128,
        capacity_tokens: 1_000_000,
        free_tokens: 1_000_000,
        transfer_bytes: bytes,
        ..Candidate::unknown(InstanceId::new(number))
    };
    Instance {
        request: RequestView {
            source: InstanceId::new(n),
            prompt: PromptView {
                request: RequestId::new(0),
                input_tokens: 10_000,
                kv_bytes: bytes,
                now: SimTime::ZERO,
                ttft_left: SimDuration::ZERO,
            },
        },
        candidates: (0..n).map(candidate).collect(),
        oracle: Oracle((0..n).map(|_| path(stream)).collect()),
    }
}

/// The same with bytes, latency, sharing transfers and load of their own.
fn unlike(stream: &mut Stream, n: u32) -> Instance {
    let mut instance = alike(stream, n);
    for (candidate, path) in instance.candidates.iter_mut().zip(&mut instance.oracle.0) {
        candidate.transfer_bytes = Bytes::new(stream.below(40_000_000_000));
        candidate.sharing_transfers = stream.below(4) as u32;
        candidate.running = stream.below(60) as u32;
        candidate.running_tokens = stream.below(500_000);
        path.latency = SimDuration::from_nanos(stream.below(1_000_000));
    }
    instance
}

/// What congestion may have become: each figure moved by at most `drift`, within [0, 1).
fn drifted(stream: &mut Stream, oracle: &Oracle, drift: f64) -> Vec<f64> {
    let move_one = |&path: &PathCost| (path.congestion_ratio + stream.uniform(-drift, drift)).clamp(0.0, 1.0 - 1e-9);
    oracle.0.iter().map(move_one).collect()
}

/// The drift up to which way `i` stays ahead of way `j`.
fn margin(oracle: &Oracle, i: usize, j: usize) -> f64 {
    let free = |at: usize| oracle.0[at].bandwidth_bytes_per_sec * (1.0 - oracle.0[at].congestion_ratio);
    let sum = oracle.0[i].bandwidth_bytes_per_sec + oracle.0[j].bandwidth_bytes_per_sec;
    (free(i) - free(j)) / sum
}

#[test]
fn a_way_stays_ahead_while_congestion_drifts_by_less_than_the_margin() {
    let mut stream = Stream::new(1, "theory");
    let mut held = 0;
    for _ in 0..20_000 {
        let instance = alike(&mut stream, 2);
        let ahead = instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &instance.oracle);
        let margin = margin(&instance.oracle, ahead, 1 - ahead);
        assert!(margin >= 0.0, "what is chosen is ahead");
        let drift = margin * stream.uniform(0.5, 0.999_999);
        // Below the highest congestion that is told apart from others.
        if instance.oracle.0.iter().any(|path| path.congestion_ratio + drift > WEIGHTS.max_congestion_ratio) {
            continue;
        }
        held += 1;
        for _ in 0..8 {
            let present = instance.oracle.with_congestion(&drifted(&mut stream, &instance.oracle, drift));
            assert_eq!(instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &present), ahead, "{present:?}");
        }
    }
    assert!(held > 5_000, "{held} instances meet the condition");
}

#[test]
fn beyond_the_margin_there_is_a_drift_that_turns_the_order_round() {
    let mut stream = Stream::new(2, "theory");
    let mut turned = 0;
    for _ in 0..20_000 {
        let instance = alike(&mut stream, 2);
        let ahead = instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &instance.oracle);
        let drift = margin(&instance.oracle, ahead, 1 - ahead) * 1.000_001 + 1e-12;
        let mut worst = instance.oracle.congestion();
        worst[ahead] += drift;
        worst[1 - ahead] -= drift;
        if worst[ahead] > WEIGHTS.max_congestion_ratio || worst[1 - ahead] < 0.0 {
            continue;
        }
        turned += 1;
        let present = instance.oracle.with_congestion(&worst);
        assert_eq!(instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &present), 1 - ahead, "{present:?}");
    }
    assert!(turned > 5_000, "{turned} instances can turn");
}

#[test]
fn tiers_whose_bandwidth_falls_and_congestion_rises_with_distance_keep_their_order_at_any_age() {
    let mut stream = Stream::new(3, "theory");
    for _ in 0..5_000 {
        let mut instance = alike(&mut stream, 4);
        instance.oracle.0.sort_by(|one, two| two.bandwidth_bytes_per_sec.total_cmp(&one.bandwidth_bytes_per_sec));
        for _ in 0..4 {
            let mut ratios: Vec<f64> = (0..4).map(|_| stream.unit()).collect();
            ratios.sort_by(f64::total_cmp);
            let present = instance.oracle.with_congestion(&ratios);
            assert_eq!(instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &present), 0, "{present:?}");
        }
    }
}

#[test]
fn a_choice_stays_while_its_cost_at_its_worst_is_below_the_others_at_their_best() {
    let mut stream = Stream::new(4, "theory");
    let (mut held, mut turned) = (0, 0);
    for _ in 0..20_000 {
        let instance = unlike(&mut stream, 5);
        let told = instance.oracle.congestion();
        let chosen = instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &instance.oracle);
        let drift = stream.uniform(0.0, 0.3);
        let worst = instance.cost_s(chosen, told[chosen] + drift);
        let best = |at: usize| instance.cost_s(at, told[at] - drift);
        let rival = (0..5).filter(|&at| at != chosen).min_by(|&one, &two| best(one).total_cmp(&best(two)));
        let rival = rival.expect("there are others");
        if worst < best(rival) {
            held += 1;
            for _ in 0..4 {
                let present = instance.oracle.with_congestion(&drifted(&mut stream, &instance.oracle, drift));
                assert_eq!(instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &present), chosen, "{present:?}");
            }
        } else if worst > best(rival) * (1.0 + 1e-9) {
            turned += 1;
            let mut ratios = told.clone();
            ratios[chosen] = (ratios[chosen] + drift).min(1.0 - 1e-9);
            ratios[rival] = (ratios[rival] - drift).max(0.0);
            let present = instance.oracle.with_congestion(&ratios);
            assert_ne!(instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &present), chosen, "{present:?}");
        }
    }
    assert!(held > 2_000 && turned > 2_000, "{held} choices hold and {turned} can turn");
}

#[test]
fn a_choice_by_old_figures_costs_no_more_than_two_drifts() {
    let mut stream = Stream::new(5, "theory");
    let mut wrong = 0;
    for _ in 0..20_000 {
        let instance = unlike(&mut stream, 5);
        let told = instance.oracle.congestion();
        let chosen = instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &instance.oracle);
        // So that nothing is cut off at either end.
        let drift = stream.uniform(0.0, 0.05);
        let present = drifted(&mut stream, &instance.oracle, drift);
        let best = instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &instance.oracle.with_congestion(&present));
        if best == chosen {
            continue;
        }
        wrong += 1;
        let regret = instance.cost_s(chosen, present[chosen]) - instance.cost_s(best, present[best]);
        let lost = instance.transfer_s(chosen, told[chosen]) * drift / (1.0 - told[chosen] - drift);
        let missed = instance.transfer_s(best, told[best]) * drift / (1.0 - told[best] + drift);
        assert!(regret <= (lost + missed) * (1.0 + 1e-9), "{regret} against {lost} and {missed}");
    }
    assert!(wrong > 200, "{wrong} choices were wrong");
}

/// The family of the first theorem: half of the prompt, or another share above the threshold, is cached behind a way
/// that all far instances share; near instances have nothing.
struct Family {
    requests_per_sec: f64,
    bytes_per_token: f64,
    shared_ratio: f64,
    far_bytes_per_sec: f64,
    near_bytes_per_sec: f64,
    /// Prefill and everything else that is the same near and far: base, per token, per token squared.
    compute_s: [f64; 3],
}

impl Family {
    fn random(stream: &mut Stream) -> Self {
        let far_bytes_per_sec = 1e9 * libm::exp(stream.uniform(0.0, 3.0));
        Self {
            requests_per_sec: stream.uniform(0.05, 5.0),
            bytes_per_token: stream.uniform(5e4, 6e5),
            shared_ratio: stream.uniform(0.35, 0.95),
            far_bytes_per_sec,
            near_bytes_per_sec: far_bytes_per_sec * stream.uniform(4.0, 50.0),
            compute_s: [stream.uniform(0.0, 0.1), stream.uniform(0.0, 1e-4), stream.uniform(0.0, 2e-9)],
        }
    }

    fn own_bytes(&self, tokens: f64) -> f64 {
        (1.0 - self.shared_ratio) * tokens * self.bytes_per_token
    }

    /// The context at which the far way is offered all that it carries.
    fn critical_tokens(&self) -> f64 {
        self.far_bytes_per_sec / (self.requests_per_sec * self.own_bytes(1.0))
    }

    fn compute_s(&self, tokens: f64) -> f64 {
        let [base, linear, quadratic] = self.compute_s;
        base + linear * tokens + quadratic * tokens * tokens
    }

    /// Mean TTFT if every request goes far.
    fn far_s(&self, tokens: f64) -> f64 {
        let alone = self.own_bytes(tokens) / self.far_bytes_per_sec;
        self.compute_s(tokens) + alone / (1.0 - tokens / self.critical_tokens())
    }

    /// Mean TTFT if every request goes to one near instance, with its whole KV cache.
    fn near_s(&self, tokens: f64) -> f64 {
        let alone = tokens * self.bytes_per_token / self.near_bytes_per_sec;
        let load = self.requests_per_sec * alone;
        assert!(load < 1.0, "the near way is not overloaded");
        self.compute_s(tokens) + alone / (1.0 - load)
    }

    /// The decision on a request, with far instances first.
    fn decision(&self, stream: &mut Stream, tokens: u32) -> Instance {
        let mut instance = alike(stream, 4);
        instance.request.prompt.input_tokens = tokens;
        for at in 0..4 {
            let (far, holds) = (at < 2, at == 0);
            let hit_tokens = if holds { (f64::from(tokens) * self.shared_ratio) as u32 } else { 0 };
            let missing = f64::from(tokens - hit_tokens);
            instance.candidates[at].hit_tokens = hit_tokens;
            instance.candidates[at].transfer_bytes = Bytes::new((missing * self.bytes_per_token) as u64);
            instance.candidates[at].running_tokens = stream.below(400_000);
            let bandwidth_bytes_per_sec = if far { self.far_bytes_per_sec } else { self.near_bytes_per_sec };
            let tier = if far { Tier::Core } else { Tier::Node };
            instance.oracle.0[at] =
                PathCost { tier, bandwidth_bytes_per_sec, congestion_ratio: 0.0, ..instance.oracle.0[at] };
        }
        instance
    }
}

#[test]
fn cache_aware_alone_is_as_many_times_slower_as_one_likes() {
    let mut stream = Stream::new(6, "theory");
    let mut families = 0;
    while families < 200 {
        let family = Family::random(&mut stream);
        let critical = family.critical_tokens();
        // At the critical context the near way must carry whole KV caches with room to spare.
        let near_load = family.requests_per_sec * critical * family.bytes_per_token / family.near_bytes_per_sec;
        if near_load > 0.9 || !(1e3..=5e6).contains(&critical) {
            continue;
        }
        families += 1;
        for factor in [2.0, 10.0, 1000.0] {
            // The context of the proof: its far transfer alone takes `factor` times the whole of near.
            let near_s = family.near_s(critical);
            let alone_s = 1.0 / family.requests_per_sec;
            let tokens = critical * factor * near_s / (alone_s + factor * near_s);
            assert!(tokens < critical);
            let ratio = family.far_s(tokens) / family.near_s(tokens);
            assert!(ratio >= factor * (1.0 - 1e-9), "{ratio} at {tokens} of {critical} tokens");
        }
        // The policies do choose so, whatever the load of the instances.
        let tokens = (critical * stream.uniform(0.5, 0.999)) as u32;
        let instance = family.decision(&mut stream, tokens);
        let chosen = |config| instance.choice(config, &instance.oracle);
        assert_eq!(
            chosen(PolicyConfig::CacheAware {
                threshold_ratio: 0.3,
                load: LoadMeasure::CommittedTokens,
                ties: TieRule::LowestId
            }),
            0
        );
        let (far_s, near_s) = (instance.cost_s(0, 0.0), instance.cost_s(2, 0.0).min(instance.cost_s(3, 0.0)));
        assert_eq!(chosen(PolicyConfig::NetKvGuarded(WEIGHTS)) >= 2, near_s < far_s);
    }
}

/// A single request gains no more than the ratio of bandwidths: what is unbounded is the queue.
#[test]
fn a_lone_request_loses_no_more_than_the_ratio_of_bandwidths() {
    let mut stream = Stream::new(7, "theory");
    for _ in 0..5_000 {
        let mut instance = alike(&mut stream, 5);
        for candidate in &mut instance.candidates {
            candidate.hit_tokens = stream.below(u64::from(instance.request.prompt.input_tokens)) as u32;
            let missing = u64::from(instance.request.prompt.input_tokens - candidate.hit_tokens);
            candidate.transfer_bytes = Bytes::new(missing * 327_680);
        }
        let told = instance.oracle.congestion();
        let chosen = instance.choice(
            PolicyConfig::CacheAware {
                threshold_ratio: 0.0,
                load: LoadMeasure::CommittedTokens,
                ties: TieRule::LowestId,
            },
            &instance.oracle,
        );
        let best = instance.choice(PolicyConfig::NetKvGuarded(WEIGHTS), &instance.oracle);
        let free = |at: usize| instance.oracle.0[at].bandwidth_bytes_per_sec * (1.0 - told[at]);
        let ratio = instance.cost_s(chosen, told[chosen]) / instance.cost_s(best, told[best]);
        assert!(ratio <= (free(best) / free(chosen)).max(1.0) * (1.0 + 1e-9), "{ratio}");
    }
}
