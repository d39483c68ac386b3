//! Ours: NetKV that looks at both ends of the transfer, and pays for the batch that it makes longer.
//!
//! When its prompt is computed on p, a request's decode instance is the d with the least
//!
//! cost(p, d) + price * (iteration(d) - iteration(nothing)) + lateness, if transfer, wait and iteration take longer than
//! what is left of the time that its first token was promised in.
//!
//! Before, when it arrives, p is the prefill instance with the least, over all decode instances d, of
//!
//! T_prefill(what is to be computed on p) + T_prefill(prompt - hit(p), hit(p)) + the same for d.
//!
//! cost is NetKV's, over the same oracle, and its standing (room, TBT limit) counts first, as there. Ties go to the lowest
//! id.
//!
//! Why a price: a request of n tokens makes each later iteration of its batch longer, for itself and for the others in it,
//! and a greedy that looks at the first token alone fills the near batches. An iteration of B requests with S tokens of
//! context takes a + b B + c S. One more request takes part in it and adds b + c n to each of the B others', together some
//! twice what the batch adds to an empty iteration. So a request that makes m tokens costs about 2 m (iteration - empty
//! iteration) of everybody's time between tokens. m is not known, and how much that time weighs against a first token is
//! for the operator to say: the price stands for both. Why both ends: with a price alone, the near instances of p are given
//! up for far ones; a p whose near instances are empty has both. Why lateness: a price sends small prompts far, to whom
//! little time is promised. The parameters were chosen on seeds and a part of the trace that no comparison uses
//! (experiments/tune_joint.toml).

use super::both_ends::choose_prefill;
use super::netkv_guarded::{GuardedTerms, GuardedWeights, NetKvGuarded, Surcharge};
use crate::candidate::{Candidate, PrefillCandidate};
use crate::estimates::{Estimates, PrefillModel};
use crate::oracle::CostOracle;
use crate::policy::{Policy, StagedPolicy};
use crate::rating::{Rating, Term};
use crate::request::{PromptView, RequestView};

/// Parameters of the rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JointConfig {
    /// Those of NetKV's cost.
    pub netkv: GuardedWeights,
    /// Seconds for each second by which the predicted iteration is longer than an empty one; at zero there is no price.
    pub price: f64,
    /// Seconds for a first token that is predicted to come later than promised.
    pub lateness_s: f64,
}

/// The rule.
pub(crate) struct NetKvJoint {
    netkv: NetKvGuarded,
    prefill: PrefillModel,
    /// An empty iteration, in seconds.
    empty_s: f64,
    price: f64,
    lateness_s: f64,
}

/// Both prices, for one request.
struct Prices {
    price: f64,
    empty_s: f64,
    lateness_s: f64,
    /// Seconds that are left of what was promised; none if it is late already, and cannot be later.
    left_s: Option<f64>,
}

impl Surcharge for Prices {
    fn of_iteration(&self, iteration_s: f64) -> f64 {
        self.price * (iteration_s - self.empty_s)
    }

    fn of_first_token(&self, first_token_s: f64) -> f64 {
        let is_late = self.left_s.is_some_and(|left_s| first_token_s > left_s);
        if is_late { self.lateness_s } else { 0.0 }
    }
}

impl NetKvJoint {
    /// The rule with these parameters.
    pub(crate) fn new(config: JointConfig, estimates: Estimates) -> Self {
        let JointConfig { netkv, price, lateness_s } = config;
        let netkv = NetKvGuarded::new(netkv, GuardedTerms::ALL, estimates.iteration);
        Self { netkv, prefill: estimates.prefill, empty_s: estimates.iteration.seconds(0, 0), price, lateness_s }
    }

    /// What is added to NetKV's cost for a request with so many seconds left.
    fn prices(&self, left_s: f64) -> Prices {
        let left_s = Some(left_s).filter(|&left_s| left_s > 0.0);
        Prices { price: self.price, empty_s: self.empty_s, lateness_s: self.lateness_s, left_s }
    }

    /// The cost of a candidate, term by term: NetKV's, and the prices that there are.
    fn rating(&self, request: &RequestView, candidate: &Candidate, oracle: &dyn CostOracle) -> Rating {
        let prices = self.prices(request.prompt.ttft_left.as_secs_f64());
        let mut rating = self.netkv.rating(request, candidate, oracle);
        let first_token_s = rating.cost();
        if self.price > 0.0 {
            let iteration_s = self.netkv.iteration_s(request, candidate);
            rating.terms.push(Term::new("price", "s", prices.of_iteration(iteration_s)));
        }
        if self.lateness_s > 0.0 {
            rating.terms.push(Term::new("lateness", "s", prices.of_first_token(first_token_s)));
        }
        rating
    }
}

impl Policy for NetKvJoint {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        let prices = self.prices(request.prompt.ttft_left.as_secs_f64());
        self.netkv.best(request, candidates, oracle, &prices).index
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        candidates.iter().map(|candidate| self.rating(request, candidate, oracle)).collect()
    }
}

impl StagedPolicy for NetKvJoint {
    fn select_prefill(
        &mut self,
        prompt: &PromptView,
        prefill: &[PrefillCandidate],
        decode: &[Candidate],
        oracle: &dyn CostOracle,
    ) -> usize {
        choose_prefill(prompt, prefill, &self.prefill, self.lateness_s, |request, left_s| {
            self.netkv.best(request, decode, oracle, &self.prices(left_s))
        })
    }
}
