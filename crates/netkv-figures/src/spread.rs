//! Figures of a distribution over points: at which share of an experiment's points a policy is at or below what it is compared
//! with, such as the best policy that ignores the network there. A line for each policy.

use crate::axis::Scale;
use crate::cdf::{Shares, Stroke, share_ticks};
use crate::contrast::{Against, Contrasts};
use crate::data::Results;
use crate::intervals::Measure;
use crate::page::{DASH, Head, Key, Page, TICK, grid_line, lower_axis, widest};
use crate::style::MUTED;
use crate::unit::{Unit, named};
use crate::{numbers, style, words};
use anyhow::{Context, Result};
use netkv_verdict::{Point, Standing};
use serde::Deserialize;

/// A figure of distributions over points.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spread {
    metric: String,
    against: Option<Against>,
    compare: Option<Measure>,
    value_title: Option<String>,
}

/// What is found at all points.
struct Found<'a> {
    /// By policy: its values, and at how many of them it is overloaded.
    lines: Vec<(&'a str, Shares, usize)>,
    /// Points at which what is compared with is overloaded or was not run: they are left out.
    n_left_out: usize,
    n_points: usize,
}

impl Spread {
    /// Shares are compared by the points between them, if nobody says otherwise, and all else by its ratio.
    fn measure(&self) -> Measure {
        let of_shares = Unit::of(&self.metric) == Unit::Percent;
        self.compare.unwrap_or(if of_shares { Measure::Difference } else { Measure::Ratio })
    }

    /// Where a policy is as good as what it is compared with.
    fn equal(&self) -> f64 {
        match self.measure() {
            Measure::Ratio => 1.0,
            Measure::Difference => 0.0,
        }
    }

    /// The mean of all seeds of one at a point, against another.
    fn value(&self, contrasts: &Contrasts, point: &Point, (own, other): (&Standing, &Standing)) -> Result<Option<f64>> {
        if own.name == other.name {
            return Ok(Some(self.equal()));
        }
        let (at, against) = (contrasts.place(point, &own.name), contrasts.place(point, &other.name));
        let found = match self.measure() {
            Measure::Ratio => contrasts.cells.ratio(&at, &against, &self.metric),
            Measure::Difference => contrasts.cells.difference(&at, &against, &self.metric),
        };
        let found = found.with_context(|| format!("cannot compare {} where {}", own.name, point.place()))?;
        let factor = if self.measure() == Measure::Ratio { 1.0 } else { Unit::of(&self.metric).factor(&self.metric) };
        Ok(found.mean.map(|mean| mean * factor))
    }

    fn find<'a>(&self, results: &'a Results, contrasts: &Contrasts, against: &Against) -> Result<Found<'a>> {
        let points = &contrasts.answer.points;
        let mut values: Vec<(Vec<f64>, usize)> = vec![(Vec::new(), 0); results.policies.len()];
        let mut n_left_out = 0;
        for point in points {
            let reference = contrasts.reference(point, against, &self.metric).filter(|one| !one.is_overloaded());
            let Some(reference) = reference else {
                n_left_out += 1;
                continue;
            };
            for (policy, (values, n_overloaded)) in results.policies.iter().zip(&mut values) {
                let Some(own) = point.standings.iter().find(|one| one.name == *policy) else { continue };
                values.extend(self.value(contrasts, point, (own, reference))?);
                *n_overloaded += usize::from(own.is_overloaded());
            }
        }
        let line =
            |(policy, (values, n)): (&'a String, (Vec<f64>, usize))| Some((policy.as_str(), Shares::of(values)?, n));
        let lines = results.policies.iter().zip(values).filter_map(line).collect();
        Ok(Found { lines, n_left_out, n_points: points.len() })
    }

    /// The figure as SVG.
    pub(crate) fn draw(&self, results: &Results, contrasts: &Contrasts, title: &str) -> Result<String> {
        let against = self.against.clone().unwrap_or_else(|| contrasts.usual());
        contrasts.check(&against)?;
        let found = self.find(results, contrasts, &against)?;
        let is_ratio = self.measure() == Measure::Ratio;
        let ends = found.lines.iter().flat_map(|(_, shares, _)| [shares.at(0.0), shares.at(1.0)]);
        let scale = Scale::holding(ends, is_ratio, false).context("there is nothing to compare")?;
        let shares = share_ticks();
        let room = widest(shares.iter().map(|share| share.1.as_str()), TICK) + 12.0;
        let (unit, what) = if is_ratio { (Unit::Own, "ratio to") } else { (Unit::of(&self.metric), "more than") };
        let metric = named(&self.metric, unit);
        let mut page = Page::new(&Head {
            title: title.to_owned(),
            keys: found.lines.iter().map(|line| Key::Line(results.look(line.0))).collect(),
            regimes: results.panel_titles(),
            y_title: "Points at or below it".to_owned(),
            x_title: self
                .value_title
                .clone()
                .unwrap_or_else(|| format!("{metric}, {what} {}", contrasts.named(&against, &results.labels))),
            label_room: (room, 0.0),
            height: 380.0,
        });
        let ticks: Vec<(f64, String)> =
            scale.ticks(7).into_iter().map(|(value, label)| (scale.place(value), label)).collect();
        let panel = page.panels.first().cloned().context("a page has a panel")?;
        for (share, label) in &shares {
            grid_line(&mut page.canvas, &panel, *share, Some(label.as_str()));
        }
        lower_axis(&mut page.canvas, &panel, &ticks);
        let equal = scale.place(self.equal());
        page.canvas.dashed(&[panel.at(equal, 0.0), panel.at(equal, 1.0)], MUTED, 1.5, DASH);
        // NetKV is drawn over the others.
        let (last, first): (Vec<_>, Vec<_>) = found.lines.iter().partition(|line| style::is_netkv(line.0));
        for (policy, shares, _) in first.into_iter().chain(last) {
            let look = results.look(policy);
            let label = look.label.clone();
            let says = |share: f64| {
                format!(
                    "{label}\n{} of points: {} or less",
                    numbers::percent(share),
                    numbers::three_digits(shares.at(share))
                )
            };
            shares.draw(&mut page, &panel, &Stroke { look, scale, is_overloaded: false, says: &says });
        }
        Ok(page.finished(&self.caption(results, contrasts, &against, &found)))
    }

    fn caption(&self, results: &Results, contrasts: &Contrasts, against: &Against, found: &Found<'_>) -> String {
        let n = found.n_points - found.n_left_out;
        let told = contrasts.told(against, &results.labels);
        let mut sentences = vec![
            words::provenance(results, None),
            format!(
                "Each line is of {n} points, a value at each: the mean of all seeds against {told}; its marker is the median."
            ),
        ];
        if found.n_left_out > 0 {
            let (n, all) = (found.n_left_out, found.n_points);
            sentences.push(format!("{n} of {all} points are left out, where that is overloaded itself."));
        }
        let worst = found.lines.iter().map(|line| line.2).max().unwrap_or_default();
        if worst > 0 {
            sentences.push(format!(
                "Where a policy alone is overloaded, at up to {worst} points, its value grows with the length of the run."
            ));
        }
        sentences.join(" ")
    }
}
