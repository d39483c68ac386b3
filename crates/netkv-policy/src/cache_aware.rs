//! Cache-aware: the decode instance that holds the longest prefix of the prompt, if that is a fair part of it; else
//! the least loaded.
//!
//! Our reading of the paper's cache-aware baseline, after SGLang's router, whose default policy this is
//! (sglang_router 0.3.2, `router_args.py`: `cache_threshold` 0.3 of the prompt). The threshold matters: where every
//! prompt begins with the same system prompt, as in the Mooncake traces, "longest prefix" alone sends every request
//! to the first instance that ever saw it. Among equals the least loaded, then the lowest id.

use crate::candidate::Candidate;
use crate::load_aware::least_loaded;
use crate::oracle::CostOracle;
use crate::policy::{Policy, RequestView};

/// The rule.
pub(crate) struct CacheAware {
    threshold_ratio: f64,
}

impl CacheAware {
    /// The rule for prefixes of more than this share of the prompt.
    pub(crate) const fn new(threshold_ratio: f64) -> Self {
        Self { threshold_ratio }
    }
}

impl Policy for CacheAware {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let longest = candidates.iter().map(|candidate| candidate.hit_tokens).max().unwrap_or(0);
        let worth_it = f64::from(longest) > self.threshold_ratio * f64::from(request.prompt.input_tokens);
        let admits = |candidate: &Candidate| !worth_it || candidate.hit_tokens == longest;
        least_loaded(candidates, admits).expect("there is a candidate")
    }
}
