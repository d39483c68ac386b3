//! `netkv verify`: stored cells once more, and whether every bit is the same.

use super::{load, results_folder};
use crate::args::VerifyArgs;
use crate::cells::coordinates;
use crate::failure::{Ending, Failure};
use crate::interrupt;
use crate::kept::{CELLS, open_store};
use crate::output::{print, tell};
use crate::progress::Progress;
use crate::routers;
use crate::sharing::no_thread;
use crate::sweep::jobs;
use netkv_grid::{Cell, CellRun, Experiment, Outcome, Status, Store, Workloads, run_cells};
use std::sync::{Mutex, PoisonError};

/// Runs them and tells of each that came out otherwise.
pub fn verify(args: &VerifyArgs) -> Result<Ending, Failure> {
    let mut experiment = load(&args.experiment, args.place.quick, &args.changes)?;
    // Whatever is stored, of as many seeds as may be run.
    let most = experiment.replications().looks().last().copied();
    experiment.use_seeds(most.expect("there is a look"));
    let folder = results_folder(&args.place, &experiment);
    let store = open_store(&experiment, &folder)?;
    let folder = folder.join(CELLS);
    let is_done = |cell: &Cell| store.get(cell.key).is_some_and(|one| matches!(one.status, Status::Done { .. }));
    let mut cells: Vec<Cell> = experiment.cells().filter(is_done).collect();
    let n_stored = cells.len();
    if n_stored == 0 {
        let (path, folder) = (experiment.path().display(), folder.display());
        return Err(Failure::input(format_args!(
            "no finished cell of {path} is in {folder}: netkv run {path} makes them"
        )));
    }
    // Keys have nothing to do with the order of the grid, and a larger sample has the smaller one in it.
    cells.sort_by_key(|cell| (cell.key, cell.index));
    cells.truncate(args.sample.map_or(n_stored, |sample| sample.get()));
    cells.sort_by_key(|cell| cell.index);
    let progress = Mutex::new(Progress::new(experiment.name(), cells.len(), args.options.quiet));
    let workloads = Workloads::new();
    let runner = |cell: &Cell| Ok(CellRun::streamed(&workloads.scenario(cell)));
    let on_done = |_: &Cell, _: &Outcome, _: Option<&_>| {
        progress.lock().unwrap_or_else(PoisonError::into_inner).add(1, 0);
    };
    let jobs = jobs(&args.options, cells.len());
    let outcomes = run_cells(&cells, jobs, interrupt::stop(), &|_| true, runner, &on_done).map_err(no_thread)?;
    progress.lock().unwrap_or_else(PoisonError::into_inner).finish();
    let other = outcomes.iter().filter_map(|outcome| difference(&experiment, &store, outcome));
    let (other, by_routers): (Vec<_>, Vec<_>) = other.partition(|(_, is_guaranteed)| *is_guaranteed);
    other.iter().chain(&by_routers).for_each(|(line, _)| tell(line));
    let path = experiment.path().display();
    let same = outcomes.len() - other.len() - by_routers.len();
    if !by_routers.is_empty() {
        tell(&format!(
            "{path}: {} cells whose router is a program came out otherwise: it need not decide alike twice, and nothing follows \
             from it for netkv",
            by_routers.len()
        ));
    }
    if interrupt::is_asked() {
        tell(&format!("{path}: stopped; {same} of {n_stored} stored cells came out the same, {} did not", other.len()));
        return Ok(Ending::Interrupted);
    }
    if other.is_empty() {
        print(&format!("{path}: {same} of {n_stored} stored cells were run again and are the same to the last bit\n"))?;
        return Ok(Ending::Done);
    }
    tell(&format!(
        "{path}: {} of {} cells came out OTHER than stored: the model changed without a new SIM_EPOCH, this machine computes \
         otherwise, or the store was changed; remove {} and run again if this netkv is right",
        other.len(),
        outcomes.len(),
        folder.display()
    ));
    Ok(Ending::Mismatch)
}

/// In what a cell came out otherwise, and who stored it, and whether it should have been the same; none if it was.
fn difference(experiment: &Experiment, store: &Store, outcome: &Outcome) -> Option<(String, bool)> {
    let stored = store.get(outcome.key).filter(|stored| stored.status != outcome.status)?;
    let of = |name: &str| stored.segment.provenance.get(name).map_or("?", String::as_str);
    let (version, commit, host) = (of("version"), of("commit"), of("host"));
    let what = match (&stored.status, &outcome.status) {
        (Status::Done { digest, .. }, Status::Done { digest: now, .. }) if digest != now => {
            format!("digest {digest} is stored, {now} came out")
        }
        (Status::Done { .. }, Status::Failed { message }) => format!("it failed now: {message}"),
        (Status::Done { .. } | Status::Failed { .. }, Status::Done { .. } | Status::Failed { .. }) => {
            "the digest is the same, the metrics are not".to_owned()
        }
    };
    let cell = experiment.cell(outcome.index)?;
    let line = format!(
        "cell {} ({}): {what}; stored by netkv {version}, commit {commit}, on {host}",
        outcome.index,
        coordinates(experiment, &cell)
    );
    Some((line, cell.spec().policy().name() != routers::NAME))
}
