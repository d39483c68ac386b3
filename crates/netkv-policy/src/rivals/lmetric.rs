//! LMetric: what is left to prefill, times the batch; the least product, ties drawn uniformly.
//!
//! cost(d) = new(d) * (R(d) + 1), new(d) = max(1, tokens of the prompt that d does not hold)   (`load` = requests)
//! cost(d) = (A(d) + new(d)) / block * (B(d) + 1)                                              (`load` = blocks)
//!
//! R(d): requests in flight on d; A(d): prompt tokens sent to d whose request does not decode yet; B(d): KV blocks of the
//! prompts in flight on d, those of this request added; all three the router's own live counts. A weight on either factor
//! cancels out of the comparison, so there is none.
//!
//! Source: *Simple is Better: Multiplication May Be All You Need for LLM Request Scheduling* (arXiv 2603.15202; its
//! text was not read, its implementations were). By requests: Dynamo, `lib/router-plugins/builtin/src/lmetric.rs`, commit
//! 6dcfceb, which has the 1 below which `new` does not go; llm-d-router, pull request 2351 (August 2026, open),
//! `scorer/lmetric/lmetric.go`, commit 1fee9c8, with its picker's uniform ties (Dynamo takes the lowest id), configured by
//! llm-d pull request 2271 (open). By blocks: Dynamo, pull request 11028 (June 2026, open), after its description.
//!
//! Neither was made for the decode leg: 11028 leaves it on the additive rule, since it has no prefill to do. Here a decode
//! instance does not compute what it lacks, it receives it, so the first factor stands for bytes to move.
//!
//! Left out: the detector of hot spots (on by default in Dynamo), which needs the prompts' classes. Ours: prompts in flight
//! count whole in A(d), whatever d held of them.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::{PromptView, RequestView};
use crate::ties::Ties;

/// What LMetric takes for the size of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LmetricLoad {
    /// Requests in flight.
    Requests,
    /// KV blocks of the prompts in flight; prompts that wait for their KV caches count as prefill left to do.
    Blocks,
}

/// Parameters of LMetric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LmetricConfig {
    /// Tokens of one KV block.
    pub block_tokens: u32,
    /// The size of a batch.
    pub load: LmetricLoad,
}

impl LmetricConfig {
    /// The product: in tokens, or in blocks.
    fn cost(&self, prompt: &PromptView, candidate: &Candidate) -> f64 {
        let new_tokens = prompt.input_tokens.saturating_sub(candidate.hit_tokens).max(1);
        match self.load {
            LmetricLoad::Requests => f64::from(new_tokens) * f64::from(candidate.in_flight() + 1),
            LmetricLoad::Blocks => {
                let block = u64::from(self.block_tokens);
                let left = (candidate.pending_tokens + u64::from(new_tokens)) as f64 / block as f64;
                let held = candidate.in_flight_prompt_tokens / block + u64::from(prompt.input_tokens).div_ceil(block);
                left * (held + 1) as f64
            }
        }
    }
}

/// The rule.
pub(crate) struct Lmetric {
    config: LmetricConfig,
    ties: Ties,
}

impl Lmetric {
    /// The rule with these parameters.
    pub(crate) fn new(config: LmetricConfig, seed: u64) -> Self {
        Self { config, ties: Ties::new(seed) }
    }
}

impl Policy for Lmetric {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let costs = candidates.iter().map(|candidate| self.config.cost(&request.prompt, candidate));
        self.ties.least(0.0, costs.enumerate()).expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let rating = |candidate| {
            let product = self.config.cost(&request.prompt, candidate);
            Rating::new([Term::new("prefill left x batch", "", product)])
        };
        candidates.iter().map(rating).collect()
    }
}
