//! Prefixes that are drawn, not recorded: none at all, or some in common. (Those of sessions that are drawn are in
//! `synthetic::attributed`.)
//!
//! The paper (arXiv 2606.03910, section IV) gives each workload a probability p_share that a prompt shares a prefix, and
//! does not print whose, how long, or with how many others. Ours: a prompt that shares belongs to one of a number of
//! groups, uniformly, and begins with the prefix of its group, a fixed number of tokens, cut to the whole blocks that it
//! has; the rest of it, and all of the others, is its own. Each row of the trace draws whether it shares and its group
//! in trace order, the same ones whatever the window, the lengths that are kept and p_share: a higher probability only
//! adds sharers.

use super::context::{Context, Prompt, Reshaped};
use crate::trace::{Trace, n_blocks_of};
use netkv_units::{BlockId, Stream};

/// Who shares a prefix with whom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prefixes {
    /// As the ids of the trace say; nobody where it has none.
    Trace,
    /// Nobody.
    None,
    /// Groups of prompts.
    Shared {
        /// Probability that a prompt belongs to a group, in [0, 1].
        share_ratio: f64,
        /// How many groups there are, at least one.
        groups: u32,
        /// Tokens of a group's prefix, whole blocks of it.
        prefix_tokens: u32,
    },
    /// Turns of sessions that are drawn: a prompt begins as the one before it in its session, as far as the fit of the
    /// conversation trace says.
    Sessions,
}

impl Prefixes {
    pub(super) fn check(self, block_tokens: u32) {
        if let Self::Shared { share_ratio, groups, prefix_tokens } = self {
            assert!((0.0..=1.0).contains(&share_ratio), "{share_ratio} is no probability");
            assert!(groups > 0, "who shares belongs to a group");
            assert_eq!(prefix_tokens % block_tokens, 0, "a prefix is of whole blocks");
        }
    }
}

/// The prompts of the rows of `trace` at the positions `kept`, with drawn prefixes.
pub(super) fn drawn_prompts(
    trace: &Trace,
    kept: &[usize],
    context: Context,
    prefixes: Prefixes,
    seed: u64,
) -> Reshaped {
    let (share_ratio, groups, prefix_tokens) = match prefixes {
        Prefixes::Trace | Prefixes::None | Prefixes::Sessions => (0.0, 1, 0),
        Prefixes::Shared { share_ratio, groups, prefix_tokens } => (share_ratio, groups, prefix_tokens),
    };
    let block_tokens = trace.block_tokens();
    let mut stream = Stream::new(seed, "prefixes");
    // By group: its blocks, as far as they were needed.
    let mut group_blocks: Vec<Vec<BlockId>> = vec![Vec::new(); groups as usize];
    let (mut prompts, mut blocks, mut n_distinct, mut n_drawn) = (Vec::with_capacity(kept.len()), Vec::new(), 0, 0);
    let mut fresh = || {
        n_distinct += 1;
        BlockId::from_index(n_distinct - 1)
    };
    for &row_idx in kept {
        let (mut shares, mut group) = (false, 0);
        while n_drawn <= row_idx {
            (shares, group) = (stream.unit() < share_ratio, stream.below(u64::from(groups)) as usize);
            n_drawn += 1;
        }
        let input_tokens = context.apply(trace.rows()[row_idx].input_tokens);
        let first_block = blocks.len();
        let whole = input_tokens.min(prefix_tokens) / block_tokens;
        let n_shared = if shares { whole as usize } else { 0 };
        let own_group = &mut group_blocks[group];
        while own_group.len() < n_shared {
            own_group.push(fresh());
        }
        blocks.extend_from_slice(&own_group[..n_shared]);
        blocks.extend((n_shared..n_blocks_of(input_tokens, block_tokens)).map(|_| fresh()));
        prompts.push(Prompt { input_tokens, first_block });
    }
    Reshaped { prompts, blocks, n_distinct }
}
