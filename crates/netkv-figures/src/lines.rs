//! Figures with a line for each policy (a metric, or its ratio to the baseline policy) or for each of several metrics,
//! against an axis of the grid.

use crate::axis::{Scale, Spacing, places};
use crate::canvas::{Canvas, Point};
use crate::closed_form::{self, Curve};
use crate::data::{Estimate, Results, Row};
use crate::page::{DASH, Head, Key, Page, Panel, TICK, grid_line, lower_axis, marker_radius, widest};
use crate::style::{self, INK, MUTED, PolicyStyle};
use crate::unit::{Unit, named};
use crate::{numbers, words};
use anyhow::{Result, ensure};
use serde::Deserialize;

/// Ratios this close to 1 are taken for equal.
pub(crate) const EQUIVALENCE: f64 = netkv_verdict::INDIFFERENCE;

/// Which values an axis takes the logarithm of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Logarithm {
    #[serde(rename = "log")]
    Always,
    /// If they span more than a factor of 8.
    #[default]
    #[serde(rename = "auto")]
    Wide,
    #[serde(rename = "linear")]
    Never,
}

/// How values are compared with the baseline's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compare {
    /// Not at all.
    #[default]
    Absolute,
    /// By the paired ratio.
    Ratio,
}

/// A figure of lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lines {
    /// Every line is of it.
    #[serde(default)]
    pub(crate) metric: String,
    /// Metrics that get a line each, of the one policy that there is, in place of `metric`.
    #[serde(default)]
    pub(crate) metrics: Vec<String>,
    #[serde(default)]
    pub(crate) compare: Compare,
    pub(crate) unit: Option<Unit>,
    pub(crate) value_title: Option<String>,
    pub(crate) scale: Option<Logarithm>,
    /// What theory says of policies: lines, while the runs are points.
    pub(crate) closed_form: Option<ClosedForm>,
}

/// Closed forms that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClosedForm {
    /// Of the first theorem: transfers that share one way.
    SharedWay,
}

impl Lines {
    /// The metric, or the first of several.
    fn metric(&self) -> &str {
        self.metrics.first().unwrap_or(&self.metric)
    }

    fn unit(&self) -> Unit {
        self.unit.unwrap_or_else(|| Unit::of(self.metric()))
    }

    fn is_ratio(&self) -> bool {
        self.compare == Compare::Ratio
    }

    fn estimate(&self, row: &Row) -> Estimate {
        if self.is_ratio() { row.ratio } else { row.value.scaled(self.unit().factor(&row.metric)) }
    }

    /// The least and largest value there can be.
    fn bounds(&self, results: &Results) -> (f64, f64) {
        let means = results.regimes.iter().flat_map(|regime| self.means(results, regime));
        if self.is_ratio() { (0.0, f64::INFINITY) } else { self.unit().bounds(means) }
    }

    fn value_title(&self) -> String {
        let named = |metric| named(metric, self.unit());
        let said = self.value_title.clone();
        said.unwrap_or_else(|| match self.compare {
            Compare::Absolute => named(self.metric()),
            Compare::Ratio => format!("{}, ratio to {{baseline}}", crate::unit::named(self.metric(), Unit::Own)),
        })
    }

    /// The look of a line, which is of a metric where there are several.
    fn look(&self, results: &Results, series: &str) -> PolicyStyle {
        if self.metrics.is_empty() { results.look(series) } else { style::policy(series) }
    }

    /// Whether runs are points with bars rather than lines with bands.
    fn as_points(&self) -> bool {
        self.is_ratio() || self.closed_form.is_some()
    }

    /// What gets a line: metrics, or policies, of which a ratio leaves out the baseline.
    fn series<'a>(&'a self, results: &'a Results) -> Vec<&'a str> {
        if !self.metrics.is_empty() {
            return self.metrics.iter().map(String::as_str).collect();
        }
        let baseline = results.baseline();
        let drawn = |policy: &&str| !self.is_ratio() || *policy != baseline;
        results.policies.iter().map(String::as_str).filter(drawn).collect()
    }

