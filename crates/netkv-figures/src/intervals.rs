//! Figures with a row for each policy (or each value of another axis) and its interval against the baseline, with a mark
//! for each value of one more axis.

use crate::axis::Scale;
use crate::canvas::{Align, Fill, Font, text_width};
use crate::data::{Estimate, Results, Row};
use crate::lines::{LEAST_SHARE, OWN_AXES, marked_axes};
use crate::page::{DASH, Head, Key, LABEL, Page, Panel, lower_axis, marker_radius, widest};
use crate::strokes::{EQUIVALENCE, SHADE, shows_equivalence};
use crate::style::{self, INK, MUTED};
use crate::unit::{Unit, named};
use crate::{numbers, tips, words};
use anyhow::{Result, ensure};
use serde::Deserialize;

/// Height of a row, and of each mark beyond the first.
const ROW: (f64, f64) = (16.0, 10.5);

/// How a row is compared with the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    /// By its ratio, on a logarithmic axis.
    #[default]
    Ratio,
    /// By its difference.
    Difference,
}

/// A metric that gets a mark.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Marked {
    metric: String,
    label: String,
}

/// A figure of intervals.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Intervals {
    /// Rows in this order; all but the baseline if there is none.
    #[serde(default)]
    pub(crate) show: Vec<String>,
    /// Stands before the keys of the marks.
    pub(crate) marks_title: Option<String>,
    #[serde(default)]
    pub(crate) metric: String,
    /// Metrics that get a mark each, with their names, where there is nothing across; if none, `metric` gets one for each
    /// place across.
    #[serde(default)]
    pub(crate) metrics: Vec<Marked>,
    #[serde(default)]
    pub(crate) compare: Measure,
    /// Of differences.
    pub(crate) unit: Option<Unit>,
    /// A dashed line at a promise.
    pub(crate) limit: Option<f64>,
    pub(crate) value_title: Option<String>,
    /// A sentence of the caption.
    #[serde(default)]
    pub(crate) says: String,
}

impl Intervals {
    fn estimate(&self, row: &Row) -> Estimate {
        match self.compare {
            Measure::Ratio => row.ratio,
            Measure::Difference => row.difference.scaled(self.unit().factor(&row.metric)),
        }
    }

    /// The metric, or the first of several.
    fn metric(&self) -> &str {
        self.metrics.first().map_or(&self.metric, |marked| &marked.metric)
    }

    fn unit(&self) -> Unit {
        self.unit.unwrap_or_else(|| Unit::of(self.metric()))
    }

    fn value_title(&self) -> String {
        let said = self.value_title.clone();
        said.unwrap_or_else(|| match self.compare {
            Measure::Ratio => format!("{}, ratio to {{baseline}}", named(self.metric(), Unit::Own)),
            Measure::Difference => format!("{} less that of {{baseline}}", named(self.metric(), self.unit())),
        })
    }

    const fn log(&self) -> bool {
        matches!(self.compare, Measure::Ratio)
    }

    /// Where there is no difference.
    const fn nothing(&self) -> f64 {
        if self.log() { 1.0 } else { 0.0 }
    }

