//! Why a request went where it did: the decision as it stood, and what would have come of every other.
//!
//! The run is played once, and the decision on the request recorded: what the policy saw, what it was told, and how it
//! rated each decode instance. Hindsight is the whole run again for each of the other instances, with this decision
//! forced and everything else left to the policy: what became of the request, and of all others.

use crate::measure::{OutputDigest, RequestRecord};
use crate::scenario::Scenario;
use crate::scheduler::{Decision, Question};
use crate::simulation::Simulation;
use netkv_units::{Digest, RequestId};

/// What came of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The request.
    pub record: RequestRecord,
    /// Mean TTFT of all requests that count, in nanoseconds; none if none does.
    pub ttft_mean_ns: Option<f64>,
    /// Mean time between their tokens, in nanoseconds; none if there is no gap.
    pub tbt_mean_ns: Option<f64>,
    /// Share of them that attained the SLO; none if there are none.
    pub slo_attainment_ratio: Option<f64>,
    /// Of the whole run.
    pub digest: Digest,
}

/// A decision, and what came or would have come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// By position of the decode instance: the run with this choice. That of the policy's choice is the run as it was.
    pub outcomes: Vec<Outcome>,
}

impl Explanation {
    /// The choice with the least TTFT; ties to the policy's own, then to the lowest id.
    pub fn best_in_hindsight(&self) -> usize {
        let chosen = self.decision.chosen;
        let place = |&index: &usize| (self.outcomes[index].record.ttft, index != chosen, index);
        (0..self.outcomes.len()).min_by_key(place).expect("there is a decode instance")
    }
}

/// Why there is nothing to explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexplained {
    /// The run has no request of that number.
    NoSuchRequest,
    /// It was refused: prompt and answer can never fit an instance.
    Refused,
    /// Its only token came from the prefill side.
    NoDecode,
    /// Instances come and go, and what there was to choose with them.
    ClusterChanges,
    /// Its prompt was computed where it was decoded, which was decided before any policy was asked.
    Local,
}

/// Explains where a request was decoded.
///
/// # Errors
/// If it was not decoded.
///
/// # Panics
/// As [`crate::run`].
pub fn explain(scenario: &Scenario, request: RequestId) -> Result<Explanation, Unexplained> {
    if request.index() >= scenario.workload.len() {
        return Err(Unexplained::NoSuchRequest);
    }
    if !scenario.cluster.events.is_empty() {
        return Err(Unexplained::ClusterChanges);
    }
    let (decision, outcome) = play(scenario, request, None);
    let outcome = outcome.ok_or(Unexplained::Refused)?;
    if outcome.record.prefilled_locally() {
        return Err(Unexplained::Local);
    }
    let decision = decision.ok_or(Unexplained::NoDecode)?;
    let outcomes = (0..decision.considered.len()).map(|index| {
        if index == decision.chosen {
            return outcome.clone();
        }
        let (_, forced) = play(scenario, request, Some(index));
        forced.expect("a request that fits one instance fits all")
    });
    Ok(Explanation { outcomes: outcomes.collect(), decision })
}

/// A run in which one decision is recorded, and made otherwise if asked for.
fn play(scenario: &Scenario, request: RequestId, force: Option<usize>) -> (Option<Decision>, Option<Outcome>) {
    let mut simulation = Simulation::new(scenario, u32::MAX);
    simulation.scheduler_mut().ask(Question::new(request, force));
    let (mut own, mut digest) = (None, OutputDigest::default());
    let (mut ttft_ns, mut decoding_ns) = (0_u128, 0_u128);
    let (mut counted, mut gaps, mut attained) = (0_u64, 0_u64, 0_u64);
    let mut sink = |record: RequestRecord| {
        digest.add(&record);
        if record.counted {
            counted += 1;
            ttft_ns += u128::from(record.ttft.as_nanos());
            gaps += u64::from(record.output_tokens) - 1;
            decoding_ns += u128::from(record.decoding.as_nanos());
            attained += u64::from(record.slo_attained);
        }
        if record.request == request {
            own = Some(record);
        }
    };
    while !simulation.is_done() {
        simulation.step(&mut sink);
    }
    let decision = simulation.scheduler_mut().take_answer();
    let end = simulation.into_end();
    let digest = digest.finish(&end.tbt_histogram, &end.totals);
    let mean = |sum: u128, n: u64| (n > 0).then(|| sum as f64 / n as f64);
    let outcome = own.map(|record| Outcome {
        record,
        ttft_mean_ns: mean(ttft_ns, counted),
        tbt_mean_ns: mean(decoding_ns, gaps),
        slo_attainment_ratio: mean(u128::from(attained), counted),
        digest,
    });
    (decision, outcome)
}
