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
//!
//! What makes it fast: a water level is counted only when a link may be the next to fill; until then a bound
//! from the sums that every link keeps will do ([`Allocation::least_level`]). A link that was not full and is now
//! taken less of is not reached at all, nor is one that a flow has for itself. Links that were not full wait aside
//! until the level comes near their bound, which it seldom does.

use crate::allocation::{Allocation, CAP, Change, Flow, Link, Member, NOBODY};
use crate::reached::{ASIDE, NOWHERE, Reached, Step, UNBOUNDED, key_of};
use crate::steps::ABSENT;
use netkv_units::BytesPerSec;

/// Marks the owner of a step as a flow.
const FLOW: u32 = 1 << 31;

impl Allocation {
    /// Finds all rates after the changes since the last solve.
    pub(crate) fn solve(&mut self) {
        self.begin();
        while let Some((key, place)) = self.next_step() {
            let (level, owner) = (key >> 2, self.owners[place as usize]);
            if owner & FLOW > 0 {
                self.steps.set(place, ABSENT);
                self.stop_alone(owner & !FLOW, level);
                continue;
            }
            if !self.reached[owner as usize].exact {
                self.find_level(owner, level);
                self.plan(owner);
                if self.reached[owner as usize].key() != key {
                    continue;
                }
            }
            if key == key_of(level, Step::Fill) {
                self.fill(owner, level);
            } else {
                self.release(owner, level);
            }
            self.plan_queued(level);
        }
    }

    /// The key of the next step, and its place.
    fn next_step(&mut self) -> Option<(u64, u32)> {
        let first = self.steps.first();
        if self.least_aside == ABSENT || first.is_some_and(|(key, _)| key < self.least_aside) {
            return first;
        }
        self.least_aside = ABSENT;
        while let Some(link) = self.aside.pop() {
            if self.reached[link as usize].done {
                continue;
            }
            let level = self.least_level(link);
            let reached = &mut self.reached[link as usize];
            (reached.place, reached.level) = (NOWHERE, reached.level.max(level));
            if level < UNBOUNDED {
                self.plan(link);
            }
        }
        self.steps.first()
    }

    /// Reaches what has changed.
    fn begin(&mut self) {
        self.epoch = self.epoch.checked_add(1).expect("fewer than 2^32 solves");
        self.steps.clear();
        self.owners.clear();
        self.aside.clear();
        self.least_aside = ABSENT;
        self.changes.clear();
        self.levels_before.clear();
        self.witnesses_before.clear();
        while let Some(slot) = self.fresh.pop() {
            self.rise(slot, None);
        }
        while let Some(link) = self.changed.pop() {
            self.reach(link);
        }
        while let Some(link) = self.left.pop() {
            self.lighten(link);
        }
        self.plan_queued(0);
    }

    /// A flow rises from here on. A link that it has for itself is as good as a cap, and need not be reached.
    fn rise(&mut self, slot: u32, old: Option<u64>) {
        self.changes.push(Change { slot, old: old.map(BytesPerSec::new) });
        let Flow { witness, hops, .. } = self.flows[slot as usize];
        if old.is_some() {
            self.witnesses_before.push((slot, witness));
            self.set_witness(slot, NOBODY);
        }
        self.flows[slot as usize].rate = UNBOUNDED;
        let mut limit = self.caps[slot as usize];
        let mut alone = true;
        let start = slot as usize * self.stride;
        for position in start..start + hops as usize {
            let link = self.hops[position].link;
            let state = &mut self.links[link as usize];
            state.take(self.now, old.unwrap_or(0), 0);
            if state.members.len() == 1 {
                limit = limit.min(state.capacity);
                continue;
            }
            alone = false;
            let reached = &mut self.reached[link as usize];
            if reached.epoch != self.epoch || !reached.queued {
                self.reach(link);
            }
            self.reached[link as usize].risen += 1;
        }
        if alone {
            self.stop_alone(slot, limit);
        } else if limit < UNBOUNDED {
            self.add_step(slot | FLOW, key_of(limit, Step::Cap));
        }
    }

