//! What decides: what a router sees, is told and chooses, and the yardstick that knows the truth.
//!
//! [`Scheduler`] is the door: it is shown the [`Present`] and says which instances take a request. It changes nothing but
//! its own books.

mod known;
mod local;
mod lookahead;
mod oracle;
mod question;
mod rankings;
mod signals;

pub(crate) use local::keeps;
pub use lookahead::Foreseen;
pub(crate) use question::Question;
pub use question::{Considered, Decision};

use crate::measure::{RankingCounts, is_counted};
use crate::present::Present;
use crate::scenario::{OracleGranularity, Scenario, SelectionMoment};
use known::{Known, prompt_view};
use lookahead::Lookahead;
use netkv_policy::{Estimates, IterationModel, Policy, PrefillModel, RequestView, Selector, TransferEvent};
use netkv_units::{RequestId, SimDuration, SimTime};
use oracle::Told;
use question::Reasons;
use rankings::Rankings;
use signals::Signals;

/// A policy, and what it needs to decide.
pub(crate) struct Scheduler {
    policy: Selector,
    /// When decode instances are chosen, and what the oracle tells then.
    moment: SelectionMoment,
    told: Told,
    /// What it knew at the last decision.
    known: Known,
    /// Reports of the decode instances, if the policy looks at them.
    signals: Option<Signals>,
    /// What is counted of the policy's decisions, if the experiment asks for it.
    rankings: Option<Rankings>,
    /// A decision that somebody asks about.
    question: Option<Question>,
    lookahead: Lookahead,
}

/// What has to be brought up to date before a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The decode instances' batches.
    pub batches: bool,
    /// The network; by zone as well.
    pub network: bool,
    pub zones: bool,
    /// The exact rates of a transfer from a known source.
    pub rates: bool,
}

/// The GPUs' latencies as the scheduler predicts them: exactly, but for chunks of prefill.
fn estimates(scenario: &Scenario) -> Estimates {
    let (prefill, decode) = (scenario.gpu.prefill, scenario.gpu.decode);
    Estimates {
        prefill: PrefillModel { tokens: prefill.tokens, per_pair_fs: prefill.per_pair_fs },
        iteration: IterationModel { requests: decode.requests, per_token_fs: decode.per_token_fs },
    }
}

impl Scheduler {
    /// That of a scenario, over `n_decode` instances.
    pub(crate) fn new(scenario: &Scenario, n_decode: usize) -> Self {
        let estimates = estimates(scenario);
        Self {
            policy: scenario.policy.build(estimates, scenario.seed),
            signals: scenario.policy.poll_interval().map(|interval| Signals::new(interval, n_decode)),
            rankings: Rankings::new(scenario, estimates),
            question: None,
            moment: scenario.selection,
            told: Told { granularity: scenario.oracle, bandwidth: scenario.oracle_bandwidth },
            known: Known::default(),
            lookahead: Lookahead::default(),
        }
    }

    /// Asks about a decision to come.
    pub(crate) fn ask(&mut self, question: Question) {
        self.question = Some(question);
    }

    /// The decision that was asked about, if it was made.
    pub(crate) fn take_answer(&mut self) -> Option<Decision> {
        self.question.take().and_then(Question::into_decision)
    }

    /// Decides by another policy from now on; what it was asked to count of the scenario's own is counted no more.
    pub(crate) fn decide_by(&mut self, policy: Selector) {
        (self.policy, self.rankings) = (policy, None);
    }

    /// What was counted of the decisions.
    pub(crate) fn into_counts(self) -> RankingCounts {
        self.rankings.map(Rankings::into_counts).unwrap_or_default()
    }

    /// Whether it looks at anything but how many instances there are.
    pub(crate) fn looks_at_state(&self) -> bool {
        self.policy.looks_at_state()
    }

    /// Whether it chooses the prefill instance as well.
    pub(crate) const fn selects_prefill(&self) -> bool {
        matches!(self.policy, Selector::Pair(_) | Selector::Staged(_))
    }

    /// Whether the decode instance of a request is chosen at `moment`. A policy that picks the prefill instance as well
    /// picks both on arrival, whatever the experiment says.
    pub(crate) fn selects_at(&self, moment: SelectionMoment) -> bool {
        !matches!(self.policy, Selector::Pair(_)) && self.moment == moment
    }

    /// What has to be brought up to date before the decision on a request, whose prefill instance is known or not.
    pub(crate) fn needs(&self, request: RequestId, is_source_known: bool) -> Needs {
        let looks_at_state = self.looks_at_state();
        let is_yardstick = matches!(self.policy, Selector::Clairvoyant);
        Needs {
            batches: looks_at_state || is_yardstick || self.is_questioned(request),
            network: looks_at_state,
            zones: self.told.granularity == OracleGranularity::Zone,
            rates: looks_at_state && is_source_known && self.told.granularity == OracleGranularity::Exact,
        }
    }

    /// Where [`crate::network::Network::probe`] puts what it finds.
    pub(crate) const fn rates_mut(&mut self) -> &mut Vec<f64> {
        &mut self.known.exact_rate
    }

    fn is_questioned(&self, request: RequestId) -> bool {
        self.question.as_ref().is_some_and(|question| question.is_about(request))
    }

    /// When the decode instances are polled next; none if they are not, or at every decision.
    pub(crate) fn next_poll(&self, now: SimTime) -> Option<SimTime> {
        let interval = self.signals.as_ref().map(Signals::interval).filter(|&interval| interval > SimDuration::ZERO);
        interval.map(|interval| now + interval)
    }

    /// The decode instances, whose batches are up to date, are polled.
    pub(crate) fn poll(&mut self, present: Present<'_>) {
        self.signals.as_mut().expect("the scheduler polls").poll(present);
    }

