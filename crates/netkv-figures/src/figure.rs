//! A figure: what it is drawn from and how.

use crate::bars::Bars;
use crate::cdf::Cdf;
use crate::contrast::Contrasts;
use crate::data::{Loaded, Results, View};
use crate::grid::Grid;
use crate::intervals::Intervals;
use crate::labels::POLICY_AXIS;
use crate::lines::Lines;
use crate::multiples::Multiples;
use crate::pairs::Cells;
use crate::sources::Sources;
use crate::spread::Spread;
use crate::steps::Steps;
use crate::waterfall::Waterfall;
use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use toml::{Table, Value};

/// Rank of a figure or a table that does not say where in the report it stands.
const LAST: f64 = 1000.0;

/// A figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// Its name, and that of its files.
    pub(crate) name: String,
    /// The experiment whose summary it is drawn from.
    pub(crate) experiment: String,
    /// Its title.
    pub(crate) title: String,
    /// What it shows, in a sentence.
    pub(crate) shows: String,
    /// What stands above it and its like in the report.
    pub(crate) section: String,
    /// Where in the report it stands.
    pub(crate) rank: f64,
    /// The axes of the experiment that it shows.
    pub(crate) view: View,
    /// Whether the paper has a figure like it, whose printed numbers are drawn too.
    printed: bool,
    /// How it shows it.
    pub(crate) kind: Kind,
}

/// A kind of chart, with what it shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Kind {
    Lines(Lines),
    Bars(Bars),
    Intervals(Intervals),
    Multiples(Multiples),
    #[serde(rename = "heat_map")]
    Grid(Grid),
    Steps(Steps),
    Waterfall(Waterfall),
    Cdf(Cdf),
    Spread(Spread),
}

impl Figure {
    /// A figure as its experiment's manifest has it.
    pub(crate) fn read(mut table: Table, experiment: &str, section: &str) -> Result<Self> {
        let name = taken_text(&mut table, "name")?.context("it has no name")?;
        let read = |mut table: Table| -> Result<Self> {
            let title = taken_text(&mut table, "title")?.unwrap_or_else(|| name.replace('_', " "));
            let shows = taken_text(&mut table, "shows")?.unwrap_or_default();
            let rank = taken_rank(&mut table)?;
            let view = taken_view(&mut table)?;
            let printed = table.remove("printed").is_some_and(|said| said.as_bool() == Some(true));
            let (experiment, section) = (experiment.to_owned(), section.to_owned());
            let kind = table.try_into()?;
            let view = View { over_points: matches!(kind, Kind::Spread(_)), ..view };
            Ok(Self { name: name.clone(), experiment, title, shows, section, rank, view, printed, kind })
        };
        read(table).with_context(|| format!("figure {name} of experiment {experiment}"))
    }

    /// The same figure of a changed experiment: what was changed stands in its name and in its title.
    pub(crate) fn of_change(mut self, change: Option<&str>) -> Self {
        if let Some(change) = change {
            if !self.name.contains('+') {
                self.name = format!("{}+{change}", self.name);
            }
            self.title = format!("{} ({})", self.title, change.replace('+', ", "));
        }
        self
    }

    /// The figure as SVG.
    pub(crate) fn svg(&self, loaded: &Loaded, sources: Sources<'_>) -> Result<String> {
        let results = Results::of(loaded, &self.view);
        results
            .and_then(|results| self.drawn(&results, loaded, sources))
            .with_context(|| format!("cannot draw figure {}", self.name))
    }

    fn drawn(&self, results: &Results, loaded: &Loaded, sources: Sources<'_>) -> Result<String> {
        let cells = || Cells::read(sources.results, &self.experiment);
        let contrasts = || Contrasts::read(loaded, sources.results);
        let printed = sources.printed.only_if(self.printed);
        let title = self.title.replace("the baseline", &results.baseline_label());
        match &self.kind {
            Kind::Lines(lines) => lines.draw(results, &title),
            Kind::Bars(bars) => bars.draw(results, &title),
            Kind::Intervals(intervals) => intervals.draw(results, &title),
            Kind::Multiples(multiples) => multiples.draw(results, printed, &title),
            Kind::Grid(grid) => grid.draw(results, &contrasts()?, printed, &self.title),
            Kind::Steps(steps) => steps.draw(results, &cells()?, printed, &title),
            Kind::Waterfall(waterfall) => waterfall.draw(results, &cells()?, &title),
            Kind::Spread(spread) => spread.draw(results, &contrasts()?, &title),
            Kind::Cdf(cdf) => cdf.draw(results, &loaded.folder, &title),
        }
    }
}

/// Takes a text out of a table.
pub(crate) fn taken_text(table: &mut Table, key: &str) -> Result<Option<String>> {
    match table.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(anyhow!("{key} = {other} is no text")),
    }
}

/// Takes the rank out of a table.
pub(crate) fn taken_rank(table: &mut Table) -> Result<f64> {
    let rank = table.remove("rank");
    let number = |rank: Value| {
        rank.as_float()
            .or_else(|| Some(rank.as_integer()? as f64))
            .with_context(|| format!("rank = {rank} is no number"))
    };
    rank.map_or(Ok(LAST), number)
}

/// Takes out of a table which axes it shows.
pub(crate) fn taken_view(table: &mut Table) -> Result<View> {
    let panels = match table.remove("panels") {
        None => Vec::new(),
        Some(Value::String(axis)) => vec![axis],
        Some(several) => several.try_into().context("panels are an axis or several")?,
    };
    let lines = taken_text(table, "lines")?;
    let series = lines.or(taken_text(table, "rows")?).unwrap_or_else(|| POLICY_AXIS.to_owned());
    let across = taken_text(table, "x")?;
    let only: Table = table.remove("only").map_or_else(|| Ok(Table::new()), Value::try_into).context("only")?;
    let only = only.into_iter().map(|(axis, value)| (axis, as_word(&value))).collect();
    Ok(View { panels, series, across, only, over_points: false })
}

/// A value of an axis as tables have it.
pub(crate) fn as_word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
