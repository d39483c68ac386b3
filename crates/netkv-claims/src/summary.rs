//! Our numbers: the summary of an experiment, by the words of its axes.

use anyhow::{Context, Result};
use netkv_frames::{Metadata, Table, read_table};
use std::collections::BTreeMap;
use std::path::Path;

/// A metric at a point of the grid, in the metric's unit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cell {
    /// Mean over seeds.
    pub mean: f64,
    /// Standard deviation over seeds; none for one seed.
    pub sd: Option<f64>,
    /// Half the width of the mean's interval; none for one seed.
    pub half: Option<f64>,
    /// Ratio to the experiment's baseline, with its interval.
    pub ratio: Option<[f64; 3]>,
    /// Paired difference to it, with its interval.
    pub difference: Option<[f64; 3]>,
}

/// An experiment's summary.
pub struct Summary {
    /// The axes, in their order.
    pub axes: Vec<String>,
    /// By axis: its values as words, each once, in the order of the experiment.
    pub values: BTreeMap<String, Vec<String>>,
    /// The policy that ratios and differences are to.
    pub baseline: String,
    /// What the tables say about themselves.
    pub metadata: Metadata,
    /// By the values of the axes and metric.
    pub(crate) cells: BTreeMap<(Vec<String>, String), Cell>,
}

impl Summary {
    /// Reads a summary.
    ///
    /// # Errors
    /// If it cannot be read or lacks a column that summaries have.
    pub fn read(path: &Path) -> Result<Self> {
        let (table, metadata) = read_table(path)?;
        Self::from_table(&table, metadata).with_context(|| format!("cannot use {}", path.display()))
    }

    fn from_table(table: &Table, metadata: Metadata) -> Result<Self> {
        let baseline = metadata.get("baseline").cloned().unwrap_or_default();
        let axes: Vec<String> =
            table.columns().iter().map(|column| column.name.clone()).take_while(|name| name != "metric").collect();
        let columns: Vec<Vec<String>> = axes.iter().map(|axis| table.words(axis)).collect::<Result<_>>()?;
        let metrics = table.words("metric")?;
        let number = |name: &str| table.numbers(name);
        let (mean, sd) = (number("mean")?, number("sd")?);
        let (low, high) = (number("ci_low")?, number("ci_high")?);
        let triple = |names: [&str; 3]| -> Result<[Vec<Option<f64>>; 3]> {
            Ok([number(names[0])?, number(names[1])?, number(names[2])?])
        };
        let ratio = triple(["ratio_mean", "ratio_ci_low", "ratio_ci_high"])?;
        let difference = triple(["diff_mean", "diff_ci_low", "diff_ci_high"])?;
        let all =
            |columns: &[Vec<Option<f64>>; 3], at: usize| Some([columns[0][at]?, columns[1][at]?, columns[2][at]?]);
        let mut cells = BTreeMap::new();
        for at in 0..table.n_rows() {
            let Some(mean) = mean[at] else { continue };
            let half = low[at].zip(high[at]).map(|(low, high)| (high - low) / 2.0);
            let cell = Cell { mean, sd: sd[at], half, ratio: all(&ratio, at), difference: all(&difference, at) };
            let place = columns.iter().map(|column| column[at].clone()).collect();
            cells.insert((place, metrics[at].clone()), cell);
        }
        let distinct = |values: &[String]| {
            let mut seen: Vec<String> = Vec::new();
            values.iter().for_each(|value| {
                if !seen.contains(value) {
                    seen.push(value.clone());
                }
            });
            seen
        };
        let values = axes.iter().cloned().zip(columns.iter().map(|column| distinct(column))).collect();
        Ok(Self { axes, values, baseline, metadata, cells })
    }

    /// A metric at the one point where the axes have these values; none if there is none, or more than one.
    pub fn cell(&self, at: &BTreeMap<String, String>, metric: &str) -> Option<Cell> {
        let places = self.places(at);
        let [place] = places.as_slice() else { return None };
        self.cells.get(&(place.clone(), metric.to_owned())).copied()
    }

    /// The places that fit, given some of the axes.
    pub(crate) fn places(&self, at: &BTreeMap<String, String>) -> Vec<Vec<String>> {
        let fits = |place: &[String]| {
            self.axes.iter().zip(place).all(|(axis, value)| at.get(axis).is_none_or(|wanted| same(wanted, value)))
        };
        let mut places: Vec<Vec<String>> =
            self.cells.keys().map(|(place, _)| place).filter(|place| fits(place)).cloned().collect();
        places.dedup();
        places
    }
}

/// Whether two words mean the same value: numbers may be written with and without decimals.
pub fn same(one: &str, other: &str) -> bool {
    one == other
        || matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(one), Ok(other)) if (one - other).abs() < 1e-12)
}
