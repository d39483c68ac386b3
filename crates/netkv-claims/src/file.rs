//! The claims file: blocks of printed numbers in TOML.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A claims file, read and checked as far as it can be without results.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Where it was read from.
    pub path: PathBuf,
    /// Free coefficients, and what they were fitted to.
    pub fitted: Vec<Fitted>,
    /// Every claim, in the order of the file.
    pub claims: Vec<Claim>,
    /// The experiments beside the claims file: their names, and the files.
    pub experiments: BTreeMap<String, PathBuf>,
}

/// A free coefficient of the model that the paper does not print.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// What it is.
    pub coefficient: String,
    /// Its value, in words.
    pub value: String,
    /// The printed numbers that it was fitted to, and where they stand.
    pub to: String,
}

/// One printed number.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// What belongs together in the totals: "load", "context", ...
    pub area: String,
    /// Where in the paper: "Table II".
    pub place: String,
    /// What the number is of.
    pub says: String,
    /// The experiment whose summary it is read from; empty if it cannot be.
    pub experiment: String,
    /// The values of the axes that it is at, as words.
    pub at: BTreeMap<String, String>,
    /// The metric, or the difference of two: "a_ns - b_ns".
    pub metric: String,
    /// What is made of it.
    pub measure: Measure,
    /// The value of `policy.name` that the number compares with, for changes and differences.
    pub against: String,
    /// As printed, in `unit`.
    pub printed: f64,
    /// "ms", "s", "%", "points", "req/s" or "".
    pub unit: String,
    /// How far ours may be off, in `unit`.
    pub tolerance: f64,
    /// Whether the paper says this number, at most or at least this number.
    pub bound: Bound,
    /// What is made of all points that fit; none if there is one.
    pub take: Option<Take>,
    /// For a share: the policy that has the whole.
    pub of: String,
    /// For the lowest: the policies that it is compared with; all others if empty.
    pub among: Vec<String>,
    /// A free coefficient was fitted to it: it counts as fitted, not as reproduced.
    pub fitted: bool,
    /// Why it cannot be reproduced here, if it cannot.
    pub not_reproducible: Option<String>,
    /// Its line in the file.
    pub line: usize,
}

impl Claim {
    /// The metrics of its expression: one, or "a - b".
    pub(crate) fn metrics(&self) -> Vec<&str> {
        self.metric.split(" - ").map(str::trim).collect()
    }

    /// Whether it is about several points.
    pub(crate) const fn is_over_many(&self) -> bool {
        self.take.is_some() || matches!(self.measure, Measure::SpreadPercent | Measure::LowestPercent)
    }

    /// The values that count as the printed one.
    pub fn band(&self) -> (f64, f64) {
        let (low, high) = (self.printed - self.tolerance, self.printed + self.tolerance);
        match self.bound {
            Bound::Equal => (low, high),
            Bound::AtMost => (f64::NEG_INFINITY, high),
            Bound::AtLeast => (low, f64::INFINITY),
        }
    }
}

/// How a printed number is meant.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// This number.
    #[default]
    Equal,
    /// No more than it.
    AtMost,
    /// No less than it.
    AtLeast,
}

/// What is made of a measure over all points that fit.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// The least.
    Least,
    /// The largest.
    Most,
    /// The value of the one axis that is left open at which it is least.
    WhereLeast,
}

/// What is made of a metric at the point of a claim.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Its mean over seeds.
    #[default]
    Value,
    /// Its standard deviation over seeds.
    Sd,
    /// How much its mean is above that of `against`, in percent of that.
    ChangePercent,
    /// How much its mean is above that of `against`.
    Difference,
    /// Which share of the way from `against` to `of` its mean has gone, in percent.
    SharePercent,
    /// Largest less least mean over all points that fit, in percent of their mean: nought where it is flat.
    SpreadPercent,
    /// Share of the points that fit, in percent, at which none of `among` has a lower mean.
    LowestPercent,
}

/// How far ours may be off: the larger of the two.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerance {
    /// In the unit of the number.
    pub absolute: f64,
    /// In percent of the printed number.
    pub percent: f64,
}

/// A block of numbers that differ in where they are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    area: String,
    place: String,
    says: String,
    #[serde(default)]
    experiment: String,
    /// Axes with one value for all rows.
    #[serde(default)]
    at: BTreeMap<String, toml::Value>,
    /// Axes whose values the rows begin with.
    #[serde(default)]
    axes: Vec<String>,
    #[serde(default)]
    metric: String,
    #[serde(default)]
    measure: Measure,
    #[serde(default)]
    against: String,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    tolerance: Tolerance,
    #[serde(default)]
    bound: Bound,
    take: Option<Take>,
    #[serde(default)]
    of: String,
    #[serde(default)]
    among: Vec<String>,
    #[serde(default)]
    fitted: bool,
    not_reproducible: Option<String>,
    /// Values of the axes, then the printed number.
    rows: Vec<Spanned<Vec<toml::Value>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What `netkv fit` reads.
    #[serde(default, rename = "fit")]
    _fit: Option<toml::Table>,
    #[serde(default)]
    fitted: Vec<Fitted>,
    claims: Vec<Spanned<Block>>,
}

/// What is wrong with a claims file, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError(String);

