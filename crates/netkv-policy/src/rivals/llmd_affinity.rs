//! llm-d's endpoint picker as its guides have it since July 2026: stay where the prefix is cached until that instance is
//! saturated, and there take the least token load; ties drawn uniformly.
//!
//! Sticky: instances that hold at least `affinity_threshold_ratio` of the prompt's whole blocks. Only these are left, unless
//! there is none, or best TTFT among them - best TTFT among the others > `max_ttft_penalty` (0: never), where
//! TTFT(d) = A(d) / `peak_prefill_tokens_per_sec`. Of those left, the highest 1 - min(t, T) / T with
//! t = A(d) + tokens of the prompt that d does not hold, T = `queue_threshold_tokens`.
//!
//! A(d): of the requests sent to d whose first token has not come back, the prompt tokens that d did not hold when they were
//! sent; the router's own live count, so that of several each sees what it has sent itself. Source: llm-d-router, commit 066c20e, `pkg/epp/framework/plugins/scheduling/filter/
//! prefixcacheaffinity/plugin.go` and its defaults (0.8, 18 s, no exploration); `scorer/tokenload/token_load.go`, commit
//! 1b30d10 (T = 4,194,304); `dataproducer/inflightload/README.md`, commit 2f1de8c, for when tokens are released. The guides:
//! llm-d pull request 2071 (precise-prefix-cache-routing, merged July 2026; 15,926 tokens/s, measured there on 16 H100)
//! and 1651 (optimized-baseline). The pull request's text was read, its values file in an older version only: what it sets beside
//! the throughput is taken to be the default.
//!
//! In llm-d's guide to disaggregation this is the rule of the prefill leg; decode instances are chosen by `llmd_active`. Here it
//! chooses decode instances, as it does in the guides without disaggregation.
//!
//! Ours: a request leaves A(d) when its KV cache is there, one iteration before its first token; the true prefix caches stand
//! in for the index made from events. Left out: exploration (off by default), the latency predictor as another source of TTFT.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::{Policy, RequestEvent, RequestStep};
use crate::rating::{Rating, Term};
use crate::request::{PromptView, RequestView};
use crate::ties::Ties;
use netkv_units::{InstanceId, RequestId, SimDuration};

/// Parameters of llm-d's affinity filter and token-load scorer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LlmdAffinityConfig {
    /// Tokens of one KV block.
    pub block_tokens: u32,
    /// An instance that holds this share of the prompt's whole blocks is sticky.
    pub affinity_threshold_ratio: f64,
    /// Stickiness ends where it costs more time to the first token than this; zero: never.
    pub max_ttft_penalty: SimDuration,
    /// What an instance prefills at most, in tokens per second.
    pub peak_prefill_tokens_per_sec: f64,
    /// Token loads from here on are equal.
    pub queue_threshold_tokens: u64,
}

impl LlmdAffinityConfig {
    fn is_sticky(&self, prompt: &PromptView, candidate: &Candidate) -> bool {
        let blocks = prompt.input_tokens / self.block_tokens;
        let held = (candidate.hit_tokens / self.block_tokens).min(blocks);
        let share = if blocks == 0 { 0.0 } else { f64::from(held) / f64::from(blocks) };
        self.affinity_threshold_ratio > 0.0 && share >= self.affinity_threshold_ratio
    }

    /// Tokens of the prompt that a candidate does not hold.
    fn lacking(prompt: &PromptView, candidate: &Candidate) -> u32 {
        prompt.input_tokens.saturating_sub(candidate.hit_tokens)
    }
}

/// What the router has sent and not seen answered.
#[derive(Default)]
struct InFlight {
    /// By instance: its tokens.
    tokens: Vec<u64>,
    /// The requests: which, where, how many tokens.
    requests: Vec<(RequestId, InstanceId, u64)>,
    /// The request of the latest decision, and by candidate what it lacks there: where it is sent is told later.
    decided: Option<RequestId>,
    lacking: Vec<(InstanceId, u64)>,
}

impl InFlight {
    fn of(&self, candidate: &Candidate) -> u64 {
        self.tokens.get(candidate.instance.index()).copied().unwrap_or(0)
    }

