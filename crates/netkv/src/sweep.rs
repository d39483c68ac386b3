//! Running the cells of an experiment that are missing or failed, and keeping their outcomes as they come.
//!
//! Cells run on many threads; one more thread puts finished ones on the disk, as many at once as there are. A cell
//! counts as finished only when it is there, so a Ctrl-C or a crash loses no finished cell.

use crate::args::RunOptions;
use crate::clock::Moment;
use crate::failure::{Failure, Writing};
use crate::interrupt;
use crate::kept::{CELLS, has_requests, keep_requests};
use crate::output::tell;
use crate::progress::Progress;
use crate::provenance;
use netkv_grid::{
    Cell, CellRun, Experiment, Outcome, Plan, Reason, Record, Segment, SegmentHeader, Status, Store, Workloads,
    failure, run_cells,
};
use netkv_sim::RunOutput;
use netkv_units::Digest;
use std::cell::Cell as Slot;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// What a sweep did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Cells that were asked for.
    pub n_asked: usize,
    /// Cells that had a result before.
    pub n_cached: usize,
    /// Cells that have one now and had none before.
    pub n_run: usize,
    /// Cells that failed.
    pub n_failed: usize,
    /// Cells that were not begun, since somebody stopped the run.
    pub n_left: usize,
}

/// A finished cell on its way to the disk.
type Finished = (Digest, Status, f64);

thread_local! {
    /// When this thread began the cell that it runs.
    static BEGAN: Slot<Option<Moment>> = const { Slot::new(None) };
}

/// Runs those of the cells at `indices` that have no result in `folder`, and returns the store as it is then.
pub fn sweep(
    experiment: &Experiment,
    indices: &[usize],
    folder: &Path,
    options: &RunOptions,
) -> Result<(Store, Tally), Failure> {
    let cells_folder = folder.join(CELLS);
    let store = Store::open(&cells_folder)?;
    let asked: Vec<Cell> = indices.iter().filter_map(|&index| experiment.cell(index)).collect();
    let plan = planned(experiment, &store, &asked, folder);
    warn_about(&store, &cells_folder);
    if plan.missing.is_empty() {
        let tally = Tally { n_asked: asked.len(), n_cached: plan.n_cached, n_run: 0, n_failed: 0, n_left: 0 };
        return Ok((store, tally));
    }
    let header = SegmentHeader::new(provenance::collect());
    let segment = Segment::create(&cells_folder, &header).writing(cells_folder.display())?;
    run_missing(experiment, &plan, segment, folder, options)?;
    let store = Store::open(&cells_folder)?;
    let status = |cell: &Cell| store.get(cell.key).map(|stored| &stored.status);
    let n_left = asked.iter().filter(|cell| status(cell).is_none()).count();
    let n_failed = asked.iter().filter(|cell| matches!(status(cell), Some(Status::Failed { .. }))).count();
    let n_run = asked.len() - n_left - n_failed - plan.n_cached;
    Ok((store, Tally { n_asked: asked.len(), n_cached: plan.n_cached, n_run, n_failed, n_left }))
}

/// What is to be done of the cells that are asked for.
pub fn planned(experiment: &Experiment, store: &Store, asked: &[Cell], folder: &Path) -> Plan {
    let mut plan = store.plan(asked.iter().cloned());
    if experiment.record() == Record::Requests {
        run_again_for_requests(&mut plan, asked, folder);
    }
    plan
}

/// Cells that have a result but not the requests that are wanted now are run again.
fn run_again_for_requests(plan: &mut Plan, asked: &[Cell], folder: &Path) {
    let mut planned: BTreeSet<Digest> = plan.missing.iter().map(|(cell, _)| cell.key).collect();
    for cell in asked.iter().filter(|cell| !has_requests(folder, cell)) {
        if planned.insert(cell.key) {
            plan.n_cached -= 1;
            plan.missing.push((cell.clone(), Reason::RequestsNotKept));
        }
    }
}

