//! Figures of an ablation: policies in steps, each with one thing more than the one before; a row of panels for each metric,
//! a column for each value of the panels' axis. Between steps stands what the step changes, compared seed by seed.

use crate::axis::Scale;
use crate::canvas::{Align, Fill, Font};
use crate::data::{Estimate, Results};
use crate::multiples::{Change, Measured, OPEN};
use crate::page::{Key, Panel, TICK, grid_line, marker_radius, widest};
use crate::pairs::Cells;
use crate::printed::Printed;
use crate::sheet::{Layout, Sheet};
use crate::style::{self, AXIS, INK, MUTED};
use crate::words::{self, wrapped};
use crate::{numbers, tips};
use anyhow::{Result, ensure};
use serde::Deserialize;

/// Where points stand between the sides of a panel.
const SIDE: f64 = 0.13;
/// Height of a line of a label.
const LINE: f64 = 14.0;

/// A policy, and what it adds to the one before.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    policy: String,
    label: String,
}

/// A figure of steps: its series are the policies; there is nothing across.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Steps {
    pub(crate) steps: Vec<Step>,
    pub(crate) measures: Vec<Measured>,
    /// A sentence of the caption.
    #[serde(default)]
    pub(crate) says: String,
}

/// What a figure of steps is drawn from.
struct Drawn<'a> {
    results: &'a Results,
    cells: &'a Cells,
    printed: Printed<'a>,
}

impl Drawn<'_> {
    fn estimate(&self, regime: &str, policy: &str, measured: &Measured) -> Estimate {
        let row = self.results.row(regime, policy, 0.0, &measured.metric);
        row.map_or_else(Estimate::default, |row| row.value.scaled(measured.factor()))
    }

    fn theirs(&self, regime: &str, policy: &str, measured: &Measured) -> Option<f64> {
        let at = self.results.coordinates(regime, policy, 0.0);
        self.printed.value(&self.results.experiment, &at, &measured.metric).map(|value| value * measured.factor())
    }
}

impl Steps {
    fn scale(&self, drawn: &Drawn<'_>, regime: &str, measured: &Measured) -> Option<Scale> {
        let estimates: Vec<Estimate> =
            self.steps.iter().map(|step| drawn.estimate(regime, &step.policy, measured)).collect();
        let theirs = self.steps.iter().filter_map(|step| drawn.theirs(regime, &step.policy, measured));
        let values = estimates.iter().filter_map(|estimate| estimate.mean).chain(theirs);
        let scale = Scale::holding(values, false, false)?;
        let scale = scale.widened(estimates.iter().filter_map(|estimate| estimate.low.zip(estimate.high)));
        // Room for the changes above the points.
        Some(Scale { high: scale.high + 0.22 * scale.span(), ..scale })
    }

    /// The figure as SVG.
    pub(crate) fn draw(&self, results: &Results, cells: &Cells, printed: Printed<'_>, title: &str) -> Result<String> {
        self.measures.iter().try_for_each(|measured| results.check_metric(&measured.metric))?;
        for Step { policy, .. } in &self.steps {
            let is_there = results.policies.iter().any(|own| own == policy);
            ensure!(is_there, "there is no policy {policy:?}; there are {}", results.policies.join(", "));
        }
        let drawn = Drawn { results, cells, printed };
        let places: Vec<(&String, &Measured)> = self
            .measures
            .iter()
            .flat_map(|measured| results.regimes.iter().map(move |regime| (regime, measured)))
            .collect();
        let scales: Vec<Option<Scale>> = places.iter().map(|place| self.scale(&drawn, place.0, place.1)).collect();
        let ticks = |scale: Option<Scale>| scale.map_or_else(Vec::new, |scale| scale.ticks(4));
        let labels: Vec<(f64, String)> = scales.iter().flat_map(|&scale| ticks(scale)).collect();
        let room = widest(labels.iter().map(|tick| tick.1.as_str()), TICK) + 20.0;
        let title_of = |place: &(&String, &Measured)| {
            let (name, title) = (results.panel_title(place.0).0, place.1.title());
            if name.is_empty() { title } else { format!("{name}: {title}") }
        };
        let open = printed.is_there().then(|| Key::Open("printed in the paper".to_owned()));
        let mut sheet = Sheet::new(&Layout {
            title: title.to_owned(),
            keys: self.steps.iter().map(|step| Key::Line(results.look(&step.policy))).chain(open).collect(),
            rows: Vec::new(),
            panels: places.iter().map(title_of).collect(),
            columns: results.regimes.len(),
            rooms: (room, 46.0),
            height: 150.0,
            x_title: String::new(),
        });
        let mut n_open = 0;
        for (index, &(regime, measured)) in places.iter().enumerate() {
            let panel = sheet.panels[index];
            let Some(scale) = scales[index] else {
                sheet.no_value(&panel);
                continue;
            };
            let most = measured.unit().bounds(std::iter::empty()).1;
            for (value, label) in
                ticks(Some(scale)).iter().filter(|(value, _)| scale.place(*value) < 0.9 && *value <= most)
            {
                let label = format!("{label}{}", measured.unit().suffix());
                grid_line(&mut sheet.canvas, &panel, scale.place(*value), Some(&label));
            }
            self.draw_labels(&mut sheet, &panel);
            n_open += self.draw_points(&mut sheet, &panel, &drawn, (regime, measured), scale);
            self.draw_changes(&mut sheet, &panel, &drawn, (regime, measured))?;
        }
        Ok(sheet.finished(&self.caption(results, printed, n_open)))
    }

