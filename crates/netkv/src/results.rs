//! The folder of an experiment's results: tables, manifest, provenance.
//!
//! Tables and manifest are functions of the experiment and the model: no time, host or path is in them, and writing
//! them again writes the same bytes. What differs from run to run is in provenance.parquet and in the store.

use crate::earlier::Earlier;
use crate::failure::{Blame, Failure, Writing};
use crate::kept::{kept_requests, requests_path};
use crate::output::{Prepared, tell, write_file};
use crate::replications::{self, Standing};
use crate::routers;
use crate::tables::{axis_names, metadata, outcomes, place, provenance_table, row};
use anyhow::Context;
use netkv_frames::{
    CellRow, MANIFEST, Metadata, NEXT_MANIFEST, RESULTS_FORMAT, SummaryOptions, Table, TableKind, Written, cells_table,
    merge_tables, priced_cells, priced_summary, requests_table, summary_table, table_of, write_table,
};
use netkv_grid::{Cell, Experiment, Record, Status, Store, Stored};
use netkv_sim::SIM_EPOCH;
use netkv_units::sha256_hex;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use toml::{Table as Toml, Value};

/// Writes every table of an experiment from what is stored, and from the table that was there for cells that are not.
pub fn write(experiment: &Experiment, store: &Store, folder: &Path) -> Result<(), Failure> {
    let outcomes = outcomes(experiment, store);
    if outcomes.is_empty() {
        return Ok(());
    }
    let (axes, mut metadata) = (axis_names(experiment), metadata(experiment));
    let standing = replications::standing(experiment, |cell| store.get(cell.key).map(|one| &one.status));
    metadata.extend(standing.as_ref().map(|standing| ("replications".to_owned(), standing.words())));
    let mut earlier = Earlier::read(experiment, store, folder);
    if let Some(says) = &earlier.says {
        tell(says);
    }
    let rows = earlier.joined(outcomes.iter().map(|(cell, stored)| row(experiment, cell, stored)).collect());
    let options = SummaryOptions {
        baseline_axis: experiment.baseline_axis().to_owned(),
        baseline: experiment.baseline().to_owned(),
        confidence_ratio: experiment.confidence_ratio(),
    };
    let price = experiment.cost_per_gpu_hour();
    let bug = |error| Failure::new(Blame::Bug, error);
    let cells = priced_cells(cells_table(&axes, &rows), price).map_err(bug)?;
    let summary = priced_summary(summary_table(&axes, &rows, &options), price).map_err(bug)?;
    let mut tables = vec![
        ("cells.parquet", unless_there(earlier.table.as_ref(), folder, TableKind::Cells, &cells, &metadata)?),
        ("summary.parquet", prepare(folder, TableKind::Summary, &summary, &metadata)?),
    ];
    if experiment.record() == Record::Requests {
        tables.extend(requests(experiment, store, &outcomes, folder, &metadata)?.map(|all| ("requests.parquet", all)));
    }
    let manifest = manifest(experiment, &rows, standing.as_ref(), &tables)?;
    let provenance = prepare(folder, TableKind::Provenance, &provenance_table(&outcomes), &Metadata::new())?;
    tables.push(("provenance.parquet", provenance));
    commit(folder, tables, &manifest)
}

/// A table of the folder.
enum Ready {
    /// It is there, with this checksum.
    There(String),
    /// It is written.
    New(Prepared),
}

impl Ready {
    fn sum(&self) -> Result<String, Failure> {
        match self {
            Self::There(sum) => Ok(sum.clone()),
            Self::New(table) => Ok(sha256_hex(&table.bytes()?)),
        }
    }

    fn is_there(&self) -> bool {
        match self {
            Self::There(_) => true,
            Self::New(table) => table.is_there(),
        }
    }

    fn commit(self) -> Result<(), Failure> {
        match self {
            Self::There(_) => Ok(()),
            Self::New(table) => table.commit(),
        }
    }
}

fn prepare(folder: &Path, kind: TableKind, table: &Table, metadata: &Metadata) -> Result<Ready, Failure> {
    let path = folder.join(format!("{}.parquet", kind.name()));
    Prepared::write(&path, |temporary| write_table(temporary, kind, table, metadata)).map(Ready::New)
}

/// The same of a table that need not be written if the one that was read from the folder is what it would be.
fn unless_there(
    written: Option<&Written>,
    folder: &Path,
    kind: TableKind,
    table: &Table,
    metadata: &Metadata,
) -> Result<Ready, Failure> {
    let sum = written.map(|written| written.sum_if_of(kind, table, metadata)).transpose();
    match sum.map_err(|error| Failure::new(Blame::Bug, error))?.flatten() {
        Some(sum) => Ok(Ready::There(sum.to_owned())),
        None => prepare(folder, kind, table, metadata),
    }
}

