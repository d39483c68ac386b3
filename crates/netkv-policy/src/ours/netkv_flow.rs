//! Ours: NetKV with a book of its own transfers in flight, and a budget for the time between tokens.
//!
//! When its prompt is computed on p, a request's decode instance is, of those with room, in memory and in the batch, and a
//! predicted iteration within the TBT limit (if there is none, of those with room; else of all), the d with the least of,
//! in seconds,
//!
//! latency + moving(p, d) + wait(d) + iteration(d) + price * (iteration(d) - iteration(nothing))
//!
//! + lateness, if the first token is predicted to come later than promised.
//!
//! **Near equals**: no such forecast is exact to a tenth. Of those that cost no more than `tolerance` beyond the least, the one
//! is taken that the cache- and load-aware rule likes best ([`crate::baselines`], with the weights that `netkv tune` found):
//! where the network tells nothing apart the choice is that of the best router that ignores it.
//!
//! moving is that of the router's book ([`super::flow_book`]): what the transfer takes beside those in flight, on whichever
//! of its ways is slowest (interfaces, uplinks and downlinks of racks and pods). wait and iteration are the guarded rule's ([`super::netkv_guarded`]).
//!
//! The price is `price` times a pressure of at least 1: it rises and falls e-fold in [`PRESSING_S`] seconds for each
//! `tbt_budget` by which tokens come later, because the batches are uneven, than the budget allows, at most [`FASTEST`] times
//! as fast. So the rule crowds near instances as far as the budget goes, and no further.
//!
//! Before, when the request arrives, p is the prefill instance with the least of that cost over all d, and the predicted end
//! of prefill there; unless the prefill instance is given.
//!
//! Beyond the paper's oracle the operator provides what all links out of an instance, a rack and a pod carry together
//! ([`CostOracle::leaving`]), and what one transfer gets at most over each tier ([`CostOracle::alone`]): numbers that do not
//! change; of each instance where these are not alike. Of congestion one figure for each tier is enough.
//!
//! Why a book by racks and pods: a count of transfers by interface, or by source and tier, does not see that all prefill
//! instances of a rack send through the same uplinks, and that near instances sit behind the same downlinks: a greedy fills
//! them. A term for the delay that a transfer means for those in flight was tried and left out: on the points of
//! experiments/tune_flow.toml it changed nothing beyond chance. Parameters were chosen on seeds, points and a part of the trace that no comparison uses
//! (experiments/tune_flow.toml).

use super::both_ends::choose_prefill;
use super::flow_book::{FlowBook, Learning, Leaving};
use super::netkv_guarded::{BOUND_ERROR, Best, GuardedTerms, GuardedWeights, Load, NetKvGuarded, rated};
use crate::baselines::{Load as LoadOf, LoadMeasure, Score};
use crate::candidate::{Candidate, PrefillCandidate};
use crate::estimates::{Estimates, IterationModel, PrefillModel};
use crate::oracle::{CostOracle, PathCost};
use crate::policy::{Policy, StagedPolicy, TransferEvent};
use crate::rating::{Rating, Term};
use crate::request::{PromptView, RequestView};
use netkv_units::{InstanceId, SimTime};

/// Parameters of the rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowConfig {
    /// Limits and the wait for memory, of the guarded rule.
    pub netkv: GuardedWeights,
    /// Seconds for each second by which the predicted iteration is longer than an empty one, while the budget is kept.
    pub price: f64,
    /// Seconds that uneven batches may add to the mean time between tokens; positive.
    pub tbt_budget_s: f64,
    /// Seconds for a first token that is predicted to come later than promised.
    pub lateness_s: f64,
    /// Weight of the latest transfer in what is learned of a pair of racks, in [0, 1]; at 0 nothing is learned.
    pub learning: f64,
    /// Seconds after which half of that is left.
    pub memory_s: f64,
    /// Costs this share above the least are as good as it; not negative.
    pub tolerance_ratio: f64,
    /// Whether the oracle's congestion counts this router's own transfers.
    pub counts_own: bool,
    /// Whether the prefill instance is chosen as well.
    pub chooses_prefill: bool,
}

