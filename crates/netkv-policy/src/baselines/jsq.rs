//! Join the shortest queue: the decode instance with the fewest requests in flight, running ones included; the first
//! of equals.
//!
//! Splitwise's simulator (commit 3780880, `scheduler.py`, `KVJSQScheduler`: `min` over `len(pending_requests)`, which
//! counts a request from its assignment to its end). It chooses the prefill instance by the same rule; here that is
//! left to the prefill policy, the same for all.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;

/// The rule; it has no state.
pub(crate) struct ShortestQueue;

impl Policy for ShortestQueue {
    fn select(&mut self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let shortest = (0..candidates.len()).min_by_key(|&index| candidates[index].in_flight());
        shortest.expect("there is a candidate")
    }

    fn rate(&self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let in_flight = |candidate: &Candidate| Term::new("in flight", "requests", f64::from(candidate.in_flight()));
        candidates.iter().map(|candidate| Rating::new([in_flight(candidate)])).collect()
    }
}
