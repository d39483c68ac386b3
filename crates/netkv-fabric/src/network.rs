//! Flows over shared links: who has which rate, and who is done when.
//!
//! A state machine. Starting and ending flows and changing capacities only mark what they touch; [`FlowNetwork::
//! resolve`] then brings the rates up to date, once for all changes of one instant. Rates are whole bytes per
//! second and work is counted in nanobytes, so nothing depends on the order in which flows are looked at. A
//! completion is rounded to the nearest nanosecond.
//!
//! A change re-solves only what it reaches (see `max_min`); work left and completion are touched only when a flow's
//! rate changes.

use crate::allocation::Allocation;
use crate::completions::Completions;
use netkv_units::{Bytes, BytesPerSec, FlowId, LinkId, Meter, Nanobytes, SimTime};

/// A flow's work; a slot is used again after its flow has ended.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    /// What is left at `settled`.
    remaining: Nanobytes,
    settled: SimTime,
    is_background: bool,
}

/// A network of directed links and the flows that share them max-min fairly.
#[derive(Clone, Debug)]
pub struct FlowNetwork {
    allocation: Allocation,
    work: Vec<Work>,
    /// By link, what background flows move; none as long as there are no such flows.
    background: Vec<Meter>,
    free: Vec<u32>,
    n_active: usize,
    completions: Completions,
}

impl FlowNetwork {
    /// A network of links with these capacities, for flows over at most `path_links` links.
    ///
    /// # Panics
    /// If `path_links` is zero or above 255.
    pub fn new(capacities: &[BytesPerSec], path_links: usize) -> Self {
        assert!((1..=255).contains(&path_links), "a path has 1 to 255 links, not {path_links}");
        Self {
            allocation: Allocation::new(capacities, path_links),
            work: Vec::new(),
            background: Vec::new(),
            free: Vec::new(),
            n_active: 0,
            completions: Completions::default(),
        }
    }

    /// Flows that have started and not ended.
    pub const fn n_active(&self) -> usize {
        self.n_active
    }

    /// Starts a flow of `size` over `path`, no faster than `cap`.
    ///
    /// # Panics
    /// If the path is empty, too long or names a link twice, or if time ran back.
    pub fn start_flow(&mut self, now: SimTime, path: &[LinkId], size: Bytes, cap: Option<BytesPerSec>) -> FlowId {
        self.allocation.advance_to(now);
        let slot = self.take_slot();
        self.allocation.add(slot, path, cap);
        self.work[slot as usize] = Work { remaining: size.to_nanobytes(), settled: now, is_background: false };
        FlowId::new(slot)
    }

    /// Starts a flow that is counted as background; else as [`FlowNetwork::start_flow`].
    pub fn start_background_flow(&mut self, now: SimTime, path: &[LinkId], size: Bytes) -> FlowId {
        self.background.resize(self.allocation.n_links(), Meter::default());
        let flow = self.start_flow(now, path, size, None);
        self.work[flow.index()].is_background = true;
        flow
    }

    /// Gives a flow another path, for what it has left to move.
    ///
    /// # Panics
    /// As [`FlowNetwork::start_flow`].
    pub fn reroute(&mut self, now: SimTime, flow: FlowId, path: &[LinkId]) {
        self.detach(now, flow);
        let cap = self.allocation.cap(flow.get());
        self.allocation.add(flow.get(), path, cap);
    }

    /// Ends a flow that is not done; returns what it leaves unmoved.
    pub fn cancel(&mut self, now: SimTime, flow: FlowId) -> Nanobytes {
        self.detach(now, flow);
        self.completions.remove(flow.get());
        self.give_slot(flow.get());
        self.work[flow.index()].remaining
    }

    /// Lets a flow be no faster than `cap` from now on.
    pub fn set_cap(&mut self, now: SimTime, flow: FlowId, cap: Option<BytesPerSec>) {
        if self.allocation.cap(flow.get()) == cap {
            return;
        }
        self.detach(now, flow);
        self.allocation.add_again(flow.get(), cap);
    }

