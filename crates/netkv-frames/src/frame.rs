//! Between our tables and those of polars.

use crate::table::{Column, ColumnData, Table};
use anyhow::{Result, anyhow};
use polars::prelude as pl;

/// A table as polars has it, each column in one piece.
pub(crate) fn to_frame(table: &Table) -> Result<pl::DataFrame> {
    let column = |column: &Column| {
        let name = pl::PlSmallStr::from_str(&column.name);
        match &column.data {
            ColumnData::Text(values) => pl::Column::new(name, values.as_slice()),
            ColumnData::Integer(values) => pl::Column::new(name, values.as_slice()),
            ColumnData::Float(values) => pl::Column::new(name, values.as_slice()),
            ColumnData::Boolean(values) => pl::Column::new(name, values.as_slice()),
        }
    };
    Ok(pl::DataFrame::new(table.n_rows(), table.columns().iter().map(column).collect())?)
}

/// A table as we have it.
pub(crate) fn from_frame(frame: &pl::DataFrame) -> Result<Table> {
    let mut table = Table::new();
    for column in frame.columns() {
        let series = column.as_materialized_series();
        let data = if let Ok(values) = series.str() {
            ColumnData::Text(values.iter().map(|value| value.map(str::to_owned)).collect())
        } else if let Ok(values) = series.i64() {
            ColumnData::Integer(values.iter().collect())
        } else if let Ok(values) = series.f64() {
            ColumnData::Float(values.iter().collect())
        } else if let Ok(values) = series.bool() {
            ColumnData::Boolean(values.iter().collect())
        } else {
            return Err(anyhow!("column {:?} has type {}", column.name(), column.dtype()));
        };
        table.push(column.name().to_string(), data);
    }
    Ok(table)
}
