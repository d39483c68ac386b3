//! `netkv status`: how far an experiment is, whoever runs it.

use super::{load, results_folder};
use crate::args::StatusArgs;
use crate::costs::Costs;
use crate::failure::{Ending, Failure};
use crate::kept::CELLS;
use crate::output::print;
use crate::sharing::taken;
use crate::sweep::planned;
use netkv_grid::{Cell, Experiment, Reason, Store};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How far an experiment is.
struct Status {
    n_done: usize,
    n_failed: usize,
    n_remaining: usize,
    /// Cells that each process runs now.
    running: BTreeMap<String, usize>,
    /// Seconds of one core, and the finished cells that this was told from; none if nothing is left, or nothing is known.
    left: Option<(f64, usize)>,
}

/// Prints it.
pub fn status(args: &StatusArgs) -> Result<Ending, Failure> {
    let experiment = load(&args.experiment, args.place.quick, &args.changes)?;
    let cells_folder = results_folder(&args.place, &experiment).join(CELLS);
    let store = Store::open(&cells_folder)?;
    let cells: Vec<Cell> = experiment.cells().collect();
    let folder = results_folder(&args.place, &experiment);
    let missing = planned(&experiment, &store, &cells, &folder).missing;
    let keys: BTreeSet<String> = cells.iter().map(|cell| cell.key.to_string()).collect();
    let mut running: BTreeMap<String, usize> = BTreeMap::new();
    for (_, process) in taken(&cells_folder).into_iter().filter(|(key, _)| keys.contains(key)) {
        *running.entry(process).or_default() += 1;
    }
    let n_running: usize = running.values().sum();
    let n_failed = missing.iter().filter(|(_, reason)| matches!(reason, Reason::Failed { .. })).count();
    let missing: Vec<Cell> = missing.into_iter().map(|(cell, _)| cell).collect();
    let costs = Costs::of_store(&experiment, &store);
    let left_s: f64 = costs.of(&experiment, &missing).iter().sum();
    let status = Status {
        n_done: store.plan(cells.iter().cloned()).n_cached,
        n_failed,
        n_remaining: missing.len().saturating_sub(n_running),
        running,
        left: (costs.n_known() > 0 && !missing.is_empty()).then_some((left_s, costs.n_known())),
    };
    print(&if args.json { format!("{:#}\n", status.json(&experiment)) } else { status.text(&experiment) })?;
    Ok(Ending::Done)
}

impl Status {
    fn n_running(&self) -> usize {
        self.running.values().sum()
    }

    fn text(&self, experiment: &Experiment) -> String {
        let mut lines = vec![format!("{}: {} cells", experiment.path().display(), experiment.n_cells())];
        lines.push(format!("done: {}", self.n_done));
        let who: Vec<String> = self.running.iter().map(|(process, n)| format!("{process}: {n}")).collect();
        let who = if who.is_empty() { String::new() } else { format!(" ({})", who.join("; ")) };
        lines.push(format!("running: {}{who}", self.n_running()));
        lines.push(format!("failed: {}", self.n_failed));
        lines.push(format!("remaining: {}", self.n_remaining));
        if let Some((left_s, n_known)) = self.left {
            let at_once = self.n_running().max(1);
            let cores =
                if self.n_running() == 0 { "of one core".to_owned() } else { format!("with {at_once} at once") };
            lines.push(format!("about {:.0} s {cores}, as {n_known} finished cells took", left_s / at_once as f64));
        }
        lines.join("\n  ") + "\n"
    }

    fn json(&self, experiment: &Experiment) -> Value {
        json!({
            "experiment": experiment.path().display().to_string(),
            "cells": experiment.n_cells(),
            "done": self.n_done,
            "running": self.n_running(),
            "processes": self.running,
            "failed": self.n_failed,
            "remaining": self.n_remaining,
            "core_seconds_left": self.left.map(|(left_s, _)| left_s),
        })
    }
}
