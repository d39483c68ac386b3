//! A page with rows and columns of panels, each with its own axes: title, keys, panels, and a caption.

use crate::canvas::{Align, Canvas, Font};
use crate::page::{Key, LABEL, MARGIN, NOTE, PANEL_TITLE, Panel, TITLE, draw_caption, draw_keys};
use crate::style::INK;
use crate::words::wrapped;

const WIDTH: f64 = 1180.0;
/// Between the columns.
const GAP: f64 = 24.0;
/// Above a panel, for its title; and above a row, for a heading.
const TITLE_ROOM: (f64, f64) = (30.0, 34.0);

const SMALL_TITLE: Font = Font { size: 13.0, bold: true, colour: INK };

/// What a sheet is made of.
pub(crate) struct Layout {
    pub(crate) title: String,
    pub(crate) keys: Vec<Key>,
    /// Headings of the rows; empty ones take no room.
    pub(crate) rows: Vec<String>,
    /// Titles of the panels, row by row; fewer than the rows hold leave the last places empty.
    pub(crate) panels: Vec<String>,
    pub(crate) columns: usize,
    /// To the left of every panel, and below it.
    pub(crate) rooms: (f64, f64),
    /// Height of a panel.
    pub(crate) height: f64,
    pub(crate) x_title: String,
}

/// A sheet whose panels are to be filled.
pub(crate) struct Sheet {
    pub(crate) canvas: Canvas,
    /// Row by row.
    pub(crate) panels: Vec<Panel>,
    title: String,
    bottom: f64,
}

impl Sheet {
    /// Draws everything but what belongs to the panels and the caption.
    pub(crate) fn new(layout: &Layout) -> Self {
        let mut canvas = Canvas::default();
        let mut y = MARGIN + 12.0;
        for line in wrapped(&layout.title, TITLE, WIDTH - 2.0 * MARGIN) {
            canvas.text((MARGIN, y), &line, TITLE, Align::Left);
            y += 28.0;
        }
        if !layout.keys.is_empty() {
            y = draw_keys(&mut canvas, &layout.keys, (MARGIN, y + 6.0), WIDTH - 2.0 * MARGIN) + 22.0;
        }
        let n = layout.columns as f64;
        let each = (WIDTH - 2.0 * MARGIN - 6.0 - n * layout.rooms.0 - (n - 1.0) * GAP) / n;
        let mut panels = Vec::new();
        for (row, titles) in layout.panels.chunks(layout.columns).enumerate() {
            if let Some(heading) = layout.rows.get(row).filter(|heading| !heading.is_empty()) {
                y += TITLE_ROOM.1;
                canvas.text((MARGIN, y - 8.0), heading, PANEL_TITLE, Align::Left);
            }
            y += TITLE_ROOM.0;
            let mut left = MARGIN;
            for title in titles {
                canvas.text((left, y - 15.0), title, SMALL_TITLE, Align::Left);
                left += layout.rooms.0;
                panels.push(Panel { left, right: left + each, top: y, bottom: y + layout.height });
                left += each + GAP;
            }
            y += layout.height + layout.rooms.1;
        }
        if !layout.x_title.is_empty() {
            y += 16.0;
            canvas.text((WIDTH / 2.0, y), &layout.x_title, LABEL, Align::Centre);
            y += 6.0;
        }
        Self { canvas, panels, title: layout.title.clone(), bottom: y + 26.0 }
    }

    /// Says in a panel that there is nothing to draw.
    pub(crate) fn no_value(&mut self, panel: &Panel) {
        self.canvas.text(panel.at(0.5, 0.5), "no value", NOTE, Align::Centre);
    }

    /// Writes the caption and makes the SVG.
    pub(crate) fn finished(mut self, caption: &str) -> String {
        let height = draw_caption(&mut self.canvas, caption, self.bottom, WIDTH);
        self.canvas.svg(WIDTH, height, &self.title)
    }
}
