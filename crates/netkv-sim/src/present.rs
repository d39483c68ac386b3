//! Everything as it is at one instant, for those who look and change nothing: the scheduler, the yardstick, what watches
//! a run and what checks it.

use crate::gpu::{DecodePool, PrefillPool};
use crate::network::Network;
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