impl FileError {
    pub(crate) fn at(place: &str, message: &str) -> Self {
        Self(format!("{place}: {message}"))
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for FileError {}

impl Claims {
    /// Reads a claims file.
    ///
    /// # Errors
    /// If it cannot be read, is no claims file, or a row does not fit its block; with file and line.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let place = path.display();
        let text =
            std::fs::read_to_string(path).map_err(|error| FileError(format!("{place}: cannot read it: {error}")))?;
        let file: File = toml::from_str(&text).map_err(|error| FileError(format!("{place}: {error}")))?;
        let line_of = |offset: usize| text[..offset].lines().count().max(1);
        let mut claims = Vec::new();
        for block in file.claims {
            let line = line_of(block.span().start + 1);
            let block = block.into_inner();
            fits_itself(&block).map_err(|message| FileError(format!("{place}:{line}: {message}")))?;
            for row in &block.rows {
                let line = line_of(row.span().start + 1);
                let claim = claim(&block, row.get_ref(), line);
                claims.push(claim.map_err(|message| FileError(format!("{place}:{line}: {message}")))?);
            }
        }
        if claims.is_empty() {
            return Err(FileError(format!("{place}: there is no claim in it")));
        }
        let experiments = experiments_beside(path);
        Ok(Self { path: path.to_owned(), fitted: file.fitted, claims, experiments })
    }

    /// The printed numbers of a metric of an experiment, taken as it stands: for the open marks of figures.
    pub fn printed(&self, experiment: &str, metric: &str, measure: Measure) -> Vec<&Claim> {
        let fits =
            |claim: &&Claim| claim.experiment == experiment && claim.metric == metric && claim.measure == measure;
        self.claims.iter().filter(fits).collect()
    }
}

/// The experiments in the folder of a claims file. What cannot be read as one is none: running it says what is wrong.
fn experiments_beside(path: &Path) -> BTreeMap<String, PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let named = |file: PathBuf| {
        let table: toml::Table = toml::from_str(&std::fs::read_to_string(&file).ok()?).ok()?;
        Some((table.get("name")?.as_str()?.to_owned(), file))
    };
    files.filter(|file| file.extension().is_some_and(|extension| extension == "toml")).filter_map(named).collect()
}

/// Whether what a block says goes together.
fn fits_itself(block: &Block) -> Result<(), String> {
    let is = |measures: &[Measure]| measures.contains(&block.measure);
    if block.rows.is_empty() {
        return Err("rows is empty: a row has the values of the axes, then the printed number".to_owned());
    }
    if block.not_reproducible.is_some() {
        return Ok(());
    }
    if block.experiment.is_empty() || block.metric.is_empty() {
        return Err("a claim needs an experiment and a metric, or says why it is not_reproducible".to_owned());
    }
    let compares = is(&[Measure::ChangePercent, Measure::Difference, Measure::SharePercent]);
    if compares == block.against.is_empty() {
        let measures = "\"change_percent\", \"difference\" or \"share_percent\"";
        return Err(format!("against = \"POLICY\" belongs to measure = {measures}"));
    }
    if is(&[Measure::SharePercent]) == block.of.is_empty() {
        return Err("of = \"POLICY\" belongs to measure = \"share_percent\"".to_owned());
    }
    if !block.among.is_empty() && !is(&[Measure::LowestPercent]) {
        return Err("among = [\"POLICY\"] belongs to measure = \"lowest_percent\"".to_owned());
    }
    if block.take.is_some() && !is(&[Measure::Value, Measure::ChangePercent, Measure::Difference]) {
        return Err("take goes with the measures \"value\", \"change_percent\" and \"difference\"".to_owned());
    }
    factor(block.measure, block.take, &block.metric, &block.unit).map(|_| ())
}

/// How many of `unit` one of the measured is.
pub(crate) fn factor(measure: Measure, take: Option<Take>, metric: &str, unit: &str) -> Result<f64, String> {
    let wrong =
        |allowed: &str| Err(format!("unit = \"{unit}\" is not one of this measure of {metric}; allowed: {allowed}"));
    if take == Some(Take::WhereLeast) {
        // The unit of an axis's values: whatever the paper calls it.
        return Ok(1.0);
    }
    if !matches!(measure, Measure::Value | Measure::Sd | Measure::Difference) {
        return if unit == "%" { Ok(1.0) } else { wrong("%") };
    }
    let units: &[(&str, f64)] = match metric.rsplit_once('_').map_or("", |(_, kind)| kind) {
        "ns" => &[("us", 1e-3), ("ms", 1e-6), ("s", 1e-9)],
        "ratio" => &[("%", 100.0), ("points", 100.0), ("", 1.0)],
        "rps" => &[("req/s", 1.0)],
        _ => &[("", 1.0)],
    };
    match units.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => Ok(*factor),
        None => wrong(&units.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")),
    }
}

/// The claim of a row.
fn claim(block: &Block, row: &[toml::Value], line: usize) -> Result<Claim, String> {
    let [values @ .., printed] = row else { return Err("a row is empty".to_owned()) };
    if values.len() != block.axes.len() {
        return Err(format!(
            "a row has {} values before its number, for {} axes: {row:?}",
            values.len(),
            block.axes.len()
        ));
    }
    let printed = number(printed).ok_or_else(|| format!("the last value of a row is its number: {row:?}"))?;
    let own = block.axes.iter().cloned().zip(values.iter().map(word));
    Ok(Claim {
        area: block.area.clone(),
        place: block.place.clone(),
        says: block.says.clone(),
        experiment: block.experiment.clone(),
        at: block.at.iter().map(|(axis, value)| (axis.clone(), word(value))).chain(own).collect(),
        metric: block.metric.clone(),
        measure: block.measure,
        against: block.against.clone(),
        printed,
        unit: block.unit.clone(),
        tolerance: block.tolerance.absolute.max(block.tolerance.percent / 100.0 * printed.abs()),
        bound: block.bound,
        take: block.take,
        of: block.of.clone(),
        among: block.among.clone(),
        fitted: block.fitted,
        not_reproducible: block.not_reproducible.clone(),
        line,
    })
}

fn number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

/// A value as tables print it.
fn word(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Integer(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => value.to_string(),
    }
}