fn warn_about(store: &Store, folder: &Path) {
    let folder = folder.display();
    if store.n_damaged_lines() > 0 {
        let count = store.n_damaged_lines();
        tell(&format!("warning: {count} damaged lines in {folder} are ignored: a run was killed while it wrote"));
    }
    if store.n_outdated_segments() > 0 {
        let count = store.n_outdated_segments();
        tell(&format!("note: {count} files in {folder} are of another version of the model and are not used"));
    }
}

fn run_missing(
    experiment: &Experiment,
    plan: &Plan,
    segment: Segment,
    folder: &Path,
    options: &RunOptions,
) -> Result<(), Failure> {
    let cells: Vec<Cell> = plan.missing.iter().map(|(cell, _)| cell.clone()).collect();
    let stop = interrupt::stop();
    let progress = Progress::new(experiment.name(), cells.len(), options.quiet);
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let keeper = scope.spawn(|| keep(receiver, segment, progress, stop));
        let kept = |cell: &Cell, output: &RunOutput| keep_requests(folder, cell, output);
        let n_run = send_outcomes(experiment, &cells, jobs(options), stop, kept, sender);
        keeper.join().expect("the thread that keeps outcomes does not panic")?;
        assert!(n_run == cells.len() || interrupt::is_asked(), "every cell has an outcome");
        Ok(())
    })
}

/// Runs cells and sends each to the keeper once `keep_output` has kept its output; returns how many there were.
fn send_outcomes(
    experiment: &Experiment,
    cells: &[Cell],
    jobs: NonZeroUsize,
    stop: &AtomicBool,
    keep_output: impl Fn(&Cell, &RunOutput) -> Result<(), Failure> + Sync,
    sender: Sender<Result<Finished, Failure>>,
) -> usize {
    let workloads = Workloads::new();
    let runner = |cell: &Cell| {
        BEGAN.set(Some(Moment::now()));
        let scenario = workloads.scenario(cell);
        match experiment.record() {
            Record::Cells => CellRun::streamed(&scenario),
            Record::Requests => netkv_sim::run(&scenario).into(),
        }
    };
    let on_done = |cell: &Cell, outcome: &Outcome, output: Option<&RunOutput>| {
        let wall_s = BEGAN.take().map_or(0.0, |began| began.elapsed_s());
        match &outcome.status {
            Status::Done { .. } => {}
            Status::Failed { message } => {
                let text = failure(message, &experiment.arguments(), outcome.index);
                tell(&format!("cell {} failed: {text}", outcome.index));
            }
        }
        let kept = output.map_or(Ok(()), |output| keep_output(cell, output));
        // The keeper hangs up when the disk fails; its error is what is reported.
        let _ = sender.send(kept.map(|()| (outcome.key, outcome.status.clone(), wall_s)));
    };
    run_cells(cells, jobs, stop, runner, &on_done).len()
}

/// Puts finished cells on the disk, all that wait at once, until there are no more. If the disk fails, no cell is
/// begun any more.
fn keep(
    finished: Receiver<Result<Finished, Failure>>,
    mut segment: Segment,
    mut progress: Progress,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    let path = segment.path().to_owned();
    let mut written = Ok(());
    while let (Ok(()), Ok(first)) = (&written, finished.recv()) {
        let waiting = std::iter::once(first).chain(finished.try_iter());
        let (batch, failures): (Vec<_>, Vec<_>) = waiting.partition(Result::is_ok);
        let batch: Vec<Finished> = batch.into_iter().flatten().collect();
        let n_failed = batch.iter().filter(|(_, status, _)| matches!(status, Status::Failed { .. })).count();
        written = segment.append(&batch).writing(path.display());
        progress.add(batch.len() - n_failed, n_failed);
        if let Some(failure) = failures.into_iter().find_map(Result::err) {
            written = written.and(Err(failure));
        }
    }
    if written.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    progress.finish();
    written
}

/// As many as asked for, or as there are cores.
pub fn jobs(options: &RunOptions) -> NonZeroUsize {
    options.jobs.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}
