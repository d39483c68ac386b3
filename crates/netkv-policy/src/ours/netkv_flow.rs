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
//! moving is that of the router's book ([`super::flow_book`]): what the transfer takes beside those in flight, on whichever
//! of its ways is slowest (interfaces, uplinks and downlinks of racks and pods). wait and iteration are the guarded rule's ([`super::netkv_guarded`]).
//!
//! The price is `price` times a pressure of at least 1: it rises e-fold in [`PRESSING_S`] seconds while the batches are so
//! uneven that tokens come later than from even ones by more than twice `tbt_budget`, more slowly between one and two times,
//! and falls below. So the rule crowds near instances as far as the budget goes, and no further.
//!
//! Before, when the request arrives, p is the prefill instance with the least of that cost over all d, and the predicted end
//! of prefill there; unless the prefill instance is given.
//!
//! Beyond the paper's oracle the operator provides what all links out of an instance, a rack and a pod carry together
//! ([`CostOracle::leaving`]): three numbers that do not change. Of congestion one figure for each tier is enough.
//!
//! Why a book by racks and pods: a count of transfers by interface, or by source and tier, does not see that all prefill
//! instances of a rack send through the same uplinks, and that near instances sit behind the same downlinks: a greedy fills
//! them. A term for the delay that a transfer means for those in flight was tried and left out: on the points of
//! experiments/tune_flow.toml it changed nothing beyond chance. Parameters were chosen on seeds, points and a part of the trace that no comparison uses
//! (experiments/tune_flow.toml).

use super::both_ends::choose_prefill;
use super::flow_book::{FlowBook, Learning};
use super::netkv_guarded::{Best, GuardedTerms, GuardedWeights, Load, NetKvGuarded, rated};
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
    /// Seconds after which a third of that is left.
    pub memory_s: f64,
    /// Whether the oracle's congestion counts this router's own transfers.
    pub counts_own: bool,
    /// Whether the prefill instance is chosen as well.
    pub chooses_prefill: bool,
}

/// Seconds in which the pressure rises e-fold at twice the budget. Chosen by us: about the time of a request's decoding.
const PRESSING_S: f64 = 5.0;
/// The largest pressure. Chosen by us.
const MOST_PRESSURE: f64 = 100.0;

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
        sources.clone().chain(decode.iter().map(|candidate| candidate.instance)).for_each(|instance| {
            self.book.see(instance, oracle);
        });
        self.book.advance(now);
        for source in sources.take(1) {
            let age = oracle.path(source, decode[0].instance).age;
            self.book.note_sample(SimTime::from_nanos(now.as_nanos().saturating_sub(age.as_nanos())));
            for candidate in decode {
                let path = oracle.path(source, candidate.instance);
                let others = self.others(&path);
                self.book.hear(path.tier, others);
            }
        }
        self.press(now, decode);
    }

    /// The share of switched links that others take, by what the oracle tells.
    fn others(&self, path: &PathCost) -> f64 {
        let told = path.congestion_ratio.min(self.config.netkv.max_congestion_ratio);
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
        let pressure = self.pressure * libm::exp(over.clamp(-1.0, 1.0) * seconds / PRESSING_S);
        self.pressure = pressure.clamp(1.0, MOST_PRESSURE);
    }

    /// What a candidate costs a prompt whose first token is to come in `left_s` seconds; late already if that is not
    /// positive.
    #[inline]
    fn cost<O: CostOracle + ?Sized>(
        &self,
        request: &RequestView,
        candidate: &Candidate,
        left_s: f64,
        oracle: &O,
    ) -> Cost {
        let path = oracle.path(request.source, candidate.instance);
        let bytes = candidate.transfer_bytes.get() as f64;
        let moving_s = match (self.book.place(request.source), self.book.place(candidate.instance)) {
            (Some(from), Some(to)) => {
                self.book.moving_s(&self.book.route(from, to, path.tier), bytes, self.others(&path))
            }
            _ => bytes / (path.bandwidth_bytes_per_sec * (1.0 - self.others(&path))),
        };
        let load = self.guarded.load(request, candidate);
        let (wait_s, Load { iteration_s, standing, .. }) = (self.guarded.wait_s(&load), load);
        let latency_s = path.latency.as_secs_f64();
        let is_late = left_s > 0.0 && latency_s + moving_s + wait_s + iteration_s > left_s;
        Cost {
            latency_s,
            moving_s,
            wait_s,
            iteration_s,
            price_s: self.config.price * self.pressure * (iteration_s - self.empty_s),
            lateness_s: if is_late { self.config.lateness_s } else { 0.0 },
            standing,
        }
    }

    fn best<O: CostOracle + ?Sized>(
        &self,
        request: &RequestView,
        candidates: &[Candidate],
        left_s: f64,
        oracle: &O,
    ) -> Best {
        let mut best = Best::NONE;
        for (index, candidate) in candidates.iter().enumerate() {
            let cost = self.cost(request, candidate, left_s, oracle);
            let cost_s = cost.total_s();
            if cost.standing > best.standing || (cost.standing == best.standing && cost_s < best.cost_s) {
                best = Best { index, standing: cost.standing, cost_s };
            }
        }
        best
    }
}

impl Cost {
    fn total_s(&self) -> f64 {
        self.latency_s + self.moving_s + self.wait_s + self.iteration_s + self.price_s + self.lateness_s
    }
}

impl Policy for NetKvFlow {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        self.look(request.prompt.now, std::iter::once(request.source), candidates, oracle);
        self.best(request, candidates, request.prompt.ttft_left.as_secs_f64(), oracle).index
    }

    fn observe(&mut self, event: &TransferEvent) {
        self.book.note(event);
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        let rating = |candidate: &Candidate| {
            let cost = self.cost(request, candidate, request.prompt.ttft_left.as_secs_f64(), oracle);
            let terms = vec![
                Term::new("latency", "s", cost.latency_s),
                Term::new("transfer", "s", cost.moving_s),
                Term::new("wait", "s", cost.wait_s),
                Term::new("iteration", "s", cost.iteration_s),
                Term::new("price", "s", cost.price_s),
                Term::new("lateness", "s", cost.lateness_s),
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
            self.best(request, decode, left_s, oracle)
        })
    }
}
