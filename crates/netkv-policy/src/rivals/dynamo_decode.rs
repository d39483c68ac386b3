//! NVIDIA Dynamo's decode rule: least projected KV blocks, ties drawn uniformly.
//!
//! cost(d) = B(d) + a * R(d)
//!
//! B(d): KV blocks of the prompts in flight on d, those of this request added. A prompt in flight counts the blocks that it
//! fills, since the router knows blocks by their hashes and a part of one has none; this request counts its last part as
//! well, as its `potential_decode_blocks` do, for every d alike. R(d): requests in flight on d; a =
//! `active_request_weight`, 0 by default. Source: Dynamo 1.6.1, `lib/kv-router/src/scheduling/selector/reference.rs`
//! (`worker_logit`, `pick_default_worker`) and `lib/llm/src/kv_router/prefill_router/mod.rs`, which asks the decode leg
//! with `overlap_score_credit` 0, `assume_kv_reuse` false and `track_prefill_tokens` false: a prefix that d holds
//! counts for nothing, and every prompt counts its own blocks. Generated tokens are not counted (`track_output_blocks`
//! is off by default). Both counts are the router's own and live. The weight came with pull request 12158 (July 2026).
//! Compared with the product, decision by decision: docs/external.md.
//!
//! With `load` = requests cost(d) = R(d), as pull request 11590 (July 2026, open) has it for decode workers.
//!
//! Left out: sampling at a temperature (0 by default, which is this rule), the queue threshold (off by default).

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::{PromptView, RequestView};
use crate::ties::Ties;
use netkv_units::Tier;

/// What Dynamo balances on decode workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynamoLoad {
    /// KV blocks, and requests in flight by their weight.
    Blocks,
    /// Requests in flight alone.
    Requests,
}

/// Parameters of Dynamo's rules, those with topology included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DynamoConfig {
    /// Tokens of one KV block.
    pub block_tokens: u32,
    /// What is balanced.
    pub load: DynamoLoad,
    /// Blocks that each request in flight counts beside its own.
    pub active_request_weight: f64,
    /// Instances this near to each other share a topology domain.
    pub topology_domain: Tier,
    /// Weight of a preferred domain: its costs are multiplied by exp(-tanh(weight)).
    pub topology_weight: f64,
}

impl DynamoConfig {
    /// The cost of a candidate, in blocks.
    pub(crate) fn cost_blocks(&self, prompt: &PromptView, candidate: &Candidate) -> f64 {
        let (projected, active) = self.parts_blocks(prompt, candidate);
        projected + active
    }

    /// Both parts of it: KV blocks, and requests in flight.
    fn parts_blocks(&self, prompt: &PromptView, candidate: &Candidate) -> (f64, f64) {
        let block = u64::from(self.block_tokens);
        let projected = candidate.in_flight_prompt_tokens / block + u64::from(prompt.input_tokens).div_ceil(block);
        let in_flight = f64::from(candidate.in_flight());
        match self.load {
            DynamoLoad::Blocks => (projected as f64, self.active_request_weight * in_flight),
            DynamoLoad::Requests => (0.0, in_flight),
        }
    }

    /// The cost as terms.
    pub(crate) fn terms(&self, prompt: &PromptView, candidate: &Candidate) -> Vec<Term> {
        let (projected, active) = self.parts_blocks(prompt, candidate);
        vec![Term::new("prompts", "blocks", projected), Term::new("requests", "blocks", active)]
    }
}

/// The rule.
pub(crate) struct DynamoDecode {
    config: DynamoConfig,
    ties: Ties,
}

impl DynamoDecode {
    /// The rule with these parameters.
    pub(crate) fn new(config: DynamoConfig, seed: u64) -> Self {
        Self { config, ties: Ties::new(seed) }
    }
}

impl Policy for DynamoDecode {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let costs = candidates.iter().map(|candidate| self.config.cost_blocks(&request.prompt, candidate));
        self.ties.least(0.0, costs.enumerate()).expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        candidates.iter().map(|candidate| Rating::new(self.config.terms(&request.prompt, candidate))).collect()
    }
}