    fn rows<'a>(&self, results: &'a Results) -> Vec<&'a str> {
        let all = results.policies.iter().map(String::as_str);
        if self.show.is_empty() {
            let baseline = results.baseline();
            return all.filter(|row| *row != baseline).collect();
        }
        let all: Vec<&str> = all.collect();
        self.show.iter().filter_map(|wanted| all.iter().copied().find(|row| row == wanted)).collect()
    }

    /// The axis of each panel: one for all unless a panel would get too little of it.
    fn scales(&self, results: &Results) -> Result<Vec<Scale>> {
        let rows = self.rows(results);
        let marks = self.marks(results);
        let scale = |regime: &String| {
            let is_shown = |metric: &str| marks.iter().any(|mark| mark.1 == metric);
            let shown =
                |row: &&Row| row.regime == *regime && is_shown(&row.metric) && rows.contains(&row.policy.as_str());
            let ends = |row: &Row| {
                let estimate = self.estimate(row);
                [estimate.mean, estimate.low, estimate.high]
            };
            let values = results.rows.iter().filter(shown).flat_map(ends).flatten();
            let equal = self.log().then_some([1.0 - EQUIVALENCE, 1.0 + EQUIVALENCE]).into_iter().flatten();
            Scale::holding(values.chain(equal).chain([self.nothing()]).chain(self.limit), self.log(), false)
        };
        let own: Vec<Scale> = results.regimes.iter().filter_map(scale).collect();
        ensure!(own.len() == results.regimes.len(), "there is no value of {}", self.metric());
        let Some(joined) = own.iter().copied().reduce(Scale::joined) else { anyhow::bail!("there is no regime") };
        let share_one = own.iter().all(|scale| scale.span() >= LEAST_SHARE * joined.span());
        Ok(if share_one { vec![joined; own.len()] } else { own })
    }

    /// What gets a mark in each row: place across, metric and name.
    fn marks<'a>(&'a self, results: &Results) -> Vec<(f64, &'a str, String)> {
        if !self.metrics.is_empty() {
            let marks = self.metrics.iter();
            return marks.map(|one| (results.xs[0], one.metric.as_str(), one.label.clone())).collect();
        }
        results.xs.iter().map(|&x| (x, self.metric.as_str(), results.x_label(x))).collect()
    }

    /// The figure as SVG.
    pub(crate) fn draw(&self, results: &Results, title: &str) -> Result<String> {
        let marks = self.marks(results);
        let n_marks = marks.len();
        marks.iter().try_for_each(|mark| results.check_metric(mark.1))?;
        ensure!(n_marks <= style::MARKS.len(), "there are {n_marks} marks, but looks for {}", style::MARKS.len());
        let scales = self.scales(results)?;
        let rows = self.rows(results);
        ensure!(!rows.is_empty(), "there is nothing but the baseline");
        let labels: Vec<String> = rows.iter().map(|row| results.series_label(row)).collect();
        let baseline = results.baseline_label();
        let each = ROW.0 + ROW.1 * (n_marks - 1) as f64;
        let keys = marks.iter().zip(style::MARKS).map(|(mark, look)| Key::Marker(mark.2.clone(), look.0, look.1));
        // What gets one mark needs no key.
        let is_marked = results.view.across.is_some() || !self.metrics.is_empty();
        let marks_title = self.marks_title.clone().unwrap_or_else(|| results.x_title());
        let mut page = Page::new(&Head {
            title: title.to_owned(),
            keys: [Key::Words(marks_title)].into_iter().chain(keys).filter(|_| is_marked).collect(),
            regimes: marked_axes(results.panel_titles(), scales.windows(2).all(|pair| pair[0] == pair[1])),
            y_title: String::new(),
            x_title: self.value_title().replace("{baseline}", &baseline),
            label_room: (widest(labels.iter().map(String::as_str), LABEL) + 14.0, 0.0),
            height: each * rows.len() as f64,
        });
        for (index, panel) in page.panels.clone().into_iter().enumerate() {
            self.draw_ground(&mut page, &panel, scales[index], rows.len());
            for (at, key) in rows.iter().enumerate() {
                let y = panel.top + each * (at as f64 + 0.5);
                if page.columns.first(index) {
                    let font = Font { bold: style::is_ours(key), ..LABEL };
                    page.canvas.text((panel.left - 12.0, y), &labels[at], font, Align::Right);
                }
                self.draw_row(&mut page, &panel, results, (&results.regimes[index], key), y, scales[index]);
            }
        }
        let shows = |(scale, panel): (&Scale, &Panel)| shows_equivalence(*scale, panel.right - panel.left);
        let is_shaded = self.log() && scales.iter().zip(&page.panels).any(shows);
        Ok(page.finished(&self.caption(results, &baseline, &scales, is_shaded)))
    }

    /// What is behind the rows: stripes, grid, equivalence, no difference, the limit, and the axis.
    fn draw_ground(&self, page: &mut Page, panel: &Panel, scale: Scale, n_rows: usize) {
        let canvas = &mut page.canvas;
        let each = (panel.bottom - panel.top) / n_rows as f64;
        for at in (0..n_rows).step_by(2) {
            let top = panel.top + each * at as f64;
            canvas.rectangle((panel.left, top), (panel.right, top + each), style::GRID, 0.45);
        }
        let place = |value: f64| panel.at(scale.place(value), 0.0).0;
        if self.log() && shows_equivalence(scale, panel.right - panel.left) {
            let (low, high) = (place(1.0 - EQUIVALENCE), place(1.0 + EQUIVALENCE));
            canvas.rectangle((low, panel.top), (high, panel.bottom), INK, SHADE);
        }
        let all: Vec<(f64, String)> =
            scale.ticks(5).into_iter().map(|(value, label)| (scale.place(value), label)).collect();
        for (across, _) in &all {
            canvas.line(&[panel.at(*across, 0.0), panel.at(*across, 1.0)], style::GRID, 1.0);
        }
        let upright = |value: f64| [(place(value), panel.bottom), (place(value), panel.top)];
        canvas.line(&upright(self.nothing()), MUTED, 1.5);
        if let Some(limit) = self.limit {
            canvas.dashed(&upright(limit), INK, 1.5, DASH);
        }
        lower_axis(canvas, panel, &all);
    }

    fn draw_row(&self, page: &mut Page, panel: &Panel, results: &Results, of: (&str, &str), y: f64, scale: Scale) {
        let marks = self.marks(results);
        let middle = (marks.len() - 1) as f64 / 2.0;
        for ((index, (x, metric, _)), look) in marks.iter().enumerate().zip(style::MARKS) {
            let y = y + ROW.1 * (index as f64 - middle);
            let Some(row) = results.row(of.0, of.1, *x, metric) else { continue };
            let estimate = self.estimate(row);
            let place = |value: f64| (panel.at(scale.place(value), 0.0).0, y);
            if let Some((low, high)) = estimate.low.zip(estimate.high) {
                page.canvas.line(&[place(low), place(high)], look.1, 2.0);
            }
            let is_overloaded = results.compares_overloaded(&row.regime, &row.policy, row.x);
            if let Some(mean) = estimate.mean {
                let fill = Fill::of(row.n_failed > 0, is_overloaded);
                page.canvas.marker(place(mean), look.0, marker_radius(look.0) - 0.6, look.1, fill);
                let unit = if self.log() { Unit::Own } else { self.unit() };
                let value = format!("{}: {}", named(metric, Unit::Own), tips::value(estimate, unit));
                let says = tips::of_row(results, &results.series_label(of.1), row, &value, is_overloaded);
                page.canvas.tip(place(mean), &says);
            } else {
                let font = Font { size: 11.0, bold: false, colour: look.1 };
                let left = panel.right - text_width("no value", font) - 4.0;
                page.canvas.text((left, y), "no value", font, Align::Left);
            }
        }
    }

    fn caption(&self, results: &Results, baseline: &str, scales: &[Scale], is_shaded: bool) -> String {
        let mut sentences = vec![words::provenance(results, Some("Bars"))];
        sentences.push(format!("Each seed is compared with {baseline} on the same requests."));
        if is_shaded {
            let within = numbers::percent(EQUIVALENCE);
            sentences.push(format!("Shaded: within ±{within} of equal."));
        }
        sentences.extend(words::objective(results, self.metric()));
        if !self.says.is_empty() {
            sentences.push(self.says.clone());
        }
        if scales.windows(2).any(|pair| pair[0] != pair[1]) {
            sentences.push(OWN_AXES.to_owned());
        }
        sentences
            .extend(words::overload(results.has_overload(), "Crossed-out marks are overloaded, or the baseline is"));
        sentences.extend(words::failures(
            results,
            self.metric(),
            None,
            "hollow markers; “no value” where no run is left",
        ));
        sentences.join(" ")
    }
}
