//! Load-aware: the decode instance with the fewest committed KV tokens (running and promised).
//!
//! Our reading of the paper's load-aware baseline. It is also the default decode rule of NVIDIA Dynamo 1.6.1
//! (`lib/kv-router/src/scheduling/selector/reference.rs`: least active KV blocks), with ties to the lowest id.

use crate::oracle::CostOracle;
use crate::policy::{Candidate, Policy, RequestView};

/// The rule; it has no state.
pub(crate) struct LoadAware;

impl Policy for LoadAware {
    fn select(&mut self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        least_loaded(candidates, |_| true).expect("there is a candidate")
    }
}

/// Position of the least loaded of the candidates that `admits`; the first of equals.
pub(crate) fn least_loaded(candidates: &[Candidate], admits: impl Fn(&Candidate) -> bool) -> Option<usize> {
    (0..candidates.len())
        .filter(|&index| admits(&candidates[index]))
        .min_by_key(|&index| candidates[index].committed_tokens())
}
