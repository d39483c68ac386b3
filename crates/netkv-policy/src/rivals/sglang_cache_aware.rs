//! SGLang's cache-aware rule: the longest prefix while loads are even, the shortest queue when they are not.
//!
//! Load is the number of requests in flight, the router's own live count. If it is uneven, with max - min above
//! `balance_abs_requests` and max above `balance_rel_ratio` * min, the least loaded instance. Else, if the longest prefix that an instance holds is more
//! than `cache_threshold_ratio` of the prompt, that instance; else the least loaded. Source: sglang_router 0.3.2,
//! `router_args.py` (64, 1.5, 0.3) and `sgl-model-gateway/src/policies/cache_aware.rs`, commit 053b63f. Older releases
//! take the instance with the smallest tree where no prefix is long enough (`sgl-router/src/policies/cache_aware.rs`,
//! commit b6f2064).
//!
//! Ours: the router matches against an approximate tree of the texts that it has sent; here the instance's true prefix
//! cache stands in for it. Where several hold the longest prefix the tree names one of them, here it is the least
//! loaded. Equals go to the lowest id, as there.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;

/// Parameters of SGLang's cache-aware rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SglangConfig {
    /// A prefix of no more than this share of the prompt does not count.
    pub cache_threshold_ratio: f64,
    /// Loads that differ by no more requests than this are even.
    pub balance_abs_requests: u32,
    /// Loads of which the largest is no more than this many times the smallest are even.
    pub balance_rel_ratio: f64,
}

/// The rule.
pub(crate) struct SglangCacheAware(SglangConfig);

impl SglangCacheAware {
    /// The rule with these parameters.
    pub(crate) const fn new(config: SglangConfig) -> Self {
        Self(config)
    }
}

impl Policy for SglangCacheAware {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let wanted = self.wanted_hit(request, candidates);
        (0..candidates.len())
            .filter(|&index| candidates[index].hit_tokens >= wanted)
            .min_by_key(|&index| candidates[index].in_flight())
            .expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let wanted = self.wanted_hit(request, candidates);
        let rating = |candidate: &Candidate| {
            let load = Term::new("in flight", "requests", f64::from(candidate.in_flight()));
            Rating::new([load]).of_prefix(candidate.hit_tokens, wanted)
        };
        candidates.iter().map(rating).collect()
    }
}

impl SglangCacheAware {
    /// The prefix that a candidate must hold, in tokens: the longest, if it is long enough and loads are even.
    fn wanted_hit(&self, request: &RequestView, candidates: &[Candidate]) -> u32 {
        let loads = candidates.iter().map(Candidate::in_flight);
        let (least, most) = loads.fold((u32::MAX, 0), |(least, most), load| (least.min(load), most.max(load)));
        let is_uneven =
            most - least > self.0.balance_abs_requests && f64::from(most) > self.0.balance_rel_ratio * f64::from(least);
        let longest = candidates.iter().map(|candidate| candidate.hit_tokens).max().unwrap_or(0);
        let is_long = f64::from(longest) > self.0.cache_threshold_ratio * f64::from(request.prompt.input_tokens);
        if is_long && !is_uneven { longest } else { 0 }
    }
}
