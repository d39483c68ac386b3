//! Ways to run a scenario: keeping its requests or handing them on, watched or checked.

use crate::measure::{RequestRecord, RunEnd, RunOutput};
use crate::scenario::Scenario;
use crate::simulation::Simulation;
use crate::watch::{Observations, ObserveConfig, Retired, Watcher, check};
use netkv_policy::Selector;
use netkv_units::SimTime;
use std::convert::Infallible;

/// Events between two words of a run that tells how far it is. Chosen by us: a millisecond or less, and a word costs nothing.
const TOLD_EVENTS: u64 = 4096;

/// Runs a scenario to its end.
///
/// # Panics
/// If an invariant of the model is broken: a bug, never the user's input.
pub fn run(scenario: &Scenario) -> RunOutput {
    run_with(scenario, u32::MAX)
}

/// Runs a scenario with at most `max_stretch` decode iterations in one event; 1 takes every iteration by itself, the
/// slow reference that [`run`] must agree with in everything but the number of events.
///
/// # Panics
/// As [`run`]; and if `max_stretch` is zero.
pub fn run_with(scenario: &Scenario, max_stretch: u32) -> RunOutput {
    let mut requests = Vec::with_capacity(scenario.workload.len());
    let end = run_stretched(scenario, max_stretch, &mut |record| requests.push(record));
    end.with_requests(requests)
}

/// Runs a scenario and hands each finished request to `sink` in order of arrival, as soon as those before it have
/// ended: memory does not grow with the number of requests.
///
/// # Panics
/// As [`run`].
pub fn run_streamed(scenario: &Scenario, sink: &mut dyn FnMut(RequestRecord)) -> RunEnd {
    run_stretched(scenario, u32::MAX, sink)
}

/// The same; with the first event and every few thousand `told` hears how many there were and what time it is in the run, and
/// may end it.
///
/// # Errors
/// What `told` ended it with.
///
/// # Panics
/// As [`run`].
pub fn run_streamed_told<E>(
    scenario: &Scenario,
    sink: &mut dyn FnMut(RequestRecord),
    told: &mut dyn FnMut(u64, SimTime) -> Result<(), E>,
) -> Result<RunEnd, E> {
    to_its_end(Simulation::new(scenario, u32::MAX), sink, told)
}

/// Runs a scenario to its end with `policy` in place of the scenario's own: a rule that no experiment file names, or a
/// list of choices to be followed. It sees reports of the decode instances as old as the scenario's own policy would.
///
/// # Panics
/// As [`run`]; and if the policy chooses an instance that is not there.
pub fn run_by(scenario: &Scenario, policy: Selector) -> RunOutput {
    let mut simulation = Simulation::new(scenario, u32::MAX);
    simulation.scheduler_mut().decide_by(policy);
    let mut requests = Vec::with_capacity(scenario.workload.len());
    while !simulation.is_done() {
        simulation.step(&mut |record| requests.push(record));
    }
    simulation.into_end().with_requests(requests)
}

fn run_stretched(scenario: &Scenario, max_stretch: u32, sink: &mut dyn FnMut(RequestRecord)) -> RunEnd {
    let Ok(end) = to_its_end::<Infallible>(Simulation::new(scenario, max_stretch), sink, &mut |_, _| Ok(()));
    end
}

fn to_its_end<E>(
    mut simulation: Simulation<'_>,
    sink: &mut dyn FnMut(RequestRecord),
    told: &mut dyn FnMut(u64, SimTime) -> Result<(), E>,
) -> Result<RunEnd, E> {
    let mut n_events = 0;
    while !simulation.is_done() {
        simulation.step(sink);
        n_events += 1;
        if n_events % TOLD_EVENTS == 1 {
            told(n_events, simulation.present().now)?;
        }
    }
    Ok(simulation.into_end())
}

/// Runs a scenario to its end and watches it; the output is that of [`run`].
///
/// # Panics
/// As [`run`]; and if the windows have no length.
pub fn run_observed(scenario: &Scenario, config: &ObserveConfig) -> (RunOutput, Observations) {
    let mut simulation = Simulation::new(scenario, u32::MAX);
    if config.flows {
        simulation.network_mut().keep_flows();
    }
    let mut watcher = Watcher::new(simulation.present().network, config);
    let mut requests = Vec::with_capacity(scenario.workload.len());
    while !simulation.is_done() {
        watcher.catch_up(simulation.present().network, simulation.next_time());
        simulation.step(&mut |record| {
            watcher.see(scenario, &record);
            requests.push(record);
        });
    }
    let present = simulation.present();
    let observations = watcher.finished(present.network, present.now);
    (simulation.into_end().with_requests(requests), observations)
}

/// Runs a scenario as [`run`] does, and checks every conservation law after every event, from nothing: slow, for tests.
///
/// # Panics
/// If one does not hold; and as [`run`].
pub fn run_checked(scenario: &Scenario) -> RunOutput {
    let mut simulation = Simulation::new(scenario, u32::MAX);
    let (mut requests, mut retired) = (Vec::new(), Retired::default());
    while !simulation.is_done() {
        simulation.step(&mut |record| {
            retired.requests += 1;
            retired.bytes += record.transfer_bytes;
            requests.push(record);
        });
        let present = simulation.present();
        check(present, retired, simulation.next_time() != Some(present.now));
        if let Some(users) = simulation.arrivals().users() {
            users.check(present.requests.unended().count());
        }
    }
    simulation.into_end().with_requests(requests)
}