    /// A request was sent to a decode instance.
    pub(crate) fn sent(&mut self, decode: usize, input_tokens: u32) {
        if let Some(signals) = &mut self.signals {
            signals.dispatch(decode, input_tokens);
        }
    }

    /// A transfer has begun, or ended.
    pub(crate) fn observe(&mut self, event: &TransferEvent) {
        match &mut self.policy {
            Selector::Decode(policy) => policy.observe(event),
            Selector::Staged(policy) => policy.observe(event),
            Selector::Pair(_) | Selector::Clairvoyant => {}
        }
    }

    /// A request has finished on a decode instance.
    pub(crate) fn finished(&mut self, decode: usize, now: SimTime) {
        if let Some(signals) = &mut self.signals {
            signals.finish(decode, now);
        }
    }

    /// Chooses a decode instance for a request whose prefill instance is known; none if it refuses the request.
    pub(crate) fn select_decode(&mut self, present: Present<'_>, request: RequestId) -> Option<usize> {
        let source = present.requests[request].prefill();
        let (chosen, reasons) = match self.policy {
            Selector::Clairvoyant => (Some(self.lookahead.foresee_best(present, request)), Reasons::default()),
            Selector::Decode(_) | Selector::Pair(_) | Selector::Staged(_) => self.ask_for_decode(present, request),
        };
        chosen.map(|chosen| self.answer(present, request, source, chosen, reasons))
    }

    /// The policy's choice of a decode instance, none if it refuses the request, and its reasons if somebody asks for
    /// them.
    fn ask_for_decode(&mut self, present: Present<'_>, request: RequestId) -> (Option<usize>, Reasons) {
        let source = present.requests[request].prefill();
        let looks_at_state = self.looks_at_state();
        let is_questioned = self.is_questioned(request) && looks_at_state;
        self.look(present, request, Some(source), looks_at_state);
        let oracle = self.known.oracle(present, self.told, looks_at_state);
        let policy: &mut dyn Policy = match &mut self.policy {
            Selector::Decode(policy) => &mut **policy,
            Selector::Staged(policy) => &mut **policy,
            Selector::Pair(_) | Selector::Clairvoyant => unreachable!("it is not asked for d"),
        };
        let candidates = self.known.decode.as_slice();
        let instance = present.network.topology().cluster().prefill()[source];
        let view = RequestView { source: instance, prompt: prompt_view(present, request) };
        let reasons = if is_questioned {
            Reasons::of(&view, candidates, &oracle, policy.rate(&view, candidates, &oracle))
        } else {
            Reasons::default()
        };
        let chosen = policy.place(&view, candidates, &oracle);
        if let Some(rankings) = &mut self.rankings {
            let counts = is_counted(present.scenario, present.requests[request].own().arrival);
            rankings.compare(&view, candidates, &oracle, chosen, counts);
        }
        assert!(chosen.is_none_or(|at| at < candidates.len()), "the policy chose {chosen:?} of {}", candidates.len());
        (chosen, reasons)
    }

    /// Chooses the prefill instance of a request that arrives, and the decode instance with it if the policy chooses both
    /// at once and the request has something to decode.
    pub(crate) fn select_prefill(&mut self, present: Present<'_>, request: RequestId) -> (usize, Option<usize>) {
        self.look(present, request, None, true);
        let is_questioned = self.is_questioned(request);
        // The exact rate is that of one transfer, from a known source.
        let exact = self.told.granularity == OracleGranularity::Exact;
        let granularity = if exact { OracleGranularity::Path } else { self.told.granularity };
        let oracle = self.known.oracle(present, Told { granularity, ..self.told }, true);
        let Known { prefill, decode, .. } = &self.known;
        let prompt = prompt_view(present, request);
        let mut reasons = Reasons::default();
        let (p, d) = match &mut self.policy {
            Selector::Pair(policy) => {
                let (p, d) = policy.select_pair(&prompt, prefill, decode, &oracle);
                if is_questioned {
                    let view = RequestView { source: prefill[p].instance, prompt };
                    let ratings = policy.rate(&view, decode, &oracle);
                    reasons = Reasons::of(&view, decode, &oracle, ratings).with_prefill(prefill);
                }
                (p, Some(d))
            }
            Selector::Staged(policy) => (policy.select_prefill(&prompt, prefill, decode, &oracle), None),
            Selector::Decode(_) | Selector::Clairvoyant => unreachable!("it chooses no prefill instance"),
        };
        assert!(p < prefill.len() && d.is_none_or(|d| d < decode.len()), "the policy chose {p} and {d:?}");
        let output_tokens = present.requests[request].own().output_tokens;
        let d = d.filter(|_| present.scenario.first_token.leaves_tokens(output_tokens));
        (p, d.map(|d| self.answer(present, request, p, d, reasons)))
    }

    /// Sees what there is to know before a decision.
    fn look(&mut self, present: Present<'_>, request: RequestId, source: Option<usize>, looks_at_state: bool) {
        if let Some(signals) = self.signals.as_mut().filter(|signals| signals.are_live() && looks_at_state) {
            signals.poll(present);
        }
        self.known.see(present, self.signals.as_ref(), request, source, looks_at_state);
    }

    /// Records a decision if somebody asks about it; returns the choice that is to be made.
    fn answer(
        &mut self,
        present: Present<'_>,
        request: RequestId,
        source: usize,
        chosen: usize,
        reasons: Reasons,
    ) -> usize {
        let Some(question) = self.question.as_mut().filter(|question| question.is_about(request)) else {
            return chosen;
        };
        question.answer(present, (self.signals.as_ref(), &mut self.lookahead), source, chosen, reasons)
    }
}
