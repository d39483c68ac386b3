//! llm-d's endpoint picker with its topology scorer: the score of `llmd`, and topology_weight times how near d is to
//! the prefill instance: 1 on its host, 0.2 in its rack, 0.05 in its zone, 0.02 in its region.
//!
//! Source: llm-d-router, commit ebab687, `pkg/epp/framework/plugins/scheduling/scorer/topologyaffinity/scorer.go`
//! (`levelScores`, fixed there), since pull request 2299; weight 1 as in its sample. The scorer rates the leg that is
//! chosen second, so it rates decode instances only with `stageOrder: prefill-first` (pull request 2342).
//!
//! Ours: node, rack, pod and core stand for host, rack, zone and region.

use super::llmd::{LlmdConfig, Queues};
use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;
use crate::ties::Ties;

/// By tier: the topology scorer's score.
const LEVEL_SCORES: [f64; 4] = [1.0, 0.2, 0.05, 0.02];

impl LlmdConfig {
    /// The topology scorer, weighted.
    fn near(&self, request: &RequestView, candidate: &Candidate, oracle: &dyn CostOracle) -> f64 {
        let tier = oracle.tier(request.source, candidate.instance);
        self.topology_weight * LEVEL_SCORES[tier.index()]
    }
}

/// The rule.
pub(crate) struct LlmdTopology {
    config: LlmdConfig,
    ties: Ties,
}

impl LlmdTopology {
    /// The rule with these parameters.
    pub(crate) fn new(config: LlmdConfig, seed: u64) -> Self {
        Self { config, ties: Ties::new(seed) }
    }
}

impl Policy for LlmdTopology {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        let queues = Queues::of(candidates);
        let costs = candidates.iter().map(|candidate| {
            let near = self.config.near(request, candidate, oracle);
            -(self.config.score(&request.prompt, candidate, queues) + near)
        });
        self.ties.least(0.0, costs.enumerate()).expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        let queues = Queues::of(candidates);
        let rating = |candidate: &Candidate| {
            let mut terms = self.config.terms(&request.prompt, candidate, queues);
            terms.push(Term::new("topology", "", -self.config.near(request, candidate, oracle)));
            Rating::new(terms)
        };
        candidates.iter().map(rating).collect()
    }
}
