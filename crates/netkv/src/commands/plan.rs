//! `netkv plan`: what a run would do, and why.

mod listing;

use super::{load, results_folder, tell_if_beside, tell_reduced};
use crate::args::PlanArgs;
use crate::cells::{coordinates, find_cell, json_coordinates, json_value};
use crate::changed::since;
use crate::failure::{Ending, Failure};
use crate::kept::open_store;
use crate::output::{print, tell};
use crate::replications::settle;
use crate::sweep::planned;
use netkv_grid::{Axis, Cell, Experiment, Factor, Origin, Plan, Reason, Status, Store, TraceOrigin, failure};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Failed cells and changes that are printed. Chosen by us: what fits a terminal.
const MAX_SHOWN: usize = 10;

/// Prints the plan, or all about one cell.
pub fn plan(args: &PlanArgs) -> Result<Ending, Failure> {
    let mut experiment = load(&args.experiment, args.place.quick, &args.changes)?;
    let folder = results_folder(&args.place, &experiment);
    tell_if_beside(&experiment, &folder);
    tell_reduced(&experiment);
    let store = open_store(&experiment, &folder)?;
    let standing = settle(&mut experiment, |cell| store.get(cell.key).map(|stored| &stored.status));
    if let Some(standing) = standing {
        tell(&format!("{}: {}", experiment.path().display(), standing.words()));
    }
    if args.list {
        print(&listing::of(&experiment, &store, &args.filter, args.json)?)?;
        return Ok(Ending::Done);
    }
    let cell = args.explain.as_ref().map(|which| find_cell(&experiment, which)).transpose()?;
    let text = match (cell, args.json) {
        (None, false) => describe(&experiment, &store, &folder),
        (None, true) => pretty(&overview(&experiment, &store, &folder)),
        (Some(cell), false) => explain(&experiment, &store, &cell),
        (Some(cell), true) => pretty(&explained(&experiment, &store, &cell)),
    };
    print(&text)?;
    Ok(Ending::Done)
}

