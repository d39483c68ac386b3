//! NetKV with guards: what the project called NetKV while only the paper's abstract was known. It keeps room and a limit
//! on TBT, which the paper's rule ([`crate::NetKv`]) does not, and refuses nobody.
//!
//! Over the decode instances d that have room for the prompt, in memory and in the batch, and whose predicted
//! iteration stays within the TBT limit (if none does, over those with room; if none has room, over all), the least
//! of, in seconds,
//!
//! cost(d) = latency + transfer_bytes(d) / (B * (1 - c) / (1 + k(d))) + wait(d) + iteration(d)
//!
//! B, c and latency are the oracle's for the way from the request's prefill instance to d; k(d) is the number of
//! the scheduler's own transfers in flight that share an interface with this one (its ledger), left out where
//! the oracle's c counts them already; wait(d) is the predicted wait for KV memory, the missing tokens, those of
//! requests that wait there already included, over the rate at which a full instance frees them; iteration(d) is the
//! predicted first decode iteration. Ties go to the lowest id.
//!
//! Ablations take one term away each: the congestion (`netkv_guarded_static`, c = 0), the ledger (k = 0), the caches (every
//! instance lacks the whole prompt), the load (wait and iteration are not in the cost; room and TBT limit are still
//! kept).

use crate::candidate::Candidate;
use crate::estimates::IterationModel;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;
use netkv_units::{Bytes, SimDuration};

/// Parameters of the greedy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardedWeights {
    /// Congestion figures above this are read as this, so that a saturated path stays comparable; in [0, 1).
    /// At 0 congestion counts for nothing: topology alone.
    pub max_congestion_ratio: f64,
    /// An instance whose predicted iteration is longer than this is avoided, in seconds.
    pub tbt_limit_s: f64,
    /// Tokens that an instance out of memory is expected to free each second: the wait term.
    pub drain_tokens_per_sec: f64,
}

/// Which terms are in the cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardedTerms {
    /// The scheduler's own transfers in flight.
    pub ledger: bool,
    /// What the decode instances' prefix caches hold.
    pub cache: bool,
    /// Wait for memory and first iteration.
    pub load: bool,
}

impl GuardedTerms {
    /// All of them.
    pub const ALL: Self = Self { ledger: true, cache: true, load: true };
}

/// The rule.
#[derive(Clone, Copy, Debug)]
pub struct NetKvGuarded {
    weights: GuardedWeights,
    terms: GuardedTerms,
    iteration: IterationModel,
}

/// What a rule adds to this one's cost, in seconds; neither part is negative.
pub(super) trait Surcharge {
    /// What an iteration of this length costs besides itself.
    fn of_iteration(&self, iteration_s: f64) -> f64;

    /// What a first token costs besides that is predicted to come in so many seconds.
    fn of_first_token(&self, first_token_s: f64) -> f64;
}

/// This rule's own: nothing.
struct Nothing;

impl Surcharge for Nothing {
    fn of_iteration(&self, _: f64) -> f64 {
        0.0
    }

    fn of_first_token(&self, _: f64) -> f64 {
        0.0
    }
}

/// The best of some candidates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best {
    /// Its position.
    pub(super) index: usize,
    /// 2: it has room and keeps the TBT limit; 1: it has room; 0: neither.
    pub(super) standing: u8,
    /// In seconds; what is compared among those of one standing.
    pub(super) cost_s: f64,
}

impl NetKvGuarded {
    /// The rule with these parameters and terms.
    pub const fn new(weights: GuardedWeights, terms: GuardedTerms, iteration: IterationModel) -> Self {
        Self { weights, terms, iteration }
    }

    /// The position in `candidates` of the instance that takes `request`, as [`Policy::select`] gives it; for a known
    /// type of oracle the compiler can do without a call for each candidate.
    pub fn choose<O: CostOracle + ?Sized>(&self, request: &RequestView, candidates: &[Candidate], oracle: &O) -> usize {
        self.best(request, candidates, oracle, &Nothing).index
    }

    /// The best of the candidates, with its cost and what is added to it.
    pub(super) fn best<O: CostOracle + ?Sized>(
        &self,
        request: &RequestView,
        candidates: &[Candidate],
        oracle: &O,
        surcharge: &impl Surcharge,
    ) -> Best {
        let mut best = Best::NONE;
        for (index, candidate) in candidates.iter().enumerate() {
            let way = self.way(request, candidate, oracle);
            // A bound that needs one division tells most candidates to be worse, before anything else is looked at.
            let at_least_s = way.at_least_s();
            if best.is_unbeaten() && best.is_beyond(at_least_s) {
                continue;
            }
            let load = self.load(request, candidate);
            let Load { iteration_s, standing, .. } = load;
            let load_s = if self.terms.load { iteration_s + surcharge.of_iteration(iteration_s) } else { 0.0 };
            if standing < best.standing || (standing == best.standing && best.is_beyond(at_least_s + load_s)) {
                continue;
            }
            let wait_s = if self.terms.load { self.wait_s(&load) } else { 0.0 };
            let network_s = way.seconds() + wait_s;
            let cost_s = network_s + load_s + surcharge.of_first_token(network_s + iteration_s);
            if standing > best.standing || cost_s < best.cost_s {
                best = Best { index, standing, cost_s };
            }
        }
        best
    }

