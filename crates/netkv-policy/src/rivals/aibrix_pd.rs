//! AIBrix's `pd` router: prefill and decode instance of one roleset, chosen together.
//!
//! A roleset is a group of prefill and decode instances; those without one of either take no part. Then, in turn:
//!
//! 1. If the requests in prefill of two instances differ by more than `prefill_spread_requests`, one of those with the
//!    fewest is taken, and the decode instances of its roleset.
//! 2. If the requests in flight of two decode instances differ by at least `decode_spread_requests`, one with the
//!    fewest; else if their generation rates differ by more than `throughput_spread_tokens_per_sec`, one with the
//!    lowest; else if all have a drain rate and the largest in flight / drain rate is more than `drain_ratio` times the
//!    smallest, one with the smallest. If so, the prefill instances of its roleset.
//! 3. Of what is left, the roleset with the least prefill / max prefill + decode / max decode, where
//!
//! prefill = 0.1 * (100 - match %) + requests / max requests, instances with more requests than mean + `deviations` *
//! standard deviation left out, and
//! decode = (running_weight * in flight / max + throughput_weight * (1 - rate / max rate)) / (free % / max free %),
//! free % rounded, at least 0.1; each max at least 1, max decode at least 0.01. Drain rates are at least 0.1 a second.
//!
//! Requests are the gateway's own live counts, pending ones included; rates and use of KV caches come from metrics
//! polled every 50 ms. Equals are drawn from uniformly (instances are shuffled, rolesets come in map order). Source:
//! AIBrix, commit e3e10f9, `pkg/plugins/gateway/algorithms/pd_disaggregation.go`, `pd/prefill_scorer.go`
//! (prefix_cache), `pd/decode_scorer.go` (load_balancing), with their defaults (16, 16, 2,048, 1.5, 1, 1, 1).
//!
//! Ours: rolesets are the instances within a tier of each other, where AIBrix reads labels; if none is complete,
//! all are one. The true prefix caches stand in for its prefix index. The generation rate is that of the present
//! iteration. Left out: buckets of prompt lengths (off by default), pods whose metrics are not there yet.

use crate::candidate::{Candidate, PrefillCandidate};
use crate::oracle::CostOracle;
use crate::policy::PairPolicy;
use crate::request::PromptView;
use crate::ties::Ties;
use netkv_units::{InstanceId, SimDuration, Tier};

/// What a per cent of the prompt that is not in the prefix cache adds to a prefill score.
const MISS_WEIGHT: f64 = 0.1;
/// Least free share of a KV cache, in per cent.
const LEAST_FREE_PERCENT: f64 = 0.1;
/// Drain rates below this count as this, in requests per second (`defaultDrainRateEpsilon`).
const LEAST_DRAIN_PER_SEC: f64 = 0.1;
/// Least maximum of the decode scores.
const LEAST_DECODE_MAX: f64 = 0.01;

/// Parameters of AIBrix's pd router.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AibrixConfig {
    /// Instances this near to each other are one roleset.
    pub roleset: Tier,
    /// Prefill counts that differ by no more are even.
    pub prefill_spread_requests: u32,
    /// Decode counts that differ by less are even.
    pub decode_spread_requests: u32,
    /// Generation rates that differ by no more are even, in tokens per second.
    pub throughput_spread_tokens_per_sec: f64,
    /// Drain times that differ by no larger a factor are even.
    pub drain_ratio: f64,
    /// Prefill instances more than this many standard deviations above the mean take no part.
    pub deviations: f64,
    /// Weight of the requests in flight in the decode score.
    pub running_weight: f64,
    /// Weight of the generation rate in the decode score.
    pub throughput_weight: f64,
    /// Time between reports.
    pub poll_interval: SimDuration,
}

/// The rule.
pub(crate) struct AibrixPd {
    config: AibrixConfig,
    ties: Ties,
    /// By roleset: one of its instances.
    rolesets: Vec<InstanceId>,
    prefill: Pool,
    decode: Pool,
    /// The best pair of each roleset.
    pairs: Vec<(usize, usize)>,
}

/// One side of the choice; allocated once.
#[derive(Default)]
struct Pool {
    /// By position: its roleset.
    roleset: Vec<usize>,
    /// Positions that are still in the choice.
    left: Vec<usize>,
    /// By position: its score, if it is in the choice.
    score: Vec<f64>,
}

