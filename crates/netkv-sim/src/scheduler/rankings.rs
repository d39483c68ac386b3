//! What old telemetry does to the ranking of the ways to the decode instances: at each decision the oracle's figures
//! are compared with what it would tell if it showed the present, and with the theorem of docs/theory.md.
//!
//! A way is ranked by the bandwidth that is left of it, B (1 - c). The way ranked first stays first as long as no
//! congestion drifts by more than its margin. The policy is asked a second time, with present figures, by a copy of its
//! own. Nothing here is seen by the simulation: a run has the same digest with and without it.

use super::oracle::DecisionOracle;
use crate::measure::RankingCounts;
use crate::scenario::{OracleGranularity, Scenario};
use netkv_policy::{Candidate, CostOracle, Estimates, PathCost, Policy, RequestView, Selector};

/// Compares decisions.
pub(super) struct Rankings {
    policy: Box<dyn Policy>,
    counts: RankingCounts,
    /// By candidate: as told, and as at present.
    ways: Vec<(PathCost, PathCost)>,
}

impl Rankings {
    /// Nothing counted yet; none if the scenario does not ask for it, or its policy is not told sampled figures or picks
    /// both instances at once.
    pub(super) fn new(scenario: &Scenario, estimates: Estimates) -> Option<Self> {
        let policy: Box<dyn Policy> = match scenario.policy.build(estimates, scenario.seed) {
            Selector::Decode(policy) => policy,
            Selector::Staged(policy) => policy,
            Selector::Pair(_) | Selector::Clairvoyant => return None,
        };
        let exact = scenario.oracle == OracleGranularity::Exact;
        let asked = scenario.measure.rankings && policy.looks_at_state() && !exact;
        asked.then(|| Self { policy, counts: RankingCounts::default(), ways: Vec::new() })
    }

    /// Compares the decision that was just made with the present.
    pub(super) fn compare(
        &mut self,
        request: &RequestView,
        candidates: &[Candidate],
        oracle: &DecisionOracle<'_>,
        chosen: Option<usize>,
        counts: bool,
    ) {
        let zones = oracle.present_zones();
        let present = oracle.of_the_present(&zones);
        let choice = self.policy.place(request, candidates, &present);
        if !counts {
            return;
        }
        self.ways.clear();
        let path = |oracle: &DecisionOracle<'_>, candidate: &Candidate| oracle.path(request.source, candidate.instance);
        self.ways.extend(candidates.iter().map(|candidate| (path(oracle, candidate), path(&present, candidate))));
        let ranking = Ranking::of(&self.ways);
        self.counts.decisions += 1;
        self.counts.inverted += u64::from(ranking.inverted);
        self.counts.beyond_margin += u64::from(ranking.beyond_margin);
        self.counts.lost += ranking.lost_ratio;
        self.counts.changed += u64::from(choice != chosen);
    }

    pub(super) fn into_counts(self) -> RankingCounts {
        self.counts
    }
}

/// One decision's ways, as told against as they are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ranking {
    inverted: bool,
    beyond_margin: bool,
    lost_ratio: f64,
}

impl Ranking {
    fn of(ways: &[(PathCost, PathCost)]) -> Self {
        let left = |path: &PathCost, drift: f64| path.bandwidth_bytes_per_sec * (1.0 - path.congestion_ratio - drift);
        let (mut first, mut best, mut drift) = (&ways[0], 0.0_f64, 0.0_f64);
        for way in ways {
            if left(&way.0, 0.0) > left(&first.0, 0.0) {
                first = way;
            }
            best = best.max(left(&way.1, 0.0));
            drift = drift.max((way.1.congestion_ratio - way.0.congestion_ratio).abs());
        }
        // Ways that share their figures, as those of one tier do, move together and cannot overtake each other.
        let same = |other: &(PathCost, PathCost)| {
            let figures = |path: &PathCost| (path.bandwidth_bytes_per_sec, path.congestion_ratio);
            figures(&other.0) == figures(&first.0) && figures(&other.1) == figures(&first.1)
        };
        let at_worst = left(&first.0, drift);
        let beyond_margin = ways.iter().any(|other| !same(other) && at_worst < left(&other.0, -drift));
        // Beyond what rounding does.
        let inverted = left(&first.1, 0.0) < best * (1.0 - 1e-9);
        // INVARIANT: the theorem.
        assert!(beyond_margin || !inverted, "the first way lost its rank within its margin: {ways:?}");
        Self { inverted, beyond_margin, lost_ratio: 1.0 - left(&first.1, 0.0) / best }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::{SimDuration, Tier};

    /// A way of this bandwidth, congested as told and as at present.
    fn way(bandwidth_bytes_per_sec: f64, told: f64, present: f64) -> (PathCost, PathCost) {
        let path = |congestion_ratio| PathCost {
            tier: Tier::Pod,
            bandwidth_bytes_per_sec,
            latency: SimDuration::ZERO,
            congestion_ratio,
            counts_in_flight: false,
            age: SimDuration::ZERO,
        };
        (path(told), path(present))
    }

    fn check(ways: &[(PathCost, PathCost)], inverted: bool, beyond_margin: bool, lost_ratio: f64) {
        let ranking = Ranking::of(ways);
        assert_eq!((ranking.inverted, ranking.beyond_margin), (inverted, beyond_margin), "{ranking:?}");
        assert!((ranking.lost_ratio - lost_ratio).abs() < 1e-12, "{ranking:?}");
    }

    #[test]
    fn a_ranking_is_worked_out_by_hand() {
        // 8 against 4 left: the margin is 4 / 20. Drifts of 0.1 and 0.2 within it, of 0.25 beyond, of 0.5 enough.
        check(&[way(10.0, 0.2, 0.3), way(10.0, 0.6, 0.5)], false, false, 0.0);
        check(&[way(10.0, 0.2, 0.45), way(10.0, 0.6, 0.6)], false, true, 0.0);
        check(&[way(10.0, 0.2, 0.7), way(10.0, 0.6, 0.4)], true, true, 0.5);
        // A wide bandwidth needs no figures: 100 (1 - 0.5 - 0.3) > 10 (1 - 0 + 0.3).
        check(&[way(10.0, 0.0, 0.0), way(100.0, 0.5, 0.8)], false, false, 0.0);
        // One tier twice: no overtaking, whatever the drift.
        check(&[way(10.0, 0.2, 0.9), way(10.0, 0.2, 0.9)], false, false, 0.0);
        // Equal figures that part: neither is ahead by any margin.
        check(&[way(10.0, 0.2, 0.4), way(10.0, 0.2, 0.2)], true, true, 0.25);
    }
}
