//! Figures with a stacked bar for each policy: what a time or a share is made of, at one value of the axis.

use crate::axis::Scale;
use crate::canvas::{Align, Font, text_width};
use crate::data::{Estimate, Results};
use crate::lines::{OWN_AXES, marked_axes};
use crate::page::{Head, Key, LABEL, Page, Panel, TICK, lower_axis, widest};
use crate::style;
use crate::unit::{Unit, named};
use crate::{numbers, tips, words};
use anyhow::{Result, ensure};
use serde::Deserialize;

/// Height of a bar, and from one to the next.
const BAR: (f64, f64) = (23.0, 38.0);

/// A figure of stacked bars.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bars {
    /// Drawn at this place across, or else at the middle one.
    pub(crate) at: Option<f64>,
    /// A part for each.
    pub(crate) metrics: Vec<String>,
    pub(crate) unit: Option<Unit>,
    pub(crate) value_title: Option<String>,
    /// The parts are shares of a whole.
    #[serde(default)]
    pub(crate) shares: bool,
}

impl Bars {
    /// The unit of every part.
    fn unit(&self) -> Unit {
        self.unit.unwrap_or_else(|| self.metrics.first().map_or(Unit::Own, |metric| Unit::of(metric)))
    }

    fn values(&self, results: &Results, regime: &str, policy: &str, x: f64) -> Option<Vec<f64>> {
        let factor = |metric: &str| self.unit().factor(metric);
        let value = |part: &String| results.row(regime, policy, x, part)?.value.mean.map(|mean| mean * factor(part));
        self.metrics.iter().map(value).collect()
    }

    /// The axis of each panel: one for all unless a panel's longest bar would be shorter than 40 % of it.
    fn scales(&self, results: &Results, x: f64) -> Result<Vec<Scale>> {
        if self.shares {
            return Ok(vec![Scale { log: false, low: 0.0, high: 100.0 }; results.regimes.len()]);
        }
        let longest = |regime: &String| {
            let totals = results.policies.iter().filter_map(|policy| self.values(results, regime, policy, x));
            totals.map(|values| values.iter().sum::<f64>()).fold(0.0, f64::max)
        };
        let longest: Vec<f64> = results.regimes.iter().map(longest).collect();
        let most = longest.iter().copied().fold(0.0, f64::max);
        ensure!(most > 0.0, "there is no value of {}", self.metrics[0]);
        let shared = longest.iter().all(|&length| length >= 0.4 * most);
        // Room for the total at the end of the bar.
        let scale = |length: f64| Scale {
            log: false,
            low: 0.0,
            high: 1.17 * if shared || length <= 0.0 { most } else { length },
        };
        Ok(longest.into_iter().map(scale).collect())
    }

    /// The figure as SVG.
    pub(crate) fn draw(&self, results: &Results, title: &str) -> Result<String> {
        ensure!(!self.metrics.is_empty(), "there is no metric");
        let x = results.x_near(self.at.unwrap_or(f64::NAN));
        let scales = self.scales(results, x)?;
        let labels: Vec<String> = results.policies.iter().map(|policy| results.series_label(policy)).collect();
        let looks = self.metrics.iter().enumerate().map(|(position, metric)| style::part(metric, position));
        let value_title = self.value_title.clone().unwrap_or_else(|| named(&self.metrics[0], self.unit()));
        let mut page = Page::new(&Head {
            title: title.replace("{x}", &results.x_label(x)),
            keys: looks.map(|(label, colour)| Key::Patch(label, colour)).collect(),
            regimes: marked_axes(results.panel_titles(), scales.windows(2).all(|pair| pair[0] == pair[1])),
            y_title: String::new(),
            x_title: value_title,
            label_room: (widest(labels.iter().map(String::as_str), LABEL) + 14.0, 0.0),
            height: BAR.1 * labels.len() as f64 + 4.0,
        });
        for (index, panel) in page.panels.clone().into_iter().enumerate() {
            self.draw_panel(&mut page, &panel, results, (index, x), scales[index]);
        }
        let mut places =
            results.regimes.iter().flat_map(|regime| results.policies.iter().map(move |one| (regime, one)));
        let is_overloaded = places.any(|(regime, policy)| results.is_overloaded(regime, policy, x));
        let mut sentences = vec![words::provenance(results, None), "Means over seeds.".to_owned()];
        if scales.windows(2).any(|pair| pair[0] != pair[1]) {
            sentences.push(OWN_AXES.to_owned());
        }
        sentences.extend(words::overload(is_overloaded, "Hatched bars are overloaded"));
        sentences.extend(words::failures(results, &self.metrics[0], Some(x), "such policies carry a ×"));
        Ok(page.finished(&sentences.join(" ")))
    }

