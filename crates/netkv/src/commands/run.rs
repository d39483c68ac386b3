//! `netkv run`: the cells that are missing or failed, then the tables.

use super::{load_all, results_folder, tell_if_beside, tell_reduced};
use crate::answer::answer;
use crate::args::{Place, RunArgs, RunOptions, Shard};
use crate::costs::{Costs, cells_of_shard};
use crate::failure::{Done, Ending, Failure, Writing};
use crate::interrupt;
use crate::kept::{CELLS, open_store, requests_folder};
use crate::kin::quoted;
use crate::leftovers;
use crate::output::{print, tell};
use crate::owner;
use crate::replications::{settle, standing};
use crate::results;
use crate::sharing::Sharing;
use crate::sweep::{Tally, sweep};
use netkv_grid::{Cell, Experiment, Store};
use std::fs;
use std::path::Path;

/// Runs each experiment in turn. All are read first: an error in the last one shows before the first has run.
/// Two that share a name would share a folder, and each would hide the other's tables.
pub fn run(args: &RunArgs) -> Result<Done, Failure> {
    let mut experiments = load_all(&args.experiments, args.place.quick, &args.changes)?;
    for one in &experiments {
        one.select(&args.filter).map_err(Failure::usage)?;
    }
    for (index, experiment) in experiments.iter().enumerate() {
        if let Some(other) = experiments[..index].iter().find(|other| other.name() == experiment.name()) {
            let (one, two) = (other.path().display(), experiment.path().display());
            let name = experiment.name();
            return Err(Failure::input(format_args!("{one} and {two} are both called {name}: give each its own name")));
        }
    }
    for experiment in &experiments {
        let folder = results_folder(&args.place, experiment);
        tell_if_beside(experiment, &folder);
        owner::check(experiment, &folder)?;
    }
    let options = RunOptions { max_cell_s: args.max_cell_s, ..args.options.clone() };
    let mut done = Done { ending: Ending::Done, folders: Vec::new() };
    for experiment in &mut experiments {
        tell_reduced(experiment);
        if let Some(shard) = args.shard {
            done.ending = ending_of(run_shard(experiment, &args.filter, shard, &args.place, &options)?, done.ending);
            if interrupt::is_asked() {
                return Ok(Done { ending: Ending::Interrupted, ..done });
            }
            continue;
        }
        let (store, tally) = run_experiment(experiment, &args.filter, &args.place, &options)?;
        let indices = experiment.select(&args.filter).map_err(Failure::usage)?;
        let folder = results_folder(&args.place, experiment);
        super::report::tell_older_of(&folder);
        done.folders.push(folder);
        if let Some(answer) = answer(experiment, &store, &indices)? {
            let text = if args.json { format!("{}\n", answer.json()) } else { answer.text(args.all_points) };
            print(&text)?;
        }
        if interrupt::is_asked() {
            return Ok(Done { ending: Ending::Interrupted, ..done });
        }
        done.ending = ending_of(tally, done.ending);
    }
    Ok(done)
}

/// How a run ends that has come so far, after this experiment.
const fn ending_of(tally: Tally, so_far: Ending) -> Ending {
    if tally.n_failed > 0 { Ending::SomeCellsFailed } else { so_far }
}

/// Runs the cells of a shard among these, and says in one line what was done. Tables are for all shards together.
fn run_shard(
    experiment: &mut Experiment,
    filter: &[(String, String)],
    shard: Shard,
    place: &Place,
    options: &RunOptions,
) -> Result<Tally, Failure> {
    let folder = results_folder(place, experiment);
    let sharing = join(experiment, &folder)?;
    let n_before = settle_seeds(experiment, &folder)?;
    let costs = Costs::of_tables(&folder);
    // Seeds of earlier looks were dealt out then.
    let newest: Vec<Cell> = experiment.cells().filter(|cell| experiment.seed_of(cell.index) >= n_before).collect();
    let own = cells_of_shard(experiment, &newest, &costs, shard);
    let is_own = |index: &usize| experiment.cell(*index).is_some_and(|cell| own.contains(&cell.key));
    let indices = experiment.select(filter).map_err(Failure::usage)?;
    let indices: Vec<usize> = indices.into_iter().filter(is_own).collect();
    let (_, tally) = sweep(experiment, &indices, &folder, options, &sharing)?;
    let by = match costs.n_known() {
        0 => "as many cells as every other".to_owned(),
        n => format!("by what {n} cells took before"),
    };
    tell(&format!(
        "shard {}/{} ({by}): {}; netkv gather {} --experiment {}{} writes the tables when all shards are done",
        shard.number,
        shard.of,
        summary(experiment, &tally, &folder, ""),
        quoted(&folder.display().to_string()),
        experiment.arguments(),
        place.arguments()
    ));
    Ok(tally)
}

