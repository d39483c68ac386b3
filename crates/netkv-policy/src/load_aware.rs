//! Load-aware: the decode instance with the fewest committed KV tokens (running and promised).
//!
//! Our reading of the paper's load-aware baseline. Dynamo's rule (`dynamo_decode`) is its cousin in the field: it
//! counts the blocks of prompts alone.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::{Policy, RequestView};
use crate::rating::{Rating, Term};

/// The rule; it has no state.
pub(crate) struct LoadAware;

impl Policy for LoadAware {
    fn select(&mut self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        least_loaded(candidates, |_| true).expect("there is a candidate")
    }

    fn rate(&self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        candidates.iter().map(|candidate| Rating::new([committed(candidate)])).collect()
    }
}

/// The load as a term.
pub(crate) fn committed(candidate: &Candidate) -> Term {
    Term::new("committed", "tokens", candidate.committed_tokens() as f64)
}

/// Position of the least loaded of the candidates that `admits`; the first of equals.
pub(crate) fn least_loaded(candidates: &[Candidate], admits: impl Fn(&Candidate) -> bool) -> Option<usize> {
    (0..candidates.len())
        .filter(|&index| admits(&candidates[index]))
        .min_by_key(|&index| candidates[index].committed_tokens())
}
