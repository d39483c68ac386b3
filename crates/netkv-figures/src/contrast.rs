//! What a policy is compared with at a point, and what the comparison says: the same for every map, drawn or on the page.

use crate::data::{Estimate, Loaded};
use crate::labels::Labels;
use crate::pairs::Cells;
use crate::report_answer;
use crate::unit::Unit;
use anyhow::{Context, Result, ensure};
use netkv_frames::same;
use netkv_policy::NetworkView;
use netkv_verdict::{Answer, Effect, INDIFFERENCE, Point, Standing};
use serde::Deserialize;
use std::path::Path;

/// Differences of shares that are less than this, in points, are none that matters: a point, as the grid of regret says.
pub(crate) const INDIFFERENT_POINTS: f64 = 1.0;

const TTFT: &str = "ttft_mean_ns";

/// What others are compared with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) enum Against {
    /// At each point the best of the policies that ignore the network, by the metric that is shown.
    BestBlind,
    /// The baseline of the experiment.
    Baseline,
    /// A value of the baseline's axis, everywhere.
    Value(String),
}

impl From<String> for Against {
    fn from(said: String) -> Self {
        match said.as_str() {
            "best_blind" => Self::BestBlind,
            "baseline" => Self::Baseline,
            _ => Self::Value(said),
        }
    }
}

/// What a change is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Percent of the other.
    Percent,
    /// Points, of shares.
    Points,
}

impl Measure {
    /// That of a metric.
    pub(crate) fn of(metric: &str) -> Self {
        if Unit::of(metric) == Unit::Percent { Self::Points } else { Self::Percent }
    }

    /// Changes that are less make no difference that matters.
    pub(crate) const fn margin(self) -> f64 {
        match self {
            Self::Percent => 100.0 * INDIFFERENCE,
            Self::Points => INDIFFERENT_POINTS,
        }
    }
}

/// Whether more of a metric is better.
pub(crate) fn more_is_better(metric: &str) -> bool {
    ["slo_", "within_", "goodput", "hit_", "throughput"].iter().any(|part| metric.contains(part))
}

/// What a change says, from its interval.
pub(crate) fn effect(change: Estimate, metric: &str) -> Effect {
    let Some((low, high)) = change.low.zip(change.high) else { return Effect::Open };
    let margin = Measure::of(metric).margin();
    let (falls, rises) = (high < -margin, low > margin);
    let (pays, harms) = if more_is_better(metric) { (rises, falls) } else { (falls, rises) };
    match (pays, harms) {
        (true, _) => Effect::Pays,
        (_, true) => Effect::Harms,
        _ if low >= -margin && high <= margin => Effect::Same,
        _ => Effect::Open,
    }
}

/// What is found at a point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// A change, in the metric's [`Measure`], from what it is compared with.
    Change { change: Estimate, effect: Effect, reference: String },
    /// It is what others are compared with.
    Reference,
    /// It is overloaded, whatever the change.
    Overloaded(Estimate),
    /// Just what it is compared with is.
    KeepsUp(Estimate),
}

/// An experiment's points, with what is compared there.
pub(crate) struct Contrasts {
    pub(crate) answer: Answer,
    pub(crate) cells: Cells,
}

impl Contrasts {
    pub(crate) fn read(loaded: &Loaded, results: &Path) -> Result<Self> {
        Ok(Self { answer: report_answer::answer(loaded)?, cells: Cells::read(results, &loaded.experiment)? })
    }

    /// What is compared with if nobody says it: the best of those that ignore the network if that is the question.
    pub(crate) fn usual(&self) -> Against {
        if self.answer.asks_for_network() { Against::BestBlind } else { Against::Baseline }
    }

    /// The policies that ignore the network, by name.
    pub(crate) fn blind(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for standing in self.answer.points.iter().flat_map(|point| &point.standings).filter(|one| is_blind(one)) {
            if !names.contains(&standing.name.as_str()) {
                names.push(&standing.name);
            }
        }
        names
    }

    /// What is compared with, in words.
    pub(crate) fn named(&self, against: &Against, labels: &Labels) -> String {
        let named = |value: &str| labels.value(&self.answer.options.compared, value).0;
        match against {
            Against::BestBlind => match self.blind()[..] {
                [one] => named(one),
                ref several => format!("the best of {} policies that ignore the network", several.len()),
            },
            Against::Baseline => named(&self.answer.options.baseline),
            Against::Value(value) => named(value),
        }
    }

    /// The same for a caption, which names the policies.
    pub(crate) fn told(&self, against: &Against, labels: &Labels) -> String {
        let blind = self.blind();
        let said = self.named(against, labels);
        if *against != Against::BestBlind || blind.len() < 2 {
            return said;
        }
        let names: Vec<String> = blind.iter().map(|name| labels.value(&self.answer.options.compared, name).0).collect();
        format!("{said} at each point ({})", names.join(", "))
    }

    /// An error if there is nothing of that name.
    pub(crate) fn check(&self, against: &Against) -> Result<()> {
        let of = |name: &str| self.answer.points.iter().flat_map(|point| &point.standings).any(|one| one.name == name);
        match against {
            Against::BestBlind => ensure!(!self.blind().is_empty(), "there is no policy that ignores the network"),
            Against::Baseline => {
                let baseline = &self.answer.options.baseline;
                ensure!(of(baseline), "there is no ratio to the baseline: it has no {baseline}");
            }
            Against::Value(value) => {
                ensure!(of(value), "against = {value:?}: there is no such value of {}", self.answer.options.compared);
            }
        }
        Ok(())
    }

