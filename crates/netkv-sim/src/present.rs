//! Everything as it is at one instant, for those who look and change nothing: the scheduler, the yardstick, what watches
//! a run and what checks it.

use crate::gpu::{DecodePool, PrefillPool, Running};
use crate::measure::RunTotals;
use crate::network::{Network, Progress};
use crate::requests::Requests;
use crate::scenario::Scenario;
use netkv_units::SimTime;

/// The rooms of a simulation, as they are now.
#[derive(Clone, Copy)]
pub(crate) struct Present<'a> {
    /// What the run depends on.
    pub scenario: &'a Scenario,
    /// When.
    pub now: SimTime,
    /// Those who have arrived and not left.
    pub requests: &'a Requests,
    pub prefill: &'a PrefillPool,
    /// Caught up with `now` if anybody is to look at its batches.
    pub decode: &'a DecodePool,
    pub network: &'a Network,
}

/// The rooms of a simulation as they are now, for a scheduler that is borrowed apart from it.
macro_rules! present {
    ($simulation:ident) => {
        $crate::present::Present {
            scenario: $simulation.scenario,
            now: $simulation.now,
            requests: &$simulation.requests,
            prefill: &$simulation.prefill,
            decode: &$simulation.decode,
            network: &$simulation.network,
        }
    };
}
pub(crate) use present;

impl Present<'_> {
    /// The totals of a run that is done, what was counted on the way given.
    ///
    /// # Panics
    /// If something of a request is left anywhere.
    pub(crate) fn totals(&self, counted: RunTotals) -> RunTotals {
        self.prefill.check_empty();
        self.decode.check_empty();
        self.network.check_empty();
        // In a loop that waits for answers the load is whole until then.
        let last_arrival = self.scenario.last_arrival().unwrap_or_else(|| self.requests.last_counted());
        let (link_utilisation_ratio, background_ratio) = self.network.mean_use(self.now);
        RunTotals {
            gpus: self.prefill.instances().len() as u32 * self.scenario.cluster.tp
                + self.decode.instances().len() as u32 * self.scenario.cluster.decode_tp,
            end: self.now,
            prefill_utilisation_ratio: self.prefill.utilisation_ratio(last_arrival),
            decode_utilisation_ratio: self.decode.utilisation_ratio(last_arrival),
            link_utilisation_ratio,
            background_ratio,
            transfers_in_flight_max: self.network.most_transfers_in_flight(),
            ..counted
        }
    }
}

/// How far an instance is with a prompt of its present batch, as a transfer that goes on beside it sees that.
pub(crate) fn progress(pool: &PrefillPool, prefill: usize, running: &Running) -> Progress {
    let until = pool.instances()[prefill].batch_end();
    Progress { present: running.present, computing: running.computing, until }
}
