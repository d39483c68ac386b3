//! Plan and figures together, as a policy asks them.

use crate::figures::{Figures, Granularity, LARGEST_CONGESTION};
use crate::plan::Plan;
use netkv_policy::{CostOracle, PathCost};
use netkv_units::{InstanceId, SimDuration, Tier};
use std::sync::Arc;

/// The age of a figure that nobody has told yet: longer than anything runs.
pub const NEVER: SimDuration = SimDuration::from_nanos(u64::MAX / 4);

/// The oracle as it stands at one moment. It holds no lock, and all ways are of one reading: take one for each decision.
///
/// A tier of which no counter has told yet has congestion zero and the age [`NEVER`]: the static maps are what is left.
#[derive(Clone, Debug)]
pub struct View {
    plan: Arc<Plan>,
    figures: Arc<Figures>,
    /// Seconds since Prometheus was read; none if it never was.
    read_age_s: Option<f64>,
}

impl View {
    /// That of figures which Prometheus told so many seconds ago.
    pub const fn new(plan: Arc<Plan>, figures: Arc<Figures>, read_age_s: Option<f64>) -> Self {
        Self { plan, figures, read_age_s }
    }

    /// Where instances are.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How busy everything is.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Seconds since Prometheus was read; none if it never was.
    pub const fn read_age_s(&self) -> Option<f64> {
        self.read_age_s
    }

    /// The age of the oldest tier's figure, in seconds; none if one is not known.
    pub fn age_s(&self) -> Option<f64> {
        Some(self.read_age_s? + self.figures.oldest_lag_s()?)
    }

    fn age(&self, lag_s: Option<f64>) -> SimDuration {
        match (self.read_age_s, lag_s) {
            (Some(read_age_s), Some(lag_s)) => SimDuration::from_secs_f64(read_age_s + lag_s),
            (None, _) | (_, None) => NEVER,
        }
    }
}

impl CostOracle for View {
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let tier = self.tier(source, destination);
        let way = self.figures.way(&self.plan, source, destination);
        // What is inside a node, and what nobody asks about, is never old.
        let is_constant = tier == Tier::Node || self.figures.granularity == Granularity::Static;
        PathCost {
            tier,
            bandwidth_bytes_per_sec: self.plan.bandwidth_bytes_per_s[tier.index()],
            latency: SimDuration::from_nanos(self.plan.latency_ns[tier.index()]),
            congestion_ratio: way.congestion.unwrap_or_default().clamp(0.0, LARGEST_CONGESTION),
            counts_in_flight: self.figures.counts_in_flight,
            age: if is_constant { SimDuration::ZERO } else { self.age(way.lag_s) },
        }
    }

    fn leaving(&self, group: Tier) -> f64 {
        self.leaving_from(InstanceId::new(0), group)
    }

    fn leaving_from(&self, instance: InstanceId, group: Tier) -> f64 {
        let group = match group {
            Tier::Node => 0,
            Tier::Rack => 1,
            Tier::Pod | Tier::Core => 2,
        };
        // Nothing is known to be shared on the way out of an instance that is not there.
        self.plan.instance(instance).map_or(f64::INFINITY, |instance| instance.leaving_bytes_per_s[group])
    }

    fn share_interfaces(&self, one: InstanceId, other: InstanceId) -> bool {
        let interface = |instance| self.plan.instance(instance).map(|instance| instance.interface);
        interface(one).is_some() && interface(one) == interface(other)
    }

    fn alone(&self, over: Tier) -> f64 {
        self.plan.alone_bytes_per_s[over.index()]
    }

    fn tier(&self, one: InstanceId, other: InstanceId) -> Tier {
        self.plan.tier(one, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figure;
    use crate::plan::tests::plan;

    #[test]
    fn a_path_is_as_old_as_its_sample_and_the_reading() {
        let plan = Arc::new(plan());
        let mut figures = Figures::unknown(plan.known_by(), Granularity::Tier, true);
        figures.tiers[2] = Figure::known(0.25, 0.5);
        let view = View::new(Arc::clone(&plan), Arc::new(figures), Some(2.0));
        let path = |destination| view.path(InstanceId::new(0), InstanceId::new(destination));
        let pod = path(2);
        assert_eq!((pod.tier, pod.congestion_ratio, pod.latency.as_nanos()), (Tier::Pod, 0.25, 8_000));
        assert_eq!((pod.age.as_secs_f64(), pod.counts_in_flight), (2.5, true));
        assert_eq!((path(4).congestion_ratio, path(4).age), (0.0, NEVER), "of the core nobody has told");
        assert_eq!(path(0).age, SimDuration::ZERO);
        assert_eq!(view.age_s(), None);
        assert_eq!((view.leaving(Tier::Rack), view.alone(Tier::Core)), (100e9, 50e9));
    }
}
