//! `netkv plan`: what a run would do, and why.

use super::{load, results_folder};
use crate::args::PlanArgs;
use crate::cells::{coordinates, find_cell};
use crate::failure::{Ending, Failure};
use crate::kept::CELLS;
use crate::output::print;
use netkv_grid::{Cell, Experiment, Plan, Reason, Status, Store, failure};
use std::fmt::Write as _;

/// Failed cells that are printed. Chosen by us: what fits a terminal.
const MAX_SHOWN: usize = 10;

/// Prints the plan, or all about one cell.
pub fn plan(args: &PlanArgs) -> Result<Ending, Failure> {
    let experiment = load(&args.experiment, args.place.quick, &args.changes)?;
    let store = Store::open(&results_folder(&args.place, &experiment).join(CELLS))?;
    let text = match args.explain {
        None => describe(&experiment, &store),
        Some(index) => explain(&experiment, &store, &find_cell(&experiment, index)?),
    };
    print(&text)?;
    Ok(Ending::Done)
}

fn describe(experiment: &Experiment, store: &Store) -> String {
    let plan = store.plan(experiment.cells());
    let axes = experiment.axes().iter().map(|axis| format!("{} {}", axis.values.len(), axis.key));
    let factors: Vec<_> = axes.chain([format!("{} seeds", experiment.seeds().len())]).collect();
    let failed: Vec<(&Cell, &str)> =
        plan.missing.iter().filter_map(|(cell, reason)| failed_cell(cell, reason)).collect();
    let mut text =
        format!("{}: {} cells ({})\n", experiment.path().display(), experiment.n_cells(), factors.join(" x "));
    for origin in experiment.trace_origins() {
        line(&mut text, &format!("trace: {} (sha256 {})", origin.label, &origin.sha256[..16]));
    }
    line(&mut text, &format!("done: {}", plan.n_cached));
    let n_new = plan.missing.len() - failed.len();
    line(&mut text, &format!("to run: {} ({n_new} new, {} failed before)", plan.missing.len(), failed.len()));
    if plan.n_shared > 0 {
        line(&mut text, &format!("{} more are equal to one of these and share its result", plan.n_shared));
    }
    if let Some(estimate) = estimate(store, &plan) {
        line(&mut text, &estimate);
    }
    for (cell, message) in failed.iter().take(MAX_SHOWN) {
        let row = failure(message, &experiment.arguments(), cell.index);
        line(&mut text, &format!("cell {} ({}) failed: {row}", cell.index, coordinates(experiment, cell)));
    }
    if failed.len() > MAX_SHOWN {
        line(&mut text, &format!("and {} more failed", failed.len() - MAX_SHOWN));
    }
    text
}

fn failed_cell<'a>(cell: &'a Cell, reason: &'a Reason) -> Option<(&'a Cell, &'a str)> {
    match reason {
        Reason::New => None,
        Reason::Failed { message } => Some((cell, message)),
    }
}

fn estimate(store: &Store, plan: &Plan) -> Option<String> {
    let mean_s = store.mean_wall_s().filter(|_| !plan.missing.is_empty())?;
    let total_s = mean_s * plan.missing.len() as f64;
    Some(format!("about {total_s:.0} s of one core, at {mean_s:.2} s for a finished cell"))
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "  {content}").expect("a string takes any text");
}

fn explain(experiment: &Experiment, store: &Store, cell: &Cell) -> String {
    let state = match store.get(cell.key).map(|stored| &stored.status) {
        None => "not run yet: no stored result has this key".to_owned(),
        Some(Status::Done { digest, .. }) => format!("done, result {digest}"),
        Some(Status::Failed { message }) => {
            format!("failed: {}", failure(message, &experiment.arguments(), cell.index))
        }
    };
    let mut text = format!("cell {}: {}\n", cell.index, coordinates(experiment, cell));
    line(&mut text, &state);
    line(&mut text, &format!("key {}", cell.key));
    line(&mut text, &format!("trace: {}", cell.trace_origin().label));
    let rows = experiment.resolved(cell);
    let width = rows.iter().map(|(key, value, _)| key.len() + value.len() + 3).max().unwrap_or(0);
    for (key, value, origin) in rows {
        let setting = format!("{key} = {value}");
        line(&mut text, &format!("{setting:width$}  {origin}"));
    }
    text
}
