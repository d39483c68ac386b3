//! Figures of small multiples: a panel for each of several metrics, a line for each policy, against an axis of the grid;
//! a row of panels for each value of the panels' axis. What the paper prints is drawn as open marks.

use crate::axis::{Scale, places};
use crate::canvas::{Fill, Point};
use crate::data::{Estimate, Results, Row};
use crate::lines::Logarithm;
use crate::page::{Key, Panel, TICK, grid_line, lower_axis, marker_radius, widest};
use crate::printed::Printed;
use crate::sheet::{Layout, Sheet};
use crate::style;
use crate::unit::{Unit, named};
use crate::{tips, words};
use anyhow::{Result, ensure};
use serde::Deserialize;

/// Open marks are so much larger than the others.
pub(crate) const OPEN: f64 = 1.75;

/// A metric, and how it is shown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measured {
    pub(crate) metric: String,
    unit: Option<Unit>,
    title: Option<String>,
    #[serde(default)]
    pub(crate) scale: Logarithm,
    /// What is said of a step from the policy before; of use in a figure of steps alone.
    #[serde(default)]
    pub(crate) change: Change,
}

/// What a step changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// In percent of the step before.
    #[default]
    Percent,
    /// Its difference, in points of percent.
    Points,
}

impl Measured {
    pub(crate) fn unit(&self) -> Unit {
        self.unit.unwrap_or_else(|| Unit::of(&self.metric))
    }

    /// From the metric's unit to the axis'.
    pub(crate) fn factor(&self) -> f64 {
        self.unit().factor(&self.metric)
    }

    pub(crate) fn title(&self) -> String {
        self.title.clone().unwrap_or_else(|| named(&self.metric, self.unit()))
    }
}

/// A figure of small multiples.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Multiples {
    pub(crate) measures: Vec<Measured>,
    /// Sentences of the caption.
    #[serde(default)]
    pub(crate) says: String,
}

/// What a panel shows.
struct Shown<'a> {
    results: &'a Results,
    printed: Printed<'a>,
    regime: &'a str,
    measured: &'a Measured,
}

impl<'a> Shown<'a> {
    fn rows(&self, policy: &str) -> Vec<Option<&'a Row>> {
        let row = |&x: &f64| self.results.row(self.regime, policy, x, &self.measured.metric);
        self.results.xs.iter().map(row).collect()
    }

    fn estimates(&self, policy: &str) -> Vec<Estimate> {
        let estimate =
            |row: Option<&Row>| row.map_or_else(Estimate::default, |row| row.value.scaled(self.measured.factor()));
        self.rows(policy).into_iter().map(estimate).collect()
    }

    /// What the paper prints for a policy at each place across.
    fn printed(&self, policy: &str) -> Vec<Option<f64>> {
        let value = |&x: &f64| {
            let at = self.results.coordinates(self.regime, policy, x);
            let value = self.printed.value(&self.results.experiment, &at, &self.measured.metric)?;
            Some(value * self.measured.factor())
        };
        self.results.xs.iter().map(value).collect()
    }

    /// The axis: it holds all means and printed values, and intervals as far as there is room for them.
    fn scale(&self) -> Option<Scale> {
        let policies = || self.results.policies.iter();
        let means = policies().flat_map(|policy| self.estimates(policy)).filter_map(|estimate| estimate.mean);
        let printed = policies().flat_map(|policy| self.printed(policy)).flatten();
        let values: Vec<f64> = means.chain(printed).collect();
        let least = values.iter().copied().min_by(f64::total_cmp)?;
        let most = values.iter().copied().max_by(f64::total_cmp)?;
        let log = match self.measured.scale {
            Logarithm::Always => true,
            Logarithm::Wide => least > 0.0 && most > 8.0 * least,
            Logarithm::Never => false,
        };
        let ends = policies().flat_map(|policy| self.estimates(policy)).filter_map(|one| one.low.zip(one.high));
        let bounds = self.measured.unit().bounds(values.iter().copied());
        let scale = Scale::holding(values.into_iter(), log, false)?.widened(ends);
        Some(scale.within(bounds.0, bounds.1))
    }
}

