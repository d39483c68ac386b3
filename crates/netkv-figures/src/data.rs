//! What figures are drawn from: the rows of a summary, by regime, policy (or another axis), place across and metric.

use crate::axis::Spacing;
use crate::labels::{Labels, POLICY_AXIS};
use crate::style::{self, PolicyStyle};
use anyhow::{Context, Result, ensure};
use netkv_frames::{ColumnData, Metadata, Table, distinct, read_table, same};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::Value;

/// More panels than these are left out of a figure, which says so.
pub(crate) const MAX_PANELS: usize = 12;
/// Between the values of several axes whose panels are joined.
const JOINT: char = '\u{1f}';

/// Which axes of an experiment a figure shows, and where.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    /// Each combination of their values is a panel; if there are none, there is one panel.
    pub(crate) panels: Vec<String>,
    /// Each value is a line or a row: mostly the policies. An experiment without this axis has one of them.
    pub(crate) series: String,
    /// Each value is a place across, or a mark of its own; if none, all is at one place.
    pub(crate) across: Option<String>,
    /// What is shown of other axes: one value of each.
    pub(crate) only: Vec<(String, String)>,
    /// Whether all values of the other axes are shown, as points that are no places of the figure.
    pub(crate) over_points: bool,
}

impl View {
    /// All axes that it has a place for.
    fn axes(&self) -> impl Iterator<Item = &str> {
        let shown = self.panels.iter().chain([&self.series]).chain(&self.across);
        shown.chain(self.only.iter().map(|only| &only.0)).map(String::as_str)
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
    /// The panel: values of the axes that get panels; empty if there are none.
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
    /// How many panels there would be beyond the regimes.
    pub(crate) n_left_out: usize,
    pub(crate) labels: Labels,
    /// The axis that the baseline is a value of.
    baseline_axis: String,
    /// What the tables were made from.
    manifest: toml::Table,
    /// Metrics, each once, and the row of every panel, line, place across and metric.
    metrics: Vec<String>,
    index: Vec<Option<usize>>,
    /// Panel, line and place across of the points that are overloaded.
    overloaded: BTreeSet<(String, String, u64)>,
    /// The same of the baseline, where the view shows another value of its axis alone.
    baseline_overloaded: BTreeSet<(String, String, u64)>,
}

/// An experiment's summary and manifest, read once for all its figures.
pub(crate) struct Loaded {
    pub(crate) experiment: String,
    /// Folder of its tables.
    pub(crate) folder: PathBuf,
    pub(crate) manifest: toml::Table,
    pub(crate) labels: Labels,
    table: Table,
    pub(crate) metadata: Metadata,
}

impl Loaded {
    /// Reads those of an experiment.
    pub(crate) fn read(results: &Path, experiment: &str) -> Result<Self> {
        let path = summary_path(results, experiment);
        let (table, metadata) = read_table(&path)?;
        let place = path.with_file_name("manifest.toml");
        let manifest = read_manifest(&place).unwrap_or_default();
        let said = manifest.get("experiment").and_then(Value::as_table).cloned().unwrap_or_default();
        let labels = Labels::of(&said).with_context(|| format!("cannot read the words in {}", place.display()))?;
        Ok(Self {
            experiment: experiment.to_owned(),
            folder: results.join(experiment),
            manifest,
            labels,
            table,
            metadata,
        })
    }

