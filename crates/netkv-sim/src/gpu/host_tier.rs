//! A second tier of a prefix cache, in host memory: blocks that the GPUs evict are kept there, and loaded again when a
//! prompt begins with them.
//!
//! Least recently used first out, where a block is used when it is evicted to the host or loaded from it. GPUs evict
//! children before parents, and a prompt touches its last block first, so here too a parent outlives its children.
//! Writing to the host takes no time: it needs no place in the critical path. Source: the offloading of vLLM and
//! Mooncake's store, as far as a cache of whole prefix blocks goes.

use super::prefix_cache::{PrefixCache, Slot};
use netkv_units::BlockId;

/// The blocks that an instance keeps in host memory.
#[derive(Clone, Debug)]
pub struct HostTier {
    cache: PrefixCache,
    capacity: usize,
    /// Memory that is used again and again.
    slots: Vec<Slot>,
}

impl HostTier {
    /// An empty tier for `capacity` blocks.
    pub fn new(capacity: u32) -> Self {
        Self { cache: PrefixCache::new(), capacity: capacity as usize, slots: Vec::new() }
    }

    /// Keeps a block that was evicted.
    pub fn keep(&mut self, block: BlockId) {
        self.touch(block);
        while self.cache.len() > self.capacity {
            self.cache.evict_oldest().expect("nothing here is referenced");
        }
    }

    /// How many of `blocks`, from the first on, are here; they are used by that.
    pub fn load(&mut self, blocks: &[BlockId]) -> usize {
        let n = blocks.iter().take_while(|&&block| self.cache.has(block)).count();
        for &block in blocks[..n].iter().rev() {
            self.touch(block);
        }
        n
    }

    fn touch(&mut self, block: BlockId) {
        let slots = &mut self.slots;
        slots.clear();
        if self.cache.locate(&[block], slots).present == 1 {
            self.cache.hold(slots);
        } else {
            self.cache.enter(&[block], slots);
            self.cache.mark_ready(slots);
        }
        self.cache.release(slots);
    }
}