/// Gives an experiment the seeds that its stored results ask for, and says how many earlier looks had.
fn settle_seeds(experiment: &mut Experiment, folder: &Path) -> Result<usize, Failure> {
    if experiment.replications().until().is_none() {
        return Ok(0);
    }
    let store = open_store(experiment, folder)?;
    settle(experiment, |cell| store.get(cell.key).map(|stored| &stored.status));
    let n_seeds = experiment.seeds().len();
    let earlier = experiment.replications().looks().iter().copied().filter(|&n| n < n_seeds);
    Ok(earlier.max().unwrap_or(0))
}

/// Runs an experiment with as many seeds as it asks for, of its cells those that pass the filter; writes its tables, and says in
/// one line what was done.
pub fn run_experiment(
    experiment: &mut Experiment,
    filter: &[(String, String)],
    place: &Place,
    options: &RunOptions,
) -> Result<(Store, Tally), Failure> {
    let folder = results_folder(place, experiment);
    owner::check(experiment, &folder)?;
    let sharing = join(experiment, &folder)?;
    let (mut store, tally) = sweep_until_enough(experiment, filter, &folder, options, &sharing)?;
    // Whatever others finished meanwhile is in the tables too.
    sharing.alone(|| {
        store.refresh()?;
        results::write(experiment, &store, &folder)
    })?;
    tell(&summary(experiment, &tally, &folder, "; the tables hold what is kept"));
    Ok((store, tally))
}

/// Runs the cells of a look, looks, and goes on with the cells of the next one.
fn sweep_until_enough(
    experiment: &mut Experiment,
    filter: &[(String, String)],
    folder: &Path,
    options: &RunOptions,
    sharing: &Sharing,
) -> Result<(Store, Tally), Failure> {
    settle_seeds(experiment, folder)?;
    let mut sum = Tally::default();
    let mut n_swept = 0;
    loop {
        let is_new = |index: &usize| experiment.seed_of(*index) >= n_swept;
        let indices = experiment.select(filter).map_err(Failure::usage)?.into_iter().filter(is_new);
        let (store, tally) = sweep(experiment, &indices.collect::<Vec<_>>(), folder, options, sharing)?;
        sum.add(tally);
        n_swept = experiment.seeds().len();
        let status = |cell: &Cell| store.get(cell.key).map(|stored| &stored.status);
        let here = standing(experiment, status);
        settle(experiment, status);
        let n_seeds = experiment.seeds().len();
        if n_seeds <= n_swept || interrupt::is_asked() {
            return Ok((store, sum));
        }
        if let Some(here) = here.filter(|_| !options.quiet) {
            tell(&format!("{}: {}; going on to {n_seeds} seeds", experiment.path().display(), here.words()));
        }
    }
}

/// Begins to work in a folder of results, beside others that do.
pub fn join(experiment: &Experiment, folder: &Path) -> Result<Sharing, Failure> {
    let cells = folder.join(CELLS);
    fs::create_dir_all(&cells).writing(cells.display())?;
    for folder in [folder, &cells, &requests_folder(folder)] {
        leftovers::clean(folder);
    }
    let sharing = Sharing::join(&cells)?;
    owner::claim(experiment, folder)?;
    Ok(sharing)
}

/// What was done; `tables` tells, of a run that was stopped, what they hold.
fn summary(experiment: &Experiment, tally: &Tally, folder: &Path, tables: &str) -> String {
    let Tally { n_asked, n_cached, n_run, n_elsewhere, n_failed, n_left } = *tally;
    let path = experiment.path().display();
    let of_all =
        if n_asked == experiment.n_cells() { String::new() } else { format!(" of {} cells", experiment.n_cells()) };
    if n_left > 0 {
        let kept = n_cached + n_run;
        return format!(
            "{path}: stopped; {kept} of {n_asked} cells are kept, {n_failed} failed, {n_left} were not begun{tables}, and the same \
             command goes on from here; results in {}",
            folder.display()
        );
    }
    if n_run + n_failed == 0 {
        return format!("{path}: nothing to do, {n_cached}{of_all} done before; results in {}", folder.display());
    }
    let failed = if n_failed == 0 { "none failed".to_owned() } else { format!("{n_failed} FAILED") };
    let elsewhere = if n_elsewhere == 0 { String::new() } else { format!(" ({n_elsewhere} by other processes)") };
    format!(
        "{path}: {n_run} cells done{elsewhere}, {n_cached} done before, {failed}{of_all}; results in {}",
        folder.display()
    )
}
