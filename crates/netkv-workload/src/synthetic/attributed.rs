//! Sessions for a trace that records none: its rows become turns of conversations, by the fit of the conversation trace.
//!
//! Lengths and times of a trace stay as they are, so a conversation cannot be written, only found among the rows. Each row
//! in order of time draws, as a turn of the generator does, whether its session goes on, after which time, how (appended to,
//! repeated, or taken up again at an earlier point), and which length the next prompt would have. Of the rows that are in no
//! session yet, the one nearest to that time and length becomes the next turn, and begins with what the draw says is shared. If
//! none is near enough, the session ends there: the trace has no such turn.
//!
//! What the generator's prompts have in common beyond their session, one block, is left out: it belongs to the service that
//! was recorded.

use super::conversation::{NextPrompt, continue_probability, next_prompt};
use super::parameters::{Parameters, bucket};
use super::random::SplitMix64;
use crate::trace::{BLOCK_TOKENS, Trace, TraceRow, n_blocks_of};
use netkv_units::BlockId;

/// How far a row's time since the turn before may be from the drawn one, as a factor. Chosen by us: half of all times that are
/// drawn lie further apart (66 to 264 s).
const MAX_LAG_RATIO: f64 = 2.0;

/// How far a row's length may be from the drawn one, as a factor. Chosen by us: what is shared is a part of it, and errs as far.
const MAX_LENGTH_RATIO: f64 = 1.1;

/// Rows that are looked at before and behind the drawn time, at most. Chosen by us: three minutes of six requests a second.
const MOST: usize = 1024;

/// The turn before a row's in its session.
#[derive(Clone, Copy)]
struct Before {
    row: usize,
    /// Tokens of that row's prompt that this one begins with, or fewer if either is shorter.
    shared_tokens: u64,
}

/// The first `n_rows` requests as turns of sessions, drawn from `seed`, with prefixes that follow from them. They are the same
/// however many there are: a session goes on forwards alone.
pub(crate) fn in_drawn_sessions(trace: &Trace, n_rows: usize, seed: u64) -> Trace {
    let block_tokens = trace.block_tokens();
    let (mut rows, mut blocks): (Vec<TraceRow>, Vec<BlockId>) = (Vec::with_capacity(n_rows), Vec::new());
    let (mut n_distinct, mut n_sessions, mut chats) = (0, 0, Vec::with_capacity(n_rows));
    for (row, before) in trace.rows()[..n_rows].iter().zip(befores(trace, n_rows, seed)) {
        let (first_block, n_blocks) = (blocks.len(), n_blocks_of(row.input_tokens, block_tokens));
        if let Some(Before { row: before, shared_tokens }) = before {
            let theirs: &TraceRow = &rows[before];
            let is_whole = row.input_tokens == theirs.input_tokens && shared_tokens >= u64::from(row.input_tokens);
            let most = u64::from(row.input_tokens.min(theirs.input_tokens)).min(shared_tokens);
            let n_shared = if is_whole { n_blocks } else { (most / u64::from(block_tokens)) as usize };
            let start = theirs.block_range().start;
            blocks.extend_from_within(start..start + n_shared);
            chats.push(chats[before]);
        } else {
            chats.push(n_sessions);
            n_sessions += 1;
        }
        let n_fresh = first_block + n_blocks - blocks.len();
        blocks.extend((n_distinct..n_distinct + n_fresh).map(BlockId::from_index));
        n_distinct += n_fresh;
        let TraceRow { timestamp_ms, input_tokens, output_tokens, .. } = *row;
        rows.push(TraceRow::with_blocks(timestamp_ms, input_tokens, output_tokens, first_block, n_blocks));
    }
    Trace::in_blocks(block_tokens, rows, blocks, None).with_chats(chats)
}

/// By row: the turn before it, if it goes on with the session of one of the first so many rows.
fn befores(trace: &Trace, n_rows: usize, seed: u64) -> Vec<Option<Before>> {
    let parameters = Parameters::load();
    let model = &parameters.conversation;
    let rows = trace.rows();
    let (mut turns, mut befores) = (vec![0_u32; rows.len()], vec![None; rows.len()]);
    for row in 0..n_rows {
        let (input, output) = (i64::from(rows[row].input_tokens), i64::from(rows[row].output_tokens));
        let mut random = SplitMix64::stream(seed, row as u64 + 1);
        if random.unit() >= continue_probability(model, turns[row], input) {
            continue;
        }
        let lag_s = parameters.quantile(&model.lag_s[bucket(&model.lag_edges, input)], random.unit());
        let NextPrompt { input: next, shared_blocks, .. } = next_prompt(&parameters, &mut random, input, output);
        let is_free = |other: usize| befores[other].is_none();
        if let Some(found) = nearest(rows, row, is_free, lag_s * 1e3, next) {
            let shared_tokens = shared_blocks.unsigned_abs() * u64::from(BLOCK_TOKENS);
            (turns[found], befores[found]) = (turns[row] + 1, Some(Before { row, shared_tokens }));
        }
    }
    befores
}

