//! llm-d's endpoint picker as its guides have it since July 2026: stay where the prefix is cached until that instance is
//! saturated, and there take the least token load; ties drawn uniformly.
//!
//! Sticky: instances that hold at least `affinity_threshold_ratio` of the prompt's whole blocks. Only these are left, unless
//! there is none, or best TTFT among them - best TTFT among the others > `max_ttft_penalty` (0: never), where
//! TTFT(d) = A(d) / `peak_prefill_tokens_per_sec`. Of those left, the highest 1 - min(t, T) / T with
//! t = A(d) + tokens of the prompt that d does not hold, T = `queue_threshold_tokens`.
//!
//! A(d): prompt tokens sent to d whose first token has not come back, the router's own live count (of one router: several
//! replicas would each see a part). Source: llm-d-router, commit 066c20e, `pkg/epp/framework/plugins/scheduling/filter/
//! prefixcacheaffinity/plugin.go` and its defaults (0.8, 18 s, no exploration); `scorer/tokenload/token_load.go`, commit
//! 1b30d10 (T = 4,194,304); `dataproducer/inflightload/README.md`, commit 2f1de8c, for when tokens are released. The guides:
//! llm-d pull request 2071 (precise-prefix-cache-routing, merged July 2026; 15,926 tokens/s, measured there on 16 H100)
//! and 1651 (optimized-baseline). The pull request's text was read, its values file in an older version only: what it sets beside
//! the throughput is taken to be the default.
//!
//! In llm-d's guide to disaggregation this is the rule of the prefill leg; decode instances are chosen by `llmd_active`. Here it
//! chooses decode instances, as it does in the guides without disaggregation.
//!
//! Ours: prompts in flight count whole in A(d), where llm-d counts what was not cached; a request leaves A(d) when its KV
//! cache is there, one iteration before its first token; the true prefix caches stand in for the index made from events. Left
//! out: exploration (off by default), the latency predictor as another source of TTFT.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::{PromptView, RequestView};
use crate::ties::Ties;
use netkv_units::SimDuration;

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

    /// Predicted seconds to the first token, for the gate.
    fn ttft_s(&self, candidate: &Candidate) -> f64 {
        candidate.pending_tokens as f64 / self.peak_prefill_tokens_per_sec
    }

    /// Whether sticky instances alone are left.
    fn narrows(&self, prompt: &PromptView, candidates: &[Candidate]) -> bool {
        let best = |sticky: bool| {
            let same = candidates.iter().filter(|candidate| self.is_sticky(prompt, candidate) == sticky);
            same.map(|candidate| self.ttft_s(candidate)).min_by(f64::total_cmp)
        };
        match (best(true), best(false)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(sticky), Some(other)) => {
                self.max_ttft_penalty == SimDuration::ZERO || sticky - other <= self.max_ttft_penalty.as_secs_f64()
            }
        }
    }

    /// The share of the threshold that is loaded: 0 scores highest.
    fn load(&self, prompt: &PromptView, candidate: &Candidate) -> f64 {
        let lacking = prompt.input_tokens.saturating_sub(candidate.hit_tokens);
        let tokens = candidate.pending_tokens + u64::from(lacking);
        tokens.min(self.queue_threshold_tokens) as f64 / self.queue_threshold_tokens as f64
    }
}

/// The rule.
pub(crate) struct LlmdAffinity {
    config: LlmdAffinityConfig,
    ties: Ties,
}

impl LlmdAffinity {
    /// The rule with these parameters.
    pub(crate) fn new(config: LlmdAffinityConfig, seed: u64) -> Self {
        Self { config, ties: Ties::new(seed) }
    }
}

impl Policy for LlmdAffinity {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let (config, prompt) = (self.config, &request.prompt);
        let narrows = config.narrows(prompt, candidates);
        let left = candidates.iter().enumerate();
        let left = left.filter(|(_, candidate)| !narrows || config.is_sticky(prompt, candidate));
        let loads = left.map(|(index, candidate)| (index, config.load(prompt, candidate)));
        self.ties.least(0.0, loads).expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let (config, prompt) = (self.config, &request.prompt);
        let narrows = config.narrows(prompt, candidates);
        let rating = |candidate| {
            let is_sticky = config.is_sticky(prompt, candidate);
            let standing = if is_sticky { "prefix is cached" } else { "prefix is not cached" };
            let terms = vec![Term::new("token load", "", config.load(prompt, candidate))];
            Rating { rank: u8::from(narrows && !is_sticky), standing, terms }
        };
        candidates.iter().map(rating).collect()
    }
}
