//! What figures are drawn from: the rows of a summary, by regime, policy (or another axis), place across and metric.

use anyhow::{Context, Result, ensure};
use netkv_frames::{ColumnData, Metadata, Table, distinct, read_table, same};
use std::path::{Path, PathBuf};

/// The panels of most figures; an experiment without it has one panel.
pub(crate) const REGIME_AXIS: &str = "regime";
/// The lines or rows of most figures; an experiment without it has one policy.
pub(crate) const POLICY_AXIS: &str = "policy.name";

/// Which axes of an experiment a figure shows, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// Each value is a panel: mostly the regimes.
    pub(crate) panels: &'static str,
    /// Each value is a line or a row: mostly the policies.
    pub(crate) series: &'static str,
    /// Each value is a place across, or a mark of its own; if none, all is at one place.
    pub(crate) across: Option<&'static str>,
    /// What is shown of other axes: one value of each.
    pub(crate) only: &'static [(&'static str, &'static str)],
}

impl View {
    /// A line for each policy, against an axis.
    pub(crate) const fn policies_against(across: &'static str) -> Self {
        Self { panels: REGIME_AXIS, series: POLICY_AXIS, across: Some(across), only: &[] }
    }

    /// All axes that it has a place for.
    fn axes(&self) -> impl Iterator<Item = &'static str> {
        [self.panels, self.series].into_iter().chain(self.across).chain(self.only.iter().map(|only| only.0))
    }
}

/// A mean with its interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: Option<f64>,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
}

impl Estimate {
    pub(crate) fn scaled(self, factor: f64) -> Self {
        let scale = |value: Option<f64>| value.map(|value| value * factor);
        Self { mean: scale(self.mean), low: scale(self.low), high: scale(self.high) }
    }
}

/// A row of the summary.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Empty if there is no such axis.
    pub(crate) regime: String,
    /// The value of the axis that gets lines or rows; empty if there is no such axis.
    pub(crate) policy: String,
    /// The value of the axis across; of one of words, the position of the word.
    pub(crate) x: f64,
    pub(crate) metric: String,
    pub(crate) n: u64,
    pub(crate) n_failed: u64,
    pub(crate) value: Estimate,
    /// Paired, to the baseline.
    pub(crate) difference: Estimate,
    /// Paired, to the baseline.
    pub(crate) ratio: Estimate,
    pub(crate) baseline: String,
}

/// An experiment's summary.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    pub(crate) experiment: String,
    pub(crate) view: View,
    pub(crate) rows: Vec<Row>,
    pub(crate) metadata: Metadata,
    /// In the order of the experiment.
    pub(crate) regimes: Vec<String>,
    /// In the order of legends.
    pub(crate) policies: Vec<String>,
    /// Ascending.
    pub(crate) xs: Vec<f64>,
    /// The words of an axis of words, by position.
    pub(crate) x_labels: Vec<String>,
    /// Where its manifest lies.
    manifest: PathBuf,
}

/// Where an experiment's summary lies.
pub(crate) fn summary_path(results: &Path, experiment: &str) -> PathBuf {
    results.join(experiment).join("summary.parquet")
}

impl Results {
    /// Reads what is in `view` of an experiment's summary.
    pub(crate) fn read(results: &Path, experiment: &str, view: View) -> Result<Self> {
        let path = summary_path(results, experiment);
        let (table, metadata) = read_table(&path)?;
        let manifest = path.with_file_name("manifest.toml");
        let read = Self::from_table(&table, metadata, view, manifest);
        let read = read.with_context(|| format!("cannot draw {}", path.display()))?;
        Ok(Self { experiment: experiment.to_owned(), ..read })
    }

    fn from_table(table: &Table, metadata: Metadata, view: View, manifest: PathBuf) -> Result<Self> {
        let kept = kept_rows(table, view)?;
        check_axes(table, view, &kept)?;
        // Experiments with one regime or one policy have no axis for it; any other axis that a figure shows must be there.
        let words = |axis: &str| {
            let may_miss = [REGIME_AXIS, POLICY_AXIS].contains(&axis) && !table.has(axis);
            if may_miss { Ok(vec![String::new(); table.n_rows()]) } else { table.words(axis) }
        };
        let (regimes, policies) = (words(view.panels)?, words(view.series)?);
        let (metrics, baselines) = (table.words("metric")?, table.words("baseline")?);
        let (xs, x_labels) = places(table, view.across)?;
        let estimate = |mean: &str, low: &str, high: &str| -> Result<Vec<Estimate>> {
            let (mean, low, high) = (table.numbers(mean)?, table.numbers(low)?, table.numbers(high)?);
            Ok((0..table.n_rows()).map(|at| Estimate { mean: mean[at], low: low[at], high: high[at] }).collect())
        };
        let values = estimate("mean", "ci_low", "ci_high")?;
        let differences = estimate("diff_mean", "diff_ci_low", "diff_ci_high")?;
        let ratios = estimate("ratio_mean", "ratio_ci_low", "ratio_ci_high")?;
        let (n, n_failed) = (table.numbers("n")?, table.numbers("n_failed")?);
        let row = |at: usize| -> Result<Row> {
            Ok(Row {
                regime: regimes[at].clone(),
                policy: policies[at].clone(),
                x: xs[at].with_context(|| format!("row {at} has no {}", view.across.unwrap_or_default()))?,
                metric: metrics[at].clone(),
                n: n[at].unwrap_or_default() as u64,
                n_failed: n_failed[at].unwrap_or_default() as u64,
                value: values[at],
                difference: differences[at],
                ratio: ratios[at],
                baseline: baselines[at].clone(),
            })
        };
        let rows = kept.into_iter().map(row).collect::<Result<Vec<_>>>()?;
        ensure!(!rows.is_empty(), "it has no rows");
        let mut policies = distinct(rows.iter().map(|row| row.policy.clone()));
        policies.sort_by_key(|key| crate::style::policy_rank(key));
        let mut xs = distinct(rows.iter().map(|row| row.x));
        xs.sort_by(f64::total_cmp);
        let regimes = distinct(rows.iter().map(|row| row.regime.clone()));
        let experiment = String::new();
        Ok(Self { experiment, view, regimes, policies, xs, x_labels, rows, metadata, manifest })
    }

