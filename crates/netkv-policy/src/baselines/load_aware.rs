//! Load-aware: the least loaded decode instance; of equals the first, or any (`policy.ties`).
//!
//! The paper's LA takes the least T_queue + T_decode (arXiv 2606.03910, eqs. (6) and (7)): [`LoadMeasure::NextIteration`].
//! The project's own measure is the committed KV tokens, running and promised: [`LoadMeasure::CommittedTokens`]. Dynamo's
//! rule (`dynamo_decode`) is its cousin in the field: it counts the blocks of prompts alone.

use crate::candidate::Candidate;
use crate::estimates::IterationModel;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;
use crate::ties::Breaker;

/// What the load of an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadMeasure {
    /// Context tokens of the requests that run there or were sent there.
    CommittedTokens,
    /// The paper's T_queue + T_decode: iterations for those that find no place in the batch, and the next iteration of
    /// the batch with one request more.
    NextIteration,
    /// The same where the batch is every request that was sent there and has not finished.
    CommittedIteration,
}

/// A measure of load, and what it needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    measure: LoadMeasure,
    iteration: IterationModel,
}

impl Load {
    /// The measure, with the predictions that it may need.
    pub(crate) const fn new(measure: LoadMeasure, iteration: IterationModel) -> Self {
        Self { measure, iteration }
    }

    /// The load of a candidate that a prompt of `input_tokens` would join: tokens, or seconds.
    #[inline]
    pub(crate) fn of(&self, candidate: &Candidate, input_tokens: u32) -> f64 {
        let (requests, tokens) = match self.measure {
            LoadMeasure::CommittedTokens => return candidate.committed_tokens() as f64,
            LoadMeasure::NextIteration => (candidate.running, candidate.running_tokens),
            LoadMeasure::CommittedIteration => (candidate.in_flight(), candidate.committed_tokens()),
        };
        let blocked = candidate.in_flight().saturating_sub(candidate.max_batch.max(candidate.running));
        let queue_s = f64::from(blocked) * self.iteration.seconds(requests, tokens);
        queue_s + self.iteration.seconds(requests + 1, tokens + u64::from(input_tokens))
    }

    /// The load as a term.
    pub(crate) fn term(&self, candidate: &Candidate, input_tokens: u32) -> Term {
        let (name, unit) = match self.measure {
            LoadMeasure::CommittedTokens => ("committed", "tokens"),
            LoadMeasure::NextIteration | LoadMeasure::CommittedIteration => ("queue and iteration", "s"),
        };
        Term::new(name, unit, self.of(candidate, input_tokens))
    }

    /// Positions and loads of the candidates that `admits`.
    pub(crate) fn of_all(
        &self,
        candidates: &[Candidate],
        input_tokens: u32,
        admits: impl Fn(&Candidate) -> bool,
    ) -> impl Iterator<Item = (usize, f64)> {
        let admitted = candidates.iter().enumerate().filter(move |(_, candidate)| admits(candidate));
        admitted.map(move |(index, candidate)| (index, self.of(candidate, input_tokens)))
    }
}

/// The rule.
pub(crate) struct LoadAware {
    load: Load,
    ties: Breaker,
}

impl LoadAware {
    /// The rule for this load.
    pub(crate) const fn new(load: Load, ties: Breaker) -> Self {
        Self { load, ties }
    }
}

impl Policy for LoadAware {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let loads = self.load.of_all(candidates, request.prompt.input_tokens, |_| true);
        self.ties.least(loads).expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let input_tokens = request.prompt.input_tokens;
        candidates.iter().map(|candidate| Rating::new([self.load.term(candidate, input_tokens)])).collect()
    }
}
