//! Chains of block ids, so that equal ids mean equal prefixes whatever the file's own ids mean.
//!
//! Some traces number a block by its content alone, others by its content and all before it. Here a block is told by its
//! id and the block before it, which is the latter for both.

use netkv_units::BlockId;
use std::collections::BTreeMap;

/// The blocks seen so far, numbered in order of first appearance.
#[derive(Default)]
pub(super) struct Chains {
    /// Of each block: the file's id of the first block that followed it, and that block. Most blocks have no other.
    first_children: Vec<Option<(u64, BlockId)>>,
    /// The other blocks, and those that begin a prompt, by what they follow.
    others: BTreeMap<(Option<BlockId>, u64), BlockId>,
}

impl Chains {
    /// Appends the blocks of a prompt: those of `ids`, then `n_own` of its own.
    pub(super) fn append(&mut self, ids: &[u64], n_own: usize, blocks: &mut Vec<BlockId>) {
        let mut parent = None;
        for &id in ids {
            let block = self.child(parent, id);
            blocks.push(block);
            parent = Some(block);
        }
        for _ in 0..n_own {
            blocks.push(self.fresh());
        }
    }

    fn child(&mut self, parent: Option<BlockId>, id: u64) -> BlockId {
        if let Some(parent) = parent {
            match self.first_children[parent.index()] {
                None => {
                    let block = self.fresh();
                    self.first_children[parent.index()] = Some((id, block));
                    return block;
                }
                Some((first_id, block)) if first_id == id => return block,
                Some(_) => {}
            }
        }
        if let Some(&block) = self.others.get(&(parent, id)) {
            return block;
        }
        let block = self.fresh();
        self.others.insert((parent, id), block);
        block
    }

    fn fresh(&mut self) -> BlockId {
        self.first_children.push(None);
        BlockId::from_index(self.first_children.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_after_two_others_is_two_blocks() {
        let (mut chains, mut blocks) = (Chains::default(), Vec::new());
        chains.append(&[5, 7], 0, &mut blocks);
        chains.append(&[6, 7], 0, &mut blocks);
        chains.append(&[5, 7, 7], 1, &mut blocks);
        chains.append(&[5, 8], 0, &mut blocks);
        let numbers: Vec<usize> = blocks.iter().map(|block| block.index()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 0, 1, 4, 5, 0, 6]);
    }
}
