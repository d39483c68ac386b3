//! What to make of a trace: which part of it, with which context lengths, arriving how.

mod context;
mod prefixes;

use crate::synthetic::in_drawn_sessions;
use crate::trace::{Trace, TraceRow, n_blocks_of};
use crate::workload::{Lengths, Request, Workload};
pub use context::Context;
use context::reshape;
use netkv_units::{SimDuration, SimTime, Stream};
pub use prefixes::Prefixes;
use prefixes::drawn_prompts;

/// How a workload follows from a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkloadSpec {
    /// The part of the trace that counts: from its first instant up to but without its second, in trace time. Requests
    /// before it are as if they had never been: what they shared is new to the window.
    pub window: Option<(SimTime, SimTime)>,
    /// Which prompts of the window are kept, by their length in the trace; the others are as if they had never been.
    pub inputs: InputRange,
    /// What becomes of context lengths.
    pub context: Context,
    /// What becomes of timestamps.
    pub arrivals: Arrivals,
    /// Who shares a prefix with whom.
    pub prefixes: Prefixes,
    /// Only the first so many kept rows of the window, in trace order.
    pub limit: Option<usize>,
}

/// Prompts of these lengths, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputRange {
    /// The shortest, in tokens.
    pub min_tokens: u32,
    /// The longest, in tokens.
    pub max_tokens: u32,
}

impl InputRange {
    /// Every prompt.
    pub const ALL: Self = Self { min_tokens: 0, max_tokens: u32::MAX };

    /// Whether a prompt of this length is among them.
    pub const fn contains(self, input_tokens: u32) -> bool {
        self.min_tokens <= input_tokens && input_tokens <= self.max_tokens
    }
}

/// What becomes of timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// As in the trace: requests of one tick arrive at once.
    RawTicks,
    /// A stamp stands for the whole tick that it begins; the request arrives uniformly within.
    Dejittered {
        /// Length of a tick; 3 s in the published conversation trace.
        tick: SimDuration,
    },
}

/// Nanoseconds of a millisecond.
const NANOS_PER_MS: u64 = 1_000_000;

impl Workload {
    /// The workload that `spec` makes of `trace`. Time starts at the window's start, or at the trace's time 0.
    ///
    /// Each row has its own place within its tick, drawn in trace order from the stream "arrivals" of `seed`: it is the
    /// same whatever the window, the lengths that are kept, the limit and the context.
    ///
    /// The span, for rates, reaches to the window's end; without a window, or if `limit` cut it, to the last row's
    /// timestamp plus its tick. It does not depend on `seed`.
    ///
    /// # Panics
    /// If the window ends before it starts, a length or a tick is zero, a factor is not positive and finite, or a drawn prefix
    /// is of no whole blocks of the trace.
    pub fn build(trace: &Trace, spec: &WorkloadSpec, seed: u64) -> Self {
        spec.check(trace);
        let start = spec.window.map_or(SimTime::ZERO, |(start, _)| start);
        let rows = trace.rows();
        let Kept { rows: kept, is_cut } = spec.kept(trace);

        let mut jitters = Jitters::new(spec.arrivals, seed);
        let mut n_drawn = 0;
        let arrival = |&row_idx: &usize| {
            // One draw for each row, kept or not.
            while n_drawn < row_idx {
                let _ = jitters.draw();
                n_drawn += 1;
            }
            n_drawn += 1;
            SimTime::ZERO + stamp(&rows[row_idx]).since(start) + jitters.draw()
        };
        let arrivals: Vec<SimTime> = kept.iter().map(arrival).collect();

        let last_tick_end = kept.last().map(|&row_idx| stamp(&rows[row_idx]).since(start) + spec.arrivals.tick());
        let window_length = spec.window.map(|(start, end)| end.since(start));
        let span = if is_cut { last_tick_end } else { window_length.or(last_tick_end) };

        let reshaped = match spec.prefixes {
            Prefixes::Trace if trace.has_prefixes() => reshape(trace, &kept, spec.context),
            Prefixes::Sessions => {
                let n_rows = kept.last().map_or(1, |&last| last + 1);
                reshape(&in_drawn_sessions(trace, n_rows, seed), &kept, spec.context)
            }
            // Of a trace that records no prefixes, nobody shares one.
            Prefixes::Trace | Prefixes::None | Prefixes::Shared { .. } => {
                drawn_prompts(trace, &kept, spec.context, spec.prefixes, seed)
            }
        };
        let mut requests: Vec<Request> = Vec::with_capacity(arrivals.len());
        for ((arrival, shape), &row_idx) in arrivals.into_iter().zip(&reshaped.prompts).zip(&kept) {
            let trace_row = u32::try_from(row_idx).expect("a trace has fewer than 2^32 rows");
            let output_tokens = rows[row_idx].output_tokens;
            requests.push(Request::new(arrival, shape.input_tokens, output_tokens, trace_row, shape.first_block));
        }
        requests.sort_by_key(|request| request.arrival);
        let span = span.unwrap_or(SimDuration::ZERO);
        Self::new(requests, reshaped.blocks, reshaped.n_distinct, trace.block_tokens(), span)
    }
}

