//! llm-d's endpoint picker with the weights of its chart: prefix 3, queue 2, KV cache 2; the highest score, ties drawn
//! uniformly.
//!
//! score(d) = prefix_weight * hit(d) / prompt + queue_weight * (Qmax - Q(d)) / (Qmax - Qmin) + kv_weight * (1 - k(d))
//!
//! Q(d), waiting requests, and k(d), the share of the KV cache in use, are d's own metrics, polled every 50 ms; with
//! equal queues the second factor is 1. The router adds no count of its own to them: these scorers read metrics alone.
//! Source: llm-d-router, commit ebab687, `pkg/epp/framework/plugins/scheduling`: `scorer/prefix`, `scorer/queuedepth`,
//! `scorer/kvcacheutilization` and `picker/maxscore`, with the default profile of its Helm chart and the interval of
//! `pkg/epp/server/options.go`.
//!
//! Ours: its default prefix index remembers what was sent where; here the instance's true prefix cache stands in for
//! it, in tokens instead of blocks.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::{PromptView, RequestView};
use crate::ties::Ties;
use netkv_units::SimDuration;

/// Parameters of llm-d's profiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LlmdConfig {
    /// Weight of the prefix scorer.
    pub prefix_weight: f64,
    /// Weight of the queue scorer.
    pub queue_weight: f64,
    /// Weight of the KV cache scorer.
    pub kv_weight: f64,
    /// Weight of the topology scorer, where it is used.
    pub topology_weight: f64,
    /// Time between reports.
    pub poll_interval: SimDuration,
}

/// The shortest and the longest queue among the candidates, in requests.
#[derive(Clone, Copy)]
pub(crate) struct Queues {
    shortest: u32,
    longest: u32,
}

impl Queues {
    /// Those of `candidates`.
    pub(crate) fn of(candidates: &[Candidate]) -> Self {
        let none = Self { shortest: u32::MAX, longest: 0 };
        candidates.iter().fold(none, |queues, candidate| Self {
            shortest: queues.shortest.min(candidate.report.waiting),
            longest: queues.longest.max(candidate.report.waiting),
        })
    }

    /// The queue scorer: 1 for the shortest queue, 0 for the longest.
    fn score(self, waiting: u32) -> f64 {
        if self.longest == self.shortest {
            return 1.0;
        }
        f64::from(self.longest - waiting) / f64::from(self.longest - self.shortest)
    }
}

impl LlmdConfig {
    /// The weighted sum of the three scorers.
    pub(crate) fn score(&self, prompt: &PromptView, candidate: &Candidate, queues: Queues) -> f64 {
        self.weighted(prompt, candidate, queues).into_iter().sum()
    }

    /// The scores as terms: what is scored high costs little.
    pub(crate) fn terms(&self, prompt: &PromptView, candidate: &Candidate, queues: Queues) -> Vec<Term> {
        let [prefix, queue, kv] = self.weighted(prompt, candidate, queues);
        vec![Term::new("prefix", "", -prefix), Term::new("queue", "", -queue), Term::new("KV cache", "", -kv)]
    }

    /// The three scorers, weighted.
    fn weighted(&self, prompt: &PromptView, candidate: &Candidate, queues: Queues) -> [f64; 3] {
        let prefix = f64::from(candidate.hit_tokens) / f64::from(prompt.input_tokens.max(1));
        let free = (1.0 - candidate.reported_kv_ratio()).clamp(0.0, 1.0);
        let queue = queues.score(candidate.report.waiting);
        [self.prefix_weight * prefix, self.queue_weight * queue, self.kv_weight * free]
    }
}

/// The rule.
pub(crate) struct Llmd {
    config: LlmdConfig,
    ties: Ties,
}

impl Llmd {
    /// The rule with these parameters.
    pub(crate) fn new(config: LlmdConfig, seed: u64) -> Self {
        Self { config, ties: Ties::new(seed) }
    }
}

impl Policy for Llmd {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> usize {
        let queues = Queues::of(candidates);
        let costs = candidates.iter().map(|candidate| -self.config.score(&request.prompt, candidate, queues));
        self.ties.least(0.0, costs.enumerate()).expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        let queues = Queues::of(candidates);
        let rating = |candidate| Rating::new(self.config.terms(&request.prompt, candidate, queues));
        candidates.iter().map(rating).collect()
    }
}
