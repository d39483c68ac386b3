//! Cache+load-aware: the paper's tuned baseline, in our reconstruction.
//!
//! score(d) = cache_weight * hit(d) / prompt - load_weight * load(d) / max load; the highest wins, ties to the
//! lowest id. Load is committed KV tokens. The weights are tuned by `netkv tune` on seeds and a part of the
//! trace that no comparison uses, so that the baseline is as strong as it can be.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::{Policy, RequestView};

/// The two weights; only their ratio matters.
pub(crate) struct CacheLoadAware {
    cache_weight: f64,
    load_weight: f64,
}

impl CacheLoadAware {
    /// The rule with these weights.
    pub(crate) const fn new(cache_weight: f64, load_weight: f64) -> Self {
        Self { cache_weight, load_weight }
    }
}

impl Policy for CacheLoadAware {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let most_loaded = candidates.iter().map(Candidate::committed_tokens).max().unwrap_or(0).max(1) as f64;
        let prompt = f64::from(request.prompt.input_tokens.max(1));
        let mut best = (0, f64::NEG_INFINITY);
        for (index, candidate) in candidates.iter().enumerate() {
            let cached = f64::from(candidate.hit_tokens) / prompt;
            let load = candidate.committed_tokens() as f64 / most_loaded;
            let score = self.cache_weight * cached - self.load_weight * load;
            if score > best.1 {
                best = (index, score);
            }
        }
        best.0
    }
}
