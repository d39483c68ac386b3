//! What figures of lines are drawn with beside lines and markers: bands, arrows, crosses, and the shade of what is equal.

use crate::axis::Scale;
use crate::canvas::{Canvas, Point};
use crate::page::Panel;
use crate::style::{self, INK, PolicyStyle};

/// Ratios this close to 1 are taken for equal.
pub(crate) const EQUIVALENCE: f64 = netkv_verdict::INDIFFERENCE;

/// A shade that is narrower than this, in pixels, cannot be told from the line at 1.
const LEAST_SHADE: f64 = 4.0;
/// How dark it is.
pub(crate) const SHADE: f64 = 0.16;

/// Whether the shade of what is equal can be seen on an axis of this length, in pixels.
pub(crate) fn shows_equivalence(scale: Scale, length: f64) -> bool {
    (scale.place_beyond(1.0 + EQUIVALENCE) - scale.place_beyond(1.0 - EQUIVALENCE)) * length >= LEAST_SHADE
}

/// Shades what is equal, from left to right of a panel.
pub(crate) fn draw_equivalence(canvas: &mut Canvas, panel: &Panel, scale: Scale) {
    if shows_equivalence(scale, panel.bottom - panel.top) {
        let low = panel.at(0.0, scale.place(1.0 - EQUIVALENCE));
        let high = panel.at(1.0, scale.place(1.0 + EQUIVALENCE));
        canvas.rectangle(low, high, INK, SHADE);
    }
}

/// The band of a stretch of points.
pub(crate) fn draw_band(canvas: &mut Canvas, look: &PolicyStyle, stretch: &mut Vec<(Point, Point)>) {
    if stretch.len() > 1 {
        let lower = stretch.iter().map(|ends| ends.0);
        let upper = stretch.iter().rev().map(|ends| ends.1);
        canvas.area(&lower.chain(upper).collect::<Vec<_>>(), look.colour, 0.18);
    }
    stretch.clear();
}

/// From a point, or its band's upper end, to below it: how far is not said.
pub(crate) fn arrow_down(canvas: &mut Canvas, from: Point, to: Point, colour: style::Colour) {
    const HEAD: f64 = 4.0;
    canvas.line(&[from, to], colour, 1.6);
    canvas.line(&[(to.0 - HEAD, to.1 - HEAD), to, (to.0 + HEAD, to.1 - HEAD)], colour, 1.6);
}

/// How far below its mean the arrow of an interval ends.
pub(crate) const ARROW: f64 = 22.0;

/// The mark of a failed run.
pub(crate) fn cross(canvas: &mut Canvas, at: Point, colour: style::Colour) {
    const ARM: f64 = 4.5;
    canvas.line(&[(at.0 - ARM, at.1 - ARM), (at.0 + ARM, at.1 + ARM)], colour, 1.4);
    canvas.line(&[(at.0 - ARM, at.1 + ARM), (at.0 + ARM, at.1 - ARM)], colour, 1.4);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 % to either side are 0.058 of an octave: of 330 pixels they take 19 on an axis of one octave, 3.2 on one of six.
    #[test]
    fn a_shade_that_cannot_be_seen_is_none() {
        let scale = |high: f64| Scale { log: true, low: 1.0 / high.sqrt(), high: high.sqrt() };
        assert!(shows_equivalence(scale(2.0), 330.0) && !shows_equivalence(scale(64.0), 330.0));
    }
}
