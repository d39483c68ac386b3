//! Cells that take long: a word now and then on how far one is, and its end if one was asked for.

use crate::args::RunOptions;
use crate::clock::Moment;
use crate::output::tell;
use netkv_grid::{Cell, Limits, too_many_events};
use netkv_sim::Scenario;
use netkv_units::SimTime;

/// Seconds between two words about a cell. Chosen by us: most cells end within a second.
const INTERVAL_S: f64 = 10.0;

/// A cell that is being run.
pub struct LongCell {
    index: usize,
    /// None if it follows from answers.
    last_arrival: Option<SimTime>,
    began: Moment,
    next_word_s: f64,
    /// Seconds, and who says so.
    max_s: Option<(f64, &'static str)>,
    max_events: Option<u64>,
    is_quiet: bool,
}

impl LongCell {
    /// Begins to count. What the command line says of seconds overrules what the experiment does.
    pub fn begin(cell: &Cell, scenario: &Scenario, limits: Limits, options: &RunOptions) -> Self {
        let given = options.max_cell_s.map(|max_s| (max_s, "--max-cell-s"));
        Self {
            index: cell.index,
            last_arrival: scenario.workload.sessions().is_none().then(|| scenario.workload.last_arrival()),
            began: Moment::now(),
            next_word_s: INTERVAL_S,
            max_s: given.or(limits.max_cell_s.map(|max_s| (max_s, "run.max_cell_s"))),
            max_events: limits.max_events,
            is_quiet: options.quiet,
        }
    }

    /// Hears how many events there were and what time it is in the run.
    ///
    /// # Errors
    /// If the cell has taken more than it may: what its row says then.
    pub fn told(&mut self, n_events: u64, now: SimTime) -> Result<(), String> {
        if let Some(max_events) = self.max_events.filter(|&most| n_events > most) {
            return Err(too_many_events(max_events));
        }
        let so_far_s = self.began.elapsed_s();
        let far = || {
            let last =
                self.last_arrival.map(|last| format!(", the last request arrives at {:.0} s", last.as_secs_f64()));
            format!("{:.0} s simulated{}", now.as_secs_f64(), last.unwrap_or_default())
        };
        if let Some((max_s, who)) = self.max_s.filter(|&(max_s, _)| so_far_s > max_s) {
            return Err(format!("stopped after {max_s} s ({who}): {}", far()));
        }
        if so_far_s >= self.next_word_s {
            self.next_word_s = so_far_s + INTERVAL_S;
            if !self.is_quiet {
                tell(&format!("cell {} has run for {so_far_s:.0} s: {}", self.index, far()));
            }
        }
        Ok(())
    }
}
