//! A waterfall: how a gain changes from step to step, each step on top of the one before.

use super::{At, Source};
use crate::axis::Scale;
use crate::canvas::{Align, Canvas, Font};
use crate::page::{LABEL, MARGIN, NOTE, PANEL_TITLE, Panel, TITLE, draw_caption, lower_axis, widest};
use crate::style::{GRID, INK, MUTED, RGBColor, policy};
use crate::words::wrapped;
use anyhow::{Context, Result, ensure};
use netkv_claims::{Ours, change_percent};

const WIDTH: f64 = 1180.0;
const ROW: f64 = 27.0;
/// Room for the numbers to the right of a panel.
const NOTES: f64 = 92.0;
const UP: RGBColor = RGBColor(0, 158, 115);
const DOWN: RGBColor = RGBColor(213, 94, 0);

/// A figure of steps: the mean of a metric under a policy below that of others, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waterfall {
    pub(crate) axis: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) policy: &'static str,
    /// A panel for each.
    pub(crate) against: &'static [&'static str],
}

/// A step's name without its number, for people.
fn label(step: &str) -> String {
    let words = step.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '_').replace('_', " ");
    words.replace("8 to 8", "8:8").replace("our CLA", "our CLA*")
}

impl Waterfall {
    pub(crate) fn draw(&self, source: &Source<'_>, title: &str) -> Result<String> {
        let steps = source.values(self.axis)?;
        ensure!(!steps.is_empty(), "{} has no step", source.experiment);
        let labels: Vec<String> = steps.iter().map(|step| label(step)).collect();
        let mut canvas = Canvas::default();
        let mut y = MARGIN + 12.0;
        for line in wrapped(title, TITLE, WIDTH - 2.0 * MARGIN) {
            canvas.text((MARGIN, y), &line, TITLE, Align::Left);
            y += 28.0;
        }
        let (top, room) = (y + 46.0, widest(labels.iter().map(String::as_str), LABEL) + 16.0);
        let n = self.against.len() as f64;
        let each = (WIDTH - 2.0 * MARGIN - room - 30.0 * (n - 1.0)) / n;
        for (at, name) in labels.iter().enumerate() {
            canvas.text((MARGIN, top + ROW * (at as f64 + 0.5)), name, LABEL, Align::Left);
        }
        for (index, against) in self.against.iter().enumerate() {
            let left = MARGIN + room + (each + 30.0) * index as f64;
            let panel = Panel { left, right: left + each - NOTES, top, bottom: top + ROW * steps.len() as f64 };
            canvas.text((left, top - 22.0), &format!("Against {}", policy(against).label), PANEL_TITLE, Align::Left);
            let gains: Vec<Ours> = steps.iter().map(|step| self.gain(source, step, against)).collect::<Result<_>>()?;
            draw_panel(&mut canvas, &panel, &gains);
        }
        let bottom = top + ROW * steps.len() as f64 + 66.0;
        let title_y = bottom - 24.0;
        canvas.text((WIDTH / 2.0, title_y), "Mean TTFT of NetKV below theirs (%)", LABEL, Align::Centre);
        let caption = format!(
            "Each step keeps all before it. Green: the step adds to the gain, orange: it takes from it; the line is its \
             interval. {}",
            source.provenance("", None)
        );
        let height = draw_caption(&mut canvas, &caption, bottom + 14.0, WIDTH);
        canvas.svg(WIDTH, height, title)
    }

    /// How far the mean is below that of the other policy, in percent.
    fn gain(&self, source: &Source<'_>, step: &str, against: &str) -> Result<Ours> {
        let of = |name: &str| {
            let at: At = [(self.axis, step), ("policy.name", name)]
                .into_iter()
                .map(|(axis, value)| (axis.to_owned(), value.to_owned()))
                .collect();
            source.summary.cell(&at, self.metric).with_context(|| format!("{name} has no {} at {step}", self.metric))
        };
        let change = change_percent(of(self.policy)?, of(against)?, against == source.summary.baseline);
        Ok(Ours { value: -change.value, interval: change.interval.map(|(low, high)| (-high, -low)) })
    }
}

fn draw_panel(canvas: &mut Canvas, panel: &Panel, gains: &[Ours]) {
    let ends = gains.iter().flat_map(|gain| {
        let (low, high) = gain.interval.unwrap_or((gain.value, gain.value));
        [low, gain.value, high]
    });
    let Some(scale) = Scale::holding(ends.chain([0.0]), false, true) else { return };
    let place = |value: f64| panel.at(scale.place(value), 0.0).0;
    let ticks: Vec<(f64, String)> =
        scale.ticks(5).into_iter().map(|(value, label)| (scale.place(value), label)).collect();
    for (across, _) in &ticks {
        canvas.line(&[panel.at(*across, 0.0), panel.at(*across, 1.0)], GRID, 1.0);
    }
    lower_axis(canvas, panel, &ticks);
    let mut before = 0.0;
    for (index, gain) in gains.iter().enumerate() {
        let (top, bottom) = (panel.top + ROW * index as f64 + 5.0, panel.top + ROW * (index as f64 + 1.0) - 5.0);
        let (from, to) = (place(before), place(gain.value));
        let colour = if index == 0 {
            MUTED
        } else if gain.value >= before {
            UP
        } else {
            DOWN
        };
        let (left, right) = (from.min(to), from.max(to).max(from.min(to) + 1.5));
        canvas.rectangle((left, top), (right, bottom), colour, 0.75);
        let middle = (top + bottom) / 2.0;
        if let Some((low, high)) = gain.interval {
            canvas.line(&[(place(low), middle), (place(high), middle)], INK, 1.4);
        }
        // The level is carried on to the next step.
        if index + 1 < gains.len() {
            canvas.line(&[(to, bottom), (to, bottom + 10.0)], MUTED, 1.0);
        }
        let note = if index == 0 {
            format!("{:.1}", gain.value)
        } else {
            format!("{:.1}  ({:+.1})", gain.value, gain.value - before)
        };
        let font = Font { colour: INK, ..NOTE };
        canvas.text((panel.right + 10.0, middle), &note, font, Align::Left);
        before = gain.value;
    }
}
