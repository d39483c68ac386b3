//! Figures with a line for each policy (a metric, or its ratio to the baseline policy) or for each of several metrics,
//! against an axis of the grid.

use crate::axis::{Scale, dodge, places};
use crate::canvas::{Canvas, Fill, Point};
use crate::closed_form;
use crate::curves::{draw_curve, places_between};
use crate::data::{Estimate, Results, Row};
use crate::page::{DASH, Head, Key, Page, Panel, TICK, grid_line, lower_axis, marker_radius, widest};
use crate::strokes::{ARROW, EQUIVALENCE, arrow_down, cross, draw_band, draw_equivalence, shows_equivalence};
use crate::style::{self, MUTED, PolicyStyle};
use crate::unit::{Unit, named};
use crate::{numbers, tips, words};
use anyhow::{Result, ensure};
use serde::Deserialize;

/// Height of a panel.
const HEIGHT: f64 = 330.0;

/// Panels have one axis unless one of them would need less than this share of it. Chosen by us: below it a panel's lines
/// cannot be told apart.
pub(crate) const LEAST_SHARE: f64 = 0.25;

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

/// Width of a line that joins points with bars, as a share of its own.
const THIN: f64 = 0.6;

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

/// A line that is drawn.
struct Line<'a> {
    look: PolicyStyle,
    scale: Scale,
    /// Where its points stand across.
    places: &'a [f64],
    rows: &'a [Option<&'a Row>],
    results: &'a Results,
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

    /// The value axis of each panel: one for all unless a panel would get too little of it.
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
        let share_one = own.iter().flatten().all(|scale| scale.span() >= LEAST_SHARE * joined.span());
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

    /// Whether an interval reaches below a logarithmic axis.
    fn leaves_below(&self, results: &Results, scales: &[Scale]) -> bool {
        results.regimes.iter().zip(scales).any(|(regime, &scale)| {
            let rows = self.series(results).into_iter().flat_map(|policy| self.rows(results, regime, policy));
            rows.flatten().any(|row| self.estimate(row).low.is_some_and(|low| leaves(low, scale)))
        })
    }

    const fn overload_mark(&self) -> &'static str {
        match self.compare {
            Compare::Ratio => "Crossed-out markers are overloaded, or the baseline is",
            Compare::Absolute => "Crossed-out markers are overloaded",
        }
    }

    /// Whether a point is overloaded, or what it is compared with.
    fn is_overloaded(&self, results: &Results, row: &Row) -> bool {
        if self.is_ratio() {
            results.compares_overloaded(&row.regime, &row.policy, row.x)
        } else {
            results.is_overloaded(&row.regime, &row.policy, row.x)
        }
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
            regimes: marked_axes(results.panel_titles(), shared),
            y_title: self.value_title().replace("{baseline}", &results.baseline_label()),
            x_title: results.x_title(),
            label_room: (room, if shared { 0.0 } else { room }),
            height: HEIGHT,
        });
        let spacing = results.spacing();
        let width = page.panels[0].right - page.panels[0].left;
        let n_beside = if self.is_ratio() { series.len() } else { 1 };
        let (margin, step) = dodge(&results.xs, spacing, n_beside, width);
        let across = places(&results.xs, spacing, margin);
        for (index, panel) in page.panels.clone().into_iter().enumerate() {
            let canvas = &mut page.canvas;
            if self.is_ratio() {
                draw_equivalence(canvas, &panel, scales[index]);
                // Points that no line joins stand in columns.
                for pair in across.windows(2).filter(|_| !self.joins(results)) {
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
            self.draw_panel(canvas, &panel, results, index, scales[index], (&across, step));
        }
        Ok(page.finished(&self.caption(results, &scales, shared)))
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
            let baseline = results.baseline_label();
            sentences.push(format!("Each seed is compared with {baseline} on the same requests; below 1 is better."));
            if scales.iter().any(|&scale| shows_equivalence(scale, HEIGHT)) {
                sentences.push(format!("Shaded: within ±{} of equal.", numbers::percent(EQUIVALENCE)));
            }
        }
        if !self.as_points() && self.series(results).iter().any(|key| style::is_netkv(key)) {
            sentences.push("NetKV is drawn over lines that it coincides with.".to_owned());
        }
        if !shared {
            sentences.push(OWN_AXES.to_owned());
        }
        if scales.iter().any(|scale| !scale.log && scale.low > 0.0) {
            sentences.push("Vertical axes do not start at zero.".to_owned());
        }
        if self.cut(results, scales) {
            sentences.push("Intervals that leave a panel are cut at its edge.".to_owned());
        }
        if self.leaves_below(results, scales) {
            sentences.push(
                "An arrow down: the interval reaches to zero or below, where a logarithmic axis has no place."
                    .to_owned(),
            );
        }
        sentences.extend(words::overload(results.has_overload(), self.overload_mark()));
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
        (across, step): (&[f64], f64),
    ) {
        let mut policies = self.series(results);
        let n = policies.len();
        // NetKV is drawn over the others.
        let offsets: Vec<(usize, &str)> = policies.drain(..).enumerate().collect();
        let (last, first): (Vec<_>, Vec<_>) = offsets.into_iter().partition(|&(_, policy)| style::is_netkv(policy));
        let order: Vec<(usize, &str)> = first.into_iter().chain(last).collect();
        for pass in [Self::draw_intervals, Self::draw_line] {
            for &(index, policy) in &order {
                let shift = if self.is_ratio() { step * (index as f64 - (n - 1) as f64 / 2.0) } else { 0.0 };
                let places: Vec<f64> = across.iter().map(|place| place + shift).collect();
                let rows = self.rows(results, &results.regimes[regime], policy);
                let line = Line { look: self.look(results, policy), scale, places: &places, rows: &rows, results };
                pass(self, canvas, panel, &line);
            }
        }
    }

    fn draw_intervals(&self, canvas: &mut Canvas, panel: &Panel, line: &Line<'_>) {
        let Line { look, scale, .. } = line;
        let ends = |row: &Row| {
            let estimate = self.estimate(row);
            estimate.low.zip(estimate.high)
        };
        // A band for each stretch of points that have an interval, whose lower end has a place.
        let mut stretch: Vec<(Point, Point)> = Vec::new();
        for (place, row) in line.places.iter().zip(line.rows) {
            match row.and_then(ends) {
                Some((low, high)) if leaves(low, *scale) => {
                    draw_band(canvas, look, &mut stretch);
                    let mean = row.and_then(|row| self.estimate(row).mean).unwrap_or(high);
                    let (from, to) = (panel.at(*place, scale.place(high)), panel.at(*place, scale.place(mean)));
                    arrow_down(canvas, from, (to.0, (to.1 + ARROW).min(panel.bottom)), look.colour);
                }
                Some((low, high)) => {
                    let (from, to) = (panel.at(*place, scale.place(low)), panel.at(*place, scale.place(high)));
                    if self.as_points() {
                        canvas.line(&[from, to], look.colour, look.width.min(2.4));
                    } else {
                        stretch.push((from, to));
                    }
                }
                None => draw_band(canvas, look, &mut stretch),
            }
        }
        draw_band(canvas, look, &mut stretch);
    }

    fn draw_line(&self, canvas: &mut Canvas, panel: &Panel, line: &Line<'_>) {
        let Line { look, scale, results, .. } = line;
        let radius = marker_radius(look.marker);
        let mut stretch: Vec<Point> = Vec::new();
        let mut points: Vec<(Point, &Row)> = Vec::new();
        let mut lost: Vec<Point> = Vec::new();
        for (place, row) in line.places.iter().zip(line.rows) {
            let Some((row, mean)) = row.and_then(|row| Some((row, self.estimate(row).mean?))) else {
                self.connect(canvas, line, &mut stretch);
                let failed = row.is_some_and(|row| row.n_failed > 0);
                lost.extend(failed.then(|| panel.at(*place, 0.975)));
                continue;
            };
            let at = panel.at(*place, scale.place(mean));
            stretch.push(at);
            points.push((at, row));
        }
        self.connect(canvas, line, &mut stretch);
        let fill = |row: &Row| Fill::of(row.n_failed > 0, self.is_overloaded(results, row));
        let marks: Vec<(Point, Fill)> = points.iter().map(|&(at, row)| (at, fill(row))).collect();
        canvas.markers(&marks, look.marker, radius, look.colour);
        for (at, row) in points {
            let is_overloaded = self.is_overloaded(results, row);
            let unit = if self.is_ratio() { Unit::Own } else { self.unit() };
            let value = tips::value(self.estimate(row), unit);
            canvas.tip(at, &tips::of_row(results, &look.label, row, &value, is_overloaded));
        }
        for at in lost {
            cross(canvas, at, look.colour);
        }
    }

    /// Whether lines join the points: those of numbers, unless a closed form has lines of its own.
    fn joins(&self, results: &Results) -> bool {
        self.closed_form.is_none() && results.x_labels.is_empty()
    }

    fn connect(&self, canvas: &mut Canvas, line: &Line<'_>, stretch: &mut Vec<Point>) {
        let look = &line.look;
        if stretch.len() > 1 && (!self.as_points() || self.joins(line.results)) {
            // Bars are to be seen beside it.
            let width = if self.as_points() { look.width * THIN } else { look.width };
            if look.dashed {
                canvas.dashed(stretch, look.colour, width, DASH);
            } else {
                canvas.line(stretch, look.colour, width);
            }
        }
        stretch.clear();
    }
}

/// Whether the lower end of an interval has no place on a logarithmic axis, however far that reaches.
fn leaves(low: f64, scale: Scale) -> bool {
    scale.log && low <= 0.0
}

/// Titles of panels, with a mark on each if axes differ.
pub(crate) fn marked_axes(titles: Vec<(String, String)>, shared: bool) -> Vec<(String, String)> {
    let marked = |(title, about): (String, String)| {
        let about = if about.is_empty() { OWN_AXIS.to_owned() } else { format!("{OWN_AXIS}; {about}") };
        (title, about)
    };
    if shared { titles } else { titles.into_iter().map(marked).collect() }
}

/// What a panel says of an axis that the others do not have, and what the caption does.
const OWN_AXIS: &str = "≠ axis of its own";
pub(crate) const OWN_AXES: &str = "≠: each panel has an axis of its own; heights cannot be compared across panels.";
