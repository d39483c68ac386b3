//! Max-min fair rates by progressive filling, in integers, solved again only where a change reaches.
//!
//! All flows rise together; whenever a link is full its flows stop at the level reached, the rest rise on. In
//! rounds: each link could give the flows that still rise on it an even share of what is left, rounded down; the least
//! share of all is the round's level; the flows of *every* link with that share, and flows with that cap, stop at
//! it. A flow's rate is then the least level at which a link of its path fills, or its cap. Because a round acts on
//! all links of its level at once, rates do not depend on the order of flows or links. Every flow ends within one
//! byte per second, for each flow of its bottleneck, of the real-valued solution.
//!
//! After a change. Each link keeps the level at which it filled, and each flow a witness: one link that stopped it
//! there (or its cap). The rounds are then played again in ascending level, but only on *reached* links: those that
//! a change touched, and from there on every link of a flow whose rate turns out another one. A reached link fills
//! at the water level of what its flows take: a flow that is held elsewhere takes its old rate, a flow whose
//! witness is this link takes all it can get. Two things can happen to a reached link, in order of level:
//! it *fills*, and its faster flows stop at that level; or its old level passes before it is full, and it
//! *releases* the flows that it was the witness of: unless another link or the cap stops them at the same
//! level, they rise on. Below the level that is being played nothing changes any more, so each flow changes at
//! most once. The tests compare this with solving everything from nothing, exactly.

use netkv_units::{BytesPerSec, LinkId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Of a flow that rises: what it takes is whatever it gets. Of a link: it does not fill.
const UNBOUNDED: u64 = u64::MAX;
/// Witness of a flow that its cap stops.
const CAP: u32 = u32::MAX - 1;
/// Witness of a flow that rises.
const NOBODY: u32 = u32::MAX;

/// A flow on a link: its slot, and which hop of its path the link is.
#[derive(Clone, Copy, Debug)]
struct Member {
    slot: u32,
    hop: u32,
}

/// A hop of a flow: the link, and the flow's place among its members.
#[derive(Clone, Copy, Debug, Default)]
struct Hop {
    link: u32,
    place: u32,
}

#[derive(Clone, Debug)]
struct Link {
    capacity: u64,
    /// The level at which it fills; [`UNBOUNDED`] if it does not, or if that does not matter to any flow.
    level: u64,
    members: Vec<Member>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    /// Its rate; while a solve goes on, what is known of it: its old rate, its new one, or [`UNBOUNDED`].
    rate: u64,
    cap: u64,
    /// A link that filled at its rate, or [`CAP`].
    witness: u32,
    hops: u32,
}

/// What can come next in a solve; at one level, in this order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Fill,
    Cap,
    Release,
}

/// A reached link.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    /// The solve that reached it.
    epoch: u32,
    /// Members that count as rising: they take `cut` or more.
    rising: u32,
    /// Its entry among the steps to come; others are outdated.
    entry: u128,
    /// Capacity less what members below `cut` take.
    left: u64,
    cut: u64,
    /// No member that counts as rising takes less than this.
    least_rising: u64,
    /// Where it fills, as far as is known: only ever too low, and only if `stale`.
    level: u64,
    /// Where it filled before; [`UNBOUNDED`] once it has released its flows.
    release: u64,
    /// Its level before the solve, for going back.
    before: u64,
    /// It is in the queue to be counted, from this level on.
    queued: bool,
    floor: u64,
    /// A flow that it stopped has got another witness.
    handed_over: bool,
    stale: bool,
    /// It has filled, or its only flow has stopped.
    done: bool,
}

/// A flow whose rate a solve has looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) slot: u32,
    /// Its rate before; none if it has just started.
    pub(crate) old: Option<BytesPerSec>,
}

