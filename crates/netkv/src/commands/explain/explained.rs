//! A decision that is explained, and the figures that both forms of the explanation show.

use netkv_sim::{Considered, Explanation, Outcome, Scenario, TtftParts};
use netkv_units::{SimDuration, SimTime};

/// A decision with the run that it was made in.
pub struct Explained<'a> {
    /// The run.
    pub scenario: &'a Scenario,
    /// Of the cell: `axis=value`.
    pub coordinates: String,
    /// The cell's number.
    pub cell: usize,
    /// The decision, and what came of it.
    pub explanation: &'a Explanation,
}

/// Milliseconds.
pub const fn ms(duration: SimDuration) -> f64 {
    duration.as_nanos() as f64 * 1e-6
}

/// From the end of prefill to the first token: the part of TTFT that the choice of the decode instance decides.
pub fn after_prefill(outcome: &Outcome) -> SimDuration {
    let TtftParts { selection, admission_wait, transfer, decode_wait, first_iteration, .. } = outcome.record.parts;
    selection + admission_wait + transfer + decode_wait + first_iteration
}

/// The same as it was foreseen at the decision, in milliseconds; none if it would never come.
pub fn foreseen_ms(explanation: &Explanation, considered: &Considered) -> Option<f64> {
    let first_token = considered.foreseen.first_token;
    (first_token < SimTime::NEVER).then(|| ms(first_token.since(explanation.decision.time)))
}

/// The candidate that comes after the chosen one by its rating; the first of equals.
pub fn runner_up(explanation: &Explanation) -> Option<usize> {
    let considered = &explanation.decision.considered;
    let place = |index: &usize| considered[*index].rating.as_ref().map(|rating| (rating.rank, rating.cost()));
    let others = (0..considered.len()).filter(|&index| index != explanation.decision.chosen);
    let rated = others.filter_map(|index| Some((place(&index)?, index)));
    rated.min_by(|(one, _), (other, _)| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))).map(|(_, index)| index)
}
