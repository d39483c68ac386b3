//! Which prefixes were seen before, and by whom: an infinite prefix cache over dense block ids.
//!
//! Relies on the ids being a prefix tree (every block has one parent): the blocks of a request that were seen before
//! are then always its first ones.

use netkv_units::BlockId;

/// A block that no request has held.
const NOBODY: u32 = u32::MAX;

/// For each block, the last request that held it.
pub(crate) struct PrefixIndex {
    last_holder: Vec<u32>,
}

/// The part of a request that was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedPrefix {
    /// How many of its first blocks were seen before; at least one.
    pub n_blocks: usize,
    /// The last request that held the deepest of them.
    pub holder_idx: usize,
}

impl PrefixIndex {
    /// An index over ids below `n_distinct` that has seen nothing.
    pub(crate) fn new(n_distinct: usize) -> Self {
        Self { last_holder: vec![NOBODY; n_distinct] }
    }

    /// The longest prefix of `blocks` seen so far, if any.
    pub(crate) fn longest_seen(&self, blocks: &[BlockId]) -> Option<SharedPrefix> {
        // INVARIANT: seen blocks come first, since whoever held a block held its parent too.
        let n_blocks = blocks.partition_point(|block| self.last_holder[block.index()] != NOBODY);
        let deepest = blocks[..n_blocks].last()?;
        Some(SharedPrefix { n_blocks, holder_idx: self.last_holder[deepest.index()] as usize })
    }

    /// Records that request `holder_idx` holds `blocks`.
    pub(crate) fn insert(&mut self, blocks: &[BlockId], holder_idx: usize) {
        let holder = u32::try_from(holder_idx).expect("a trace has fewer than 2^32 requests");
        for block in blocks {
            self.last_holder[block.index()] = holder;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_holder_of_the_deepest_shared_block_is_found() {
        let ids = |numbers: &[u32]| numbers.iter().map(|&number| BlockId::new(number)).collect::<Vec<_>>();
        let mut index = PrefixIndex::new(5);
        assert_eq!(index.longest_seen(&ids(&[0, 1])), None);
        index.insert(&ids(&[0, 1, 2]), 0);
        index.insert(&ids(&[0, 3]), 1);
        let found = |n_blocks, holder_idx| Some(SharedPrefix { n_blocks, holder_idx });
        assert_eq!(index.longest_seen(&ids(&[0, 1, 4])), found(2, 0));
        assert_eq!(index.longest_seen(&ids(&[0, 4])), found(1, 1));
    }
}
