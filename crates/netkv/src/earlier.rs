//! What the tables that were there know and the store does not: a fresh clone has tables and no store, and a run of some
//! of its cells must not make them smaller.

use crate::kept::CELLS;
use crate::tables::row_of;
use netkv_frames::{CellRow, CellStatus, RESULTS_FORMAT, Written, cell_statuses, read_written};
use netkv_grid::{Cell, Experiment, Status, Store, failure};
use netkv_sim::SIM_EPOCH;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rows of an earlier table that go into the new one.
pub struct Earlier {
    rows: BTreeMap<usize, CellRow>,
    /// The table, if it could be read.
    pub table: Option<Written>,
    /// What there is to say about that.
    pub says: Option<String>,
}

impl Earlier {
    /// The rows of the table in `folder` for cells of the experiment that the store knows nothing of.
    pub fn read(experiment: &Experiment, store: &Store, folder: &Path) -> Self {
        let path = folder.join("cells.parquet");
        let none = |says: Option<String>| Self { rows: BTreeMap::new(), table: None, says };
        if !path.is_file() {
            return none(None);
        }
        let shown = path.display();
        let written = match read_written(&path) {
            Ok(read) => read,
            Err(error) => {
                return none(Some(format!("note: {shown} is replaced, for it is damaged: {}", error.root_cause())));
            }
        };
        let is = |key: &str, value: u32| written.says(key).is_some_and(|found| found == value.to_string());
        let statuses = cell_statuses(&written.table)
            .ok()
            .filter(|_| is("sim_epoch", SIM_EPOCH) && is("results_format", RESULTS_FORMAT));
        let Some(mut statuses) = statuses else {
            return none(Some(format!(
                "note: {shown} is of another version of the model or of the tables and is replaced"
            )));
        };
        let mut rows = BTreeMap::new();
        for cell in experiment.cells() {
            let Some(status) = statuses.remove(&cell.key.to_string()).map(|status| within(status, experiment, &cell))
            else {
                continue;
            };
            if store.get(cell.key).is_none()
                && let Some(status) = status
            {
                rows.insert(cell.index, row_of(&cell, status));
            }
        }
        let mut said = Vec::new();
        if !rows.is_empty() {
            said.push(format!("keeps {} rows of cells that were run elsewhere", rows.len()));
        }
        if !statuses.is_empty() {
            let (n, rows) = (statuses.len(), if statuses.len() == 1 { "row" } else { "rows" });
            let kept =
                store_of(folder).map_or_else(String::new, |store| format!("; the runs stay in {}", store.display()));
            said.push(format!("replaces {n} {rows} of an earlier version of the experiment{kept}"));
        }
        let says = (!said.is_empty()).then(|| format!("note: {shown} {}", said.join(" and ")));
        Self { rows, table: Some(written), says }
    }

    /// These rows and those, in the order of the cells.
    pub fn joined(&mut self, own: Vec<CellRow>) -> Vec<CellRow> {
        self.rows.extend(own.into_iter().map(|row| (row.cell as usize, row)));
        std::mem::take(&mut self.rows).into_values().collect()
    }
}

/// A row that is kept, as the experiment's limits let it be seen; none of a cell that had failed.
fn within(status: CellStatus, experiment: &Experiment, cell: &Cell) -> Option<CellStatus> {
    let CellStatus::Done { digest, metrics } = status else { return None };
    Some(match (Status::Done { digest, metrics }).within(experiment.limits().max_events) {
        Status::Done { digest, metrics } => CellStatus::Done { digest, metrics },
        Status::Failed { message } => {
            CellStatus::Failed { message: failure(&message, &experiment.arguments(), cell.index) }
        }
    })
}

/// Where the runs of a folder are kept one by one, if they are.
fn store_of(folder: &Path) -> Option<PathBuf> {
    Some(folder.join(CELLS)).filter(|store| store.is_dir())
}
