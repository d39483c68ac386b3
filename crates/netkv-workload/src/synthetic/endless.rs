//! Conversations without end: the sessions of the conversation model, started by a Poisson process at the mean rate of
//! the trace, one request after the other in memory that does not grow with their number.
//!
//! Differs from a generated trace in what needs the whole of it: the rate has no trend, first prompts are drawn
//! independently instead of one from each stratum, stamps have no ticks, and no session is cut off at the end. Only
//! sessions that may still go on are held: their blocks and the turns to come.

use super::conversation::SessionWriter;
use super::emit::{Event, Session};
use super::parameters::Parameters;
use super::random::SplitMix64;
use crate::source::{RequestSource, RequestStream};
use crate::trace::{BLOCK_TOKENS, n_blocks_of};
use crate::workload::{Lengths, Request};
use netkv_units::{BlockId, SimDuration, SimTime, Stream};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// A stretch of endless conversations, drawn again from the seed each time it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct EndlessConversations {
    seed: u64,
    /// When the stretch begins, in the model's time.
    start: SimTime,
    n_requests: u32,
    /// How long requests arrive for, in the model's time.
    span: SimDuration,
    /// The last arrival, in the model's time from the start.
    last: SimDuration,
    /// What a second of the model takes.
    time_factor: f64,
}

impl EndlessConversations {
    /// The requests of `seed` that arrive in `window`, from its first instant up to but without its second, and of
    /// those the first `limit`; at the model's own rate. Time starts with the window.
    pub fn new(seed: u64, window: (SimTime, SimTime), limit: Option<u32>) -> Self {
        let (start, end) = window;
        let n_requests = limit.unwrap_or(u32::MAX);
        let (span, last) = (SimDuration::ZERO, SimDuration::ZERO);
        let mut found = Self { seed, start, n_requests, span, last, time_factor: 1.0 };
        let (mut n, mut last) = (0, SimDuration::ZERO);
        let (mut stream, mut blocks) = (found.draw(), Vec::new());
        let in_window = |request: &Request| request.arrival < SimTime::ZERO + end.since(start);
        while let Some(request) = stream.next(&mut blocks).filter(in_window) {
            n += 1;
            last = request.arrival.since(SimTime::ZERO);
        }
        drop(stream);
        (found.n_requests, found.last) = (n, last);
        found.span = if limit == Some(n) { last } else { end.since(start) };
        found
    }

    /// Bounds of the lengths of all requests, of every seed: those of the model.
    pub fn lengths() -> Lengths {
        let model = Parameters::load().conversation;
        let at_most = |table: &[f64]| table.last().map_or(0, |&last| last.ceil() as u32);
        let shortest = model.first_il.first().map_or(1, |&first| first.floor() as u32);
        let longest_input = at_most(&model.first_il).max(model.il_max as u32);
        let longest_total = longest_input + at_most(&model.ol);
        Lengths { shortest_input: shortest.max(1), longest_input, longest_total }
    }

    /// The same requests with times multiplied so that they come at this rate: requests over span, which is the window,
    /// or reaches to the last arrival if the limit cut it.
    ///
    /// # Panics
    /// If the rate is not positive and finite, or there are no two requests, which have no rate.
    pub fn scaled_to_rate(self, requests_per_sec: f64) -> Self {
        assert!(requests_per_sec.is_finite() && requests_per_sec > 0.0, "{requests_per_sec} requests/s is no rate");
        assert!(self.span > SimDuration::ZERO, "{} requests have no rate", self.n_requests);
        Self { time_factor: f64::from(self.n_requests) / requests_per_sec / self.span.as_secs_f64(), ..self }
    }

    /// When a request of the model arrives.
    fn arrival(&self, model: SimDuration) -> SimTime {
        SimTime::from_secs_f64(model.as_secs_f64() * self.time_factor)
    }
}

impl RequestSource for EndlessConversations {
    fn len(&self) -> usize {
        self.n_requests as usize
    }

    fn last_arrival(&self) -> SimTime {
        self.arrival(self.last)
    }

    fn span(&self) -> SimDuration {
        self.arrival(self.span).since(SimTime::ZERO)
    }

    fn draw(&self) -> Box<dyn RequestStream + '_> {
        Box::new(Conversations::new(self))
    }
}

/// A turn to come. The order of the fields is that of turns.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    /// From the start of the warm-up.
    at: SimTime,
    session: u32,
    turn: u32,
    input_tokens: u32,
    output_tokens: u32,
    shared_blocks: Option<u32>,
    is_last: bool,
}

