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
mod replicas;
mod signals;

pub(crate) use local::keeps;
pub use lookahead::Foreseen;
pub(crate) use question::Question;
pub use question::{Considered, Decision};

use crate::measure::RankingCounts;
use crate::network::{Cluster, Order};
use crate::present::Present;
use crate::scenario::{OracleGranularity, Scenario, SelectionMoment};
use known::{Known, Own, prompt_view};
use lookahead::Lookahead;
use netkv_policy::{
    Estimates, IterationModel, Policy, PrefillModel, Repetition, RequestStep, RequestView, Selector, TransferEvent,
};
use netkv_units::{RequestId, SimDuration, SimTime, Stream};
use oracle::Told;
use question::Reasons;
use rankings::Rankings;
use replicas::{Act, Heard, Replicas};
use signals::Signals;

/// A policy, and what it needs to decide; of several schedulers, the policy of each.
pub(crate) struct Scheduler {
    /// By scheduler; each of one kind.
    policies: Vec<Selector>,
    replicas: Replicas,
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
pub fn estimates(scenario: &Scenario) -> Estimates {
    let (prefill, decode) = (scenario.gpu.prefill, scenario.gpu.decode);
    Estimates {
        prefill: PrefillModel { tokens: prefill.tokens, per_pair_fs: prefill.per_pair_fs },
        iteration: IterationModel { requests: decode.requests, per_token_fs: decode.per_token_fs },
    }
}

impl Scheduler {
    /// That of a scenario, over the instances of a cluster.
    pub(crate) fn new(scenario: &Scenario, cluster: &Cluster) -> Self {
        let estimates = estimates(scenario);
        let replicas = Replicas::new(scenario, cluster);
        let n = replicas.len();
        let seed = |replica: usize| match replica {
            0 => scenario.seed,
            _ => Stream::indexed(scenario.seed, "scheduler", replica as u64).bits(),
        };
        Self {
            policies: (0..n).map(|replica| scenario.policy.build(estimates, seed(replica))).collect(),
            replicas,
            signals: scenario.policy.poll_interval().map(|interval| Signals::new(interval, cluster.decode().len(), n)),
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

    /// One scheduler decides by another policy from now on; what it was asked to count of the scenario's own is counted no
    /// more.
    pub(crate) fn decide_by(&mut self, policy: Selector) {
        (self.policies, self.rankings) = (vec![policy], None);
        self.replicas.become_one();
    }

    /// The policy; of several schedulers, the first one's: they are all of one kind.
    fn policy(&self) -> &Selector {
        &self.policies[0]
    }

    /// How often the policies decided alike when they were asked again; none if they always do.
    pub(crate) fn repetition(&self) -> Option<Repetition> {
        let of_each = self.policies.iter().filter_map(|policy| match policy {
            Selector::Decode(policy) => policy.repetition(),
            Selector::Staged(policy) => policy.repetition(),
            Selector::Pair(_) | Selector::Clairvoyant => None,
        });
        of_each.reduce(Repetition::and)
    }

    /// What was counted of the decisions.
    pub(crate) fn into_counts(self) -> RankingCounts {
        self.rankings.map(Rankings::into_counts).unwrap_or_default()
    }

    /// Whether it looks at anything but how many instances there are.
    pub(crate) fn looks_at_state(&self) -> bool {
        self.policy().looks_at_state()
    }

    /// Whether it chooses the prefill instance as well.
    pub(crate) fn selects_prefill(&self) -> bool {
        matches!(self.policy(), Selector::Pair(_) | Selector::Staged(_))
    }

    /// Whether the decode instance of a request is chosen at `moment`. A policy that picks the prefill instance as well
    /// picks both on arrival, whatever the experiment says.
    pub(crate) fn selects_at(&self, moment: SelectionMoment) -> bool {
        !matches!(self.policy(), Selector::Pair(_)) && self.moment == moment
    }

    /// What has to be brought up to date before the decision on a request, whose prefill instance is known or not.
    pub(crate) fn needs(&self, request: RequestId, is_source_known: bool) -> Needs {
        let looks_at_state = self.looks_at_state();
        let is_yardstick = matches!(self.policy(), Selector::Clairvoyant);
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

    /// When the schedulers tell each other next what they did; none if they need not.
    pub(crate) fn next_gossip(&self, now: SimTime) -> Option<SimTime> {
        self.replicas.next_gossip(now)
    }

    /// They do; returns when they do next.
    pub(crate) fn gossip(&mut self, now: SimTime) -> Option<SimTime> {
        let policies = &mut self.policies;
        self.replicas.gossip(|replica, heard| hear(&mut policies[replica], heard));
        self.next_gossip(now)
    }

    fn act(&mut self, (request, now): (RequestId, SimTime), act: Act) {
        let policies = &mut self.policies;
        self.replicas.act((request, now), act, |replica, heard| hear(&mut policies[replica], heard));
    }

    /// A request of so many tokens, or `in_blocks` of them in whole blocks, was sent to a decode instance.
    pub(crate) fn sent(&mut self, at: (RequestId, SimTime), decode: usize, (tokens, in_blocks): (u32, u64)) {
        if let Some(signals) = &mut self.signals {
            let owner = self.replicas.owner(at.0);
            let hears = |replica: &usize| *replica == owner || self.replicas.hear_at_once();
            (0..self.policies.len()).filter(hears).for_each(|replica| signals.dispatch(replica, decode, tokens));
        }
        self.act(at, Act::Send { decode, tokens, in_blocks });
    }

    /// A prompt is computed on a prefill instance.
    pub(crate) fn computed(&mut self, at: (RequestId, SimTime), prefill: usize) {
        self.act(at, Act::Compute { prefill });
    }

    /// A transfer has begun, or ended, or was cut.
    pub(crate) fn observe(&mut self, order: &Order, event: TransferEvent) {
        let &Order { request, prefill, decode, input_tokens, .. } = order;
        self.act((request, event.now), Act::Move { prefill, decode, tokens: input_tokens, event });
    }

    /// A request of so many tokens, whose prompt was computed on its decode instance, is in the engine there.
    pub(crate) fn joined(&mut self, at: (RequestId, SimTime), decode: usize, tokens: u32) {
        self.act(at, Act::Join { decode, tokens, told: true });
    }

    /// A request has finished on a decode instance.
    pub(crate) fn finished(&mut self, at: (RequestId, SimTime), decode: usize, in_blocks: u64) {
        if let Some(signals) = &mut self.signals {
            signals.finish(decode, at.1);
        }
        self.act(at, Act::Finish { decode, in_blocks, step: RequestStep::Finished });
    }

    /// A request that was sent to a decode instance, and is in its engine or is not, is taken back.
    pub(crate) fn recalled(
        &mut self,
        at: (RequestId, SimTime),
        decode: usize,
        (tokens, in_blocks): (u32, u64),
        joined: bool,
    ) {
        if !joined {
            self.act(at, Act::Join { decode, tokens, told: false });
        }
        self.act(at, Act::Finish { decode, in_blocks, step: RequestStep::Recalled });
    }

    /// Chooses a decode instance for a request whose prefill instance is known; none if it refuses the request.
    pub(crate) fn select_decode(&mut self, present: Present<'_>, request: RequestId) -> Option<usize> {
        let source = present.requests[request].prefill();
        let (chosen, reasons) = match self.policy() {
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
        let policy: &mut dyn Policy = match &mut self.policies[self.replicas.owner(request)] {
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
            rankings.compare(&view, candidates, &oracle, chosen, present.requests[request].counts());
        }
        assert!(chosen.is_none_or(|at| at < candidates.len()), "the policy chose {chosen:?} of {}", candidates.len());
        (chosen.map(|at| self.known.decode_at[at]), reasons)
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
        let (p, d) = match &mut self.policies[self.replicas.owner(request)] {
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
        let (p, d) = (self.known.prefill_at[p], d.map(|d| self.known.decode_at[d]));
        let output_tokens = present.requests[request].own().output_tokens;
        let d = d.filter(|_| present.scenario.first_token.leaves_tokens(output_tokens));
        (p, d.map(|d| self.answer(present, request, p, d, reasons)))
    }

    /// Sees what there is to know before a decision.
    fn look(&mut self, present: Present<'_>, request: RequestId, source: Option<usize>, looks_at_state: bool) {
        if let Some(signals) = self.signals.as_mut().filter(|signals| signals.are_live() && looks_at_state) {
            signals.poll(present);
        }
        let own = own(&self.replicas, self.signals.as_ref(), request);
        self.known.see(present, own, request, source, looks_at_state);
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
        let own = own(&self.replicas, self.signals.as_ref(), request);
        question.answer(present, (own, &mut self.lookahead), source, chosen, reasons)
    }
}

/// What whoever decides on a request knows by itself.
fn own<'a>(replicas: &'a Replicas, signals: Option<&'a Signals>, request: RequestId) -> Own<'a> {
    let owner = replicas.owner(request);
    Own { signals: signals.map(|signals| (signals, owner)), books: replicas.books(owner) }
}

/// A policy hears of a transfer, or of a step of a request.
fn hear(policy: &mut Selector, heard: &Heard) {
    let policy: &mut dyn Policy = match policy {
        Selector::Decode(policy) => &mut **policy,
        Selector::Staged(policy) => &mut **policy,
        Selector::Pair(_) | Selector::Clairvoyant => return,
    };
    match heard {
        Heard::Transfer(event) => policy.observe(event),
        Heard::Request(event) => policy.follow(event),
    }
}
