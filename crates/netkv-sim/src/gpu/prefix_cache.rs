//! A prefix cache: which prefix blocks an instance holds, in least-recently-used order.
//!
//! A block's id stands for the whole prefix up to its end, so a hit is a run of leading ids. Blocks in use by
//! requests are referenced and cannot be evicted. Blocks nobody uses are evicted least recently used first, and
//! a block is released before its parent, so a parent always outlives its children: what is held stays a set of
//! whole prefixes. A block is *ready* once its contents are there; until then it takes room but is no hit.
//! A tier in host memory is another cache of the same kind, in which nothing is referenced (`host_tier`).

use hashbrown::HashTable;
use netkv_units::BlockId;

/// No node: the end of the list.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Node {
    block: BlockId,
    refs: u32,
    ready: bool,
    /// Neighbours in the list of unreferenced nodes.
    older: u32,
    newer: u32,
}

/// What an instance holds of a prompt's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixMatch {
    /// Leading blocks that have room already.
    pub present: usize,
    /// Leading blocks whose contents are there: the hit.
    pub ready: usize,
    /// Of the present ones, those that nobody references, and that using them makes unevictable.
    pub idle: usize,
}

/// Where a block that is referenced is kept: of use until it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u32);

/// The blocks of one instance.
#[derive(Clone, Debug, Default)]
pub struct PrefixCache {
    /// Blocks and their slots.
    index: HashTable<(BlockId, u32)>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    oldest: Option<u32>,
    newest: Option<u32>,
    n_idle: usize,
    n_ready: usize,
}