/// The requests of one drawing.
struct Conversations<'a> {
    source: &'a EndlessConversations,
    parameters: Parameters,
    starts: Stream,
    mean_gap_s: f64,
    next_start_s: f64,
    next_session: u32,
    next_block: u32,
    turns: BinaryHeap<Reverse<Turn>>,
    /// The blocks of the last turn of each session that goes on.
    held: BTreeMap<u32, Vec<BlockId>>,
    /// Memory of sessions that have ended.
    spare: Vec<Vec<BlockId>>,
    written: Vec<Event>,
    n_left: u32,
}

impl<'a> Conversations<'a> {
    fn new(source: &'a EndlessConversations) -> Self {
        let parameters = Parameters::load();
        let model = &parameters.conversation;
        let mean_gap_s = (model.warm_s + model.duration_s) / f64::from(model.n_sessions);
        let mut starts = Stream::new(source.seed, "session starts");
        let next_start_s = starts.exponential(mean_gap_s);
        let next_block = model.root_blocks;
        Self {
            source,
            parameters,
            starts,
            mean_gap_s,
            next_start_s,
            next_session: 0,
            next_block,
            turns: BinaryHeap::new(),
            held: BTreeMap::new(),
            spare: Vec::new(),
            written: Vec::new(),
            n_left: source.n_requests,
        }
    }

    /// Writes the turns of the next session.
    fn start_session(&mut self) {
        let session = self.next_session;
        self.next_session += 1;
        let mut random = SplitMix64::stream(self.source.seed, u64::from(session) + 1);
        let first_input_u = random.unit();
        let session_of = Session::Main(session);
        let writer = SessionWriter {
            parameters: &self.parameters,
            random,
            session: session_of,
            end_s: f64::INFINITY,
            continue_odds: 1.0,
        };
        self.written.clear();
        writer.write(self.next_start_s, first_input_u, &mut self.written);
        let last = self.written.len() - 1;
        self.turns.extend(self.written.iter().enumerate().map(|(index, event)| {
            Reverse(Turn {
                at: SimTime::from_secs_f64(event.at_s),
                session,
                turn: event.turn,
                input_tokens: event.input_tokens,
                output_tokens: event.output_tokens,
                shared_blocks: event.shared_blocks,
                is_last: index == last,
            })
        }));
        self.next_start_s += self.starts.exponential(self.mean_gap_s);
    }

    /// The next turn of anyone.
    fn next_turn(&mut self) -> Turn {
        let next_start = |stream: &Self| SimTime::from_secs_f64(stream.next_start_s);
        while self.turns.peek().is_none_or(|Reverse(first)| next_start(self) <= first.at) {
            self.start_session();
        }
        self.turns.pop().expect("a session that starts has a turn").0
    }

    /// Gives `blocks` the blocks of a turn: those shared with the one before, or the root's, and fresh ones.
    fn write_blocks(&mut self, turn: &Turn, blocks: &mut Vec<BlockId>) {
        let n_blocks = n_blocks_of(turn.input_tokens, BLOCK_TOKENS);
        blocks.clear();
        let before = self.held.remove(&turn.session);
        match (turn.shared_blocks, &before) {
            (Some(shared), Some(before)) => blocks.extend(before.iter().take((shared as usize).min(n_blocks))),
            (None, _) => {
                let n_root = (self.parameters.conversation.root_blocks as usize).min(n_blocks);
                blocks.extend((0..n_root).map(BlockId::from_index));
            }
            (Some(_), None) => unreachable!("a session that goes on is held"),
        }
        let n_fresh = (n_blocks - blocks.len()) as u32;
        blocks.extend((self.next_block..self.next_block + n_fresh).map(BlockId::new));
        self.next_block += n_fresh;
        let mut memory = before.or_else(|| self.spare.pop()).unwrap_or_default();
        if turn.is_last {
            self.spare.push(memory);
        } else {
            memory.clone_from(blocks);
            self.held.insert(turn.session, memory);
        }
    }
}

