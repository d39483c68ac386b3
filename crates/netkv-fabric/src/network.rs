//! Flows over shared links: who has which rate, and who is done when.
//!
//! A state machine. Starting and ending flows and changing capacities only mark what they touch; [`FlowNetwork::
//! resolve`] then brings the rates up to date, once for all changes of one instant. Rates are whole bytes per
//! second and work is counted in nanobytes, so nothing depends on the order in which flows are looked at. A
//! completion is rounded up to the next nanosecond.
//!
//! A change re-solves only what it can reach: flows slower than the slowest rate that the change can touch keep
//! their rates, and so does everything that no chain of shared links connects to it (see `max_min`).

use crate::completions::Completions;
use crate::max_min::Solver;
use netkv_units::{Bytes, BytesPerSec, FlowId, LinkId, Nanobytes, SimTime};

/// A directed link's state.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// What flows may use of it now.
    pub(crate) capacity: BytesPerSec,
    /// What they use.
    pub(crate) allocated: BytesPerSec,
    /// Slots of the flows that cross it, in no particular order.
    pub(crate) flows: Vec<u32>,
    /// What has crossed it until `counted`.
    moved: Nanobytes,
    counted: SimTime,
}

/// A flow's state; a slot is used again after its flow has ended.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) rate: BytesPerSec,
    /// No faster than this, whatever the links allow.
    pub(crate) cap: BytesPerSec,
    /// Work left at `settled`.
    remaining: Nanobytes,
    settled: SimTime,
    /// Started since the last resolve: its rate is not known yet.
    pub(crate) fresh: bool,
}

/// A network of directed links and the flows that share them max-min fairly.
#[derive(Clone, Debug)]
pub struct FlowNetwork {
    pub(crate) links: Vec<Link>,
    pub(crate) flows: Vec<Flow>,
    /// Links of each slot's flow: `path_links` entries a slot, the first `path_len` of them used.
    paths: Vec<LinkId>,
    path_len: Vec<u8>,
    path_links: usize,
    free: Vec<u32>,
    n_active: usize,
    completions: Completions,
    solver: Solver,
    now: SimTime,
}

