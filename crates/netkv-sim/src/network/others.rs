//! What others do to the network: shares of links that they take, flows that they send, links that are degraded.

use crate::scenario::Scenario;
use netkv_fabric::{
    Background, BackgroundChange, BackgroundConfig, CapacityChange, CompetingFlow, CompetingFlows, DegradedLinks,
    FatTree, LinkKind,
};
use netkv_units::SimTime;

/// The sources of all that.
pub(super) struct Others {
    /// Shares of links that change, if the background is of that kind.
    background: Option<Background>,
    /// Flows of other tenants, if it is of that one.
    competing: Option<CompetingFlows>,
    /// Of these flows, those that have started and not ended.
    competing_active: usize,
    /// The links that are degraded at times, if there are any.
    degraded: Option<DegradedLinks>,
}

impl Others {
    /// Those of a scenario, with the shares that they take at the start.
    pub(super) fn new(scenario: &Scenario, tree: &FatTree) -> (Self, Vec<BackgroundChange>) {
        let changing = Background::new(&scenario.background, tree, scenario.seed);
        let (background, initial) = changing
            .map_or((None, steady(&scenario.background, tree)), |(background, initial)| (Some(background), initial));
        let competing = match &scenario.background {
            BackgroundConfig::Flows(config) => Some(CompetingFlows::new(config, tree, scenario.seed)),
            BackgroundConfig::None
            | BackgroundConfig::Steady { .. }
            | BackgroundConfig::Modulated(_)
            | BackgroundConfig::Recorded(_) => None,
        };
        let degraded = Some(DegradedLinks::new(&scenario.degraded, tree)).filter(|_| !scenario.degraded.is_empty());
        (Self { background, competing, competing_active: 0, degraded }, initial)
    }

    /// The share that changes now.
    ///
    /// # Panics
    /// If none does, as with the others.
    pub(super) fn change_background(&mut self, now: SimTime) -> BackgroundChange {
        self.background.as_mut().expect("there is a background").advance(now)
    }

    /// The capacities that change now.
    pub(super) fn change_capacities(&mut self, now: SimTime) -> Vec<CapacityChange> {
        self.degraded.as_mut().expect("there are degraded links").advance(now)
    }

    /// The flow that comes now.
    pub(super) fn next_flow(&mut self, now: SimTime) -> CompetingFlow {
        self.competing_active += 1;
        self.competing.as_mut().expect("there are other tenants").advance(now)
    }

    /// So many flows of other tenants have ended.
    pub(super) const fn flows_ended(&mut self, n: usize) {
        self.competing_active -= n;
    }

    /// Flows of other tenants that have come and not ended.
    pub(super) const fn competing_active(&self) -> usize {
        self.competing_active
    }

    /// Whether there are ever any.
    pub(super) const fn has_competing(&self) -> bool {
        self.competing.is_some()
    }

    /// When a share changes next; none if none does.
    pub(super) fn next_background(&self) -> Option<SimTime> {
        self.background.as_ref().map(Background::next_change).filter(|next| *next < SimTime::NEVER)
    }

    /// When the next flow comes; none if none does.
    pub(super) fn next_competing(&self) -> Option<SimTime> {
        self.competing.as_ref().map(CompetingFlows::next_arrival)
    }

    /// When links begin or cease to be degraded next; none if none does any more.
    pub(super) fn next_degradation(&self) -> Option<SimTime> {
        self.degraded.as_ref().and_then(DegradedLinks::next_change)
    }
}

/// Others that take the same share of every NIC, rack and pod link, all the time.
fn steady(config: &BackgroundConfig, tree: &FatTree) -> Vec<BackgroundChange> {
    let BackgroundConfig::Steady { ratio } = *config else { return Vec::new() };
    let kinds = [LinkKind::Nic, LinkKind::Rack, LinkKind::Pod];
    kinds.into_iter().flat_map(|kind| tree.links_of(kind)).map(|link| BackgroundChange { link, ratio }).collect()
}