/// Of the free rows behind `row`, the one nearest to a time since it and to a length: least in the sum of both distances, each as
/// a part of the farthest that is allowed.
fn nearest(rows: &[TraceRow], row: usize, is_free: impl Fn(usize) -> bool, lag_ms: f64, input: i64) -> Option<usize> {
    let lag_ms = lag_ms.max(1.0);
    let (start, input) = (rows[row].timestamp_ms, input.max(1) as f64);
    let first_at =
        |lag_ms: f64| rows.partition_point(|other| ((other.timestamp_ms.saturating_sub(start)) as f64) < lag_ms);
    let [low, middle, high] =
        [1.0 / MAX_LAG_RATIO, 1.0, MAX_LAG_RATIO].map(|ratio| first_at(lag_ms * ratio).max(row + 1));
    let distance = |one: f64, other: f64, most: f64| libm::log(one / other).abs() / libm::log(most);
    let mut best: Option<(f64, usize)> = None;
    let looked_at = low.max(middle.saturating_sub(MOST))..high.min(middle.saturating_add(MOST));
    for (candidate, other) in looked_at.clone().zip(&rows[looked_at]) {
        let own = f64::from(other.input_tokens);
        if !is_free(candidate) || own > input * MAX_LENGTH_RATIO || own * MAX_LENGTH_RATIO < input {
            continue;
        }
        let own_lag_ms = (other.timestamp_ms - start) as f64;
        let sum = distance(own, input, MAX_LENGTH_RATIO) + distance(own_lag_ms, lag_ms, MAX_LAG_RATIO);
        if best.is_none_or(|(least, _)| sum < least) {
            best = Some((sum, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::super::{SyntheticKind, generate};
    use super::*;
    use crate::trace::Trace;

    /// The generated trace without its ids and chats.
    fn lengths(seed: u64) -> Trace {
        let trace = generate(SyntheticKind::Conversation, seed);
        let row = |row: &TraceRow| TraceRow::with_blocks(row.timestamp_ms, row.input_tokens, row.output_tokens, 0, 0);
        Trace::from_parts(trace.rows().iter().map(row).collect(), Vec::new(), None)
    }

    #[test]
    fn rows_stay_and_sessions_grow() {
        let trace = lengths(1);
        let drawn = in_drawn_sessions(&trace, trace.len(), 3);
        let plain = |trace: &Trace| -> Vec<(u64, u32, u32)> {
            trace.rows().iter().map(|row| (row.timestamp_ms, row.input_tokens, row.output_tokens)).collect()
        };
        assert_eq!(plain(&drawn), plain(&trace));
        assert_eq!(drawn, in_drawn_sessions(&trace, trace.len(), 3));
        let first = in_drawn_sessions(&trace, 5_000, 3);
        assert!(
            first.rows() == &drawn.rows()[..5_000]
                && (0..5_000).all(|row| first.blocks(&first.rows()[row]) == drawn.blocks(&drawn.rows()[row]))
        );
        assert_ne!(drawn, in_drawn_sessions(&trace, trace.len(), 4));
        let chats = drawn.chats().unwrap();
        let n_sessions = chats.iter().max().unwrap() + 1;
        let mean_turns = trace.len() as f64 / f64::from(n_sessions);
        assert!((1.3..1.7).contains(&mean_turns), "{mean_turns} turns");
    }

    #[test]
    fn the_nearest_free_row_in_time_and_length_is_taken() {
        let row = |(at, input)| TraceRow::with_blocks(at, input, 1, 0, 0);
        let rows: Vec<TraceRow> = [(0, 900), (1000, 1050), (1200, 1000), (1900, 1001), (2100, 1000)].map(row).into();
        let free = |_: usize| true;
        // Half of the farthest length off against a quarter of the farthest time.
        assert_eq!(nearest(&rows, 0, free, 1000.0, 1000), Some(2));
        assert_eq!(nearest(&rows, 0, free, 1000.0, 1050), Some(1));
        assert_eq!(nearest(&rows, 0, |idx| idx > 2, 1000.0, 1000), Some(3));
        assert_eq!(nearest(&rows, 0, |idx| idx > 3, 1000.0, 1000), None, "2,100 ms is over twice as long");
        assert_eq!(nearest(&rows, 0, free, 1000.0, 800), None, "1,000 is over a tenth longer");
        assert_eq!(nearest(&rows, 2, free, 900.0, 1000), Some(4), "it goes forward alone");
        assert_eq!(nearest(&rows, 4, free, 1.0, 1000), None, "the trace has ended by then");
    }

    /// What an infinite cache hits of the drawn sessions and of those that the lengths were taken from, whose one common block
    /// is left out.
    #[test]
    fn prompts_share_what_they_did_before_their_ids_were_taken_away() {
        let hits = |trace: &Trace, n_common: usize| {
            1.0 - (trace.n_blocks_distinct() + n_common) as f64 / trace.n_blocks_total() as f64
        };
        for seed in 1..=4 {
            let recorded = generate(SyntheticKind::Conversation, seed);
            let drawn = in_drawn_sessions(&lengths(seed), recorded.len(), seed + 10);
            let (wanted, found) = (hits(&recorded, recorded.len() - 1), hits(&drawn, 0));
            assert!((found - wanted).abs() < 0.03, "seed {seed}: {found} of the blocks, not {wanted}");
        }
    }
}
