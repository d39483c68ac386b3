//! NetKV: Algorithm 1 of *NetKV: Network-Aware Decode Instance Selection for Disaggregated LLM Inference* (arXiv
//! 2606.03910v1), as printed.
//!
//! When the prompt of a request r is computed on p, of the decode instances d that are feasible,
//!
//! free memory of d >= KV cache that d lacks of r + a reserve (Algorithm 1, line 2),
//!
//! the least of, in seconds,
//!
//! cost(d) = T_transfer + T_queue + T_decode (5), with
//! T_transfer = s_eff / B_eff + latency (3), s_eff = KV cache of r less what d has of its prefix (2),
//! B_eff = B (1 - c) / (1 + n) (4),
//! T_queue = max(0, q - (beta_max - beta)) t(beta) (6): an iteration for each predecessor that finds no place,
//! T_decode = t(beta + 1) (7).
//!
//! B, latency and congestion c in [0, 1) are the oracle's for the tier of (p, d), c without the scheduler's own
//! transfers; n is the number of the scheduler's own transfers in flight from p on that tier, counted up to 16; beta is
//! the batch of d, q the requests that wait for a place in it, t(beta) the predicted iteration. If no d is feasible, the
//! request is refused. No weights, no limit on TBT. Ties go to the lowest id; the paper has no rule.
//!
//! `netkv_static` takes c = 0 ("NetKV-Static"), `netkv_topo_only` c = 0 and n = 0 ("NetKV-Topo-Only").
//!
//! Everything in which the project's earlier rule (`netkv_guarded`) differs is a parameter, so that each step between
//! the two can be taken alone; with all of them taken the choices are the same, which a test holds.
//!
//! Ours: beta is every request that was sent to d and has not finished, those in transfer included, q those of them that
//! do not decode yet. The paper says only that both are seen live. By the running batch alone ([`BatchView::Running`])
//! requests crowd onto one near instance until the first of them decodes, and round-robin is ahead, which the paper rules
//! out. The reserve has no value in the paper.

use crate::candidate::Candidate;
use crate::estimates::IterationModel;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;

/// Parameters of the rule. [`NetKvConfig::PRINTED`] are the paper's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetKvConfig {
    /// Which of the scheduler's own transfers in flight count.
    pub ledger: Ledger,
    /// More of them than this count as this many; zero: all count.
    pub ledger_cap: u32,
    /// Congestion figures above this are read as this; 1: as they are. At 0 congestion counts for nothing.
    pub max_congestion_ratio: f64,
    /// Which requests make the predicted iterations longer.
    pub batch: BatchView,
    /// What the wait for decoding is predicted by.
    pub wait: WaitModel,
    /// Tokens of KV memory that a feasible instance has beyond what the request needs (`m_min`).
    pub reserve_tokens: u64,
    /// Whether only instances with room in the batch and nobody waiting for memory are feasible, and, among these, those
    /// whose predicted iteration stays within so many seconds come first; none: memory alone counts.
    pub guard_tbt_s: Option<f64>,
    /// What becomes of a request without a feasible instance.
    pub when_full: WhenFull,
}

/// Which of the scheduler's own transfers in flight share a way's bandwidth: n in eq. (4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ledger {
    /// None: n = 0.
    None,
    /// Those from the same prefill instance over the same tier, as the paper has it.
    SourceTier,
    /// The larger of those out of the prefill instance and those into the decode instance, over the same kind of
    /// interface.
    Interface,
}

/// Which requests an instance's predicted iterations are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchView {
    /// Those in its batch.
    Running,
    /// Those, and all that were sent to it and have not finished: our reading of the paper's beta.
    Committed,
}

/// What the wait for decoding is predicted by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WaitModel {
    /// Places in the batch: eq. (6).
    Slots,
    /// Memory: what is missing over the tokens that an instance without room is expected to free each second.
    Memory {
        /// That rate.
        drain_tokens_per_sec: f64,
    },
}

/// What becomes of a request for which no instance is feasible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It is refused, as in the paper.
    Refuse,
    /// The best of all instances takes it, and it waits there.
    Wait,
}

impl NetKvConfig {
    /// As printed, with no reserve.
    pub const PRINTED: Self = Self {
        ledger: Ledger::SourceTier,
        ledger_cap: 16,
        max_congestion_ratio: 1.0,
        batch: BatchView::Committed,
        wait: WaitModel::Slots,
        reserve_tokens: 0,
        guard_tbt_s: None,
        when_full: WhenFull::Refuse,
    };
}

/// The rule.
#[derive(Clone, Copy, Debug)]
pub struct NetKv {
    config: NetKvConfig,
    iteration: IterationModel,
}

/// The best of the candidates so far.
#[derive(Clone, Copy)]
struct Best {
    index: usize,
    standing: u8,
    cost_s: f64,
}

impl NetKv {
    /// The rule with these parameters.
    pub const fn new(config: NetKvConfig, iteration: IterationModel) -> Self {
        Self { config, iteration }
    }

    /// The position in `candidates` of the instance that takes `request`; none if it is refused. For a known type of
    /// oracle the compiler can do without a call for each candidate.
    pub fn choose<O: CostOracle + ?Sized>(
        &self,
        request: &RequestView,
        candidates: &[Candidate],
        oracle: &O,
    ) -> Option<usize> {
        let best = self.best(request, candidates, oracle);
        let refused = best.standing == INFEASIBLE && self.config.when_full == WhenFull::Refuse;
        (!refused).then_some(best.index)
    }

