//! Cache-aware: the decode instance that holds the longest prefix of the prompt; among equals the least loaded.
//!
//! Our reading of the paper's cache-aware baseline: it looks at nothing else, so that a popular prefix draws its
//! requests to one instance. (Routers in the field temper it with load; see `cache_load_aware`.)

use crate::load_aware::least_loaded;
use crate::oracle::CostOracle;
use crate::policy::{Candidate, Policy, RequestView};

/// The rule; it has no state.
pub(crate) struct CacheAware;

impl Policy for CacheAware {
    fn select(&mut self, _: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let longest = candidates.iter().map(|candidate| candidate.hit_tokens).max();
        least_loaded(candidates, |candidate| Some(candidate.hit_tokens) == longest).expect("there is a candidate")
    }
}
