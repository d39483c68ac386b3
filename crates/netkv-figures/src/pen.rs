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
}

/// An attribute of a colour, and what the colour is on a dark page.
pub(crate) fn paint(attribute: &str, colour: Colour) -> String {
    format!("{attribute}=\"{}\" style=\"--d:{}\"", colour.light(), colour.dark())
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl<'a> Pen<'a> {
    /// A pen that adds elements to `svg`, of a drawing of this size.
    pub(crate) const fn new(svg: &'a mut String, size: (u32, u32), ink: Ink) -> Self {
        Self { svg, size, ink }
    }

    fn paint(&self, attribute: &str) -> String {
        paint(attribute, self.ink.get())
    }

    fn element(&mut self, element: &str) -> Drawn {
        self.svg.push_str(element);
        self.svg.push('\n');
        Ok(())
    }
}

fn listed(points: impl IntoIterator<Item = BackendCoord>) -> String {
    points.into_iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
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
        let (paint, width) = (self.paint("stroke"), style.stroke_width());
        self.element(&format!("<polyline fill=\"none\" {paint} stroke-width=\"{width}\" points=\"{}\"/>", listed(path)))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Drawn {
        let (paint, alpha) = (self.paint("fill"), style.color().alpha);
        let opacity = if alpha < 1.0 { format!(" opacity=\"{alpha}\"") } else { String::new() };
        self.element(&format!("<polygon {paint}{opacity} points=\"{}\"/>", listed(points)))
    }

    fn draw_circle<S: BackendStyle>(&mut self, (x, y): BackendCoord, radius: u32, _: &S, _: bool) -> Drawn {
        let paint = self.paint("fill");
        self.element(&format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {paint}/>"))
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let anchor = match style.anchor().h_pos {
            HPos::Left => "start",
            HPos::Center => "middle",
            HPos::Right => "end",
        };
        let weight = if matches!(style.style(), FontStyle::Bold) { " font-weight=\"bold\"" } else { "" };
        let mut element = String::new();
        write!(
            element,
            "<text x=\"{x}\" y=\"{y}\" dy=\"0.5ex\" text-anchor=\"{anchor}\" font-size=\"{}\" {}{weight}>{}</text>",
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
