//! `netkv status`: how far an experiment is, whoever runs it.

use super::{load, results_folder};
use crate::args::StatusArgs;
use crate::costs::Costs;
use crate::failure::{Ending, Failure};
use crate::kept::{CELLS, open_store};
use crate::output::print;
use crate::replications::settle;
use crate::sharing::taken;
use crate::sweep::planned;
use netkv_grid::{Cell, Experiment, Reason};
use netkv_units::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How far an experiment is.
struct Status {
    n_done: usize,
    n_failed: usize,
    n_remaining: usize,
    /// Of how many seeds these are the cells, and whether they are enough; none if their number is fixed.
    replications: Option<String>,
    /// Cells that each process runs now.
    running: BTreeMap<String, usize>,
    /// Seconds of one core, and the finished cells that this was told from; none if nothing is left, or nothing is known.
    left: Option<(f64, usize)>,
}

/// Prints it.
pub fn status(args: &StatusArgs) -> Result<Ending, Failure> {
    let mut experiment = load(&args.experiment, args.place.quick, &args.changes)?;
    let folder = results_folder(&args.place, &experiment);
    let store = open_store(&experiment, &folder)?;
    let replications = settle(&mut experiment, |cell| store.get(cell.key).map(|stored| &stored.status));
    let cells: Vec<Cell> = experiment.cells().collect();
    let missing = planned(&experiment, &store, &cells, &folder).missing;
    let is_failed: BTreeMap<Digest, bool> =
        missing.iter().map(|(cell, reason)| (cell.key, matches!(reason, Reason::Failed { .. }))).collect();
    let taken: BTreeMap<String, String> = taken(&folder.join(CELLS)).into_iter().collect();
    let mut running: BTreeMap<String, usize> = BTreeMap::new();
    let (mut n_done, mut n_failed, mut n_remaining) = (0, 0, 0);
    // Every cell is one of these; those that are equal in everything are together.
    for cell in &cells {
        match (is_failed.get(&cell.key), taken.get(&cell.key.to_string())) {
            (None, _) => n_done += 1,
            (Some(_), Some(process)) => *running.entry(process.clone()).or_default() += 1,
            (Some(true), None) => n_failed += 1,
            (Some(false), None) => n_remaining += 1,
        }
    }
    let missing: Vec<Cell> = missing.into_iter().map(|(cell, _)| cell).collect();
    let costs = Costs::of_store(&experiment, &store);
    let left_s: f64 = costs.of(&experiment, &missing).iter().sum();
    let status = Status {
        n_done,
        n_failed,
        n_remaining,
        running,
        replications: replications.map(|standing| standing.words()),
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
        let again = if self.n_failed == 0 { "" } else { " (netkv run runs them again)" };
        lines.push(format!("failed: {}{again}", self.n_failed));
        lines.push(format!("remaining: {}", self.n_remaining));
        lines.extend(self.replications.clone());
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
            "replications": self.replications,
            "core_seconds_left": self.left.map(|(left_s, _)| left_s),
        })
    }
}
