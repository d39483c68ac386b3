//! The answer of an experiment, from what is stored of it.

use crate::failure::{Blame, Failure};
use crate::fixed;
use crate::replications;
use crate::routers;
use crate::tables::{axis_names, outcomes, row};
use netkv_frames::{CellRow, cells_table, priced_cells};
use netkv_grid::{Experiment, Store};
use netkv_sim::{SloConfig, TtftLimit};
use netkv_verdict::{Answer, Options, Reduced};
use std::collections::BTreeSet;

/// The answer that the cells at `indices` give; none if none of them was ever run.
pub fn answer(experiment: &Experiment, store: &Store, indices: &[usize]) -> Result<Option<Answer>, Failure> {
    let asked: BTreeSet<usize> = indices.iter().copied().collect();
    let stored = outcomes(experiment, store);
    let of_these = stored.iter().filter(|(cell, _)| asked.contains(&cell.index));
    let rows: Vec<CellRow> = of_these.map(|(cell, stored)| row(experiment, cell, stored)).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let axes = axis_names(experiment);
    let options = Options {
        experiment: experiment.name().to_owned(),
        compared: experiment.baseline_axis().to_owned(),
        baseline: experiment.baseline().to_owned(),
        confidence_ratio: experiment.confidence_ratio(),
        facts: facts(experiment, store),
        axes: axes.clone(),
        reduced: reduced(experiment),
    };
    priced_cells(cells_table(&axes, &rows), experiment.cost_per_gpu_hour())
        .and_then(|cells| Answer::of(&cells, options))
        .map(Some)
        .map_err(|error| Failure::new(Blame::Bug, error))
}

/// What else there is to know before a number is read.
fn facts(experiment: &Experiment, store: &Store) -> Vec<String> {
    let mut facts: Vec<String> = experiment
        .trace_origins()
        .iter()
        .map(|origin| {
            format!(
                "trace: {}{}",
                origin.label,
                if origin.fallback { ", which STANDS IN for a trace that was not found" } else { "" }
            )
        })
        .collect();
    facts.extend(routers::words(experiment, store));
    facts.extend(fixed::words(experiment));
    facts.push(objectives(experiment));
    let standing = replications::standing(experiment, |cell| store.get(cell.key).map(|one| &one.status));
    facts.extend(standing.map(|standing| format!("replications: {}", standing.words())));
    facts
}

/// What a reduced version lacks, and the command that runs all of it; none if that is nothing.
fn reduced(experiment: &Experiment) -> Option<Reduced> {
    let lacks = experiment.reduced()?.words()?;
    Some(Reduced { lacks, command: format!("netkv run {}", experiment.arguments()) })
}

/// The objectives of all points, in words.
fn objectives(experiment: &Experiment) -> String {
    let n_seeds = experiment.seeds().len();
    let mut said: Vec<String> = Vec::new();
    for cell in experiment.cells().step_by(n_seeds) {
        let words = objective(cell.spec().slo());
        if !said.contains(&words) {
            said.push(words);
        }
    }
    format!("objective (SLO): {}", said.join("; or, by point, "))
}

fn objective(slo: &SloConfig) -> String {
    let ttft = match slo.ttft {
        TtftLimit::Fixed(limit) => format!("{} s", limit.as_secs_f64()),
        TtftLimit::Slowdown(factor) => format!("{factor} x what it takes on an idle cluster"),
    };
    let tbt_s = slo.tbt.as_secs_f64();
    // As in the paper, whose objectives are for TTFT alone.
    let tbt = if tbt_s >= 60.0 { String::new() } else { format!(", mean TBT within {} ms", tbt_s * 1e3) };
    format!("TTFT within {ttft}{tbt}")
}