    /// The flows of a link take less than before. One that was not full stays so; one that was fills no lower, and
    /// that is soon enough to look at it.
    fn lighten(&mut self, link: u32) {
        let state = &mut self.links[link as usize];
        if state.members.is_empty() {
            state.level = UNBOUNDED;
        } else if state.level < UNBOUNDED && self.reached[link as usize].epoch != self.epoch {
            let reached = self.enter(link);
            reached.level = reached.release;
            self.plan(link);
        }
    }

    /// Queues a link whose level may be lower than it was known to be.
    fn reach(&mut self, link: u32) {
        let reached = self.enter(link);
        if !reached.queued {
            reached.queued = true;
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
                place: if before < UNBOUNDED { NOWHERE } else { ASIDE },
                level: UNBOUNDED,
                release: before,
                ..Reached::default()
            };
            self.levels_before.push((link, before));
            if before == UNBOUNDED {
                self.aside.push(link);
            }
        }
        reached
    }

    /// Enters the next steps of all queued links, none of which fills below `floor`.
    fn plan_queued(&mut self, floor: u64) {
        while let Some(link) = self.queue.pop() {
            if !self.reached[link as usize].done {
                let level = self.least_level(link).max(floor);
                let reached = &mut self.reached[link as usize];
                (reached.queued, reached.exact, reached.level) = (false, false, level);
                self.plan(link);
            }
        }
    }

    fn add_step(&mut self, owner: u32, key: u64) -> u32 {
        self.owners.push(owner);
        self.steps.add(key)
    }

    /// Enters a link's next step.
    fn plan(&mut self, link: u32) {
        let Reached { place, .. } = self.reached[link as usize];
        let key = self.reached[link as usize].key();
        if place == ASIDE {
            self.least_aside = self.least_aside.min(key);
            return;
        }
        if place == NOWHERE {
            self.reached[link as usize].place = self.add_step(link, key);
        } else {
            self.steps.set(place, key);
        }
    }

    /// Finds where a link fills, but only if it may be at `floor`, below which it does not.
    fn find_level(&mut self, link: u32, floor: u64) {
        let least = self.least_level(link).max(self.reached[link as usize].level);
        let exact = least <= floor;
        let level = if exact { self.water_level(link, floor) } else { least };
        let reached = &mut self.reached[link as usize];
        (reached.level, reached.exact) = (level, exact);
    }

    /// A level that a link does not fill below, found without counting its members: an even share among all, and one
    /// of what the others leave among those that take all they get; less what rounding down could leave over if
    /// everybody stopped at the same level.
    fn least_level(&self, link: u32) -> u64 {
        let Link { capacity, taken, held, ref members, .. } = self.links[link as usize];
        let reached = &self.reached[link as usize];
        let (n, taken) = (members.len() as u64, taken.rate().get());
        let unbounded = u64::from(reached.risen + held);
        let by_others = if held > 0 { taken - u64::from(held) * reached.release } else { taken };
        match capacity.checked_sub(by_others + n.saturating_sub(1)) {
            Some(_) if unbounded == 0 => UNBOUNDED,
            left => (left.unwrap_or(0) / unbounded.max(1)).max(capacity / n),
        }
    }

    /// Where a link fills by what its members take; not below `floor`.
    fn water_level(&self, link: u32, floor: u64) -> u64 {
        let Link { capacity, ref members, .. } = self.links[link as usize];
        let flows = &self.flows[..];
        let mut cut = floor.max(capacity / members.len() as u64);
        loop {
            let (mut left, mut rising, mut least) = (capacity, 0_u64, UNBOUNDED);
            for member in members {
                let flow = &flows[member.slot as usize];
                let takes = if flow.witness == link { UNBOUNDED } else { flow.rate };
                if takes < cut {
                    left -= takes;
                } else {
                    rising += 1;
                    least = least.min(takes);
                }
            }
            match left.checked_div(rising) {
                None => return UNBOUNDED,
                Some(level) if level <= least => return level,
                Some(level) => cut = level,
            }
        }
    }

    /// A link is full: every flow that takes more than `level` stops there.
    fn fill(&mut self, link: u32, level: u64) {
        self.finish(link, level);
        let members = std::mem::take(&mut self.links[link as usize].members);
        for &Member { slot, .. } in &members {
            let flow = self.flows[slot as usize];
            if flow.rate > level {
                self.stop(slot, level, link);
            } else if flow.rate == level && self.is_open(flow.witness) {
                self.hand_over(slot, link);
            }
        }
        self.links[link as usize].members = members;
    }

    /// A link has no more steps.
    fn finish(&mut self, link: u32, level: u64) {
        self.links[link as usize].level = level;
        let reached = &mut self.reached[link as usize];
        reached.done = true;
        if reached.place < NOWHERE {
            self.steps.set(reached.place, ABSENT);
        }
    }

    /// Whether a witness is a reached link that has not filled.
    fn is_open(&self, witness: u32) -> bool {
        self.reached.get(witness as usize).is_some_and(|reached| reached.epoch == self.epoch && !reached.done)
    }

    /// A flow stops at `level`.
    fn stop(&mut self, slot: u32, level: u64, witness: u32) {
        let Flow { rate, witness: before, hops } = self.flows[slot as usize];
        let (rose, took) = if rate == UNBOUNDED {
            (1, 0)
        } else {
            self.changes.push(Change { slot, old: Some(BytesPerSec::new(rate)) });
            self.witnesses_before.push((slot, before));
            (0, rate)
        };
        self.set_witness(slot, witness);
        self.flows[slot as usize].rate = level;
        let Self { links, reached, lightened, .. } = self;
        let start = slot as usize * self.stride;
        for hop in &self.hops[start..start + hops as usize] {
            let state = &mut links[hop.link as usize];
            state.take(self.now, took, level);
            let reached = &mut reached[hop.link as usize];
            if reached.epoch == self.epoch {
                reached.exact = false;
                reached.risen -= rose * u32::from(state.members.len() > 1);
            } else if state.level < UNBOUNDED {
                lightened.push(hop.link);
            }
        }
        while let Some(link) = self.lightened.pop() {
            self.lighten(link);
        }
    }

    /// A flow that still rises is stopped by its cap or by a link that it has for itself.
    fn stop_alone(&mut self, slot: u32, level: u64) {
        let Flow { rate, hops, .. } = self.flows[slot as usize];
        if rate < UNBOUNDED {
            return;
        }
        if self.caps[slot as usize] == level {
            return self.stop(slot, level, CAP);
        }
        let start = slot as usize * self.stride;
        let full = self.hops[start..start + hops as usize].iter().map(|hop| hop.link).find(|&link| {
            let Link { capacity, ref members, .. } = self.links[link as usize];
            members.len() == 1 && capacity == level
        });
        let link = full.expect("a flow without a cap is limited by a link");
        self.enter(link);
        self.finish(link, level);
        self.stop(slot, level, link);
    }

    /// Another witness for a flow that keeps its rate.
    fn hand_over(&mut self, slot: u32, witness: u32) {
        let before = self.flows[slot as usize].witness;
        self.witnesses_before.push((slot, before));
        self.set_witness(slot, witness);
        self.reached[before as usize].exact = false;
    }

    /// A link's old level has come and it is not full: the flows that it stopped there rise on.
    fn release(&mut self, link: u32, level: u64) {
        for place in 0..self.links[link as usize].members.len() {
            let slot = self.links[link as usize].members[place].slot;
            let Flow { witness, hops, .. } = self.flows[slot as usize];
            if witness != link {
                continue;
            }
            let start = slot as usize * self.stride;
            let mut hops = self.hops[start..start + hops as usize].iter();
            if self.caps[slot as usize] == level {
                self.hand_over(slot, CAP);
            } else if let Some(other) = hops.find(|hop| self.links[hop.link as usize].level == level) {
                self.hand_over(slot, other.link);
            } else {
                self.rise(slot, Some(level));
            }
        }
        self.reached[link as usize].release = UNBOUNDED;
        self.reach(link);
    }
}
