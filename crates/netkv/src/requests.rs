//! The requests of one cell as a file of their own: the rows that `requests.parquet` would have of it.

use crate::failure::Failure;
use crate::output::write_with;
use crate::tables::{cell_metadata, place};
use netkv_frames::{TableKind, request_columns, requests_table, write_csv, write_table};
use netkv_grid::{Cell, Experiment};
use netkv_sim::{RunOutput, Scenario};
use std::path::Path;

/// The formats that a file's name may ask for.
enum Format {
    Csv,
    Parquet,
}

fn format(path: &Path) -> Result<Format, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(Format::Csv),
        Some("parquet") => Ok(Format::Parquet),
        Some(_) | None => {
            Err(Failure::usage(format_args!("--requests {} must end in .csv or .parquet", path.display())))
        }
    }
}

/// Refuses other formats, before anything is run.
pub fn check(path: &Path) -> Result<(), Failure> {
    format(path).map(|_| ())
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
    match format(path)? {
        Format::Csv => write_with(path, |temporary| write_csv(temporary, &table)),
        Format::Parquet => {
            let metadata = cell_metadata(experiment, cell, scenario);
            write_with(path, |temporary| write_table(temporary, TableKind::Requests, &table, &metadata))
        }
    }
}
