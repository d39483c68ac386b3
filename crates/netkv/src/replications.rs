//! How many seeds are enough: what the results say at each planned look.
//!
//! A look is a function of the results of all cells with so many seeds, and results are functions of the file: whoever looks,
//! wherever and after however many kills, finds the same number.

use crate::cells::coordinates;
use netkv_frames::{Estimate, two_sided_quantile};
use netkv_grid::{Cell, Experiment, Status, Until};
use netkv_sim::METRICS;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The widest interval of a look, half of it over its mean, and where it is.
#[derive(Clone, Debug, PartialEq)]
struct Widest {
    rel_half_width: f64,
    at: String,
}

/// What the results of an experiment say about its number of seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    until: Until,
    n_seeds: usize,
    /// From 1.
    look: usize,
    n_looks: usize,
    each_ratio: f64,
    asked_ratio: f64,
    /// Whether cells of this look have not ended.
    is_open: bool,
    widest: Option<Widest>,
    /// Points that have no interval of the metric.
    n_unjudged: usize,
}

/// Gives an experiment the seeds of the first look that is enough, or whose cells have not all ended, or that is the last.
/// Nothing if their number is fixed.
pub fn settle<'a>(experiment: &mut Experiment, status: impl Fn(&Cell) -> Option<&'a Status>) -> Option<Standing> {
    experiment.replications().until()?;
    for n_seeds in experiment.replications().looks().to_vec() {
        experiment.use_seeds(n_seeds);
        let standing = standing(experiment, &status)?;
        if standing.is_open || standing.is_enough() {
            return Some(standing);
        }
    }
    standing(experiment, &status)
}

/// What its results say with the seeds that it has now; nothing if their number is fixed.
pub fn standing<'a>(experiment: &Experiment, status: impl Fn(&Cell) -> Option<&'a Status>) -> Option<Standing> {
    let until = experiment.replications().until()?;
    let (looks, n_seeds) = (experiment.replications().looks(), experiment.seeds().len());
    let each_ratio = experiment.confidence_ratio();
    let cells: Vec<Cell> = experiment.cells().collect();
    let mut standing = Standing {
        until,
        n_seeds,
        look: looks.iter().take_while(|&&n| n <= n_seeds).count(),
        n_looks: looks.len(),
        each_ratio,
        asked_ratio: experiment.asked_confidence_ratio(),
        is_open: cells.iter().any(|cell| status(cell).is_none()),
        widest: None,
        n_unjudged: 0,
    };
    let mut quantiles: BTreeMap<usize, f64> = BTreeMap::new();
    for point in cells.chunks(n_seeds) {
        let values: Vec<f64> = point.iter().filter_map(|cell| number(status(cell)?, until.metric)).collect();
        let quantile = quantiles.entry(values.len()).or_insert_with(|| two_sided_quantile(each_ratio, values.len()));
        match Estimate::of(&values, *quantile).and_then(|estimate| estimate.rel_half_width()) {
            None => standing.n_unjudged += 1,
            Some(width) if standing.widest.as_ref().is_none_or(|widest| width > widest.rel_half_width) => {
                let at = coordinates(experiment, &point[0]);
                let at = at.rsplit_once("seed=").map_or("", |(axes, _)| axes).trim().to_owned();
                standing.widest = Some(Widest { rel_half_width: width, at });
            }
            Some(_) => {}
        }
    }
    Some(standing)
}

fn number(status: &Status, metric: usize) -> Option<f64> {
    match status {
        Status::Done { metrics, .. } => metrics.get(metric)?.number(),
        Status::Failed { .. } => None,
    }
}

impl Standing {
    /// Whether every interval that there is is narrow enough.
    fn is_enough(&self) -> bool {
        !self.is_open && self.widest.as_ref().is_none_or(|widest| widest.rel_half_width <= self.until.rel_half_width)
    }

    /// In one line: what there is, what was wanted, and what the intervals are worth.
    pub fn words(&self) -> String {
        let Self { n_seeds, look, n_looks, n_unjudged, .. } = self;
        let mut text = format!("{n_seeds} seeds, look {look} of {n_looks}");
        let wanted = self.until.rel_half_width * 100.0;
        let metric = METRICS[self.until.metric].name;
        match &self.widest {
            _ if self.is_open => text.push_str(", not all of their cells have ended"),
            Some(Widest { rel_half_width, at }) => {
                let at = if at.is_empty() { String::new() } else { format!(" at {at}") };
                let word = if self.is_enough() { "narrow enough" } else { "NOT narrow enough" };
                let width = rel_half_width * 100.0;
                text.push_str(&format!(": {word}: {metric} within {width:.2} %{at}, wanted {wanted} %"));
            }
            None => text.push_str(&format!(": no point has an interval of {metric}")),
        }
        if *n_unjudged > 0 && self.widest.is_some() && !self.is_open {
            text.push_str(&format!("; {n_unjudged} points have none"));
        }
        let (each, asked) = (self.each_ratio * 100.0, self.asked_ratio * 100.0);
        text.push_str(&format!(
            "; each interval is one of {each:.4} %, so that {asked} % hold at whichever look it ends"
        ));
        text
    }

    /// For a manifest.
    pub fn toml(&self) -> Table {
        let mut table = Table::new();
        table.insert("seeds".to_owned(), Value::from(self.n_seeds as i64));
        table.insert("look".to_owned(), Value::from(self.look as i64));
        table.insert("looks".to_owned(), Value::from(self.n_looks as i64));
        table.insert("enough".to_owned(), Value::from(self.is_enough()));
        table.insert("interval_confidence_ratio".to_owned(), Value::from(self.each_ratio));
        if let Some(widest) = self.widest.as_ref().filter(|_| !self.is_open) {
            table.insert("widest_rel_half_width".to_owned(), Value::from(widest.rel_half_width));
            table.insert("widest_at".to_owned(), Value::from(widest.at.as_str()));
        }
        table
    }
}
