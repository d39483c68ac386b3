//! Our numbers, seed by seed: the table of cells of an experiment, by the words of its axes.
//!
//! A summary has intervals of one metric, and differences to one baseline. Claims compare with any policy and take
//! differences of metrics, and seeds share arrivals: so their intervals are made here, from pairs.

use crate::ours::Ours;
use anyhow::{Context, Result};
use netkv_frames::{Estimate, distinct, read_table, same, two_sided_quantile};
use std::collections::BTreeMap;
use std::path::Path;

/// The axis of the policies.
pub(crate) const POLICY_AXIS: &str = "policy.name";

/// The finished cells of an experiment.
pub(crate) struct Samples {
    /// The axes, in their order.
    pub(crate) axes: Vec<String>,
    /// By axis: its values as words, each once, in the order of the experiment.
    pub(crate) values: BTreeMap<String, Vec<String>>,
    /// Whether every cell of the experiment is there, finished.
    pub(crate) is_complete: bool,
    /// The metrics.
    pub(crate) metrics: BTreeMap<String, Vec<Option<f64>>>,
    /// By the values of the axes: seeds and rows.
    rows: BTreeMap<Vec<String>, BTreeMap<String, usize>>,
    /// Coverage of intervals.
    confidence_ratio: f64,
}

/// A number for each seed.
pub(crate) type BySeed = BTreeMap<String, f64>;

impl Samples {
    /// Reads a table of cells.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let (table, metadata) = read_table(path)?;
        let wrong = || format!("{} is no table of cells of this version", path.display());
        let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
        let position = |name: &str| names.iter().position(|other| *other == name).with_context(wrong);
        let (seed, origin, digest) = (position("seed")?, position("trace_origin")?, position("digest")?);
        let axes: Vec<String> = names[seed + 1..origin].iter().map(|name| (*name).to_owned()).collect();
        let words: Vec<Vec<String>> = axes.iter().map(|axis| table.words(axis)).collect::<Result<_>>()?;
        let (seeds, states) = (table.words("seed")?, table.words("status")?);
        let mut rows: BTreeMap<Vec<String>, BTreeMap<String, usize>> = BTreeMap::new();
        for at in (0..table.n_rows()).filter(|&at| states[at] == "done") {
            let place = words.iter().map(|column| column[at].clone()).collect();
            rows.entry(place).or_default().insert(seeds[at].clone(), at);
        }
        let metrics = names[digest + 1..].iter().map(|name| Ok(((*name).to_owned(), table.numbers(name)?)));
        let values = axes.iter().cloned().zip(words.iter().map(|column| distinct(column.iter().cloned()))).collect();
        let number = |key: &str| metadata.get(key).and_then(|value| value.parse::<f64>().ok()).with_context(wrong);
        let n_done: usize = rows.values().map(BTreeMap::len).sum();
        Ok(Self {
            values,
            is_complete: n_done as f64 == number("n_cells")?,
            metrics: metrics.collect::<Result<_>>().with_context(wrong)?,
            confidence_ratio: number("confidence_ratio")?,
            axes,
            rows,
        })
    }

    /// The places that fit, given some of the axes.
    pub(crate) fn places(&self, at: &BTreeMap<String, String>) -> Vec<&[String]> {
        let fits = |place: &&[String]| {
            let mut pairs = self.axes.iter().zip(place.iter());
            pairs.all(|(axis, value)| at.get(axis).is_none_or(|wanted| same(value, wanted)))
        };
        self.rows.keys().map(Vec::as_slice).filter(fits).collect()
    }

    /// The first metric less the others, at a place, on each seed that has all of them.
    pub(crate) fn by_seed(&self, place: &[String], metrics: &[&str]) -> BySeed {
        let value = |row: usize| {
            let mut parts = metrics.iter().map(|metric| self.metrics.get(*metric).and_then(|values| values[row]));
            let first = parts.next()??;
            parts.try_fold(first, |rest, part| Some(rest - part?))
        };
        let rows = self.rows.get(place).into_iter().flatten();
        rows.filter_map(|(seed, &row)| Some((seed.clone(), value(row)?))).collect()
    }

    /// The mean with its t interval; no interval for one value.
    pub(crate) fn mean(&self, values: &[f64]) -> Option<Ours> {
        let estimate = self.estimate(values)?;
        Some(Ours { value: estimate.mean, interval: estimate.interval() })
    }

    /// Sample standard deviation, with n - 1; none for one value.
    pub(crate) fn sd(&self, values: &[f64]) -> Option<f64> {
        self.estimate(values)?.sd
    }

    /// The ratio of two means over the same seeds, with the interval of the ratio estimator: that of the mean of
    /// (above - ratio x below) / mean below, which knows how the two move together.
    pub(crate) fn ratio(&self, pairs: &[(f64, f64)]) -> Option<Ours> {
        let (above, below): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let below = mean(&below).filter(|mean| *mean != 0.0)?;
        let ratio = mean(&above)? / below;
        let rests: Vec<f64> = pairs.iter().map(|(one, other)| (one - ratio * other) / below).collect();
        let half = self.estimate(&rests)?.half;
        Some(Ours { value: ratio, interval: half.map(|half| (ratio - half, ratio + half)) })
    }

    /// Mean, deviation and interval; none of no values.
    fn estimate(&self, values: &[f64]) -> Option<Estimate> {
        Estimate::of(values, two_sided_quantile(self.confidence_ratio, values.len()))
    }
}

/// Two numbers of each seed that has both.
pub(crate) fn pairs(one: &BySeed, other: &BySeed) -> Vec<(f64, f64)> {
    one.iter().filter_map(|(seed, value)| Some((*value, *other.get(seed)?))).collect()
}

pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
