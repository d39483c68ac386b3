//! Mooncake's Conductor: prefill and decode instance by predicted TTFT, extended to the decode side.
//!
//! p = argmin T_queue(p) + T_prefill(prompt - hit(p), hit(p)), the first of equals; then, from p,
//! d = argmin T_transfer(p, d) + T_wait(d) + T_iteration(d), over instances whose predicted iteration keeps the TBT
//! limit (over all if none does), the first of equals.
//!
//! Source: Qin et al., Mooncake, FAST '25, section 4.1, Algorithm 1, for p; both are chosen by the Conductor when the
//! request arrives. Its SelectDecodingInstance has no body in the paper, which says of it only that the predicted TBT
//! must keep the SLO.
//!
//! Ours: the whole second line. T_transfer is latency plus the bytes that d lacks over the bandwidth of the way, as the
//! paper estimates transfers by size; congestion, which it calls hard to predict, plays no part. T_wait is the memory
//! that d lacks over the rate at which a full instance frees it. T_queue is the predicted time of what is still to be
//! computed on p, as if in one batch. Left out: fetching a prefix from another prefill instance (the branch with the balancing
//! threshold), replicating hot prefixes, rejecting requests.

use crate::candidate::{Candidate, PrefillCandidate};
use crate::estimates::Estimates;
use crate::oracle::CostOracle;
use crate::policy::PairPolicy;
use crate::rating::{Rating, Term};
use crate::request::{PromptView, RequestView};

/// Parameters of Mooncake's rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MooncakeConfig {
    /// An instance whose predicted iteration is longer than this is avoided, in seconds.
    pub tbt_limit_s: f64,
    /// Tokens that an instance out of memory is expected to free each second.
    pub drain_tokens_per_sec: f64,
}

/// The rule.
pub(crate) struct MooncakeTtft {
    config: MooncakeConfig,
    estimates: Estimates,
}

impl MooncakeTtft {
    /// The rule with these parameters.
    pub(crate) const fn new(config: MooncakeConfig, estimates: Estimates) -> Self {
        Self { config, estimates }
    }

    /// Predicted seconds of the transfer to a candidate, of the wait for memory there and of its next iteration.
    fn decode_s(&self, request: &RequestView, candidate: &Candidate, oracle: &dyn CostOracle) -> [f64; 3] {
        let input_tokens = request.prompt.input_tokens;
        let tokens = candidate.committed_tokens() + u64::from(input_tokens);
        let iteration_s = self.estimates.iteration.seconds(candidate.in_flight() + 1, tokens);
        let path = oracle.path(request.source, candidate.instance);
        let transfer_s =
            path.latency.as_secs_f64() + candidate.transfer_bytes.get() as f64 / path.bandwidth_bytes_per_sec;
        let wait_s = candidate.missing_tokens(input_tokens) as f64 / self.config.drain_tokens_per_sec;
        [transfer_s, wait_s, iteration_s]
    }
}

impl PairPolicy for MooncakeTtft {
    fn select_pair(
        &mut self,
        prompt: &PromptView,
        prefill: &[PrefillCandidate],
        decode: &[Candidate],
        oracle: &dyn CostOracle,
    ) -> (usize, usize) {
        let time = |index: &usize| prefill[*index].done_s(prompt, &self.estimates.prefill);
        let least = |one: &usize, two: &usize| time(one).total_cmp(&time(two));
        let p = (0..prefill.len()).min_by(least).expect("there is a prefill instance");
        let request = RequestView { source: prefill[p].instance, prompt: *prompt };
        let mut best = (0, true, f64::INFINITY);
        for (index, candidate) in decode.iter().enumerate() {
            let [transfer_s, wait_s, iteration_s] = self.decode_s(&request, candidate, oracle);
            let (too_slow, cost) = (iteration_s > self.config.tbt_limit_s, transfer_s + wait_s + iteration_s);
            if (too_slow, cost) < (best.1, best.2) {
                best = (index, too_slow, cost);
            }
        }
        (p, best.0)
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        let rating = |candidate: &Candidate| {
            let [transfer_s, wait_s, iteration_s] = self.decode_s(request, candidate, oracle);
            let too_slow = iteration_s > self.config.tbt_limit_s;
            let terms = vec![
                Term::new("transfer", "s", transfer_s),
                Term::new("wait", "s", wait_s),
                Term::new("iteration", "s", iteration_s),
            ];
            let standing = if too_slow { "TBT over limit" } else { "TBT kept" };
            Rating { rank: u8::from(too_slow), standing, terms }
        };
        candidates.iter().map(rating).collect()
    }
}
