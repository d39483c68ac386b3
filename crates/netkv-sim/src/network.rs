//! What moves: KV caches over the fabric, beside the traffic of others, and the counters that tell of it.
//!
//! [`Network`] is the door: the loop tells it what happens, and it returns what follows. Nothing in here knows of a GPU,
//! a policy or an event.

mod cluster;
#[cfg(test)]
pub(crate) mod examples;
mod flow_log;
mod layerwise;
mod ledger;
mod others;
mod plan;
mod reshard;
mod telemetry;
mod topology;
mod traffic;
mod zones;

pub(crate) use cluster::Cluster;
pub use flow_log::FlowRecord;
pub(crate) use layerwise::Progress;
pub(crate) use ledger::Ledger;
pub use plan::{NetworkPlan, PlannedInstance, Unplanned, network_plan};
pub(crate) use telemetry::LinkMonitor;
pub(crate) use topology::Topology;
pub use topology::{InstancePlace, place};
pub(crate) use traffic::{Order, Traffic, TransferId};
pub(crate) use zones::ZoneUse;

use crate::scenario::{KvConfig, Overlap, Scenario, TransferConfig};
use netkv_fabric::{BackgroundChange, FlowNetwork};
use netkv_policy::{TransferEvent, TransferStep};
use netkv_units::{Bytes, RequestId, SimDuration, SimTime};
use others::Others;
use traffic::FlowRoute;

/// The network of a run.
pub(crate) struct Network {
    topology: Topology,
    traffic: Traffic,
    ledger: Ledger,
    monitor: LinkMonitor,
    others: Others,
    transfer: TransferConfig,
    kv: KvConfig,
    /// Time between samples of the links; zero: none are taken.
    sampling: SimDuration,
    /// The wake that is under way, and its generation.
    wake: Option<SimTime>,
    generation: u32,
}

/// What changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkChange {
    /// Links begin or cease to be degraded.
    Degradation,
    /// The share of a link that others take.
    Background,
    /// A flow of another tenant comes.
    CompetingFlow,
}

