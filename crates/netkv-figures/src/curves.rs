//! The lines of closed forms, cut where they leave a panel.

use crate::axis::{Scale, Spacing, places};
use crate::canvas::{Canvas, Point};
use crate::closed_form::Curve;
use crate::page::{DASH, Panel};
use crate::style;

/// Draws a closed form where it is within the panel.
pub(crate) fn draw_curve(canvas: &mut Canvas, panel: &Panel, curve: &Curve, scale: Scale, across: &[f64]) {
    let look = style::policy(curve.policy);
    let ups = curve.points.iter().map(|point| scale.place_beyond(point.1));
    let points: Vec<Point> = across.iter().copied().zip(ups).collect();
    for piece in clipped(&points) {
        let piece: Vec<Point> = piece.into_iter().map(|(across, up)| panel.at(across, up)).collect();
        if curve.dashed {
            canvas.dashed(&piece, look.colour, 1.6, DASH);
        } else {
            canvas.line(&piece, look.colour, 1.6);
        }
    }
}

/// Where the points of a curve stand across on an axis for `xs`.
pub(crate) fn places_between(curve: &Curve, xs: &[f64], spacing: Spacing, margin: f64) -> Vec<f64> {
    let (first, last) = (xs[0], xs[xs.len() - 1]);
    let inner = curve.points.iter().map(|point| point.0);
    let all: Vec<f64> = [first].into_iter().chain(inner).chain([last]).collect();
    let mut across = places(&all, spacing, margin);
    across.pop();
    across.split_off(1)
}

/// The pieces of a line whose second coordinate is between 0 and 1.
fn clipped(points: &[Point]) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = Vec::new();
    let mut inside = false;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let at = |level: f64| if to.1 == from.1 { 0.0 } else { (level - from.1) / (to.1 - from.1) };
        let (enters, leaves) = (at(0.0).min(at(1.0)).max(0.0), at(0.0).max(at(1.0)).min(1.0));
        let flat_inside = to.1 == from.1 && (0.0..=1.0).contains(&from.1);
        let (enters, leaves) = if flat_inside { (0.0, 1.0) } else { (enters, leaves) };
        if enters >= leaves {
            inside = false;
            continue;
        }
        let point = |share: f64| (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
        if !inside || enters > 0.0 {
            pieces.push(vec![point(enters)]);
        }
        pieces.last_mut().expect("it was pushed").push(point(leaves));
        inside = leaves == 1.0;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_clipped_where_it_leaves_and_enters() {
        let points =
            [(0.0, 0.5), (1.0, 0.75), (2.0, 1.25), (3.0, 2.0), (4.0, -2.0), (5.0, -2.0), (6.0, 0.0), (7.0, 0.0)];
        let pieces =
            [vec![(0.0, 0.5), (1.0, 0.75), (1.5, 1.0)], vec![(3.25, 1.0), (3.5, 0.0)], vec![(6.0, 0.0), (7.0, 0.0)]];
        assert_eq!(clipped(&points), pieces);
        assert!(clipped(&[(0.0, 1.5), (1.0, 1.5)]).is_empty());
    }
}
