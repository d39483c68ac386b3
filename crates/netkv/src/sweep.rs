//! Running the cells of an experiment that are missing or failed, and keeping their outcomes as they come.
//!
//! Cells run on many threads; one more thread puts finished ones on the disk. Other processes may run cells in the same
//! folder: each is claimed before it is begun, and one that another process has finished meanwhile is not run.

use crate::args::RunOptions;
use crate::clock::Moment;
use crate::failure::{Failure, Writing};
use crate::interrupt;
use crate::keeper::keep;
use crate::kept::{CELLS, keep_requests, kept_requests, open_store, requests_folder};
use crate::long_cell::LongCell;
use crate::output::tell;
use crate::progress::Progress;
use crate::provenance;
use crate::sharing::{PAUSE, Sharing, no_thread};
use netkv_grid::{
    Cell, CellRun, Experiment, Finished, Outcome, Plan, Reason, Record, SegmentHeader, Status, Store, Workloads,
    failure, run_cells,
};
use netkv_sim::RunOutput;
use netkv_units::Digest;
use std::cell::Cell as Slot;
use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// Cells that are run at once on each core at most. Chosen by us: more end no sooner, and each takes memory.
const MAX_JOBS_PER_CORE: usize = 4;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cells that were asked for.
    pub n_asked: usize,
    /// Cells that had a result before.
    pub n_cached: usize,
    /// Cells that have one now and had none before.
    pub n_run: usize,
    /// Those of them that another process ran.
    pub n_elsewhere: usize,
    /// Cells that failed.
    pub n_failed: usize,
    /// Cells that were not begun, since somebody stopped the run.
    pub n_left: usize,
}

impl Tally {
    /// Adds what was done of other cells.
    pub const fn add(&mut self, other: Self) {
        self.n_asked += other.n_asked;
        self.n_cached += other.n_cached;
        self.n_run += other.n_run;
        self.n_elsewhere += other.n_elsewhere;
        self.n_failed += other.n_failed;
        self.n_left += other.n_left;
    }
}

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
    sharing: &Sharing,
) -> Result<(Store, Tally), Failure> {
    let cells_folder = folder.join(CELLS);
    let store = open_store(experiment, folder)?;
    let asked: Vec<Cell> = indices.iter().filter_map(|&index| experiment.cell(index)).collect();
    let plan = planned(experiment, &store, &asked, folder);
    warn_about(&store, &cells_folder);
    if plan.missing.is_empty() {
        let n_cached = plan.n_cached;
        return Ok((store, Tally { n_asked: asked.len(), n_cached, n_run: 0, n_elsewhere: 0, n_failed: 0, n_left: 0 }));
    }
    let cells: Vec<Cell> = plan.missing.into_iter().map(|(cell, _)| cell).collect();
    let shared = Shared {
        sharing,
        store: Mutex::new(store),
        needs_requests: experiment.record() == Record::Requests,
        begun: Mutex::default(),
        ended: Mutex::default(),
        failure: Mutex::default(),
        stop: interrupt::stop(),
    };
    run_missing(experiment, &cells, &shared, folder, options)?;
    let (mut store, begun) = (into_inner(shared.store), into_inner(shared.begun));
    store.refresh()?;
    let status = |cell: &Cell| store.get(cell.key).map(|stored| &stored.status);
    let count = |is: &dyn Fn(&Cell) -> bool| asked.iter().filter(|cell| is(cell)).count();
    let n_left = count(&|cell| status(cell).is_none());
    let n_failed = count(&|cell| matches!(status(cell), Some(Status::Failed { .. })));
    let n_run = asked.len() - n_left - n_failed - plan.n_cached;
    let planned: BTreeSet<Digest> = cells.iter().map(|cell| cell.key).collect();
    let is_elsewhere = |cell: &Cell| {
        planned.contains(&cell.key) && !begun.contains(&cell.key) && matches!(status(cell), Some(Status::Done { .. }))
    };
    let n_elsewhere = count(&is_elsewhere);
    Ok((store, Tally { n_asked: asked.len(), n_cached: plan.n_cached, n_run, n_elsewhere, n_failed, n_left }))
}

