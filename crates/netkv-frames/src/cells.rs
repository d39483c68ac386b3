//! The table of cells: one row for each point of the grid and seed.

use crate::table::{ColumnData, Table};
use anyhow::Result;
use netkv_sim::{METRICS, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum AxisValue {
    /// A word: a policy, a regime.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Boolean(bool),
}

impl AxisValue {
    /// An order of all values, by kind and then by size: what equal points are found by.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let kind = |value: &Self| match value {
            Self::Text(_) => 0,
            Self::Integer(_) => 1,
            Self::Float(_) => 2,
            Self::Boolean(_) => 3,
        };
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Integer(one), Self::Integer(two)) => one.cmp(two),
            (Self::Float(one), Self::Float(two)) => one.total_cmp(two),
            (Self::Boolean(one), Self::Boolean(two)) => one.cmp(two),
            (Self::Text(_) | Self::Integer(_) | Self::Float(_) | Self::Boolean(_), _) => kind(self).cmp(&kind(other)),
        }
    }
}

/// What became of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum CellStatus {
    /// It ran to its end.
    Done {
        /// Digest of all that it produced.
        digest: String,
        /// Its figures, in the order of [`METRICS`].
        metrics: Vec<Value>,
    },
    /// It did not.
    Failed {
        /// Why, and how to see it again.
        message: String,
    },
}

/// A cell with its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct CellRow {
    /// Its number in the grid.
    pub cell: u32,
    /// Its key: what identifies it in the store.
    pub key: String,
    /// Its seed.
    pub seed: u64,
    /// Its value on each axis.
    pub axes: Vec<AxisValue>,
    /// Where its requests came from: the label of its trace.
    pub trace_origin: String,
    /// What became of it.
    pub status: CellStatus,
}

/// A column of axis values; integers and floats on one axis become floats, anything else mixed becomes words.
pub(crate) fn axis_column(values: &[&AxisValue]) -> ColumnData {
    let floats = |value: &&AxisValue| match value {
        AxisValue::Integer(value) => Some(*value as f64),
        AxisValue::Float(value) => Some(*value),
        AxisValue::Text(_) | AxisValue::Boolean(_) => None,
    };
    let integers = |value: &&AxisValue| match value {
        AxisValue::Integer(value) => Some(*value),
        AxisValue::Text(_) | AxisValue::Float(_) | AxisValue::Boolean(_) => None,
    };
    let booleans = |value: &&AxisValue| match value {
        AxisValue::Boolean(value) => Some(*value),
        AxisValue::Text(_) | AxisValue::Float(_) | AxisValue::Integer(_) => None,
    };
    if values.iter().all(|value| integers(value).is_some()) {
        ColumnData::Integer(values.iter().map(integers).collect())
    } else if values.iter().all(|value| floats(value).is_some()) {
        ColumnData::Float(values.iter().map(floats).collect())
    } else if values.iter().all(|value| booleans(value).is_some()) {
        ColumnData::Boolean(values.iter().map(booleans).collect())
    } else {
        let word = |value: &&AxisValue| match value {
            AxisValue::Text(value) => value.clone(),
            AxisValue::Integer(value) => value.to_string(),
            AxisValue::Float(value) => value.to_string(),
            AxisValue::Boolean(value) => value.to_string(),
        };
        ColumnData::Text(values.iter().map(|value| Some(word(value))).collect())
    }
}

/// The table of cells, sorted by cell, whatever the order of `rows`. `axes` names the axis columns.
///
/// # Panics
/// If a row has another number of axis values than there are axes, or another number of metrics than [`METRICS`].
pub fn cells_table(axes: &[String], rows: &[CellRow]) -> Table {
    let mut sorted: Vec<&CellRow> = rows.iter().collect();
    sorted.sort_by_key(|row| row.cell);
    let text =
        |value: &dyn Fn(&CellRow) -> Option<String>| ColumnData::Text(sorted.iter().map(|row| value(row)).collect());
    let mut table = Table::new();
    table.push("cell", ColumnData::Integer(sorted.iter().map(|row| Some(i64::from(row.cell))).collect()));
    table.push("key", text(&|row| Some(row.key.clone())));
    table.push(
        "seed",
        ColumnData::Integer(
            sorted.iter().map(|row| Some(i64::try_from(row.seed).expect("seeds fit 63 bits"))).collect(),
        ),
    );
    for (index, name) in axes.iter().enumerate() {
        let values: Vec<_> = sorted.iter().map(|row| &row.axes[index]).collect();
        table.push(name.clone(), axis_column(&values));
    }
    table.push("trace_origin", text(&|row| Some(row.trace_origin.clone())));
    table.push("status", text(&|row| Some(if done(row).is_some() { "done" } else { "failed" }.to_owned())));
    table.push("message", text(&message));
    table.push("digest", text(&|row| done(row).map(|(digest, _)| digest.to_owned())));
    for (index, metric) in METRICS.iter().enumerate() {
        let value = |row: &&CellRow| done(row).map_or(Value::Missing, |(_, metrics)| metrics[index]);
        table.push(metric.name, metric_column(metric.integer, sorted.iter().map(value)));
    }
    table
}

/// What became of each cell of a table of cells, by key.
///
/// # Errors
/// If it lacks a column, as one of another format does.
pub fn cell_statuses(table: &Table) -> Result<BTreeMap<String, CellStatus>> {
    let words = |name: &str| table.words(name);
    let (keys, statuses, messages, digests) = (words("key")?, words("status")?, words("message")?, words("digest")?);
    let metrics: Vec<Vec<Value>> =
        METRICS.iter().map(|metric| Ok(values(&table.column(metric.name)?.data))).collect::<Result<_>>()?;
    let status = |row: usize| match statuses[row].as_str() {
        "done" => CellStatus::Done {
            digest: digests[row].clone(),
            metrics: metrics.iter().map(|column| column[row]).collect(),
        },
        _ => CellStatus::Failed { message: messages[row].clone() },
    };
    Ok((0..table.n_rows()).map(|row| (keys[row].clone(), status(row))).collect())
}

/// The values of a metric's column.
fn values(data: &ColumnData) -> Vec<Value> {
    match data {
        ColumnData::Integer(values) => {
            values.iter().map(|value| value.map_or(Value::Missing, |value| Value::Integer(value as u64))).collect()
        }
        ColumnData::Float(values) => values.iter().map(|value| value.map_or(Value::Missing, Value::Float)).collect(),
        ColumnData::Text(values) => vec![Value::Missing; values.len()],
        ColumnData::Boolean(values) => vec![Value::Missing; values.len()],
    }
}

fn done(row: &CellRow) -> Option<(&str, &[Value])> {
    match &row.status {
        CellStatus::Done { digest, metrics } => Some((digest, metrics)),
        CellStatus::Failed { .. } => None,
    }
}

fn message(row: &CellRow) -> Option<String> {
    match &row.status {
        CellStatus::Done { .. } => None,
        CellStatus::Failed { message } => Some(message.clone()),
    }
}

fn metric_column(integer: bool, values: impl Iterator<Item = Value>) -> ColumnData {
    if integer {
        let whole = |value| match value {
            Value::Integer(value) => Some(i64::try_from(value).expect("figures fit 63 bits")),
            Value::Float(_) => unreachable!("an integer column holds integers"),
            Value::Missing => None,
        };
        ColumnData::Integer(values.map(whole).collect())
    } else {
        ColumnData::Float(values.map(Value::number).collect())
    }
}