/// Links, the flows that share them, and their max-min fair rates.
#[derive(Clone, Debug)]
pub(crate) struct Allocation {
    links: Vec<Link>,
    flows: Vec<Flow>,
    /// `stride` entries for each slot.
    hops: Vec<Hop>,
    stride: usize,
    /// Flows that have been added since the last solve.
    fresh: Vec<u32>,
    /// Links whose capacity has changed, and those that flows have left.
    changed: Vec<u32>,
    left: Vec<u32>,
    // What follows is memory of the solver.
    epoch: u32,
    reached: Vec<Reached>,
    /// Every link of this solve.
    links_reached: Vec<u32>,
    /// Reached links whose level is to be found.
    queue: Vec<u32>,
    steps: BinaryHeap<Reverse<u128>>,
    changes: Vec<Change>,
    witnesses_before: Vec<(u32, u32)>,
}

impl Allocation {
    /// Links of these capacities without flows, for flows over at most `stride` links.
    pub(crate) fn new(capacities: &[BytesPerSec], stride: usize) -> Self {
        let link = |capacity: &BytesPerSec| Link { capacity: capacity.get(), level: UNBOUNDED, members: Vec::new() };
        Self {
            links: capacities.iter().map(link).collect(),
            flows: Vec::new(),
            hops: Vec::new(),
            stride,
            fresh: Vec::new(),
            changed: Vec::new(),
            left: Vec::new(),
            epoch: 0,
            reached: vec![Reached::default(); capacities.len()],
            links_reached: Vec::new(),
            queue: Vec::new(),
            steps: BinaryHeap::new(),
            changes: Vec::new(),
            witnesses_before: Vec::new(),
        }
    }

    pub(crate) fn capacity(&self, link: usize) -> BytesPerSec {
        BytesPerSec::new(self.links[link].capacity)
    }

    pub(crate) fn rate(&self, slot: u32) -> BytesPerSec {
        BytesPerSec::new(self.flows[slot as usize].rate)
    }

    /// The slots of a link's flows.
    pub(crate) fn members(&self, link: usize) -> impl Iterator<Item = u32> {
        self.links[link].members.iter().map(|member| member.slot)
    }

    /// The links of a flow, in order.
    pub(crate) fn path(&self, slot: u32) -> impl Iterator<Item = usize> {
        let start = slot as usize * self.stride;
        self.hops[start..start + self.flows[slot as usize].hops as usize].iter().map(|hop| hop.link as usize)
    }

    /// Whether the cap of a flow is what stops it.
    pub(crate) fn is_capped(&self, slot: u32) -> bool {
        self.flows[slot as usize].rate == self.flows[slot as usize].cap
    }

    /// Whether something changed since the last solve.
    pub(crate) const fn is_dirty(&self) -> bool {
        !(self.fresh.is_empty() && self.changed.is_empty() && self.left.is_empty())
    }

    /// Adds a flow at `slot`, which is free or the next new one.
    ///
    /// # Panics
    /// If the path is empty, too long or names a link twice.
    pub(crate) fn add(&mut self, slot: u32, path: &[LinkId], cap: Option<BytesPerSec>) {
        assert!((1..=self.stride).contains(&path.len()), "a path of {} links", path.len());
        let cap = cap.map_or(UNBOUNDED, BytesPerSec::get);
        let flow = Flow { rate: UNBOUNDED, cap, witness: NOBODY, hops: path.len() as u32 };
        if slot as usize == self.flows.len() {
            self.flows.push(flow);
            self.hops.resize(self.hops.len() + self.stride, Hop::default());
        } else {
            self.flows[slot as usize] = flow;
        }
        let start = slot as usize * self.stride;
        for (hop, link) in path.iter().enumerate() {
            assert!(!path[..hop].contains(link), "a path names a link once");
            let members = &mut self.links[link.index()].members;
            self.hops[start + hop] = Hop { link: link.get(), place: members.len() as u32 };
            members.push(Member { slot, hop: hop as u32 });
        }
        self.fresh.push(slot);
    }

    /// Takes a flow out.
    pub(crate) fn remove(&mut self, slot: u32) {
        let start = slot as usize * self.stride;
        for position in start..start + self.flows[slot as usize].hops as usize {
            let Hop { link, place } = self.hops[position];
            let members = &mut self.links[link as usize].members;
            members.swap_remove(place as usize);
            if let Some(moved) = members.get(place as usize) {
                self.hops[moved.slot as usize * self.stride + moved.hop as usize].place = place;
            }
            self.left.push(link);
        }
    }

