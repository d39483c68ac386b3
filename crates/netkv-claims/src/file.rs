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
    /// A free coefficient was fitted to it: it counts as fitted, not as reproduced.
    pub fitted: bool,
    /// Why it cannot be reproduced here, if it cannot.
    pub not_reproducible: Option<String>,
    /// Line of its block in the file.
    pub line: usize,
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
    /// Largest less least mean over all points that fit, in percent of their mean: nought where it is flat.
    SpreadPercent,
    /// Share of the points that fit, in percent, at which no policy has a lower mean.
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
    fitted: bool,
    not_reproducible: Option<String>,
    /// Values of the axes, then the printed number.
    rows: Vec<Vec<toml::Value>>,
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
        let mut claims = Vec::new();
        for block in file.claims {
            let line = text[..block.span().start].lines().count().max(1);
            expand(block.into_inner(), line, &mut claims)
                .map_err(|message| FileError(format!("{place}:{line}: {message}")))?;
        }
        if claims.is_empty() {
            return Err(FileError(format!("{place}: there is no claim in it")));
        }
        Ok(Self { path: path.to_owned(), fitted: file.fitted, claims })
    }

    /// The printed numbers of a metric of an experiment, taken as it stands: for the open marks of figures.
    pub fn printed(&self, experiment: &str, metric: &str, measure: Measure) -> Vec<&Claim> {
        let fits =
            |claim: &&Claim| claim.experiment == experiment && claim.metric == metric && claim.measure == measure;
        self.claims.iter().filter(fits).collect()
    }
}

/// One claim for each row of a block.
fn expand(block: Block, line: usize, claims: &mut Vec<Claim>) -> Result<(), String> {
    let needs_cells = block.not_reproducible.is_none();
    if needs_cells && (block.experiment.is_empty() || block.metric.is_empty()) {
        return Err("a claim needs an experiment and a metric, or says why it is not_reproducible".to_owned());
    }
    let compares = matches!(block.measure, Measure::ChangePercent | Measure::Difference);
    if needs_cells && compares == block.against.is_empty() {
        return Err("against = \"POLICY\" belongs to measure = \"change_percent\" or \"difference\"".to_owned());
    }
    if block.rows.is_empty() {
        return Err("rows is empty: a row has the values of the axes, then the printed number".to_owned());
    }
    for row in &block.rows {
        let [values @ .., printed] = &row[..] else { return Err("a row is empty".to_owned()) };
        if values.len() != block.axes.len() {
            return Err(format!(
                "a row has {} values before its number, for {} axes: {row:?}",
                values.len(),
                block.axes.len()
            ));
        }
        let printed = number(printed).ok_or_else(|| format!("the last value of a row is its number: {row:?}"))?;
        let own = block.axes.iter().cloned().zip(values.iter().map(word));
        let at = block.at.iter().map(|(axis, value)| (axis.clone(), word(value))).chain(own).collect();
        claims.push(Claim {
            area: block.area.clone(),
            place: block.place.clone(),
            says: block.says.clone(),
            experiment: block.experiment.clone(),
            at,
            metric: block.metric.clone(),
            measure: block.measure,
            against: block.against.clone(),
            printed,
            unit: block.unit.clone(),
            tolerance: block.tolerance.absolute.max(block.tolerance.percent / 100.0 * printed.abs()),
            fitted: block.fitted,
            not_reproducible: block.not_reproducible.clone(),
            line,
        });
    }
    Ok(())
}

fn number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

/// A value as tables print it.
fn word(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(number) => number.to_string(),
        other => other.to_string(),
    }
}
