//! A trace in numbers: what it asks of caches, links and queues.
//!
//! The figures are those by which the generator was fitted, with the same definitions: percentiles interpolate between
//! ranks, standard deviations divide by n. Leaves out fits of distributions, which nothing here samples from.

mod arrivals;
mod distribution;
mod lru;
mod report;
mod tree;

pub use arrivals::{ArrivalStatistics, CountDispersion, StampGaps};
pub use distribution::Distribution;
pub use lru::LruPoint;
pub use tree::{ContinuationStatistics, PrefixStatistics, SessionCount};

use crate::trace::Trace;
use serde::Serialize;

/// A trace in numbers. `Display` prints a table, `Serialize` gives the same for machines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceStatistics {
    /// SHA-256 of the file, or of the file that a generated trace would be.
    pub sha256: String,
    /// Number of requests.
    pub n_requests: usize,
    /// Time from the first to the last timestamp.
    pub duration_s: f64,
    /// When requests arrive.
    pub arrivals: ArrivalStatistics,
    /// Prompt lengths.
    pub input_tokens: Distribution,
    /// Answer lengths.
    pub output_tokens: Distribution,
    /// Rank correlation of prompt and answer length; nothing if one of them is the same for all.
    pub input_output_spearman: Option<f64>,
    /// The prefix tree, and an infinite cache on it; nothing if the trace records no prefixes.
    pub prefixes: Option<PrefixStatistics>,
    /// Sessions by their number of requests, small ones first. A session is all requests that agree in the first block
    /// after the universal root (in the first block, if there is no such root). None if no prefixes are recorded.
    pub sessions: Vec<SessionCount>,
    /// Mean number of requests of those sessions; nothing if there is none.
    pub mean_session_requests: Option<f64>,
    /// Requests that go on with a session; nothing if there is none.
    pub continuations: Option<ContinuationStatistics>,
    /// Hits of one global cache with least-recently-used eviction, by its size.
    pub lru: Vec<LruPoint>,
    /// Reused blocks other than the universal root: how many different blocks were touched since the last touch. Nothing
    /// if no block is reused.
    pub stack_distance_blocks: Option<Distribution>,
}

impl TraceStatistics {
    /// Computes all of them, in time of order n log n of the block references.
    pub fn of(trace: &Trace) -> Self {
        let rows = trace.rows();
        let inputs: Vec<f64> = rows.iter().map(|row| f64::from(row.input_tokens)).collect();
        let outputs: Vec<f64> = rows.iter().map(|row| f64::from(row.output_tokens)).collect();
        let statistics = Self {
            sha256: trace.sha256(),
            n_requests: trace.len(),
            duration_s: arrivals::duration_s(trace),
            arrivals: ArrivalStatistics::of(trace),
            input_output_spearman: distribution::spearman(&inputs, &outputs),
            prefixes: None,
            sessions: Vec::new(),
            mean_session_requests: None,
            continuations: None,
            lru: Vec::new(),
            stack_distance_blocks: None,
            input_tokens: Distribution::of(inputs).expect("a trace has a row"),
            output_tokens: Distribution::of(outputs).expect("a trace has a row"),
        };
        if trace.has_prefixes() { statistics.with_prefixes(trace) } else { statistics }
    }

    /// With what the prefixes of the trace say.
    fn with_prefixes(self, trace: &Trace) -> Self {
        let shares = tree::Shares::of(trace);
        let distances = lru::stack_distances(trace, shares.root_depth());
        let rest: Vec<f64> = distances.below_root.iter().map(|&distance| f64::from(distance)).collect();
        let sessions = tree::session_counts(trace, shares.root_depth());
        let n_sessions: u32 = sessions.iter().map(|count| count.n_sessions).sum();
        Self {
            prefixes: Some(PrefixStatistics::of(trace, &shares)),
            sessions,
            mean_session_requests: (n_sessions > 0).then(|| trace.len() as f64 / f64::from(n_sessions)),
            continuations: ContinuationStatistics::of(trace, &shares),
            lru: lru::hit_curve(&distances, trace.n_blocks_total()),
            stack_distance_blocks: Distribution::of(rest),
            ..self
        }
    }
}