/// A fixed hash (the multiplicative one), so that the table is the same on every machine; its order is never seen.
fn hash(block: BlockId) -> u64 {
    u64::from(block.get()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl PrefixCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Blocks held, referenced or not.
    pub fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Blocks that nobody references: those that can be evicted.
    pub const fn n_idle(&self) -> usize {
        self.n_idle
    }

    /// Blocks whose contents are there.
    pub const fn n_ready(&self) -> usize {
        self.n_ready
    }

    /// References to all blocks together, counted anew.
    pub fn references(&self) -> usize {
        self.nodes.iter().map(|node| node.refs as usize).sum()
    }

    /// Whether a block's contents are there.
    pub fn has(&self, block: BlockId) -> bool {
        self.find(block).is_some_and(|slot| self.nodes[slot as usize].ready)
    }

    /// What is held of a prompt.
    pub fn lookup(&self, blocks: &[BlockId]) -> PrefixMatch {
        self.find_prefix(blocks, |_| {})
    }

    /// What is held of a prompt, and where: adds the slots of the blocks that are present.
    pub fn locate(&self, blocks: &[BlockId], slots: &mut Vec<Slot>) -> PrefixMatch {
        self.find_prefix(blocks, |slot| slots.push(Slot(slot)))
    }

    fn find_prefix(&self, blocks: &[BlockId], mut see: impl FnMut(u32)) -> PrefixMatch {
        let mut found = PrefixMatch { present: 0, ready: 0, idle: 0 };
        for &block in blocks {
            let Some(slot) = self.find(block) else { break };
            see(slot);
            let node = &self.nodes[slot as usize];
            if node.ready && found.ready == found.present {
                found.ready += 1;
            }
            found.present += 1;
            found.idle += usize::from(node.refs == 0);
        }
        found
    }

    /// References blocks that are present.
    pub fn hold(&mut self, slots: &[Slot]) {
        for &Slot(slot) in slots {
            if self.nodes[slot as usize].refs == 0 {
                self.unlink(slot);
            }
            self.nodes[slot as usize].refs += 1;
        }
    }

    /// Enters blocks that are not present, referenced and not ready yet; adds their slots.
    pub fn enter(&mut self, blocks: &[BlockId], slots: &mut Vec<Slot>) {
        slots.extend(blocks.iter().map(|&block| Slot(self.insert(block))));
    }

    /// References every block of a prompt, and says where they are; those that were not present are entered.
    pub fn acquire(&mut self, blocks: &[BlockId]) -> Vec<Slot> {
        let mut slots = Vec::with_capacity(blocks.len());
        let present = self.locate(blocks, &mut slots).present;
        self.hold(&slots);
        self.enter(&blocks[present..], &mut slots);
        slots
    }

    /// Marks blocks as ready.
    pub fn mark_ready(&mut self, slots: &[Slot]) {
        for &Slot(slot) in slots {
            let node = &mut self.nodes[slot as usize];
            self.n_ready += usize::from(!node.ready);
            node.ready = true;
        }
    }

    /// Gives back one reference to every block of a prompt, the last block first.
    ///
    /// # Panics
    /// If one of them is not referenced.
    pub fn release(&mut self, slots: &[Slot]) {
        for &Slot(slot) in slots.iter().rev() {
            let node = &mut self.nodes[slot as usize];
            assert!(node.refs > 0, "block {:?} is released more often than acquired", node.block);
            node.refs -= 1;
            if node.refs == 0 {
                self.link_newest(slot);
            }
        }
    }

    /// Drops the least recently used block that nobody references, and says which; none if there is none.
    pub fn evict_oldest(&mut self) -> Option<BlockId> {
        let slot = self.oldest?;
        self.unlink(slot);
        let Node { block, ready, .. } = self.nodes[slot as usize];
        self.n_ready -= usize::from(ready);
        let entry = self.index.find_entry(hash(block), |&(other, _)| other == block);
        entry.expect("a held block is in the index").remove();
        self.free.push(slot);
        Some(block)
    }

    fn find(&self, block: BlockId) -> Option<u32> {
        self.index.find(hash(block), |&(other, _)| other == block).map(|&(_, slot)| slot)
    }

    fn insert(&mut self, block: BlockId) -> u32 {
        let node = Node { block, refs: 1, ready: false, older: NONE, newer: NONE };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot as usize] = node;
                slot
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        };
        self.index.insert_unique(hash(block), (block, slot), |&(other, _)| hash(other));
        slot
    }

    fn link_newest(&mut self, slot: u32) {
        self.nodes[slot as usize].older = self.newest.unwrap_or(NONE);
        self.nodes[slot as usize].newer = NONE;
        match self.newest {
            Some(newest) => self.nodes[newest as usize].newer = slot,
            None => self.oldest = Some(slot),
        }
        self.newest = Some(slot);
        self.n_idle += 1;
    }

    fn unlink(&mut self, slot: u32) {
        let Node { older, newer, .. } = self.nodes[slot as usize];
        let some = |neighbour: u32| (neighbour != NONE).then_some(neighbour);
        match some(older) {
            Some(older) => self.nodes[older as usize].newer = newer,
            None => self.oldest = some(newer),
        }
        match some(newer) {
            Some(newer) => self.nodes[newer as usize].older = older,
            None => self.newest = some(older),
        }
        self.n_idle -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::Stream;

    fn blocks(ids: &[u32]) -> Vec<BlockId> {
        ids.iter().map(|&id| BlockId::new(id)).collect()
    }

    #[test]
    fn a_hit_is_a_run_of_leading_ready_blocks() {
        let mut cache = PrefixCache::new();
        let slots = cache.acquire(&blocks(&[1, 2, 3]));
        assert_eq!(cache.lookup(&blocks(&[1, 2, 9])), PrefixMatch { present: 2, ready: 0, idle: 0 });
        cache.mark_ready(&slots[..1]);
        assert_eq!(cache.lookup(&blocks(&[1, 2, 9])), PrefixMatch { present: 2, ready: 1, idle: 0 });
        assert_eq!(cache.lookup(&blocks(&[2, 3])).ready, 0, "block 2 is not ready");
        cache.release(&slots);
        assert_eq!(cache.lookup(&blocks(&[1, 2, 3])), PrefixMatch { present: 3, ready: 1, idle: 3 });
    }

    #[test]
    fn referenced_blocks_are_never_evicted_and_leaves_go_before_parents() {
        let mut cache = PrefixCache::new();
        cache.acquire(&blocks(&[1, 2]));
        let slots = cache.acquire(&blocks(&[1, 3, 4]));
        cache.release(&slots);
        assert_eq!(cache.evict_oldest(), Some(BlockId::new(4)), "the leaf goes first");
        assert_eq!(cache.evict_oldest(), Some(BlockId::new(3)));
        assert_eq!(cache.evict_oldest(), None, "1 and 2 are in use");
        assert_eq!(cache.len(), 2);
    }

    /// Against an obvious LRU: a list of blocks, each touch leaf to root moves to the end.
    #[test]
    fn hits_equal_those_of_a_plain_list() {
        let mut stream = Stream::new(5, "prefix cache");
        let (mut cache, mut list, capacity) = (PrefixCache::new(), Vec::<BlockId>::new(), 40);
        for _ in 0..5000 {
            let session = stream.below(12) as u32;
            let prompt: Vec<_> =
                (0..1 + stream.below(8) as u32).map(|depth| BlockId::new(session * 8 + depth)).collect();
            let expected = prompt.iter().take_while(|block| list.contains(block)).count();
            assert_eq!(cache.lookup(&prompt).ready, expected);
            let slots = cache.acquire(&prompt);
            cache.mark_ready(&slots);
            cache.release(&slots);
            for &block in prompt.iter().rev() {
                list.retain(|&other| other != block);
                list.push(block);
            }
            while cache.len() > capacity {
                assert_eq!(cache.evict_oldest(), Some(list.remove(0)));
            }
            assert_eq!(cache.len(), list.len());
        }
    }
}
