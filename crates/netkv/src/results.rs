//! The folder of an experiment's results: tables, manifest, provenance.
//!
//! Tables and manifest are functions of the experiment and the model: no time, host or path is in them, and writing
//! them again writes the same bytes. What differs from run to run is in provenance.parquet and in the store.

use crate::earlier::Earlier;
use crate::failure::{Blame, Failure, Writing};
use crate::kept::{has_requests, requests_path};
use crate::output::{tell, write_file, write_with};
use crate::tables::{axis_names, metadata, outcomes, place, provenance_table, row};
use netkv_frames::{
    CellRow, Metadata, RESULTS_FORMAT, SummaryOptions, Table, TableKind, cells_table, merge_tables, priced_cells,
    priced_summary, read_table, requests_table, summary_table, write_table,
};
use netkv_grid::{Cell, Experiment, Record, Status, Store, Stored};
use netkv_sim::SIM_EPOCH;
use netkv_units::sha256_hex;
use std::fs;
use std::path::Path;
use toml::{Table as Toml, Value};

/// Writes every table of an experiment from what is stored, and from the table that was there for cells that are not.
pub fn write(experiment: &Experiment, store: &Store, folder: &Path) -> Result<(), Failure> {
    let outcomes = outcomes(experiment, store);
    if outcomes.is_empty() {
        return Ok(());
    }
    let (axes, metadata) = (axis_names(experiment), metadata(experiment));
    let earlier = Earlier::read(experiment, store, folder);
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
    write_one(folder, TableKind::Cells, &cells, &metadata)?;
    let summary = priced_summary(summary_table(&axes, &rows, &options), price).map_err(bug)?;
    write_one(folder, TableKind::Summary, &summary, &metadata)?;
    let mut files = vec!["cells.parquet", "summary.parquet"];
    if experiment.record() == Record::Requests && write_requests(experiment, &outcomes, folder, &metadata)? {
        files.push("requests.parquet");
    }
    write_one(folder, TableKind::Provenance, &provenance_table(&outcomes), &Metadata::new())?;
    write_file(&folder.join("manifest.toml"), manifest(experiment, &rows, folder, &files)?.as_bytes())
}

fn write_one(folder: &Path, kind: TableKind, table: &Table, metadata: &Metadata) -> Result<(), Failure> {
    let path = folder.join(format!("{}.parquet", kind.name()));
    write_with(&path, |temporary| write_table(temporary, kind, table, metadata))
}

/// Puts the requests of all finished cells together, one cell at a time; false if there are none.
fn write_requests(
    experiment: &Experiment,
    outcomes: &[(Cell, &Stored)],
    folder: &Path,
    metadata: &Metadata,
) -> Result<bool, Failure> {
    let is_done = |stored: &Stored| matches!(stored.status, Status::Done { .. });
    let done: Vec<&Cell> = outcomes
        .iter()
        .filter(|(cell, stored)| is_done(stored) && has_requests(folder, cell))
        .map(|(cell, _)| cell)
        .collect();
    let tables = done.iter().map(|cell| {
        let (stored, _) = read_table(&requests_path(folder, cell))?;
        Ok(requests_table(&place(experiment, cell), &stored))
    });
    if done.is_empty() {
        return Ok(false);
    }
    write_with(&folder.join("requests.parquet"), |temporary| {
        merge_tables(temporary, TableKind::Requests, tables, metadata)
    })?;
    Ok(true)
}

/// What the results are results of, and the checksums of their files.
fn manifest(experiment: &Experiment, rows: &[CellRow], folder: &Path, files: &[&str]) -> Result<String, Failure> {
    let n_failed = rows.iter().filter(|row| matches!(row.status, netkv_frames::CellStatus::Failed { .. })).count();
    let mut manifest = Toml::new();
    manifest.insert("format".to_owned(), Value::from(format!("netkv-results/{RESULTS_FORMAT}")));
    manifest.insert("sim_epoch".to_owned(), Value::from(i64::from(SIM_EPOCH)));
    let counts = [("all", experiment.n_cells()), ("done", rows.len() - n_failed), ("failed", n_failed)];
    manifest.insert("cells".to_owned(), table(counts.map(|(name, count)| (name, Value::from(count as i64)))));
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
    let mut sums = Toml::new();
    for name in files {
        let bytes = fs::read(folder.join(name)).writing(name)?;
        sums.insert((*name).to_owned(), Value::from(sha256_hex(&bytes)));
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