    fn draw_panel(&self, page: &mut Page, panel: &Panel, results: &Results, at: (usize, f64), scale: Scale) {
        let (index, x) = at;
        let regime = &results.regimes[index];
        let ticks: Vec<(f64, String)> =
            scale.ticks(5).into_iter().map(|(value, label)| (scale.place(value), label)).collect();
        for (across, _) in &ticks {
            page.canvas.line(&[panel.at(*across, 0.0), panel.at(*across, 1.0)], style::GRID, 1.0);
        }
        lower_axis(&mut page.canvas, panel, &ticks);
        for (row, policy) in results.policies.iter().enumerate() {
            let y = panel.top + BAR.1 * row as f64 + BAR.1 / 2.0;
            let failed = results.row(regime, policy, x, &self.metrics[0]).is_some_and(|row| row.n_failed > 0);
            if page.columns.first(index) {
                let font = Font { bold: style::is_netkv(policy), ..LABEL };
                page.canvas.text((panel.left - 12.0, y), &results.series_label(policy), font, Align::Right);
            }
            let values = self.values(results, regime, policy, x);
            let end = values.as_ref().map_or(panel.left, |values| self.draw_bar(page, panel, y, values, scale));
            let is_overloaded = results.is_overloaded(regime, policy, x);
            if is_overloaded {
                page.canvas.hatched((panel.left, y - BAR.0 / 2.0), (end, y + BAR.0 / 2.0), style::WHITE);
            }
            if let Some((row, values)) = results.row(regime, policy, x, &self.metrics[0]).zip(values.as_ref()) {
                let says =
                    tips::of_row(results, &results.series_label(policy), row, &self.parts(values), is_overloaded);
                page.canvas.tip_over((panel.left, y - BAR.0 / 2.0), (end, y + BAR.0 / 2.0), &says);
            }
            let mut note = match &values {
                Some(_) if self.shares => String::new(),
                Some(values) => numbers::three_digits(values.iter().sum()),
                None => "no value".to_owned(),
            };
            if failed {
                note.push_str(" ×");
            }
            page.canvas.text((end + 7.0, y), note.trim_start(), TICK, Align::Left);
        }
    }

    /// The parts in words.
    fn parts(&self, values: &[f64]) -> String {
        let part = |(position, (metric, &value)): (usize, (&String, &f64))| {
            let estimate = Estimate { mean: Some(value), ..Estimate::default() };
            format!("{}: {}", style::part(metric, position).0, tips::value(estimate, self.unit()))
        };
        self.metrics.iter().zip(values).enumerate().map(part).collect::<Vec<_>>().join("\n")
    }

    /// Draws the parts; returns where the bar ends.
    fn draw_bar(&self, page: &mut Page, panel: &Panel, y: f64, values: &[f64], scale: Scale) -> f64 {
        let mut start = 0.0;
        let mut end = panel.left;
        for (position, (metric, value)) in self.metrics.iter().zip(values).enumerate() {
            let colour = style::part(metric, position).1;
            let (from, to) = (panel.at(scale.place(start), 0.0).0, panel.at(scale.place(start + value), 0.0).0);
            start += value;
            end = to;
            // A white hairline between parts, as long as there is something left beside it.
            let gap = if to - from > 2.5 { 0.75 } else { 0.0 };
            page.canvas.rectangle((from, y - BAR.0 / 2.0), (to - gap, y + BAR.0 / 2.0), colour, 1.0);
            let label = if self.shares { format!("{:.0}", libm::round(*value)) } else { numbers::three_digits(*value) };
            let font = Font { size: 11.0, bold: false, colour: style::readable_on(colour) };
            if to - from > text_width(&label, font) + 8.0 {
                page.canvas.text(((from + to) / 2.0, y), &label, font, Align::Centre);
            }
        }
        end
    }
}
