//! The steps of a solve to come: which has the least key, of many that change all the time.
//!
//! Keys are kept in blocks, and the least of a block is found when it is asked for and something in it has changed;
//! so are the blocks' least keys where there are many, and so on. Changing a key is then little more than a store, and
//! the search has no branch that is hard to predict; both a heap and an eager tournament tree were slower on the fair
//! sharing of a thousand flows, where some thirty keys take part at once.

/// Entries of a block. Measured on those thirty: 8 is faster than 16 and 32.
const BLOCK: usize = 8;
/// Key of a place that takes no part.
pub(crate) const ABSENT: u64 = u64::MAX;

/// The keys, by place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    keys: Vec<u64>,
    /// A node for each block of keys.
    base: Round,
    /// Where there are many: each round has a node for each block of nodes in the round before it, the last one is a
    /// single block. Those beyond `height` are kept for their memory.
    upper: Vec<Round>,
    height: usize,
}

#[derive(Clone, Debug, Default)]
struct Round {
    nodes: Vec<Node>,
    /// Nodes under which something has changed.
    changed: Vec<u32>,
}

/// What is known of a block.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Its least key and that key's place, if nothing has changed.
    least: u64,
    place: u32,
    is_changed: bool,
}

impl Round {
    #[inline]
    fn mark(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if !node.is_changed {
            node.is_changed = true;
            self.changed.push(number as u32);
        }
    }

    fn clear(&mut self) {
        self.nodes.clear();
        self.changed.clear();
    }

    fn grow(&mut self) {
        self.nodes.push(Node { least: ABSENT, place: 0, is_changed: false });
    }
}

impl Steps {
    /// Takes all places out.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.base.clear();
        self.upper[..self.height].iter_mut().for_each(Round::clear);
        self.height = 0;
    }

    /// Adds a place with a key.
    pub(crate) fn add(&mut self, key: u64) -> u32 {
        let place = self.keys.len();
        self.keys.push(ABSENT);
        if place.is_multiple_of(BLOCK) {
            self.base.grow();
            if place >= BLOCK * BLOCK {
                self.grow_upper();
            }
        }
        self.set(place as u32, key);
        place as u32
    }

    /// Brings the upper rounds up to the number of nodes below them.
    fn grow_upper(&mut self) {
        let mut below = self.base.nodes.len();
        for round in 0.. {
            if round == self.height {
                if below <= BLOCK {
                    return;
                }
                if self.upper.len() == self.height {
                    self.upper.push(Round::default());
                }
                self.height += 1;
            }
            let round = &mut self.upper[round];
            while round.nodes.len() < below.div_ceil(BLOCK) {
                round.grow();
                round.mark(round.nodes.len() - 1);
            }
            below = round.nodes.len();
        }
    }

    /// Changes the key of a place.
    #[inline]
    pub(crate) fn set(&mut self, place: u32, key: u64) {
        self.keys[place as usize] = key;
        self.base.mark(place as usize / BLOCK);
    }

    /// The least key and its place, the lowest among equals; none if all are absent.
    pub(crate) fn first(&mut self) -> Option<(u64, u32)> {
        while let Some(number) = self.base.changed.pop() {
            let start = number as usize * BLOCK;
            let keys = &self.keys[start..self.keys.len().min(start + BLOCK)];
            let (least, at) = least_of(keys.iter().copied());
            self.base.nodes[number as usize] = Node { least, place: (start + at) as u32, is_changed: false };
            if self.height > 0 {
                self.upper[0].mark(number as usize / BLOCK);
            }
        }
        (0..self.height).for_each(|round| self.update(round));
        let top = if self.height == 0 { &self.base.nodes } else { &self.upper[self.height - 1].nodes };
        let (least, number) = least_of(top.iter().map(|node| node.least));
        (least < ABSENT).then(|| (least, top[number].place))
    }

    /// Brings an upper round up to date with the one below it.
    fn update(&mut self, round: usize) {
        while let Some(number) = self.upper[round].changed.pop() {
            let start = number as usize * BLOCK;
            let below = if round == 0 { &self.base.nodes } else { &self.upper[round - 1].nodes };
            let below = &below[start..below.len().min(start + BLOCK)];
            let (least, at) = least_of(below.iter().map(|node| node.least));
            self.upper[round].nodes[number as usize] = Node { least, place: below[at].place, is_changed: false };
            if round + 1 < self.height {
                self.upper[round + 1].mark(number as usize / BLOCK);
            }
        }
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
        for _ in 0..100 {
            let mut keys: Vec<u64> = Vec::new();
            steps.clear();
            for _ in 0..600 {
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