impl FlowConfig {
    /// The parameters that were chosen on the points of experiments/tune_flow.toml, as in experiments/base.toml: for a TBT limit
    /// of 50 ms, an operator's own may differ.
    pub const CHOSEN: Self = Self {
        netkv: GuardedWeights { max_congestion_ratio: 0.95, tbt_limit_s: 0.05, drain_tokens_per_sec: 20_000.0 },
        price: 3.0,
        tbt_budget_s: 0.0004,
        lateness_s: 0.2,
        learning: 0.1,
        memory_s: 10.0,
        tolerance_ratio: 0.3,
        counts_own: true,
        chooses_prefill: true,
    };
}

/// Seconds in which the pressure rises e-fold at twice the budget. Chosen by us, on the points of experiments/tune_flow.toml.
const PRESSING_S: f64 = 2.0;
/// How many times as fast it rises at most. Chosen by us, there.
const FASTEST: f64 = 4.0;
/// Weights of a cached prompt and of the load among near equals, as tuned for `cache_load_aware` (experiments/tune.toml).
const NEAR_EQUALS: (f64, f64) = (10.0, 1.0);
/// The largest pressure. Chosen by us.
const MOST_PRESSURE: f64 = 100.0;

fn near_equals(iteration: IterationModel) -> Score {
    let (cache_weight, load_weight) = NEAR_EQUALS;
    Score::new(cache_weight, load_weight, LoadOf::new(LoadMeasure::CommittedTokens, iteration))
}

/// The rule.
pub(crate) struct NetKvFlow {
    config: FlowConfig,
    guarded: NetKvGuarded,
    prefill: PrefillModel,
    iteration: IterationModel,
    /// An empty iteration, in seconds.
    empty_s: f64,
    book: FlowBook,
    pressure: f64,
    pressed: SimTime,
    near_equals: Score,
    /// Of one decision: position, standing and cost of the candidates that may be near equals of the best.
    costs: Vec<(usize, u8, f64)>,
}

/// What a candidate costs, in seconds.
struct Cost {
    latency_s: f64,
    moving_s: f64,
    wait_s: f64,
    iteration_s: f64,
    price_s: f64,
    lateness_s: f64,
    standing: u8,
}

/// What the oracle tells of the way to a candidate.
struct Told<'a> {
    candidate: &'a Candidate,
    path: PathCost,
    /// What others take of the switched links on that tier.
    others_ratio: f64,
}

impl NetKvFlow {
    /// The rule with these parameters, and an empty book.
    pub(crate) fn new(config: FlowConfig, estimates: Estimates) -> Self {
        Self {
            guarded: NetKvGuarded::new(config.netkv, GuardedTerms::ALL, estimates.iteration),
            prefill: estimates.prefill,
            iteration: estimates.iteration,
            empty_s: estimates.iteration.seconds(0, 0),
            book: FlowBook::new(Learning { gain: config.learning, memory_s: config.memory_s }),
            pressure: 1.0,
            pressed: SimTime::ZERO,
            near_equals: near_equals(estimates.iteration),
            costs: Vec::new(),
            config,
        }
    }

    /// Brings the book and the pressure up to a decision about transfers from `sources`.
    fn look<O: CostOracle + ?Sized>(
        &mut self,
        now: SimTime,
        sources: impl Iterator<Item = InstanceId> + Clone,
        decode: &[Candidate],
        oracle: &O,
    ) {
        for instance in sources.clone().chain(decode.iter().map(|candidate| candidate.instance)) {
            if self.book.place(instance).is_none() {
                self.book.see(instance, oracle);
            }
        }
        self.book.advance(now);
        for source in sources.take(1) {
            let age = oracle.path(source, decode[0].instance).age;
            self.book.note_sample(SimTime::from_nanos(now.as_nanos().saturating_sub(age.as_nanos())));
        }
        self.press(now, decode);
    }

