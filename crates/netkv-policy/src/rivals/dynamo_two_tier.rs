//! NVIDIA Dynamo's two-tier cost: even loads first, then the longest cached prefix, then the shortest queue.
//!
//! R(d): requests in flight on d, the router's own live count; h(d): whole KV blocks of the prompt that d holds; N: blocks of
//! the prompt. The first that applies:
//!
//! 1. max R - min R > `balance_abs_requests` and max R > `balance_rel_ratio` * min R: least R.
//! 2. max h > `cache_threshold_ratio` * N: least R of those with h = max h.
//! 3. Least R.
//!
//! Source: Dynamo, `lib/router-plugins/builtin/src/two_tier_cost_fn.rs`, commit 0c3850c, policy type
//! `dynamo-two-tier-cost-fn` with its defaults (32, 1.1, 0.5), since pull request 14498 (September 2026; taken into 1.5.0 by
//! 14901). It is a choice of the operator for the prefill and for the decode leg; the default is still the rule of
//! `dynamo_decode`. It has the form of `sglang_cache_aware`, with tighter bounds, and reads cached blocks from the
//! engines' events.
//!
//! Ours: equals go to the lowest id; there to the first in an order that its host leaves open. Left out: an affinity target
//! (pull request 15139, open).

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;

/// Parameters of Dynamo's two-tier cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoTierConfig {
    /// Tokens of one KV block.
    pub block_tokens: u32,
    /// A prefix counts if it is more than this share of the prompt's blocks.
    pub cache_threshold_ratio: f64,
    /// Loads that differ by no more requests than this are even.
    pub balance_abs_requests: u32,
    /// Loads of which the largest is no more than this many times the smallest are even.
    pub balance_rel_ratio: f64,
}

impl TwoTierConfig {
    /// Whether the load tier decides.
    fn is_uneven(&self, candidates: &[Candidate]) -> bool {
        let loads = candidates.iter().map(Candidate::in_flight);
        let (least, most) = loads.fold((u32::MAX, 0), |(least, most), load| (least.min(load), most.max(load)));
        most.saturating_sub(least) > self.balance_abs_requests
            && f64::from(most) > self.balance_rel_ratio * f64::from(least)
    }

    /// The blocks that a candidate must hold: the most of all, if these are enough and loads are even.
    fn wanted_blocks(&self, request: &RequestView, candidates: &[Candidate]) -> u32 {
        let longest = candidates.iter().map(|candidate| self.held_blocks(candidate)).max().unwrap_or(0);
        let of_prompt = request.prompt.input_tokens.div_ceil(self.block_tokens);
        let is_enough = f64::from(longest) > self.cache_threshold_ratio * f64::from(of_prompt);
        if is_enough && !self.is_uneven(candidates) { longest } else { 0 }
    }

    const fn held_blocks(&self, candidate: &Candidate) -> u32 {
        candidate.hit_tokens / self.block_tokens
    }
}

/// The rule; it has no state.
pub(crate) struct DynamoTwoTier(TwoTierConfig);

impl DynamoTwoTier {
    /// The rule with these parameters.
    pub(crate) const fn new(config: TwoTierConfig) -> Self {
        Self(config)
    }
}

impl Policy for DynamoTwoTier {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let wanted = self.0.wanted_blocks(request, candidates);
        (0..candidates.len())
            .filter(|&index| self.0.held_blocks(&candidates[index]) >= wanted)
            .min_by_key(|&index| candidates[index].in_flight())
            .expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let wanted = self.0.wanted_blocks(request, candidates);
        let rating = |candidate: &Candidate| {
            let load = Term::new("in flight", "requests", f64::from(candidate.in_flight()));
            Rating::new([load]).of_prefix(self.0.held_blocks(candidate), wanted)
        };
        candidates.iter().map(rating).collect()
    }
}