impl Pool {
    fn begin(&mut self, rolesets: impl Iterator<Item = usize>) {
        self.roleset.clear();
        self.roleset.extend(rolesets);
        self.left.clear();
        self.left.extend(0..self.roleset.len());
        self.score.clear();
        self.score.resize(self.roleset.len(), f64::INFINITY);
    }

    fn has(&self, roleset: usize) -> bool {
        self.left.iter().any(|&position| self.roleset[position] == roleset)
    }

    /// Keeps one instance, and only its roleset on the other side.
    fn narrow(&mut self, position: usize, other: &mut Self) {
        self.left.clear();
        self.left.push(position);
        let roleset = self.roleset[position];
        other.left.retain(|&position| other.roleset[position] == roleset);
    }

    /// The largest score in the choice, at least `least`.
    fn largest(&self, least: f64) -> f64 {
        self.left.iter().fold(least, |largest, &position| largest.max(self.score[position]))
    }

    /// The instance of a roleset with the least score.
    fn best(&self, roleset: usize, ties: &mut Ties) -> Option<usize> {
        let own = self.left.iter().filter(|&&position| self.roleset[position] == roleset);
        ties.least(0.0, own.map(|&position| (position, self.score[position])))
    }
}

/// Smallest and largest of some figures.
fn extremes(figures: impl Iterator<Item = f64>) -> (f64, f64) {
    figures.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), figure| (least.min(figure), most.max(figure)))
}

impl AibrixPd {
    /// The rule with these parameters.
    pub(crate) fn new(config: AibrixConfig, seed: u64) -> Self {
        let (prefill, decode) = (Pool::default(), Pool::default());
        Self { config, ties: Ties::new(seed), rolesets: Vec::new(), prefill, decode, pairs: Vec::new() }
    }

    /// Finds the rolesets, and leaves those that are complete in the choice.
    fn group(&mut self, prefill: &[PrefillCandidate], decode: &[Candidate], oracle: &dyn CostOracle) {
        let (rolesets, level) = (&mut self.rolesets, self.config.roleset);
        rolesets.clear();
        let mut label = |instance: InstanceId| {
            let known = rolesets.iter().position(|&other| other == instance || oracle.tier(other, instance) <= level);
            known.unwrap_or_else(|| {
                rolesets.push(instance);
                rolesets.len() - 1
            })
        };
        self.prefill.begin(prefill.iter().map(|candidate| label(candidate.instance)));
        self.decode.begin(decode.iter().map(|candidate| label(candidate.instance)));
        if !(0..self.rolesets.len()).any(|roleset| self.prefill.has(roleset) && self.decode.has(roleset)) {
            self.rolesets.truncate(1);
            self.prefill.roleset.fill(0);
            self.decode.roleset.fill(0);
        }
        let (with_prefill, with_decode) = (&self.prefill.roleset, &self.decode.roleset);
        self.prefill.left.retain(|&position| with_decode.contains(&with_prefill[position]));
        self.decode.left.retain(|&position| with_prefill.contains(&with_decode[position]));
    }

    /// Step 1: the prefill instance that is far less loaded than another, if there is one.
    fn spare_prefill(&mut self, prefill: &[PrefillCandidate]) -> Option<usize> {
        let counts = || self.prefill.left.iter().map(|&position| (position, f64::from(prefill[position].requests)));
        let (least, most) = extremes(counts().map(|(_, count)| count));
        let is_uneven = most - least > f64::from(self.config.prefill_spread_requests);
        if is_uneven { self.ties.least(0.0, counts()) } else { None }
    }

    /// Step 2: the decode instance that is far less loaded than another, if there is one.
    fn spare_decode(&mut self, decode: &[Candidate]) -> Option<usize> {
        let left = || self.decode.left.iter().copied();
        let count = |position: usize| f64::from(decode[position].in_flight());
        let rate = |position: usize| decode[position].report.generated_tokens_per_sec;
        let drain = |position: usize| decode[position].report.finished_requests_per_sec;
        let drain_time = |position: usize| count(position) / drain(position).max(LEAST_DRAIN_PER_SEC);
        let (least, most) = extremes(left().map(count));
        if most - least >= f64::from(self.config.decode_spread_requests) {
            return self.ties.least(0.0, left().map(|position| (position, count(position))));
        }
        let (least, most) = extremes(left().map(rate));
        if most - least > self.config.throughput_spread_tokens_per_sec {
            return self.ties.least(0.0, left().map(|position| (position, rate(position))));
        }
        if left().any(|position| drain(position) <= 0.0) {
            return None;
        }
        let (least, most) = extremes(left().map(drain_time));
        let is_uneven = least > 0.0 && most / least > self.config.drain_ratio;
        if is_uneven { self.ties.least(0.0, left().map(|position| (position, drain_time(position)))) } else { None }
    }

