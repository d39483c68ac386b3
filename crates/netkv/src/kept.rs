//! Where an experiment keeps what its cells leave until all of it becomes tables.

use crate::failure::Failure;
use crate::output::write_with;
use netkv_frames::{Metadata, RESULTS_FORMAT, TableKind, request_columns, write_table};
use netkv_grid::Cell;
use netkv_sim::RunOutput;
use std::path::{Path, PathBuf};

/// Folder of the store inside an experiment's results.
pub const CELLS: &str = "cells";

/// The table of a cell's requests, kept beside the store until all are put together. One of another layout is not found.
pub fn requests_path(folder: &Path, cell: &Cell) -> PathBuf {
    folder.join(CELLS).join(format!("requests-{RESULTS_FORMAT}")).join(format!("{}.parquet", cell.key))
}

/// Whether the requests of a cell are kept.
pub fn has_requests(folder: &Path, cell: &Cell) -> bool {
    requests_path(folder, cell).is_file()
}

/// Keeps the requests of a cell. They belong to its key, so neither its number nor its axes are in them.
pub fn keep_requests(folder: &Path, cell: &Cell, output: &RunOutput) -> Result<(), Failure> {
    let table = request_columns(output);
    write_with(&requests_path(folder, cell), |temporary| {
        write_table(temporary, TableKind::Requests, &table, &Metadata::new())
    })
}
