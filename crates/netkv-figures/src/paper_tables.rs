//! What stands in a table of the paper, and where it is read from.

use crate::figure::as_word;
use crate::labels::Labels;
use crate::unit::Unit;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Value;

/// What stands in a cell: a metric, what of it is compared with another policy, or with that of the row above.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct What {
    pub(crate) metric: String,
    unit: Option<Unit>,
    #[serde(default)]
    pub(crate) digits: usize,
    /// The policy that it is above of, in percent.
    pub(crate) change_from: Option<String>,
    /// The policy whose metric is taken off it.
    pub(crate) less: Option<String>,
}

impl What {
    /// From the metric's unit to that of the table.
    pub(crate) fn factor(&self) -> f64 {
        self.unit.unwrap_or_else(|| Unit::of(&self.metric)).factor(&self.metric)
    }
}

/// A column.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    pub(crate) title: String,
    /// Axes that have one value here.
    #[serde(default)]
    only: BTreeMap<String, Value>,
    /// What stands in it, where the rows do not say it.
    pub(crate) what: Option<What>,
}

impl Column {
    /// Its axes and their values, as words.
    pub(crate) fn at(&self) -> impl Iterator<Item = (&str, String)> {
        self.only.iter().map(|(axis, value)| (axis.as_str(), as_word(value)))
    }
}

/// The values of an axis, which make rows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Along {
    axis: String,
    values: Vec<Value>,
    /// What they are called here.
    #[serde(default)]
    labels: Vec<String>,
}

/// A row for a metric.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measure {
    label: String,
    what: What,
}

/// A table of the paper in its own form. Rows are the values of axes, the first of which is the slowest, or metrics.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaperTable {
    pub(crate) title: String,
    /// A sentence about it.
    pub(crate) note: String,
    /// Titles of the rows' heads.
    pub(crate) heads: Vec<String>,
    pub(crate) columns: Vec<Column>,
    #[serde(default)]
    along: Vec<Along>,
    #[serde(default)]
    measures: Vec<Measure>,
}

/// A row.
pub(crate) struct Row<'a> {
    pub(crate) heads: Vec<String>,
    /// Axes and their values, as words.
    pub(crate) at: Vec<(String, String)>,
    /// In place of what the columns have.
    pub(crate) what: Option<&'a What>,
}

impl PaperTable {
    /// Its rows.
    pub(crate) fn rows(&self, labels: &Labels) -> Vec<Row<'_>> {
        if !self.measures.is_empty() {
            let rows = self.measures.iter();
            return rows
                .map(|one| Row { heads: vec![one.label.clone()], at: Vec::new(), what: Some(&one.what) })
                .collect();
        }
        let mut rows = vec![Row { heads: Vec::new(), at: Vec::new(), what: None }];
        for Along { axis, values, labels: own } in &self.along {
            let longer = |row: &Row<'_>| -> Vec<Row<'_>> {
                let one = |(position, value): (usize, &Value)| {
                    let word = as_word(value);
                    let label = own.get(position).cloned().unwrap_or_else(|| labels.value(axis, &word).0);
                    let heads = row.heads.iter().cloned().chain([label]).collect();
                    let at = row.at.iter().cloned().chain([(axis.clone(), word)]).collect();
                    Row { heads, at, what: None }
                };
                values.iter().enumerate().map(one).collect()
            };
            rows = rows.iter().flat_map(longer).collect();
        }
        rows
    }
}
