//! What changes: how busy tiers, racks and pods are, as one reading of Prometheus tells. The paper's fourth map (`congestion`,
//! from a tier to a share in [0, 1)), and beside it the same by rack and pod.

use crate::plan::Plan;
use netkv_units::{InstanceId, Tier};
use serde::{Deserialize, Serialize};

/// The largest congestion that is told: a way that is wholly taken still has a cost.
pub const LARGEST_CONGESTION: f64 = 1.0 - 1e-9;

/// How much of the congestion a way is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// None.
    Static,
    /// One figure for each tier, as in the paper.
    Tier,
    /// The most congested of the ends' racks and pods.
    Zone,
}

/// How busy something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The share that is taken, in [0, 1); none if no counter has told of it yet.
    pub congestion: Option<f64>,
    /// How old the oldest sample behind it was when Prometheus was read, in seconds; none as well.
    pub lag_s: Option<f64>,
}

/// Both directions of the links of a rack or pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BothWays {
    /// Away from the servers.
    pub up: Figure,
    /// Towards them.
    pub down: Figure,
}

/// How many links were heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// Links that are listed.
    pub listed: u32,
    /// Of them, those that the last reading told of.
    pub told: u32,
    /// Of those, those above their line rate: it was taken as full.
    pub over_line_rate: u32,
}

/// All figures of a reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// What the plan is known by that they are of.
    pub plan: String,
    /// How much of it a way is told of.
    pub granularity: Granularity,
    /// Whether the router's own transfers are in the figures.
    pub counts_in_flight: bool,
    /// By tier.
    pub tiers: [Figure; 4],
    /// By rack: its links to the spines.
    pub racks: Vec<BothWays>,
    /// By pod: its links to the cores.
    pub pods: Vec<BothWays>,
    /// Links.
    pub links: Heard,
    /// What was wrong with single links, the first few.
    pub problems: Vec<String>,
}

impl Figure {
    /// A share that is known, and how old it is.
    pub const fn known(congestion: f64, lag_s: f64) -> Self {
        Self { congestion: Some(congestion), lag_s: Some(lag_s) }
    }

    /// The larger of two, as old as the older; one that is not known says nothing.
    #[must_use]
    pub fn larger(self, other: Self) -> Self {
        match (self.congestion, other.congestion) {
            (Some(one), Some(two)) => Self {
                congestion: Some(one.max(two)),
                lag_s: Some(self.lag_s.unwrap_or_default().max(other.lag_s.unwrap_or_default())),
            },
            (Some(_), None) => self,
            (None, Some(_) | None) => other,
        }
    }

    /// The mean of those that are known, as old as the oldest.
    pub fn mean(all: impl IntoIterator<Item = Self>) -> Self {
        let (mut sum, mut n, mut lag_s) = (0.0, 0.0, 0.0_f64);
        for figure in all {
            if let Some(congestion) = figure.congestion {
                sum += congestion;
                n += 1.0;
                lag_s = lag_s.max(figure.lag_s.unwrap_or_default());
            }
        }
        if n > 0.0 { Self::known(sum / n, lag_s) } else { Self::default() }
    }
}

impl Figures {
    /// Those before any reading.
    pub fn unknown(plan: String, granularity: Granularity, counts_in_flight: bool) -> Self {
        let tiers = [Figure::known(0.0, 0.0), Figure::default(), Figure::default(), Figure::default()];
        Self {
            plan,
            granularity,
            counts_in_flight,
            tiers,
            racks: Vec::new(),
            pods: Vec::new(),
            links: Heard::default(),
            problems: Vec::new(),
        }
    }