    /// Where a step stands across.
    fn place(&self, step: usize) -> f64 {
        SIDE + (1.0 - 2.0 * SIDE) * step as f64 / (self.steps.len() - 1).max(1) as f64
    }

    /// The lower axis, with what each step adds.
    fn draw_labels(&self, sheet: &mut Sheet, panel: &Panel) {
        sheet.canvas.line(&[panel.at(0.0, 0.0), panel.at(1.0, 0.0)], AXIS, 1.25);
        let room = (1.0 - 2.0 * SIDE) * (panel.right - panel.left) / (self.steps.len() - 1).max(1) as f64;
        let font = Font { size: 11.5, ..TICK };
        for (step, Step { label, .. }) in self.steps.iter().enumerate() {
            let (x, y) = panel.at(self.place(step), 0.0);
            for (line, words) in wrapped(label, font, room - 4.0).iter().enumerate() {
                sheet.canvas.text((x, y + 14.0 + LINE * line as f64), words, font, Align::Centre);
            }
        }
    }

    /// Draws the points with their intervals and the printed values; returns how many of these there are.
    fn draw_points(
        &self,
        sheet: &mut Sheet,
        panel: &Panel,
        drawn: &Drawn<'_>,
        (regime, measured): (&str, &Measured),
        scale: Scale,
    ) -> usize {
        let estimates: Vec<Estimate> =
            self.steps.iter().map(|step| drawn.estimate(regime, &step.policy, measured)).collect();
        let at = |step: usize, value: f64| panel.at(self.place(step), scale.place(value));
        let line: Vec<_> =
            estimates.iter().enumerate().filter_map(|(step, estimate)| Some(at(step, estimate.mean?))).collect();
        sheet.canvas.line(&line, style::AXIS, 1.25);
        let mut n_open = 0;
        for (step, (Step { policy, .. }, estimate)) in self.steps.iter().zip(&estimates).enumerate() {
            let look = drawn.results.look(policy);
            if let Some((low, high)) = estimate.low.zip(estimate.high) {
                sheet.canvas.line(&[at(step, low), at(step, high)], look.colour, 2.0);
            }
            let row = drawn.results.row(regime, policy, 0.0, &measured.metric);
            if let Some((mean, row)) = estimate.mean.zip(row) {
                let is_overloaded = drawn.results.is_overloaded(regime, policy, 0.0);
                let fill = Fill::of(row.n_failed > 0, is_overloaded);
                sheet.canvas.marker(at(step, mean), look.marker, marker_radius(look.marker), look.colour, fill);
                let value = format!("{}: {}", measured.title(), tips::value(*estimate, measured.unit()));
                sheet.canvas.tip(at(step, mean), &tips::of_row(drawn.results, &look.label, row, &value, is_overloaded));
            }
            if let Some(value) = drawn.theirs(regime, policy, measured) {
                let radius = marker_radius(look.marker) * OPEN;
                sheet.canvas.open_marker(at(step, value), look.marker, radius, look.colour);
                n_open += 1;
            }
        }
        n_open
    }

    /// Writes what each step changes; grey if the interval holds that it changes nothing.
    fn draw_changes(
        &self,
        sheet: &mut Sheet,
        panel: &Panel,
        drawn: &Drawn<'_>,
        (regime, measured): (&str, &Measured),
    ) -> Result<()> {
        let at = |step: usize| drawn.results.coordinates(regime, &self.steps[step].policy, 0.0);
        for step in 1..self.steps.len() {
            let (estimate, unit, digits) = match measured.change {
                Change::Percent => {
                    let ratio = drawn.cells.ratio(&at(step), &at(step - 1), &measured.metric)?;
                    let percent = |value: Option<f64>| value.map(|value| 100.0 * (value - 1.0));
                    let changed =
                        Estimate { mean: percent(ratio.mean), low: percent(ratio.low), high: percent(ratio.high) };
                    (changed, " %", 1)
                }
                Change::Points => {
                    (drawn.cells.difference(&at(step), &at(step - 1), &measured.metric)?.scaled(100.0), " pt", 1)
                }
            };
            let Some(mean) = estimate.mean else { continue };
            let is_open = estimate.low.zip(estimate.high).is_none_or(|(low, high)| low <= 0.0 && high >= 0.0);
            let font = Font { size: 12.0, bold: !is_open, colour: if is_open { MUTED } else { INK } };
            let middle = (self.place(step - 1) + self.place(step)) / 2.0;
            let words = format!("{}{unit}", numbers::signed(mean, digits));
            sheet.canvas.text(panel.at(middle, 0.94), &words, font, Align::Centre);
        }
        Ok(())
    }

    fn caption(&self, results: &Results, printed: Printed<'_>, n_open: usize) -> String {
        let mut sentences = vec![words::provenance(results, Some("Bars"))];
        sentences.extend(self.measures.iter().find_map(|measured| words::objective(results, &measured.metric)));
        sentences.extend(words::open_marks(printed, n_open));
        sentences.push(
            "Above the points: what a step changes, compared seed by seed; grey where its interval holds nought. Vertical \
             axes do not start at zero."
                .to_owned(),
        );
        if !self.says.is_empty() {
            sentences.push(self.says.clone());
        }
        sentences.extend(words::overload(results.has_overload(), "Crossed-out marks are overloaded"));
        sentences.extend(words::failures(results, &self.measures[0].metric, None, "marks with a white centre"));
        sentences.join(" ")
    }
}
