//! A run that is watched: what crossed each link in each window of time, when each transfer took place, and if asked
//! for its flows.
//!
//! The watcher reads the links' counters between two events and touches nothing: it is no event itself, and a watched
//! run leaves the same output as one that nobody watches, to the last bit. Whoever does not ask pays nothing.

use crate::measure::RequestRecord;
use crate::network::{FlowRecord, Network};
use crate::scenario::Scenario;
use netkv_fabric::{LinkKind, LinkPlace};
use netkv_units::{BytesPerSec, LinkId, Nanobytes, RequestId, SimDuration, SimTime};

/// What is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObserveConfig {
    /// Length of a window; the last one ends with the run and may be shorter.
    pub every: SimDuration,
    /// Links of these kinds.
    pub kinds: Vec<LinkKind>,
    /// Every flow of every transfer too.
    pub flows: bool,
}

/// A link that was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedLink {
    /// Its number.
    pub link: LinkId,
    /// Where it is. With transfers over pooled interfaces, its GPU is an instance.
    pub place: LinkPlace,
    /// What it can carry when nothing else uses it.
    pub capacity: BytesPerSec,
}

/// What crossed a link in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossed {
    /// KV caches.
    pub kv: Nanobytes,
    /// Traffic of other tenants.
    pub background: Nanobytes,
}

/// When the KV cache of a request was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferRecord {
    /// Whose.
    pub request: RequestId,
    /// When the decode instance had memory for it, and its set-up began.
    pub start: SimTime,
    /// Set-up and latency: its first byte takes bandwidth only after that, and with a calibrated transport after a wait more.
    pub setup: SimDuration,
    /// When its last byte was there.
    pub end: SimTime,
}

/// What was seen of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// The links, in order of kind, direction and number.
    pub links: Vec<ObservedLink>,
    /// The end of each window; the first one starts at zero, each other one with the end of the one before.
    pub ends: Vec<SimTime>,
    /// What crossed each link, window after window: one entry for each of `links`.
    pub crossed: Vec<Crossed>,
    /// Every transfer, by request; also those of no bytes.
    pub transfers: Vec<TransferRecord>,
    /// The flows of these, in the order in which they entered the network, if that was asked for; none of no bytes.
    pub flows: Vec<FlowRecord>,
}

impl Observations {
    /// When a window starts.
    pub fn start(&self, window: usize) -> SimTime {
        window.checked_sub(1).map_or(SimTime::ZERO, |before| self.ends[before])
    }

    /// Length of a window.
    pub fn length(&self, window: usize) -> SimDuration {
        self.ends[window].since(self.start(window))
    }

    /// What crossed the link at a position of `links` in a window, as shares of what it could carry: KV caches, and
    /// traffic of others.
    pub fn ratios(&self, window: usize, position: usize) -> (f64, f64) {
        let whole = self.links[position].capacity.over(self.length(window)).get() as f64;
        let crossed = self.crossed[window * self.links.len() + position];
        (crossed.kv.get() as f64 / whole, crossed.background.get() as f64 / whole)
    }
}

/// The counters as they were at the end of the last window, and what was seen until then.
pub(crate) struct Watcher {
    every: SimDuration,
    /// When the present window ends.
    due: SimTime,
    counters: Vec<Crossed>,
    seen: Observations,
}

impl Watcher {
    /// Nothing seen yet.
    ///
    /// # Panics
    /// If the windows have no length.
    pub(crate) fn new(network: &Network, config: &ObserveConfig) -> Self {
        assert!(config.every > SimDuration::ZERO, "windows have a length");
        let tree = network.topology().tree();
        let kinds = LinkKind::ALL.into_iter().filter(|kind| config.kinds.contains(kind));
        let link = |link| ObservedLink { link, place: tree.place(link), capacity: tree.capacity(link) };
        let links: Vec<_> = kinds.flat_map(|kind| tree.links_of(kind)).map(link).collect();
        let counters = vec![Crossed::default(); links.len()];
        let seen = Observations { links, ..Observations::default() };
        Self { every: config.every, due: SimTime::ZERO + config.every, counters, seen }
    }

    /// Ends every window that is over before the next event, at `next`, changes anything.
    pub(crate) fn catch_up(&mut self, network: &Network, next: Option<SimTime>) {
        while next.is_some_and(|next| self.due <= next) {
            self.end_window(network, self.due);
            self.due = self.due + self.every;
        }
    }

    fn end_window(&mut self, network: &Network, end: SimTime) {
        for (position, observed) in self.seen.links.iter().enumerate() {
            let links = network.links();
            let flows_of_others = links.background_moved(observed.link, end);
            let mut background = network.monitor().background_moved(observed.link, end);
            background += flows_of_others;
            let now = Crossed { kv: links.moved(observed.link, end) - flows_of_others, background };
            let last = std::mem::replace(&mut self.counters[position], now);
            self.seen.crossed.push(Crossed { kv: now.kv - last.kv, background: now.background - last.background });
        }
        self.seen.ends.push(end);
    }

    /// A request has finished.
    pub(crate) fn see(&mut self, scenario: &Scenario, record: &RequestRecord) {
        self.seen.transfers.extend(transfer(scenario, record));
    }

    /// Ends the last window with the run, at `end`.
    pub(crate) fn finished(mut self, network: &Network, end: SimTime) -> Observations {
        if end > self.seen.ends.last().copied().unwrap_or_default() {
            self.end_window(network, end);
        }
        self.seen.flows = network.traffic().flows().to_vec();
        self.seen
    }
}

/// The transfer of a finished request, if it had one.
fn transfer(scenario: &Scenario, record: &RequestRecord) -> Option<TransferRecord> {
    let (start, tier) = (record.transfer_start?, record.tier?);
    let latency = if record.transfer_bytes == 0 { SimDuration::ZERO } else { scenario.fabric.latency[tier.index()] };
    let flows = scenario.transfer.flows(&scenario.cluster);
    let setup = scenario.transfer.setup_of(record.transfer_bytes, flows) + latency;
    Some(TransferRecord { request: record.request, start, setup, end: start + record.transfer })
}