/// What is to be done of the cells that are asked for.
pub fn planned(experiment: &Experiment, store: &Store, asked: &[Cell], folder: &Path) -> Plan {
    let mut plan = store.plan(asked.iter().cloned());
    if experiment.record() == Record::Requests {
        run_again_for_requests(&mut plan, store, asked, folder);
    }
    plan
}

/// Cells that have a result but not the requests that are wanted now are run again.
fn run_again_for_requests(plan: &mut Plan, store: &Store, asked: &[Cell], folder: &Path) {
    let mut planned: BTreeSet<Digest> = plan.missing.iter().map(|(cell, _)| cell.key).collect();
    for cell in asked.iter().filter(|cell| kept_requests(folder, cell, store.get(cell.key)).is_none()) {
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
        tell(&format!(
            "warning: {count} damaged lines in {folder} are ignored: a run was killed while it wrote, or the file changed"
        ));
    }
    if store.n_outdated_segments() > 0 {
        let count = store.n_outdated_segments();
        tell(&format!("note: {count} files in {folder} are of another version of the model and are not used"));
    }
}

/// What the threads of a sweep know of each other and of other processes.
struct Shared<'a> {
    sharing: &'a Sharing,
    store: Mutex<Store>,
    /// Whether a cell without its requests is not enough.
    needs_requests: bool,
    /// Cells that this process took.
    begun: Mutex<BTreeSet<Digest>>,
    /// Keys of cells that came to an end since the sweep began, wherever.
    ended: Mutex<BTreeSet<String>>,
    /// Why no cell can be taken any more.
    failure: Mutex<Option<Failure>>,
    stop: &'a AtomicBool,
}

impl Shared<'_> {
    /// Takes a cell, unless somebody else has it or has finished it. If it cannot be told, the sweep stops.
    fn take(&self, cell: &Cell) -> bool {
        let taken = self.try_take(cell);
        taken.unwrap_or_else(|failure| {
            self.stop.store(true, Ordering::Relaxed);
            *lock(&self.failure) = Some(failure);
            false
        })
    }

    fn try_take(&self, cell: &Cell) -> Result<bool, Failure> {
        let key = cell.key.to_string();
        if self.is_over(cell) || !self.sharing.take(&key)? {
            return Ok(false);
        }
        // Whoever gave the claim up stored the cell before.
        self.refresh()?;
        if self.is_over(cell) {
            self.sharing.release(&key);
            return Ok(false);
        }
        lock(&self.begun).insert(cell.key);
        Ok(true)
    }

    /// Whether there is nothing to do of a cell any more.
    fn is_over(&self, cell: &Cell) -> bool {
        lock(&self.begun).contains(&cell.key) || lock(&self.ended).contains(&cell.key.to_string())
    }

    /// Reads what others stored.
    fn refresh(&self) -> Result<(), Failure> {
        let mut store = lock(&self.store);
        let keys = store.refresh()?;
        let is_enough = |key: &String| {
            let stored = store.get_by_name(key);
            let is_done = |stored: &netkv_grid::Stored| matches!(stored.status, Status::Done { .. });
            stored.is_some_and(|stored| !self.needs_requests || !is_done(stored) || !stored.requests.is_empty())
        };
        lock(&self.ended).extend(keys.into_iter().filter(is_enough));
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn run_missing(
    experiment: &Experiment,
    cells: &[Cell],
    shared: &Shared<'_>,
    folder: &Path,
    options: &RunOptions,
) -> Result<(), Failure> {
    let cells_folder = folder.join(CELLS);
    let header = SegmentHeader::new(provenance::of(experiment));
    if shared.needs_requests {
        let requests = requests_folder(folder);
        fs::create_dir_all(&requests).writing(requests.display())?;
    }
    let progress = Progress::new(experiment.name(), cells.len(), options.quiet);
    let jobs = jobs(options, cells.len());
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        let keeping = || keep(receiver, &cells_folder, &header, shared.sharing, progress, shared.stop);
        let keeper =
            thread::Builder::new().name("keeper".to_owned()).spawn_scoped(scope, keeping).map_err(no_thread)?;
        let run = run_all(experiment, cells, (jobs, options), shared, folder, &sender);
        drop(sender);
        keeper.join().expect("the thread that keeps outcomes does not panic")?;
        run
    })?;
    into_failure(shared)
}

