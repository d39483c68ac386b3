//! One global block cache with least-recently-used eviction, at all sizes at once, through stack distances
//! (Mattson and others, 1970).
//!
//! A request touches its blocks from the leaf to the root, so a parent is always more recent than its children and a
//! cache of any size holds whole prefixes. Time within a request runs with its touches: a new leaf can push out a block
//! that the same request would have hit.

use crate::trace::Trace;
use serde::Serialize;

/// Cache sizes, in blocks: those for which the published traces were described.
const SIZES_BLOCKS: [u32; 10] = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 50_000, 100_000, 200_000];

/// Hits of a cache of one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LruPoint {
    /// Its size in blocks.
    pub cache_blocks: u32,
    /// The share of block touches that it holds.
    pub block_hit_fraction: f64,
}

/// How many different blocks were touched since the last touch of the same block, for each touch of a known block.
pub(super) struct StackDistances {
    /// Touches of the universal root.
    pub root: Vec<u32>,
    /// All others.
    pub below_root: Vec<u32>,
}

/// The distances of all touches, by a tree of counts over the times of last touches.
pub(super) fn stack_distances(trace: &Trace, root_depth: usize) -> StackDistances {
    let mut distances = StackDistances { root: Vec::new(), below_root: Vec::new() };
    let mut last_touches: Vec<Option<usize>> = vec![None; trace.n_blocks_distinct()];
    let mut live = CountTree::new(trace.n_blocks_total());
    let mut n_live = 0;
    let mut now = 0;
    for row in trace.rows() {
        for (depth, block) in trace.blocks(row).iter().enumerate().rev() {
            let last_touch = &mut last_touches[block.index()];
            if let Some(then) = *last_touch {
                let distance = n_live - live.count_up_to(then);
                let list = if depth < root_depth { &mut distances.root } else { &mut distances.below_root };
                list.push(distance);
                live.remove(then);
            } else {
                n_live += 1;
            }
            *last_touch = Some(now);
            live.add(now);
            now += 1;
        }
    }
    distances
}

/// The share of touches that hit, for each size.
pub(super) fn hit_curve(distances: &StackDistances, n_touches: usize) -> Vec<LruPoint> {
    let all = || distances.root.iter().chain(&distances.below_root);
    let n_hits = |size: u32| all().filter(|&&distance| distance < size).count();
    let point = |size| LruPoint { cache_blocks: size, block_hit_fraction: n_hits(size) as f64 / n_touches as f64 };
    SIZES_BLOCKS.map(point).to_vec()
}

/// Marks on a line of times, and how many lie at or before one (a Fenwick tree).
struct CountTree(Vec<u32>);

impl CountTree {
    fn new(n_times: usize) -> Self {
        Self(vec![0; n_times + 1])
    }

    fn add(&mut self, time: usize) {
        self.for_each_above(time, |count| *count += 1);
    }

    fn remove(&mut self, time: usize) {
        self.for_each_above(time, |count| *count -= 1);
    }

    fn for_each_above(&mut self, time: usize, change: impl Fn(&mut u32)) {
        let mut node = time + 1;
        while node < self.0.len() {
            change(&mut self.0[node]);
            node += node & node.wrapping_neg();
        }
    }

    /// How many marks lie at or before `time`.
    fn count_up_to(&self, time: usize) -> u32 {
        let mut node = time + 1;
        let mut count = 0;
        while node > 0 {
            count += self.0[node];
            node &= node - 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{SyntheticKind, generate};
    use netkv_units::BlockId;

    /// Distances by keeping the blocks in order of last touch.
    fn slow_distances(trace: &Trace, root_depth: usize, n_rows: usize) -> StackDistances {
        let mut distances = StackDistances { root: Vec::new(), below_root: Vec::new() };
        let mut recent_first: Vec<BlockId> = Vec::new();
        for row in &trace.rows()[..n_rows] {
            for (depth, block) in trace.blocks(row).iter().enumerate().rev() {
                if let Some(position) = recent_first.iter().position(|other| other == block) {
                    let list = if depth < root_depth { &mut distances.root } else { &mut distances.below_root };
                    list.push(u32::try_from(position).unwrap());
                    recent_first.remove(position);
                }
                recent_first.insert(0, *block);
            }
        }
        distances
    }

    #[test]
    fn distances_are_positions_in_the_list_of_recent_blocks() {
        let trace = generate(SyntheticKind::Conversation, 1);
        let fast = stack_distances(&trace, 1);
        let slow = slow_distances(&trace, 1, 500);
        assert!(slow.below_root.len() > 1_000 && slow.root.len() == 499);
        assert_eq!(fast.root[..slow.root.len()], slow.root);
        assert_eq!(fast.below_root[..slow.below_root.len()], slow.below_root);
    }
}
