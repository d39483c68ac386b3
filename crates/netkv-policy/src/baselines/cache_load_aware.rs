//! Cache+load-aware: the paper's tuned baseline CLA* (arXiv 2606.03910, section VI), whose score it does not print.
//!
//! score(d) = cache_weight * hit(d) / prompt - load_weight * load(d) / max load; the highest wins, of
//! equals the first, or any (`policy.ties`). The score is ours, the weights' names the paper's. Load is what `policy.load` says. The weights are tuned by `netkv tune` on seeds and a part of the
//! trace that no comparison uses, so that the baseline is as strong as it can be.

use super::load_aware::Load;
use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;
use crate::ties::Breaker;

/// The rule.
pub(crate) struct CacheLoadAware {
    score: Score,
    ties: Breaker,
}

impl CacheLoadAware {
    /// The rule with this score.
    pub(crate) const fn new(score: Score, ties: Breaker) -> Self {
        Self { score, ties }
    }
}

/// The two weights, of which only the ratio matters, and what load is.
pub(crate) struct Score {
    cache_weight: f64,
    load_weight: f64,
    load: Load,
}

impl Score {
    /// The score with these weights.
    pub(crate) const fn new(cache_weight: f64, load_weight: f64, load: Load) -> Self {
        Self { cache_weight, load_weight, load }
    }

    /// Both weighted parts of the score.
    fn parts(&self, request: &RequestView, candidate: &Candidate, most_loaded: f64) -> (f64, f64) {
        let cached = f64::from(candidate.hit_tokens) / f64::from(request.prompt.input_tokens.max(1));
        let load = self.load.of(candidate, request.prompt.input_tokens) / most_loaded;
        (self.cache_weight * cached, self.load_weight * load)
    }

    /// What speaks against a candidate less what speaks for it.
    pub(crate) fn cost(&self, request: &RequestView, candidate: &Candidate, most_loaded: f64) -> f64 {
        let (cached, load) = self.parts(request, candidate, most_loaded);
        load - cached
    }

    /// The largest load; 1 if there is none.
    pub(crate) fn most_loaded(&self, request: &RequestView, candidates: &[Candidate]) -> f64 {
        let loads = candidates.iter().map(|candidate| self.load.of(candidate, request.prompt.input_tokens));
        let most = loads.fold(0.0, f64::max);
        if most > 0.0 { most } else { 1.0 }
    }
}

impl Policy for CacheLoadAware {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let most_loaded = self.score.most_loaded(request, candidates);
        let cost = |(index, candidate): (usize, &Candidate)| (index, self.score.cost(request, candidate, most_loaded));
        self.ties.least(candidates.iter().enumerate().map(cost)).expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let most_loaded = self.score.most_loaded(request, candidates);
        let rating = |candidate: &Candidate| {
            let (cached, load) = self.score.parts(request, candidate, most_loaded);
            Rating::new([Term::new("cached", "", -cached), Term::new("load", "", load)])
        };
        candidates.iter().map(rating).collect()
    }
}
