//! Figures with a row for each policy (or each value of another axis) and its interval against the baseline, with a mark
//! for each value of one more axis.

use crate::axis::Scale;
use crate::canvas::{Align, Font, text_width};
use crate::data::{Estimate, Results, Row, View};
use crate::lines::EQUIVALENCE;
use crate::page::{DASH, Head, Key, LABEL, Page, Panel, lower_axis, marker_radius, widest};
use crate::style::{self, INK, MUTED};
use crate::words;
use anyhow::{Result, ensure};

/// Height of a row, and of each mark beyond the first.
const ROW: (f64, f64) = (16.0, 10.5);

/// How a row is compared with the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    /// By its ratio, on a logarithmic axis.
    Ratio,
    /// By its difference times this.
    Difference(f64),
}

/// What is said of the marks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Stands before the keys.
    pub(crate) title: &'static str,
    /// Name of a mark, from its number or its word.
    pub(crate) label: fn(f64, &str) -> String,
}

/// A figure of intervals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intervals {
    pub(crate) view: View,
    /// In this order; all but the baseline if there is none.
    pub(crate) rows: &'static [&'static str],
    pub(crate) mark: Mark,
    pub(crate) metric: &'static str,
    /// Metrics that get a mark each, with their names, where there is nothing across; if none, `metric` gets one for each
    /// place across.
    pub(crate) metrics: &'static [(&'static str, &'static str)],
    pub(crate) measure: Measure,
    /// A dashed line at a promise.
    pub(crate) limit: Option<f64>,
    pub(crate) x_title: &'static str,
    /// A sentence of the caption.
    pub(crate) says: &'static str,
}

impl Intervals {
    fn estimate(&self, row: &Row) -> Estimate {
        match self.measure {
            Measure::Ratio => row.ratio,
            Measure::Difference(factor) => row.difference.scaled(factor),
        }
    }

    const fn log(&self) -> bool {
        matches!(self.measure, Measure::Ratio)
    }

    /// Where there is no difference.
    const fn nothing(&self) -> f64 {
        if self.log() { 1.0 } else { 0.0 }
    }

    fn rows<'a>(&self, results: &'a Results) -> Vec<&'a str> {
        let all = results.policies.iter().map(String::as_str);
        if self.rows.is_empty() {
            let baseline = results.baseline();
            return all.filter(|row| *row != baseline).collect();
        }
        let all: Vec<&str> = all.collect();
        self.rows.iter().filter_map(|wanted| all.iter().copied().find(|row| row == wanted)).collect()
    }

    /// The axis of each panel: one for all unless a panel would get less than 40 % of it.
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
        ensure!(own.len() == results.regimes.len(), "there is no value of {}", self.metric);
        let Some(joined) = own.iter().copied().reduce(Scale::joined) else { anyhow::bail!("there is no regime") };
        let share_one = own.iter().all(|scale| scale.span() >= 0.4 * joined.span());
        Ok(if share_one { vec![joined; own.len()] } else { own })
    }

    /// What gets a mark in each row: place across, metric and name.
    fn marks(&self, results: &Results) -> Vec<(f64, &'static str, String)> {
        if !self.metrics.is_empty() {
            return self.metrics.iter().map(|&(metric, label)| (results.xs[0], metric, label.to_owned())).collect();
        }
        let label = |x: f64| {
            let word = results.x_labels.get(x as usize).map_or("", String::as_str);
            (self.mark.label)(x, word)
        };
        results.xs.iter().map(|&x| (x, self.metric, label(x))).collect()
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
        let labels: Vec<String> = rows.iter().map(|row| style::row(row)).collect();
        let baseline = style::row(&results.baseline());
        let each = ROW.0 + ROW.1 * (n_marks - 1) as f64;
        let keys = marks.iter().zip(style::MARKS).map(|(mark, look)| Key::Marker(mark.2.clone(), look.0, look.1));
        let mut page = Page::new(&Head {
            title: title.replace("the baseline", &baseline),
            keys: [Key::Words(self.mark.title.to_owned())].into_iter().chain(keys).collect(),
            regimes: results.regimes.clone(),
            y_title: String::new(),
            x_title: self.x_title.replace("{baseline}", &baseline),
            label_room: (widest(labels.iter().map(String::as_str), LABEL) + 14.0, 0.0),
            height: each * rows.len() as f64,
        });
        for (index, panel) in page.panels.clone().into_iter().enumerate() {
            self.draw_ground(&mut page, &panel, scales[index], rows.len());
            for (at, key) in rows.iter().enumerate() {
                let y = panel.top + each * (at as f64 + 0.5);
                if index == 0 {
                    let font = Font { bold: style::is_netkv(key) || *key == "netkv_joint", ..LABEL };
                    page.canvas.text((panel.left - 12.0, y), &labels[at], font, Align::Right);
                }
                self.draw_row(&mut page, &panel, results, (&results.regimes[index], key), y, scales[index]);
            }
        }
        page.finished(&self.caption(results, &baseline, &scales))
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
        if self.log() {
            let (low, high) = (place(1.0 - EQUIVALENCE), place(1.0 + EQUIVALENCE));
            canvas.rectangle((low, panel.top), (high, panel.bottom), INK, 0.09);
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
            let failed = row.n_failed > 0;
            if let Some(mean) = estimate.mean {
                page.canvas.marker(place(mean), look.0, marker_radius(look.0) - 0.6, look.1, failed);
            } else {
                let font = Font { size: 11.0, bold: false, colour: look.1 };
                let left = panel.right - text_width("no value", font) - 4.0;
                page.canvas.text((left, y), "no value", font, Align::Left);
            }
        }
    }

    fn caption(&self, results: &Results, baseline: &str, scales: &[Scale]) -> String {
        let mut sentences = vec![words::provenance(results, Some("Bars"))];
        sentences.push(format!("Each seed is compared with {baseline} on the same requests."));
        if self.log() {
            let within = words::percent(EQUIVALENCE);
            sentences.push(format!("Shaded: within ±{within} of equal."));
        }
        sentences.extend(words::objective(results, self.metric));
        if !self.says.is_empty() {
            sentences.push(self.says.to_owned());
        }
        if scales.windows(2).any(|pair| pair[0] != pair[1]) {
            sentences.push("Each panel has its own axis.".to_owned());
        }
        sentences.extend(words::failures(
            results,
            self.metric,
            None,
            "hollow markers; “no value” where no run is left",
        ));
        sentences.join(" ")
    }
}
