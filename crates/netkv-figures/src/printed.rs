//! The numbers that the paper prints, for the open marks of figures and the brackets of tables: all from the claims file.

use netkv_claims::{Claim, Claims, Measure};
use netkv_frames::same;

/// Printed numbers; none if there is no file of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Printed<'a> {
    claims: Option<&'a Claims>,
    /// Whether the paper has a figure or a table like this.
    is_wanted: bool,
}

/// A point: axes and their values, as words.
pub(crate) type At<'a> = &'a [(&'a str, String)];

impl<'a> Printed<'a> {
    pub(crate) const fn new(claims: Option<&'a Claims>) -> Self {
        Self { claims, is_wanted: true }
    }

    /// None, for a figure that the paper has nothing like, if it is not `wanted`.
    pub(crate) fn only_if(self, wanted: bool) -> Self {
        if wanted { self } else { Self::default() }
    }

    /// Whether the paper has a figure or a table like this.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Whether there are any.
    pub(crate) const fn is_there(&self) -> bool {
        self.claims.is_some()
    }

    /// A metric as printed, in the metric's unit.
    pub(crate) fn value(&self, experiment: &str, at: At<'_>, metric: &str) -> Option<f64> {
        let claim = self.find(experiment, at, metric, Measure::Value, "")?;
        Some(claim.printed / units_in_one(claim))
    }

    /// The printed standard deviation of a metric, in the metric's unit.
    pub(crate) fn sd(&self, experiment: &str, at: At<'_>, metric: &str) -> Option<f64> {
        let claim = self.find(experiment, at, metric, Measure::Sd, "")?;
        Some(claim.printed / units_in_one(claim))
    }

    /// A metric as a ratio to that of another policy.
    pub(crate) fn ratio(&self, experiment: &str, at: At<'_>, metric: &str, against: &str) -> Option<f64> {
        let claim = self.find(experiment, at, metric, Measure::ChangePercent, against)?;
        Some(1.0 + claim.printed / 100.0)
    }

    /// A metric less that of another policy, in the metric's unit.
    pub(crate) fn difference(&self, experiment: &str, at: At<'_>, metric: &str, against: &str) -> Option<f64> {
        let claim = self.find(experiment, at, metric, Measure::Difference, against)?;
        Some(claim.printed / units_in_one(claim))
    }

    fn find(&self, experiment: &str, at: At<'_>, metric: &str, measure: Measure, against: &str) -> Option<&'a Claim> {
        let fits = |claim: &&Claim| {
            claim.against == against
                && claim.at.len() == at.len()
                && at.iter().all(|(axis, value)| claim.at.get(*axis).is_some_and(|own| same(own, value)))
        };
        self.claims?.printed(experiment, metric, measure).into_iter().find(fits)
    }
}

/// How many of the claim's units are one of the metric's.
fn units_in_one(claim: &Claim) -> f64 {
    match claim.unit.as_str() {
        "us" if claim.metric.ends_with("_ns") => 1e-3,
        "ms" if claim.metric.ends_with("_ns") => 1e-6,
        "s" if claim.metric.ends_with("_ns") => 1e-9,
        "%" | "points" if claim.metric.ends_with("_ratio") => 100.0,
        _ => 1.0,
    }
}
