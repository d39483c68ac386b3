//! Max-min fair rates by progressive filling, in integers.
//!
//! All flows rise together; whenever a link is full its flows stop at the level reached, the rest rise on. In
//! rounds: each unfinished link could give its still rising flows an even share of what is left, rounded down; the
//! least share of all is the round's level; the flows of *every* link with that share, and flows with that cap,
//! stop at it. Because a round acts on all links of its level at once, rates do not depend on the order of flows or
//! links. Every flow ends within one byte per second, for each flow of its bottleneck, of the real-valued solution.
//!
//! Re-solving after a change. Let T be no more than the rate of any flow that left, nor than an even share of any
//! link that flows joined or whose capacity changed (old and new). Then every round below T is the same as before:
//! a flow that left at rate r was on no link that filled below r, and a link with n flows and capacity C cannot
//! fill below C / n. So flows slower than T keep their rates and count as used capacity, and only flows at T or
//! above that a chain of shared links connects to a change are solved again. The tests compare this with solving
//! everything from nothing, exactly.

use crate::network::FlowNetwork;
use netkv_units::{BytesPerSec, LinkId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A link's place in the present solve.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// Capacity left to the flows that still rise.
    left: u64,
    /// How many those are.
    rising: u64,
    /// The last solve that this entry was made for.
    epoch: u32,
}

/// What fills at a level: a link, or a flow that has a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Limit {
    Link(u32),
    Cap(u32),
}

/// The solver, with the memory that it uses again and again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Solver {
    /// Links that changes have touched since the last solve.
    touched: Vec<LinkId>,
    /// The T of the module's text.
    threshold: u64,
    epoch: u32,
    shares: Vec<Share>,
    /// The solve in which each flow was last found to rise, and whether it has stopped since.
    flow_epoch: Vec<(u32, bool)>,
    links: Vec<u32>,
    rising: Vec<u32>,
    heap: BinaryHeap<Reverse<(u64, Limit)>>,
    round: Vec<Limit>,
    solution: Vec<(u32, BytesPerSec)>,
}

impl Solver {
    /// A solver for `n_links` links, with nothing to solve.
    pub(crate) fn new(n_links: usize) -> Self {
        Self { shares: vec![Share::default(); n_links], threshold: u64::MAX, ..Self::default() }
    }

    /// Whether something has been touched since the last solve.
    pub(crate) const fn is_dirty(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Marks a link whose flows at `bound` or faster may have to change.
    pub(crate) fn touch(&mut self, link: LinkId, bound: u64) {
        self.touched.push(link);
        self.threshold = self.threshold.min(bound);
    }

    /// The rates that the last solve found, for the flows that it looked at.
    pub(crate) fn solution(&self) -> &[(u32, BytesPerSec)] {
        &self.solution
    }

    /// Forgets the changes.
    pub(crate) fn clear(&mut self) {
        self.touched.clear();
        self.threshold = u64::MAX;
    }

    /// Finds the rates of all flows that the changes can reach.
    pub(crate) fn solve(&mut self, network: &FlowNetwork) {
        self.epoch = self.epoch.checked_add(1).expect("fewer than 2^32 solves");
        self.flow_epoch.resize(network.flows.len(), (0, false));
        self.solution.clear();
        self.collect(network);
        self.prepare(network);
        self.fill(network);
    }

    /// Finds the flows and links within reach, breadth first.
    fn collect(&mut self, network: &FlowNetwork) {
        self.links.clear();
        self.rising.clear();
        for index in 0..self.touched.len() {
            let link = self.touched[index];
            self.reach_link(link, network);
        }
        let mut next = 0;
        while next < self.links.len() {
            let link = self.links[next] as usize;
            next += 1;
            for &slot in &network.links[link].flows {
                let flow = &network.flows[slot as usize];
                let reached = self.flow_epoch[slot as usize].0 == self.epoch;
                if reached || (!flow.fresh && flow.rate.get() < self.threshold) {
                    continue;
                }
                self.flow_epoch[slot as usize] = (self.epoch, false);
                self.rising.push(slot);
                for &other in network.path(slot) {
                    self.reach_link(other, network);
                }
            }
        }
    }

    fn reach_link(&mut self, link: LinkId, network: &FlowNetwork) {
        let share = &mut self.shares[link.index()];
        if share.epoch != self.epoch {
            let state = &network.links[link.index()];
            // May be negative until the rising flows' present rates are given back, if capacity was lost.
            *share =
                Share { left: state.capacity.get().wrapping_sub(state.allocated.get()), rising: 0, epoch: self.epoch };
            self.links.push(link.get());
        }
    }

    /// Gives the rising flows' present rates back to their links, and enters every limit at its first level.
    fn prepare(&mut self, network: &FlowNetwork) {
        for &slot in &self.rising {
            let rate = network.flows[slot as usize].rate.get();
            for link in network.path(slot) {
                let share = &mut self.shares[link.index()];
                share.left = share.left.wrapping_add(rate);
                share.rising += 1;
            }
        }
        let mut limits = std::mem::take(&mut self.heap).into_vec();
        limits.clear();
        for &link in &self.links {
            let share = self.shares[link as usize];
            if let Some(level) = share.left.checked_div(share.rising) {
                limits.push(Reverse((level, Limit::Link(link))));
            }
        }
        for &slot in &self.rising {
            let cap = network.flows[slot as usize].cap.get();
            if cap < u64::MAX {
                limits.push(Reverse((cap, Limit::Cap(slot))));
            }
        }
        self.heap = BinaryHeap::from(limits);
    }

    /// The rounds.
    fn fill(&mut self, network: &FlowNetwork) {
        while self.solution.len() < self.rising.len() {
            let level = self.next_level();
            let round = std::mem::take(&mut self.round);
            for &limit in &round {
                match limit {
                    Limit::Cap(slot) => self.stop(slot, level, network),
                    Limit::Link(link) => {
                        for &slot in &network.links[link as usize].flows {
                            self.stop(slot, level, network);
                        }
                    }
                }
            }
            self.round = round;
        }
    }

    /// The least level of all limits; `round` then holds every limit that has it. Shares only ever grow, so a
    /// limit whose entry is out of date is put back at its present level when it comes up.
    fn next_level(&mut self) -> u64 {
        self.round.clear();
        let mut level = u64::MAX;
        while let Some(&Reverse((entry, limit))) = self.heap.peek() {
            if entry > level {
                break;
            }
            self.heap.pop();
            let present = match limit {
                Limit::Cap(slot) if self.flow_epoch[slot as usize].1 => continue,
                Limit::Cap(_) => entry,
                Limit::Link(link) => match self.shares[link as usize] {
                    Share { rising: 0, .. } => continue,
                    share => share.left / share.rising,
                },
            };
            if present == entry {
                level = entry;
                self.round.push(limit);
            } else {
                self.heap.push(Reverse((present, limit)));
            }
        }
        assert!(!self.round.is_empty(), "every rising flow has a limit");
        level
    }

    /// Stops a flow at `level`, if it still rises.
    fn stop(&mut self, slot: u32, level: u64, network: &FlowNetwork) {
        if self.flow_epoch[slot as usize] != (self.epoch, false) {
            return;
        }
        self.flow_epoch[slot as usize].1 = true;
        self.solution.push((slot, BytesPerSec::new(level)));
        for link in network.path(slot) {
            let share = &mut self.shares[link.index()];
            share.left -= level;
            share.rising -= 1;
        }
    }
}
