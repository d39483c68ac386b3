//! NVIDIA Dynamo's topology-aware KV transfer: its decode rule, with one topology domain, that of the request's prefill
//! instance, required or preferred.
//!
//! Required: only decode instances of the domain. Preferred: cost(d) * exp(-tanh(w)) in the domain, cost(d) elsewhere;
//! cost(d) as in `dynamo_decode`. With w = 0.85, the documentation's example, the factor is 0.501: the domain wins if
//! 0.501 * (active blocks there + blocks of the prompt) is less than the same sum elsewhere, so a long prompt stays
//! near, but by its count of blocks: neither the bandwidth of the way nor what else is on it plays a part.
//! Source: Dynamo 1.6.1, `lib/kv-router/src/protocols.rs` (`preferred_taint_multiplier`) and
//! `selector/reference.rs` (`worker_cost`), since pull request 9893.
//!
//! Ours: Dynamo names domains by labels, here a domain is the instances within a tier of each other; and where Dynamo
//! fails a request because its domain has no decode instance, here every instance is then allowed.

use super::dynamo_decode::DynamoConfig;
use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;
use crate::ties::Ties;

/// How a domain is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enforcement {
    Required,
    Preferred,
}

impl DynamoConfig {
    /// Whether a candidate is in the domain of the request's prefill instance.
    fn is_near(&self, request: &RequestView, candidate: &Candidate, oracle: &dyn CostOracle) -> bool {
        oracle.tier(request.source, candidate.instance) <= self.topology_domain
    }
}

/// The rule.
pub(crate) struct DynamoTopology {
    config: DynamoConfig,
    enforcement: Enforcement,
    /// What costs in the domain are multiplied by, if it is preferred.
    factor: f64,
    ties: Ties,
}

impl DynamoTopology {
    /// The rule with these parameters.
    pub(crate) fn new(config: DynamoConfig, enforcement: Enforcement, seed: u64) -> Self {
        let factor = libm::exp(-libm::tanh(config.topology_weight));
        Self { config, enforcement, factor, ties: Ties::new(seed) }
    }
}

impl Policy for DynamoTopology {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        let is_near = |candidate: &Candidate| self.config.is_near(request, candidate, oracle);
        let required = self.enforcement == Enforcement::Required;
        let filters = required && candidates.iter().any(is_near);
        let factor = if required { 1.0 } else { self.factor };
        let costs = candidates.iter().enumerate().filter_map(|(index, candidate)| {
            let near = is_near(candidate);
            let cost = self.config.cost_blocks(&request.prompt, candidate);
            (near || !filters).then_some((index, if near { cost * factor } else { cost }))
        });
        self.ties.least(0.0, costs).expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        let required = self.enforcement == Enforcement::Required;
        let rating = |candidate: &Candidate| {
            let near = self.config.is_near(request, candidate, oracle);
            let mut terms = self.config.terms(&request.prompt, candidate);
            if !required {
                let cost = self.config.cost_blocks(&request.prompt, candidate);
                terms.push(Term::new("domain", "blocks", if near { cost * self.factor - cost } else { 0.0 }));
            }
            let standing = if near { "in the domain" } else { "outside" };
            Rating { rank: u8::from(required && !near), standing, terms }
        };
        candidates.iter().map(rating).collect()
    }
}