impl Multiples {
    /// How many panels stand beside each other.
    const fn columns(&self, n_regimes: usize) -> usize {
        match (n_regimes, self.measures.len()) {
            (1, 0..=3) | (2.., _) => self.measures.len(),
            (_, 4) => 2,
            _ => 3,
        }
    }

    /// The figure as SVG.
    pub(crate) fn draw(&self, results: &Results, printed: Printed<'_>, title: &str) -> Result<String> {
        self.measures.iter().try_for_each(|measured| results.check_metric(&measured.metric))?;
        let shown: Vec<Shown<'_>> = results
            .regimes
            .iter()
            .flat_map(|regime| self.measures.iter().map(move |measured| Shown { results, printed, regime, measured }))
            .collect();
        ensure!(!shown.is_empty(), "there is nothing to draw");
        let scales: Vec<Option<Scale>> = shown.iter().map(Shown::scale).collect();
        let ticks: Vec<Vec<(f64, String)>> = scales
            .iter()
            .zip(&shown)
            .map(|(scale, shown)| {
                let labelled = |(at, label): (f64, String)| (at, format!("{label}{}", shown.measured.unit().suffix()));
                scale.map_or_else(Vec::new, |scale| scale.ticks(4).into_iter().map(labelled).collect())
            })
            .collect();
        let room = widest(ticks.iter().flatten().map(|tick| tick.1.as_str()), TICK) + 12.0;
        let columns = self.columns(results.regimes.len());
        let keys = results.policies.iter().map(|policy| Key::Line(results.look(policy)));
        let open = printed.is_there().then(|| Key::Open("printed in the paper".to_owned()));
        let mut sheet = Sheet::new(&Layout {
            title: title.to_owned(),
            keys: keys.chain(open).collect(),
            rows: results.panel_titles().into_iter().map(|title| title.0).collect(),
            panels: shown.iter().map(|shown| shown.measured.title()).collect(),
            columns,
            rooms: (room, 34.0),
            height: if columns > 3 { 190.0 } else { 240.0 },
            x_title: results.x_title(),
        });
        let mut n_open = 0;
        for (index, shown) in shown.iter().enumerate() {
            let panel = sheet.panels[index];
            match scales[index] {
                Some(scale) => n_open += self.draw_panel(&mut sheet, &panel, shown, scale, &ticks[index]),
                None => sheet.no_value(&panel),
            }
        }
        Ok(sheet.finished(&self.caption(results, printed, n_open)))
    }

    /// Draws a panel; returns how many printed values it has.
    fn draw_panel(
        &self,
        sheet: &mut Sheet,
        panel: &Panel,
        shown: &Shown<'_>,
        scale: Scale,
        ticks: &[(f64, String)],
    ) -> usize {
        let results = shown.results;
        for (value, label) in ticks {
            grid_line(&mut sheet.canvas, panel, scale.place(*value), Some(label));
        }
        let across = places(&results.xs, results.spacing(), 0.06);
        let labels = results.xs.iter().map(|&x| results.x_label(x));
        lower_axis(&mut sheet.canvas, panel, &across.iter().copied().zip(labels).collect::<Vec<_>>());
        // NetKV is drawn over the others.
        let (last, first): (Vec<&String>, Vec<_>) = results.policies.iter().partition(|policy| style::is_netkv(policy));
        let order = || first.iter().chain(&last).copied();
        for policy in order() {
            self.draw_bands(sheet, panel, shown, policy, scale, &across);
        }
        for policy in order() {
            self.draw_line(sheet, panel, shown, policy, scale, &across);
        }
        let mut n_open = 0;
        for policy in order() {
            let look = shown.results.look(policy);
            for (place, value) in across.iter().zip(shown.printed(policy)) {
                let Some(value) = value else { continue };
                let at = panel.at(*place, scale.place(value));
                sheet.canvas.open_marker(at, look.marker, marker_radius(look.marker) * OPEN, look.colour);
                n_open += 1;
            }
        }
        n_open
    }