    /// Changes a link's capacity.
    pub(crate) fn set_capacity(&mut self, link: LinkId, capacity: BytesPerSec) {
        self.links[link.index()].capacity = capacity.get();
        self.changed.push(link.get());
    }

    /// The flows that the last solve looked at: no other's rate has changed.
    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Finds all rates after the changes since the last solve.
    pub(crate) fn solve(&mut self) {
        self.begin();
        while let Some(Reverse(entry)) = self.steps.pop() {
            let (level, step, id) = unpack(entry);
            if step == Step::Cap {
                self.stop_alone(id, level);
                continue;
            }
            let reached = &mut self.reached[id as usize];
            if reached.done || reached.entry != entry {
                continue;
            }
            if reached.stale {
                reached.stale = false;
                self.find_level(id, level);
                if self.reached[id as usize].next_entry(id) != entry {
                    self.plan(id);
                    continue;
                }
            }
            match step {
                Step::Fill => self.fill(id, level),
                Step::Release | Step::Cap => self.release(id, level),
            }
        }
    }

    /// Goes back to before the last solve, and takes out the flows that were new in it.
    pub(crate) fn undo(&mut self) {
        for &(slot, witness) in self.witnesses_before.iter().rev() {
            self.flows[slot as usize].witness = witness;
        }
        for &link in &self.links_reached {
            self.links[link as usize].level = self.reached[link as usize].before;
        }
        for index in (0..self.changes.len()).rev() {
            let Change { slot, old } = self.changes[index];
            match old {
                Some(rate) => self.flows[slot as usize].rate = rate.get(),
                None => self.remove(slot),
            }
        }
        self.left.clear();
    }

    fn begin(&mut self) {
        self.epoch = self.epoch.checked_add(1).expect("fewer than 2^32 solves");
        self.steps.clear();
        self.changes.clear();
        self.links_reached.clear();
        self.witnesses_before.clear();
        while let Some(slot) = self.fresh.pop() {
            self.rise(slot, None);
        }
        while let Some(link) = self.changed.pop() {
            self.reach(link, 0);
        }
        while let Some(link) = self.left.pop() {
            self.lighten(link);
        }
        self.find_levels(0);
    }

    /// The flows of a link take less than before. One that was not full stays so.
    fn lighten(&mut self, link: u32) {
        let state = &mut self.links[link as usize];
        if state.members.is_empty() {
            state.level = UNBOUNDED;
        } else if state.level < UNBOUNDED {
            let floor = state.level;
            self.reach(link, floor);
        }
    }

    /// A flow rises from here on. Links that it has for itself are as good as a cap.
    fn rise(&mut self, slot: u32, old: Option<u64>) {
        let flow = self.flows[slot as usize];
        self.changes.push(Change { slot, old: old.map(BytesPerSec::new) });
        if old.is_some() {
            self.witnesses_before.push((slot, flow.witness));
        }
        let (mut limit, mut witness) = (flow.cap, CAP);
        let start = slot as usize * self.stride;
        for position in start..start + flow.hops as usize {
            let link = self.hops[position].link;
            let Link { capacity, ref members, .. } = self.links[link as usize];
            if members.len() == 1 {
                if capacity < limit {
                    (limit, witness) = (capacity, link);
                }
            } else if flow.witness != link {
                // The former witness has counted it as rising all along.
                self.burden(link, old.unwrap_or(0));
            }
        }
        (self.flows[slot as usize].rate, self.flows[slot as usize].witness) = (UNBOUNDED, witness);
        if limit < UNBOUNDED {
            self.steps.push(Reverse(pack(limit, Step::Cap, slot)));
        }
    }