    /// What is wrong with figures that came over a network.
    ///
    /// # Errors
    /// A share or an age that cannot be.
    pub fn check(&self) -> Result<(), String> {
        let both = self.racks.iter().chain(&self.pods).flat_map(|both| [both.up, both.down]);
        for figure in self.tiers.iter().copied().chain(both) {
            if figure.congestion.is_some_and(|share| !(0.0..1.0).contains(&share)) {
                return Err(format!("a congestion of {:?}; allowed: 0 to less than 1", figure.congestion));
            }
            if figure.lag_s.is_some_and(|lag_s| !(lag_s >= 0.0 && lag_s.is_finite())) {
                return Err(format!("figures that are {:?} s old; allowed: 0 or more", figure.lag_s));
            }
        }
        Ok(())
    }

    /// The age of the oldest figure of a tier when Prometheus was read, in seconds; none if a tier is not known.
    pub fn oldest_lag_s(&self) -> Option<f64> {
        self.tiers.iter().try_fold(0.0_f64, |oldest, figure| Some(oldest.max(figure.lag_s?)))
    }

    /// How busy the way from one instance to another is.
    pub fn way(&self, plan: &Plan, source: InstanceId, destination: InstanceId) -> Figure {
        let tier = plan.tier(source, destination);
        let of_tier = self.tiers[tier.index()];
        match (self.granularity, tier) {
            (Granularity::Static, _) => Figure::known(0.0, 0.0),
            (Granularity::Tier, _) | (Granularity::Zone, Tier::Node | Tier::Rack) => of_tier,
            (Granularity::Zone, Tier::Pod | Tier::Core) => {
                let (Some(from), Some(to)) = (plan.instance(source), plan.instance(destination)) else {
                    return of_tier;
                };
                let ends = |all: &[BothWays], from: u32, to: u32| {
                    let end = |at: u32| all.get(at as usize).copied().unwrap_or_default();
                    end(from).up.larger(end(to).down)
                };
                let mut found = ends(&self.racks, from.rack, to.rack);
                if tier == Tier::Core {
                    found = found.larger(ends(&self.pods, from.pod, to.pod));
                }
                // Of zones that no counter is listed for, the tier's figure is what is known.
                if found.congestion.is_some() { found } else { of_tier }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    #[test]
    fn a_way_is_as_busy_as_the_worst_of_its_ends() {
        let plan = plan();
        let mut figures = Figures::unknown(plan.known_by(), Granularity::Zone, true);
        figures.tiers = [0.0, 0.0, 0.3, 0.4].map(|share| Figure::known(share, 1.0));
        let rack = |up, down| BothWays { up: Figure::known(up, 2.0), down: Figure::known(down, 3.0) };
        figures.racks = vec![rack(0.1, 0.9), rack(0.0, 0.2), rack(0.0, 0.0), BothWays::default()];
        figures.pods = vec![rack(0.5, 0.0), rack(0.0, 0.6)];
        let way =
            |source, destination| figures.way(&plan, InstanceId::new(source), InstanceId::new(destination)).congestion;
        assert_eq!(way(0, 1), Some(0.0), "inside a rack nothing is shared");
        assert_eq!(way(0, 2), Some(0.2), "up out of rack 0, down into rack 1");
        assert_eq!(way(2, 0), Some(0.9), "down into rack 0");
        assert_eq!(way(0, 4), Some(0.6), "down into pod 1");
        assert_eq!(way(2, 7), Some(0.6), "rack 3 has no counters, its pod has");
        assert_eq!(way(0, 99), Some(0.4), "an instance that is not there is as far as can be");
        figures.granularity = Granularity::Tier;
        let way = figures.way(&plan, InstanceId::new(0), InstanceId::new(2));
        assert_eq!((way.congestion, way.lag_s), (Some(0.3), Some(1.0)));
    }

    #[test]
    fn means_are_of_what_is_known_and_as_old_as_the_oldest() {
        let mean = Figure::mean([Figure::known(0.2, 1.0), Figure::default(), Figure::known(0.6, 5.0)]);
        assert_eq!((mean.congestion, mean.lag_s), (Some(0.4), Some(5.0)));
        assert_eq!(Figure::mean([]), Figure::default());
    }
}