    fn rows<'a>(&self, results: &'a Results, regime: &str, series: &str) -> Vec<Option<&'a Row>> {
        let (policy, metric) = if self.metrics.is_empty() {
            (series, self.metric.as_str())
        } else {
            (results.policies[0].as_str(), series)
        };
        results.xs.iter().map(|&x| results.row(regime, policy, x, metric)).collect()
    }

    /// All means in a regime.
    fn means(&self, results: &Results, regime: &str) -> Vec<f64> {
        let rows = self.series(results).into_iter().flat_map(|policy| self.rows(results, regime, policy));
        rows.flatten().filter_map(|row| self.estimate(row).mean).collect()
    }

    /// The value axis of each panel: one for all unless a panel would get less than 40 % of it.
    fn scales(&self, results: &Results) -> Result<Vec<Scale>> {
        let means: Vec<Vec<f64>> = results.regimes.iter().map(|regime| self.means(results, regime)).collect();
        let all: Vec<f64> = means.iter().flatten().copied().collect();
        let least = all.iter().copied().min_by(f64::total_cmp).unwrap_or(1.0);
        let largest = all.iter().copied().max_by(f64::total_cmp).unwrap_or(1.0);
        let usual = match (self.compare, self.unit()) {
            (Compare::Ratio, _) => Logarithm::Always,
            (Compare::Absolute, Unit::Percent) => Logarithm::Never,
            (Compare::Absolute, _) => Logarithm::Wide,
        };
        let log = match self.scale.unwrap_or(usual) {
            Logarithm::Always => true,
            Logarithm::Wide => least > 0.0 && largest > 8.0 * least,
            Logarithm::Never => false,
        };
        let bounds = self.bounds(results);
        // One rule for all panels, so that they can be compared: zero is shown unless that wastes most of the height.
        let from_zero = least < 0.6 * largest;
        let scale = |(regime, means): (&String, &Vec<f64>)| {
            let extra = if self.is_ratio() { vec![1.0 - EQUIVALENCE, 1.0 + EQUIVALENCE] } else { Vec::new() };
            let core = Scale::holding(means.iter().copied().chain(extra), log, from_zero)?;
            Some(self.widened(core, results, regime).within(bounds.0, bounds.1))
        };
        let own: Vec<Option<Scale>> = results.regimes.iter().zip(&means).map(scale).collect();
        let joined = own.iter().flatten().copied().reduce(Scale::joined);
        let Some(joined) = joined else { anyhow::bail!("there is no value of {}", self.metric()) };
        let share_one = own.iter().flatten().all(|scale| scale.span() >= 0.4 * joined.span());
        let shared = |scale: Option<Scale>| scale.filter(|_| !share_one).unwrap_or(joined);
        Ok(own.into_iter().map(shared).collect())
    }

    /// Makes room for intervals, but never more than 60 % of what the means need, on either side.
    fn widened(&self, core: Scale, results: &Results, regime: &str) -> Scale {
        let rows = self.series(results).into_iter().flat_map(|policy| self.rows(results, regime, policy)).flatten();
        core.widened(rows.filter_map(|row| {
            let estimate = self.estimate(row);
            estimate.low.zip(estimate.high)
        }))
    }

    /// Whether an interval leaves its panel.
    fn cut(&self, results: &Results, scales: &[Scale]) -> bool {
        let bounds = self.bounds(results);
        results.regimes.iter().zip(scales).any(|(regime, scale)| {
            self.series(results).into_iter().flat_map(|policy| self.rows(results, regime, policy)).flatten().any(
                |row| {
                    let estimate = self.estimate(row);
                    let impossible = estimate.low.is_some_and(|low| low < scale.low && low >= bounds.0);
                    impossible || estimate.high.is_some_and(|high| high > scale.high && high <= bounds.1)
                },
            )
        })
    }

    /// Whether an interval holds values that a logarithmic axis has no place for.
    fn reaches_below_zero(&self, results: &Results, scales: &[Scale]) -> bool {
        results.regimes.iter().zip(scales).filter(|(_, scale)| scale.log).any(|(regime, _)| {
            let rows = self.series(results).into_iter().flat_map(|policy| self.rows(results, regime, policy));
            rows.flatten().any(|row| self.estimate(row).low.is_some_and(|low| low <= 0.0))
        })
    }

    /// The figure as SVG.
    pub(crate) fn draw(&self, results: &Results, title: &str) -> Result<String> {
        let scales = self.scales(results)?;
        let shared = scales.windows(2).all(|pair| pair[0] == pair[1]);
        let suffix = if self.is_ratio() { "" } else { self.unit().suffix() };
        let ticks: Vec<Vec<(f64, String)>> = scales
            .iter()
            .map(|scale| scale.ticks(6).into_iter().map(|(at, label)| (at, format!("{label}{}", suffix))).collect())
            .collect();
        let room = widest(ticks.iter().flatten().map(|tick| tick.1.as_str()), TICK) + 12.0;
        let series = self.series(results);
        ensure!(!series.is_empty(), "there is no policy but the baseline");
        let curves = match self.closed_form {
            Some(ClosedForm::SharedWay) => closed_form::shared_way(results)?,
            None => Vec::new(),
        };
        let looks = series.iter().map(|&series| self.look(results, series));
        let mut page = Page::new(&Head {
            title: title.to_owned(),
            keys: looks.filter(|look| !look.label.is_empty()).map(Key::Line).collect(),
            regimes: results.panel_titles(),
            y_title: self.value_title().replace("{baseline}", &results.baseline_label()),
            x_title: results.x_title(),
            label_room: (room, if shared { 0.0 } else { room }),
            height: 330.0,
        });
        let spacing = if self.is_ratio() { Spacing::Ordinal } else { results.spacing() };
        let margin = if self.is_ratio() { 0.5 / results.xs.len() as f64 } else { 0.05 };
        let across = places(&results.xs, spacing, margin);
        for (index, panel) in page.panels.clone().into_iter().enumerate() {
            let canvas = &mut page.canvas;
            if self.is_ratio() {
                draw_equivalence(canvas, &panel, scales[index]);
                for pair in across.windows(2) {
                    let between = (pair[0] + pair[1]) / 2.0;
                    canvas.line(&[panel.at(between, 0.0), panel.at(between, 1.0)], style::GRID, 1.0);
                }
            }
            for (value, label) in &ticks[index] {
                grid_line(
                    canvas,
                    &panel,
                    scales[index].place(*value),
                    (page.columns.first(index) || !shared).then_some(label.as_str()),
                );
            }
            if self.is_ratio() {
                let one = scales[index].place(1.0);
                canvas.line(&[panel.at(0.0, one), panel.at(1.0, one)], MUTED, 1.5);
            }
            let labels = results.xs.iter().map(|&x| results.x_label(x));
            lower_axis(canvas, &panel, &across.iter().copied().zip(labels).collect::<Vec<_>>());
            for curve in &curves {
                let across = places_between(curve, &results.xs, spacing, margin);
                draw_curve(canvas, &panel, curve, scales[index], &across);
            }
            self.draw_panel(canvas, &panel, results, index, scales[index], &across);
        }
        page.finished(&self.caption(results, &scales, shared))
    }

    fn caption(&self, results: &Results, scales: &[Scale], shared: bool) -> String {
        let mut sentences = vec![words::provenance(results, Some(if self.as_points() { "Bars" } else { "Bands" }))];
        sentences.extend(words::objective(results, self.metric()));
        if self.closed_form.is_some() {
            sentences.push(
                "Markers: simulation. Lines: closed form (docs/theory.md); dashed: its limit for many requests."
                    .to_owned(),
            );
        }
        if self.is_ratio() {
            sentences.push(format!(
                "Each seed is compared with {} on the same requests; below 1 is better. Shaded: within ±{} of equal.",
                results.baseline_label(),
                numbers::percent(EQUIVALENCE)
            ));
        }
        if !self.as_points() && self.series(results).iter().any(|key| style::is_netkv(key)) {
            sentences.push("NetKV is drawn over lines that it coincides with.".to_owned());
        }
        if !shared {
            sentences.push("Each panel has its own vertical axis.".to_owned());
        }
        if scales.iter().any(|scale| !scale.log && scale.low > 0.0) {
            sentences.push("Vertical axes do not start at zero.".to_owned());
        }
        if self.cut(results, scales) {
            sentences.push("Intervals that leave a panel are cut at its edge.".to_owned());
        }
        if self.reaches_below_zero(results, scales) {
            sentences.push("An interval that reaches below zero runs to the edge of its logarithmic axis.".to_owned());
        }
        let mark = "hollow markers; × where no run is left";
        sentences.extend(words::failures(results, self.metric(), None, mark));
        sentences.join(" ")
    }

    fn draw_panel(
        &self,
        canvas: &mut Canvas,
        panel: &Panel,
        results: &Results,
        regime: usize,
        scale: Scale,
        across: &[f64],
    ) {
        let mut policies = self.series(results);
        let n = policies.len();
        // NetKV is drawn over the others.
        let offsets: Vec<(usize, &str)> = policies.drain(..).enumerate().collect();
        let (last, first): (Vec<_>, Vec<_>) = offsets.into_iter().partition(|&(_, policy)| style::is_netkv(policy));
        let order: Vec<(usize, &str)> = first.into_iter().chain(last).collect();
        for pass in [Self::draw_intervals, Self::draw_line] {
            for &(index, policy) in &order {
                let slot = 0.74 / across.len() as f64;
                let shift = if self.is_ratio() && n > 1 { slot * (index as f64 / (n - 1) as f64 - 0.5) } else { 0.0 };
                let places: Vec<f64> = across.iter().map(|place| place + shift).collect();
                let rows = self.rows(results, &results.regimes[regime], policy);
                pass(self, canvas, panel, &self.look(results, policy), scale, &places, &rows);
            }
        }
    }

    fn draw_intervals(
        &self,
        canvas: &mut Canvas,
        panel: &Panel,
        look: &PolicyStyle,
        scale: Scale,
        places: &[f64],
        rows: &[Option<&Row>],
    ) {
        let ends = |row: &Row| {
            let estimate = self.estimate(row);
            estimate.low.zip(estimate.high)
        };
        if self.as_points() {
            for (place, (low, high)) in places.iter().zip(rows).filter_map(|(place, row)| Some((place, ends((*row)?)?)))
            {
                let (from, to) = (panel.at(*place, scale.place(low)), panel.at(*place, scale.place(high)));
                canvas.line(&[from, to], look.colour, look.width.min(2.4));
            }
            return;
        }
        // A band for each stretch of points that have an interval.
        let mut stretch: Vec<(Point, Point)> = Vec::new();
        for (place, row) in places.iter().zip(rows) {
            match row.and_then(ends) {
                Some((low, high)) => {
                    stretch.push((panel.at(*place, scale.place(low)), panel.at(*place, scale.place(high))));
                }
                None => draw_band(canvas, look, &mut stretch),
            }
        }
        draw_band(canvas, look, &mut stretch);
    }

    fn draw_line(
        &self,
        canvas: &mut Canvas,
        panel: &Panel,
        look: &PolicyStyle,
        scale: Scale,
        places: &[f64],
        rows: &[Option<&Row>],
    ) {
        let radius = marker_radius(look.marker);
        let mut stretch: Vec<Point> = Vec::new();
        let mut points: Vec<(Point, bool)> = Vec::new();
        let mut lost: Vec<Point> = Vec::new();
        for (place, row) in places.iter().zip(rows) {
            let failed = row.is_some_and(|row| row.n_failed > 0);
            let Some(mean) = row.and_then(|row| self.estimate(row).mean) else {
                self.connect(canvas, look, &mut stretch);
                lost.extend(failed.then(|| panel.at(*place, 0.975)));
                continue;
            };
            let at = panel.at(*place, scale.place(mean));
            stretch.push(at);
            points.push((at, failed));
        }
        self.connect(canvas, look, &mut stretch);
        for (at, failed) in points {
            canvas.marker(at, look.marker, radius, look.colour, failed);
        }
        for at in lost {
            cross(canvas, at, look.colour);
        }
    }

    fn connect(&self, canvas: &mut Canvas, look: &PolicyStyle, stretch: &mut Vec<Point>) {
        if stretch.len() > 1 && !self.as_points() {
            if look.dashed {
                canvas.dashed(stretch, look.colour, look.width, DASH);
            } else {
                canvas.line(stretch, look.colour, look.width);
            }
        }
        stretch.clear();
    }
}

