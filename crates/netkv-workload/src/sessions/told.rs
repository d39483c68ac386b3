//! Which rows of a trace are of one session.
//!
//! Where the file names its chats, those are the sessions: a row belongs to that of its parent. Where it has block ids
//! alone, the rule is ours: rows are of one session if they agree in the first block that is not common. A block is common
//! if more than 32 different blocks follow it, as behind a system prompt or the prompt of a tool; if a common one follows
//! it; or if every row begins with it. A row of common blocks alone is a session of its own.
//!
//! In the published conversation trace 7,373 blocks follow the first one, and no other block has more than 11 followers.
//! In generated ones the rule joins no two of the generator's own sessions, and splits fewer than 1 %: those that begin
//! with one whole block, which is the common one.

use crate::trace::Trace;
use netkv_units::BlockId;
use std::collections::BTreeMap;

/// More different blocks than this follow a common one. Chosen by us, between the 11 and the 7,373 of the published trace.
const FEW_FOLLOWERS: u32 = 32;

/// How the sessions of a trace are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// By the chats that the file, or the generator, names.
    Chats,
    /// By chains of block ids.
    Prefixes,
}

impl Trace {
    /// How its sessions are told; nothing if it names no chats and records no prefixes.
    pub fn sessions_told(&self) -> Option<Told> {
        match self.chats() {
            Some(_) => Some(Told::Chats),
            None => self.has_prefixes().then_some(Told::Prefixes),
        }
    }
}

/// The session of each row, numbered in order of first appearance; none if the trace does not tell.
pub(super) fn told(trace: &Trace) -> Option<Vec<u32>> {
    match trace.sessions_told()? {
        Told::Chats => trace.chats().map(<[u32]>::to_vec),
        Told::Prefixes => Some(by_prefixes(trace)),
    }
}

fn by_prefixes(trace: &Trace) -> Vec<u32> {
    let is_common = common(trace);
    let mut by_block: BTreeMap<BlockId, u32> = BTreeMap::new();
    let mut n_sessions = 0;
    let mut session_of = |row| {
        let own = trace.blocks(row).iter().find(|block| !is_common[block.index()]);
        let next = n_sessions;
        let session = own.map_or(next, |&block| *by_block.entry(block).or_insert(next));
        n_sessions += u32::from(session == next);
        session
    };
    trace.rows().iter().map(&mut session_of).collect()
}

/// By block: whether it is common.
fn common(trace: &Trace) -> Vec<bool> {
    let n = trace.n_blocks_distinct();
    let (mut n_followers, mut is_seen) = (vec![0_u32; n], vec![false; n]);
    for row in trace.rows() {
        let mut before: Option<BlockId> = None;
        for &block in trace.blocks(row) {
            if !std::mem::replace(&mut is_seen[block.index()], true)
                && let Some(before) = before
            {
                n_followers[before.index()] += 1;
            }
            before = Some(block);
        }
    }
    let mut is_common: Vec<bool> = n_followers.iter().map(|&followers| followers > FEW_FOLLOWERS).collect();
    for row in trace.rows() {
        let blocks = trace.blocks(row);
        let last = blocks.iter().rposition(|block| n_followers[block.index()] > FEW_FOLLOWERS);
        blocks[..last.map_or(0, |last| last + 1)].iter().for_each(|block| is_common[block.index()] = true);
    }
    let first = trace.blocks(&trace.rows()[0]).first().copied();
    let is_first = |row| trace.blocks(row).first().copied() == first;
    if let Some(first) = first.filter(|_| trace.rows().iter().all(is_first)) {
        is_common[first.index()] = true;
    }
    is_common
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{SyntheticKind, generate};

    fn trace(rows: &[&[u32]]) -> Trace {
        let line = |(at, ids): (usize, &&[u32])| {
            let input = 512 * ids.len();
            format!(r#"{{"timestamp": {at}, "input_length": {input}, "output_length": 1, "hash_ids": {ids:?}}}"#)
        };
        let lines: Vec<String> = rows.iter().enumerate().map(line).collect();
        Trace::parse(lines.join("\n").as_bytes()).expect("a trace")
    }

    #[test]
    fn rows_that_agree_behind_the_root_of_all_are_one_session() {
        assert_eq!(by_prefixes(&trace(&[&[0, 1], &[0, 2], &[0, 1, 3], &[0], &[0], &[0, 2, 4]])), [0, 1, 0, 2, 3, 1]);
        assert_eq!(by_prefixes(&trace(&[&[0, 1], &[2, 3], &[0, 4]])), [0, 1, 0]);
    }

    /// 40 calls of a tool with a prompt of two blocks, and a chat of two turns.
    #[test]
    fn the_prompt_of_a_tool_makes_no_session() {
        let calls: Vec<Vec<u32>> = (0..40).map(|call| vec![0, 1, 10 + call]).collect();
        let mut rows: Vec<&[u32]> = calls.iter().map(Vec::as_slice).collect();
        rows.extend([&[2, 3][..], &[2, 3, 4]]);
        let sessions = by_prefixes(&trace(&rows));
        assert_eq!(sessions[..40], (0..40).collect::<Vec<_>>());
        assert_eq!(sessions[40..], [40, 40]);
    }

    /// Sessions of the generator that have one whole block at first share the root alone with what follows, which then
    /// begins another session; nothing else is told wrong, for tools neither.
    #[test]
    fn chains_of_blocks_tell_the_sessions_of_the_generator_but_for_very_short_prompts() {
        for kind in [SyntheticKind::Conversation, SyntheticKind::ToolagentApprox] {
            let trace = generate(kind, 1);
            let chats = trace.chats().expect("the generator knows");
            let told = by_prefixes(&trace);
            let mut chat_of = BTreeMap::new();
            for (&session, &chat) in told.iter().zip(chats) {
                assert_eq!(*chat_of.entry(session).or_insert(chat), chat, "{kind:?}: rows of two chats in one session");
            }
            let n_chats = chats.iter().max().expect("a row") + 1;
            let n_split = chat_of.len() - n_chats as usize;
            assert!(n_split * 100 < n_chats as usize, "{kind:?}: {n_split} sessions too many, of {n_chats}");
        }
    }
}
