//! What all figures share: a title, one row of keys, a panel for each regime, and a caption.

use crate::canvas::{Align, Canvas, Fill, Font, Point, text_width};
use crate::fields::{self, Mark};
use crate::style::{self, AXIS, Colour, INK, MUTED, Marker, PolicyStyle};
use crate::words::wrapped;
use netkv_verdict::Effect;

pub(crate) const TITLE: Font = Font { size: 21.0, bold: true, colour: INK };
pub(crate) const PANEL_TITLE: Font = Font { size: 15.0, bold: true, colour: INK };
pub(crate) const LABEL: Font = Font { size: 13.0, bold: false, colour: INK };
pub(crate) const NOTE: Font = Font { size: 12.0, bold: false, colour: MUTED };
pub(crate) const TICK: Font = Font { size: 12.5, bold: false, colour: MUTED };

/// White space around everything.
pub(crate) const MARGIN: f64 = 32.0;
const CAPTION_LINE: f64 = 17.5;
/// Titles of panels become no smaller than this share of their size.
const LEAST_FONT: f64 = 0.72;

/// An entry of the row of keys.
pub(crate) enum Key {
    /// A line and its marker.
    Line(PolicyStyle),
    /// A part of a bar.
    Patch(String, Colour),
    /// A marker.
    Marker(String, Marker, Colour),
    /// An open marker.
    Open(String),
    /// Words about the keys after them.
    Words(String),
    /// A field of a map.
    Field(String, Colour, Mark),
    /// The scale of a map's colours, from one change to another; it stands last, since its ticks are below it.
    Scale(String, f64, f64),
}

/// A rectangle that data is drawn in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

impl Panel {
    /// The point at shares of width (from the left) and height (from the bottom).
    pub(crate) fn at(&self, across: f64, up: f64) -> Point {
        (self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top))
    }
}

/// What a page is made of.
pub(crate) struct Head {
    pub(crate) title: String,
    pub(crate) keys: Vec<Key>,
    /// Title and description of each panel.
    pub(crate) regimes: Vec<(String, String)>,
    /// Stands above the axis.
    pub(crate) y_title: String,
    pub(crate) x_title: String,
    /// Room for labels to the left of the first panel, and of each other one.
    pub(crate) label_room: (f64, f64),
    /// Height of the panels.
    pub(crate) height: f64,
}

/// How many panels stand beside each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns(usize);

impl Columns {
    /// Up to four in one row; more of them in rows of three.
    const fn of(n_panels: usize) -> Self {
        Self(if n_panels <= 4 { n_panels } else { 3 })
    }

    /// Whether a panel is the first of its row.
    pub(crate) const fn first(self, panel: usize) -> bool {
        panel.is_multiple_of(self.0)
    }
}

/// A page whose panels are to be filled.
pub(crate) struct Page {
    pub(crate) canvas: Canvas,
    /// Row by row.
    pub(crate) panels: Vec<Panel>,
    pub(crate) columns: Columns,
    title: String,
    width: f64,
    bottom: f64,
}

impl Page {
    /// Draws everything but what belongs to the panels and the caption.
    pub(crate) fn new(head: &Head) -> Self {
        let columns = Columns::of(head.regimes.len());
        let n = columns.0;
        let width = match n {
            1 => 820.0,
            2 => 1000.0,
            3 => 1180.0,
            more => 1180.0 + 360.0 * (more - 3) as f64,
        };
        let mut canvas = Canvas::default();
        let mut y = MARGIN + 12.0;
        for line in wrapped(&head.title, TITLE, width - 2.0 * MARGIN) {
            canvas.text((MARGIN, y), &line, TITLE, Align::Left);
            y += 28.0;
        }
        y = draw_keys(&mut canvas, &head.keys, (MARGIN, y + 6.0), width - 2.0 * MARGIN) + 40.0;
        let mut page = Self { canvas, panels: Vec::new(), columns, title: head.title.clone(), width, bottom: y };
        for (row, titles) in head.regimes.chunks(n).enumerate() {
            // Below the tick labels of the row above.
            let from = if row == 0 { y } else { page.bottom + 56.0 };
            page.add_row(head, titles, from);
        }
        let bottom = page.bottom + 48.0;
        let middle = (page.panels[0].left + page.right()) / 2.0;
        page.canvas.text((middle, bottom), &head.x_title, LABEL, Align::Centre);
        page.bottom = bottom + 34.0;
        page
    }

