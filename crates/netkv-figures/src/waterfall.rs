//! Waterfalls: what one policy gains over others as the model changes step by step; a row for each step, with a bar from the
//! gain before to the gain after, and a panel for each policy that it is compared with, seed by seed.

use crate::axis::Scale;
use crate::canvas::{Align, Fill, Font};
use crate::data::{Estimate, Results};
use crate::page::{Head, Key, LABEL, Page, Panel, TICK, lower_axis, widest};
use crate::pairs::Cells;
use crate::style::{self, AXIS, FALL, INK, MUTED, Marker, RISE};
use crate::unit::{Unit, named};
use crate::{numbers, tips, words};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Height of a row and of its bar.
const ROW: (f64, f64) = (34.0, 16.0);

/// A waterfall: its series are the policies, what is across are the steps, in the order of the experiment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waterfall {
    pub(crate) policy: String,
    /// A panel for each.
    pub(crate) against: Vec<String>,
    pub(crate) metric: String,
    pub(crate) value_title: Option<String>,
    /// Sentences of the caption.
    #[serde(default)]
    pub(crate) says: String,
}

/// Room to the right of the longest bar for its number, as a share of all that is drawn.
const NUMBER_ROOM: f64 = 0.15;

/// A step's name: its word without the number before it, underscores as spaces, and a capital.
pub(crate) fn step_label(word: &str) -> String {
    let named = word.split_once('_').filter(|(number, _)| number.parse::<u32>().is_ok()).map_or(word, |(_, name)| name);
    let spaced = named.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl Waterfall {
    /// How much lower than another policy's the metric is at each step, in percent.
    fn gains(&self, results: &Results, cells: &Cells, other: &str) -> Result<Vec<Estimate>> {
        let gain = |&x: &f64| {
            let at = |policy: &str| results.coordinates("", policy, x);
            let ratio = cells.ratio(&at(&self.policy), &at(other), &self.metric)?;
            let below = |ratio: Option<f64>| ratio.map(|ratio| 100.0 * (1.0 - ratio));
            Ok(Estimate { mean: below(ratio.mean), low: below(ratio.high), high: below(ratio.low) })
        };
        results.xs.iter().map(gain).collect()
    }

    /// The figure as SVG.
    pub(crate) fn draw(&self, results: &Results, cells: &Cells, title: &str) -> Result<String> {
        results.check_metric(&self.metric)?;
        for policy in [&self.policy].into_iter().chain(&self.against) {
            let is_there = results.policies.iter().any(|own| own == policy);
            ensure!(is_there, "there is no policy {policy:?}; there are {}", results.policies.join(", "));
        }
        let gains: Vec<Vec<Estimate>> =
            self.against.iter().map(|other| self.gains(results, cells, other)).collect::<Result<_>>()?;
        let values = gains.iter().flatten().flat_map(|one| [one.mean, one.low, one.high]).flatten().chain([0.0]);
        let (least, most) = values.clone().fold((0.0_f64, 0.0_f64), |ends, one| (ends.0.min(one), ends.1.max(one)));
        let for_numbers = most + NUMBER_ROOM * (most - least);
        let scale = Scale::holding(values.chain([for_numbers]), false, false).context("there is no step")?;
        let labels: Vec<String> = results.x_labels.iter().map(|word| step_label(word)).collect();
        ensure!(labels.len() == results.xs.len(), "the steps are to be words");
        let against = |policy: &str| (format!("Against {}", results.series_label(policy)), String::new());
        let usual =
            || format!("{} of {} lower by (%)", named(&self.metric, Unit::Own), results.series_label(&self.policy));
        let value_title = self.value_title.clone().unwrap_or_else(usual);
        let mut page = Page::new(&Head {
            title: title.to_owned(),
            keys: vec![
                Key::Marker(value_title.clone(), Marker::Disc, INK),
                Key::Patch("step adds to it".to_owned(), RISE),
                Key::Patch("step takes from it".to_owned(), FALL),
            ],
            regimes: self.against.iter().map(|policy| against(policy)).collect(),
            y_title: String::new(),
            x_title: value_title,
            label_room: (widest(labels.iter().map(String::as_str), LABEL) + 14.0, 0.0),
            height: ROW.0 * labels.len() as f64,
        });
        for (index, panel) in page.panels.clone().into_iter().enumerate() {
            self.draw_ground(&mut page, &panel, scale, labels.len());
            if page.columns.first(index) {
                for (step, label) in labels.iter().enumerate() {
                    let y = panel.top + ROW.0 * (step as f64 + 0.5);
                    page.canvas.text((panel.left - 12.0, y), label, LABEL, Align::Right);
                }
            }
            Self::draw_steps(&mut page, &panel, scale, &gains[index]);
            for (step, (&x, gain)) in results.xs.iter().zip(&gains[index]).enumerate() {
                let Some(row) = results.row("", &self.policy, x, &self.metric) else { continue };
                let (y, other) = (panel.top + ROW.0 * step as f64, &self.against[index]);
                let is_overloaded = [&self.policy, other].iter().any(|policy| results.is_overloaded("", policy, x));
                if is_overloaded {
                    page.canvas.hatched((panel.left, y), (panel.right, y + ROW.0), AXIS);
                }
                let value = format!("{} % lower", tips::value(*gain, Unit::Own));
                let says = tips::of_row(results, &results.series_label(&self.policy), row, &value, is_overloaded);
                page.canvas.tip_over((panel.left, y), (panel.right, y + ROW.0), &says);
            }
        }
        Ok(page.finished(&self.caption(results)))
    }

    fn draw_ground(&self, page: &mut Page, panel: &Panel, scale: Scale, n_rows: usize) {
        for at in (0..n_rows).step_by(2) {
            let top = panel.top + ROW.0 * at as f64;
            page.canvas.rectangle((panel.left, top), (panel.right, top + ROW.0), style::GRID, 0.45);
        }
        let ticks = scale.ticks(6).into_iter().map(|(value, label)| (scale.place(value), label.replace('-', "−")));
        let ticks: Vec<(f64, String)> = ticks.collect();
        for (across, _) in &ticks {
            page.canvas.line(&[panel.at(*across, 0.0), panel.at(*across, 1.0)], style::GRID, 1.0);
        }
        let zero = scale.place(0.0);
        page.canvas.line(&[panel.at(zero, 0.0), panel.at(zero, 1.0)], MUTED, 1.5);
        lower_axis(&mut page.canvas, panel, &ticks);
    }

    fn draw_steps(page: &mut Page, panel: &Panel, scale: Scale, gains: &[Estimate]) {
        let across = |value: f64| panel.at(scale.place(value), 0.0).0;
        let mut before: Option<f64> = None;
        for (step, gain) in gains.iter().enumerate() {
            let y = panel.top + ROW.0 * (step as f64 + 0.5);
            let Some(level) = gain.mean else {
                page.canvas.text((across(0.0) + 8.0, y), "no value", TICK, Align::Left);
                continue;
            };
            let (from, to) = (across(before.unwrap_or(0.0)), across(level));
            let delta = level - before.unwrap_or(0.0);
            let colour = match before {
                None => AXIS,
                Some(_) if delta >= 0.0 => RISE,
                Some(_) => FALL,
            };
            let (left, right) = (from.min(to), from.max(to));
            page.canvas.rectangle((left, y - ROW.1 / 2.0), (right, y + ROW.1 / 2.0), colour, 0.75);
            if before.is_some() {
                // From the level of the row above.
                page.canvas.line(&[(from, y - ROW.0 + ROW.1 / 2.0), (from, y + ROW.1 / 2.0)], MUTED, 1.0);
            }
            let mut end = right;
            if let Some((low, high)) = gain.low.zip(gain.high) {
                page.canvas.line(&[(across(low), y), (across(high), y)], INK, 1.6);
                end = end.max(across(high));
            }
            page.canvas.marker((to, y), Marker::Disc, 3.6, INK, Fill::Full);
            let words = match before {
                None => format!("{} %", numbers::signed(level, 1)),
                Some(_) => numbers::signed(delta, 1),
            };
            let font = Font { size: 12.0, bold: true, colour: if before.is_none() { INK } else { colour } };
            page.canvas.text((end + 8.0, y), &words, font, Align::Left);
            before = Some(level);
        }
    }

    fn caption(&self, results: &Results) -> String {
        let mut sentences = vec![
            words::provenance(results, Some("Bars through the marks")),
            "Each step keeps the changes of those above it. Gains are compared seed by seed; the number beside a bar is the \
             change from the step above, in points."
                .to_owned(),
        ];
        if !self.says.is_empty() {
            sentences.push(self.says.clone());
        }
        sentences.extend(words::overload(results.has_overload(), "Hatched: one of the two is overloaded"));
        sentences.extend(words::failures(results, &self.metric, None, "steps without a run have no value"));
        sentences.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_called_without_its_number() {
        assert_eq!(step_label("07_own_flows_in_c"), "Own flows in c");
        assert_eq!(step_label("paper_model"), "Paper model");
        assert_eq!(step_label("00_paper"), "Paper");
    }
}