    /// What its manifest says of the experiment.
    pub(crate) fn said(&self) -> Option<&toml::Table> {
        self.manifest.get("experiment").and_then(Value::as_table)
    }
}

/// Where an experiment's summary lies.
pub(crate) fn summary_path(results: &Path, experiment: &str) -> PathBuf {
    results.join(experiment).join("summary.parquet")
}

/// What an experiment's tables were made from.
pub(crate) fn read_manifest(path: &Path) -> Result<toml::Table> {
    let place = || format!("cannot read {}", path.display());
    let text = std::fs::read_to_string(path).with_context(place)?;
    toml::from_str(&text).with_context(place)
}

impl Results {
    /// What is in `view` of an experiment's summary.
    pub(crate) fn of(loaded: &Loaded, view: &View) -> Result<Self> {
        let said = loaded.said().cloned().unwrap_or_default();
        let baseline_axis = said.get("measure").and_then(|measure| measure.get("baseline_axis")?.as_str());
        let baseline_axis = baseline_axis.unwrap_or(POLICY_AXIS).to_owned();
        let place = || format!("cannot draw {}", loaded.folder.join("summary.parquet").display());
        let tied = tied_axes(&said, view);
        let read = Self::from_table(&loaded.table, loaded.metadata.clone(), view, &tied).with_context(place)?;
        let (experiment, labels, manifest) =
            (loaded.experiment.clone(), loaded.labels.clone(), loaded.manifest.clone());
        let mut results = Self { experiment, labels, baseline_axis, manifest, ..read };
        results.sort_rows();
        results.overloaded = results.all_overloaded();
        let (baseline, mut other) = (results.baseline(), view.clone());
        let hidden = other.only.iter_mut().find(|only| only.0 == results.baseline_axis && only.1 != baseline);
        if let Some(only) = hidden {
            only.1 = baseline;
            results.baseline_overloaded = Self::of(loaded, &other).map(|other| other.overloaded).unwrap_or_default();
        }
        Ok(results)
    }

    /// Notes where each row is.
    fn sort_rows(&mut self) {
        self.metrics = distinct(self.rows.iter().map(|row| row.metric.clone()));
        let places = |words: &[String]| -> BTreeMap<String, usize> {
            words.iter().enumerate().map(|(at, word)| (word.clone(), at)).collect()
        };
        let (regimes, policies, metrics) = (places(&self.regimes), places(&self.policies), places(&self.metrics));
        let xs: BTreeMap<u64, usize> = self.xs.iter().enumerate().map(|(at, x)| (x.to_bits(), at)).collect();
        self.index = vec![None; regimes.len() * policies.len() * xs.len() * metrics.len()];
        for (at, row) in self.rows.iter().enumerate() {
            let place = (regimes[&row.regime] * policies.len() + policies[&row.policy]) * xs.len();
            let place = (place + xs[&row.x.to_bits()]) * metrics.len() + metrics[&row.metric];
            self.index[place].get_or_insert(at);
        }
    }

    fn all_overloaded(&self) -> BTreeSet<(String, String, u64)> {
        let mut found = BTreeSet::new();
        for regime in &self.regimes {
            for policy in &self.policies {
                for &x in &self.xs {
                    let mean = |metric: &str| self.row(regime, policy, x, metric)?.value.mean;
                    let wait_s = mean("ttft_mean_ns").zip(mean("ttft_prefill_compute_ns"));
                    let span_s = mean("requests").zip(mean("offered_rps")).map(|(requests, rps)| requests / rps);
                    let wait_s = wait_s.map(|(ttft, computing)| (ttft - computing) * 1e-9);
                    if netkv_verdict::is_overload(mean("ttft_drift_ratio"), wait_s, span_s) {
                        found.insert((regime.clone(), policy.clone(), x.to_bits()));
                    }
                }
            }
        }
        found
    }

    /// Whether a point is overloaded.
    pub(crate) fn is_overloaded(&self, regime: &str, policy: &str, x: f64) -> bool {
        !self.overloaded.is_empty() && self.overloaded.contains(&(regime.to_owned(), policy.to_owned(), x.to_bits()))
    }

    /// Whether it is, or the baseline that it is compared with.
    pub(crate) fn compares_overloaded(&self, regime: &str, policy: &str, x: f64) -> bool {
        if !self.has_overload() {
            return false;
        }
        if self.baseline_overloaded.contains(&(regime.to_owned(), policy.to_owned(), x.to_bits())) {
            return true;
        }
        let (mut other_regime, mut other) = (regime.to_owned(), policy.to_owned());
        if self.view.series == self.baseline_axis {
            other = self.baseline();
        } else if let Some(at) = self.view.panels.iter().position(|axis| *axis == self.baseline_axis) {
            let mut parts: Vec<String> = regime.split(JOINT).map(str::to_owned).collect();
            parts[at] = self.baseline();
            other_regime = parts.join(&JOINT.to_string());
        }
        self.is_overloaded(regime, policy, x) || self.is_overloaded(&other_regime, &other, x)
    }

    /// Whether any point is overloaded.
    pub(crate) fn has_overload(&self) -> bool {
        !self.overloaded.is_empty() || !self.baseline_overloaded.is_empty()
    }