    /// Adds a row of panels, and their titles from `y` on.
    fn add_row(&mut self, head: &Head, titles: &[(String, String)], y: f64) {
        let n = self.columns.0;
        let titled = head.regimes.iter().any(|regime| !regime.0.is_empty());
        let top = y + if titled { 40.0 } else { 0.0 } + if head.y_title.is_empty() { 0.0 } else { 22.0 };
        let rooms = head.label_room.0 + head.label_room.1 * (n - 1) as f64;
        let gap = 26.0;
        let each = (self.width - 2.0 * MARGIN - 6.0 - rooms - gap * (n - 1) as f64) / n as f64;
        let mut left = MARGIN + head.label_room.0;
        for (column, (name, description)) in titles.iter().enumerate() {
            for (words, font, y) in [(name, PANEL_TITLE, y), (description, NOTE, y + 20.0)] {
                let (words, font) = fitted(words, font, each + gap / 2.0);
                self.canvas.text((left, y), &words, font, Align::Left);
            }
            if !head.y_title.is_empty() && (column == 0 || head.label_room.1 > 0.0) {
                let start = left - if column == 0 { head.label_room.0 } else { head.label_room.1 };
                self.canvas.text((start, top - 20.0), &head.y_title, NOTE, Align::Left);
            }
            self.panels.push(Panel { left, right: left + each, top, bottom: top + head.height });
            left += each + gap + head.label_room.1;
        }
        self.bottom = top + head.height;
    }

    /// The right end of the first row.
    pub(crate) fn right(&self) -> f64 {
        self.panels[self.columns.0 - 1].right
    }

    /// Writes the caption and makes the SVG.
    pub(crate) fn finished(mut self, caption: &str) -> String {
        let height = draw_caption(&mut self.canvas, caption, self.bottom, self.width);
        self.canvas.svg(self.width, height, &self.title)
    }
}

/// Words no wider than `room`: smaller, and cut short if that does not do.
fn fitted(words: &str, font: Font, room: f64) -> (String, Font) {
    let width = text_width(words, font);
    let font = Font { size: font.size * (room / width).clamp(LEAST_FONT, 1.0), ..font };
    let mut kept = words.to_owned();
    while text_width(&kept, font) > room && kept.pop().is_some() {}
    if kept.len() < words.len() {
        kept.pop();
        kept.push('…');
    }
    (kept, font)
}

/// Draws the caption of a page `width` wide below `top`; returns the height of the whole page.
pub(crate) fn draw_caption(canvas: &mut Canvas, caption: &str, top: f64, width: f64) -> f64 {
    let rule = top - 14.0;
    canvas.line(&[(MARGIN, rule), (width - MARGIN, rule)], style::GRID, 1.0);
    let mut y = top + 6.0;
    for line in wrapped(caption, NOTE, width - 2.0 * MARGIN) {
        canvas.text((MARGIN, y), &line, NOTE, Align::Left);
        y += CAPTION_LINE;
    }
    y + MARGIN - 14.0
}

/// Draws the keys in as many rows as it takes, from the upper left; returns the last row's height.
pub(crate) fn draw_keys(canvas: &mut Canvas, keys: &[Key], (left, top): Point, room: f64) -> f64 {
    let (mut x, mut y) = (left, top);
    for key in keys {
        let (label, sample) = match key {
            Key::Line(look) => (look.label.clone(), 32.0),
            Key::Patch(label, _) | Key::Marker(label, ..) | Key::Open(label) => (label.clone(), 14.0),
            Key::Words(label) => (label.clone(), -7.0),
            Key::Field(label, ..) => (label.clone(), FIELD.0),
            Key::Scale(label, ..) => (label.clone(), SCALE.0),
        };
        let width = sample + 7.0 + text_width(&label, LABEL);
        if x + width > left + room && x > left {
            (x, y) = (left, y + 24.0);
        }
        match key {
            Key::Line(look) => draw_line_sample(canvas, look, (x, y)),
            Key::Patch(_, colour) => canvas.rectangle((x, y - 7.0), (x + 14.0, y + 7.0), *colour, 1.0),
            Key::Marker(_, marker, colour) => {
                canvas.marker((x + 7.0, y), *marker, marker_radius(*marker), *colour, Fill::Full);
            }
            Key::Open(_) => canvas.open_marker((x + 7.0, y), Marker::Disc, 7.0, MUTED),
            Key::Words(_) => {}
            Key::Field(_, colour, mark) => {
                let (from, to) = ((x, y - FIELD.1 / 2.0), (x + FIELD.0, y + FIELD.1 / 2.0));
                fields::draw(canvas, from, to, *colour, *mark);
                if *mark == Mark::KeepsUp {
                    fields::draw_yes(canvas, (x + FIELD.0 / 2.0, y), 9.0, INK);
                }
            }
            Key::Scale(_, low, high) => draw_scale(canvas, (x, y), (*low, *high)),
        }
        canvas.text((x + sample + 7.0, y), &label, LABEL, Align::Left);
        x += width + 18.0;
    }
    y
}

