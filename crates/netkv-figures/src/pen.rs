//! The backend that plotters draws with: SVG whose every colour has beside it what stands for it on a dark page.
//!
//! plotters' own SVG backend knows one colour of a mark. The one that is drawn with now is told apart, in a [`Ink`] that the
//! pen shares with whoever draws.

use crate::colour::Colour;
use crate::markup::escaped;
use plotters::prelude::{DrawingBackend, RGBColor};
use plotters::style::text_anchor::HPos;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontStyle, FontTransform,
};
use std::cell::Cell;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::rc::Rc;

/// The colour that is drawn with, shared with the pen.
pub(crate) type Ink = Rc<Cell<Colour>>;

/// The backend.
pub(crate) struct Pen<'a> {
    svg: &'a mut String,
    size: (u32, u32),
    ink: Ink,
    /// How the last element looks, if it is a path: another that looks alike goes on in it.
    path: Option<String>,
}

/// An attribute of a colour, and what the colour is on a dark page.
pub(crate) fn paint(attribute: &str, colour: Colour) -> String {
    format!("{attribute}=\"{}\" style=\"--d:{}\"", colour.light(), colour.dark())
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl<'a> Pen<'a> {
    /// A pen that adds elements to `svg`, of a drawing of this size.
    pub(crate) const fn new(svg: &'a mut String, size: (u32, u32), ink: Ink) -> Self {
        Self { svg, size, ink, path: None }
    }

    fn paint(&self, attribute: &str) -> String {
        paint(attribute, self.ink.get())
    }

    /// A path, in the element before if that looks alike.
    fn go_on(&mut self, look: String, way: &str) -> Drawn {
        if self.path.as_ref() == Some(&look) {
            self.svg.truncate(self.svg.len() - END.len());
        } else {
            write!(self.svg, "{look} d=\"").expect("a string takes what is written to it");
        }
        write!(self.svg, "{way}{END}").expect("a string takes what is written to it");
        self.path = Some(look);
        Ok(())
    }

    fn element(&mut self, element: &str) -> Drawn {
        self.path = None;
        self.svg.push_str(element);
        self.svg.push('\n');
        Ok(())
    }
}

/// In which sense an outline goes round.
fn turns_left(points: &[BackendCoord]) -> bool {
    let twice = |one: BackendCoord, two: BackendCoord| {
        i64::from(one.0) * i64::from(two.1) - i64::from(two.0) * i64::from(one.1)
    };
    let next = points.iter().skip(1).chain(points.first());
    points.iter().zip(next).map(|(&one, &two)| twice(one, two)).sum::<i64>() < 0
}

/// The end of a path, which is open for another.
const END: &str = "\"/>\n";

/// The way through points, by how far each is from the one before.
fn way(points: impl IntoIterator<Item = BackendCoord>) -> String {
    let mut way = String::new();
    let mut last: Option<BackendCoord> = None;
    let mut command = ' ';
    for (x, y) in points {
        let (next, numbers) = match last.map(|(from_x, from_y)| (x - from_x, y - from_y)) {
            None => ('M', vec![x, y]),
            Some((0, 0)) => continue,
            Some((along, 0)) => ('h', vec![along]),
            Some((0, down)) => ('v', vec![down]),
            Some((along, down)) => ('l', vec![along, down]),
        };
        let mut separated = command != next;
        if separated {
            way.push(next);
        }
        for number in numbers {
            // A minus sign separates as well.
            if !separated && number >= 0 {
                way.push(' ');
            }
            separated = false;
            write!(way, "{number}").expect("a string takes what is written to it");
        }
        (last, command) = (Some((x, y)), next);
    }
    way
}

impl DrawingBackend for Pen<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, _: BackendColor) -> Drawn {
        let paint = self.paint("fill");
        self.element(&format!("<rect x=\"{x}\" y=\"{y}\" width=\"1\" height=\"1\" {paint}/>"))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let look = format!("<path fill=\"none\" {} stroke-width=\"{}\"", self.paint("stroke"), style.stroke_width());
        self.go_on(look, &way(path))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Drawn {
        let (paint, alpha) = (self.paint("fill"), style.color().alpha);
        let points: Vec<BackendCoord> = points.into_iter().collect();
        let way = format!("{}z", way(points.iter().copied()));
        if alpha < 1.0 {
            return self.element(&format!("<path {paint} opacity=\"{alpha}\" d=\"{way}\"/>"));
        }
        // Two that go round in opposite senses would be a hole where they meet.
        let look = format!("<path {paint}{}", if turns_left(&points) { " stroke=\"none\"" } else { "" });
        self.go_on(look, &way)
    }

    fn draw_circle<S: BackendStyle>(&mut self, (x, y): BackendCoord, radius: u32, _: &S, _: bool) -> Drawn {
        let paint = self.paint("fill");
        self.element(&format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {paint}/>"))
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        let weight = if matches!(style.style(), FontStyle::Bold) { " font-weight=\"bold\"" } else { "" };
        let mut element = String::new();
        write!(
            element,
            "<text x=\"{x}\" y=\"{y}\" dy=\"0.5ex\"{anchor} font-size=\"{}\" {}{weight}>{}</text>",
            style.size(),
            self.paint("fill"),
            escaped(text)
        )
        .expect("a string takes what is written to it");
        debug_assert!(matches!(style.transform(), FontTransform::None), "no text of ours is turned");
        self.element(&element)
    }
}

/// What plotters is told of a colour: the light one.
pub(crate) const fn told(colour: Colour) -> RGBColor {
    let [red, green, blue] = colour.light_rgb();
    RGBColor(red, green, blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_short_and_goes_through_its_points() {
        assert_eq!(way([(10, 20), (30, 20), (30, 25), (27, 21), (30, 20)]), "M10 20h20v5l-3-4 3-1");
        assert!(turns_left(&[(0, 0), (0, 9), (9, 9)]) && !turns_left(&[(0, 0), (9, 9), (0, 9)]));
        assert_eq!(way([(1, -2), (1, -2), (5, -2), (9, -2)]), "M1-2h4 4");
    }
}