    fn from_table(table: &Table, metadata: Metadata, view: &View, tied: &[String]) -> Result<Self> {
        let kept = kept_rows(table, view)?;
        check_axes(table, view, tied, &kept)?;
        // An experiment with one policy has no axis for it; any other axis that a figure shows must be there.
        let policies = if view.series == POLICY_AXIS && !table.has(POLICY_AXIS) {
            vec![String::new(); table.n_rows()]
        } else {
            table.words(&view.series)?
        };
        let panels: Vec<Vec<String>> = view.panels.iter().map(|axis| table.words(axis)).collect::<Result<_>>()?;
        let joint = |at: usize| panels.iter().map(|values| values[at].as_str()).collect::<Vec<_>>();
        let regimes: Vec<String> = (0..table.n_rows()).map(|at| joint(at).join(&JOINT.to_string())).collect();
        let (metrics, baselines) = (table.words("metric")?, table.words("baseline")?);
        let (xs, x_labels) = places(table, view.across.as_deref())?;
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
                x: xs[at].with_context(|| format!("row {at} has no {}", view.across.as_deref().unwrap_or_default()))?,
                metric: metrics[at].clone(),
                n: n[at].unwrap_or_default() as u64,
                n_failed: n_failed[at].unwrap_or_default() as u64,
                value: values[at],
                difference: differences[at],
                ratio: ratios[at],
                baseline: baselines[at].clone(),
            })
        };
        let mut rows = kept.into_iter().map(row).collect::<Result<Vec<_>>>()?;
        ensure!(!rows.is_empty(), "it has no rows");
        let mut regimes = distinct(rows.iter().map(|row| row.regime.clone()));
        let n_left_out = regimes.len().saturating_sub(MAX_PANELS);
        if n_left_out > 0 {
            regimes.truncate(MAX_PANELS);
            rows.retain(|row| regimes.contains(&row.regime));
        }
        let mut policies = distinct(rows.iter().map(|row| row.policy.clone()));
        policies.sort_by_key(|key| style::policy_rank(key));
        let mut xs = distinct(rows.iter().map(|row| row.x));
        xs.sort_by(f64::total_cmp);
        Ok(Self {
            experiment: String::new(),
            view: view.clone(),
            regimes,
            policies,
            xs,
            x_labels,
            rows,
            metadata,
            n_left_out,
            labels: Labels::default(),
            baseline_axis: String::new(),
            manifest: toml::Table::new(),
            metrics: Vec::new(),
            index: Vec::new(),
            overloaded: BTreeSet::new(),
            baseline_overloaded: BTreeSet::new(),
        })
    }

    /// Without the panels of some values of the baseline's axis, of which there is nothing to say against themselves; all if
    /// there are no others.
    pub(crate) fn without_panels_of(&self, values: &[&str]) -> Self {
        let mut fewer = self.clone();
        let Some(at) = self.view.panels.iter().position(|axis| *axis == self.baseline_axis) else { return fewer };
        fewer.regimes.retain(|regime| !regime.split(JOINT).nth(at).is_some_and(|own| values.contains(&own)));
        if fewer.regimes.is_empty() {
            return self.clone();
        }
        fewer.rows.retain(|row| fewer.regimes.contains(&row.regime));
        fewer.sort_rows();
        fewer
    }

    /// The values of the axes at a point, as words.
    pub(crate) fn coordinates(&self, regime: &str, policy: &str, x: f64) -> Vec<(&str, String)> {
        let word = self.x_labels.get(x as usize).cloned().unwrap_or_else(|| x.to_string());
        let panels = self.view.panels.iter().map(String::as_str).zip(regime.split(JOINT).map(str::to_owned));
        let series = [(self.view.series.as_str(), policy.to_owned())];
        let across = self.view.across.as_deref().map(|axis| (axis, word));
        let only = self.view.only.iter().map(|(axis, value)| (axis.as_str(), value.clone()));
        panels.chain(series).filter(|(_, value)| !value.is_empty()).chain(across).chain(only).collect()
    }

    /// Title and description of a panel; nothing if there is one for all. Of several axes the others describe it.
    pub(crate) fn panel_title(&self, regime: &str) -> (String, String) {
        let words = |(axis, value): (&String, &str)| {
            let (title, about) = self.labels.value(axis, value);
            // A number says nothing without its axis.
            let is_bare = value.parse::<f64>().is_ok() || value.parse::<bool>().is_ok();
            (if is_bare { format!("{}: {title}", self.labels.title(axis)) } else { title }, about)
        };
        let mut all = self.view.panels.iter().zip(regime.split(JOINT)).map(words);
        let Some((title, about)) = all.next() else { return Default::default() };
        let others: Vec<String> = all.map(|other| other.0).collect();
        (title, if others.is_empty() { about } else { others.join(", ") })
    }

    /// Title and description of every panel.
    pub(crate) fn panel_titles(&self) -> Vec<(String, String)> {
        self.regimes.iter().map(|regime| self.panel_title(regime)).collect()
    }

    /// What a line or a row is called.
    pub(crate) fn series_label(&self, series: &str) -> String {
        self.labels.value(&self.view.series, series).0
    }

    /// The look of a line; where lines are not policies, by its position.
    pub(crate) fn look(&self, series: &str) -> PolicyStyle {
        if self.view.series == POLICY_AXIS {
            return style::policy(series);
        }
        let position = self.policies.iter().position(|own| own == series).unwrap_or_default();
        style::one_of_many(position, self.series_label(series))
    }

    /// What the axis across is called.
    pub(crate) fn x_title(&self) -> String {
        self.view.across.as_deref().map_or_else(String::new, |axis| self.labels.title(axis))
    }

    /// What a place across is called.
    pub(crate) fn x_label(&self, x: f64) -> String {
        let Some(axis) = self.view.across.as_deref() else { return String::new() };
        self.x_labels
            .get(x as usize)
            .map_or_else(|| self.labels.number(axis, x), |word| self.labels.value(axis, word).0)
    }

    /// How places stand across; words stand evenly.
    pub(crate) fn spacing(&self) -> Spacing {
        let numbers = self.view.across.as_deref().filter(|_| self.x_labels.is_empty());
        numbers.map_or(Spacing::Ordinal, |axis| self.labels.spacing(axis, &self.xs))
    }

    /// "Round-robin": what the baseline is called.
    pub(crate) fn baseline_label(&self) -> String {
        self.labels.value(&self.baseline_axis, &self.baseline()).0
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
    pub(crate) const fn manifest(&self) -> &toml::Table {
        &self.manifest
    }

    /// The row of a point and metric.
    pub(crate) fn row(&self, regime: &str, policy: &str, x: f64, metric: &str) -> Option<&Row> {
        let place = |words: &[String], word: &str| words.iter().position(|own| own == word);
        let at = place(&self.regimes, regime)? * self.policies.len() + place(&self.policies, policy)?;
        let at = at * self.xs.len() + self.xs.iter().position(|own| *own == x)?;
        self.index[at * self.metrics.len() + place(&self.metrics, metric)?].map(|at| &self.rows[at])
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

/// The axes that advance together with one that a view shows.
fn tied_axes(experiment: &toml::Table, view: &View) -> Vec<String> {
    let axes = || experiment.get("axis").and_then(Value::as_array).into_iter().flatten();
    let text = |axis: &Value, key: &str| axis.get(key).and_then(Value::as_str).map(str::to_owned);
    let is_shown = |axis: &Value| text(axis, "key").is_some_and(|key| view.axes().any(|shown| shown == key));
    let groups: Vec<String> = axes().filter(|axis| is_shown(axis)).filter_map(|axis| text(axis, "zip")).collect();
    let is_tied = |axis: &&Value| text(axis, "zip").is_some_and(|zip| groups.contains(&zip));
    axes().filter(is_tied).filter_map(|axis| text(axis, "key")).collect()
}

/// The rows that a view shows.
fn kept_rows(table: &Table, view: &View) -> Result<Vec<usize>> {
    let mut kept: Vec<usize> = (0..table.n_rows()).collect();
    for (axis, wanted) in &view.only {
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
fn check_axes(table: &Table, view: &View, tied: &[String], kept: &[usize]) -> Result<()> {
    for column in table.columns().iter().take_while(|column| column.name != "trace_origin") {
        let known = view.axes().any(|axis| axis == column.name) || tied.contains(&column.name);
        let words = table.words(&column.name)?;
        let values = distinct(kept.iter().map(|&at| &words[at]));
        ensure!(
            known || view.over_points || values.len() == 1,
            "its axis {:?} has {} values; the figure has no place for them",
            column.name,
            values.len()
        );
    }
    Ok(())
}