/// Draws a closed form where it is within the panel.
fn draw_curve(canvas: &mut Canvas, panel: &Panel, curve: &Curve, scale: Scale, across: &[f64]) {
    let look = style::policy(curve.policy);
    let ups = curve.points.iter().map(|point| scale.place_beyond(point.1));
    let points: Vec<Point> = across.iter().copied().zip(ups).collect();
    for piece in clipped(&points) {
        let piece: Vec<Point> = piece.into_iter().map(|(across, up)| panel.at(across, up)).collect();
        if curve.dashed {
            canvas.dashed(&piece, look.colour, 1.6, DASH);
        } else {
            canvas.line(&piece, look.colour, 1.6);
        }
    }
}

/// Where the points of a curve stand across on an axis for `xs`.
fn places_between(curve: &Curve, xs: &[f64], spacing: Spacing, margin: f64) -> Vec<f64> {
    let (first, last) = (xs[0], xs[xs.len() - 1]);
    let inner = curve.points.iter().map(|point| point.0);
    let all: Vec<f64> = [first].into_iter().chain(inner).chain([last]).collect();
    let mut across = places(&all, spacing, margin);
    across.pop();
    across.split_off(1)
}

/// The pieces of a line whose second coordinate is between 0 and 1.
fn clipped(points: &[Point]) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    let mut inside = false;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let at = |level: f64| if to.1 == from.1 { 0.0 } else { (level - from.1) / (to.1 - from.1) };
        let (enters, leaves) = (at(0.0).min(at(1.0)).max(0.0), at(0.0).max(at(1.0)).min(1.0));
        let flat_inside = to.1 == from.1 && (0.0..=1.0).contains(&from.1);
        let (enters, leaves) = if flat_inside { (0.0, 1.0) } else { (enters, leaves) };
        if enters >= leaves {
            inside = false;
            continue;
        }
        let point = |share: f64| (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
        if !inside || enters > 0.0 {
            pieces.push(vec![point(enters)]);
        }
        pieces.last_mut().expect("it was pushed").push(point(leaves));
        inside = leaves == 1.0;
    }
    pieces
}