    /// Remembers what is decided on.
    fn decide(&mut self, prompt: &PromptView, candidates: &[Candidate]) {
        self.decided = Some(prompt.request);
        self.lacking.clear();
        let lacking = |candidate| u64::from(LlmdAffinityConfig::lacking(prompt, candidate));
        self.lacking.extend(candidates.iter().map(|candidate| (candidate.instance, lacking(candidate))));
    }

    fn send(&mut self, request: RequestId, instance: InstanceId) {
        let known = self.lacking.iter().find(|(other, _)| *other == instance && self.decided == Some(request));
        // What another router has sent is not in this one's count.
        let Some(&(_, tokens)) = known else { return };
        self.decided = None;
        let position = instance.index();
        self.tokens.resize(self.tokens.len().max(position + 1), 0);
        self.tokens[position] += tokens;
        self.requests.push((request, instance, tokens));
    }

    fn release(&mut self, request: RequestId) {
        let Some(place) = self.requests.iter().position(|(other, ..)| *other == request) else { return };
        let (_, instance, tokens) = self.requests.swap_remove(place);
        self.tokens[instance.index()] -= tokens;
    }
}

/// What it decides by.
struct State {
    config: LlmdAffinityConfig,
    in_flight: InFlight,
}

impl State {
    /// Predicted seconds to the first token, for the gate.
    fn ttft_s(&self, candidate: &Candidate) -> f64 {
        self.in_flight.of(candidate) as f64 / self.config.peak_prefill_tokens_per_sec
    }

    /// Whether sticky instances alone are left.
    fn narrows(&self, prompt: &PromptView, candidates: &[Candidate]) -> bool {
        let best = |sticky: bool| {
            let same = candidates.iter().filter(|candidate| self.config.is_sticky(prompt, candidate) == sticky);
            same.map(|candidate| self.ttft_s(candidate)).min_by(f64::total_cmp)
        };
        let penalty = self.config.max_ttft_penalty;
        match (best(true), best(false)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(sticky), Some(other)) => penalty == SimDuration::ZERO || sticky - other <= penalty.as_secs_f64(),
        }
    }

    /// The share of the threshold that is loaded: 0 scores highest.
    fn load(&self, prompt: &PromptView, candidate: &Candidate) -> f64 {
        let tokens = self.in_flight.of(candidate) + u64::from(LlmdAffinityConfig::lacking(prompt, candidate));
        let threshold = self.config.queue_threshold_tokens;
        tokens.min(threshold) as f64 / threshold as f64
    }
}

/// The rule.
pub(crate) struct LlmdAffinity {
    state: State,
    ties: Ties,
}

impl LlmdAffinity {
    /// The rule with these parameters.
    pub(crate) fn new(config: LlmdAffinityConfig, seed: u64) -> Self {
        Self { state: State { config, in_flight: InFlight::default() }, ties: Ties::new(seed) }
    }
}

impl Policy for LlmdAffinity {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let (state, prompt) = (&mut self.state, &request.prompt);
        state.in_flight.decide(prompt, candidates);
        let narrows = state.narrows(prompt, candidates);
        let left = candidates.iter().enumerate();
        let left = left.filter(|(_, candidate)| !narrows || state.config.is_sticky(prompt, candidate));
        let loads = left.map(|(index, candidate)| (index, state.load(prompt, candidate)));
        self.ties.least(0.0, loads).expect("there is a candidate")
    }

    fn follow(&mut self, event: &RequestEvent) {
        match event.step {
            RequestStep::Sent => self.state.in_flight.send(event.request, event.instance),
            RequestStep::Computed => {}
            RequestStep::Joined | RequestStep::Finished | RequestStep::Recalled => {
                self.state.in_flight.release(event.request);
            }
        }
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let (state, prompt) = (&self.state, &request.prompt);
        let narrows = state.narrows(prompt, candidates);
        let rating = |candidate| {
            let is_sticky = state.config.is_sticky(prompt, candidate);
            let standing = if is_sticky { "prefix is cached" } else { "prefix is not cached" };
            let terms = vec![Term::new("token load", "", state.load(prompt, candidate))];
            Rating { rank: u8::from(narrows && !is_sticky), standing, terms }
        };
        candidates.iter().map(rating).collect()
    }
}
