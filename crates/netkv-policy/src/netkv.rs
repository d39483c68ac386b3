//! NetKV's greedy, in our reconstruction: the abstract of arXiv 2606.03910 says that it is an O(|D|) per-request
//! greedy over the network cost oracle; the formula is ours.
//!
//! Over the decode instances d that have room for the prompt, in memory and in the batch, and whose predicted iteration stays within the TBT
//! limit (if none does, over those with room; if none has room, over all), the least of, in seconds,
//!
//! cost(d) = latency + transfer_bytes(d) / (B * (1 - c) / (1 + k(d))) + wait(d) + iteration(d)
//!
//! B, c and latency are the oracle's for the way from the request's prefill instance to d; k(d) is the number of
//! the scheduler's own transfers in flight that share an interface with this one (its ledger), left out where
//! the oracle's c counts them already; wait(d) is the predicted wait for KV memory, the missing tokens, those of
//! requests that wait there already included, over the rate at which a full instance frees them; iteration(d) is the predicted first decode iteration. Ties go to
//! the lowest id.

use crate::config::IterationModel;
use crate::oracle::CostOracle;
use crate::policy::{Candidate, Policy, RequestView};

/// Parameters of the greedy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetKvWeights {
    /// Congestion figures above this are read as this, so that a saturated path stays comparable; in [0, 1).
    /// At 0 congestion counts for nothing: topology alone.
    pub max_congestion_ratio: f64,
    /// An instance whose predicted iteration is longer than this is avoided, in seconds.
    pub tbt_limit_s: f64,
    /// Tokens that an instance out of memory is expected to free each second: the wait term.
    pub drain_tokens_per_sec: f64,
}

/// The rule.
pub(crate) struct NetKv {
    weights: NetKvWeights,
    iteration: IterationModel,
}

impl NetKv {
    /// The rule with these parameters.
    pub(crate) const fn new(weights: NetKvWeights, iteration: IterationModel) -> Self {
        Self { weights, iteration }
    }

    /// Seconds until the first token, as far as the choice of `candidate` decides it.
    fn cost_s(&self, request: &RequestView, candidate: &Candidate, oracle: &dyn CostOracle, iteration_s: f64) -> f64 {
        let path = oracle.path(request.source, candidate.instance);
        let congestion = path.congestion_ratio.min(self.weights.max_congestion_ratio);
        let sharing = if path.counts_in_flight { 0 } else { candidate.sharing_transfers };
        let bandwidth = path.bandwidth_bytes_per_sec * (1.0 - congestion) / (1.0 + f64::from(sharing));
        let network = path.latency.as_secs_f64() + candidate.transfer_bytes.get() as f64 / bandwidth;
        let missing = candidate.missing_tokens(request.input_tokens);
        network + missing as f64 / self.weights.drain_tokens_per_sec + iteration_s
    }

    /// How acceptable a candidate is before cost: 2 has room and keeps the TBT limit, 1 has room, 0 neither.
    fn standing(&self, request: &RequestView, candidate: &Candidate, iteration_s: f64) -> u8 {
        match (candidate.has_room(request.input_tokens), iteration_s <= self.weights.tbt_limit_s) {
            (true, true) => 2,
            (true, false) => 1,
            (false, _) => 0,
        }
    }
}

impl Policy for NetKv {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        let mut best = (0, 0, f64::INFINITY);
        for (index, candidate) in candidates.iter().enumerate() {
            let tokens = candidate.committed_tokens() + u64::from(request.input_tokens);
            let iteration_s = self.iteration.seconds(candidate.running + candidate.pending + 1, tokens);
            let standing = self.standing(request, candidate, iteration_s);
            if standing < best.1 {
                continue;
            }
            let cost = self.cost_s(request, candidate, oracle, iteration_s);
            if standing > best.1 || cost < best.2 {
                best = (index, standing, cost);
            }
        }
        best.0
    }
}
