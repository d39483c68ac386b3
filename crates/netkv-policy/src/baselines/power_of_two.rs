//! Power of two choices: of two different decode instances drawn uniformly, the one with fewer requests in flight; if
//! equal, the first drawn.
//!
//! SGLang's router (sgl-project/sglang, commit b6f2064, `sgl-router/src/policies/power_of_two.rs`), which compares
//! its own live count of requests in flight unless a monitor gives it loads; the count is what we compare. Its
//! successor SMG 1.13.0 compares expected waits in the same way: see `smg_expected_wait`.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::request::RequestView;
use netkv_units::Stream;

/// The rule.
pub(crate) struct PowerOfTwo(Stream);

impl PowerOfTwo {
    /// The draws of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Stream::new(seed, "policy"))
    }
}

impl Policy for PowerOfTwo {
    fn select(&mut self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let n = candidates.len();
        if n == 1 {
            return 0;
        }
        let first = self.0.below(n as u64) as usize;
        // Any of the others, so that the two are different.
        let second = (first + 1 + self.0.below(n as u64 - 1) as usize) % n;
        if candidates[first].in_flight() <= candidates[second].in_flight() { first } else { second }
    }
}
