//! The requests of one cell as a file of their own: the rows that `requests.parquet` would have of it.

use crate::failure::Failure;
use crate::table_file;
use crate::tables::place;
use netkv_frames::{TableKind, request_columns, requests_table};
use netkv_grid::{Cell, Experiment};
use netkv_sim::{RunOutput, Scenario};
use std::path::Path;

/// The option that asks for them.
const REQUESTS: &str = "--requests";

/// Refuses other formats than CSV and parquet, before anything is run.
pub fn check(path: Option<&Path>) -> Result<(), Failure> {
    table_file::check(REQUESTS, path)
}

/// Writes the requests that a cell left.
pub fn write(
    path: &Path,
    experiment: &Experiment,
    cell: &Cell,
    scenario: &Scenario,
    output: &RunOutput,
) -> Result<(), Failure> {
    let table = requests_table(&place(experiment, cell), &request_columns(output));
    table_file::write((REQUESTS, path), (experiment, cell, scenario), TableKind::Requests, &table)
}
