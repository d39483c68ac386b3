//! One module for each command.

pub mod capacity;
pub mod cell;
pub mod claims;
pub mod cluster;
pub mod compare;
pub mod conform;
pub mod decide;
pub mod emit;
pub mod explain;
mod fetch;
pub mod figures;
pub mod fit;
pub mod flows;
pub mod gather;
pub mod keys;
pub mod new;
pub mod oracle;
pub mod pack;
pub mod plan;
pub mod profile;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod schema;
pub mod status;
pub mod telemetry;
pub mod trace;
pub mod tune;
pub mod verify;

use crate::args::{Changes, Cli, Place};
use crate::failure::{Ending, Failure};
use crate::output::{print, tell};
use crate::progress::tell_reading;
use crate::recorded;
use clap::CommandFactory;
use clap_complete::Shell;
use netkv_grid::{Experiment, InputErrors, LoadOptions, Reduction};
use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

/// Seeds and requests of `--quick`. Chosen by us: every paper experiment together ends within a minute on two cores.
const QUICK: Reduction = Reduction { max_seeds: 2, max_requests: 1_200 };

/// Loads experiments, all before anything else is done, and says once what there is to say about them.
fn load_all(paths: &[PathBuf], is_quick: bool, changes: &Changes) -> Result<Vec<Experiment>, Failure> {
    let overrides = changes.overrides();
    let options = LoadOptions {
        trace_dir: env::var_os("NETKV_TRACE_DIR").map(PathBuf::from),
        // A number of seeds that is asked for is meant.
        reduction: is_quick
            .then(|| Reduction { max_seeds: overrides.seeds.map_or(QUICK.max_seeds, |n| n as usize), ..QUICK }),
        overrides,
        on_read: Some(tell_reading),
        without_axes: false,
    };
    let mut experiments = Vec::new();
    let mut issues = Vec::new();
    for path in paths {
        match Experiment::load(path, &options) {
            Ok(experiment) => experiments.push(experiment),
            Err(errors) => issues.extend_from_slice(errors.issues()),
        }
    }
    if !issues.is_empty() {
        return Err(InputErrors::new(issues).into());
    }
    let notices: BTreeSet<&String> = experiments.iter().flat_map(Experiment::notices).collect();
    notices.iter().for_each(|notice| tell(&format!("note: {notice}")));
    experiments.iter().filter_map(extrapolation).for_each(|warning| tell(&format!("warning: {warning}")));
    Ok(experiments)
}

/// What an experiment asks of its profiles that was not measured, on one line; nothing if all was.
fn extrapolation(experiment: &Experiment) -> Option<String> {
    let outside = experiment.profiles().iter().filter(|profile| !profile.outside_valid_range.is_empty());
    let listed: Vec<String> =
        outside.map(|profile| format!("{}: {}", profile.label, profile.outside_valid_range.join("; "))).collect();
    let path = experiment.path().display();
    (!listed.is_empty()).then(|| format!("{path} extrapolates latencies of {}", listed.join("; of ")))
}

/// Says what the reduced version lacks of the whole.
fn tell_reduced(experiment: &Experiment) {
    if let Some(reduced) = experiment.reduced() {
        let lacks = reduced.words().unwrap_or_else(|| "nothing is left out".to_owned());
        tell(&format!("reduced version: {lacks}"));
    }
}

/// Loads one experiment.
fn load(path: &Path, is_quick: bool, changes: &Changes) -> Result<Experiment, Failure> {
    let mut experiments = load_all(&[path.to_owned()], is_quick, changes)?;
    Ok(experiments.pop().expect("one file is one experiment"))
}

/// The folder of an experiment's results: beside tables of a recorded trace that is not found now, unless they may go.
fn results_folder(place: &Place, experiment: &Experiment) -> PathBuf {
    let all = place.out.clone().unwrap_or_else(|| PathBuf::from(if place.quick { "results/quick" } else { "results" }));
    let own = all.join(experiment.name());
    match recorded::lost_trace(experiment, &own) {
        Some(_) if !place.stand_in => all.join(recorded::STAND_IN).join(experiment.name()),
        Some(_) | None => own,
    }
}

/// Says so if results go beside those of a recorded trace.
fn tell_if_beside(experiment: &Experiment, folder: &Path) {
    let all = folder.parent().filter(|parent| parent.ends_with(recorded::STAND_IN)).and_then(Path::parent);
    let Some(kept) = all.map(|all| all.join(experiment.name())) else { return };
    if let Some(trace) = recorded::lost_trace(experiment, &kept) {
        tell(&recorded::note(&trace, &kept, folder));
    }
}

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Result<Ending, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "netkv", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Ending::Done)
}
