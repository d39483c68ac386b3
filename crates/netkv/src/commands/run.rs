//! `netkv run`: the cells that are missing or failed, then the tables.

use super::{load_all, results_folder, tell_if_beside, tell_reduced};
use crate::answer::answer;
use crate::args::{Place, RunArgs, RunOptions, Shard};
use crate::costs::{Costs, cells_of_shard};
use crate::failure::{Ending, Failure, Writing};
use crate::interrupt;
use crate::kept::{CELLS, requests_folder};
use crate::kin::quoted;
use crate::leftovers;
use crate::output::{print, tell};
use crate::owner;
use crate::results;
use crate::sharing::Sharing;
use crate::sweep::{Tally, sweep};
use netkv_grid::{Experiment, Store};
use std::fs;
use std::path::Path;

/// Runs each experiment in turn. All are read first: an error in the last one shows before the first has run.
/// Two that share a name would share a folder, and each would hide the other's tables.
pub fn run(args: &RunArgs) -> Result<Ending, Failure> {
    let experiments = load_all(&args.experiments, args.place.quick, &args.changes)?;
    let selected: Vec<Vec<usize>> =
        experiments.iter().map(|one| one.select(&args.filter).map_err(Failure::usage)).collect::<Result<_, _>>()?;
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
    let mut ending = Ending::Done;
    for (experiment, indices) in experiments.iter().zip(&selected) {
        tell_reduced(experiment);
        if let Some(shard) = args.shard {
            ending = ending_of(run_shard(experiment, indices, shard, &args.place, &options)?, ending);
            if interrupt::is_asked() {
                return Ok(Ending::Interrupted);
            }
            continue;
        }
        let (store, tally) = run_experiment(experiment, indices, &args.place, &options)?;
        super::report::tell_older_of(&results_folder(&args.place, experiment));
        if let Some(answer) = answer(experiment, &store, indices)? {
            let text = if args.json { format!("{}\n", answer.json()) } else { answer.text(args.all_points) };
            print(&text)?;
        }
        if interrupt::is_asked() {
            return Ok(Ending::Interrupted);
        }
        ending = ending_of(tally, ending);
    }
    Ok(ending)
}

/// How a run ends that has come so far, after this experiment.
const fn ending_of(tally: Tally, so_far: Ending) -> Ending {
    if tally.n_failed > 0 { Ending::SomeCellsFailed } else { so_far }
}

/// Runs the cells of a shard among these, and says in one line what was done. Tables are for all shards together.
fn run_shard(
    experiment: &Experiment,
    indices: &[usize],
    shard: Shard,
    place: &Place,
    options: &RunOptions,
) -> Result<Tally, Failure> {
    let folder = results_folder(place, experiment);
    let sharing = join(experiment, &folder)?;
    let costs = Costs::of_tables(&folder);
    let own = cells_of_shard(experiment, &costs, shard);
    let is_own = |index: &usize| experiment.cell(*index).is_some_and(|cell| own.contains(&cell.key));
    let indices: Vec<usize> = indices.iter().copied().filter(is_own).collect();
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

/// Runs an experiment, writes its tables, and says in one line what was done.
pub fn run_experiment(
    experiment: &Experiment,
    indices: &[usize],
    place: &Place,
    options: &RunOptions,
) -> Result<(Store, Tally), Failure> {
    let folder = results_folder(place, experiment);
    owner::check(experiment, &folder)?;
    let sharing = join(experiment, &folder)?;
    let (mut store, tally) = sweep(experiment, indices, &folder, options, &sharing)?;
    // Whatever others finished meanwhile is in the tables too.
    sharing.alone(|| {
        store.refresh()?;
        results::write(experiment, &store, &folder)
    })?;
    tell(&summary(experiment, &tally, &folder, "; the tables hold what is kept"));
    Ok((store, tally))
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