    /// A band for each stretch of points that have an interval.
    fn draw_bands(
        &self,
        sheet: &mut Sheet,
        panel: &Panel,
        shown: &Shown<'_>,
        policy: &str,
        scale: Scale,
        across: &[f64],
    ) {
        let colour = shown.results.look(policy).colour;
        let ends: Vec<Option<(Point, Point)>> = across
            .iter()
            .zip(shown.estimates(policy))
            .map(|(&place, estimate)| {
                let (low, high) = estimate.low.zip(estimate.high)?;
                // What is below a logarithmic axis has no place.
                let low = if scale.log { low.max(scale.low) } else { low };
                if scale.log && low <= scale.low {
                    return None;
                }
                Some((panel.at(place, scale.place(low)), panel.at(place, scale.place(high))))
            })
            .collect();
        for stretch in ends.split(Option::is_none).filter(|stretch| stretch.len() > 1) {
            let lower = stretch.iter().flatten().map(|ends| ends.0);
            let upper = stretch.iter().rev().flatten().map(|ends| ends.1);
            sheet.canvas.area(&lower.chain(upper).collect::<Vec<_>>(), colour, 0.13);
        }
    }

    fn draw_line(
        &self,
        sheet: &mut Sheet,
        panel: &Panel,
        shown: &Shown<'_>,
        policy: &str,
        scale: Scale,
        across: &[f64],
    ) {
        let look = shown.results.look(policy);
        let estimates = shown.estimates(policy);
        let at = |(&place, estimate): (&f64, &Estimate)| Some(panel.at(place, scale.place(estimate.mean?)));
        let points: Vec<Option<Point>> = across.iter().zip(&estimates).map(at).collect();
        for stretch in points.split(Option::is_none).filter(|stretch| stretch.len() > 1) {
            let stretch: Vec<Point> = stretch.iter().flatten().copied().collect();
            sheet.canvas.line(&stretch, look.colour, look.width.min(2.4));
        }
        let mut marks: Vec<(Point, Fill)> = Vec::new();
        for ((point, row), estimate) in points.iter().zip(shown.rows(policy)).zip(&estimates) {
            let Some((point, row)) = point.zip(row) else { continue };
            let is_overloaded = shown.results.is_overloaded(&row.regime, policy, row.x);
            marks.push((point, Fill::of(row.n_failed > 0, is_overloaded)));
            let value = format!("{}: {}", shown.measured.title(), tips::value(*estimate, shown.measured.unit()));
            sheet.canvas.tip(point, &tips::of_row(shown.results, &look.label, row, &value, is_overloaded));
        }
        sheet.canvas.markers(&marks, look.marker, marker_radius(look.marker) - 0.9, look.colour);
    }

    fn caption(&self, results: &Results, printed: Printed<'_>, n_open: usize) -> String {
        let mut sentences = vec![words::provenance(results, Some("Bands"))];
        let slo = self.measures.iter().find_map(|measured| words::objective(results, &measured.metric));
        sentences.extend(slo);
        sentences.extend(words::open_marks(printed, n_open));
        if !self.says.is_empty() {
            sentences.push(self.says.clone());
        }
        if results.policies.iter().any(|policy| style::is_netkv(policy)) && results.policies.len() > 1 {
            sentences.push("NetKV is drawn over lines that it coincides with.".to_owned());
        }
        sentences.push("Each panel has its own vertical axis, which need not start at zero.".to_owned());
        sentences.extend(words::overload(results.has_overload(), "Crossed-out markers are overloaded"));
        sentences.extend(words::failures(results, &self.measures[0].metric, None, "filled marks with a white centre"));
        sentences.join(" ")
    }
}