    /// A member of a link that took `level`, the present one, takes more from now on.
    fn burden(&mut self, link: u32, level: u64) {
        let reached = &self.reached[link as usize];
        let counted_as_rising = reached.epoch == self.epoch
            && !reached.queued
            && !reached.handed_over
            && reached.level < UNBOUNDED
            && level >= reached.cut;
        if !counted_as_rising {
            self.reach(link, level);
        }
    }

    /// Queues a link to have its level found, which is not below `floor`.
    fn reach(&mut self, link: u32, floor: u64) {
        let reached = self.enter(link);
        if reached.queued {
            reached.floor = reached.floor.min(floor);
        } else {
            (reached.queued, reached.floor) = (true, floor);
            self.queue.push(link);
        }
    }

    /// A link's place among the reached ones.
    fn enter(&mut self, link: u32) -> &mut Reached {
        let reached = &mut self.reached[link as usize];
        if reached.epoch != self.epoch {
            let before = std::mem::replace(&mut self.links[link as usize].level, UNBOUNDED);
            *reached = Reached {
                epoch: self.epoch,
                entry: u128::MAX,
                level: UNBOUNDED,
                release: before,
                before,
                ..Reached::default()
            };
            self.links_reached.push(link);
        }
        reached
    }

    /// Finds the levels of all queued links; none is below `floor`.
    fn find_levels(&mut self, floor: u64) {
        while let Some(link) = self.queue.pop() {
            let reached = &mut self.reached[link as usize];
            reached.queued = false;
            if !reached.done {
                reached.stale = false;
                let floor = floor.max(reached.floor);
                self.count(link, floor);
                self.plan(link);
            }
        }
    }

    /// Enters a link's next step.
    fn plan(&mut self, link: u32) {
        let reached = &mut self.reached[link as usize];
        reached.entry = reached.next_entry(link);
        if reached.level.min(reached.release) < UNBOUNDED {
            self.steps.push(Reverse(reached.entry));
        }
    }

    /// The level of a link of which some members have stopped since it was counted.
    fn find_level(&mut self, link: u32, floor: u64) {
        let reached = &mut self.reached[link as usize];
        match reached.left.checked_div(u64::from(reached.rising)) {
            Some(level) if level > reached.least_rising => {
                let known = reached.level;
                self.count(link, floor.max(known));
            }
            Some(level) => reached.level = level,
            None => reached.level = UNBOUNDED,
        }
    }

    /// Counts what a link's members take, and where that fills it; not below `floor`.
    fn count(&mut self, link: u32, floor: u64) {
        let Link { capacity, ref members, .. } = self.links[link as usize];
        let reached = &mut self.reached[link as usize];
        reached.level = UNBOUNDED;
        let Some(even) = capacity.checked_div(members.len() as u64) else { return };
        let mut cut = even.max(floor);
        loop {
            let (mut left, mut rising, mut least) = (capacity, 0, UNBOUNDED);
            for member in members {
                let flow = &self.flows[member.slot as usize];
                let takes = if flow.witness == link { UNBOUNDED } else { flow.rate };
                if takes < cut {
                    left -= takes;
                } else {
                    rising += 1;
                    least = least.min(takes);
                }
            }
            (reached.left, reached.rising, reached.least_rising, reached.cut) = (left, rising, least, cut);
            let Some(level) = left.checked_div(u64::from(rising)) else { return };
            if level <= least {
                reached.level = level;
                return;
            }
            cut = level;
        }
    }

    /// A link is full: every flow that takes more than `level` stops there.
    fn fill(&mut self, link: u32, level: u64) {
        self.reached[link as usize].done = true;
        self.links[link as usize].level = level;
        for place in 0..self.links[link as usize].members.len() {
            let slot = self.links[link as usize].members[place].slot;
            let flow = self.flows[slot as usize];
            if flow.rate > level {
                self.stop(slot, level, link);
            } else if flow.rate == level && self.is_open(flow.witness) {
                self.hand_over(slot, link);
            }
        }
        self.find_levels(level);
    }

