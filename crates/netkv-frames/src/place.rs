//! Which cell the rows of a table belong to.

use crate::cells::{AxisValue, axis_column};
use crate::table::{ColumnData, Table};

/// A cell of the grid, as tables of its requests or links name it.
#[derive(Clone, Debug, PartialEq)]
pub struct CellPlace {
    /// Its number in the grid.
    pub cell: u32,
    /// Its seed.
    pub seed: u64,
    /// The axes, and its value on each.
    pub axes: Vec<(String, AxisValue)>,
    /// Where its requests came from.
    pub trace_origin: String,
}

impl CellPlace {
    /// A table of `n_rows` rows with the columns that name the cell, for others to follow.
    pub(crate) fn columns(&self, n_rows: usize) -> Table {
        let mut table = Table::new();
        let seed = i64::try_from(self.seed).expect("seeds fit 63 bits");
        table.push("cell", ColumnData::Integer(vec![Some(i64::from(self.cell)); n_rows]));
        table.push("seed", ColumnData::Integer(vec![Some(seed); n_rows]));
        for (name, value) in &self.axes {
            table.push(name.clone(), axis_column(&[value]).repeated(n_rows));
        }
        table.push("trace_origin", ColumnData::Text(vec![Some(self.trace_origin.clone()); n_rows]));
        table
    }
}
