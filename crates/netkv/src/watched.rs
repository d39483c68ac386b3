//! A cell that was run and watched.

use netkv_grid::{Cell, Experiment};
use netkv_sim::{Observations, RunOutput, Scenario};

/// A cell that was run and watched.
pub struct Watched<'a> {
    /// Its experiment.
    pub experiment: &'a Experiment,
    /// The cell.
    pub cell: &'a Cell,
    /// What was run.
    pub scenario: &'a Scenario,
    /// What came of it.
    pub output: &'a RunOutput,
    /// What was seen.
    pub seen: &'a Observations,
}
