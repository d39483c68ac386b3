//! KV cache memory of one instance, in the engine's blocks.
//!
//! Every block is one of: private (the tail of a prompt and generated tokens), cached (part of a prefix block of
//! the trace, referenced by running requests or not), or free. Private and cached blocks are *reserved* until their
//! contents are there, and *used* from then on; free, used and reserved ones add up to the capacity after every
//! change. Unreferenced cached blocks are evicted when room is needed, so they count as available. Only whole
//! prefix blocks of the trace are cached: its ids say nothing about less. Generated tokens are freed at the end:
//! the trace gives a continuation's blocks new ids, so no later prompt could hit them.
//!
//! With a tier in host memory, evicted blocks are kept there, and a prompt that finds them there is granted them as
//! well; loading them takes time ([`HostTier`]).

use super::host_tier::HostTier;
use super::prefix_cache::{PrefixCache, Slot};
use netkv_units::BlockId;

/// A prompt as memory and engines see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prompt<'a> {
    /// Its length.
    pub input_tokens: u32,
    /// Its whole prefix blocks.
    pub prefix: &'a [BlockId],
}

/// What a request was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Prompt tokens whose KV cache was there already.
    pub hit_tokens: u32,
    /// Prompt tokens behind those whose KV cache is to be loaded from host memory.
    pub host_tokens: u32,
    /// Blocks of its own.
    pub private_blocks: u32,
    /// Its prefix blocks.
    pub holding: Holding,
}

impl Grant {
    /// Nothing.
    pub(crate) const NONE: Self = Self { hit_tokens: 0, host_tokens: 0, private_blocks: 0, holding: Holding::EMPTY };

    /// What is to be given back: prefix blocks and blocks of its own; none of a request without memory.
    pub(crate) fn held(&self) -> Option<(Holding, u32)> {
        (self.holding != Holding::EMPTY).then_some((self.holding, self.private_blocks))
    }
}

/// The prefix blocks that a request references; valid until they are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding(u32);

impl Holding {
    /// That of a request without memory.
    pub(crate) const EMPTY: Self = Self(u32::MAX);
}

/// The memory of one instance.
#[derive(Clone, Debug)]
pub struct KvMemory {
    capacity: u32,
    /// Private blocks whose contents are there, and those whose contents are to come.
    private_used: u32,
    private_reserved: u32,
    block_tokens: u32,
    /// Engine blocks of one prefix block.
    blocks_per_prefix: u32,
    cache: PrefixCache,
    caching: bool,
    host: Option<HostTier>,
    /// By holding: where its blocks are. And holdings that were released.
    holdings: Vec<Vec<Slot>>,
    spare: Vec<Holding>,
}

