//! What those who drive a run or watch it see of it, and what it leaves.

use super::Simulation;
use crate::arrivals::Arrivals;
use crate::measure::{RunEnd, RunTotals};
use crate::network::Network;
use crate::present::{Present, present};
use crate::scheduler::Scheduler;
use netkv_units::SimTime;

impl<'a> Simulation<'a> {
    /// Every request has finished or was refused.
    pub(crate) const fn is_done(&self) -> bool {
        self.n_left == 0
    }

    /// When the next event is.
    pub(crate) fn next_time(&self) -> Option<SimTime> {
        self.queue.next_time()
    }

    /// Everything as it is.
    pub(crate) const fn present(&self) -> Present<'_> {
        present!(self)
    }

    /// What is to come.
    pub(crate) const fn arrivals(&self) -> &Arrivals<'a> {
        &self.arrivals
    }

    /// What decides: to be asked about a decision, or to be given another policy before the first event.
    pub(crate) const fn scheduler_mut(&mut self) -> &mut Scheduler {
        &mut self.scheduler
    }

    /// Where bytes move: to be told to keep a record of every flow.
    pub(crate) const fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// What the run leaves, once it is done. Nothing of any request is left anywhere then.
    pub(crate) fn into_end(self) -> RunEnd {
        let totals = self.present().totals(self.totals.clone());
        let repetition = self.scheduler.repetition();
        let totals =
            RunTotals { repetition, rankings: self.scheduler.into_counts(), turns: self.arrivals.totals(), ..totals };
        RunEnd { tbt_histogram: self.decode.into_gaps(), totals }
    }
}
