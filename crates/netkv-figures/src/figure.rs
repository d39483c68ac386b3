//! A figure: what it is drawn from and how.

use crate::bars::Bars;
use crate::data::{Results, View};
use crate::grid::Grid;
use crate::intervals::Intervals;
use crate::lines::Lines;
use crate::multiples::Multiples;
use crate::pairs::Cells;
use crate::sources::Sources;
use crate::steps::Steps;
use crate::waterfall::Waterfall;
use anyhow::{Context, Result};

/// A figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Its name, and that of its files.
    pub(crate) name: &'static str,
    /// The experiment whose summary it is drawn from.
    pub(crate) experiment: &'static str,
    /// Its title.
    pub(crate) title: &'static str,
    /// What it shows, in a sentence.
    pub(crate) shows: &'static str,
    /// How it shows it.
    pub(crate) kind: Kind,
}

/// A kind of chart, with what it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Lines(Lines),
    Bars(Bars),
    Intervals(Intervals),
    Multiples(Multiples),
    Grid(Grid),
    Steps(Steps),
    Waterfall(Waterfall),
}

impl Figure {
    /// The axes of the experiment that it shows.
    pub(crate) const fn view(&self) -> View {
        match &self.kind {
            Kind::Lines(lines) => View::policies_against(lines.across.axis),
            Kind::Bars(bars) => View::policies_against(bars.axis),
            Kind::Intervals(intervals) => intervals.view,
            Kind::Multiples(multiples) => multiples.view,
            Kind::Grid(grid) => grid.view,
            Kind::Steps(steps) => steps.view,
            Kind::Waterfall(waterfall) => waterfall.view,
        }
    }

    /// The figure as SVG.
    pub(crate) fn svg(&self, sources: Sources<'_>) -> Result<String> {
        let results = Results::read(sources.results, self.experiment, self.view());
        results
            .and_then(|results| self.drawn(&results, sources))
            .with_context(|| format!("cannot draw figure {}", self.name))
    }

    fn drawn(&self, results: &Results, sources: Sources<'_>) -> Result<String> {
        let cells = || Cells::read(sources.results, self.experiment);
        match &self.kind {
            Kind::Lines(lines) => lines.draw(results, self.title),
            Kind::Bars(bars) => bars.draw(results, self.title),
            Kind::Intervals(intervals) => intervals.draw(results, self.title),
            Kind::Multiples(multiples) => multiples.draw(results, sources.printed, self.title),
            Kind::Grid(grid) => grid.draw(results, sources.printed, self.title),
            Kind::Steps(steps) => steps.draw(results, &cells()?, sources.printed, self.title),
            Kind::Waterfall(waterfall) => waterfall.draw(results, &cells()?, self.title),
        }
    }
}
