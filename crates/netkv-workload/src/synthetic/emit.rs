//! Events of sessions to rows of a trace: block ids, ticks, and the warm-up dropped.

use crate::trace::{BLOCK_TOKENS, Trace, TraceRow, n_blocks_of};
use netkv_units::BlockId;
use std::collections::BTreeMap;

/// A request of a session.
pub(super) struct Event {
    /// Arrival in seconds; negative in the warm-up.
    pub at_s: f64,
    pub session: Session,
    /// Position in its session.
    pub turn: u32,
    pub input_tokens: u32,
    pub output_tokens: u32,
    /// How many blocks it shares with the turn before, or nothing on the first turn.
    pub shared_blocks: Option<u32>,
    /// On a first turn: whose first prompt it begins as; nothing if with the root alone.
    pub begins_as: Option<Beginning>,
}

/// The beginning of another session's first prompt.
#[derive(Clone, Copy)]
pub(super) struct Beginning {
    /// The other session, which has begun.
    pub session: u32,
    /// How many of its blocks.
    pub n_blocks: u32,
}

/// Who sends a request. The order breaks ties of the arrival time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Session {
    /// One call of a tool: it has no further turns. Ranked by tool from the last, then by call from the last.
    ToolCall {
        /// Counted down from `u32::MAX`.
        order: u32,
        /// Its kind of shared prompt.
        root: u8,
    },
    /// A session of the main model, which has root 0.
    Main(u32),
}

impl Session {
    fn root(self) -> usize {
        match self {
            Self::ToolCall { root, .. } => usize::from(root),
            Self::Main(_) => 0,
        }
    }
}

/// Where a request's blocks lie in the flat list.
type Range = std::ops::Range<usize>;

/// Puts events in order and makes rows of those that are not warm-up. Timestamps are floored to `tick_ms`, or to 1 ms if
/// that is zero. All first turns with one root share its blocks; `root_blocks` says how many those are.
pub(super) fn emit(events: &mut [Event], tick_ms: u64, root_blocks: &[u32]) -> Trace {
    sort(events);
    let mut blocks = BlockWriter::new(events, root_blocks);
    let (mut rows, mut chats) = (Vec::with_capacity(events.len()), Chats::default());
    for event in events.iter() {
        let first_block = blocks.write(event);
        if event.at_s >= 0.0 {
            let timestamp_ms = (event.at_s * 1000.0) as u64;
            let timestamp_ms = timestamp_ms - timestamp_ms % tick_ms.max(1);
            rows.push(TraceRow::new(timestamp_ms, event.input_tokens, event.output_tokens, first_block));
            chats.push(event.session);
        }
    }
    renumber(rows, blocks.flat, blocks.next_id as usize).with_chats(chats.of_rows)
}

/// Puts events in order of time; ties go by session and turn.
pub(super) fn sort(events: &mut [Event]) {
    let key = |event: &Event| (event.session, event.turn);
    events.sort_unstable_by(|one, other| one.at_s.total_cmp(&other.at_s).then_with(|| key(one).cmp(&key(other))));
}

/// The sessions of the rows, numbered in order of first appearance.
#[derive(Default)]
struct Chats {
    of_rows: Vec<u32>,
    numbers: BTreeMap<Session, u32>,
}

impl Chats {
    fn push(&mut self, session: Session) {
        let next = self.numbers.len() as u32;
        self.of_rows.push(*self.numbers.entry(session).or_insert(next));
    }
}

/// Hands out block ids to requests in order of arrival.
struct BlockWriter<'a> {
    flat: Vec<u32>,
    next_id: u32,
    root_blocks: &'a [u32],
    /// First id of each root, once one of its requests has come.
    root_starts: Vec<Option<u32>>,
    /// The last turn of each main session.
    last_turns: Vec<Range>,
    /// The first turn of each.
    first_turns: Vec<Range>,
}

impl<'a> BlockWriter<'a> {
    fn new(events: &[Event], root_blocks: &'a [u32]) -> Self {
        let n_sessions = |event: &Event| match event.session {
            Session::Main(number) => number as usize + 1,
            Session::ToolCall { .. } => 0,
        };
        let n_sessions = events.iter().map(n_sessions).max().unwrap_or(0);
        Self {
            flat: Vec::with_capacity(events.iter().map(|event| n_blocks_of(event.input_tokens, BLOCK_TOKENS)).sum()),
            next_id: 0,
            root_blocks,
            root_starts: vec![None; root_blocks.len()],
            last_turns: vec![0..0; n_sessions],
            first_turns: vec![0..0; n_sessions],
        }
    }

    /// Appends the blocks of an event; returns where they begin.
    fn write(&mut self, event: &Event) -> usize {
        let first_block = self.flat.len();
        let n_blocks = n_blocks_of(event.input_tokens, BLOCK_TOKENS);
        match (event.shared_blocks, event.session) {
            (Some(shared), Session::Main(session)) => {
                let previous = self.last_turns[session as usize].clone();
                let n_shared = (shared as usize).min(n_blocks).min(previous.len());
                self.flat.extend_from_within(previous.start..previous.start + n_shared);
            }
            (Some(_), Session::ToolCall { .. }) => unreachable!("a tool call has one turn"),
            (None, session) => match event.begins_as {
                Some(Beginning { session, n_blocks }) => {
                    let first = self.first_turns[session as usize].start;
                    self.flat.extend_from_within(first..first + n_blocks as usize);
                }
                None => self.write_root(session.root(), n_blocks),
            },
        }
        let end = first_block + n_blocks;
        let n_fresh = u32::try_from(end - self.flat.len()).expect("a request has fewer than 2^32 blocks");
        self.flat.extend(self.next_id..self.next_id + n_fresh);
        self.next_id += n_fresh;
        if let Session::Main(session) = event.session {
            self.last_turns[session as usize] = first_block..end;
            if event.shared_blocks.is_none() {
                self.first_turns[session as usize] = first_block..end;
            }
        }
        first_block
    }

    /// Appends the root's blocks, as many as a request of `n_blocks` holds.
    fn write_root(&mut self, root: usize, n_blocks: usize) {
        let n_root = self.root_blocks[root];
        let start = *self.root_starts[root].get_or_insert_with(|| {
            let start = self.next_id;
            self.next_id += n_root;
            start
        });
        self.flat.extend((start..start + n_root).take(n_blocks));
    }
}

/// Gives blocks dense ids in order of first appearance in `rows`, and closes the gaps that dropped rows left.
fn renumber(rows: Vec<TraceRow>, flat: Vec<u32>, n_ids: usize) -> Trace {
    let mut new_ids: Vec<Option<BlockId>> = vec![None; n_ids];
    let mut n_new = 0;
    let mut blocks = Vec::with_capacity(rows.iter().map(TraceRow::n_blocks).sum());
    let mut moved = Vec::with_capacity(rows.len());
    for row in rows {
        moved.push(TraceRow::new(row.timestamp_ms, row.input_tokens, row.output_tokens, blocks.len()));
        for &old in &flat[row.block_range()] {
            blocks.push(*new_ids[old as usize].get_or_insert_with(|| {
                n_new += 1;
                BlockId::from_index(n_new - 1)
            }));
        }
    }
    Trace::from_parts(moved, blocks, None)
}
