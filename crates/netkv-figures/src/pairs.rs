//! Cells, seed by seed: what a summary does not hold, since it compares with one baseline only. Any two points are compared
//! as summaries do it: by the seeds that both have, the ratio as the exponential of a mean log ratio, with Student's t.

use crate::data::Estimate;
use anyhow::{Context, Result, ensure};
use netkv_frames::{Metadata, Table, distinct, log_ratios, read_table, same, two_sided_quantile};
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
pub(crate) use netkv_frames::Estimate as Level;

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
        Ok(Level::of(&sample, f64::NAN))
    }

    /// A metric at a point as a ratio to that at another.
    pub(crate) fn ratio(&self, at: &[(&str, String)], other: &[(&str, String)], metric: &str) -> Result<Estimate> {
        let logs = log_ratios(&self.pairs(at, other, metric)?).unwrap_or_default();
        let (estimate, exp) = (self.estimate(&logs), |value: Option<f64>| value.map(libm::exp));
        Ok(Estimate { mean: exp(estimate.mean), low: exp(estimate.low), high: exp(estimate.high) })
    }

    /// A metric at a point less that at another.
    pub(crate) fn difference(&self, at: &[(&str, String)], other: &[(&str, String)], metric: &str) -> Result<Estimate> {
        let pairs = self.pairs(at, other, metric)?;
        Ok(self.estimate(&pairs.into_iter().map(|(own, theirs)| own - theirs).collect::<Vec<_>>()))
    }

    /// A metric at two points, by seed.
    pub(crate) fn pairs(
        &self,
        at: &[(&str, String)],
        other: &[(&str, String)],
        metric: &str,
    ) -> Result<Vec<(f64, f64)>> {
        let (own, theirs) = (self.sample(at, metric)?, self.sample(other, metric)?);
        let partner = |seed: f64| theirs.iter().find(|pair| pair.0 == seed).map(|pair| pair.1);
        Ok(own.into_iter().filter_map(|(seed, value)| Some((value, partner(seed)?))).collect())
    }

    /// How much an interval covers; none if the tables do not say.
    pub(crate) fn confidence_ratio(&self) -> Option<f64> {
        self.metadata.get("confidence_ratio").and_then(|value| value.parse().ok())
    }

    /// One value has no interval, nor have any if the tables do not say how much an interval covers.
    fn estimate(&self, sample: &[f64]) -> Estimate {
        let covers = self.confidence_ratio();
        let quantile = covers.map_or(f64::NAN, |covers| two_sided_quantile(covers, sample.len()));
        let level = Level::of(sample, quantile);
        let ends = level.and_then(|level| level.interval()).filter(|_| covers.is_some());
        Estimate { mean: level.map(|level| level.mean), low: ends.map(|ends| ends.0), high: ends.map(|ends| ends.1) }
    }
}
