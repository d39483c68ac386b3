//! Tables II to VI of the paper in its own layout: our numbers, and in brackets those that it prints.

use crate::catalog::{Catalog, TableSpec};
use crate::data::Estimate;
use crate::labels::POLICY_AXIS;
use crate::markup::escaped;
use crate::numbers::signed;
use crate::pairs::Cells;
use crate::paper_tables::{PaperTable, Row, What};
use crate::printed::Printed;
use crate::sources::Sources;
use crate::words;
use anyhow::{Context, Result};
use netkv_frames::{distinct, same};
use std::fmt::Write as _;

const LEAD: &str = "Ours, as mean ± standard deviation over seeds; what is compared is compared seed by seed, with its interval in \
                    square brackets. In round brackets: what the paper prints.";

/// In place of a policy: that of the row above.
const ROW_BEFORE: &str = "row_before";

/// A cell as it is written: ours, and the paper's.
struct Cell(String, Option<String>);

/// A table with its numbers.
struct Filled {
    title: String,
    note: String,
    heads: Vec<String>,
    /// Heads of the row, then its cells.
    rows: Vec<(Vec<String>, Vec<Cell>)>,
    /// Where its requests come from.
    trace: String,
    seeds: String,
}

/// The page; none if there are no results of any table.
pub(crate) fn markdown(sources: Sources<'_>, catalog: &Catalog) -> Result<Option<String>> {
    let filled = filled(sources, catalog)?;
    if filled.is_empty() {
        return Ok(None);
    }
    let mut page = format!("# The paper's tables\n\nWritten by `netkv figures`. {}\n", lead(sources.printed, &filled));
    for table in &filled {
        writeln!(page, "\n## {}\n\n{} {}\n", table.title, table.note, table.seeds)?;
        writeln!(page, "| {} |", table.heads.join(" | "))?;
        let n_heads = table.rows.first().map_or(1, |row| row.0.len());
        let marks = (0..table.heads.len()).map(|column| if column < n_heads { "---" } else { "--:" });
        writeln!(page, "|{}|", marks.collect::<Vec<_>>().join("|"))?;
        for (heads, cells) in &table.rows {
            let written = |cell: &Cell| match &cell.1 {
                Some(printed) => format!("{} ({printed})", cell.0),
                None => cell.0.clone(),
            };
            let all: Vec<String> = heads.iter().cloned().chain(cells.iter().map(written)).collect();
            writeln!(page, "| {} |", all.join(" | "))?;
        }
    }
    Ok(Some(page))
}

/// The section of the report; nothing if there are no results of any table.
pub(crate) fn html(sources: Sources<'_>, catalog: &Catalog) -> Result<String> {
    let filled = filled(sources, catalog)?;
    let mut html = String::new();
    if filled.is_empty() {
        return Ok(html);
    }
    writeln!(html, "<h2>The paper's tables</h2>\n<p>{}</p>", escaped(&lead(sources.printed, &filled)))?;
    for table in &filled {
        writeln!(
            html,
            "<h3>{}</h3>\n<p class=\"quiet\">{} {}</p>",
            escaped(&table.title),
            escaped(&table.note),
            table.seeds
        )?;
        html.push_str("<div class=\"scroll\">\n<table>\n<thead><tr>");
        table.heads.iter().try_for_each(|head| write!(html, "<th>{}</th>", escaped(head)))?;
        html.push_str("</tr></thead>\n<tbody>\n");
        for (heads, cells) in &table.rows {
            html.push_str("<tr>");
            heads.iter().try_for_each(|head| write!(html, "<th>{}</th>", escaped(head)))?;
            for Cell(own, printed) in cells {
                write!(html, "<td>{}", escaped(own))?;
                if let Some(printed) = printed {
                    write!(html, " <span class=\"quiet\">({})</span>", escaped(printed))?;
                }
                html.push_str("</td>");
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n</table>\n</div>\n");
    }
    Ok(html)
}

fn lead(printed: Printed<'_>, filled: &[Filled]) -> String {
    let without = if printed.is_there() { "" } else { " There is no claims file, and so no number of the paper." };
    let traces = distinct(filled.iter().map(|table| table.trace.as_str()));
    format!("{LEAD}{without} {}", traces.join(" "))
}

/// The tables whose experiments have results.
fn filled(sources: Sources<'_>, catalog: &Catalog) -> Result<Vec<Filled>> {
    let mut all = Vec::new();
    for (spec, table) in catalog.paper_tables() {
        let cells = Cells::read(sources.results, &spec.experiment)?;
        all.push(fill(spec, table, &cells, sources.printed).with_context(|| format!("cannot make {}", table.title))?);
    }
    Ok(all)
}

fn fill(spec: &TableSpec, table: &PaperTable, cells: &Cells, printed: Printed<'_>) -> Result<Filled> {
    let mut rows = Vec::new();
    let of_table = table.rows(&spec.labels);
    for (position, row) in of_table.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|before| policy_of(&of_table[before]));
        let mut written = Vec::new();
        for column in &table.columns {
            let only = spec.view.only.iter().map(|(axis, value)| (axis.as_str(), value.clone()));
            let own = row.at.iter().map(|(axis, value)| (axis.as_str(), value.clone()));
            let at = only.chain(own).chain(column.at()).collect();
            let filler = Filler { experiment: &spec.experiment, cells, printed, at };
            let what = row.what.or(column.what.as_ref()).context("a cell says no metric")?;
            written.push(filler.cell(what, before)?);
        }
        rows.push((row.heads.clone(), written));
    }
    let heads = table.heads.iter().cloned().chain(table.columns.iter().map(|column| column.title.clone()));
    Ok(Filled {
        title: table.title.clone(),
        note: table.note.clone(),
        heads: heads.collect(),
        rows,
        trace: words::trace(cells.metadata()),
        seeds: cells.metadata().get("seeds").map_or_else(String::new, |seeds| format!("Seeds {seeds}.")),
    })
}

