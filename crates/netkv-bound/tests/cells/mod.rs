//! The cells of an experiment, those that differ in their policies alone taken together.

#![allow(dead_code, reason = "the example and the tests use a part of it each")]

use netkv_bound::Effort;
use netkv_grid::{Cell, Experiment, LoadOptions, Workloads};
use netkv_sim::Scenario;
use std::path::Path;

/// How much is searched for good assignments: half a minute at 40 requests.
pub const EFFORT: Effort = Effort { exhaustive: 20_000, runs: 3_000 };

/// The axis of policies.
const POLICIES: &str = "policy.name";

/// A point of an experiment and a seed, with all policies.
pub struct AtPoint {
    /// Its values on the other axes, and its seed.
    pub name: String,
    /// Its values on the other axes.
    pub values: Vec<String>,
    /// Its seed.
    pub seed: u64,
    /// By policy.
    pub scenarios: Vec<Scenario>,
}

/// An experiment.
///
/// # Errors
/// In words, if it cannot be read.
pub fn load(path: &Path) -> Result<Experiment, String> {
    Experiment::load(path, &LoadOptions::default()).map_err(|errors| errors.to_string())
}

/// Axes and values of a cell, its policy left out.
fn others<'a>(experiment: &'a Experiment, cell: &'a Cell) -> impl Iterator<Item = (&'a str, String)> + 'a {
    let values = experiment.axes().iter().zip(cell.axis_values());
    values.filter(|(axis, _)| axis.key != POLICIES).map(|(axis, value)| (axis.key.as_str(), value.to_string()))
}

/// The cells that differ from this one in their policies alone.
pub fn at_point(experiment: &Experiment, cell: &Cell) -> AtPoint {
    let alike = |other: &Cell| other.seed == cell.seed && others(experiment, other).eq(others(experiment, cell));
    let workloads = Workloads::new();
    let scenarios = experiment.cells().filter(alike).map(|cell| workloads.scenario(&cell)).collect();
    let mut name: String = others(experiment, cell).map(|(axis, value)| format!("{axis}={value} ")).collect();
    name.push_str(&format!("seed={}", cell.seed));
    let values = others(experiment, cell).map(|(_, value)| value).collect();
    AtPoint { name, values, seed: cell.seed, scenarios }
}
