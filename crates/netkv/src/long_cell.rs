//! Cells that take long: a word now and then on how far one is, and its end if one was asked for.

use crate::args::RunOptions;
use crate::clock::Moment;
use crate::output::tell;
use netkv_grid::Cell;
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
    max_s: Option<f64>,
    is_quiet: bool,
}

impl LongCell {
    /// Begins to count.
    pub fn begin(cell: &Cell, scenario: &Scenario, options: &RunOptions) -> Self {
        Self {
            index: cell.index,
            last_arrival: scenario.workload.sessions().is_none().then(|| scenario.workload.last_arrival()),
            began: Moment::now(),
            next_word_s: INTERVAL_S,
            max_s: options.max_cell_s,
            is_quiet: options.quiet,
        }
    }

    /// Hears that all requests have ended that arrived until then.
    ///
    /// # Panics
    /// If the cell has taken longer than it may: it is a failed cell then.
    pub fn seen(&mut self, arrival: SimTime) {
        let so_far_s = self.began.elapsed_s();
        let far = || {
            let of_all = self.last_arrival.map_or_else(String::new, |last| format!(" of {:.0}", last.as_secs_f64()));
            format!("{:.0}{of_all} s of arrivals simulated", arrival.as_secs_f64())
        };
        if let Some(max_s) = self.max_s {
            assert!(so_far_s <= max_s, "stopped after {max_s} s (--max-cell-s), {}", far());
        }
        if so_far_s >= self.next_word_s {
            self.next_word_s = so_far_s + INTERVAL_S;
            if !self.is_quiet {
                tell(&format!("cell {} has run for {so_far_s:.0} s: {}", self.index, far()));
            }
        }
    }
}