impl FlowNetwork {
    /// A network of links with these capacities, for flows over at most `path_links` links.
    ///
    /// # Panics
    /// If `path_links` is zero or above 255.
    pub fn new(capacities: &[BytesPerSec], path_links: usize) -> Self {
        assert!((1..=255).contains(&path_links), "a path has 1 to 255 links, not {path_links}");
        let link = |&capacity| Link {
            capacity,
            allocated: BytesPerSec::ZERO,
            flows: Vec::new(),
            moved: Nanobytes::ZERO,
            counted: SimTime::ZERO,
        };
        Self {
            links: capacities.iter().map(link).collect(),
            flows: Vec::new(),
            paths: Vec::new(),
            path_len: Vec::new(),
            path_links,
            free: Vec::new(),
            n_active: 0,
            completions: Completions::default(),
            solver: Solver::new(capacities.len()),
            now: SimTime::ZERO,
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
        self.advance_to(now);
        let slot = self.take_slot(path);
        let cap = cap.unwrap_or(BytesPerSec::new(u64::MAX));
        self.flows[slot as usize] =
            Flow { rate: BytesPerSec::ZERO, cap, remaining: size.to_nanobytes(), settled: now, fresh: true };
        self.attach(slot);
        FlowId::new(slot)
    }

    /// Ends every flow that is done at `now` and adds it to `ended`, in order of time, then id.
    pub fn take_completed(&mut self, now: SimTime, ended: &mut Vec<FlowId>) {
        self.advance_to(now);
        while let Some((_, slot)) = self.completions.pop_until(now) {
            self.settle(slot, now);
            assert_eq!(self.flows[slot as usize].remaining, Nanobytes::ZERO, "an ended flow has nothing left");
            self.detach(slot);
            self.free.push(slot);
            self.n_active -= 1;
            ended.push(FlowId::new(slot));
        }
    }

    /// Changes what flows may use of a link.
    pub fn set_capacity(&mut self, now: SimTime, link: LinkId, capacity: BytesPerSec) {
        self.advance_to(now);
        let state = &mut self.links[link.index()];
        let least = state.capacity.min(capacity);
        state.capacity = capacity;
        let bound = least.get() / (state.flows.len().max(1) as u64);
        self.solver.touch(link, bound);
    }

    /// Brings all rates up to date after the changes of this instant.
    pub fn resolve(&mut self) {
        if !self.solver.is_dirty() {
            return;
        }
        let mut solver = std::mem::take(&mut self.solver);
        solver.solve(self);
        for &(slot, rate) in solver.solution() {
            self.set_rate(slot, rate);
        }
        solver.clear();
        self.solver = solver;
    }

    /// When the next flow will be done if nothing else changes; none if no flow is moving.
    ///
    /// # Panics
    /// If there are changes that have not been resolved.
    pub fn next_completion(&self) -> Option<SimTime> {
        assert!(!self.solver.is_dirty(), "rates are read after they are resolved");
        self.completions.first().map(|(time, _)| time).filter(|&time| time < SimTime::NEVER)
    }

    /// A flow's present rate.
    pub fn rate(&self, flow: FlowId) -> BytesPerSec {
        self.flows[flow.index()].rate
    }

    /// What flows may use of a link now.
    pub fn capacity(&self, link: LinkId) -> BytesPerSec {
        self.links[link.index()].capacity
    }

    /// What flows use of a link now.
    pub fn allocated(&self, link: LinkId) -> BytesPerSec {
        self.links[link.index()].allocated
    }

    /// What flows have moved over a link until `now`.
    pub fn moved(&self, link: LinkId, now: SimTime) -> Nanobytes {
        let state = &self.links[link.index()];
        let mut moved = state.moved;
        moved += state.allocated.over(now.since(state.counted));
        moved
    }

    /// The rates that flows over `paths` would get if they started now, without starting them.
    pub fn probe(&mut self, paths: &[&[LinkId]], rates: &mut Vec<BytesPerSec>) {
        self.resolve();
        let mut slots = Vec::with_capacity(paths.len());
        for path in paths {
            let slot = self.take_slot(path);
            let cap = BytesPerSec::new(u64::MAX);
            self.flows[slot as usize] =
                Flow { rate: BytesPerSec::ZERO, cap, remaining: Nanobytes::ZERO, settled: self.now, fresh: true };
            self.attach(slot);
            slots.push(slot);
        }
        let mut solver = std::mem::take(&mut self.solver);
        solver.solve(self);
        rates.clear();
        for &slot in &slots {
            let found = solver.solution().iter().find(|entry| entry.0 == slot);
            rates.push(found.expect("a fresh flow is always solved").1);
        }
        for &slot in slots.iter().rev() {
            self.unlink(slot);
            self.free.push(slot);
            self.n_active -= 1;
        }
        solver.clear();
        self.solver = solver;
    }

    /// Checks what must hold after a resolve.
    ///
    /// # Panics
    /// If a link carries more than its capacity, or its sum is not that of its flows, or a flow has no bottleneck:
    /// neither its cap nor a link that is full (to within one byte per second for each flow) on which no flow is
    /// faster.
    pub fn check_invariants(&self) {
        for (index, link) in self.links.iter().enumerate() {
            let sum: u64 = link.flows.iter().map(|&slot| self.flows[slot as usize].rate.get()).sum();
            assert_eq!(sum, link.allocated.get(), "link {index} counts what its flows use");
            assert!(sum <= link.capacity.get(), "link {index} carries {sum} of {:?}", link.capacity);
            for &slot in &link.flows {
                assert!(self.has_bottleneck(slot), "flow {slot} could be faster");
            }
        }
    }

    fn has_bottleneck(&self, slot: u32) -> bool {
        let flow = &self.flows[slot as usize];
        flow.rate == flow.cap
            || self.path(slot).iter().any(|link| {
                let link = &self.links[link.index()];
                let spare = link.capacity.get() - link.allocated.get();
                let fastest = link.flows.iter().map(|&other| self.flows[other as usize].rate).max();
                spare < link.flows.len() as u64 && fastest == Some(flow.rate)
            })
    }

    /// The links of a slot's flow.
    pub(crate) fn path(&self, slot: u32) -> &[LinkId] {
        let start = slot as usize * self.path_links;
        &self.paths[start..start + usize::from(self.path_len[slot as usize])]
    }

    fn advance_to(&mut self, now: SimTime) {
        assert!(now >= self.now, "time ran back from {} to {now}", self.now);
        assert!(now == self.now || !self.solver.is_dirty(), "changes are resolved before time goes on");
        self.now = now;
    }

    fn take_slot(&mut self, path: &[LinkId]) -> u32 {
        assert!((1..=self.path_links).contains(&path.len()), "a path of {} links", path.len());
        let slot = self.free.pop().unwrap_or_else(|| {
            self.paths.resize(self.paths.len() + self.path_links, LinkId::new(0));
            self.path_len.push(0);
            self.flows.push(Flow {
                rate: BytesPerSec::ZERO,
                cap: BytesPerSec::ZERO,
                remaining: Nanobytes::ZERO,
                settled: SimTime::ZERO,
                fresh: false,
            });
            (self.flows.len() - 1) as u32
        });
        let start = slot as usize * self.path_links;
        self.paths[start..start + path.len()].copy_from_slice(path);
        self.path_len[slot as usize] = path.len() as u8;
        self.n_active += 1;
        slot
    }

    /// Enters a flow into its links and marks what it can affect.
    fn attach(&mut self, slot: u32) {
        let start = slot as usize * self.path_links;
        for position in start..start + usize::from(self.path_len[slot as usize]) {
            let id = self.paths[position];
            let link = &mut self.links[id.index()];
            assert!(!link.flows.contains(&slot), "a path names a link once");
            link.flows.push(slot);
            // No flow slower than an even share of the link can be slowed by the newcomer.
            self.solver.touch(id, link.capacity.get() / link.flows.len() as u64);
        }
    }

    /// Takes an ended flow out of its links and marks what it can affect: flows slower than it was never shared
    /// their bottleneck with it.
    fn detach(&mut self, slot: u32) {
        let rate = self.flows[slot as usize].rate;
        self.set_rate_on_links(slot, BytesPerSec::ZERO);
        let start = slot as usize * self.path_links;
        for position in start..start + usize::from(self.path_len[slot as usize]) {
            self.solver.touch(self.paths[position], rate.get());
        }
        self.unlink(slot);
    }

    fn unlink(&mut self, slot: u32) {
        let start = slot as usize * self.path_links;
        for position in start..start + usize::from(self.path_len[slot as usize]) {
            let flows = &mut self.links[self.paths[position].index()].flows;
            let index = flows.iter().position(|&other| other == slot).expect("a flow is on its links");
            flows.swap_remove(index);
        }
        self.flows[slot as usize].fresh = false;
    }

    /// Accounts for what a flow has moved until `now`.
    fn settle(&mut self, slot: u32, now: SimTime) {
        let flow = &mut self.flows[slot as usize];
        flow.remaining = flow.remaining.saturating_sub(flow.rate.over(now.since(flow.settled)));
        flow.settled = now;
    }

    fn set_rate(&mut self, slot: u32, rate: BytesPerSec) {
        let flow = &self.flows[slot as usize];
        if !flow.fresh && flow.rate == rate {
            return;
        }
        self.settle(slot, self.now);
        self.set_rate_on_links(slot, rate);
        let flow = &mut self.flows[slot as usize];
        flow.fresh = false;
        let finish = flow.remaining.time_at(rate).map_or(SimTime::NEVER, |left| self.now + left);
        self.completions.set(slot, finish);
    }

    fn set_rate_on_links(&mut self, slot: u32, rate: BytesPerSec) {
        let old = std::mem::replace(&mut self.flows[slot as usize].rate, rate);
        let start = slot as usize * self.path_links;
        for position in start..start + usize::from(self.path_len[slot as usize]) {
            let link = &mut self.links[self.paths[position].index()];
            link.moved += link.allocated.over(self.now.since(link.counted));
            link.counted = self.now;
            link.allocated = link.allocated - old + rate;
        }
    }
}