    fn score_prefill(&mut self, prompt: &PromptView, prefill: &[PrefillCandidate]) {
        let count = |position: usize| f64::from(prefill[position].requests);
        let pool = &mut self.prefill;
        let n = pool.left.len() as f64;
        let mean = pool.left.iter().map(|&position| count(position)).sum::<f64>() / n;
        let squares: f64 = pool.left.iter().map(|&position| (count(position) - mean) * (count(position) - mean)).sum();
        let deviation = if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
        let most = pool.left.iter().fold(1.0_f64, |most, &position| most.max(count(position)));
        pool.left.retain(|&position| count(position) <= mean + self.config.deviations * deviation);
        for &position in &pool.left {
            let matched = u64::from(prefill[position].hit_tokens) * 100 / u64::from(prompt.input_tokens.max(1));
            pool.score[position] = MISS_WEIGHT * (100.0 - matched as f64) + count(position) / most;
        }
    }

    fn score_decode(&mut self, decode: &[Candidate], of: &Largest) {
        for &position in &self.decode.left {
            let candidate = &decode[position];
            let running = f64::from(candidate.in_flight()) / of.in_flight;
            let slow = 1.0 - candidate.report.generated_tokens_per_sec / of.rate;
            let load = self.config.running_weight * running + self.config.throughput_weight * slow;
            self.decode.score[position] = load / (free_percent(candidate) / of.free_percent);
        }
    }
}

/// The largest figures of the decode instances, which their scores are relative to.
struct Largest {
    in_flight: f64,
    rate: f64,
    free_percent: f64,
}

impl Largest {
    fn of(decode: &[Candidate], left: &[usize]) -> Self {
        left.iter().fold(Self { in_flight: 1.0, rate: 1.0, free_percent: 1.0 }, |largest, &position| Self {
            in_flight: largest.in_flight.max(f64::from(decode[position].in_flight())),
            rate: largest.rate.max(decode[position].report.generated_tokens_per_sec),
            free_percent: largest.free_percent.max(free_percent(&decode[position])),
        })
    }
}

fn free_percent(candidate: &Candidate) -> f64 {
    let free = libm::round(100.0 - candidate.reported_kv_ratio() * 100.0);
    if free <= 0.0 { LEAST_FREE_PERCENT } else { free }
}

impl PairPolicy for AibrixPd {
    fn select_pair(
        &mut self,
        prompt: &PromptView,
        prefill: &[PrefillCandidate],
        decode: &[Candidate],
        oracle: &dyn CostOracle,
    ) -> (usize, usize) {
        self.group(prefill, decode, oracle);
        if let Some(spare) = self.spare_prefill(prefill) {
            self.prefill.narrow(spare, &mut self.decode);
        }
        let largest = Largest::of(decode, &self.decode.left);
        if let Some(spare) = self.spare_decode(decode) {
            self.decode.narrow(spare, &mut self.prefill);
        }
        self.score_prefill(prompt, prefill);
        self.score_decode(decode, &largest);
        let (prefill_max, decode_max) = (self.prefill.largest(1.0), self.decode.largest(LEAST_DECODE_MAX));
        self.pairs.clear();
        for roleset in 0..self.rolesets.len() {
            let best_prefill = self.prefill.best(roleset, &mut self.ties);
            self.pairs.extend(best_prefill.zip(self.decode.best(roleset, &mut self.ties)));
        }
        let score = |&(p, d): &(usize, usize)| self.prefill.score[p] / prefill_max + self.decode.score[d] / decode_max;
        let best = self.ties.least(0.0, self.pairs.iter().map(score).enumerate());
        self.pairs[best.expect("a roleset is complete")]
    }
}