/// The policy of a row.
fn policy_of<'a>(row: &'a Row<'_>) -> Option<&'a str> {
    row.at.iter().find(|(axis, _)| axis == POLICY_AXIS).map(|(_, value)| value.as_str())
}

/// Fills one cell.
struct Filler<'a> {
    experiment: &'a str,
    cells: &'a Cells,
    printed: Printed<'a>,
    at: Vec<(&'a str, String)>,
}

impl Filler<'_> {
    fn cell(&self, what: &What, before: Option<&str>) -> Result<Cell> {
        let (metric, factor, digits) = (what.metric.as_str(), what.factor(), what.digits);
        let printed = |value: Option<f64>, print: &dyn Fn(f64) -> String| value.map(print);
        if let Some(against) = &what.change_from {
            let Some(other) = self.other(against, before) else { return Ok(Cell(String::new(), None)) };
            let percent = |ratio: f64| 100.0 * (ratio - 1.0);
            let ratio = self.cells.ratio(&self.at, &self.with(&other), metric)?;
            let map = |value: Option<f64>| value.map(percent);
            let own = Estimate { mean: map(ratio.mean), low: map(ratio.low), high: map(ratio.high) };
            let theirs = self.printed.ratio(self.experiment, &self.at, metric, &other).map(percent);
            return Ok(Cell(interval(own, digits), printed(theirs, &|value| signed(value, digits))));
        }
        if let Some(against) = &what.less {
            let Some(other) = self.other(against, before) else { return Ok(Cell(String::new(), None)) };
            let own = self.cells.difference(&self.at, &self.with(&other), metric)?.scaled(factor);
            let theirs = self.printed.difference(self.experiment, &self.at, metric, &other);
            return Ok(Cell(interval(own, digits), printed(theirs, &|value| signed(value * factor, digits))));
        }
        let level = self.cells.level(&self.at, metric)?;
        let spread = |sd: Option<f64>| sd.map_or_else(String::new, |sd| format!(" ± {:.digits$}", sd * factor));
        let written = |level: crate::pairs::Level| format!("{:.digits$}{}", level.mean * factor, spread(level.sd));
        let own = level.map_or_else(|| "–".to_owned(), written);
        let theirs = self.printed.value(self.experiment, &self.at, metric);
        let sd = self.printed.sd(self.experiment, &self.at, metric);
        Ok(Cell(own, printed(theirs, &|value| format!("{:.digits$}{}", value * factor, spread(sd)))))
    }

    /// The policy to compare with; none if there is none before, or it is the same.
    fn other(&self, against: &str, before: Option<&str>) -> Option<String> {
        let other = if against == ROW_BEFORE { before? } else { against };
        let is_same = self.at.iter().any(|(axis, value)| *axis == POLICY_AXIS && same(value, other));
        (!is_same).then(|| other.to_owned())
    }

    /// The same point for another policy.
    fn with(&self, policy: &str) -> Vec<(&str, String)> {
        let others = self.at.iter().filter(|(axis, _)| *axis != POLICY_AXIS).cloned();
        others.chain([(POLICY_AXIS, policy.to_owned())]).collect()
    }
}

/// "−11.8 [−12.9, −10.7]".
fn interval(estimate: Estimate, digits: usize) -> String {
    let print = |value: f64| signed(value, digits);
    match (estimate.mean, estimate.low, estimate.high) {
        (Some(mean), Some(low), Some(high)) => format!("{} [{}, {}]", print(mean), print(low), print(high)),
        (Some(mean), ..) => print(mean),
        (None, ..) => "–".to_owned(),
    }
}
