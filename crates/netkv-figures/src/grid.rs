//! Heat maps with a number in every cell: what one policy gains over the baseline, for two axes; a panel for each value of
//! the panels' axis. Below ours stands what the paper prints.

use crate::axis::Scale;
use crate::canvas::{Align, Canvas, Font, text_width};
use crate::data::{Estimate, Results, Row};
use crate::page::{Head, Key, LABEL, NOTE, Page, Panel, TICK, widest};
use crate::printed::Printed;
use crate::style::{self, AXIS, MUTED};
use crate::unit::{Unit, named};
use crate::{numbers, tips, words};
use anyhow::{Result, ensure};
use serde::Deserialize;

/// Height of a cell.
const CELL: f64 = 52.0;
/// Between cells.
const GAP: f64 = 1.5;
/// Width and height of the scale of colours, and its pieces.
const BAR: (f64, f64, usize) = (260.0, 13.0, 65);

/// A heat map with numbers: its series are rows, what is across are columns.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grid {
    pub(crate) metric: String,
    /// What the colours are.
    pub(crate) value_title: Option<String>,
    /// A sentence of the caption.
    #[serde(default)]
    pub(crate) says: String,
}

/// How much lower than the baseline, in percent; the ends of the interval change places.
fn gain(row: &Row) -> Estimate {
    let below = |ratio: f64| 100.0 * (1.0 - ratio);
    Estimate { mean: row.ratio.mean.map(below), low: row.ratio.high.map(below), high: row.ratio.low.map(below) }
}

/// "3.2", with a minus sign that is one.
fn signed(value: f64) -> String {
    let plain = format!("{:.1}", value.abs());
    if value < 0.0 && plain != "0.0" { format!("−{plain}") } else { plain }
}