fn draw_equivalence(canvas: &mut Canvas, panel: &Panel, scale: Scale) {
    let low = panel.at(0.0, scale.place(1.0 - EQUIVALENCE));
    let high = panel.at(1.0, scale.place(1.0 + EQUIVALENCE));
    canvas.rectangle(low, high, INK, 0.09);
}

fn draw_band(canvas: &mut Canvas, look: &PolicyStyle, stretch: &mut Vec<(Point, Point)>) {
    if stretch.len() > 1 {
        let lower = stretch.iter().map(|ends| ends.0);
        let upper = stretch.iter().rev().map(|ends| ends.1);
        canvas.area(&lower.chain(upper).collect::<Vec<_>>(), look.colour, 0.18);
    }
    stretch.clear();
}

/// The mark of a failed run.
fn cross(canvas: &mut Canvas, at: Point, colour: style::RGBColor) {
    const ARM: f64 = 4.5;
    canvas.line(&[(at.0 - ARM, at.1 - ARM), (at.0 + ARM, at.1 + ARM)], colour, 1.4);
    canvas.line(&[(at.0 - ARM, at.1 + ARM), (at.0 + ARM, at.1 - ARM)], colour, 1.4);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_clipped_where_it_leaves_and_enters() {
        let points =
            [(0.0, 0.5), (1.0, 0.75), (2.0, 1.25), (3.0, 2.0), (4.0, -2.0), (5.0, -2.0), (6.0, 0.0), (7.0, 0.0)];
        let pieces =
            [vec![(0.0, 0.5), (1.0, 0.75), (1.5, 1.0)], vec![(3.25, 1.0), (3.5, 0.0)], vec![(6.0, 0.0), (7.0, 0.0)]];
        assert_eq!(clipped(&points), pieces);
        assert!(clipped(&[(0.0, 1.5), (1.0, 1.5)]).is_empty());
    }
}