/// Rows of a trace.
struct Kept {
    /// Positions of those that are kept, ascending.
    rows: Vec<usize>,
    /// Whether the limit left out others that would have been kept.
    is_cut: bool,
}

impl WorkloadSpec {
    /// How long the requests are that it makes of `trace`, whatever the seed; none if there are none.
    pub fn lengths(&self, trace: &Trace) -> Option<Lengths> {
        self.check(trace);
        let kept = self.kept(trace).rows;
        let rows = kept.iter().map(|&row_idx| &trace.rows()[row_idx]);
        let inputs = rows.clone().map(|row| self.context.apply(row.input_tokens));
        let totals = inputs.clone().zip(rows).map(|(input, row)| input + row.output_tokens);
        Some(Lengths {
            shortest_input: inputs.clone().min()?,
            longest_input: inputs.max()?,
            longest_total: totals.max()?,
        })
    }

    /// Blocks of the prompts that it makes of `trace`, counted for each prompt; a workload has room for fewer than 2^32.
    pub fn n_blocks(&self, trace: &Trace) -> u64 {
        let kept = self.kept(trace).rows;
        let inputs = kept.iter().map(|&row_idx| self.context.apply(trace.rows()[row_idx].input_tokens));
        inputs.map(|input_tokens| n_blocks_of(input_tokens, trace.block_tokens()) as u64).sum()
    }

    fn kept(&self, trace: &Trace) -> Kept {
        let (start, end) = self.window.unwrap_or((SimTime::ZERO, SimTime::NEVER));
        let rows = trace.rows();
        let first_idx = rows.partition_point(|row| stamp(row) < start);
        let end_idx = rows.partition_point(|row| stamp(row) < end);
        let mut wanted = (first_idx..end_idx).filter(|&row_idx| self.inputs.contains(rows[row_idx].input_tokens));
        let kept = wanted.by_ref().take(self.limit.unwrap_or(usize::MAX)).collect();
        Kept { rows: kept, is_cut: wanted.next().is_some() }
    }

    fn check(&self, trace: &Trace) {
        if let Some((start, end)) = self.window {
            assert!(start <= end, "a window from {start} to {end} ends before it starts");
        }
        if let Arrivals::Dejittered { tick } = self.arrivals {
            assert!(tick > SimDuration::ZERO, "a tick has a length");
        }
        self.prefixes.check(trace.block_tokens());
        self.context.check();
    }
}

impl Arrivals {
    /// How much time a timestamp stands for.
    fn tick(self) -> SimDuration {
        match self {
            Self::RawTicks => SimDuration::ZERO,
            Self::Dejittered { tick } => tick,
        }
    }
}

/// A row's timestamp as trace time.
fn stamp(row: &TraceRow) -> SimTime {
    SimTime::from_nanos(row.timestamp_ms * NANOS_PER_MS)
}

/// Places within the tick, one for each row in turn.
pub(crate) struct Jitters {
    arrivals: Arrivals,
    stream: Stream,
}

impl Jitters {
    pub(crate) fn new(arrivals: Arrivals, seed: u64) -> Self {
        Self { arrivals, stream: Stream::new(seed, "arrivals") }
    }

    pub(crate) fn draw(&mut self) -> SimDuration {
        match self.arrivals {
            Arrivals::RawTicks => SimDuration::ZERO,
            Arrivals::Dejittered { tick } => SimDuration::from_nanos(self.stream.below(tick.as_nanos())),
        }
    }
}
