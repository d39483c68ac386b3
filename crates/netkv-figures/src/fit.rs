//! The fit of a latency profile: measurements and fitted lines above, relative errors below.

use crate::axis::Scale;
use crate::canvas::{Align, Canvas, Fill, Point};
use crate::numbers::{tokens, trimmed};
use crate::page::{
    Key, LABEL, MARGIN, NOTE, PANEL_TITLE, Panel, TICK, TITLE, draw_caption, draw_keys, grid_line, lower_axis,
    marker_radius, widest,
};
use crate::style::{self, Colour, INK, Marker};
use crate::words::wrapped;
use anyhow::{Result, ensure};

const WIDTH: f64 = 1180.0;
/// Heights of the panels: times, and errors below them.
const TIMES: f64 = 330.0;
const ERRORS: f64 = 130.0;
/// Between the columns.
const GAP: f64 = 34.0;
/// From the times to the errors.
const BETWEEN: f64 = 34.0;
/// Share of a panel's width that is left free on either side of the points.
const SIDE: f64 = 0.03;

/// A measurement and what the fit makes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitPoint {
    /// Where it stands; positive.
    pub x: f64,
    /// In milliseconds; positive.
    pub measured_ms: f64,
    /// In milliseconds; positive.
    pub fitted_ms: f64,
    /// In percent of the measurement.
    pub error_percent: f64,
}

/// Points that are joined.
#[derive(Clone, Debug, PartialEq)]
pub struct FitSeries {
    /// What they have in common.
    pub label: String,
    /// In ascending order of x.
    pub points: Vec<FitPoint>,
}

/// One phase of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct FitColumn {
    /// Stands above it.
    pub title: String,
    /// A line below the title.
    pub note: String,
    /// What goes across.
    pub x_title: String,
    /// In the order of the key.
    pub series: Vec<FitSeries>,
}

/// Draws the fits of two phases side by side, as SVG.
///
/// # Errors
/// If there is a column without points, or one that cannot stand on a logarithmic axis.
pub fn fit_figure(title: &str, columns: &[FitColumn; 2], caption: &str) -> Result<String> {
    let mut canvas = Canvas::default();
    let mut y = MARGIN + 12.0;
    for line in wrapped(title, TITLE, WIDTH - 2.0 * MARGIN) {
        canvas.text((MARGIN, y), &line, TITLE, Align::Left);
        y += 28.0;
    }
    let each = (WIDTH - 2.0 * MARGIN - GAP) / 2.0;
    let lefts = [MARGIN, MARGIN + each + GAP];
    let mut top = 0.0_f64;
    for (column, left) in columns.iter().zip(lefts) {
        canvas.text((left, y + 12.0), &column.title, PANEL_TITLE, Align::Left);
        canvas.text((left, y + 33.0), &column.note, NOTE, Align::Left);
        let keys: Vec<Key> = colours(column)
            .into_iter()
            .zip(&column.series)
            .map(|(colour, series)| Key::Patch(series.label.clone(), colour))
            .collect();
        top = top.max(draw_keys(&mut canvas, &keys, (left, y + 60.0), each));
    }
    for (column, left) in columns.iter().zip(lefts) {
        draw_column(&mut canvas, column, (left, left + each), top + 50.0)?;
    }
    let bottom = top + 50.0 + TIMES + BETWEEN + ERRORS + 82.0;
    let height = draw_caption(&mut canvas, caption, bottom, WIDTH);
    Ok(canvas.svg(WIDTH, height, title))
}

/// A colour for each series, from light to dark.
fn colours(column: &FitColumn) -> Vec<Colour> {
    let n = column.series.len();
    (0..n).map(|index| style::shade(0.22 + 0.66 * index as f64 / (n.max(2) - 1) as f64)).collect()
}