    /// The ways out of a request's prefill instance, if that was seen.
    fn leaving(&self, request: &RequestView) -> Option<Leaving<'_>> {
        self.book.place(request.source).map(|from| self.book.leaving(from, request.prompt.kv_bytes))
    }

    /// The share of switched links that others take, by what the oracle tells.
    #[inline]
    fn others_ratio(&self, path: &PathCost) -> f64 {
        let (told, most) = (path.congestion_ratio, self.config.netkv.max_congestion_ratio);
        let told = if told < most { told } else { most };
        if self.config.counts_own { self.book.without_own(path.tier, told) } else { told }
    }

    /// Raises the pressure while uneven batches cost more of the time between tokens than they may, and lowers it else.
    fn press(&mut self, now: SimTime, decode: &[Candidate]) {
        if now <= self.pressed {
            return;
        }
        let seconds = now.since(self.pressed).as_secs_f64();
        self.pressed = now;
        let (mut requests, mut tokens, mut sum_s) = (0_u64, 0_u64, 0.0);
        for candidate in decode {
            sum_s += f64::from(candidate.in_flight())
                * self.iteration.seconds(candidate.in_flight(), candidate.committed_tokens());
            requests += u64::from(candidate.in_flight());
            tokens += candidate.committed_tokens();
        }
        if requests == 0 {
            return;
        }
        let n = decode.len() as u64;
        let even_s = self.iteration.seconds((requests / n) as u32, tokens / n);
        let over = (sum_s / requests as f64 - even_s) / self.config.tbt_budget_s - 1.0;
        let pressure = self.pressure * libm::exp(over.clamp(-1.0, FASTEST) * seconds / PRESSING_S);
        self.pressure = pressure.clamp(1.0, MOST_PRESSURE);
    }

    #[inline(always)]
    fn told<'a, O: CostOracle + ?Sized>(&self, source: InstanceId, candidate: &'a Candidate, oracle: &O) -> Told<'a> {
        let path = oracle.path(source, candidate.instance);
        Told { candidate, others_ratio: self.others_ratio(&path), path }
    }

    /// What a candidate with this load costs a prompt whose first token is to come in `left_s` seconds; late already if that is
    /// not positive.
    #[inline(always)]
    fn cost(&self, leaving: Option<&Leaving<'_>>, told: &Told<'_>, load: &Load, left_s: f64) -> Cost {
        let &Told { candidate, ref path, others_ratio } = told;
        let bytes = candidate.transfer_bytes;
        let moving_s = match (leaving, self.book.place(candidate.instance)) {
            (Some(leaving), Some(to)) => self.book.moving_s(leaving, to, path.tier, bytes, others_ratio),
            _ => bytes.get() as f64 / (path.bandwidth_bytes_per_sec * (1.0 - others_ratio)),
        };
        let (latency_s, wait_s) = (path.latency.as_secs_f64(), self.guarded.wait_s(load));
        let &Load { iteration_s, standing, .. } = load;
        let is_late = left_s > 0.0 && latency_s + moving_s + wait_s + iteration_s > left_s;
        let lateness_s = if is_late { self.config.lateness_s } else { 0.0 };
        let price_s = self.price_s(load);
        Cost { latency_s, moving_s, wait_s, iteration_s, price_s, lateness_s, standing }
    }

    #[inline(always)]
    fn price_s(&self, load: &Load) -> f64 {
        self.config.price * self.pressure * (load.iteration_s - self.empty_s)
    }

    /// The candidate with the least cost; `each` is told of every candidate, with its standing and cost unless it is certainly no
    /// near equal of the best.
    fn best<O: CostOracle + ?Sized>(
        &self,
        request: &RequestView,
        candidates: &[Candidate],
        left_s: f64,
        oracle: &O,
        mut each: impl FnMut(&Told<'_>, Option<(u8, f64)>),
    ) -> Best {
        let (mut best, mut near_s) = (Best::NONE, f64::INFINITY);
        let leaving = self.leaving(request);
        for (index, candidate) in candidates.iter().enumerate() {
            let told = self.told(request.source, candidate, oracle);
            // A bound without the ways into the candidate tells most of them to be worse, many before their load is looked at.
            let at_least_s = leaving.as_ref().map_or(0.0, |leaving| leaving.at_least_s(told.path.tier, candidate));
            if best.is_unbeaten() && at_least_s > near_s {
                each(&told, None);
                continue;
            }
            let load = self.guarded.load(request, candidate);
            let is_beyond = at_least_s + load.iteration_s + self.price_s(&load) > near_s;
            if load.standing < best.standing || (load.standing == best.standing && is_beyond) {
                each(&told, None);
                continue;
            }
            let cost_s = self.cost(leaving.as_ref(), &told, &load, left_s).total_s();
            each(&told, Some((load.standing, cost_s)));
            if load.standing > best.standing || cost_s < best.cost_s {
                best = Best { index, standing: load.standing, cost_s };
                near_s = self.near_s(&best) * (1.0 + BOUND_ERROR);
            }
        }
        best
    }

    /// Of those that the forecast cannot tell from the best, the one that the cache- and load-aware rule takes; the first of
    /// equals.
    fn of_near_equals(
        &self,
        request: &RequestView,
        candidates: &[Candidate],
        best: &Best,
        most_committed_tokens: u64,
    ) -> usize {
        let most_loaded = most_committed_tokens.max(1) as f64;
        let (mut chosen, mut least, near_s) = (best.index, f64::INFINITY, self.near_s(best));
        for &(index, standing, cost_s) in &self.costs {
            if standing != best.standing || cost_s > near_s {
                continue;
            }
            let candidate = &candidates[index];
            let score = self.near_equals.cost(request, candidate, most_loaded);
            if score < least {
                (chosen, least) = (index, score);
            }
        }
        chosen
    }

    /// The largest cost that the forecast cannot tell from the best's.
    fn near_s(&self, best: &Best) -> f64 {
        best.cost_s * (1.0 + self.config.tolerance_ratio)
    }
}