/// Width and height of a sample of a field, and of a scale.
const FIELD: (f64, f64) = (24.0, 16.0);
const SCALE: (f64, f64) = (260.0, 13.0);

/// The scale of a map's colours, step by step.
fn draw_scale(canvas: &mut Canvas, (left, y): Point, (low, high): (f64, f64)) {
    let (top, bottom) = (y - SCALE.1 / 2.0, y + SCALE.1 / 2.0);
    canvas.rectangle((left - 0.5, top - 0.5), (left + SCALE.0 + 0.5, bottom + 0.5), AXIS, 1.0);
    let place = |change: f64| left + SCALE.0 * (change - low) / (high - low);
    let width = fields::FULL / fields::STEPS as f64;
    let n = libm::round((high - low) / width) as usize;
    for piece in 0..n {
        let from = low + width * piece as f64;
        let effect = if from < 0.0 { Effect::Pays } else { Effect::Harms };
        let colour = fields::colour(effect, from + width / 2.0);
        canvas.patches(&[((place(from), top), (place(from + width), bottom))], colour);
    }
    for change in [-50.0, -25.0, 0.0, 25.0, 50.0].into_iter().filter(|change| (low..=high).contains(change)) {
        let x = place(change);
        canvas.line(&[(x, bottom), (x, bottom + 4.0)], AXIS, 1.25);
        // Changes beyond the ends have their colours.
        let beyond = if change == fields::FULL {
            "≥ "
        } else if change == -fields::FULL {
            "≤ "
        } else {
            ""
        };
        let label = format!("{beyond}{}", crate::numbers::signed(change, 0));
        canvas.text((x, bottom + 13.0), &label, TICK, Align::Centre);
    }
}

fn draw_line_sample(canvas: &mut Canvas, look: &PolicyStyle, at: Point) {
    let line = [at, (at.0 + 32.0, at.1)];
    if look.dashed {
        canvas.dashed(&line, look.colour, look.width, DASH);
    } else {
        canvas.line(&line, look.colour, look.width);
    }
    canvas.marker((at.0 + 16.0, at.1), look.marker, marker_radius(look.marker), look.colour, Fill::Full);
}

/// Dash and gap of a line that is a bound.
pub(crate) const DASH: (f64, f64) = (5.0, 3.5);

/// Radius of a marker, in pixels.
pub(crate) const fn marker_radius(marker: Marker) -> f64 {
    match marker {
        Marker::Disc => 4.8,
        Marker::Square | Marker::Diamond | Marker::Up | Marker::Down | Marker::Plus | Marker::Star => 3.9,
    }
}

/// A horizontal grid line with its label, if it has one.
pub(crate) fn grid_line(canvas: &mut Canvas, panel: &Panel, up: f64, label: Option<&str>) {
    let (from, to) = (panel.at(0.0, up), panel.at(1.0, up));
    canvas.line(&[from, to], style::GRID, 1.0);
    if let Some(label) = label {
        canvas.text((from.0 - 9.0, from.1), label, TICK, Align::Right);
    }
}

/// The lower axis, with ticks at shares of its width; a label that would touch the one before is left out.
pub(crate) fn lower_axis(canvas: &mut Canvas, panel: &Panel, ticks: &[(f64, String)]) {
    canvas.line(&[panel.at(0.0, 0.0), panel.at(1.0, 0.0)], AXIS, 1.25);
    let mut free_from = f64::NEG_INFINITY;
    for (across, label) in ticks {
        let (x, y) = panel.at(*across, 0.0);
        canvas.line(&[(x, y), (x, y + 5.0)], AXIS, 1.25);
        let half = text_width(label, TICK) / 2.0;
        if x - half >= free_from {
            canvas.text((x, y + 17.0), label, TICK, Align::Centre);
            free_from = x + half + 4.0;
        }
    }
}

/// The widest of the labels, in pixels.
pub(crate) fn widest<'a>(labels: impl Iterator<Item = &'a str>, font: Font) -> f64 {
    labels.map(|label| text_width(label, font)).fold(0.0, f64::max)
}