fn into_failure(shared: &Shared<'_>) -> Result<(), Failure> {
    lock(&shared.failure).take().map_or(Ok(()), Err)
}

/// Runs cells until all came to an end, here or elsewhere, or somebody stopped it.
fn run_all(
    experiment: &Experiment,
    cells: &[Cell],
    (jobs, options): (NonZeroUsize, &RunOptions),
    shared: &Shared<'_>,
    folder: &Path,
    sender: &Sender<Result<Finished, Failure>>,
) -> Result<(), Failure> {
    let workloads = Workloads::new();
    let mut waits = false;
    loop {
        let left: Vec<Cell> = cells.iter().filter(|cell| !shared.is_over(cell)).cloned().collect();
        if left.is_empty() || shared.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let n_run = send_outcomes(experiment, &left, (jobs, options), shared, &workloads, folder, sender)?;
        if n_run == 0 && !shared.stop.load(Ordering::Relaxed) {
            if !waits {
                tell(&format!(
                    "{}: {} cells are run by other processes: waiting for them",
                    experiment.name(),
                    left.len()
                ));
                waits = true;
            }
            thread::sleep(PAUSE);
            shared.refresh()?;
        }
    }
}

/// Runs the cells that can be taken and sends each to the keeper once its output is kept; returns how many there were.
fn send_outcomes(
    experiment: &Experiment,
    cells: &[Cell],
    (jobs, options): (NonZeroUsize, &RunOptions),
    shared: &Shared<'_>,
    workloads: &Workloads,
    folder: &Path,
    sender: &Sender<Result<Finished, Failure>>,
) -> Result<usize, Failure> {
    let runner = |cell: &Cell| {
        BEGAN.set(Some(Moment::now()));
        let scenario = workloads.scenario(cell);
        let mut long = LongCell::begin(cell, &scenario, experiment.limits(), options);
        let mut told = |n_events, now| long.told(n_events, now);
        match experiment.record() {
            Record::Cells => CellRun::streamed_told(&scenario, &mut told),
            Record::Requests => CellRun::whole_told(&scenario, &mut told),
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
        let requests = output.map(|output| keep_requests(folder, cell, output)).transpose();
        let (key, status) = (outcome.key, outcome.status.clone());
        // The keeper hangs up when the disk fails; its error is what is reported.
        let _ = sender.send(requests.map(|requests| Finished { key, status, wall_s, requests }));
    };
    let outcomes = run_cells(cells, jobs, shared.stop, &|cell| shared.take(cell), runner, &on_done);
    Ok(outcomes.map_err(no_thread)?.len())
}

/// As many as asked for, or as there are cores; not more than there are cells, nor than make sense.
pub fn jobs(options: &RunOptions, n_cells: usize) -> NonZeroUsize {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Some(asked) = options.jobs else { return cores.min(NonZeroUsize::new(n_cells).unwrap_or(NonZeroUsize::MIN)) };
    let most = cores.saturating_mul(NonZeroUsize::new(MAX_JOBS_PER_CORE).expect("it is not 0"));
    if asked > most {
        tell(&format!(
            "note: --jobs {asked}: {most} cells are run at once, {MAX_JOBS_PER_CORE} on each core: more only take memory"
        ));
    }
    asked.min(most).min(NonZeroUsize::new(n_cells).unwrap_or(NonZeroUsize::MIN))
}
