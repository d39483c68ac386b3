//! Figures of a distribution over requests: which share of them is below a time, a line for each policy, all seeds together.
//! Drawn from the table of requests, which only experiments with `record = "requests"` have.

use crate::axis::Scale;
use crate::canvas::{Fill, Point};
use crate::data::{Estimate, Results};
use crate::lines::Logarithm;
use crate::page::{DASH, Head, Key, Page, Panel, TICK, grid_line, lower_axis, marker_radius, widest};
use crate::style::PolicyStyle;
use crate::tips;
use crate::unit::{Unit, named};
use crate::{numbers, style, words};
use anyhow::{Context, Result, ensure};
use netkv_frames::{ColumnData, Table, read_columns, same};
use serde::Deserialize;
use std::path::Path;

/// Points of a line.
const STEPS: usize = 256;
/// What the axis need not hold at its lower end.
const LEAST_SHARE: f64 = 0.002;
/// Shares that a line has something to say about.
const TOLD: [f64; 6] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99];

/// A figure of distributions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cdf {
    /// A column of the table of requests.
    metric: String,
    unit: Option<Unit>,
    value_title: Option<String>,
    #[serde(default)]
    scale: Logarithm,
}

/// Ascending values, in the unit of an axis; not empty.
pub(crate) struct Shares(Vec<f64>);

/// What a line of shares is drawn with.
pub(crate) struct Stroke<'a> {
    pub(crate) look: PolicyStyle,
    pub(crate) scale: Scale,
    /// Whether its marker is crossed out.
    pub(crate) is_overloaded: bool,
    /// What is told where so large a share is.
    pub(crate) says: &'a dyn Fn(f64) -> String,
}

impl Shares {
    /// Those of some values, if there are any.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(Self(values))
    }

    /// The value that a share of them is at or below.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let last = self.0.len() - 1;
        self.0[(libm::ceil(share * self.0.len() as f64) as usize).saturating_sub(1).min(last)]
    }

    /// How many there are.
    pub(crate) const fn n(&self) -> usize {
        self.0.len()
    }

    /// Draws them as a line that rises to 1, with a marker at the median.
    pub(crate) fn draw(&self, page: &mut Page, panel: &Panel, stroke: &Stroke<'_>) {
        let Stroke { ref look, scale, is_overloaded, says } = *stroke;
        let place = |share: f64| panel.at(scale.place(self.at(share)), share);
        let points: Vec<Point> = (0..=STEPS).map(|step| place(step as f64 / STEPS as f64)).collect();
        if look.dashed {
            page.canvas.dashed(&points, look.colour, look.width, DASH);
        } else {
            page.canvas.line(&points, look.colour, look.width);
        }
        let fill = Fill::of(false, is_overloaded);
        page.canvas.marker(place(0.5), look.marker, marker_radius(look.marker), look.colour, fill);
        for share in TOLD {
            page.canvas.tip(place(share), &says(share));
        }
    }
}

/// Shares at the left of a figure.
pub(crate) fn share_ticks() -> [(f64, String); 5] {
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share, numbers::percent(share)))
}

/// The values of a line.
struct Line<'a> {
    regime: &'a str,
    policy: &'a str,
    values: Shares,
}

impl Cdf {
    fn unit(&self) -> Unit {
        self.unit.unwrap_or_else(|| Unit::of(&self.metric))
    }

