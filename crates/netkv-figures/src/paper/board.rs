//! Small multiples: panels in rows of three, each a metric (or a change of one) against an axis, lines for policies,
//! printed values as open marks.

use super::{At, Source};
use crate::axis::{Scale, Spacing, places};
use crate::canvas::{Align, Canvas, Point};
use crate::page::{Key, MARGIN, NOTE, PANEL_TITLE, Panel, TITLE, draw_caption, draw_keys, grid_line, lower_axis};
use crate::style::{self, Marker, WHITE};
use crate::words::wrapped;
use anyhow::{Result, ensure};
use netkv_claims::{Measure, change_percent, same};

const WIDTH: f64 = 1180.0;
const HEIGHT: f64 = 190.0;
/// Room for the labels to the left of a panel, and between rows.
const LEFT: f64 = 58.0;
const BETWEEN: f64 = 96.0;

/// What is drawn up a panel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantity {
    pub(crate) title: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) measure: Measure,
    /// The policy that changes and differences are to.
    pub(crate) against: &'static str,
    /// From the metric's unit to the panel's, which is that of the claims.
    pub(crate) factor: f64,
    /// One value of an axis that the panel is at.
    pub(crate) only: Option<(&'static str, &'static str)>,
}

/// A figure of panels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Board {
    pub(crate) across: &'static str,
    pub(crate) x_title: &'static str,
    pub(crate) spacing: Spacing,
    /// A value of the axis across, for people.
    pub(crate) label: fn(&str) -> String,
    /// The axis whose values are lines; policies mostly.
    pub(crate) series: &'static str,
    /// In this order.
    pub(crate) lines: &'static [&'static str],
    pub(crate) panels: &'static [Quantity],
    pub(crate) objective: &'static str,
}

/// A value with its interval.
type Value = (f64, Option<(f64, f64)>);

