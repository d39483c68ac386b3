//! The steps of a solve to come: which has the least key, of many that change all the time.
//!
//! Keys are kept in blocks, and the least of a block is found when it is asked for and something in it has changed.
//! Changing a key is then little more than a store, and the search has no branch that is hard to predict; both a heap
//! and an eager tournament tree were slower on the fair sharing of a thousand flows, where some thirty keys take part
//! at once. Blocks grow with the number of keys, so that neither blocks nor keys in a block are many.

/// A block has 2 to the power of this many keys at first. Measured on those thirty: 8 keys are faster than 16 and 32.
const SMALLEST_BLOCK_LOG2: u32 = 3;
/// With more blocks than this, blocks get twice as large.
const MAX_BLOCKS: usize = 64;
/// Key of a place that takes no part.
pub(crate) const ABSENT: u64 = u64::MAX;

/// The keys, by place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    keys: Vec<u64>,
    blocks: Vec<Block>,
    block_log2: u32,
    /// Blocks in which something has changed.
    changed: Vec<u32>,
}

/// What is known of a block.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// Its least key and that key's place, if nothing has changed.
    least: u64,
    place: u32,
    is_changed: bool,
}

impl Steps {
    /// Takes all places out.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.blocks.clear();
        self.changed.clear();
        self.block_log2 = SMALLEST_BLOCK_LOG2;
    }

    /// Adds a place with a key.
    pub(crate) fn add(&mut self, key: u64) -> u32 {
        let place = self.keys.len();
        self.keys.push(ABSENT);
        if place >> self.block_log2 == self.blocks.len() {
            self.blocks.push(Block { least: ABSENT, place: 0, is_changed: false });
            if self.blocks.len() > MAX_BLOCKS {
                self.grow_blocks();
            }
        }
        self.set(place as u32, key);
        place as u32
    }

    fn grow_blocks(&mut self) {
        self.block_log2 += 1;
        self.blocks.truncate(((self.keys.len() - 1) >> self.block_log2) + 1);
        self.blocks.iter_mut().for_each(|block| block.is_changed = true);
        self.changed.clear();
        self.changed.extend(0..self.blocks.len() as u32);
    }

    /// Changes the key of a place.
    pub(crate) fn set(&mut self, place: u32, key: u64) {
        self.keys[place as usize] = key;
        let number = place >> self.block_log2;
        let block = &mut self.blocks[number as usize];
        if !block.is_changed {
            block.is_changed = true;
            self.changed.push(number);
        }
    }

    /// The least key and its place, the lowest among equals; none if all are absent.
    pub(crate) fn first(&mut self) -> Option<(u64, u32)> {
        while let Some(number) = self.changed.pop() {
            let start = (number as usize) << self.block_log2;
            let keys = &self.keys[start..self.keys.len().min(start + (1 << self.block_log2))];
            let (least, at) = least_of(keys.iter().copied());
            self.blocks[number as usize] = Block { least, place: (start + at) as u32, is_changed: false };
        }
        let (least, number) = least_of(self.blocks.iter().map(|block| block.least));
        (least < ABSENT).then(|| (least, self.blocks[number].place))
    }
}

/// The least key and its position, the first among equals.
fn least_of(keys: impl Iterator<Item = u64>) -> (u64, usize) {
    let (mut least, mut at) = (ABSENT, 0);
    for (position, key) in keys.enumerate() {
        (least, at) = if key < least { (key, position) } else { (least, at) };
    }
    (least, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::Stream;

    #[test]
    fn the_first_is_the_least_key_at_the_lowest_place_whatever_was_changed() {
        let mut stream = Stream::new(1, "steps");
        let mut steps = Steps::default();
        for _ in 0..20 {
            let mut keys: Vec<u64> = Vec::new();
            steps.clear();
            for _ in 0..3000 {
                if stream.below(2) == 0 {
                    assert_eq!(steps.add(ABSENT) as usize, keys.len());
                    keys.push(ABSENT);
                }
                if !keys.is_empty() {
                    let place = stream.below(keys.len() as u64) as usize;
                    keys[place] = if stream.below(4) == 0 { ABSENT } else { stream.below(50) };
                    steps.set(place as u32, keys[place]);
                }
                let expected = keys.iter().zip(0..).filter(|(key, _)| **key < ABSENT).min();
                assert_eq!(steps.first(), expected.map(|(&key, place)| (key, place)));
            }
        }
    }
}
