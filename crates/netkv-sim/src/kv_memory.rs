//! KV cache memory of one instance, in the engine's blocks.
//!
//! Every block is one of: private (the tail of a prompt and generated tokens), cached (part of a prefix block of
//! the trace, referenced by running requests or not), or free; the three add up to the capacity after every
//! change. Unreferenced cached blocks are evicted when room is needed, so they count as available. Only whole
//! prefix blocks of the trace are cached: its ids say nothing about less. Generated tokens are freed at the end:
//! the trace gives a continuation's blocks new ids, so no later prompt could hit them.

use crate::prefix_cache::PrefixCache;
use netkv_units::BlockId;

/// What a request was granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Prompt tokens whose KV cache was there already.
    pub hit_tokens: u32,
    /// Blocks of its own.
    pub private_blocks: u32,
}

/// The memory of one instance.
#[derive(Clone, Debug)]
pub struct KvMemory {
    capacity: u32,
    private: u32,
    block_tokens: u32,
    /// Engine blocks of one prefix block.
    blocks_per_prefix: u32,
    cache: PrefixCache,
    caching: bool,
}

impl KvMemory {
    /// An empty memory of `capacity` blocks of `block_tokens` tokens; prefix blocks have `prefix_tokens`.
    ///
    /// # Panics
    /// If `block_tokens` does not divide `prefix_tokens`.
    pub fn new(capacity: u32, block_tokens: u32, prefix_tokens: u32, caching: bool) -> Self {
        assert_eq!(prefix_tokens % block_tokens, 0, "engine blocks divide prefix blocks");
        let blocks_per_prefix = prefix_tokens / block_tokens;
        Self { capacity, private: 0, block_tokens, blocks_per_prefix, cache: PrefixCache::new(), caching }
    }

    /// Blocks in all.
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Blocks that nothing holds.
    pub fn free(&self) -> u32 {
        self.capacity - self.private - self.cached()
    }

    /// Blocks that can be had: free ones and those of evictable prefixes.
    pub fn available(&self) -> u32 {
        self.free() + self.cache.n_idle() as u32 * self.blocks_per_prefix
    }

    /// Blocks that a prompt could have beside those that are held of it: its own cached prefix is not evicted for it.
    pub fn available_besides(&self, prefix: &[BlockId]) -> u32 {
        let shared = if self.caching { prefix } else { &[] };
        self.available() - self.cache.lookup(shared).idle as u32 * self.blocks_per_prefix
    }

    /// Blocks for `tokens` tokens.
    pub const fn blocks_for(&self, tokens: u32) -> u32 {
        tokens.div_ceil(self.block_tokens)
    }

    /// Prompt tokens that are there already.
    pub fn hit_tokens(&self, prefix: &[BlockId]) -> u32 {
        if self.caching { self.cache.lookup(prefix).ready as u32 * self.prefix_tokens() } else { 0 }
    }

    /// Takes room for a prompt of `input_tokens`, whose whole prefix blocks are `prefix`, if `reserve` blocks stay
    /// available afterwards; none if there is not enough.
    pub fn admit(&mut self, prefix: &[BlockId], input_tokens: u32, reserve: u32) -> Option<Grant> {
        let shared = if self.caching { prefix } else { &[] };
        let found = self.cache.lookup(shared);
        let fresh = (shared.len() - found.present) as u32 * self.blocks_per_prefix;
        let private_blocks = self.blocks_for(input_tokens) - shared.len() as u32 * self.blocks_per_prefix;
        let needed = fresh + private_blocks;
        if needed + reserve > self.available_besides(prefix) {
            return None;
        }
        // The hit blocks are referenced first, so that making room cannot evict them.
        self.cache.acquire(&shared[..found.present]);
        self.make_room(needed);
        self.cache.acquire(&shared[found.present..]);
        self.private += private_blocks;
        self.check();
        Some(Grant { hit_tokens: found.ready as u32 * self.prefix_tokens(), private_blocks })
    }