    /// The best of the candidates; of all, if none is feasible.
    fn best<O: CostOracle + ?Sized>(&self, request: &RequestView, candidates: &[Candidate], oracle: &O) -> Best {
        let mut best = Best { index: usize::MAX, standing: INFEASIBLE, cost_s: f64::INFINITY };
        for (index, candidate) in candidates.iter().enumerate() {
            let [latency_s, moving_s] = self.transfer_s(request, candidate, oracle);
            let transfer_s = latency_s + moving_s;
            // What is added is not negative, so that no candidate of the best standing is given up by this.
            if best.standing == GUARDED && transfer_s >= best.cost_s {
                continue;
            }
            let standing = self.standing(request, candidate);
            if standing < best.standing {
                continue;
            }
            let cost_s = transfer_s + self.queue_s(request, candidate) + self.decode_s(request, candidate);
            if standing > best.standing || cost_s < best.cost_s || best.index == usize::MAX {
                best = Best { index, standing, cost_s };
            }
        }
        best
    }

    /// Latency and time to move what the candidate lacks: eqs. (2) to (4).
    #[inline]
    fn transfer_s<O: CostOracle + ?Sized>(&self, request: &RequestView, candidate: &Candidate, oracle: &O) -> [f64; 2] {
        let path = oracle.path(request.source, candidate.instance);
        let congestion = if path.congestion_ratio < self.config.max_congestion_ratio {
            path.congestion_ratio
        } else {
            self.config.max_congestion_ratio
        };
        let in_flight = match self.config.ledger {
            _ if path.counts_in_flight => 0,
            Ledger::None => 0,
            Ledger::SourceTier => candidate.source_tier_transfers,
            Ledger::Interface => candidate.sharing_transfers,
        };
        let counted = if self.config.ledger_cap == 0 { in_flight } else { in_flight.min(self.config.ledger_cap) };
        let uncongested = path.bandwidth_bytes_per_sec * (1.0 - congestion);
        let shared_bytes = float(candidate.transfer_bytes.get()) * (1.0 + f64::from(counted));
        [float(path.latency.as_nanos()) * 1e-9, shared_bytes / uncongested]
    }

    /// Requests in the batch, and tokens of their context, as iterations are predicted by.
    #[inline]
    const fn batch(&self, candidate: &Candidate) -> (u32, u64) {
        match self.config.batch {
            BatchView::Running => (candidate.running, candidate.running_tokens),
            BatchView::Committed => (candidate.in_flight(), candidate.committed_tokens()),
        }
    }

    /// T_queue: eq. (6).
    #[inline]
    fn queue_s(&self, request: &RequestView, candidate: &Candidate) -> f64 {
        match self.config.wait {
            WaitModel::Slots => {
                let places = candidate.max_batch.saturating_sub(candidate.running);
                let blocked = candidate.pending.saturating_sub(places);
                if blocked == 0 {
                    return 0.0;
                }
                let (requests, tokens) = self.batch(candidate);
                f64::from(blocked) * self.iteration.seconds(requests, tokens)
            }
            WaitModel::Memory { drain_tokens_per_sec } => {
                candidate.missing_tokens(request.prompt.input_tokens) as f64 / drain_tokens_per_sec
            }
        }
    }

    /// T_decode: eq. (7).
    #[inline]
    fn decode_s(&self, request: &RequestView, candidate: &Candidate) -> f64 {
        let (requests, tokens) = self.batch(candidate);
        self.iteration.seconds(requests + 1, tokens + u64::from(request.prompt.input_tokens))
    }

    /// Whether the candidate is feasible, and, if the rule guards it, keeps the limit on TBT.
    #[inline]
    fn standing(&self, request: &RequestView, candidate: &Candidate) -> u8 {
        let lacking = u64::from(request.prompt.input_tokens.saturating_sub(candidate.hit_tokens));
        let fits = candidate.queued_tokens + lacking + self.config.reserve_tokens <= candidate.free_tokens;
        match self.config.guard_tbt_s {
            None if fits => GUARDED,
            None => INFEASIBLE,
            Some(_) if !(fits && candidate.has_place() && candidate.queued_tokens == 0) => INFEASIBLE,
            Some(limit_s) if self.decode_s(request, candidate) <= limit_s => GUARDED,
            Some(_) => SLOW,
        }
    }

    /// The cost of a candidate, term by term.
    fn rating(&self, request: &RequestView, candidate: &Candidate, oracle: &dyn CostOracle) -> Rating {
        let [latency_s, moving_s] = self.transfer_s(request, candidate, oracle);
        let terms = vec![
            Term::new("latency", "s", latency_s),
            Term::new("transfer", "s", moving_s),
            Term::new("queue", "s", self.queue_s(request, candidate)),
            Term::new("iteration", "s", self.decode_s(request, candidate)),
        ];
        let standing = self.standing(request, candidate);
        let meaning = match (standing, self.config.guard_tbt_s) {
            (INFEASIBLE, _) => "infeasible",
            (SLOW, _) => "feasible, TBT over limit",
            (_, None) => "feasible",
            (_, Some(_)) => "feasible, TBT kept",
        };
        Rating { rank: GUARDED - standing, standing: meaning, terms }
    }
}

/// Sizes and times are below 2^63, where signed numbers are the same and quicker to convert.
const fn float(number: u64) -> f64 {
    number as i64 as f64
}

/// Standings of a candidate: the higher ones come first.
const INFEASIBLE: u8 = 0;
const SLOW: u8 = 1;
const GUARDED: u8 = 2;

impl Policy for NetKv {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        self.best(request, candidates, oracle).index
    }

    fn place(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Option<usize> {
        self.choose(request, candidates, oracle)
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        candidates.iter().map(|candidate| self.rating(request, candidate, oracle)).collect()
    }
}