    /// What a candidate's load means for the request.
    #[inline(always)]
    pub(super) fn load(&self, request: &RequestView, candidate: &Candidate) -> Load {
        let iteration_s = self.iteration_s(request, candidate);
        let missing = candidate.missing_beside(self.lacking_tokens(request, candidate));
        let has_room = candidate.has_place() && candidate.queued_tokens == 0 && missing == 0;
        let standing = match (has_room, iteration_s <= self.weights.tbt_limit_s) {
            (true, true) => BEST_STANDING,
            (true, false) => 1,
            (false, _) => 0,
        };
        Load { iteration_s, missing, standing }
    }

    /// The candidate's predicted iteration with the request in its batch, in seconds.
    #[inline(always)]
    pub(super) fn iteration_s(&self, request: &RequestView, candidate: &Candidate) -> f64 {
        let tokens = candidate.committed_tokens() + u64::from(request.prompt.input_tokens);
        self.iteration.seconds(candidate.in_flight() + 1, tokens)
    }

    /// The cost of a candidate, term by term.
    pub(super) fn rating(&self, request: &RequestView, candidate: &Candidate, oracle: &dyn CostOracle) -> Rating {
        let load = self.load(request, candidate);
        let Load { iteration_s, standing, .. } = load;
        let (latency_s, moving_s) = self.way(request, candidate, oracle).parts_s();
        let mut terms = vec![Term::new("latency", "s", latency_s), Term::new("transfer", "s", moving_s)];
        if self.terms.load {
            terms.push(Term::new("wait", "s", self.wait_s(&load)));
            terms.push(Term::new("iteration", "s", iteration_s));
        }
        rated(standing, terms)
    }

    /// Seconds until a candidate has room, as far as its load tells.
    #[inline]
    pub(super) fn wait_s(&self, load: &Load) -> f64 {
        load.missing as f64 / self.weights.drain_tokens_per_sec
    }

    /// Prompt tokens that the candidate has to find room for, as far as the scheduler knows.
    const fn lacking_tokens(&self, request: &RequestView, candidate: &Candidate) -> u32 {
        let hit_tokens = if self.terms.cache { candidate.hit_tokens } else { 0 };
        request.prompt.input_tokens.saturating_sub(hit_tokens)
    }

    /// The way to the candidate, as the scheduler sees it.
    fn way<O: CostOracle + ?Sized>(&self, request: &RequestView, candidate: &Candidate, oracle: &O) -> Way {
        let path = oracle.path(request.source, candidate.instance);
        let congestion = if path.congestion_ratio < self.weights.max_congestion_ratio {
            path.congestion_ratio
        } else {
            self.weights.max_congestion_ratio
        };
        let counts = self.terms.ledger && !path.counts_in_flight;
        let sharing = if counts { candidate.sharing_transfers } else { 0 };
        Way {
            latency: path.latency,
            bytes: if self.terms.cache { candidate.transfer_bytes } else { request.prompt.kv_bytes },
            uncongested: path.bandwidth_bytes_per_sec * (1.0 - congestion),
            shares: 1.0 + f64::from(sharing),
        }
    }
}

/// The best standing of a candidate.
const BEST_STANDING: u8 = 2;

/// The rating of a candidate of this standing.
pub(super) fn rated(standing: u8, terms: Vec<Term>) -> Rating {
    let meaning = ["no room", "room, TBT over limit", "room, TBT kept"][usize::from(standing)];
    Rating { rank: BEST_STANDING - standing, standing: meaning, terms }
}

/// How much more than the cost its bound may be, relatively: far more than rounding makes.
pub(super) const BOUND_ERROR: f64 = 1e-9;

impl Best {
    /// Before any candidate is looked at.
    pub(super) const NONE: Self = Self { index: 0, standing: 0, cost_s: f64::INFINITY };

    /// Whether nothing stands better.
    pub(super) const fn is_unbeaten(&self) -> bool {
        self.standing == BEST_STANDING
    }

    /// Whether a candidate of the same standing and at least this cost is worse.
    fn is_beyond(&self, at_least_s: f64) -> bool {
        at_least_s > self.cost_s * (1.0 + BOUND_ERROR)
    }
}

/// What a candidate's load means for a request.
pub(super) struct Load {
    /// The predicted first iteration.
    pub(super) iteration_s: f64,
    /// Tokens to be freed first.
    missing: u64,
    /// How acceptable the candidate is, as [`Best::standing`].
    pub(super) standing: u8,
}

/// The way to a candidate, and what has to go over it.
struct Way {
    latency: SimDuration,
    bytes: Bytes,
    /// Bandwidth that congestion leaves, in bytes per second.
    uncongested: f64,
    /// By how many transfers it is shared.
    shares: f64,
}

impl Way {
    /// Seconds that the transfer takes.
    fn seconds(&self) -> f64 {
        let (latency_s, moving_s) = self.parts_s();
        latency_s + moving_s
    }

    /// Seconds until the first byte is there, and from then on.
    #[inline]
    fn parts_s(&self) -> (f64, f64) {
        (self.latency.as_secs_f64(), self.bytes.get() as f64 / (self.uncongested / self.shares))
    }

    /// The same but for rounding.
    fn at_least_s(&self) -> f64 {
        // Below 2^63, as sizes and times are, signed numbers are the same and quicker to convert.
        let float = |number: u64| number as i64 as f64;
        float(self.latency.as_nanos()) * 1e-9 + float(self.bytes.get()) * (self.shares / self.uncongested)
    }
}

impl Policy for NetKvGuarded {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        self.choose(request, candidates, oracle)
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        candidates.iter().map(|candidate| self.rating(request, candidate, oracle)).collect()
    }
}
