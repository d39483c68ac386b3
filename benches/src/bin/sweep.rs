//! How well a sweep uses all cores: cells of experiments/load.toml, run on one thread and on all, in turn.
//!
//! Efficiency is the throughput on all cores over that on one, divided by their number; the median over the rounds is
//! what counts, since the machine's speed may drift between rounds.
#![expect(clippy::disallowed_types, reason = "a benchmark takes the time")]

use netkv_grid::{Cell, CellRun, Experiment, LoadOptions, Reduction, Status, Workloads, run_cells};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;
use std::time::Instant;

/// Rounds of one thread and all threads.
const ROUNDS: usize = 7;
/// Cells of a round.
const CELLS: usize = 84;

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/load.toml");
    let options = LoadOptions {
        trace_dir: std::env::var_os("NETKV_TRACE_DIR").map(Into::into),
        reduction: Some(Reduction { max_seeds: 2, max_requests: 4_000 }),
        ..LoadOptions::default()
    };
    let experiment = Experiment::load(&path, &options).expect("the experiment is valid");
    let cells: Vec<Cell> = experiment.cells().take(CELLS).collect();
    let workloads = Workloads::new();
    // Workloads are shared by cells and built before the time is taken.
    cells.iter().for_each(|cell| drop(workloads.of(cell)));
    let seconds = |jobs: NonZeroUsize| {
        let start = Instant::now();
        let runner = |cell: &Cell| Ok(CellRun::streamed(&workloads.scenario(cell)));
        let outcomes = run_cells(&cells, jobs, &AtomicBool::new(false), &|_| true, runner, &|_, _, _| {});
        let outcomes = outcomes.expect("the system starts threads");
        assert!(outcomes.iter().all(|outcome| matches!(outcome.status, Status::Done { .. })), "every cell ends");
        start.elapsed().as_secs_f64()
    };
    let cores = available_parallelism().expect("the number of cores is known");
    let mut efficiencies: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let (one, all) = (seconds(NonZeroUsize::MIN), seconds(cores));
            let efficiency = one / all / cores.get() as f64;
            println!("round {round}: {one:.2} s on one thread, {all:.2} s on {cores}: {:.1} %", 100.0 * efficiency);
            efficiency
        })
        .collect();
    efficiencies.sort_by(f64::total_cmp);
    println!("{} cells, median efficiency on {cores} cores: {:.1} %", cells.len(), 100.0 * efficiencies[ROUNDS / 2]);
}
