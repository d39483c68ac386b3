//! Why a request went where it did: the decision as it stood, and what would have come of every other.
//!
//! The run is played once, and the decision on the request recorded: what the policy saw, what it was told, and how it
//! rated each decode instance. Hindsight is the whole run again for each of the other instances, with this decision
//! forced and everything else left to the policy: what became of the request, and of all others.

use crate::measure::record::{OutputDigest, RequestRecord};
use crate::scenario::Scenario;
use crate::scheduler::lookahead::Foreseen;
use crate::simulation::Simulation;
use netkv_policy::{
    Candidate, CostOracle, PathCost, PolicyConfig, PrefillCandidate, PromptView, Rating, RequestView, Term,
};
use netkv_units::{Digest, InstanceId, RequestId, SimDuration, SimTime, Tier};

/// A decode instance, at the decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Considered {
    /// How far it is from the prefill instance.
    pub tier: Tier,
    /// What a scheduler knew about it.
    pub known: Candidate,
    /// What the oracle told of the way to it; none if the policy does not ask.
    pub told: Option<PathCost>,
    /// How the policy rated it; none if its rule is no sum of terms.
    pub rating: Option<Rating>,
    /// When its first token would have come if nobody else had come: by the true state, the prompt taken as computed
    /// at the decision.
    pub foreseen: Foreseen,
}

/// The choice of a decode instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When.
    pub time: SimTime,
    /// Where the prompt is computed.
    pub source: InstanceId,
    /// The prompt.
    pub prompt: PromptView,
    /// Age of the oracle's congestion figures; zero if the policy does not ask for any.
    pub age: SimDuration,
    /// The prefill instances as the policy knew them, if it chose among them as well.
    pub prefill: Vec<PrefillCandidate>,
    /// The decode instances, by position.
    pub considered: Vec<Considered>,
    /// Position of the policy's choice.
    pub chosen: usize,
}

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
    let (decision, outcome) = play(scenario, request, None);
    let outcome = outcome.ok_or(Unexplained::Refused)?;
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
    simulation.questioned = Some(Questioned { request, force, decision: None });
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
    let decision = simulation.questioned.take().and_then(|questioned| questioned.decision);
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

/// A decision that somebody asks about.
pub(crate) struct Questioned {
    request: RequestId,
    /// What is to be chosen instead of the policy's choice.
    force: Option<usize>,
    decision: Option<Decision>,
}

/// What a policy was told and how it rated the candidates.
#[derive(Default)]
pub(crate) struct Reasons {
    pub(crate) paths: Vec<PathCost>,
    pub(crate) ratings: Vec<Rating>,
    pub(crate) prefill: Vec<PrefillCandidate>,
}

impl Reasons {
    /// What `oracle` tells of the ways to the candidates, and how they are rated.
    pub(crate) fn of(
        request: &RequestView,
        candidates: &[Candidate],
        oracle: &dyn CostOracle,
        ratings: Vec<Rating>,
    ) -> Self {
        let paths = candidates.iter().map(|candidate| oracle.path(request.source, candidate.instance)).collect();
        Self { paths, ratings, prefill: Vec::new() }
    }
}

impl Simulation<'_> {
    /// Whether somebody asks about the decision on a request.
    pub(crate) fn is_questioned(&self, request: RequestId) -> bool {
        self.questioned.as_ref().is_some_and(|questioned| questioned.request == request)
    }

    /// Records a decision that somebody asks about, and returns the choice that is to be made.
    pub(crate) fn record_decision(&mut self, request: RequestId, chosen: usize, reasons: Reasons) -> usize {
        let force = self.questioned.as_ref().expect("somebody asks").force;
        if let Some(forced) = force {
            return forced;
        }
        self.catch_up_all();
        let source = self.requests[request].prefill as usize;
        // Who chooses both sees the instance alone.
        let seen_from = reasons.prefill.is_empty().then_some(source);
        let considered = (0..self.decode.len()).map(|decode| {
            let foreseen = self.foresee(request, decode);
            let yardstick = self.scenario.policy == PolicyConfig::Clairvoyant;
            Considered {
                tier: self.tier_to(request, decode),
                known: self.candidate(request, seen_from, decode),
                told: reasons.paths.get(decode).copied(),
                rating: reasons.ratings.get(decode).cloned().or_else(|| yardstick.then(|| rating(self.now, &foreseen))),
                foreseen,
            }
        });
        let considered: Vec<_> = considered.collect();
        let decision = Decision {
            time: self.now,
            source: self.cluster.prefill[source],
            prompt: self.prompt_view(request),
            age: reasons.paths.first().map_or(SimDuration::ZERO, |path| path.age),
            prefill: reasons.prefill,
            considered,
            chosen,
        };
        self.questioned.as_mut().expect("somebody asks").decision = Some(decision);
        chosen
    }
}

/// The clairvoyant's reasons: the parts of what it foresees.
fn rating(now: SimTime, foreseen: &Foreseen) -> Rating {
    let term = |name, from: SimTime, to: SimTime| Term::new(name, "s", to.since(from).as_secs_f64());
    Rating::new([
        term("memory wait", now, foreseen.admitted),
        term("transfer", foreseen.admitted, foreseen.transfer_end),
        term("batch wait", foreseen.transfer_end, foreseen.joined),
        term("iteration", foreseen.joined, foreseen.first_token),
    ])
}
