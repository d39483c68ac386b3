//! Links, the flows that share them, and what is known of their max-min fair rates between two solves.
//!
//! The rules by which rates are found are in [`crate::max_min`], which has the other half of [`Allocation`].

use crate::reached::{Reached, UNBOUNDED};
use crate::steps::{ABSENT, Steps};
use netkv_units::{BytesPerSec, LinkId, Meter, Nanobytes, SimTime};

/// Witness of a flow that its cap stops.
pub(crate) const CAP: u32 = u32::MAX - 1;
/// Witness of a flow that rises.
pub(crate) const NOBODY: u32 = u32::MAX;
/// A flow on a link: its slot, and which hop of its path the link is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) slot: u32,
    pub(crate) hop: u32,
}

/// A hop of a flow: the link, and the flow's place among its members.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hop {
    pub(crate) link: u32,
    pub(crate) place: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) capacity: u64,
    /// The sum of its flows' rates, those that rise left out.
    pub(crate) taken: Meter,
    /// The level at which it fills; [`UNBOUNDED`] if it does not, or if that does not matter to any flow.
    pub(crate) level: u64,
    /// How many flows it is the witness of.
    pub(crate) held: u32,
    pub(crate) members: Vec<Member>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// Its rate; while a solve goes on, what is known of it: its old rate, its new one, or [`UNBOUNDED`].
    pub(crate) rate: u64,
    /// A link that filled at its rate, or [`CAP`].
    pub(crate) witness: u32,
    pub(crate) hops: u32,
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
    pub(crate) links: Vec<Link>,
    pub(crate) flows: Vec<Flow>,
    /// By slot: no faster than this, whatever the links allow.
    pub(crate) caps: Vec<u64>,
    /// `stride` entries for each slot.
    pub(crate) hops: Vec<Hop>,
    pub(crate) stride: usize,
    pub(crate) now: SimTime,
    /// Flows that have been added since the last solve.
    pub(crate) fresh: Vec<u32>,
    /// Links whose capacity has changed, and those that flows have left.
    pub(crate) changed: Vec<u32>,
    pub(crate) left: Vec<u32>,
    // What follows is memory of the solver.
    pub(crate) epoch: u32,
    pub(crate) reached: Vec<Reached>,
    /// Links that are full and that a flow which stopped takes less of.
    pub(crate) lightened: Vec<u32>,
    /// Reached links whose level is to be found.
    pub(crate) queue: Vec<u32>,
    /// The steps to come, by place; and whose they are: a link's, or with [`FLOW`] that of a flow that rises.
    pub(crate) steps: Steps,
    pub(crate) owners: Vec<u32>,
    /// The links that are put aside, and a bound on their keys.
    pub(crate) aside: Vec<u32>,
    pub(crate) least_aside: u64,
    pub(crate) changes: Vec<Change>,
    /// What links and flows were before they were reached, for going back.
    pub(crate) levels_before: Vec<(u32, u64)>,
    pub(crate) witnesses_before: Vec<(u32, u32)>,
}

impl Allocation {
    /// Links of these capacities without flows, for flows over at most `stride` links.
    ///
    /// # Panics
    /// If a capacity is 2^61 bytes per second or more.
    pub(crate) fn new(capacities: &[BytesPerSec], stride: usize) -> Self {
        capacities.iter().for_each(|&capacity| check_capacity(capacity));
        let link = |capacity: &BytesPerSec| Link {
            capacity: capacity.get(),
            taken: Meter::default(),
            level: UNBOUNDED,
            held: 0,
            members: Vec::new(),
        };
        Self {
            links: capacities.iter().map(link).collect(),
            flows: Vec::new(),
            caps: Vec::new(),
            hops: Vec::new(),
            stride,
            now: SimTime::ZERO,
            fresh: Vec::new(),
            changed: Vec::new(),
            left: Vec::new(),
            epoch: 0,
            reached: vec![Reached::default(); capacities.len()],
            lightened: Vec::new(),
            queue: Vec::new(),
            steps: Steps::default(),
            owners: Vec::new(),
            aside: Vec::new(),
            least_aside: ABSENT,
            changes: Vec::new(),
            levels_before: Vec::new(),
            witnesses_before: Vec::new(),
        }
    }

