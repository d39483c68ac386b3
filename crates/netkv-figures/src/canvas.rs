//! A display list in pixels, drawn by plotters' SVG backend and, from that SVG, as PNG by resvg.
//!
//! plotters draws at whole coordinates, so everything is drawn at eight times its size and the header is rewritten:
//! precise to an eighth of a pixel. The font is the vendored subset of DejaVu Sans, for measuring and for the PNG.

use crate::markup::escaped;
use crate::style::{Marker, WHITE};
use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use resvg::{tiny_skia, usvg};
use std::sync::{Arc, Once};

/// Drawing units in a pixel.
const FINE: f64 = 8.0;
/// plotters writes a font size divided by this.
const FONT_FACTOR: f64 = 1.24;
/// Height of a line of DejaVu Sans: its ascent and descent, 1901 and 483, in units of its em, 2048.
const LINE_HEIGHT_EM: f64 = (1901.0 + 483.0) / 2048.0;
/// Pixels of the PNG for one of the SVG.
const PNG_SCALE: f32 = 2.0;
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
    pub(crate) colour: RGBColor,
}

/// A point in pixels, from the upper left.
pub(crate) type Point = (f64, f64);

enum Shape {
    Line { points: Vec<Point>, colour: RGBColor, width: f64 },
    Area { points: Vec<Point>, colour: RGBColor, alpha: f64 },
    Disc { centre: Point, radius: f64, colour: RGBColor },
    Text { at: Point, words: String, font: Font, align: Align },
}

/// Shapes in the order in which they are drawn; patches come last.
#[derive(Default)]
pub(crate) struct Canvas {
    shapes: Vec<Shape>,
    patches: Vec<String>,
}

impl Canvas {
    pub(crate) fn line(&mut self, points: &[Point], colour: RGBColor, width: f64) {
        self.shapes.push(Shape::Line { points: points.to_vec(), colour, width });
    }

    /// A line of dashes, whose phase runs on through its corners.
    pub(crate) fn dashed(&mut self, points: &[Point], colour: RGBColor, width: f64, dash: (f64, f64)) {
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

    pub(crate) fn area(&mut self, points: &[Point], colour: RGBColor, alpha: f64) {
        self.shapes.push(Shape::Area { points: points.to_vec(), colour, alpha });
    }

    pub(crate) fn rectangle(&mut self, from: Point, to: Point, colour: RGBColor, alpha: f64) {
        self.area(&[from, (to.0, from.1), to, (from.0, to.1)], colour, alpha);
    }

    /// Rectangles of one colour, on top of everything and without soft edges. They are one path of the SVG: thousands
    /// of them stay a small file, which as plotters' polygons they would not.
    pub(crate) fn patches(&mut self, rectangles: &[(Point, Point)], colour: RGBColor) {
        let RGBColor(red, green, blue) = colour;
        let mut path = format!("<path fill=\"#{red:02X}{green:02X}{blue:02X}\" shape-rendering=\"crispEdges\" d=\"");
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

    /// A marker with a white rim; a hollow one stands for a point of which runs failed.
    pub(crate) fn marker(&mut self, at: Point, marker: Marker, radius: f64, colour: RGBColor, hollow: bool) {
        let radius = if hollow { radius * 1.25 } else { radius };
        self.one_marker(at, marker, radius + 1.2, WHITE);
        self.one_marker(at, marker, radius, colour);
        if hollow {
            self.one_marker(at, marker, radius * 0.6, WHITE);
        }
    }

    /// The outline of a marker; what is behind it shows through.
    pub(crate) fn open_marker(&mut self, at: Point, marker: Marker, radius: f64, colour: RGBColor) {
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

    fn one_marker(&mut self, at: Point, marker: Marker, radius: f64, colour: RGBColor) {
        match marker.outline() {
            None => self.shapes.push(Shape::Disc { centre: at, radius, colour }),
            Some(outline) => {
                let points: Vec<Point> = outline.iter().map(|&(x, y)| (at.0 + x * radius, at.1 + y * radius)).collect();
                self.area(&points, colour, 1.0);
            }
        }
    }

    /// The SVG, `width` by `height` pixels.
    pub(crate) fn svg(&self, width: f64, height: f64, title: &str) -> Result<String> {
        register_fonts();
        let (width, height) = (width.ceil(), height.ceil());
        let mut drawn = String::new();
        let root =
            SVGBackend::with_string(&mut drawn, ((width * FINE) as u32, (height * FINE) as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        for shape in &self.shapes {
            draw(&root, shape)?;
        }
        root.present()?;
        drop(root);
        let body = drawn.split_once('>').ok_or_else(|| anyhow!("plotters drew no SVG"))?.1;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
             role=\"img\" aria-label=\"{}\" stroke-linejoin=\"round\">",
            width * FINE,
            height * FINE,
            escaped(title)
        );
        let body = body.trim_end().strip_suffix("</svg>").ok_or_else(|| anyhow!("plotters drew half an SVG"))?;
        // Line breaks within a text element count as spaces in some viewers.
        let mut in_text = false;
        for line in body.replace("font-family=\"sans-serif\"", &format!("font-family=\"{FAMILIES}\"")).lines() {
            if !in_text {
                svg.push('\n');
            }
            in_text = (in_text || line.starts_with("<text")) && line != "</text>";
            svg.push_str(line);
        }
        for patches in &self.patches {
            svg.push('\n');
            svg.push_str(patches);
        }
        svg.push_str("\n</svg>\n");
        Ok(svg)
    }
}

fn fine(point: Point) -> (i32, i32) {
    ((point.0 * FINE).round() as i32, (point.1 * FINE).round() as i32)
}

fn draw(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    shape: &Shape,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>> {
    match shape {
        Shape::Line { points, colour, width } => {
            let style = colour.stroke_width((width * FINE).round() as u32);
            root.draw(&PathElement::new(points.iter().copied().map(fine).collect::<Vec<_>>(), style))
        }
        Shape::Area { points, colour, alpha } => {
            root.draw(&Polygon::new(points.iter().copied().map(fine).collect::<Vec<_>>(), colour.mix(*alpha).filled()))
        }
        Shape::Disc { centre, radius, colour } => {
            root.draw(&Circle::new(fine(*centre), (radius * FINE).round() as u32, colour.filled()))
        }
        Shape::Text { at, words, font, align } => {
            let horizontal = match align {
                Align::Left => HPos::Left,
                Align::Centre => HPos::Center,
                Align::Right => HPos::Right,
            };
            let style = TextStyle::from(described(*font, FINE).into_font())
                .color(&font.colour)
                .pos(Pos::new(horizontal, VPos::Center));
            root.draw(&Text::new(words.clone(), fine(*at), style))
        }
    }
}

fn described(font: Font, scale: f64) -> (&'static str, f64, FontStyle) {
    let style = if font.bold { FontStyle::Bold } else { FontStyle::Normal };
    ("sans-serif", font.size * FONT_FACTOR * scale, style)
}

/// Width of a text, in pixels.
pub(crate) fn text_width(words: &str, font: Font) -> f64 {
    register_fonts();
    // plotters takes the size for the height of a line, while SVG takes it for the em.
    let (width, _) = described(font, FINE).into_font().box_size(words).expect("the vendored font is registered");
    f64::from(width) / (FINE * FONT_FACTOR) * LINE_HEIGHT_EM
}

fn register_fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (style, bytes) in [(FontStyle::Normal, REGULAR), (FontStyle::Bold, BOLD)] {
            assert!(
                plotters::style::register_font("sans-serif", style, bytes).is_ok(),
                "the vendored font can be read"
            );
        }
    });
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
