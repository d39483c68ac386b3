//! Flows of other tenants in a run: they enter the network beside the transfers, share it with them, and end unnoticed.

use crate::event::Event;
use crate::network::transfers::FlowRoute;
use crate::simulation::Simulation;
use netkv_fabric::{BackgroundConfig, CompetingFlows, FatTree};

/// The flows of other tenants.
pub(crate) struct Competition {
    arrivals: CompetingFlows,
    /// Those that have started and not ended.
    pub(crate) active: usize,
}

impl Competition {
    /// The flows of `config`; none if the background is not made of flows.
    pub(crate) fn new(config: &BackgroundConfig, tree: &FatTree, seed: u64) -> Option<Self> {
        let BackgroundConfig::Flows(config) = config else { return None };
        let arrivals = CompetingFlows::new(config, tree, seed);
        Some(Self { arrivals, active: 0 })
    }
}

impl Simulation<'_> {
    /// Another tenant's next flow enters the network.
    pub(crate) fn enter_competing(&mut self) {
        let competition = self.competition.as_mut().expect("it made this event");
        let flow = competition.arrivals.advance(self.now);
        competition.active += 1;
        let route = FlowRoute { owner: None, source: flow.source, destination: flow.destination, hash: flow.hash };
        self.launch(route, flow.size);
        self.push_competing();
    }

    /// Sees to the next arrival of another tenant's flow.
    pub(crate) fn push_competing(&mut self) {
        if let Some(competition) = &self.competition {
            self.queue.push(competition.arrivals.next_arrival(), Event::CompetingFlow);
        }
    }
}