    /// The lines that have requests.
    fn lines<'a>(&self, results: &'a Results, folder: &Path) -> Result<Vec<Line<'a>>> {
        let path = folder.join("requests.parquet");
        ensure!(
            path.is_file(),
            "there is no {}: a figure of kind cdf is drawn from single requests, which an experiment keeps if its file says \
             record = \"requests\"; say so and run it again",
            path.display()
        );
        let places: Vec<(&String, &String)> = results
            .regimes
            .iter()
            .flat_map(|regime| results.policies.iter().map(move |policy| (regime, policy)))
            .collect();
        let axes: Vec<String> = places
            .first()
            .map(|(regime, policy)| results.coordinates(regime, policy, 0.0))
            .into_iter()
            .flatten()
            .map(|(axis, _)| axis.to_owned())
            .collect();
        let wanted: Vec<&str> = axes.iter().map(String::as_str).chain([self.metric.as_str(), "counted"]).collect();
        let table = read_columns(&path, &wanted)?;
        let words = axes.iter().map(|axis| table.words(axis)).collect::<Result<Vec<_>>>()?;
        let (values, counted) = (table.numbers(&self.metric)?, counted(&table)?);
        let factor = self.unit().factor(&self.metric);
        let line = |(regime, policy): (&'a String, &'a String)| {
            let at = results.coordinates(regime, policy, 0.0);
            let is_here = |row: &usize| at.iter().zip(&words).all(|(wanted, own)| same(&own[*row], &wanted.1));
            let rows = (0..values.len()).filter(|&row| counted[row]).filter(is_here);
            let values = rows.filter_map(|row| values[row].map(|value| value * factor)).collect();
            Some(Line { regime, policy, values: Shares::of(values)? })
        };
        Ok(places.into_iter().filter_map(line).collect())
    }

    /// The axis across, the same for all panels.
    fn scale(&self, lines: &[Line<'_>]) -> Result<Scale> {
        let ends = || lines.iter().flat_map(|line| [line.values.at(LEAST_SHARE), line.values.at(1.0)]);
        let least = ends().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        let most = ends().fold(0.0, f64::max);
        let log = match self.scale {
            Logarithm::Always => true,
            Logarithm::Wide => most > 8.0 * least,
            Logarithm::Never => false,
        };
        Scale::holding(ends(), log, true).with_context(|| format!("there is no value of {}", self.metric))
    }

    /// The figure as SVG.
    pub(crate) fn draw(&self, results: &Results, folder: &Path, title: &str) -> Result<String> {
        let lines = self.lines(results, folder)?;
        let scale = self.scale(&lines)?;
        let shares = share_ticks();
        let room = widest(shares.iter().map(|share| share.1.as_str()), TICK) + 12.0;
        let keys = results.policies.iter().map(|policy| Key::Line(results.look(policy)));
        let mut page = Page::new(&Head {
            title: title.to_owned(),
            keys: keys.filter(|_| results.policies.len() > 1).collect(),
            regimes: results.panel_titles(),
            y_title: "Requests at or below it".to_owned(),
            x_title: self.value_title.clone().unwrap_or_else(|| named(&self.metric, self.unit())),
            label_room: (room, 0.0),
            height: 330.0,
        });
        let ticks: Vec<(f64, String)> =
            scale.ticks(6).into_iter().map(|(value, label)| (scale.place(value), label)).collect();
        for (index, panel) in page.panels.clone().into_iter().enumerate() {
            for (share, label) in &shares {
                let label = page.columns.first(index).then_some(label.as_str());
                grid_line(&mut page.canvas, &panel, *share, label);
            }
            lower_axis(&mut page.canvas, &panel, &ticks);
            let here: Vec<&Line<'_>> = lines.iter().filter(|line| line.regime == results.regimes[index]).collect();
            // NetKV is drawn over the others.
            let (last, first): (Vec<&Line<'_>>, Vec<_>) =
                here.into_iter().partition(|line| style::is_netkv(line.policy));
            first.into_iter().chain(last).for_each(|line| self.draw_line(&mut page, &panel, results, line, scale));
        }
        Ok(page.finished(&self.caption(results, &lines)))
    }

    fn draw_line(&self, page: &mut Page, panel: &Panel, results: &Results, line: &Line<'_>, scale: Scale) {
        let look = results.look(line.policy);
        let is_overloaded = results.is_overloaded(line.regime, line.policy, 0.0);
        let label = look.label.clone();
        let says = |share: f64| {
            let at = Estimate { mean: Some(line.values.at(share)), ..Estimate::default() };
            let value = tips::value(at, self.unit());
            let also = if is_overloaded { "; overloaded" } else { "" };
            format!("{label}\n{} of requests: {value} or less{also}", numbers::percent(share))
        };
        line.values.draw(page, panel, &Stroke { look, scale, is_overloaded, says: &says });
    }

    fn caption(&self, results: &Results, lines: &[Line<'_>]) -> String {
        let n = lines.iter().map(|line| line.values.n());
        let (least, most) = (n.clone().min().unwrap_or_default(), n.max().unwrap_or_default());
        let n = if least == most { most.to_string() } else { format!("{least} to {most}") };
        let mut sentences = vec![
            words::provenance(results, None),
            format!("A line is of {n} requests after the warm-up, all seeds together; its marker is the median."),
        ];
        sentences.extend(words::overload(results.has_overload(), "Crossed-out markers are overloaded"));
        sentences.join(" ")
    }
}

/// Whether each request arrived after the warm-up.
fn counted(table: &Table) -> Result<Vec<bool>> {
    match &table.column("counted")?.data {
        ColumnData::Boolean(values) => Ok(values.iter().map(|value| *value == Some(true)).collect()),
        ColumnData::Text(_) | ColumnData::Integer(_) | ColumnData::Float(_) => Ok(vec![true; table.n_rows()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_the_least_value_that_so_many_are_at_or_below() {
        let shares = Shares::of(vec![3.0, 1.0, 2.0, 4.0]).expect("there are some");
        assert_eq!([0.0, 0.25, 0.26, 0.75, 1.0].map(|share| shares.at(share)), [1.0, 1.0, 2.0, 3.0, 4.0]);
        assert!(Shares::of(Vec::new()).is_none());
    }
}
