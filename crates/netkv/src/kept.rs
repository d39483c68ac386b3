//! Where an experiment keeps what its cells leave until all of it becomes tables.

use crate::failure::Failure;
use crate::output::Prepared;
use netkv_frames::{Metadata, RESULTS_FORMAT, TableKind, request_columns, write_table};
use netkv_grid::{Cell, Experiment, Store, StoreError, Stored};
use netkv_sim::RunOutput;
use netkv_units::sha256_hex;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder of the store inside an experiment's results.
pub const CELLS: &str = "cells";

/// The store of an experiment, as its limits let it be seen.
pub fn open_store(experiment: &Experiment, folder: &Path) -> Result<Store, StoreError> {
    Store::open_within(&folder.join(CELLS), experiment.limits().max_events)
}

/// The folder of the tables of requests, beside the store.
pub fn requests_folder(folder: &Path) -> PathBuf {
    folder.join(CELLS).join(format!("requests-{RESULTS_FORMAT}"))
}

/// The table of a cell's requests, kept beside the store until all are put together. One of another layout is not found.
pub fn requests_path(folder: &Path, cell: &Cell) -> PathBuf {
    requests_folder(folder).join(format!("{}.parquet", cell.key))
}

/// The requests of a cell as they were kept: the bytes of a table whose checksum the store has. None if they were not, or
/// were changed since.
pub fn kept_requests(folder: &Path, cell: &Cell, stored: Option<&Stored>) -> Option<Vec<u8>> {
    let sums = Some(&stored?.requests).filter(|sums| !sums.is_empty())?;
    let bytes = fs::read(requests_path(folder, cell)).ok()?;
    sums.contains(&sha256_hex(&bytes)).then_some(bytes)
}

/// Keeps the requests of a cell, and says their checksum. They belong to its key, so neither its number nor its axes are in
/// them.
pub fn keep_requests(folder: &Path, cell: &Cell, output: &RunOutput) -> Result<String, Failure> {
    let table = request_columns(output);
    let prepared = Prepared::write(&requests_path(folder, cell), |temporary| {
        write_table(temporary, TableKind::Requests, &table, &Metadata::new())
    })?;
    let sum = sha256_hex(&prepared.bytes()?);
    prepared.commit()?;
    Ok(sum)
}
