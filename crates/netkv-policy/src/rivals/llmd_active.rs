//! llm-d's decode profile for disaggregated serving: fewest requests in flight, ties drawn uniformly; and the same among
//! instances near to the prefill instance, by its topology filter.
//!
//! score(d) = 1 where R(d) <= `idle_requests`, else (max R - R(d)) / max R; R(d): requests in flight on d, the router's own
//! live count. `llmd_topology_filter` rates only instances at least as near to the prefill instance as `min_affinity`, and all
//! of them if there is none.
//!
//! Source: llm-d, `guides/pd-disaggregation/router/pd-disaggregation.values.yaml`, commit 83bb7c1 (decode: active-request-scorer and
//! max-score-picker alone; prefill: the rule of `llmd_affinity`); llm-d-router,
//! `pkg/epp/framework/plugins/scheduling/scorer/activerequest/active_request.go`, commit 2b0e757 (idle threshold 0, no gap below
//! the idle score), and `filter/topologyaffinity/README.md`, commit 909a6d3, whose floor is the host unless it is set; it
//! filters decode instances where the prefill instance is chosen first (coordinator with separate pickers, or
//! `stageOrder: prefill-first`).
//!
//! Ours: node, rack and pod stand for host, rack and zone. Left out: the gap between idle and busy (`maxBusyScore`), which changes
//! nothing where the scorer stands alone.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::Policy;
use crate::rating::{Rating, Term};
use crate::request::RequestView;
use crate::ties::Ties;
use netkv_units::Tier;

/// Parameters of llm-d's decode profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LlmdActiveConfig {
    /// Instances with no more requests than this are equally idle.
    pub idle_requests: u32,
    /// The topology filter keeps instances this near to the prefill instance.
    pub min_affinity: Tier,
}

impl LlmdActiveConfig {
    fn is_near(self, request: &RequestView, candidate: &Candidate, oracle: &dyn CostOracle) -> bool {
        oracle.tier(request.source, candidate.instance) <= self.min_affinity
    }

    /// Requests that count.
    fn load(self, candidate: &Candidate) -> u32 {
        let active = candidate.in_flight();
        if active <= self.idle_requests { 0 } else { active }
    }
}

/// The rule.
pub(crate) struct LlmdActive {
    config: LlmdActiveConfig,
    /// Whether near instances alone are rated.
    filters: bool,
    ties: Ties,
}

impl LlmdActive {
    /// The rule with these parameters, for all instances.
    pub(crate) fn new(config: LlmdActiveConfig, seed: u64) -> Self {
        Self { config, filters: false, ties: Ties::new(seed) }
    }

    /// The same for near instances.
    pub(crate) fn filtered(config: LlmdActiveConfig, seed: u64) -> Self {
        Self { filters: true, ..Self::new(config, seed) }
    }

    /// Whether near instances alone are left.
    fn narrows(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> bool {
        self.filters && candidates.iter().any(|candidate| self.config.is_near(request, candidate, oracle))
    }
}

impl Policy for LlmdActive {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        let (config, narrows) = (self.config, self.narrows(request, candidates, oracle));
        let left = candidates.iter().enumerate();
        let left = left.filter(|(_, candidate)| !narrows || config.is_near(request, candidate, oracle));
        let loads = left.map(|(index, candidate)| (index, f64::from(config.load(candidate))));
        self.ties.least(0.0, loads).expect("there is a candidate")
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        let narrows = self.narrows(request, candidates, oracle);
        let rating = |candidate: &Candidate| {
            let far = narrows && !self.config.is_near(request, candidate, oracle);
            let standing = match (narrows, far) {
                (false, _) => "",
                (true, false) => "near",
                (true, true) => "far",
            };
            let terms = vec![Term::new("in flight", "requests", f64::from(self.config.load(candidate)))];
            Rating { rank: u8::from(far), standing, terms }
        };
        candidates.iter().map(rating).collect()
    }
}