    pub(crate) const fn n_links(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn capacity(&self, link: usize) -> BytesPerSec {
        BytesPerSec::new(self.links[link].capacity)
    }

    pub(crate) fn rate(&self, slot: u32) -> BytesPerSec {
        BytesPerSec::new(self.flows[slot as usize].rate)
    }

    /// The sum of the rates of a link's flows.
    pub(crate) fn taken(&self, link: usize) -> BytesPerSec {
        self.links[link].taken.rate()
    }

    /// What has crossed a link until `now`.
    pub(crate) fn moved(&self, link: usize, now: SimTime) -> Nanobytes {
        self.links[link].taken.until(now)
    }

    /// The slots of a link's flows.
    pub(crate) fn members(&self, link: usize) -> impl Iterator<Item = u32> {
        self.links[link].members.iter().map(|member| member.slot)
    }

    /// How many flows cross a link.
    pub(crate) fn n_members(&self, link: usize) -> usize {
        self.links[link].members.len()
    }

    /// A flow's cap.
    pub(crate) fn cap(&self, slot: u32) -> Option<BytesPerSec> {
        Some(self.caps[slot as usize]).filter(|&cap| cap < UNBOUNDED).map(BytesPerSec::new)
    }

    /// Whether a flow has been added since the last solve, and so has no rate yet.
    pub(crate) fn is_fresh(&self, slot: u32) -> bool {
        self.fresh.contains(&slot)
    }

    /// The links of a flow, in order.
    pub(crate) fn path(&self, slot: u32) -> impl Iterator<Item = usize> {
        let start = slot as usize * self.stride;
        self.hops[start..start + self.flows[slot as usize].hops as usize].iter().map(|hop| hop.link as usize)
    }

    /// Whether the cap of a flow is what stops it.
    pub(crate) fn is_capped(&self, slot: u32) -> bool {
        self.flows[slot as usize].rate == self.caps[slot as usize]
    }

    /// Whether something changed since the last solve.
    pub(crate) const fn is_dirty(&self) -> bool {
        !(self.fresh.is_empty() && self.changed.is_empty() && self.left.is_empty())
    }

    /// Moves on in time.
    ///
    /// # Panics
    /// If time ran back, or changes were not solved.
    pub(crate) fn advance_to(&mut self, now: SimTime) {
        assert!(now >= self.now, "time ran back from {} to {now}", self.now);
        assert!(now == self.now || !self.is_dirty(), "changes are resolved before time goes on");
        self.now = now;
    }

    pub(crate) const fn now(&self) -> SimTime {
        self.now
    }

    /// Adds a flow at `slot`, which is free or the next new one.
    ///
    /// # Panics
    /// If the path is empty, too long or names a link twice.
    pub(crate) fn add(&mut self, slot: u32, path: &[LinkId], cap: Option<BytesPerSec>) {
        assert!((1..=self.stride).contains(&path.len()), "a path of {} links", path.len());
        let flow = Flow { rate: UNBOUNDED, witness: NOBODY, hops: path.len() as u32 };
        if slot as usize == self.flows.len() {
            self.flows.push(flow);
            self.caps.push(UNBOUNDED);
            self.hops.resize(self.hops.len() + self.stride, Hop::default());
        } else {
            self.flows[slot as usize] = flow;
        }
        let start = slot as usize * self.stride;
        for (hop, link) in path.iter().enumerate() {
            assert!(!path[..hop].contains(link), "a path names a link once");
            self.hops[start + hop].link = link.get();
        }
        self.add_again(slot, cap);
    }

    /// Adds a flow that was taken out, over the same links.
    pub(crate) fn add_again(&mut self, slot: u32, cap: Option<BytesPerSec>) {
        let flow = &mut self.flows[slot as usize];
        (flow.rate, flow.witness) = (UNBOUNDED, NOBODY);
        self.caps[slot as usize] = cap.map_or(UNBOUNDED, BytesPerSec::get);
        let start = slot as usize * self.stride;
        for (hop, state) in self.hops[start..start + flow.hops as usize].iter_mut().enumerate() {
            let members = &mut self.links[state.link as usize].members;
            state.place = members.len() as u32;
            members.push(Member { slot, hop: hop as u32 });
        }
        self.fresh.push(slot);
    }

    /// Takes a flow out.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.set_witness(slot, NOBODY);
        let Flow { rate, hops, .. } = self.flows[slot as usize];
        let start = slot as usize * self.stride;
        for position in start..start + hops as usize {
            let Hop { link, place } = self.hops[position];
            let state = &mut self.links[link as usize];
            state.take(self.now, rate, 0);
            state.members.swap_remove(place as usize);
            if let Some(moved) = state.members.get(place as usize) {
                self.hops[moved.slot as usize * self.stride + moved.hop as usize].place = place;
            }
            self.left.push(link);
        }
    }

    /// Changes a link's capacity.
    pub(crate) fn set_capacity(&mut self, link: LinkId, capacity: BytesPerSec) {
        check_capacity(capacity);
        self.links[link.index()].capacity = capacity.get();
        self.changed.push(link.get());
    }

    /// The flows that the last solve looked at: no other's rate has changed.
    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Goes back to before the last solve, and takes out the flows that were new in it.
    pub(crate) fn undo(&mut self) {
        while let Some((slot, witness)) = self.witnesses_before.pop() {
            self.set_witness(slot, witness);
        }
        while let Some((link, level)) = self.levels_before.pop() {
            self.links[link as usize].level = level;
        }
        while let Some(Change { slot, old }) = self.changes.pop() {
            match old {
                Some(rate) => self.set_rate(slot, rate.get()),
                None => self.remove(slot),
            }
        }
        self.left.clear();
    }

    pub(crate) fn set_witness(&mut self, slot: u32, witness: u32) {
        let before = std::mem::replace(&mut self.flows[slot as usize].witness, witness);
        if let Some(link) = self.links.get_mut(before as usize) {
            link.held -= 1;
        }
        if let Some(link) = self.links.get_mut(witness as usize) {
            link.held += 1;
        }
    }

    /// Gives a flow another rate than it was found to have.
    fn set_rate(&mut self, slot: u32, rate: u64) {
        let Flow { rate: found, hops, .. } = self.flows[slot as usize];
        self.flows[slot as usize].rate = rate;
        let start = slot as usize * self.stride;
        for position in start..start + hops as usize {
            self.links[self.hops[position].link as usize].take(self.now, found, rate);
        }
    }
}

impl Link {
    /// A flow takes `new` from now on instead of `old`.
    #[inline]
    pub(crate) fn take(&mut self, now: SimTime, old: u64, new: u64) {
        self.taken.set(now, BytesPerSec::new(self.taken.rate().get() - old + new));
    }
}

/// Levels are sorted with two bits beside them.
fn check_capacity(capacity: BytesPerSec) {
    assert!(capacity.get() < 1 << 61, "a link of {} bytes per second", capacity.get());
}
