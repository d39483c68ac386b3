//! A heat map with numbers in its cells: ours, and under each what the paper prints.

use super::{At, Source};
use crate::canvas::{Align, Canvas, Font};
use crate::page::{LABEL, MARGIN, NOTE, PANEL_TITLE, TITLE, draw_caption};
use crate::style::{INK, MUTED, RGBColor, WHITE};
use crate::words::wrapped;
use anyhow::{Context, Result};
use netkv_claims::{Measure, change_percent, same};

const WIDTH: f64 = 1180.0;
const ROW: f64 = 46.0;
const LEFT: f64 = 52.0;

/// A figure of one number at each crossing of two axes, in panels by a third: how much a policy's mean of a metric is
/// below that of another, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub(crate) panels: (&'static str, fn(&str) -> String),
    pub(crate) rows: (&'static str, &'static str, fn(&str) -> String),
    pub(crate) columns: (&'static str, &'static str, fn(&str) -> String),
    pub(crate) metric: &'static str,
    pub(crate) policy: &'static str,
    pub(crate) against: &'static str,
}

/// Light to dark for a gain, and one colour for a loss; the ends of Okabe and Ito's palette.
const NONE: RGBColor = RGBColor(247, 250, 252);
const MOST: RGBColor = RGBColor(0, 114, 178);
const LOSS: RGBColor = RGBColor(213, 94, 0);

fn mixed(to: RGBColor, share: f64) -> RGBColor {
    let mix = |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * share.clamp(0.0, 1.0)) as u8;
    RGBColor(mix(NONE.0, to.0), mix(NONE.1, to.1), mix(NONE.2, to.2))
}

impl Grid {
    pub(crate) fn draw(&self, source: &Source<'_>, title: &str) -> Result<String> {
        let (panels, rows) = (source.values(self.panels.0)?, source.values(self.rows.0)?);
        let columns = source.values(self.columns.0)?;
        let mut canvas = Canvas::default();
        let mut y = MARGIN + 12.0;
        for line in wrapped(title, TITLE, WIDTH - 2.0 * MARGIN) {
            canvas.text((MARGIN, y), &line, TITLE, Align::Left);
            y += 28.0;
        }
        canvas.text((MARGIN, y + 4.0), "Ours; small: printed in the paper. Percent.", LABEL, Align::Left);
        let top = y + 76.0;
        let each = (WIDTH - 2.0 * MARGIN) / panels.len() as f64;
        for (index, name) in panels.iter().enumerate() {
            let left = MARGIN + each * index as f64 + LEFT;
            let width = (each - LEFT - 14.0) / columns.len() as f64;
            canvas.text((left, top - 42.0), &(self.panels.1)(name), PANEL_TITLE, Align::Left);
            canvas.text((left, top - 18.0), self.columns.1, NOTE, Align::Left);
            for (row, value) in rows.iter().enumerate() {
                let from = top + ROW * row as f64;
                canvas.text((left - 8.0, from + ROW / 2.0), &(self.rows.2)(value), NOTE, Align::Right);
                for (column, other) in columns.iter().enumerate() {
                    let at = [(self.panels.0, name), (self.rows.0, value), (self.columns.0, other)];
                    let at: At = at.into_iter().map(|(axis, value)| (axis.to_owned(), value.clone())).collect();
                    let corner = (left + width * column as f64, from);
                    self.draw_cell(&mut canvas, source, &at, corner, width)?;
                }
            }
            let bottom = top + ROW * rows.len() as f64;
            for (column, value) in columns.iter().enumerate() {
                let x = left + width * (column as f64 + 0.5);
                canvas.text((x, bottom + 14.0), &(self.columns.2)(value), NOTE, Align::Centre);
            }
        }
        let bottom = top + ROW * rows.len() as f64 + 58.0;
        let caption = format!(
            "Rows: {}. {} Darker: a larger gain; orange: a loss.",
            self.rows.1,
            source.provenance("", Some("Small numbers"))
        );
        let height = draw_caption(&mut canvas, &caption, bottom, WIDTH);
        canvas.svg(WIDTH, height, title)
    }

    fn draw_cell(
        &self,
        canvas: &mut Canvas,
        source: &Source<'_>,
        at: &At,
        corner: (f64, f64),
        width: f64,
    ) -> Result<()> {
        let of = |policy: &str| {
            let mut at = at.clone();
            at.insert("policy.name".to_owned(), policy.to_owned());
            source.summary.cell(&at, self.metric).with_context(|| format!("{policy} has no {} at {at:?}", self.metric))
        };
        let paired = self.against == source.summary.baseline;
        let gain = -change_percent(of(self.policy)?, of(self.against)?, paired).value;
        let colour = if gain < 0.0 { mixed(LOSS, -gain / 10.0) } else { mixed(MOST, gain / 22.0) };
        canvas.rectangle((corner.0 + 1.0, corner.1 + 1.0), (corner.0 + width - 1.0, corner.1 + ROW - 1.0), colour, 1.0);
        let ink = if gain > 12.0 { WHITE } else { INK };
        let middle = corner.0 + width / 2.0;
        let number = Font { size: 14.0, bold: true, colour: ink };
        canvas.text((middle, corner.1 + 16.0), &format!("{gain:.1}"), number, Align::Centre);
        let printed = source.claims.and_then(|claims| {
            let fits = |own: &At| at.iter().all(|(axis, value)| own.get(axis).is_some_and(|own| same(own, value)));
            let all = claims.printed(source.experiment, self.metric, Measure::ChangePercent);
            all.into_iter().find(|claim| claim.against == self.against && fits(&claim.at))
        });
        if let Some(claim) = printed {
            let small = Font { size: 11.0, bold: false, colour: if gain > 12.0 { WHITE } else { MUTED } };
            canvas.text((middle, corner.1 + 34.0), &format!("{:.1}", -claim.printed), small, Align::Centre);
        }
        Ok(())
    }
}
