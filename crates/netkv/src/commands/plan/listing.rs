//! The cells of an experiment, one by one.

use crate::cells::{coordinates, json_coordinates};
use crate::failure::Failure;
use netkv_grid::{Cell, Experiment, Status, Store};
use serde_json::{Value, json};

/// A line for each cell that has the values: its number, what it has, whether it is done; or the same as JSON.
pub(super) fn of(
    experiment: &Experiment,
    store: &Store,
    filter: &[(String, String)],
    as_json: bool,
) -> Result<String, Failure> {
    let cells: Vec<Cell> =
        experiment.select(filter).map_err(Failure::usage)?.into_iter().filter_map(|at| experiment.cell(at)).collect();
    let state = |cell: &Cell| match store.get(cell.key).map(|stored| &stored.status) {
        None => "new",
        Some(Status::Done { .. }) => "done",
        Some(Status::Failed { .. }) => "failed",
    };
    if as_json {
        let row = |cell: &Cell| json!({"cell": cell.index, "coordinates": json_coordinates(experiment, cell), "state": state(cell)});
        return Ok(format!("{:#}\n", Value::from(cells.iter().map(row).collect::<Vec<_>>())));
    }
    let width = cells.last().map_or(1, |cell| cell.index.to_string().len());
    let row = |cell: &Cell| format!("{:width$}  {:6}  {}\n", cell.index, state(cell), coordinates(experiment, cell));
    Ok(cells.iter().map(row).collect())
}
