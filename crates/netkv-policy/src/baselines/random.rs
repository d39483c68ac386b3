//! Random: a decode instance drawn uniformly, whatever its state.
//!
//! One of the policies of SGLang's router (sglang_router 0.3.2, `router_args.py`: `--policy random`), and the scheduler
//! that Splitwise's simulator compares with (commit 3780880, `scheduler.py`, `RandomScheduler`).

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::request::RequestView;
use netkv_units::Stream;

/// The rule.
pub(crate) struct Random(Stream);

impl Random {
    /// The draws of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Stream::new(seed, "policy"))
    }
}

impl Policy for Random {
    fn select(&mut self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        self.0.below(candidates.len() as u64) as usize
    }

    fn looks_at_state(&self) -> bool {
        false
    }
}