fn describe(experiment: &Experiment, store: &Store, folder: &Path) -> String {
    let cells: Vec<Cell> = experiment.cells().collect();
    let plan = planned(experiment, store, &cells, folder);
    let failed: Vec<(&Cell, &str)> =
        plan.missing.iter().filter_map(|(cell, reason)| failed_cell(cell, reason)).collect();
    let mut text =
        format!("{}: {} cells ({})\n", experiment.path().display(), experiment.n_cells(), product(experiment));
    for origin in experiment.trace_origins() {
        line(&mut text, &format!("trace: {} (sha256 {})", origin.label, &origin.sha256[..16]));
    }
    line(&mut text, &format!("done: {}", plan.n_cached));
    let n_kept = plan.missing.iter().filter(|(_, reason)| *reason == Reason::RequestsNotKept).count();
    let n_new = plan.missing.len() - failed.len() - n_kept;
    let kept = if n_kept == 0 { String::new() } else { format!(", {n_kept} done but their requests not kept") };
    line(&mut text, &format!("to run: {} ({n_new} new, {} failed before{kept})", plan.missing.len(), failed.len()));
    if plan.n_shared > 0 {
        line(&mut text, &format!("{} more are equal to one of these and share its result", plan.n_shared));
    }
    if n_new > 0 {
        tell_changes(&mut text, experiment, store, folder);
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

/// The axes as factors, those that advance together as one: "2 regime x (3 zipped: a, b) x 5 seeds, less 10 excluded".
fn product(experiment: &Experiment) -> String {
    let axes = experiment.axes();
    let factor = |factor: &Factor| {
        let keys: Vec<&str> = factor.axes.iter().map(|&axis| axes[axis].key.as_str()).collect();
        let n = factor.rows.len();
        match keys[..] {
            [key] if !factor.is_sample => format!("{n} {key}"),
            _ if factor.is_sample => format!("({n} sampled: {})", keys.join(", ")),
            _ => format!("({n} zipped: {})", keys.join(", ")),
        }
    };
    let seeds = format!("{} seeds", experiment.seeds().len());
    let factors: Vec<_> = experiment.factors().iter().map(factor).chain([seeds]).collect();
    let n_excluded = experiment.n_excluded_cells();
    let less = if n_excluded == 0 { String::new() } else { format!(", less {n_excluded} that are excluded") };
    format!("{}{less}", factors.join(" x "))
}

/// Why cells are new although the folder holds results: what changed since its tables were written.
fn tell_changes(text: &mut String, experiment: &Experiment, store: &Store, folder: &Path) {
    if store.n_outdated_segments() > 0 {
        let n = store.n_outdated_segments();
        line(
            text,
            &format!("{n} files of results are of another version of the model or its metrics and are not used"),
        );
    }
    let changes = since(experiment, folder);
    if changes.is_empty() {
        return;
    }
    line(text, &format!("changed since the tables in {} were written:", folder.display()));
    changes.iter().take(MAX_SHOWN).for_each(|change| line(text, &format!("  {change}")));
    if changes.len() > MAX_SHOWN {
        line(text, &format!("  and {} more", changes.len() - MAX_SHOWN));
    }
}

fn failed_cell<'a>(cell: &'a Cell, reason: &'a Reason) -> Option<(&'a Cell, &'a str)> {
    match reason {
        Reason::New | Reason::RequestsNotKept => None,
        Reason::Failed { message } => Some((cell, message)),
    }
}

fn estimate(store: &Store, plan: &Plan) -> Option<String> {
    let mean_s = store.mean_wall_s().filter(|_| !plan.missing.is_empty())?;
    let total_s = mean_s * plan.missing.len() as f64;
    Some(format!("about {total_s:.0} s of one core, at {mean_s:.2} s for a finished cell"))
}

/// The plan for machines.
fn overview(experiment: &Experiment, store: &Store, folder: &Path) -> Value {
    let cells: Vec<Cell> = experiment.cells().collect();
    let plan = planned(experiment, store, &cells, folder);
    let failed: Vec<(&Cell, &str)> =
        plan.missing.iter().filter_map(|(cell, reason)| failed_cell(cell, reason)).collect();
    let n_kept = plan.missing.iter().filter(|(_, reason)| *reason == Reason::RequestsNotKept).count();
    let n_new = plan.missing.len() - failed.len() - n_kept;
    let axis = |axis: &Axis| json!({"key": axis.key, "values": axis.values.iter().map(json_value).collect::<Vec<_>>()});
    let group = |factor: &Factor| factor.axes.iter().map(|&at| axis(&experiment.axes()[at])).collect::<Vec<_>>();
    let failure = |(cell, message): &(&Cell, &str)| json!({"cell": cell.index, "coordinates": json_coordinates(experiment, cell), "message": message});
    let trace =
        |origin: &&TraceOrigin| json!({"label": origin.label, "sha256": origin.sha256, "stands_in": origin.fallback});
    json!({
        "experiment": experiment.path().display().to_string(),
        "name": experiment.name(),
        "folder": folder.display().to_string(),
        "cells": experiment.n_cells(),
        "excluded": experiment.n_excluded_cells(),
        // Axes that advance together, or are sampled together, stand together.
        "axes": experiment.factors().iter().map(group).collect::<Vec<_>>(),
        "seeds": experiment.seeds(),
        "traces": experiment.trace_origins().iter().map(trace).collect::<Vec<_>>(),
        "done": plan.n_cached,
        "to_run": plan.missing.len(),
        "new": n_new,
        "failed_before": failed.len(),
        "requests_not_kept": n_kept,
        "shared": plan.n_shared,
        "outdated_files": store.n_outdated_segments(),
        "changed": if n_new > 0 { since(experiment, folder) } else { Vec::new() },
        "mean_wall_s": store.mean_wall_s(),
        "failed": failed.iter().map(failure).collect::<Vec<_>>(),
    })
}

/// All about a cell for machines.
fn explained(experiment: &Experiment, store: &Store, cell: &Cell) -> Value {
    let (state, digest, message) = match store.get(cell.key).map(|stored| &stored.status) {
        None => ("new", None, None),
        Some(Status::Done { digest, .. }) => ("done", Some(digest), None),
        Some(Status::Failed { message }) => ("failed", None, Some(message)),
    };
    let setting = |(key, value, origin): (String, String, Origin)| {
        json!({
            "key": key,
            "value": value,
            "file": origin.file.display().to_string(),
            "line": origin.position.map(|(line, _)| line),
        })
    };
    json!({
        "cell": cell.index,
        "coordinates": json_coordinates(experiment, cell),
        "key": cell.key.to_string(),
        "state": state,
        "digest": digest,
        "message": message,
        "trace": cell.trace_origin().label,
        "settings": experiment.resolved(cell).into_iter().map(setting).collect::<Vec<_>>(),
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
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