impl Grid {
    fn cell<'a>(&self, results: &'a Results, regime: &str, series: &str, x: f64) -> Option<&'a Row> {
        results.row(regime, series, x, &self.metric)
    }

    /// Colours: from nothing, or the largest loss, to the largest gain, the printed ones too, so that cells of equal
    /// numbers look alike.
    fn scale(&self, results: &Results) -> Result<Scale> {
        results.check_metric(&self.metric)?;
        let gains: Vec<f64> =
            results.rows.iter().filter(|row| row.metric == self.metric).filter_map(|row| gain(row).mean).collect();
        ensure!(!gains.is_empty(), "there is no ratio of {} to the baseline", self.metric);
        let most = gains.iter().copied().fold(1.0, f64::max);
        let least = gains.iter().copied().fold(0.0, f64::min);
        Ok(Scale { log: false, low: least, high: most })
    }

    fn colour(value: f64, scale: Scale) -> style::Colour {
        style::gain(value / scale.high.max(-scale.low))
    }

    /// The figure as SVG.
    pub(crate) fn draw(&self, results: &Results, printed: Printed<'_>, title: &str) -> Result<String> {
        let scale = self.scale(results)?;
        let rows: Vec<String> = results.policies.iter().map(|row| results.series_label(row)).collect();
        let row_title = results.labels.title(&results.view.series);
        let mut page = Page::new(&Head {
            title: title.to_owned(),
            // The scale of colours stands in their place.
            keys: vec![Key::Words(String::new())],
            regimes: results.panel_titles(),
            y_title: String::new(),
            x_title: results.x_title(),
            label_room: (widest(rows.iter().map(String::as_str).chain([row_title.as_str()]), LABEL) + 14.0, 0.0),
            height: CELL * rows.len() as f64,
        });
        let mut n_open = 0;
        for (index, panel) in page.panels.clone().into_iter().enumerate() {
            let regime = &results.regimes[index];
            for (at, series) in results.policies.iter().enumerate() {
                let y = panel.top + CELL * (at as f64 + 0.5);
                if page.columns.first(index) {
                    page.canvas.text((panel.left - 12.0, y), &rows[at], LABEL, Align::Right);
                }
                n_open += self.draw_row(&mut page.canvas, &panel, (results, printed), (regime, series), y, scale);
            }
            let width = (panel.right - panel.left) / results.xs.len() as f64;
            for (column, &x) in results.xs.iter().enumerate() {
                let at = (panel.left + width * (column as f64 + 0.5), panel.bottom + 17.0);
                page.canvas.text(at, &results.x_label(x), TICK, Align::Centre);
            }
            if page.columns.first(index) {
                page.canvas.text((panel.left - 12.0, panel.top - 14.0), &row_title, NOTE, Align::Right);
            }
        }
        let right = page.right();
        self.draw_bar(&mut page.canvas, (right, page.panels[0].top - 80.0), scale);
        Ok(page.finished(&self.caption(results, printed, n_open)))
    }

    /// Draws the cells of a row; returns how many printed values it has.
    fn draw_row(
        &self,
        canvas: &mut Canvas,
        panel: &Panel,
        (results, printed): (&Results, Printed<'_>),
        (regime, series): (&str, &str),
        y: f64,
        scale: Scale,
    ) -> usize {
        let width = (panel.right - panel.left) / results.xs.len() as f64;
        let mut n_open = 0;
        for (column, &x) in results.xs.iter().enumerate() {
            let left = panel.left + width * column as f64;
            let row = self.cell(results, regime, series, x);
            let estimate = row.map_or_else(Estimate::default, gain);
            let colour = estimate.mean.map_or(style::GRID, |value| Self::colour(value, scale));
            let (from, to) = ((left, y - CELL / 2.0), (left + width, y + CELL / 2.0));
            canvas.rectangle(
                (from.0 + GAP / 2.0 - 0.5, from.1 + GAP / 2.0 - 0.5),
                (to.0 - GAP / 2.0 + 0.5, to.1 - GAP / 2.0 + 0.5),
                AXIS,
                0.6,
            );
            canvas.rectangle(
                (from.0 + GAP / 2.0, from.1 + GAP / 2.0),
                (to.0 - GAP / 2.0, to.1 - GAP / 2.0),
                colour,
                1.0,
            );
            let is_overloaded = results.compares_overloaded(regime, series, x);
            if is_overloaded {
                canvas.hatched(from, to, style::muted_on(colour));
            }
            if let Some(row) = row {
                let value = format!("{} % lower", tips::value(estimate, Unit::Own));
                let says = tips::of_row(results, &results.series_label(series), row, &value, is_overloaded);
                canvas.tip_over(from, to, &says);
            }
            let at = results.coordinates(regime, series, x);
            let theirs = printed.ratio(&results.experiment, &at, &self.metric, &results.baseline());
            let failed = row.is_some_and(|row| row.n_failed > 0);
            let words =
                format!("{}{}", estimate.mean.map_or_else(|| "–".to_owned(), signed), if failed { " ×" } else { "" });
            let middle = left + width / 2.0;
            let font = Font { size: 15.0, bold: true, colour: style::readable_on(colour) };
            let at = (middle, if theirs.is_some() { y - 8.0 } else { y });
            if is_overloaded {
                let half = (text_width(&words, font) / 2.0 + 4.0, 11.0);
                canvas.rectangle((at.0 - half.0, at.1 - half.1), (at.0 + half.0, at.1 + half.1), colour, 1.0);
            }
            canvas.text(at, &words, font, Align::Centre);
            if let Some(ratio) = theirs {
                let font = Font { size: 11.5, bold: false, colour: style::muted_on(colour) };
                canvas.text((middle, y + 12.0), &signed(100.0 * (1.0 - ratio)), font, Align::Centre);
                n_open += 1;
            }
        }
        n_open
    }

    /// The scale of colours, whose right end is given.
    fn draw_bar(&self, canvas: &mut Canvas, (right, y): (f64, f64), scale: Scale) {
        let (width, height, pieces) = BAR;
        let left = right - width;
        canvas.rectangle((left - 0.5, y - height / 2.0 - 0.5), (right + 0.5, y + height / 2.0 + 0.5), AXIS, 1.0);
        for piece in 0..pieces {
            let share = (piece as f64 + 0.5) / pieces as f64;
            let colour = Self::colour(scale.low + share * scale.span(), scale);
            let from = left + width * piece as f64 / pieces as f64;
            canvas.patches(&[((from, y - height / 2.0), (from + width / pieces as f64, y + height / 2.0))], colour);
        }
        for (value, label) in scale.ticks(4) {
            let x = left + width * scale.place(value);
            canvas.line(&[(x, y + height / 2.0), (x, y + height / 2.0 + 4.0)], AXIS, 1.25);
            canvas.text((x, y + height / 2.0 + 13.0), &label.replace('-', "−"), TICK, Align::Centre);
        }
        let font = Font { colour: MUTED, ..LABEL };
        let usual = || format!("{} lower by (%)", named(&self.metric, Unit::Own));
        let title = self.value_title.clone().unwrap_or_else(usual);
        canvas.text((left - 12.0 - text_width(&title, font), y), &title, font, Align::Left);
    }

    fn caption(&self, results: &Results, printed: Printed<'_>, n_open: usize) -> String {
        let mut sentences = vec![words::provenance(results, None)];
        let halves = results.rows.iter().filter(|row| row.metric == self.metric).filter_map(|row| {
            let estimate = gain(row);
            Some((estimate.high? - estimate.low?) / 2.0)
        });
        if let Some(most) = halves.max_by(f64::total_cmp) {
            sentences.push(format!(
                "Paired seed by seed; {}t intervals over seeds reach at most {} points to either side.",
                words::confidence(results),
                numbers::three_digits(most)
            ));
        }
        let small = "Small numbers: what the paper prints.";
        sentences.extend(if n_open > 0 { Some(small.to_owned()) } else { words::open_marks(printed, n_open) });
        if !self.says.is_empty() {
            sentences.push(self.says.clone());
        }
        sentences.extend(words::overload(results.has_overload(), "Hatched: overloaded, or the baseline is"));
        sentences.extend(words::failures(results, &self.metric, None, "cells with a ×"));
        sentences.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_have_a_sign_and_nothing_has_none() {
        assert_eq!((signed(11.04), signed(-0.26), signed(-0.04)), ("11.0".into(), "−0.3".into(), "0.0".into()));
    }

    #[test]
    fn a_gain_turns_the_interval_round() {
        let ratio = Estimate { mean: Some(0.9), low: Some(0.8), high: Some(1.1) };
        let row = Row {
            regime: String::new(),
            policy: String::new(),
            x: 0.0,
            metric: String::new(),
            n: 1,
            n_failed: 0,
            value: ratio,
            difference: ratio,
            ratio,
            baseline: String::new(),
        };
        let gain = gain(&row);
        let rounded = [gain.mean, gain.low, gain.high].map(|value| libm::round(value.unwrap() * 10.0) / 10.0);
        assert_eq!(rounded, [10.0, -10.0, 20.0]);
    }
}
