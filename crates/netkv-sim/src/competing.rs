//! Flows of other tenants in a run: they enter the network beside the transfers, share it with them, and end unnoticed.

use crate::event::Event;
use crate::simulation::Simulation;
use netkv_fabric::{BackgroundConfig, CompetingFlows, FatTree, FlowNetwork, Path};
use netkv_units::{Bytes, LinkId, Nanobytes, SimTime};

/// The flows of other tenants, and what is needed to tell their bytes from those of transfers.
pub(crate) struct Competition {
    arrivals: CompetingFlows,
    /// Those that have started and not ended.
    pub(crate) active: usize,
    /// By link: bytes of the transfers that have started.
    transferred: Vec<Nanobytes>,
}

impl Competition {
    /// The flows of `config`; none if the background is not made of flows.
    pub(crate) fn new(config: &BackgroundConfig, tree: &FatTree, seed: u64) -> Option<Self> {
        let BackgroundConfig::Flows(config) = config else { return None };
        let arrivals = CompetingFlows::new(config, tree, seed);
        Some(Self { arrivals, active: 0, transferred: vec![Nanobytes::ZERO; tree.n_links()] })
    }

    /// A flow of a transfer of `size` bytes starts on `path`.
    pub(crate) fn count_transfer(&mut self, path: &Path, size: Bytes) {
        path.links().iter().for_each(|link| self.transferred[link.index()] += size.to_nanobytes());
    }

    /// What flows of others have moved over a link until `now`, when no transfer is under way.
    pub(crate) fn moved(&self, link: LinkId, now: SimTime, network: &FlowNetwork) -> Nanobytes {
        // A flow's last nanosecond may count a little more than it had left.
        network.moved(link, now).saturating_sub(self.transferred[link.index()])
    }
}

impl Simulation<'_> {
    /// Another tenant's next flow enters the network.
    pub(crate) fn enter_competing(&mut self) {
        let competition = self.competition.as_mut().expect("it made this event");
        let flow = competition.arrivals.advance(self.now);
        competition.active += 1;
        let id = self.network.start_flow(self.now, flow.path.links(), flow.size, None);
        if self.flow_owner.len() <= id.index() {
            self.flow_owner.resize(id.index() + 1, None);
        }
        assert_eq!(self.flow_owner[id.index()], None, "an ended flow has no owner");
        self.push_competing();
    }

    /// Sees to the next arrival of another tenant's flow.
    pub(crate) fn push_competing(&mut self) {
        if let Some(competition) = &self.competition {
            self.queue.push(competition.arrivals.next_arrival(), Event::CompetingFlow);
        }
    }
}
