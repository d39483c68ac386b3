//! Dynamo's announced topology cost (DEP 9118): load in blocks plus the time of the transfer by a static table.
//!
//! cost(d) = blocks(d) + transfer_blocks_per_sec * (latency + kv_bytes / bandwidth)
//!
//! blocks(d) as in `dynamo_decode`; latency and bandwidth of the way's tier, from a table that never changes: no
//! congestion, no count of transfers in flight; kv_bytes of the whole prompt, whatever prefix d holds. Source:
//! <https://github.com/ai-dynamo/dynamo/issues/9118>, its future directions; announced, not built. It is the nearest cousin
//! of NetKV in production.
//!
//! Ours: the proposal gives no weight. By default one second of transfer counts as many blocks as an instance frees
//! in one second by `netkv`'s own figure (20,000 tokens, 1,250 blocks). Ties are Dynamo's: drawn uniformly.

use super::dynamo_decode::DynamoConfig;
use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;
use crate::ties::Ties;

/// Parameters of DEP 9118's cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dep9118Config {
    /// What it shares with Dynamo's rules.
    pub dynamo: DynamoConfig,
    /// Blocks that one second of transfer counts.
    pub transfer_blocks_per_sec: f64,
}

impl Dep9118Config {
    /// What the transfer counts, in blocks.
    fn transfer_blocks(&self, request: &RequestView, candidate: &Candidate, oracle: &dyn CostOracle) -> f64 {
        let path = oracle.path(request.source, candidate.instance);
        let transfer_s =
            path.latency.as_secs_f64() + request.prompt.kv_bytes.get() as f64 / path.bandwidth_bytes_per_sec;
        self.transfer_blocks_per_sec * transfer_s
    }
}

/// The rule.
pub(crate) struct Dep9118Static {
    config: Dep9118Config,
    ties: Ties,
}

impl Dep9118Static {
    /// The rule with these parameters.
    pub(crate) fn new(config: Dep9118Config, seed: u64) -> Self {
        Self { config, ties: Ties::new(seed) }
    }
}

impl Policy for Dep9118Static {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        let costs = candidates.iter().map(|candidate| {
            self.config.dynamo.cost_blocks(&request.prompt, candidate)
                + self.config.transfer_blocks(request, candidate, oracle)
        });
        self.ties.least(0.0, costs.enumerate()).expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        let rating = |candidate: &Candidate| {
            let mut terms = self.config.dynamo.terms(&request.prompt, candidate);
            terms.push(Term::new("transfer", "blocks", self.config.transfer_blocks(request, candidate, oracle)));
            Rating::new(terms)
        };
        candidates.iter().map(rating).collect()
    }
}