impl Cost {
    #[inline]
    fn total_s(&self) -> f64 {
        self.latency_s + self.moving_s + self.wait_s + self.iteration_s + self.price_s + self.lateness_s
    }
}

impl Policy for NetKvFlow {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        self.look(request.prompt.now, std::iter::once(request.source), candidates, oracle);
        let (mut costs, mut others_ratio) = (std::mem::take(&mut self.costs), self.book.others_ratio());
        costs.clear();
        let (mut index, mut most_committed_tokens) = (0, 0);
        let left_s = request.prompt.ttft_left.as_secs_f64();
        let best = self.best(request, candidates, left_s, oracle, |told, cost| {
            costs.extend(cost.map(|(standing, cost_s)| (index, standing, cost_s)));
            index += 1;
            others_ratio[told.path.tier.index()] = told.others_ratio;
            most_committed_tokens = most_committed_tokens.max(told.candidate.committed_tokens());
        });
        self.book.hear(others_ratio);
        self.costs = costs;
        self.of_near_equals(request, candidates, &best, most_committed_tokens)
    }

    fn observe(&mut self, event: &TransferEvent) {
        self.book.note(event);
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        let left_s = request.prompt.ttft_left.as_secs_f64();
        let best = self.best(request, candidates, left_s, oracle, |_, _| {});
        let leaving = self.leaving(request);
        let rating = |candidate: &Candidate| {
            let told = self.told(request.source, candidate, oracle);
            let cost = self.cost(leaving.as_ref(), &told, &self.guarded.load(request, candidate), left_s);
            let total_s = cost.total_s();
            let is_near = cost.standing == best.standing && total_s <= self.near_s(&best);
            let set_aside_s = if is_near { best.cost_s - total_s } else { 0.0 };
            let terms = vec![
                Term::new("latency", "s", cost.latency_s),
                Term::new("transfer", "s", cost.moving_s),
                Term::new("wait", "s", cost.wait_s),
                Term::new("iteration", "s", cost.iteration_s),
                Term::new("price", "s", cost.price_s),
                Term::new("late", "s", cost.lateness_s),
                Term::new("tie", "s", set_aside_s),
            ];
            rated(cost.standing, terms)
        };
        candidates.iter().map(rating).collect()
    }
}

impl StagedPolicy for NetKvFlow {
    fn select_prefill(
        &mut self,
        prompt: &PromptView,
        prefill: &[PrefillCandidate],
        decode: &[Candidate],
        oracle: &dyn CostOracle,
    ) -> usize {
        self.look(prompt.now, prefill.iter().map(|candidate| candidate.instance), decode, oracle);
        choose_prefill(prompt, prefill, &self.prefill, self.config.lateness_s, |request, left_s| {
            self.best(request, decode, left_s, oracle, |_, _| {})
        })
    }
}
