//! The heat map of one cell's fabric: a row for each link, time from left to right, the share of its capacity that is
//! used as a colour. The scale is the same in every heat map, so that cells can be compared.

use crate::axis::Scale;
use crate::canvas::{Align, Canvas, Point, text_width};
use crate::load::{Block, Load, Picture};
use crate::numbers::{percent, trimmed};
use crate::page::{LABEL, MARGIN, NOTE, PANEL_TITLE, Panel, TICK, TITLE, draw_caption, lower_axis, widest};
use crate::style::{self, Colour};
use crate::words::{self, wrapped};
use anyhow::Result;
use netkv_frames::{Metadata, Table};
use std::collections::BTreeMap;

const WIDTH: f64 = 1180.0;
/// Least mean width of a column, in pixels.
const COLUMN: f64 = 2.0;
/// From a block's rows to the next block's: its title is there.
const BLOCK_GAP: f64 = 34.0;
/// Between the rows of one rack or pod and those of the next.
const GROUP_GAP: f64 = 2.0;
/// Steps of the scale of colours: neighbours of one colour become one rectangle.
const STEPS: f64 = 64.0;
/// Width, height and pieces of the colour bar.
const BAR: (f64, f64, usize) = (260.0, 13.0, 65);

/// Draws the use of a cell's links over time, from the tables of its links in order, as SVG. `metadata` tells
/// `experiment`, `cell`, `coordinates`, `policy`, `trace`, `trace_fallback` and `sim_epoch`.
///
/// # Errors
/// If the tables are not those of links, or there is no window of time in them.
pub fn heat_map(tables: impl IntoIterator<Item = Table>, metadata: &Metadata) -> Result<String> {
    let load = Load::read(tables)?;
    let panels: &[(usize, &str)] = if load.has_background() {
        &[(0, "All traffic"), (1, "KV transfers alone")]
    } else {
        &[(1, "KV transfers (there is no background traffic)")]
    };
    let mut drawing = Drawing::new(&load, panels.len());
    drawing.head(metadata);
    for (index, &(which, title)) in panels.iter().enumerate() {
        drawing.panel(index, which, title);
    }
    let caption = caption(&drawing.picture, metadata);
    Ok(drawing.finished(&caption, &title(metadata)))
}

fn title(metadata: &Metadata) -> String {
    let policy = metadata.get("policy").map_or_else(String::new, |key| format!(", {}", style::policy(key).label));
    format!("How full the fabric's links are over time{policy}")
}

fn caption(picture: &Picture, metadata: &Metadata) -> String {
    let meta = |key: &str| metadata.get(key).map_or("", String::as_str);
    let coordinates = meta("coordinates").replace(' ', ", ");
    let mut sentences = vec![format!("Experiment {}, cell {}: {coordinates}.", meta("experiment"), meta("cell"))];
    sentences.push(words::trace(metadata));
    if let Some(epoch) = metadata.get("sim_epoch") {
        sentences.push(format!("One simulated run, epoch {epoch}."));
    }
    let (start, end) = picture.columns[0];
    sentences.push(format!(
        "A row is {}, a column the mean over {} s of simulated time, from the start to the last token. Shares are of what \
         a link can carry when nothing else uses it; percentages stand for the mean of all links of a kind.",
        picture.row_is,
        trimmed(libm::round((end - start) * 1e6) / 1e6)
    ));
    sentences.join(" ")
}

/// A page that is being drawn.
struct Drawing {
    canvas: Canvas,
    picture: Picture,
    /// Left and right end of each panel.
    across: Vec<(f64, f64)>,
    row_height: f64,
    /// Where the panels' titles stand.
    top: f64,
    bottom: f64,
    /// Rectangles by step of the scale.
    patches: BTreeMap<usize, Vec<(Point, Point)>>,
}

impl Drawing {
    fn new(load: &Load, n_panels: usize) -> Self {
        let gap = 38.0;
        let shape = load.picture(1);
        let names = shape.blocks.iter().flat_map(|block| &block.groups).map(|group| group.0.as_str());
        let left = MARGIN + widest(names, LABEL) + 12.0;
        let width = (WIDTH - MARGIN - 6.0 - left - gap * (n_panels - 1) as f64) / n_panels as f64;
        let across = (0..n_panels).map(|index| left + (width + gap) * index as f64);
        let n_rows: usize = shape.blocks.iter().flat_map(|block| &block.groups).map(|group| group.1.len()).sum();
        let row_height = match n_rows {
            0..=90 => 7.0,
            91..=180 => 5.0,
            _ => 3.0,
        };
        Self {
            canvas: Canvas::default(),
            picture: load.picture((width / COLUMN) as usize),
            across: across.map(|left| (left, left + width)).collect(),
            row_height,
            top: 0.0,
            bottom: 0.0,
            patches: BTreeMap::new(),
        }
    }

