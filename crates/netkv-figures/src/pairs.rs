//! Cells, seed by seed: what a summary does not hold, since it compares with one baseline only. Any two points are compared
//! as summaries do it: by the seeds that both have, the ratio as the exponential of a mean log ratio, with Student's t.

use crate::data::Estimate;
use anyhow::{Context, Result, ensure};
use netkv_frames::{Metadata, Table, distinct, read_table, same, student_t_quantile};
use std::path::{Path, PathBuf};

/// An experiment's cells.
pub(crate) struct Cells {
    table: Table,
    metadata: Metadata,
    /// By axis: the value of each cell, as words.
    axes: Vec<(String, Vec<String>)>,
    seeds: Vec<Option<f64>>,
    path: PathBuf,
}

/// A metric at a point over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Level {
    pub(crate) mean: f64,
    /// None for one seed.
    pub(crate) sd: Option<f64>,
}

impl Cells {
    pub(crate) fn read(results: &Path, experiment: &str) -> Result<Self> {
        let path = results.join(experiment).join("cells.parquet");
        let (table, metadata) = read_table(&path)?;
        let place = || format!("cannot use {}", path.display());
        let names = table.columns().iter().map(|column| column.name.clone());
        let names = names.skip_while(|name| name != "seed").skip(1).take_while(|name| name != "trace_origin");
        let axes: Result<Vec<_>> = names.map(|name| table.words(&name).map(|words| (name, words))).collect();
        let (axes, seeds) = (axes.with_context(place)?, table.numbers("seed").with_context(place)?);
        Ok(Self { table, metadata, axes, seeds, path })
    }

    /// What the table says about itself.
    pub(crate) const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The values of a metric at a point by seed, ascending. Axes with one value may be left out.
    fn sample(&self, at: &[(&str, String)], metric: &str) -> Result<Vec<(f64, f64)>> {
        let place = || format!("cannot use {}", self.path.display());
        let mut kept: Vec<usize> = (0..self.table.n_rows()).collect();
        for (axis, wanted) in at {
            let own = self.axes.iter().find(|own| own.0 == *axis);
            let known = || self.axes.iter().map(|own| own.0.as_str()).collect::<Vec<_>>().join(", ");
            let own =
                own.with_context(|| format!("there is no axis {axis:?}; there are {}", known())).with_context(place)?;
            kept.retain(|&row| same(&own.1[row], wanted));
        }
        for (axis, values) in &self.axes {
            let values = distinct(kept.iter().map(|&row| &values[row]));
            ensure!(
                values.len() < 2,
                "cannot use {}: axis {axis:?} has {} values where one is wanted",
                self.path.display(),
                values.len()
            );
        }
        let values = self.table.numbers(metric).with_context(place)?;
        let mut sample: Vec<_> = kept.iter().filter_map(|&row| self.seeds[row].zip(values[row])).collect();
        sample.sort_by(|one, two| one.0.total_cmp(&two.0));
        Ok(sample)
    }

    /// Mean and deviation at a point; none if no run is left.
    pub(crate) fn level(&self, at: &[(&str, String)], metric: &str) -> Result<Option<Level>> {
        let sample: Vec<f64> = self.sample(at, metric)?.into_iter().map(|(_, value)| value).collect();
        Ok((!sample.is_empty()).then(|| {
            let (mean, sd) = moments(&sample);
            Level { mean, sd }
        }))
    }

    /// A metric at a point as a ratio to that at another.
    pub(crate) fn ratio(&self, at: &[(&str, String)], other: &[(&str, String)], metric: &str) -> Result<Estimate> {
        let pairs = self.pairs(at, other, metric)?;
        if pairs.iter().any(|&(own, theirs)| own <= 0.0 || theirs <= 0.0) {
            return Ok(Estimate::default());
        }
        let logs: Vec<f64> = pairs.into_iter().map(|(own, theirs)| libm::log(own / theirs)).collect();
        let estimate = self.estimate(&logs);
        let exp = |value: Option<f64>| value.map(libm::exp);
        Ok(Estimate { mean: exp(estimate.mean), low: exp(estimate.low), high: exp(estimate.high) })
    }

    /// A metric at a point less that at another.
    pub(crate) fn difference(&self, at: &[(&str, String)], other: &[(&str, String)], metric: &str) -> Result<Estimate> {
        let pairs = self.pairs(at, other, metric)?;
        Ok(self.estimate(&pairs.into_iter().map(|(own, theirs)| own - theirs).collect::<Vec<_>>()))
    }

    fn pairs(&self, at: &[(&str, String)], other: &[(&str, String)], metric: &str) -> Result<Vec<(f64, f64)>> {
        let (own, theirs) = (self.sample(at, metric)?, self.sample(other, metric)?);
        let partner = |seed: f64| theirs.iter().find(|pair| pair.0 == seed).map(|pair| pair.1);
        Ok(own.into_iter().filter_map(|(seed, value)| Some((value, partner(seed)?))).collect())
    }

    /// One value has no interval, nor have any if the tables do not say how much an interval covers.
    fn estimate(&self, sample: &[f64]) -> Estimate {
        if sample.is_empty() {
            return Estimate::default();
        }
        let (mean, sd) = moments(sample);
        let covers = self.metadata.get("confidence_ratio").and_then(|value| value.parse::<f64>().ok());
        let half = covers.zip(sd).map(|(covers, sd)| {
            let n = sample.len() as f64;
            student_t_quantile(0.5 + covers / 2.0, n - 1.0) * sd / n.sqrt()
        });
        Estimate { mean: Some(mean), low: half.map(|half| mean - half), high: half.map(|half| mean + half) }
    }
}

/// Mean and standard deviation, with n - 1, of a sample that is not empty.
fn moments(sample: &[f64]) -> (f64, Option<f64>) {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let squares: f64 = sample.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, (sample.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}