impl RequestStream for Conversations<'_> {
    fn next(&mut self, blocks: &mut Vec<BlockId>) -> Option<Request> {
        self.n_left = self.n_left.checked_sub(1)?;
        let warm_up = SimDuration::from_secs_f64(self.parameters.conversation.warm_s);
        let start = self.source.start + warm_up;
        loop {
            let turn = self.next_turn();
            self.write_blocks(&turn, blocks);
            if turn.at >= start {
                let row = self.source.n_requests - self.n_left - 1;
                let arrival = self.source.arrival(turn.at.since(start));
                return Some(Request::new(arrival, turn.input_tokens, turn.output_tokens, row, 0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SyntheticKind, TraceStatistics, generate};

    /// The first `n` requests of `seed`.
    fn first(seed: u64, n: u32) -> EndlessConversations {
        EndlessConversations::new(seed, (SimTime::ZERO, SimTime::NEVER), Some(n))
    }

    /// Every request of a source, with its blocks.
    fn all(source: &EndlessConversations) -> Vec<(Request, Vec<BlockId>)> {
        let (mut stream, mut blocks) = (source.draw(), Vec::new());
        std::iter::from_fn(|| stream.next(&mut blocks).map(|request| (request, blocks.clone()))).collect()
    }

    fn in_memory(source: &EndlessConversations) -> crate::Workload {
        let mut dense: BTreeMap<BlockId, BlockId> = BTreeMap::new();
        let mut parts = Vec::new();
        for (one, blocks) in all(source) {
            let mut number = |block: &BlockId| {
                let next = BlockId::from_index(dense.len());
                *dense.entry(*block).or_insert(next)
            };
            let blocks = blocks.iter().map(&mut number).collect();
            parts.push((one.arrival, one.input_tokens, one.output_tokens, blocks));
        }
        crate::Workload::from_parts(parts)
    }

    #[test]
    fn each_drawing_is_the_same_and_a_longer_one_begins_with_a_shorter() {
        let source = first(3, 2_000);
        assert_eq!(all(&source), all(&source));
        let shorter = all(&first(3, 500));
        assert_eq!(shorter, all(&source)[..shorter.len()]);
        assert_ne!(shorter, all(&first(4, 500)));
    }

    #[test]
    fn requests_come_in_order_with_blocks_that_form_a_prefix_tree() {
        let source = first(1, 5_000);
        let workload = in_memory(&source);
        workload.check_invariants();
        assert_eq!(workload.len(), 5_000);
        assert_eq!(RequestSource::last_arrival(&workload), source.last_arrival());
        let known = EndlessConversations::lengths();
        for request in workload.requests() {
            assert!((known.shortest_input..=known.longest_input).contains(&request.input_tokens), "{request:?}");
            assert!(request.input_tokens + request.output_tokens <= known.longest_total, "{request:?}");
        }
    }

    #[test]
    fn a_window_begins_where_it_says_and_ends_before_its_end() {
        let second = SimTime::from_secs_f64;
        let whole = all(&EndlessConversations::new(1, (SimTime::ZERO, second(300.0)), None));
        let part = EndlessConversations::new(1, (second(100.0), second(200.0)), None);
        let inside = whole.iter().filter(|(one, _)| (second(100.0)..second(200.0)).contains(&one.arrival));
        let arrivals: Vec<_> = inside.map(|(one, _)| one.arrival.since(second(100.0))).collect();
        let found: Vec<_> = all(&part).iter().map(|(one, _)| one.arrival.since(SimTime::ZERO)).collect();
        assert_eq!(found, arrivals);
        assert_eq!((part.len(), part.span), (arrivals.len(), SimDuration::from_secs_f64(100.0)));
    }

    #[test]
    fn time_is_stretched_to_the_rate_asked_for() {
        let source = first(1, 3_000).scaled_to_rate(50.0);
        assert!((source.last_arrival().as_secs_f64() - 60.0).abs() < 1e-6);
        assert_eq!(all(&source).last().expect("a request").0.arrival, source.last_arrival());
    }

    /// The rate, lengths and sharing are those of the generated trace.
    #[test]
    fn conversations_without_end_are_like_those_of_the_trace() {
        let source = first(2, 48_000);
        let found = in_memory(&source);
        let trace = generate(SyntheticKind::Conversation, 2);
        let known = TraceStatistics::of(&trace);
        let rate = found.native_rate_rps();
        assert!((rate / known.arrivals.rate_rps.expect("a rate") - 1.0).abs() < 0.05, "{rate} requests/s");
        let mean = |sum: u64| sum as f64 / found.len() as f64;
        let inputs = mean(found.requests().iter().map(|one| u64::from(one.input_tokens)).sum());
        let outputs = mean(found.requests().iter().map(|one| u64::from(one.output_tokens)).sum());
        assert!((inputs / known.input_tokens.mean - 1.0).abs() < 0.05, "{inputs} prompt tokens");
        assert!((outputs / known.output_tokens.mean - 1.0).abs() < 0.03, "{outputs} answer tokens");
        let n_blocks: usize = found.requests().iter().map(|one| n_blocks_of(one.input_tokens, BLOCK_TOKENS)).sum();
        let hits = 1.0 - found.n_blocks_distinct() as f64 / n_blocks as f64;
        // The trace starts cold and this does not end: a little more of it is shared.
        assert!(
            (hits - known.prefixes.expect("it has ids").block_hit_fraction).abs() < 0.04,
            "{hits} of the blocks hit"
        );
    }
}