    /// The values of the axes at a point, as words.
    pub(crate) fn coordinates(&self, regime: &str, policy: &str, x: f64) -> Vec<(&'static str, String)> {
        let word = self.x_labels.get(x as usize).cloned().unwrap_or_else(|| x.to_string());
        let shown = [(self.view.panels, regime.to_owned()), (self.view.series, policy.to_owned())];
        let across = self.view.across.map(|axis| (axis, word));
        let only = self.view.only.iter().map(|&(axis, value)| (axis, value.to_owned()));
        shown.into_iter().filter(|(_, value)| !value.is_empty()).chain(across).chain(only).collect()
    }

    /// An error if there is no value of a metric at all.
    pub(crate) fn check_metric(&self, metric: &str) -> Result<()> {
        let is_known = self.rows.iter().any(|row| row.metric == metric);
        ensure!(
            is_known,
            "the summary of {} has no metric {metric:?}: tables of an older version lack it; run the experiment again",
            self.experiment
        );
        let has_value = self.rows.iter().any(|row| row.metric == metric && row.value.mean.is_some());
        ensure!(has_value, "there is no value of {metric}");
        Ok(())
    }

    /// What the tables were made from.
    pub(crate) fn manifest(&self) -> Result<toml::Table> {
        let place = || format!("cannot read {}", self.manifest.display());
        let text = std::fs::read_to_string(&self.manifest).with_context(place)?;
        toml::from_str(&text).with_context(place)
    }

    /// The row of a point and metric.
    pub(crate) fn row(&self, regime: &str, policy: &str, x: f64, metric: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.x == x && row.metric == metric && row.policy == policy && row.regime == regime)
    }

    /// Runs that failed, and all runs, over the points of the figure.
    pub(crate) fn failures(&self, metric: &str, only_x: Option<f64>) -> (u64, u64) {
        let rows = self.rows.iter().filter(|row| row.metric == metric && only_x.is_none_or(|x| row.x == x));
        rows.fold((0, 0), |(failed, all), row| (failed + row.n_failed, all + row.n_failed + row.n))
    }

    /// The x that is `wanted`, or else the middle one.
    pub(crate) fn x_near(&self, wanted: f64) -> f64 {
        let close = self.xs.iter().copied().find(|x| (x - wanted).abs() < 1e-9);
        close.unwrap_or_else(|| self.xs[self.xs.len() / 2])
    }

    /// The policy that others are compared with.
    pub(crate) fn baseline(&self) -> String {
        let named = self.rows.iter().map(|row| &row.baseline).find(|name| !name.is_empty());
        named.or_else(|| self.metadata.get("baseline")).cloned().unwrap_or_default()
    }

    /// Number of seeds: as the file says, or the most runs of a point.
    pub(crate) fn n_seeds(&self) -> u64 {
        let listed = self.metadata.get("seeds").map(|seeds| seeds.split(',').count() as u64);
        listed.unwrap_or_else(|| self.rows.iter().map(|row| row.n + row.n_failed).max().unwrap_or_default())
    }
}

/// The rows that a view shows.
fn kept_rows(table: &Table, view: View) -> Result<Vec<usize>> {
    let mut kept: Vec<usize> = (0..table.n_rows()).collect();
    for (axis, wanted) in view.only {
        let values = table.words(axis)?;
        kept.retain(|&at| same(&values[at], wanted));
        ensure!(
            !kept.is_empty(),
            "no row has {wanted:?} of its axis {axis:?}; there are {}",
            distinct(values.iter().map(String::as_str)).join(", ")
        );
    }
    Ok(kept)
}

/// The values of an axis as numbers; of one of words, the position of each, and the words.
fn places(table: &Table, axis: Option<&str>) -> Result<(Vec<Option<f64>>, Vec<String>)> {
    let Some(axis) = axis else { return Ok((vec![Some(0.0); table.n_rows()], Vec::new())) };
    let ColumnData::Text(values) = &table.column(axis)?.data else { return Ok((table.numbers(axis)?, Vec::new())) };
    let words = distinct(values.iter().flatten().cloned());
    let position = |value: &String| words.iter().position(|word| word == value).map(|position| position as f64);
    Ok((values.iter().map(|value| value.as_ref().and_then(position)).collect(), words))
}

/// An axis that a figure does not know would put several points at one place.
fn check_axes(table: &Table, view: View, kept: &[usize]) -> Result<()> {
    for column in table.columns().iter().take_while(|column| column.name != "trace_origin") {
        let known = view.axes().any(|axis| axis == column.name);
        let words = table.words(&column.name)?;
        let values = distinct(kept.iter().map(|&at| &words[at]));
        ensure!(
            known || values.len() == 1,
            "its axis {:?} has {} values; the figure has no place for them",
            column.name,
            values.len()
        );
    }
    Ok(())
}
