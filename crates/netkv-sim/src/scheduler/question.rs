//! The choice of a decode instance as it stood, for whoever asks: what the policy knew, what it was told, how it rated
//! each instance, and what is foreseen of each.

use super::known::{Own, candidate, prompt_view};
use super::lookahead::{Foreseen, Lookahead};
use crate::present::Present;
use netkv_policy::{
    Candidate, CostOracle, PathCost, PolicyConfig, PrefillCandidate, PromptView, Rating, RequestView, Term,
};
use netkv_units::{InstanceId, RequestId, SimDuration, SimTime, Tier};

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

/// A decision that somebody asks about.
pub(crate) struct Question {
    request: RequestId,
    /// What is to be chosen instead of the policy's choice.
    force: Option<usize>,
    decision: Option<Decision>,
}

/// What a policy was told and how it rated the candidates.
#[derive(Default)]
pub(super) struct Reasons {
    paths: Vec<PathCost>,
    ratings: Vec<Rating>,
    prefill: Vec<PrefillCandidate>,
}

impl Reasons {
    /// What `oracle` tells of the ways to the candidates, and how they are rated.
    pub(super) fn of(
        request: &RequestView,
        candidates: &[Candidate],
        oracle: &dyn CostOracle,
        ratings: Vec<Rating>,
    ) -> Self {
        let paths = candidates.iter().map(|candidate| oracle.path(request.source, candidate.instance)).collect();
        Self { paths, ratings, prefill: Vec::new() }
    }

    /// The same of a policy that chose among these prefill instances as well.
    pub(super) fn with_prefill(self, prefill: &[PrefillCandidate]) -> Self {
        Self { prefill: prefill.to_vec(), ..self }
    }
}

impl Question {
    /// Asks why a request goes where it does; if `force` names another choice, that is made instead, and nothing
    /// recorded.
    pub(crate) const fn new(request: RequestId, force: Option<usize>) -> Self {
        Self { request, force, decision: None }
    }

    /// Whether it is about the decision on this request.
    pub(super) fn is_about(&self, request: RequestId) -> bool {
        self.request == request
    }

    /// The decision, if it was made by the policy.
    pub(super) fn into_decision(self) -> Option<Decision> {
        self.decision
    }

    /// Records the decision, of a scheduler that knows this, for a prompt that is computed on `source`; returns the choice
    /// that is to be made. The batches are up to date.
    pub(super) fn answer(
        &mut self,
        present: Present<'_>,
        (own, lookahead): (Own<'_>, &mut Lookahead),
        source: usize,
        chosen: usize,
        reasons: Reasons,
    ) -> usize {
        if let Some(forced) = self.force {
            return forced;
        }
        let topology = present.network.topology();
        // Who chooses both sees the instance alone.
        let seen_from = reasons.prefill.is_empty().then_some(source);
        let is_yardstick = present.scenario.policy == PolicyConfig::Clairvoyant;
        let considered = (0..present.decode.instances().len()).map(|decode| {
            let foreseen = lookahead.foresee(present, self.request, (source, decode));
            let rating_of_rule = reasons.ratings.get(decode).cloned();
            Considered {
                tier: topology.tier(source, decode),
                known: candidate(present, own, self.request, seen_from, decode),
                told: reasons.paths.get(decode).copied(),
                rating: rating_of_rule.or_else(|| is_yardstick.then(|| rating(present.now, &foreseen))),
                foreseen,
            }
        });
        self.decision = Some(Decision {
            time: present.now,
            source: topology.cluster().prefill()[source],
            prompt: prompt_view(present, self.request),
            age: reasons.paths.first().map_or(SimDuration::ZERO, |path| path.age),
            prefill: reasons.prefill.clone(),
            considered: considered.collect(),
            chosen,
        });
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