impl KvMemory {
    /// An empty memory of `capacity` blocks of `block_tokens` tokens; prefix blocks have `prefix_tokens`.
    ///
    /// # Panics
    /// If `block_tokens` does not divide `prefix_tokens`.
    pub fn new(capacity: u32, block_tokens: u32, prefix_tokens: u32, caching: bool) -> Self {
        assert_eq!(prefix_tokens % block_tokens, 0, "engine blocks divide prefix blocks");
        let blocks_per_prefix = prefix_tokens / block_tokens;
        Self {
            capacity,
            private_used: 0,
            private_reserved: 0,
            block_tokens,
            blocks_per_prefix,
            cache: PrefixCache::new(),
            caching,
            host: None,
            holdings: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// The same with a tier in host memory for `host_blocks` prefix blocks, if that is more than none.
    pub fn with_host_tier(self, host_blocks: u32) -> Self {
        let host = Some(HostTier::new(host_blocks)).filter(|_| host_blocks > 0 && self.caching);
        Self { host, ..self }
    }

    /// Blocks in all.
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Blocks that nothing holds.
    pub fn free(&self) -> u32 {
        self.capacity - self.private_used - self.private_reserved - self.cached()
    }

    /// Blocks with contents: of requests, and of prefixes that are kept.
    pub fn used(&self) -> u32 {
        self.private_used + self.cache.n_ready() as u32 * self.blocks_per_prefix
    }

    /// Blocks that are held for contents to come.
    pub fn reserved(&self) -> u32 {
        self.private_reserved + (self.cache.len() - self.cache.n_ready()) as u32 * self.blocks_per_prefix
    }

    /// Private blocks, used and reserved.
    pub const fn private(&self) -> (u32, u32) {
        (self.private_used, self.private_reserved)
    }

    /// References to cached blocks, of all requests together.
    pub fn references(&self) -> usize {
        self.cache.references()
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

    /// Whether [`Self::admit`] would find room.
    pub fn fits(&self, prefix: &[BlockId], input_tokens: u32, reserve: u32) -> bool {
        let shared = if self.caching { prefix } else { &[] };
        let found = self.cache.lookup(shared);
        let needed = self.blocks_for(input_tokens) - found.present as u32 * self.blocks_per_prefix;
        needed + reserve <= self.available() - found.idle as u32 * self.blocks_per_prefix
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
        let holding = self.spare.pop().unwrap_or_else(|| {
            self.holdings.push(Vec::new());
            Holding(self.holdings.len() as u32 - 1)
        });
        let slots = &mut self.holdings[holding.0 as usize];
        slots.clear();
        let found = self.cache.locate(shared, slots);
        let fresh = (shared.len() - found.present) as u32 * self.blocks_per_prefix;
        let private_blocks = self.blocks_for(input_tokens) - shared.len() as u32 * self.blocks_per_prefix;
        let needed = fresh + private_blocks;
        // Its own cached prefix is not evicted for it.
        if needed + reserve > self.available() - found.idle as u32 * self.blocks_per_prefix {
            self.spare.push(holding);
            return None;
        }
        // The hit blocks are referenced first, so that making room cannot evict them.
        self.cache.hold(&self.holdings[holding.0 as usize]);
        // Blocks behind the hit that somebody else is computing are not loaded.
        let absent = if found.present == found.ready { &shared[found.ready..] } else { &[] };
        let loaded = self.host.as_mut().map_or(0, |host| host.load(absent));
        self.make_room(needed);
        self.cache.enter(&shared[found.present..], &mut self.holdings[holding.0 as usize]);
        self.private_reserved += private_blocks;
        self.check();
        let tokens = |blocks: usize| blocks as u32 * self.prefix_tokens();
        Some(Grant { hit_tokens: tokens(found.ready), host_tokens: tokens(loaded), private_blocks, holding })
    }

    /// The contents of a prompt have arrived: its prefix blocks are hits from now on, its private blocks used.
    pub fn mark_ready(&mut self, holding: Holding, private_blocks: u32) {
        self.private_reserved -= private_blocks;
        self.private_used += private_blocks;
        self.cache.mark_ready(&self.holdings[holding.0 as usize]);
        self.check();
    }

    /// Takes `blocks` more private blocks.
    ///
    /// # Panics
    /// If they are not available.
    pub fn grow(&mut self, blocks: u32) {
        assert!(blocks <= self.available(), "{blocks} blocks of {} available", self.available());
        self.make_room(blocks);
        self.private_used += blocks;
        self.check();
    }

    /// Gives the room of a request with contents back; its prefix stays cached until it is evicted.
    pub fn release(&mut self, holding: Holding, private_blocks: u32) {
        assert!(private_blocks <= self.private_used, "{private_blocks} of {} private blocks", self.private_used);
        self.private_used -= private_blocks;
        self.cache.release(&self.holdings[holding.0 as usize]);
        self.spare.push(holding);
        self.check();
    }

    /// Gives the room of a request back whose contents have not come.
    pub(crate) fn abandon(&mut self, holding: Holding, private_blocks: u32) {
        assert!(private_blocks <= self.private_reserved, "{private_blocks} of {} blocks", self.private_reserved);
        self.private_reserved -= private_blocks;
        self.cache.release(&self.holdings[holding.0 as usize]);
        self.spare.push(holding);
        self.check();
    }

    fn make_room(&mut self, blocks: u32) {
        while self.free() < blocks {
            let block = self.cache.evict_oldest().expect("what is available can be evicted");
            if let Some(host) = &mut self.host {
                host.keep(block);
            }
        }
    }

    fn cached(&self) -> u32 {
        self.cache.len() as u32 * self.blocks_per_prefix
    }

    const fn prefix_tokens(&self) -> u32 {
        self.blocks_per_prefix * self.block_tokens
    }

    /// Free, used and reserved blocks add up to the capacity.
    fn check(&self) {
        let (used, reserved) = (self.used(), self.reserved());
        assert!(used + reserved <= self.capacity, "{used} used and {reserved} reserved of {}", self.capacity);
        assert_eq!(self.free() + used + reserved, self.capacity, "no block is lost");
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
        assert_eq!(grant, Grant { hit_tokens: 0, host_tokens: 0, private_blocks: 2, holding: Holding(0) });
        assert_eq!((memory.free(), memory.used(), memory.reserved()), (100 - 32 - 2, 0, 32 + 2));
        memory.mark_ready(grant.holding, 2);
        assert_eq!((memory.free(), memory.used(), memory.reserved()), (100 - 32 - 2, 32 + 2, 0));
        memory.release(grant.holding, 2);
        assert_eq!((memory.free(), memory.available()), (68, 100));
        assert_eq!(memory.hit_tokens(&blocks(&[1, 2])), 512);
    }

    #[test]
    fn room_is_made_by_evicting_idle_prefixes_but_not_those_being_hit() {
        let mut memory = KvMemory::new(64, 16, 512, true);
        for ids in [[1], [2]] {
            let grant = memory.admit(&blocks(&ids), 512, 0).expect("there is room");
            memory.mark_ready(grant.holding, 0);
            memory.release(grant.holding, 0);
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
        memory.mark_ready(grant.holding, 32);
        memory.release(grant.holding, 32);
        assert_eq!((memory.free(), memory.hit_tokens(&blocks(&[1]))), (64, 0));
    }

    /// Room for one prefix block on the GPU and for two on the host.
    #[test]
    fn evicted_blocks_are_found_in_host_memory_until_they_are_evicted_there() {
        let mut memory = KvMemory::new(64, 16, 512, true).with_host_tier(2);
        let mut serve = |ids: &[u32]| {
            let grant = memory.admit(&blocks(ids), 512 * ids.len() as u32, 0).expect("there is room");
            memory.mark_ready(grant.holding, 0);
            memory.release(grant.holding, 0);
            (grant.hit_tokens, grant.host_tokens)
        };
        assert_eq!(serve(&[1, 2]), (0, 0));
        assert_eq!(serve(&[3, 4]), (0, 0), "2 and 1 go to the host");
        assert_eq!(serve(&[1, 2]), (0, 1024), "they come back, 4 and 3 take their place");
        assert_eq!(serve(&[1, 5]), (512, 0), "2 goes to the host, where 4 is evicted");
        assert_eq!(serve(&[3]), (0, 512), "5 goes to the host; 3 is there, and newer than 2");
        assert_eq!(serve(&[1, 2]), (512, 0), "1 never left, and 2 is gone");
    }
}