    /// Draws the title and the scale of colours.
    fn head(&mut self, metadata: &Metadata) {
        let mut y = MARGIN + 12.0;
        for line in wrapped(&title(metadata), TITLE, WIDTH - 2.0 * MARGIN) {
            self.canvas.text((MARGIN, y), &line, TITLE, Align::Left);
            y += 28.0;
        }
        y += 8.0;
        let words = "Share of capacity used";
        self.canvas.text((MARGIN, y), words, LABEL, Align::Left);
        let left = MARGIN + text_width(words, LABEL) + 14.0;
        let (width, height, pieces) = BAR;
        let (top, bottom) = (y - height / 2.0, y + height / 2.0);
        self.canvas.rectangle((left - 0.5, top - 0.5), (left + width + 0.5, bottom + 0.5), style::AXIS, 1.0);
        for piece in 0..pieces {
            let from = left + width * piece as f64 / pieces as f64;
            let to = left + width * (piece + 1) as f64 / pieces as f64;
            self.patch(((from, top), (to, bottom)), piece as f64 / (pieces - 1) as f64);
        }
        for quarter in 0..=4 {
            let (share, x) = (f64::from(quarter) / 4.0, left + width * f64::from(quarter) / 4.0);
            self.canvas.line(&[(x, bottom), (x, bottom + 4.0)], style::AXIS, 1.25);
            self.canvas.text((x, bottom + 14.0), &percent(share), TICK, Align::Centre);
        }
        self.top = y + 58.0;
    }

    fn patch(&mut self, rectangle: (Point, Point), ratio: f64) {
        let step = libm::round(ratio.clamp(0.0, 1.0) * STEPS) as usize;
        self.patches.entry(step).or_default().push(rectangle);
    }

    /// Draws all blocks of one of the two uses.
    fn panel(&mut self, index: usize, which: usize, title: &str) {
        let (left, right) = self.across[index];
        self.canvas.text((left, self.top), title, PANEL_TITLE, Align::Left);
        let mut y = self.top + 4.0;
        let blocks = std::mem::take(&mut self.picture.blocks);
        for block in &blocks {
            let at = y + BLOCK_GAP - 12.0;
            let mean = format!("mean {}", percent(block.mean[which]));
            self.canvas.text((left, at), &block_title(block), NOTE, Align::Left);
            self.canvas.text((right, at), &mean, NOTE, Align::Right);
            y = self.block(block, index, which, y + BLOCK_GAP);
        }
        self.picture.blocks = blocks;
        let end = self.picture.columns.last().map_or(1.0, |column| column.1);
        let scale = Scale { log: false, low: 0.0, high: end };
        let ticks: Vec<_> = scale.ticks(6).into_iter().map(|(value, label)| (scale.place(value), label)).collect();
        let panel = Panel { left, right, top: self.top, bottom: y + 6.0 };
        lower_axis(&mut self.canvas, &panel, &ticks);
        self.canvas.text(((left + right) / 2.0, y + 46.0), "Simulated time (s)", LABEL, Align::Centre);
        self.bottom = y + 82.0;
    }

    /// Draws the rows of a block from `top` down; returns where they end.
    fn block(&mut self, block: &Block, index: usize, which: usize, top: f64) -> f64 {
        let (mut y, mut last_label) = (top, f64::NEG_INFINITY);
        let (left, right) = self.across[index];
        for (name, rows) in &block.groups {
            let height = self.row_height * rows.len() as f64;
            let middle = y + height / 2.0;
            // A frame, where idle links are as white as the page.
            self.canvas.rectangle((left - 0.5, y - 0.5), (right + 0.5, y + height + 0.5), style::AXIS, 1.0);
            if index == 0 && middle - last_label >= 13.0 {
                self.canvas.text((left - 9.0, middle), name, TICK, Align::Right);
                last_label = middle;
            }
            for row in rows {
                let uses: Vec<f64> = row.uses.iter().map(|uses| uses[which]).collect();
                self.row(&uses, (left, right), y);
                y += self.row_height;
            }
            // Single rows in a close order would be mostly gaps.
            y += if rows.len() > 1 { GROUP_GAP } else { 0.0 };
        }
        y
    }

    /// Draws a row; neighbours of one colour are one rectangle.
    fn row(&mut self, uses: &[f64], (left, right): (f64, f64), y: f64) {
        let end = self.picture.columns.last().map_or(1.0, |column| column.1);
        // Whole pixels of the PNG, which has two for one of the SVG.
        let x = |time: f64| libm::round((left + (right - left) * time / end) * 2.0) / 2.0;
        let step = |ratio: f64| libm::round(ratio.clamp(0.0, 1.0) * STEPS);
        let mut first = 0;
        for column in 0..uses.len() {
            let next = uses.get(column + 1);
            if next.is_none_or(|&next| step(next) != step(uses[column])) {
                let (from, to) = (x(self.picture.columns[first].0), x(self.picture.columns[column].1));
                self.patch(((from, y), (to, y + self.row_height)), uses[column]);
                first = column + 1;
            }
        }
    }

    fn finished(mut self, caption: &str, title: &str) -> String {
        for (step, rectangles) in &self.patches {
            let colour: Colour = style::shade(*step as f64 / STEPS);
            self.canvas.patches(rectangles, colour);
        }
        let height = draw_caption(&mut self.canvas, caption, self.bottom, WIDTH);
        self.canvas.svg(WIDTH, height, title)
    }
}

/// "Pod to cores", or the other way round.
fn block_title(block: &Block) -> String {
    let is_up = block.direction == "up";
    match (block.kind.as_str(), is_up) {
        ("nvlink", true) => "GPU to NVLink".to_owned(),
        ("nvlink", false) => "NVLink to GPU".to_owned(),
        ("nic", true) => "NIC to leaf switch".to_owned(),
        ("nic", false) => "Leaf switch to NIC".to_owned(),
        ("rack", true) => "Leaf switch to spines".to_owned(),
        ("rack", false) => "Spines to leaf switch".to_owned(),
        ("pod", true) => "Pod to cores".to_owned(),
        ("pod", false) => "Cores to pod".to_owned(),
        (other, _) => format!("{other}, {}", block.direction),
    }
}
