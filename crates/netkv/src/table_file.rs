//! A table of one cell as a file of its own, in the format that its name asks for.

use crate::failure::Failure;
use crate::output::write_with;
use crate::tables::cell_metadata;
use netkv_frames::{Table, TableKind, write_csv, write_table};
use netkv_grid::{Cell, Experiment};
use netkv_sim::Scenario;
use std::path::Path;

/// The formats that a file's name may ask for.
enum Format {
    Csv,
    Parquet,
}

fn format(option: &str, path: &Path) -> Result<Format, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(Format::Csv),
        Some("parquet") => Ok(Format::Parquet),
        Some(_) | None => Err(Failure::usage(format_args!("{option} {} must end in .csv or .parquet", path.display()))),
    }
}

/// Refuses other formats, before anything is run.
pub fn check(option: &str, path: Option<&Path>) -> Result<(), Failure> {
    path.map_or(Ok(()), |path| format(option, path).map(|_| ()))
}

/// Writes a table of a cell to the file that an option names.
pub fn write(
    (option, path): (&str, &Path),
    (experiment, cell, scenario): (&Experiment, &Cell, &Scenario),
    kind: TableKind,
    table: &Table,
) -> Result<(), Failure> {
    match format(option, path)? {
        Format::Csv => write_with(path, |temporary| write_csv(temporary, table)),
        Format::Parquet => {
            let metadata = cell_metadata(experiment, cell, scenario);
            write_with(path, |temporary| write_table(temporary, kind, table, &metadata))
        }
    }
}
