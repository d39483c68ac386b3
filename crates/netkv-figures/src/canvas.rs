//! A display list in pixels, drawn by plotters as SVG and, from that SVG, as PNG by resvg.
//!
//! plotters draws at whole coordinates, so everything is drawn at eight times its size: precise to an eighth of a pixel,
//! short, and the same everywhere. The font is the vendored subset of DejaVu Sans,
//! for measuring and for the PNG.

use crate::markup::escaped;
use crate::pen::{Ink, Pen, paint, told};
use crate::style::{Colour, Marker, WHITE};
use ab_glyph::{Font as _, FontRef, GlyphId};
use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::prelude::{Color as _, DrawingArea, FontStyle, IntoDrawingArea as _, IntoFont as _, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use resvg::{tiny_skia, usvg};
use std::sync::{Arc, LazyLock};

/// Drawing units in a pixel.
const FINE: f64 = 8.0;
/// Pixels of the PNG for one of the SVG.
const PNG_SCALE: f32 = 2.0;
/// How near one points at a mark, and between lines that hatch, in pixels.
const TIP_RADIUS: f64 = 9.0;
const HATCH: f64 = 7.0;
/// What the SVG asks for: the first is what was measured.
const FAMILIES: &str = "DejaVu Sans, Verdana, sans-serif";

const REGULAR: &[u8] = include_bytes!("../assets/DejaVuSans.ttf");
const BOLD: &[u8] = include_bytes!("../assets/DejaVuSans-Bold.ttf");

/// Where a text stands in relation to its point; it is centred on it vertically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Font {
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) colour: Colour,
}

/// How a marker is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    Full,
    /// Some runs of the point failed.
    Hollow,
    /// Crossed out: the point is overloaded.
    Crossed,
}

impl Fill {
    /// That of a point of which runs failed, or that is overloaded.
    pub(crate) const fn of(has_failed: bool, is_overloaded: bool) -> Self {
        match (has_failed, is_overloaded) {
            (_, true) => Self::Crossed,
            (true, false) => Self::Hollow,
            (false, false) => Self::Full,
        }
    }
}

/// A point in pixels, from the upper left.
pub(crate) type Point = (f64, f64);

enum Shape {
    Line { points: Vec<Point>, colour: Colour, width: f64 },
    Area { points: Vec<Point>, colour: Colour, alpha: f64 },
    Disc { centre: Point, radius: f64, colour: Colour },
    Text { at: Point, words: String, font: Font, align: Align },
}

/// Shapes in the order in which they are drawn; patches come after them, and what is said about marks comes last.
#[derive(Default)]
pub(crate) struct Canvas {
    shapes: Vec<Shape>,
    patches: Vec<String>,
    /// What is said about marks.
    tips: Vec<String>,
}

impl Canvas {
    pub(crate) fn line(&mut self, points: &[Point], colour: Colour, width: f64) {
        self.shapes.push(Shape::Line { points: points.to_vec(), colour, width });
    }