    /// The contents of a prompt's prefix blocks have arrived.
    pub fn mark_ready(&mut self, prefix: &[BlockId]) {
        if self.caching {
            self.cache.mark_ready(prefix);
        }
    }

    /// Takes `blocks` more private blocks.
    ///
    /// # Panics
    /// If they are not available.
    pub fn grow(&mut self, blocks: u32) {
        assert!(blocks <= self.available(), "{blocks} blocks of {} available", self.available());
        self.make_room(blocks);
        self.private += blocks;
    }

    /// Gives a request's room back; its prefix stays cached until it is evicted.
    pub fn release(&mut self, prefix: &[BlockId], private_blocks: u32) {
        assert!(private_blocks <= self.private, "{private_blocks} of {} private blocks", self.private);
        self.private -= private_blocks;
        if self.caching {
            self.cache.release(prefix);
        }
        self.check();
    }

    fn make_room(&mut self, blocks: u32) {
        while self.free() < blocks {
            assert!(self.cache.evict_oldest(), "what is available can be evicted");
        }
    }

    fn cached(&self) -> u32 {
        self.cache.len() as u32 * self.blocks_per_prefix
    }

    const fn prefix_tokens(&self) -> u32 {
        self.blocks_per_prefix * self.block_tokens
    }

    /// Free, private and cached blocks add up to the capacity.
    fn check(&self) {
        assert!(self.private + self.cached() <= self.capacity, "{} + {}", self.private, self.cached());
        assert_eq!(self.free() + self.private + self.cached(), self.capacity, "no block is lost");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(ids: &[u32]) -> Vec<BlockId> {
        ids.iter().map(|&id| BlockId::new(id)).collect()
    }

    #[test]
    fn a_prompt_takes_whole_prefix_blocks_and_a_private_tail() {
        let mut memory = KvMemory::new(100, 16, 512, true);
        let grant = memory.admit(&blocks(&[1]), 512 + 17, 0).expect("there is room");
        assert_eq!(grant, Grant { hit_tokens: 0, private_blocks: 2 });
        assert_eq!(memory.free(), 100 - 32 - 2);
        memory.mark_ready(&blocks(&[1]));
        memory.release(&blocks(&[1]), 2);
        assert_eq!((memory.free(), memory.available()), (68, 100));
        assert_eq!(memory.hit_tokens(&blocks(&[1, 2])), 512);
    }

    #[test]
    fn room_is_made_by_evicting_idle_prefixes_but_not_those_being_hit() {
        let mut memory = KvMemory::new(64, 16, 512, true);
        for ids in [[1], [2]] {
            memory.admit(&blocks(&ids), 512, 0).expect("there is room");
            memory.mark_ready(&blocks(&ids));
            memory.release(&blocks(&ids), 0);
        }
        assert!(memory.admit(&blocks(&[1, 3, 4]), 1536, 0).is_none(), "three blocks do not fit two");
        assert_eq!((memory.available(), memory.available_besides(&blocks(&[1, 3, 4]))), (64, 32));
        let grant = memory.admit(&blocks(&[1, 3]), 1024, 0).expect("2 is evicted");
        assert_eq!(grant.hit_tokens, 512);
        assert_eq!(memory.hit_tokens(&blocks(&[2])), 0);
    }

    #[test]
    fn a_reserve_is_kept() {
        let mut memory = KvMemory::new(10, 16, 512, true);
        assert!(memory.admit(&[], 9 * 16, 2).is_none());
        assert!(memory.admit(&[], 8 * 16, 2).is_some());
    }

    #[test]
    fn without_caching_everything_is_private_and_nothing_hits() {
        let mut memory = KvMemory::new(64, 16, 512, false);
        let grant = memory.admit(&blocks(&[1]), 512, 0).expect("there is room");
        assert_eq!(grant.private_blocks, 32);
        memory.mark_ready(&blocks(&[1]));
        memory.release(&blocks(&[1]), 32);
        assert_eq!((memory.free(), memory.hit_tokens(&blocks(&[1]))), (64, 0));
    }
}