    /// Whether a witness is a reached link that has not filled.
    fn is_open(&self, witness: u32) -> bool {
        self.reached.get(witness as usize).is_some_and(|reached| reached.epoch == self.epoch && !reached.done)
    }

    /// A flow stops at `level`.
    fn stop(&mut self, slot: u32, level: u64, witness: u32) {
        let flow = self.flows[slot as usize];
        if flow.rate < UNBOUNDED {
            self.changes.push(Change { slot, old: Some(BytesPerSec::new(flow.rate)) });
            self.witnesses_before.push((slot, flow.witness));
        }
        (self.flows[slot as usize].rate, self.flows[slot as usize].witness) = (level, witness);
        let start = slot as usize * self.stride;
        for position in start..start + flow.hops as usize {
            let link = self.hops[position].link;
            let took = if flow.witness == link { UNBOUNDED } else { flow.rate };
            if self.reached[link as usize].epoch == self.epoch {
                self.reached[link as usize].lessen(took, level);
            } else {
                self.lighten(link);
            }
        }
    }

    /// A flow that still rises is stopped by its cap or by a link that it has for itself.
    fn stop_alone(&mut self, slot: u32, level: u64) {
        let flow = self.flows[slot as usize];
        if flow.rate != UNBOUNDED {
            return;
        }
        self.stop(slot, level, flow.witness);
        if flow.witness != CAP {
            self.enter(flow.witness).done = true;
            self.links[flow.witness as usize].level = level;
        }
    }

    /// Another witness for a flow that keeps its rate.
    fn hand_over(&mut self, slot: u32, witness: u32) {
        let flow = &mut self.flows[slot as usize];
        let old = std::mem::replace(&mut flow.witness, witness);
        let rate = flow.rate;
        self.witnesses_before.push((slot, old));
        if let Some(reached) = self.reached.get_mut(old as usize)
            && reached.epoch == self.epoch
        {
            reached.handed_over = true;
            reached.lessen(UNBOUNDED, rate);
        }
    }

    /// A link's old level has come and it is not full: the flows that it stopped there rise on.
    fn release(&mut self, link: u32, level: u64) {
        self.reached[link as usize].release = UNBOUNDED;
        for place in 0..self.links[link as usize].members.len() {
            let slot = self.links[link as usize].members[place].slot;
            let flow = self.flows[slot as usize];
            if flow.witness != link || flow.rate != level {
                continue;
            }
            let start = slot as usize * self.stride;
            let mut hops = self.hops[start..start + flow.hops as usize].iter();
            if flow.cap == level {
                self.hand_over(slot, CAP);
            } else if let Some(other) = hops.find(|hop| self.links[hop.link as usize].level == level) {
                self.hand_over(slot, other.link);
            } else {
                self.rise(slot, Some(level));
            }
        }
        self.plan(link);
        self.find_levels(level);
    }
}

impl Reached {
    /// The link's next step.
    const fn next_entry(&self, link: u32) -> u128 {
        if self.level <= self.release {
            pack(self.level, Step::Fill, link)
        } else {
            pack(self.release, Step::Release, link)
        }
    }

    /// A member takes less than it `took`: it has stopped at `level`.
    fn lessen(&mut self, took: u64, level: u64) {
        if self.done || self.queued || self.level == UNBOUNDED {
            return;
        }
        self.stale = true;
        if level >= self.level {
            // At its own level a link fills all the same: who stops there is counted as rising until it is known
            // to fill later.
            self.least_rising = self.least_rising.min(level);
        } else if took >= self.cut {
            self.left -= level;
            self.rising -= 1;
        } else {
            self.left += took - level;
        }
    }
}

/// An entry that sorts by level, then step, then id.
const fn pack(level: u64, step: Step, id: u32) -> u128 {
    (level as u128) << 64 | (step as u128) << 32 | id as u128
}

const fn unpack(entry: u128) -> (u64, Step, u32) {
    let step = match (entry >> 32) as u32 {
        0 => Step::Fill,
        1 => Step::Cap,
        _ => Step::Release,
    };
    ((entry >> 64) as u64, step, entry as u32)
}