fn draw_column(canvas: &mut Canvas, column: &FitColumn, (left, right): (f64, f64), top: f64) -> Result<()> {
    let points: Vec<FitPoint> = column.series.iter().flat_map(|series| series.points.iter().copied()).collect();
    let positive = |point: &FitPoint| point.x > 0.0 && point.measured_ms > 0.0 && point.fitted_ms > 0.0;
    ensure!(!points.is_empty() && points.iter().all(positive), "{} has no points, or some below zero", column.title);
    let across = Scale::holding(points.iter().map(|point| point.x), true, false);
    let times = Scale::holding(points.iter().flat_map(|point| [point.measured_ms, point.fitted_ms]), true, false);
    let worst = points.iter().map(|point| point.error_percent.abs()).fold(1.0, f64::max);
    let (Some(across), Some(times)) = (across, times) else { anyhow::bail!("{} has no points", column.title) };
    let errors = Scale { log: false, low: -1.1 * worst, high: 1.1 * worst };
    let (time_ticks, error_ticks) = (times.ticks(6), errors.ticks(4));
    let labels = time_ticks.iter().chain(&error_ticks).map(|(_, label)| label.as_str());
    let left = left + widest(labels, TICK) + 12.0;
    let upper = Panel { left, right, top, bottom: top + TIMES };
    let lower = Panel { left, right, top: upper.bottom + BETWEEN, bottom: upper.bottom + BETWEEN + ERRORS };
    for (panel, scale, ticks) in [(&upper, times, &time_ticks), (&lower, errors, &error_ticks)] {
        ticks.iter().for_each(|(value, label)| grid_line(canvas, panel, scale.place(*value), Some(label)));
    }
    canvas.text((left, upper.top - 14.0), "Time (ms)", NOTE, Align::Left);
    canvas.text((left, lower.top - 14.0), "Fit above (+) or below (-) the measurement (%)", NOTE, Align::Left);
    canvas.line(&[lower.at(0.0, errors.place(0.0)), lower.at(1.0, errors.place(0.0))], INK, 1.25);
    let place = |x: f64| SIDE + (1.0 - 2.0 * SIDE) * across.place(x);
    let ticks = x_ticks(across);
    let shown: Vec<(f64, String)> = ticks.iter().map(|(x, label)| (place(*x), label.clone())).collect();
    let bare: Vec<(f64, String)> = shown.iter().map(|(x, _)| (*x, String::new())).collect();
    lower_axis(canvas, &upper, &bare);
    lower_axis(canvas, &lower, &shown);
    canvas.text(((left + right) / 2.0, lower.bottom + 42.0), &column.x_title, LABEL, Align::Centre);
    for (series, colour) in column.series.iter().zip(colours(column)) {
        let at = |panel: &Panel, scale: Scale, value: fn(&FitPoint) -> f64| -> Vec<Point> {
            series.points.iter().map(|point| panel.at(place(point.x), scale.place(value(point)))).collect()
        };
        canvas.line(&at(&upper, times, |point| point.fitted_ms), colour, 1.6);
        for point in at(&upper, times, |point| point.measured_ms) {
            canvas.marker(point, Marker::Disc, marker_radius(Marker::Disc) * 0.7, colour, Fill::Full);
        }
        for point in at(&lower, errors, |point| point.error_percent) {
            canvas.marker(point, Marker::Disc, marker_radius(Marker::Disc) * 0.6, colour, Fill::Full);
        }
    }
    Ok(())
}

/// Powers of two, every second or fourth of them where there are many.
fn x_ticks(across: Scale) -> Vec<(f64, String)> {
    let (first, last) = (libm::ceil(libm::log2(across.low)) as i32, libm::floor(libm::log2(across.high)) as i32);
    let every = ((last - first) / 8).max(0) + 1;
    (first..=last)
        .filter(|power| (last - power) % every == 0)
        .map(|power| libm::exp2(f64::from(power)))
        .map(|x| (x, if x < 1024.0 { trimmed(x) } else { tokens(x) }))
        .collect()
}
