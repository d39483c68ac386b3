//! Cache-aware: the decode instance that holds the longest prefix of the prompt, if that is a fair part of it; else
//! the least loaded.
//!
//! The paper's CA (arXiv 2606.03910, section VI) is the longest prefix hit with load to break ties: this rule with a
//! threshold of 0. The threshold comes from SGLang's router, whose default policy this is (sglang_router 0.3.2, `router_args.py`: `cache_threshold` 0.3 of the prompt). The threshold matters: where every
//! prompt begins with the same system prompt, as in the Mooncake traces, "longest prefix" alone sends every request
//! to the first instance that ever saw it. Among equals the least loaded, then the lowest id.

use super::load_aware::Load;
use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::Rating;
use crate::request::RequestView;
use crate::ties::Breaker;

/// The rule.
pub(crate) struct CacheAware {
    threshold_ratio: f64,
    load: Load,
    ties: Breaker,
}

impl CacheAware {
    /// The rule for prefixes of more than this share of the prompt.
    pub(crate) const fn new(threshold_ratio: f64, load: Load, ties: Breaker) -> Self {
        Self { threshold_ratio, load, ties }
    }

    /// The prefix that a candidate must hold, in tokens: the longest, if it is long enough.
    fn wanted_hit(&self, request: &RequestView, candidates: &[Candidate]) -> u32 {
        let longest = candidates.iter().map(|candidate| candidate.hit_tokens).max().unwrap_or(0);
        let worth_it = f64::from(longest) > self.threshold_ratio * f64::from(request.prompt.input_tokens);
        if worth_it { longest } else { 0 }
    }
}

impl Policy for CacheAware {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let wanted = self.wanted_hit(request, candidates);
        let admits = |candidate: &Candidate| candidate.hit_tokens >= wanted;
        self.ties
            .least(self.load.of_all(candidates, request.prompt.input_tokens, admits))
            .expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let wanted = self.wanted_hit(request, candidates);
        let load = |candidate: &Candidate| self.load.term(candidate, request.prompt.input_tokens);
        let rating = |candidate: &Candidate| Rating::new([load(candidate)]).of_prefix(candidate.hit_tokens, wanted);
        candidates.iter().map(rating).collect()
    }
}