    /// A line of dashes, whose phase runs on through its corners.
    pub(crate) fn dashed(&mut self, points: &[Point], colour: Colour, width: f64, dash: (f64, f64)) {
        let (mut pen, mut left, mut piece) = (true, dash.0, points.first().copied().into_iter().collect::<Vec<_>>());
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let length = libm::hypot(to.0 - from.0, to.1 - from.1);
            let mut done = 0.0;
            while length - done > left {
                done += left;
                let share = done / length;
                let here = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
                if pen {
                    piece.push(here);
                    self.line(&piece, colour, width);
                }
                piece = vec![here];
                pen = !pen;
                left = if pen { dash.0 } else { dash.1 };
            }
            left -= length - done;
            if pen {
                piece.push(to);
            }
        }
        if pen && piece.len() > 1 {
            self.line(&piece, colour, width);
        }
    }

    pub(crate) fn area(&mut self, points: &[Point], colour: Colour, alpha: f64) {
        self.shapes.push(Shape::Area { points: points.to_vec(), colour, alpha });
    }

    pub(crate) fn rectangle(&mut self, from: Point, to: Point, colour: Colour, alpha: f64) {
        self.area(&[from, (to.0, from.1), to, (from.0, to.1)], colour, alpha);
    }

    /// Rectangles of one colour, on top of everything and without soft edges. They are one path of the SVG: thousands
    /// of them stay a small file.
    pub(crate) fn patches(&mut self, rectangles: &[(Point, Point)], colour: Colour) {
        let mut path = format!("<path {} shape-rendering=\"crispEdges\" d=\"", paint("fill", colour));
        for &(from, to) in rectangles {
            let ((left, top), (right, bottom)) = (fine(from), fine(to));
            let (width, height) = (right - left, bottom - top);
            path.push_str(&format!("M{left} {top}h{width}v{height}h-{width}z"));
        }
        path.push_str("\"/>");
        self.patches.push(path);
    }

    pub(crate) fn text(&mut self, at: Point, words: &str, font: Font, align: Align) {
        self.shapes.push(Shape::Text { at, words: words.to_owned(), font, align });
    }

    /// A marker with a rim of the colour of the page.
    pub(crate) fn marker(&mut self, at: Point, marker: Marker, radius: f64, colour: Colour, fill: Fill) {
        self.markers(&[(at, fill)], marker, radius, colour);
    }

    /// Markers of one look: first all rims, so that those of a line take little room.
    pub(crate) fn markers(&mut self, all: &[(Point, Fill)], marker: Marker, radius: f64, colour: Colour) {
        let radius = |fill: Fill| if fill == Fill::Full { radius } else { radius * 1.25 };
        for &(at, fill) in all {
            self.one_marker(at, marker, radius(fill) + 1.2, WHITE);
        }
        for &(at, fill) in all {
            let radius = radius(fill);
            match fill {
                Fill::Full => self.one_marker(at, marker, radius, colour),
                Fill::Hollow => {
                    self.one_marker(at, marker, radius, colour);
                    self.one_marker(at, marker, radius * 0.6, WHITE);
                }
                Fill::Crossed => {
                    self.open_marker(at, marker, radius, colour);
                    let arm = radius * 1.3;
                    self.line(&[(at.0 - arm, at.1 + arm), (at.0 + arm, at.1 - arm)], colour, 1.6);
                }
            }
        }
    }

    /// The outline of a marker; what is behind it shows through.
    pub(crate) fn open_marker(&mut self, at: Point, marker: Marker, radius: f64, colour: Colour) {
        // A disc is drawn with so many corners.
        const CORNERS: u32 = 32;
        let corner = |index: u32| {
            let angle = f64::from(index) * core::f64::consts::TAU / f64::from(CORNERS);
            (libm::cos(angle), libm::sin(angle))
        };
        let outline = marker.outline().map_or_else(|| (0..CORNERS).map(corner).collect(), <[Point]>::to_vec);
        let first = outline.first().copied();
        let points = outline.into_iter().chain(first).map(|(x, y)| (at.0 + x * radius, at.1 + y * radius));
        self.line(&points.collect::<Vec<_>>(), colour, 1.5);
    }

    fn one_marker(&mut self, at: Point, marker: Marker, radius: f64, colour: Colour) {
        match marker.outline() {
            None => self.shapes.push(Shape::Disc { centre: at, radius, colour }),
            Some(outline) => {
                let points: Vec<Point> = outline.iter().map(|&(x, y)| (at.0 + x * radius, at.1 + y * radius)).collect();
                self.area(&points, colour, 1.0);
            }
        }
    }

    /// Says something about a mark to who points at it: at a point, or within a rectangle. It comes last, and is invisible.
    pub(crate) fn tip(&mut self, at: Point, says: &str) {
        let ((x, y), radius) = (fine(at), FINE * TIP_RADIUS);
        self.tips
            .push(format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"><title>{}</title></circle>", escaped(says)));
    }

    /// The same for all of a rectangle.
    pub(crate) fn tip_over(&mut self, from: Point, to: Point, says: &str) {
        let ((left, top), (right, bottom)) = (fine(from), fine(to));
        let (width, height) = (right - left, bottom - top);
        self.tips.push(format!(
            "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"><title>{}</title></rect>",
            escaped(says)
        ));
    }

    /// Hatches a rectangle.
    pub(crate) fn hatched(&mut self, (left, top): Point, (right, bottom): Point, colour: Colour) {
        let (width, height) = (right - left, bottom - top);
        let mut start = HATCH - height;
        while start < width {
            // From the lower left to the upper right, cut at the sides.
            let (from, to) = (start.max(0.0), (start + height).min(width));
            let point = |across: f64| (left + across, bottom - (across - start));
            self.line(&[point(from), point(to)], colour, 1.0);
            start += HATCH;
        }
    }

    /// The SVG, `width` by `height` pixels. What a colour is on a dark page stands beside it, for a page to use.
    pub(crate) fn svg(&self, width: f64, height: f64, title: &str) -> String {
        let (width, height) = (width.ceil(), height.ceil());
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
             role=\"img\" aria-label=\"{}\" stroke-linejoin=\"round\" font-family=\"{FAMILIES}\">\n\
             <rect width=\"100%\" height=\"100%\" {}/>\n",
            width * FINE,
            height * FINE,
            escaped(title),
            paint("fill", WHITE)
        );
        let size = ((width * FINE) as u32, (height * FINE) as u32);
        let ink = Ink::new(WHITE.into());
        let root = Pen::new(&mut svg, size, Ink::clone(&ink)).into_drawing_area();
        self.shapes.iter().for_each(|shape| draw(&root, &ink, shape));
        drop(root);
        for patches in &self.patches {
            svg.push_str(patches);
            svg.push('\n');
        }
        if !self.tips.is_empty() {
            svg.push_str(&format!(
                "<g class=\"tips\" fill=\"none\" pointer-events=\"all\">\n{}\n</g>\n",
                self.tips.join("\n")
            ));
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn fine(point: Point) -> (i32, i32) {
    (libm::round(point.0 * FINE) as i32, libm::round(point.1 * FINE) as i32)
}

/// Has plotters draw a shape, in both of its colours.
fn draw(root: &DrawingArea<Pen<'_>, Shift>, ink: &Ink, shape: &Shape) {
    let all = |points: &[Point]| points.iter().copied().map(fine).collect::<Vec<_>>();
    let drawn = match shape {
        Shape::Line { points, colour, width } => {
            ink.set(*colour);
            let style = told(*colour).stroke_width(libm::round(width * FINE) as u32);
            root.draw(&PathElement::new(all(points), style))
        }
        Shape::Area { points, colour, alpha } => {
            ink.set(*colour);
            root.draw(&Polygon::new(all(points), told(*colour).mix(*alpha).filled()))
        }
        Shape::Disc { centre, radius, colour } => {
            ink.set(*colour);
            root.draw(&Circle::new(fine(*centre), libm::round(radius * FINE) as u32, told(*colour).filled()))
        }
        Shape::Text { at, words, font, align } => {
            ink.set(font.colour);
            let horizontal = match align {
                Align::Left => HPos::Left,
                Align::Centre => HPos::Center,
                Align::Right => HPos::Right,
            };
            let weight = if font.bold { FontStyle::Bold } else { FontStyle::Normal };
            let colour = told(font.colour);
            let style = TextStyle::from(("sans-serif", font.size * FINE, weight).into_font())
                .color(&colour)
                .pos(Pos::new(horizontal, VPos::Center));
            root.draw(&Text::new(words.clone(), fine(*at), style))
        }
    };
    drawn.expect("a string takes all that is drawn on it");
}

/// Width of a text, in pixels.
pub(crate) fn text_width(words: &str, font: Font) -> f64 {
    static FONTS: LazyLock<[FontRef<'static>; 2]> = LazyLock::new(|| {
        [REGULAR, BOLD].map(|bytes| FontRef::try_from_slice(bytes).expect("the vendored font can be read"))
    });
    let face = &FONTS[usize::from(font.bold)];
    let glyphs: Vec<GlyphId> = words.chars().map(|letter| face.glyph_id(letter)).collect();
    let advances = glyphs.iter().map(|&glyph| face.h_advance_unscaled(glyph)).sum::<f32>();
    let kerning = glyphs.windows(2).map(|pair| face.kern_unscaled(pair[0], pair[1])).sum::<f32>();
    let em = face.units_per_em().expect("the vendored font has an em");
    f64::from((advances + kerning) / em) * font.size
}

/// An SVG that this crate drew as PNG, twice as large.
///
/// # Errors
/// If it cannot be read back or encoded.
pub fn png(svg: &str) -> Result<Vec<u8>> {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(BOLD.to_vec());
    let options =
        usvg::Options { fontdb: Arc::new(fonts), font_family: "DejaVu Sans".to_owned(), ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options).context("cannot read back the SVG")?;
    let size = tree.size();
    let (width, height) = ((size.width() * PNG_SCALE).ceil() as u32, (size.height() * PNG_SCALE).ceil() as u32);
    let mut pixels = tiny_skia::Pixmap::new(width, height).ok_or_else(|| anyhow!("an empty figure"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(PNG_SCALE, PNG_SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| anyhow!("cannot encode the PNG: {error}"))
}