impl Network {
    /// Nothing is moved yet, and others are there already.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let topology = Topology::new(scenario);
        let (others, initial) = Others::new(scenario, topology.tree());
        let mut network = Self {
            traffic: Traffic::new(topology.idle_links()),
            ledger: Ledger::new(topology.cluster()),
            monitor: LinkMonitor::new(scenario.telemetry, scenario.own_traffic, topology.tree(), scenario.seed),
            others,
            transfer: scenario.transfer,
            kv: scenario.kv,
            sampling: scenario.telemetry.interval,
            wake: None,
            generation: 0,
            topology,
        };
        initial.into_iter().for_each(|change| network.apply_background(SimTime::ZERO, change));
        network.monitor.see_start(network.traffic.links());
        network
    }

    /// Which instance is where.
    pub(crate) const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Keeps a record of every flow of a transfer from now on.
    pub(crate) const fn keep_flows(&mut self) {
        self.traffic.keep_flows();
    }

    /// Flows and transfers.
    pub(crate) const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The links and their flows: what is true.
    pub(crate) const fn links(&self) -> &FlowNetwork {
        self.traffic.links()
    }

    /// The links' counters and samples: what can be known.
    pub(crate) const fn monitor(&self) -> &LinkMonitor {
        &self.monitor
    }

    /// When the network changes by itself next, in each way.
    pub(crate) fn next_changes(&self) -> [(NetworkChange, Option<SimTime>); 3] {
        [
            (NetworkChange::Background, self.others.next_background()),
            (NetworkChange::Degradation, self.others.next_degradation()),
            (NetworkChange::CompetingFlow, self.others.next_competing()),
        ]
    }

    /// The network changes by itself; returns when it does so next in this way.
    pub(crate) fn change(&mut self, now: SimTime, change: NetworkChange) -> Option<SimTime> {
        match change {
            NetworkChange::Degradation => self.change_capacities(now),
            NetworkChange::Background => self.change_background(now),
            NetworkChange::CompetingFlow => self.enter_competing(now),
        }
    }

    /// The share of a link that others take changes; returns when one does next.
    fn change_background(&mut self, now: SimTime) -> Option<SimTime> {
        let change = self.others.change_background(now);
        self.apply_background(now, change);
        self.others.next_background()
    }

    fn apply_background(&mut self, now: SimTime, change: BackgroundChange) {
        let left = self.monitor.set_background(now, change.link, change.ratio);
        self.traffic.links_mut().set_capacity(now, change.link, left);
    }

    /// The capacities of degraded links change; flows over a link that is down take another way. Returns when capacities
    /// change next.
    fn change_capacities(&mut self, now: SimTime) -> Option<SimTime> {
        let changes = self.others.change_capacities(now);
        for change in &changes {
            let left = self.monitor.set_capacity(now, change.link, change.capacity_ratio);
            self.traffic.links_mut().set_capacity(now, change.link, left);
        }
        for change in changes.iter().filter(|change| change.capacity_ratio <= 0.0) {
            self.traffic.leave(&self.topology, now, change.link);
        }
        self.others.next_degradation()
    }

    /// Another tenant's next flow enters the network; returns when the one after it does.
    fn enter_competing(&mut self, now: SimTime) -> Option<SimTime> {
        let flow = self.others.next_flow(now);
        let route = FlowRoute { owner: None, source: flow.source, destination: flow.destination, hash: flow.hash };
        self.traffic.launch(&self.topology, now, route, flow.size);
        self.others.next_competing()
    }

    /// When the links are sampled next; none if they are not.
    pub(crate) fn next_sample(&self, now: SimTime) -> Option<SimTime> {
        (self.sampling > SimDuration::ZERO).then(|| now + self.sampling)
    }

    /// Takes a sample of all links.
    pub(crate) fn sample(&mut self, now: SimTime) {
        self.monitor.sample(now, self.traffic.links());
    }

    /// Brings the rates up to date after the changes of this instant. If the next flow ends at another time than it
    /// seemed before, returns that and the generation of this wake; earlier ones are outdated.
    pub(crate) fn settle(&mut self) -> Option<(SimTime, u32)> {
        self.traffic.links_mut().resolve();
        let next = self.links().next_completion();
        if next == self.wake {
            return None;
        }
        self.wake = next;
        self.generation += 1;
        next.map(|time| (time, self.generation))
    }

    /// Whether the wake of this generation is the present one, which is over by that.
    pub(crate) const fn wakes(&mut self, generation: u32) -> bool {
        let is_due = generation == self.generation;
        if is_due {
            // Another flow may be done at this very instant once rates are up to date: it needs a wake again.
            self.wake = None;
        }
        is_due
    }

    /// When the next flow ends, as it seemed when the rates were last brought up to date.
    pub(crate) const fn next_wake(&self) -> Option<SimTime> {
        self.wake
    }

    /// Brings what a scheduler sees up to date: what is seen live is what holds after all changes of this instant so
    /// far, and of the samples those count that are visible by now. `by_zone` if it looks at zones.
    pub(crate) fn look(&mut self, now: SimTime, by_zone: bool) {
        self.traffic.links_mut().resolve();
        self.monitor.refresh(now);
        if by_zone {
            self.monitor.refresh_zones(self.topology.tree(), self.traffic.links());
        }
    }

    /// The rate that a transfer would get to each decode instance if it started now, in bytes per second, by instance.
    pub(crate) fn probe(&mut self, request: RequestId, prefill: usize, by_instance: &mut Vec<f64>) {
        self.traffic.probe(&self.topology, request, prefill, by_instance);
    }

    /// Bytes to be moved to an instance that has `hit_tokens` of a prompt.
    pub(crate) const fn bytes_to_move(&self, input_tokens: u32, hit_tokens: u32) -> u64 {
        (input_tokens - self.skipped_tokens(hit_tokens)) as u64 * self.kv.bytes_per_token
    }

    /// Tokens of a prompt that are not sent to an instance that has `hit_tokens` of it.
    const fn skipped_tokens(&self, hit_tokens: u32) -> u32 {
        if self.transfer.skip_cached { hit_tokens } else { 0 }
    }

    /// What is to be moved of a prompt from one instance to another that has `hit_tokens` of it.
    pub(crate) const fn order(
        &self,
        request: RequestId,
        (prefill, decode): (usize, usize),
        input_tokens: u32,
        hit_tokens: u32,
    ) -> Order {
        let bytes = self.bytes_to_move(input_tokens, hit_tokens);
        Order { request, prefill, decode, input_tokens, bytes, skipped_tokens: self.skipped_tokens(hit_tokens) }
    }

    /// The decode instance has reserved memory: begins to set the transfer up, and says when its flows enter.
    pub(crate) fn begin_transfer(&mut self, now: SimTime, order: Order) -> (TransferId, SimTime) {
        self.ledger.begin(order.prefill, order.decode, self.topology.tier(order.prefill, order.decode));
        self.traffic.begin(&self.topology, now, self.setup_of(order.bytes), order)
    }

    /// The flows of a transfer enter the network. Its prompt is computed, or how far that is. True if the transfer is
    /// over by this, since nothing had to be moved.
    #[must_use]
    pub(crate) fn enter_transfer(&mut self, now: SimTime, transfer: TransferId, computing: Option<Progress>) -> bool {
        self.traffic.enter(&self.topology, now, transfer, computing.is_some());
        let Some(progress) = computing else { return self.traffic.is_empty(transfer) };
        self.pace(now, transfer, progress);
        false
    }

    /// Holds the flows of a transfer to what there is to send while its prompt is computed.
    pub(crate) fn pace(&mut self, now: SimTime, transfer: TransferId, progress: Progress) {
        let Overlap::Layerwise { layers } = self.transfer.overlap else { return };
        let skipped_tokens = self.traffic.order(transfer).skipped_tokens;
        let there = progress.bytes_there(skipped_tokens, self.kv.bytes_per_token, layers);
        self.traffic.pace(now, transfer, &progress, there);
    }

    /// The prompt of a transfer is computed: what is left goes as fast as it can. True if the transfer is over by this.
    #[must_use]
    pub(crate) fn release(&mut self, now: SimTime, transfer: TransferId) -> bool {
        self.traffic.release(now, transfer);
        self.traffic.is_empty(transfer)
    }

    /// Flows may be done: `arrived` becomes the transfers that are over by that.
    pub(crate) fn end_flows(&mut self, now: SimTime, arrived: &mut Vec<TransferId>) {
        arrived.clear();
        let of_others = self.traffic.end_flows(now, arrived);
        self.others.flows_ended(of_others);
    }

    /// A transfer is over; what it moved, and when it began.
    pub(crate) fn finish_transfer(&mut self, transfer: TransferId) -> (Order, SimTime) {
        let (order, begun) = self.traffic.finish(transfer);
        self.ledger.end(order.prefill, order.decode, self.topology.tier(order.prefill, order.decode));
        (order, begun)
    }

    /// A transfer that has not arrived is taken off the network; what it was to move.
    pub(crate) fn cancel_transfer(&mut self, now: SimTime, transfer: TransferId) -> Order {
        let order = self.traffic.cancel(&self.topology, now, transfer);
        self.ledger.end(order.prefill, order.decode, self.topology.tier(order.prefill, order.decode));
        order
    }

    /// A transfer that has arrived was for nothing.
    pub(crate) fn lose(&mut self, bytes: u64) {
        self.traffic.lose(Bytes::new(bytes).to_nanobytes());
    }

    /// Whether a transfer is being set up until this moment.
    pub(crate) fn enters(&self, now: SimTime, transfer: TransferId) -> bool {
        self.traffic.enters(now, transfer)
    }

    /// What a scheduler sees of a step of a transfer.
    pub(crate) fn event(&self, order: &Order, now: SimTime, step: TransferStep) -> TransferEvent {
        let cluster = self.topology.cluster();
        TransferEvent {
            source: cluster.prefill()[order.prefill],
            destination: cluster.decode()[order.decode],
            tier: self.topology.tier(order.prefill, order.decode),
            bytes: Bytes::new(order.bytes),
            now,
            step,
        }
    }

    /// Time to set a transfer of so many bytes up.
    pub(crate) const fn setup_of(&self, bytes: u64) -> SimDuration {
        self.transfer.setup_of(bytes, self.topology.cluster().flows())
    }

    /// Time to set a transfer up, at the least.
    pub(crate) const fn setup(&self) -> SimDuration {
        self.transfer.setup
    }

    /// All transfers in flight.
    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Transfers in flight.
    pub(crate) const fn transfers_in_flight(&self) -> u32 {
        self.ledger.in_flight()
    }

    /// The most that there ever were.
    pub(crate) const fn most_transfers_in_flight(&self) -> u32 {
        self.ledger.most_in_flight()
    }

    /// Whether there may be flows of other tenants.
    pub(crate) const fn has_competing(&self) -> bool {
        self.others.has_competing()
    }

    /// By kind of link: mean share of capacity used from the start until `end`, in all and by others; none of no time.
    pub(crate) fn mean_use(&self, end: SimTime) -> ([f64; 4], [f64; 4]) {
        if end == SimTime::ZERO {
            return Default::default();
        }
        self.monitor.means(end, self.topology.tree(), self.traffic.links())
    }

    /// # Panics
    /// If a flow of a transfer is left: flows of other tenants go on.
    pub(crate) fn check_empty(&self) {
        assert_eq!(self.links().n_active(), self.others.competing_active(), "no flow of a transfer is left");
        self.links().check_invariants();
    }
}
