//! Round-robin: decode instances in turn, whatever their state.
//!
//! The paper's first baseline (RR, its section VI-A), and what vLLM's production stack does for disaggregated prefill
//! (`routing_logic.py`, disaggregated_prefill_orchestrated, commit a6c01db: a counter over the sorted list).

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::request::RequestView;

/// The next position to use.
pub(crate) struct RoundRobin {
    next: usize,
}

impl RoundRobin {
    /// Starts with the first instance.
    pub(crate) const fn new() -> Self {
        Self { next: 0 }
    }
}

impl Policy for RoundRobin {
    fn select(&mut self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let chosen = self.next % candidates.len();
        self.next = chosen + 1;
        chosen
    }

    fn looks_at_state(&self) -> bool {
        false
    }
}
