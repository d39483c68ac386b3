//! What others do to the network: shares of links that they take, flows that they send, links that are degraded.

use crate::scenario::Scenario;
use netkv_fabric::{Background, BackgroundChange, BackgroundConfig, CompetingFlows, DegradedLinks, FatTree, LinkKind};
use netkv_units::SimTime;

/// The sources of all that.
pub(super) struct Others {
    /// Shares of links that change, if the background is of that kind.
    pub(super) background: Option<Background>,
    /// Flows of other tenants, if it is of that one.
    pub(super) competing: Option<CompetingFlows>,
    /// Of these flows, those that have started and not ended.
    pub(super) competing_active: usize,
    /// The links that are degraded at times, if there are any.
    pub(super) degraded: Option<DegradedLinks>,
}

impl Others {
    /// Those of a scenario, with the shares that they take at the start.
    pub(super) fn new(scenario: &Scenario, tree: &FatTree) -> (Self, Vec<BackgroundChange>) {
        let modulated = Background::new(&scenario.background, tree, scenario.seed);
        let (background, initial) = modulated
            .map_or((None, steady(&scenario.background, tree)), |(background, initial)| (Some(background), initial));
        let competing = match &scenario.background {
            BackgroundConfig::Flows(config) => Some(CompetingFlows::new(config, tree, scenario.seed)),
            BackgroundConfig::None | BackgroundConfig::Steady { .. } | BackgroundConfig::Modulated(_) => None,
        };
        let degraded = Some(DegradedLinks::new(&scenario.degraded, tree)).filter(|_| !scenario.degraded.is_empty());
        (Self { background, competing, competing_active: 0, degraded }, initial)
    }

    /// When a share changes next; none if none does.
    pub(super) fn next_background(&self) -> Option<SimTime> {
        self.background.as_ref().map(Background::next_change)
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