    /// What a flow has left to move at `now`.
    pub fn remaining(&self, now: SimTime, flow: FlowId) -> Nanobytes {
        let work = &self.work[flow.index()];
        work.remaining.saturating_sub(self.rate(flow).over(now.since(work.settled)))
    }

    /// Takes a flow from its links, what it has moved accounted for; it is to be put on some again at once.
    fn detach(&mut self, now: SimTime, flow: FlowId) {
        self.allocation.advance_to(now);
        if self.allocation.is_fresh(flow.get()) {
            self.resolve();
        }
        let (slot, rate) = (flow.get(), self.rate(flow));
        self.settle(slot, rate);
        self.count_background(slot, rate, BytesPerSec::ZERO);
        self.allocation.remove(slot);
    }

    /// The links that a flow takes, in order.
    pub fn path(&self, flow: FlowId) -> Vec<LinkId> {
        self.allocation.path(flow.get()).map(LinkId::from_index).collect()
    }

    /// The flows that cross a link, in no particular order.
    pub fn flows_on(&self, link: LinkId) -> impl Iterator<Item = FlowId> {
        self.allocation.members(link.index()).map(FlowId::new)
    }

    /// What an even share of a link among its flows and one more would be, in bytes per second.
    pub fn even_share(&self, link: LinkId) -> u64 {
        let n = self.allocation.n_members(link.index()) as u64;
        self.allocation.capacity(link.index()).get() / (n + 1)
    }

    /// Whether no flow crosses a link.
    pub fn is_idle(&self, link: LinkId) -> bool {
        self.allocation.n_members(link.index()) == 0
    }

    /// Ends every flow that is done at `now` and adds it to `ended`, in order of time, then id.
    pub fn take_completed(&mut self, now: SimTime, ended: &mut Vec<FlowId>) {
        self.allocation.advance_to(now);
        while let Some((_, slot)) = self.completions.pop_until(now) {
            let rate = self.allocation.rate(slot);
            self.settle(slot, rate);
            let left = self.work[slot as usize].remaining.get();
            assert!(2 * left <= u128::from(rate.get()), "an ended flow has less than half a nanosecond's work left");
            self.count_background(slot, rate, BytesPerSec::ZERO);
            self.allocation.remove(slot);
            self.give_slot(slot);
            ended.push(FlowId::new(slot));
        }
    }

    /// Changes what flows may use of a link.
    pub fn set_capacity(&mut self, now: SimTime, link: LinkId, capacity: BytesPerSec) {
        self.allocation.advance_to(now);
        self.allocation.set_capacity(link, capacity);
    }

    /// Brings all rates up to date after the changes of this instant.
    pub fn resolve(&mut self) {
        if !self.allocation.is_dirty() {
            return;
        }
        self.allocation.solve();
        for index in 0..self.allocation.changes().len() {
            let change = self.allocation.changes()[index];
            let rate = self.allocation.rate(change.slot);
            if change.old != Some(rate) {
                let old = change.old.unwrap_or(BytesPerSec::ZERO);
                self.settle(change.slot, old);
                if !self.background.is_empty() {
                    self.count_background(change.slot, old, rate);
                }
                let left = self.work[change.slot as usize].remaining.time_at(rate);
                self.completions.set(change.slot, left.map_or(SimTime::NEVER, |left| self.allocation.now() + left));
            }
        }
    }

    /// When the next flow will be done if nothing else changes; none if no flow is moving.
    ///
    /// # Panics
    /// If there are changes that have not been resolved.
    pub fn next_completion(&self) -> Option<SimTime> {
        assert!(!self.allocation.is_dirty(), "rates are read after they are resolved");
        self.completions.first().map(|(time, _)| time).filter(|&time| time < SimTime::NEVER)
    }

    /// A flow's present rate.
    pub fn rate(&self, flow: FlowId) -> BytesPerSec {
        self.allocation.rate(flow.get())
    }

