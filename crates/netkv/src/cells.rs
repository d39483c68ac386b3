//! A cell of an experiment by its number, and in words.

use crate::failure::Failure;
use netkv_grid::{Cell, Experiment};

/// The cell with this number.
pub fn find_cell(experiment: &Experiment, index: usize) -> Result<Cell, Failure> {
    let last = experiment.n_cells() - 1;
    let path = experiment.path().display();
    experiment.cell(index).ok_or_else(|| Failure::usage(format_args!("{path} has the cells 0 to {last}, not {index}")))
}

/// The values of a cell, as `axis=value`.
pub fn coordinates(experiment: &Experiment, cell: &Cell) -> String {
    let axes = experiment.axes().iter().zip(cell.axis_values());
    let values: Vec<_> = axes.map(|(axis, value)| format!("{}={value}", axis.key)).collect();
    format!("{} seed={}", values.join(" "), cell.seed).trim_start().to_owned()
}
