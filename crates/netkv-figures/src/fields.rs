//! How the fields of maps look: words and colours for what a policy changes at a point, the same in drawings and on the page.

use crate::canvas::{Canvas, Point};
use crate::colour::mixed;
use crate::numbers::signed;
use crate::style::{self, AXIS, BAD, Colour, GOOD, GRID, MUTED, WHITE};
use netkv_verdict::Effect;

/// The change, in percent or points, that has the full colour. Chosen by us: half is much.
pub(crate) const FULL: f64 = 50.0;
/// Steps of a colour.
pub(crate) const STEPS: usize = 8;

/// The step of a colour that a change has, from 1.
pub(crate) fn step(change: f64) -> usize {
    (libm::ceil(change.abs() / FULL * STEPS as f64) as usize).clamp(1, STEPS)
}

/// The colour of a field.
pub(crate) fn colour(effect: Effect, change: f64) -> Colour {
    let of_step = |colour: Colour| mixed(WHITE, colour, 0.06 + 0.08 * step(change) as f64);
    match effect {
        Effect::Pays => of_step(GOOD),
        Effect::Harms => of_step(BAD),
        Effect::Same => GRID,
        Effect::Open => WHITE,
    }
}

/// What is said of a field beside its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing.
    Plain,
    /// The interval does not decide.
    Open,
    /// Overloaded.
    Overloaded,
    /// Just what it is compared with is overloaded.
    KeepsUp,
}

/// Between a field and its dashed line.
const INSET: f64 = 3.0;

/// Draws a field without its words.
pub(crate) fn draw(canvas: &mut Canvas, from: Point, to: Point, colour: Colour, mark: Mark) {
    canvas.rectangle((from.0 - 0.5, from.1 - 0.5), (to.0 + 0.5, to.1 + 0.5), AXIS, 0.6);
    canvas.rectangle(from, to, colour, 1.0);
    match mark {
        Mark::Plain => {}
        Mark::Open => {
            let (left, top, right, bottom) = (from.0 + INSET, from.1 + INSET, to.0 - INSET, to.1 - INSET);
            let line = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
            canvas.dashed(&line, MUTED, 1.0, (3.0, 2.5));
        }
        Mark::Overloaded | Mark::KeepsUp => canvas.hatched(from, to, style::muted_on(colour)),
    }
}

/// A tick in the sense of yes.
pub(crate) fn draw_yes(canvas: &mut Canvas, (x, y): Point, size: f64, colour: Colour) {
    let at = |across: f64, down: f64| (x + across * size, y + down * size);
    canvas.line(&[at(-0.5, 0.0), at(-0.12, 0.42), at(0.5, -0.45)], colour, 2.0);
}

/// "−23", or "−3.2?" if it is open.
pub(crate) fn words(effect: Effect, change: f64) -> String {
    let open = if effect == Effect::Open { "?" } else { "" };
    let decimals = usize::from(change.abs() < 9.95);
    format!("{}{open}", signed(change, decimals))
}

/// The style of the page's fields.
pub(crate) fn css() -> String {
    let classes = [("p", Effect::Pays), ("h", Effect::Harms)].into_iter();
    let fields = classes.flat_map(|(class, effect)| (1..=STEPS).map(move |step| (class, effect, step)));
    let (mut light, mut dark) = (String::new(), String::new());
    for (class, effect, step) in fields {
        let fill = colour(effect, FULL * step as f64 / STEPS as f64);
        let ink = style::readable_on(fill);
        light.push_str(&format!(".{class}{step}{{background:{};color:{}}}", fill.light(), ink.light()));
        dark.push_str(&format!(".{class}{step}{{background:{};color:{}}}", fill.dark(), ink.dark()));
    }
    format!("{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_says_its_change_with_a_sign_and_whether_it_is_open() {
        assert_eq!((words(Effect::Pays, -23.4), words(Effect::Open, -3.21)), ("−23".to_owned(), "−3.2?".to_owned()));
        assert_eq!((words(Effect::Harms, 9.96), words(Effect::Same, 0.04)), ("+10".to_owned(), "0.0".to_owned()));
    }

    #[test]
    fn more_has_more_colour_and_the_page_has_the_colours_of_drawings() {
        assert_eq!([-1.0, -6.25, -6.3, -50.0, -80.0].map(step), [1, 1, 2, 8, 8]);
        let (pays, harms) = (colour(Effect::Pays, -80.0), colour(Effect::Harms, 80.0));
        assert_ne!(pays, harms);
        let css = css();
        assert!(css.contains(&format!(".p8{{background:{};", pays.light())), "{css}");
        assert!(css.contains(&format!(".h8{{background:{};", harms.dark())), "{css}");
    }
}