/// Replaces tables and manifest. Until all of them are, the new manifest stands beside the cells: whoever reads a table then
/// finds the checksum of it in one of the two.
fn commit(folder: &Path, tables: Vec<(&str, Ready)>, manifest: &str) -> Result<(), Failure> {
    let next = folder.join(NEXT_MANIFEST);
    if tables.iter().any(|(_, table)| !table.is_there()) {
        write_file(&next, manifest.as_bytes())?;
    }
    tables.into_iter().try_for_each(|(_, table)| table.commit())?;
    write_file(&folder.join(MANIFEST), manifest.as_bytes())?;
    match fs::remove_file(&next) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).writing(next.display()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Puts the requests of all finished cells together, one cell at a time; none if there are none.
fn requests(
    experiment: &Experiment,
    store: &Store,
    outcomes: &[(Cell, &Stored)],
    folder: &Path,
    metadata: &Metadata,
) -> Result<Option<Ready>, Failure> {
    let is_done = |stored: &Stored| matches!(stored.status, Status::Done { .. });
    let done: Vec<&Cell> = outcomes
        .iter()
        .filter(|(cell, stored)| is_done(stored) && kept_requests(folder, cell, Some(stored)).is_some())
        .map(|(cell, _)| cell)
        .collect();
    if done.is_empty() {
        return Ok(None);
    }
    let tables = done.iter().map(|cell| {
        let bytes = kept_requests(folder, cell, store.get(cell.key)).with_context(|| {
            let path = requests_path(folder, cell);
            format!("{} changed while it was read: the same command runs its cell again", path.display())
        })?;
        Ok(requests_table(&place(experiment, cell), &table_of(bytes)?.0))
    });
    Prepared::write(&folder.join("requests.parquet"), |temporary| {
        merge_tables(temporary, TableKind::Requests, tables, metadata)
    })
    .map(|table| Some(Ready::New(table)))
}

/// What the results are results of, and the checksums of their files.
fn manifest(
    experiment: &Experiment,
    rows: &[CellRow],
    standing: Option<&Standing>,
    tables: &[(&str, Ready)],
) -> Result<String, Failure> {
    let n_failed = rows.iter().filter(|row| matches!(row.status, netkv_frames::CellStatus::Failed { .. })).count();
    let mut manifest = Toml::new();
    manifest.insert("format".to_owned(), Value::from(format!("netkv-results/{RESULTS_FORMAT}")));
    manifest.insert("sim_epoch".to_owned(), Value::from(i64::from(SIM_EPOCH)));
    let counts = [("all", experiment.n_cells()), ("done", rows.len() - n_failed), ("failed", n_failed)];
    manifest.insert("cells".to_owned(), table(counts.map(|(name, count)| (name, Value::from(count as i64)))));
    manifest.extend(standing.map(|standing| ("replications".to_owned(), Value::Table(standing.toml()))));
    let traces = experiment.trace_origins().into_iter().map(|origin| {
        table([
            ("label", Value::from(origin.label.as_str())),
            ("sha256", Value::from(origin.sha256.as_str())),
            ("fallback", Value::from(origin.fallback)),
        ])
    });
    manifest.insert("trace".to_owned(), Value::Array(traces.collect()));
    let profiles = experiment.profiles().iter().map(|profile| {
        table([
            ("name", Value::from(profile.label.as_str())),
            ("sha256", Value::from(profile.sha256.as_str())),
            ("outside_valid_range", Value::from(profile.outside_valid_range.clone())),
        ])
    });
    manifest.insert("profile".to_owned(), Value::Array(profiles.collect()));
    let routers = routers::manifest(experiment);
    if !routers.is_empty() {
        manifest.insert("router".to_owned(), Value::Array(routers));
    }
    let mut sums = Toml::new();
    for (name, table) in tables {
        sums.insert((*name).to_owned(), Value::from(table.sum()?));
    }
    manifest.insert("sha256".to_owned(), Value::Table(sums));
    let resolved: Toml = toml::from_str(&experiment.resolved_toml()).expect("a resolved experiment is valid TOML");
    manifest.insert("experiment".to_owned(), Value::Table(resolved));
    let text = toml::to_string(&manifest).expect("a table of plain values is valid TOML");
    Ok(format!("# Written by netkv: what these results are results of. No time, host or path is in it.\n{text}"))
}

fn table<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Table(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