    /// What flows may use of a link now.
    pub fn capacity(&self, link: LinkId) -> BytesPerSec {
        self.allocation.capacity(link.index())
    }

    /// What flows use of a link now.
    pub fn allocated(&self, link: LinkId) -> BytesPerSec {
        self.allocation.taken(link.index())
    }

    /// What flows have moved over a link until `now`.
    pub fn moved(&self, link: LinkId, now: SimTime) -> Nanobytes {
        self.allocation.moved(link.index(), now)
    }

    /// What background flows have moved over a link until `now`: a part of [`FlowNetwork::moved`].
    pub fn background_moved(&self, link: LinkId, now: SimTime) -> Nanobytes {
        self.background.get(link.index()).map_or(Nanobytes::ZERO, |meter| meter.until(now))
    }

    /// What background flows use of a link now: a part of [`FlowNetwork::allocated`].
    pub fn background_allocated(&self, link: LinkId) -> BytesPerSec {
        self.background.get(link.index()).map_or(BytesPerSec::ZERO, Meter::rate)
    }

    /// The rates that flows over `paths` would get if they started now, without starting them.
    pub fn probe(&mut self, paths: &[&[LinkId]], rates: &mut Vec<BytesPerSec>) {
        self.resolve();
        let slots: Vec<u32> = paths.iter().map(|_| self.take_slot()).collect();
        for (&slot, path) in slots.iter().zip(paths) {
            self.allocation.add(slot, path, None);
        }
        self.allocation.solve();
        rates.clear();
        rates.extend(slots.iter().map(|&slot| self.allocation.rate(slot)));
        self.allocation.undo();
        slots.into_iter().rev().for_each(|slot| self.give_slot(slot));
    }

    /// Checks what must hold after a resolve.
    ///
    /// # Panics
    /// If a link carries more than its capacity, or its sum is not that of its flows, or a flow has no bottleneck:
    /// neither its cap nor a link that is full (to within one byte per second for each flow) on which no flow is
    /// faster.
    pub fn check_invariants(&self) {
        let rate = |slot: u32| self.allocation.rate(slot).get();
        let full: Vec<Option<u64>> = (0..self.allocation.n_links())
            .map(|link| {
                let (allocated, capacity) = (self.allocation.taken(link).get(), self.allocation.capacity(link).get());
                let sum: u64 = self.allocation.members(link).map(rate).sum();
                assert_eq!(sum, allocated, "link {link} counts what its flows use");
                assert!(sum <= capacity, "link {link} carries {sum} of {capacity}");
                let is_full = capacity - sum < self.allocation.members(link).count() as u64;
                self.allocation.members(link).map(rate).max().filter(|_| is_full)
            })
            .collect();
        for slot in (0..self.allocation.n_links()).flat_map(|link| self.allocation.members(link)) {
            let held = self.allocation.path(slot).any(|link| full[link] == Some(rate(slot)));
            assert!(held || self.allocation.is_capped(slot), "flow {slot} could be faster");
        }
    }

    fn take_slot(&mut self) -> u32 {
        self.n_active += 1;
        self.free.pop().unwrap_or_else(|| {
            self.work.push(Work::default());
            (self.work.len() - 1) as u32
        })
    }

    fn give_slot(&mut self, slot: u32) {
        self.n_active -= 1;
        self.free.push(slot);
    }

    /// Accounts for what a flow has moved at `rate` until now.
    fn settle(&mut self, slot: u32, rate: BytesPerSec) {
        let work = &mut self.work[slot as usize];
        work.remaining = work.remaining.saturating_sub(rate.over(self.allocation.now().since(work.settled)));
        work.settled = self.allocation.now();
    }

    /// Changes what the links of a background flow count for it from now on.
    fn count_background(&mut self, slot: u32, old: BytesPerSec, new: BytesPerSec) {
        if !self.work[slot as usize].is_background {
            return;
        }
        let now = self.allocation.now();
        for link in self.allocation.path(slot) {
            let meter = &mut self.background[link];
            meter.set(now, meter.rate() - old + new);
        }
    }
}