    /// The point that has these values of axes; those that are not said have one value, or advance with others.
    fn point(&self, at: &[(&str, String)]) -> Option<&Point> {
        let has = |point: &Point, axis: &str, wanted: &str| {
            let own = point.coordinates.iter().find(|(own, _)| own == axis);
            own.is_none_or(|(_, value)| same(value, wanted))
        };
        self.answer.points.iter().find(|point| at.iter().all(|(axis, wanted)| has(point, axis, wanted)))
    }

    /// What others are compared with at a point.
    pub(crate) fn reference<'a>(&'a self, point: &'a Point, against: &Against, metric: &str) -> Option<&'a Standing> {
        let of = |name: &str| point.standings.iter().find(|one| one.name == name);
        match against {
            Against::Baseline => of(&self.answer.options.baseline),
            Against::Value(value) => of(value),
            Against::BestBlind if metric == TTFT => point.best_blind.map(|index| &point.standings[index]),
            Against::BestBlind => {
                let mean = |one: &Standing| self.cells.level(&self.place(point, &one.name), metric).ok()?;
                let blind = point.standings.iter().filter(|one| is_blind(one));
                let means = blind.filter_map(|one| Some((mean(one)?.mean, one)));
                let sign = if more_is_better(metric) { -1.0 } else { 1.0 };
                means.min_by(|one, two| (sign * one.0).total_cmp(&(sign * two.0))).map(|(_, one)| one)
            }
        }
    }

    /// The values of all axes where a policy stands at a point.
    pub(crate) fn place<'a>(&'a self, point: &'a Point, name: &str) -> Vec<(&'a str, String)> {
        let others = point.coordinates.iter().map(|(axis, value)| (axis.as_str(), value.clone()));
        others.chain([(self.answer.options.compared.as_str(), name.to_owned())]).collect()
    }

    /// A metric of one at a point against that of another, as a change.
    pub(crate) fn change(&self, point: &Point, (own, other): (&str, &str), metric: &str) -> Result<Estimate> {
        let (own, other) = (self.place(point, own), self.place(point, other));
        Ok(match Measure::of(metric) {
            Measure::Points => self.cells.difference(&own, &other, metric)?.scaled(100.0),
            Measure::Percent => {
                let ratio = self.cells.ratio(&own, &other, metric)?;
                let percent = |value: Option<f64>| value.map(|value| 100.0 * (value - 1.0));
                Estimate { mean: percent(ratio.mean), low: percent(ratio.low), high: percent(ratio.high) }
            }
        })
    }

    /// What is found where these are the values of axes; nothing where nothing was run.
    pub(crate) fn found(&self, at: &[(&str, String)], against: &Against, metric: &str) -> Result<Option<Found>> {
        let compared = at.iter().find(|(axis, _)| *axis == self.answer.options.compared);
        let Some((point, (_, name))) = self.point(at).zip(compared) else { return Ok(None) };
        let Some(own) = point.standings.iter().find(|one| same(&one.name, name)) else { return Ok(None) };
        self.between(point, own, self.reference(point, against, metric), metric)
            .with_context(|| format!("cannot compare {name} where {}", point.place()))
    }

    /// What is found between one and what it is compared with.
    pub(crate) fn between(
        &self,
        point: &Point,
        own: &Standing,
        reference: Option<&Standing>,
        metric: &str,
    ) -> Result<Option<Found>> {
        let Some(reference) = reference else { return Ok(None) };
        if own.name == reference.name {
            return Ok(Some(Found::Reference));
        }
        let change = self.change(point, (&own.name, &reference.name), metric)?;
        if own.is_overloaded() {
            return Ok(Some(Found::Overloaded(change)));
        }
        if reference.is_overloaded() {
            return Ok(Some(Found::KeepsUp(change)));
        }
        let reference = reference.name.clone();
        Ok(change.mean.map(|_| Found::Change { change, effect: effect(change, metric), reference }))
    }
}

/// Whether it is a policy that ignores the network.
pub(crate) fn is_blind(standing: &Standing) -> bool {
    standing.view() == Some(NetworkView::Blind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(low: f64, high: f64, metric: &str) -> Effect {
        effect(Estimate { mean: Some((low + high) / 2.0), low: Some(low), high: Some(high) }, metric)
    }

    #[test]
    fn an_effect_knows_which_way_is_better_and_its_margin() {
        let (ttft, slo) = ("ttft_mean_ns", "slo_attainment_ratio");
        assert_eq!((said(-9.0, -2.1, ttft), said(2.1, 9.0, ttft)), (Effect::Pays, Effect::Harms));
        assert_eq!((said(-9.0, -1.1, slo), said(1.1, 9.0, slo)), (Effect::Harms, Effect::Pays));
        assert_eq!((said(-2.0, 2.0, ttft), said(-2.0, 2.0, slo)), (Effect::Same, Effect::Open));
        assert_eq!(said(-9.0, -1.9, ttft), Effect::Open);
        assert_eq!(effect(Estimate { mean: Some(-9.0), ..Estimate::default() }, ttft), Effect::Open, "one seed");
    }

    #[test]
    fn what_is_compared_with_is_said_in_a_word() {
        let said = |word: &str| Against::from(word.to_owned());
        assert_eq!((said("best_blind"), said("baseline")), (Against::BestBlind, Against::Baseline));
        assert_eq!(said("netkv"), Against::Value("netkv".to_owned()));
    }
}
