//! Runs the smoke experiment in this process, as the command line does.

use netkv_frames::{AxisValue, CellRow, CellStatus};
use netkv_grid::{Cell, CellRun, Experiment, LoadOptions, Outcome, Status, Workloads, run_cells};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The experiment of `experiments/smoke.toml`.
pub fn smoke() -> Experiment {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/smoke.toml");
    Experiment::load(&path, &LoadOptions::default()).expect("the smoke experiment is valid")
}

/// Runs cells on `jobs` threads.
pub fn run(cells: &[Cell], jobs: usize) -> Vec<Outcome> {
    let workloads = Workloads::new();
    let jobs = NonZeroUsize::new(jobs).expect("at least one job");
    let runner = |cell: &Cell| Ok(CellRun::streamed(&workloads.scenario(cell)));
    run_cells(cells, jobs, &AtomicBool::new(false), &|_| true, runner, &|_, _, _| {}).expect("threads are started")
}

/// Rows of the table of cells.
pub fn rows(cells: &[Cell], outcomes: &[Outcome]) -> Vec<CellRow> {
    let axis = |value: &netkv_grid::AxisValue| match value {
        netkv_grid::AxisValue::Text(value) => AxisValue::Text(value.clone()),
        netkv_grid::AxisValue::Integer(value) => AxisValue::Integer(*value),
        netkv_grid::AxisValue::Float(value) => AxisValue::Float(*value),
        netkv_grid::AxisValue::Flag(value) => AxisValue::Boolean(*value),
    };
    let row = |(cell, outcome): (&Cell, &Outcome)| {
        assert_eq!((cell.index, cell.key), (outcome.index, outcome.key), "outcomes come in the order of cells");
        CellRow {
            cell: cell.index as u32,
            key: cell.key.to_string(),
            seed: cell.seed,
            axes: cell.axis_values().iter().map(axis).collect(),
            trace_origin: cell.trace_origin().label.clone(),
            status: match &outcome.status {
                Status::Done { digest, metrics } => {
                    CellStatus::Done { digest: digest.clone(), metrics: metrics.clone() }
                }
                Status::Failed { message } => CellStatus::Failed { message: message.clone() },
            },
        }
    };
    cells.iter().zip(outcomes).map(row).collect()
}
