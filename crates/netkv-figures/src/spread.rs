//! Figures of a distribution over points: at which share of an experiment's points a policy is at or below what it is compared
//! with, such as the best policy that ignores the network there. A line for each policy.

use crate::axis::Scale;
use crate::cdf::{Shares, Stroke, share_ticks};
use crate::contrast::{Against, Contrasts, Measure};
use crate::data::Results;
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
    /// A ratio of what is counted in percent, a difference in points of shares.
    fn value(&self, change: f64) -> f64 {
        match Measure::of(&self.metric) {
            Measure::Percent => 1.0 + change / 100.0,
            Measure::Points => change,
        }
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
                let is_itself = own.name == reference.name;
                let change = if is_itself { Some(0.0) } else { self.change(contrasts, point, own, reference)? };
                values.extend(change.map(|change| self.value(change)));
                *n_overloaded += usize::from(own.is_overloaded());
            }
        }
        let line =
            |(policy, (values, n)): (&'a String, (Vec<f64>, usize))| Some((policy.as_str(), Shares::of(values)?, n));
        let lines = results.policies.iter().zip(values).filter_map(line).collect();
        Ok(Found { lines, n_left_out, n_points: points.len() })
    }

    fn change(
        &self,
        contrasts: &Contrasts,
        point: &Point,
        own: &Standing,
        reference: &Standing,
    ) -> Result<Option<f64>> {
        let change = contrasts.change(point, (&own.name, &reference.name), &self.metric);
        let change = change.with_context(|| format!("cannot compare {} where {}", own.name, point.place()))?;
        Ok(change.mean)
    }

    /// The figure as SVG.
    pub(crate) fn draw(&self, results: &Results, contrasts: &Contrasts, title: &str) -> Result<String> {
        let against = self.against.clone().unwrap_or_else(|| contrasts.usual());
        contrasts.check(&against)?;
        let found = self.find(results, contrasts, &against)?;
        let is_ratio = Measure::of(&self.metric) == Measure::Percent;
        let ends = found.lines.iter().flat_map(|(_, shares, _)| [shares.at(0.0), shares.at(1.0)]);
        let scale = Scale::holding(ends, is_ratio, false).context("there is nothing to compare")?;
        let shares = share_ticks();
        let room = widest(shares.iter().map(|share| share.1.as_str()), TICK) + 12.0;
        let what = if is_ratio { "ratio to" } else { "points more than" };
        let metric = named(&self.metric, Unit::Own);
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
        let equal = scale.place(self.value(0.0));
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