impl Board {
    pub(crate) fn draw(&self, source: &Source<'_>, title: &str) -> Result<String> {
        let mut canvas = Canvas::default();
        let mut y = MARGIN + 12.0;
        for line in wrapped(title, TITLE, WIDTH - 2.0 * MARGIN) {
            canvas.text((MARGIN, y), &line, TITLE, Align::Left);
            y += 28.0;
        }
        y = draw_keys(&mut canvas, &self.keys(source), (MARGIN, y + 6.0), WIDTH - 2.0 * MARGIN) + 66.0;
        let columns = if self.panels.len() == 4 { 2 } else { self.panels.len().min(3) };
        let each = (WIDTH - 2.0 * MARGIN) / columns as f64;
        for (index, quantity) in self.panels.iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let left = MARGIN + each * column as f64 + LEFT;
            let top = y + (HEIGHT + BETWEEN) * row as f64;
            let panel = Panel { left, right: left + each - LEFT - 22.0, top, bottom: top + HEIGHT };
            self.draw_panel(&mut canvas, source, quantity, &panel)?;
        }
        let rows = self.panels.len().div_ceil(columns);
        let bottom = y + (HEIGHT + BETWEEN) * rows as f64 - 8.0;
        let height = draw_caption(&mut canvas, &source.provenance(self.objective, Some("Open marks")), bottom, WIDTH);
        canvas.svg(WIDTH, height, title)
    }

    fn keys(&self, source: &Source<'_>) -> Vec<Key> {
        let mut keys: Vec<Key> = self.lines.iter().map(|line| Key::Policy((*line).to_owned())).collect();
        if source.claims.is_some() {
            keys.push(Key::Words("    open: printed in the paper".to_owned()));
        }
        keys
    }

    fn draw_panel(&self, canvas: &mut Canvas, source: &Source<'_>, quantity: &Quantity, panel: &Panel) -> Result<()> {
        let xs = source.values(self.across)?;
        let numbers: Vec<f64> = xs.iter().enumerate().map(|(index, x)| x.parse().unwrap_or(index as f64)).collect();
        let spacing = if xs.iter().all(|x| x.parse::<f64>().is_ok()) { self.spacing } else { Spacing::Ordinal };
        let across = places(&numbers, spacing, 0.05);
        let values: Vec<Vec<Option<Value>>> =
            self.lines.iter().map(|line| xs.iter().map(|x| self.value(source, quantity, line, x)).collect()).collect();
        let printed = self.printed(source, quantity, &xs);
        let ours = values.iter().flatten().flatten().map(|value| value.0);
        let scale = Scale::holding(ours.chain(printed.iter().map(|mark| mark.2)), false, false);
        ensure!(scale.is_some(), "{} has no {} for this figure", source.experiment, quantity.metric);
        let Some(scale) = scale else { return Ok(()) };
        canvas.text((panel.left - LEFT + 8.0, panel.top - 22.0), quantity.title, PANEL_TITLE, Align::Left);
        for (value, label) in scale.ticks(4) {
            grid_line(canvas, panel, scale.place(value), Some(&label));
        }
        let ticks: Vec<(f64, String)> = across.iter().copied().zip(xs.iter().map(|x| (self.label)(x))).collect();
        lower_axis(canvas, panel, &ticks);
        canvas.text(((panel.left + panel.right) / 2.0, panel.bottom + 38.0), self.x_title, NOTE, Align::Centre);
        for (line, values) in self.lines.iter().zip(&values) {
            draw_line(canvas, panel, scale, line, &across, values);
        }
        for (line, x, value) in printed {
            let look = style::policy(self.lines[line]);
            open_mark(canvas, panel.at(across[x], scale.place(value)), look.marker, look.colour);
        }
        Ok(())
    }

    /// Ours at a line and a place across.
    fn value(&self, source: &Source<'_>, quantity: &Quantity, line: &str, x: &str) -> Option<Value> {
        let mut at: At = quantity.only.into_iter().map(|(axis, value)| (axis.to_owned(), value.to_owned())).collect();
        at.insert(self.across.to_owned(), x.to_owned());
        at.insert(self.series.to_owned(), line.to_owned());
        let own = source.summary.cell(&at, quantity.metric)?;
        let around = |value: f64, half: Option<f64>| (value, half.map(|half| (value - half, value + half)));
        if quantity.measure == Measure::Value {
            return Some(around(own.mean * quantity.factor, own.half.map(|half| half * quantity.factor)));
        }
        at.insert("policy.name".to_owned(), quantity.against.to_owned());
        let other = source.summary.cell(&at, quantity.metric)?;
        if quantity.measure == Measure::ChangePercent {
            let ours = change_percent(own, other, quantity.against == source.summary.baseline);
            return Some((ours.value, ours.interval));
        }
        Some(((own.mean - other.mean) * quantity.factor, None))
    }

    /// Printed values: line, place across, value.
    fn printed(&self, source: &Source<'_>, quantity: &Quantity, xs: &[String]) -> Vec<(usize, usize, f64)> {
        let Some(claims) = source.claims else { return Vec::new() };
        let mut found = Vec::new();
        for claim in claims.printed(source.experiment, quantity.metric, quantity.measure) {
            let is_here =
                quantity.only.is_none_or(|(axis, value)| claim.at.get(axis).is_some_and(|own| same(own, value)));
            if !is_here || claim.against != quantity.against {
                continue;
            }
            let line = claim.at.get(self.series).and_then(|own| self.lines.iter().position(|line| line == own));
            let x = claim.at.get(self.across).and_then(|own| xs.iter().position(|x| same(x, own)));
            if let Some((line, x)) = line.zip(x) {
                found.push((line, x, claim.printed));
            }
        }
        found
    }
}

fn draw_line(canvas: &mut Canvas, panel: &Panel, scale: Scale, line: &str, across: &[f64], values: &[Option<Value>]) {
    let look = style::policy(line);
    let points: Vec<Point> = across
        .iter()
        .zip(values)
        .filter_map(|(&across, value)| value.map(|value| panel.at(across, scale.place(value.0))))
        .collect();
    canvas.line(&points, look.colour, look.width.min(2.2));
    for (&across, value) in across.iter().zip(values) {
        let Some((mean, interval)) = value else { continue };
        if let Some((low, high)) = interval {
            let ends = [panel.at(across, scale.place(*low)), panel.at(across, scale.place(*high))];
            canvas.line(&ends, look.colour, 1.4);
        }
        canvas.marker(panel.at(across, scale.place(*mean)), look.marker, 3.6, look.colour, false);
    }
}

/// A mark with a hole: printed, not ours.
pub(crate) fn open_mark(canvas: &mut Canvas, at: Point, marker: Marker, colour: style::RGBColor) {
    canvas.marker(at, marker, 5.4, colour, false);
    match marker.outline() {
        None => canvas.marker(at, Marker::Disc, 2.4, WHITE, false),
        Some(outline) => {
            let inner: Vec<Point> = outline.iter().map(|&(x, y)| (at.0 + x * 3.4, at.1 + y * 3.4)).collect();
            canvas.area(&inner, WHITE, 1.0);
        }
    }
}

/// A label as it stands.
pub(crate) fn plain(value: &str) -> String {
    value.to_owned()
}
