//! The prefix tree: what requests share with earlier ones, and the sessions that follow from it.

use super::distribution::{Distribution, spearman};
use crate::prefix::{PrefixIndex, SharedPrefix};
use crate::trace::{Trace, TraceRow};
use netkv_units::BlockId;
use serde::Serialize;
use std::collections::BTreeMap;

/// The ranks of shared blocks over which the Zipf exponent is fitted; the first ones are a handful of long sessions.
const ZIPF_RANKS: std::ops::RangeInclusive<usize> = 10..=10_000;

/// The prefix tree, and an infinite cache on it. Fractions are of 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrefixStatistics {
    /// Tokens of a block.
    pub block_tokens: u32,
    /// Block references of all requests.
    pub n_blocks_total: usize,
    /// Different blocks.
    pub n_blocks_distinct: usize,
    /// Share of block references seen before.
    pub block_hit_fraction: f64,
    /// Share of prompt tokens in blocks seen before.
    pub token_hit_fraction: f64,
    /// The share of tokens seen before, as the mean over requests.
    pub mean_request_hit_fraction: f64,
    /// Requests of which more than half of the tokens were seen before.
    pub requests_over_50_percent_hit: f64,
    /// Requests of which more than nine tenths of the tokens were seen before.
    pub requests_over_90_percent_hit: f64,
    /// Share of tokens seen before in each sixth of the trace's time; nothing where no request arrives.
    pub token_hit_by_sixth: [Option<f64>; 6],
    /// Different first blocks.
    pub n_roots: usize,
    /// Different pairs of first and second block.
    pub n_second_level: usize,
    /// Blocks that no other follows.
    pub n_leaves: usize,
    /// Blocks that one other follows.
    pub n_with_one_child: usize,
    /// Blocks that several others follow.
    pub n_branching: usize,
    /// Share of the different blocks that one request alone has.
    pub blocks_touched_once: f64,
    /// Most requests that share a block other than the universal root.
    pub most_touches: u32,
    /// Slope of log touches against log rank over the shared blocks below the universal root, ranks 10 to 10,000,
    /// without its sign; nothing if there are too few.
    pub zipf_exponent: Option<f64>,
}

/// How many sessions have a number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SessionCount {
    /// Requests of each of these sessions.
    pub n_requests: u32,
    /// How many such sessions there are.
    pub n_sessions: u32,
}

/// Requests that share more than the universal root with an earlier one. The earlier one is the last that touched the
/// deepest shared block. Shares are of 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContinuationStatistics {
    /// Share of all requests.
    pub of_requests: f64,
    /// Share of continuations that have all full blocks of the earlier request: its prompt, then more.
    pub append: f64,
    /// Share of continuations whose prompt is that of the earlier request.
    pub exact_repeat: f64,
    /// The others: they leave the earlier prompt somewhere inside.
    pub interior_branch: f64,
    /// Time since the earlier request.
    pub lag_s: Distribution,
    /// Rank correlation of the answer lengths of both.
    pub output_spearman: Option<f64>,
}

/// What each request shares with earlier ones.
pub(super) struct Shares {
    shared: Vec<Option<SharedPrefix>>,
    root_depth: usize,
}

impl Shares {
    pub(super) fn of(trace: &Trace) -> Self {
        let mut seen = PrefixIndex::new(trace.n_blocks_distinct());
        let mut shared = Vec::with_capacity(trace.len());
        for (idx, row) in trace.rows().iter().enumerate() {
            let blocks = trace.blocks(row);
            shared.push(seen.longest_seen(blocks));
            seen.insert(blocks, idx);
        }
        let first_root = trace.blocks(&trace.rows()[0])[0];
        let root_is_universal = trace.rows().iter().all(|row| trace.blocks(row)[0] == first_root);
        Self { shared, root_depth: usize::from(root_is_universal) }
    }

    /// Blocks that all requests have in common and that therefore say nothing: one if there is one root, else none.
    pub(super) fn root_depth(&self) -> usize {
        self.root_depth
    }

    /// Tokens of each request seen before.
    fn hit_tokens<'a>(&'a self, trace: &'a Trace) -> impl Iterator<Item = (&'a TraceRow, u64)> {
        trace.rows().iter().zip(&self.shared).map(|(row, shared)| {
            let n_blocks = shared.map_or(0, |shared| shared.n_blocks as u64);
            (row, (n_blocks * u64::from(trace.block_tokens())).min(u64::from(row.input_tokens)))
        })
    }
}

impl PrefixStatistics {
    pub(super) fn of(trace: &Trace, shares: &Shares) -> Self {
        let n_requests = trace.len() as f64;
        let hits: Vec<(u64, u64)> =
            shares.hit_tokens(trace).map(|(row, hit)| (hit, u64::from(row.input_tokens))).collect();
        let fractions: Vec<f64> = hits.iter().map(|&(hit, input)| hit as f64 / input as f64).collect();
        let share_over =
            |bound: f64| fractions.iter().filter(|&&fraction| fraction > bound).count() as f64 / n_requests;
        let n_hit_blocks: usize = shares.shared.iter().flatten().map(|shared| shared.n_blocks).sum();
        let nodes = Nodes::of(trace);
        let below_root = nodes.touches_below(shares.root_depth);
        Self {
            block_tokens: trace.block_tokens(),
            n_blocks_total: trace.n_blocks_total(),
            n_blocks_distinct: trace.n_blocks_distinct(),
            block_hit_fraction: n_hit_blocks as f64 / trace.n_blocks_total() as f64,
            token_hit_fraction: hit_fraction(hits.iter().copied()).expect("a trace has a token"),
            mean_request_hit_fraction: fractions.iter().sum::<f64>() / n_requests,
            requests_over_50_percent_hit: share_over(0.5),
            requests_over_90_percent_hit: share_over(0.9),
            token_hit_by_sixth: token_hit_by_sixth(trace, &hits),
            n_roots: nodes.count_at_depth(0),
            n_second_level: nodes.count_at_depth(1),
            n_leaves: nodes.count_with_children(|n_children| n_children == 0),
            n_with_one_child: nodes.count_with_children(|n_children| n_children == 1),
            n_branching: nodes.count_with_children(|n_children| n_children > 1),
            blocks_touched_once: nodes.share_touched_once(),
            most_touches: below_root.first().copied().unwrap_or(0),
            zipf_exponent: zipf_exponent(&below_root),
        }
    }
}

/// Hit tokens over all tokens, of pairs of both; nothing for no tokens.
fn hit_fraction(hits: impl Iterator<Item = (u64, u64)>) -> Option<f64> {
    let (hit, all) = hits.fold((0, 0), |sums, hit| (sums.0 + hit.0, sums.1 + hit.1));
    (all > 0).then(|| hit as f64 / all as f64)
}

fn token_hit_by_sixth(trace: &Trace, hits: &[(u64, u64)]) -> [Option<f64>; 6] {
    let rows = trace.rows();
    let first_ms = rows[0].timestamp_ms;
    let duration_ms = (rows[rows.len() - 1].timestamp_ms - first_ms).max(1);
    let sixth_of = |row: &TraceRow| ((row.timestamp_ms - first_ms) * 6 / duration_ms).min(5);
    std::array::from_fn(|sixth| {
        let in_sixth = rows.iter().zip(hits).filter(|(row, _)| sixth_of(row) == sixth as u64);
        hit_fraction(in_sixth.map(|(_, &hit)| hit))
    })
}

/// The nodes of the prefix tree, by block id.
struct Nodes {
    depths: Vec<u32>,
    n_children: Vec<u32>,
    touches: Vec<u32>,
}

impl Nodes {
    fn of(trace: &Trace) -> Self {
        let n = trace.n_blocks_distinct();
        let mut nodes = Self { depths: vec![0; n], n_children: vec![0; n], touches: vec![0; n] };
        for row in trace.rows() {
            let mut parent: Option<BlockId> = None;
            for (depth, &block) in (0..).zip(trace.blocks(row)) {
                if nodes.touches[block.index()] == 0 {
                    nodes.depths[block.index()] = depth;
                    if let Some(parent) = parent {
                        nodes.n_children[parent.index()] += 1;
                    }
                }
                nodes.touches[block.index()] += 1;
                parent = Some(block);
            }
        }
        nodes
    }

    fn count_at_depth(&self, depth: u32) -> usize {
        self.depths.iter().filter(|&&found| found == depth).count()
    }

    fn count_with_children(&self, matches: impl Fn(u32) -> bool) -> usize {
        self.n_children.iter().filter(|&&n_children| matches(n_children)).count()
    }

    fn share_touched_once(&self) -> f64 {
        self.touches.iter().filter(|&&touches| touches == 1).count() as f64 / self.touches.len() as f64
    }

    /// Touches of the blocks from a depth on, most first.
    fn touches_below(&self, root_depth: usize) -> Vec<u32> {
        let below = self.touches.iter().zip(&self.depths).filter(|&(_, &depth)| depth as usize >= root_depth);
        let mut touches: Vec<u32> = below.map(|(&touches, _)| touches).collect();
        touches.sort_unstable_by(|one, other| other.cmp(one));
        touches
    }
}

/// Least squares on the logarithms.
fn zipf_exponent(touches_most_first: &[u32]) -> Option<f64> {
    let shared = touches_most_first.iter().take_while(|&&touches| touches > 1);
    let points: Vec<(f64, f64)> = (1..)
        .zip(shared)
        .filter(|(rank, _)| ZIPF_RANKS.contains(rank))
        .map(|(rank, &touches)| (libm::log(rank as f64), libm::log(f64::from(touches))))
        .collect();
    if points.len() < 2 {
        return None;
    }
    let n = points.len() as f64;
    let rank_mean = points.iter().map(|point| point.0).sum::<f64>() / n;
    let touch_mean = points.iter().map(|point| point.1).sum::<f64>() / n;
    let covariance: f64 = points.iter().map(|point| (point.0 - rank_mean) * (point.1 - touch_mean)).sum();
    let variance: f64 = points.iter().map(|point| (point.0 - rank_mean) * (point.0 - rank_mean)).sum();
    Some(-covariance / variance)
}

/// Sessions by size. A request that is nothing but the universal root counts with the session of that root.
pub(super) fn session_counts(trace: &Trace, root_depth: usize) -> Vec<SessionCount> {
    let mut sizes = vec![0u32; trace.n_blocks_distinct()];
    for row in trace.rows() {
        let blocks = trace.blocks(row);
        let name = blocks[root_depth.min(blocks.len() - 1)];
        sizes[name.index()] += 1;
    }
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for size in sizes.into_iter().filter(|&size| size > 0) {
        *counts.entry(size).or_insert(0) += 1;
    }
    counts.into_iter().map(|(n_requests, n_sessions)| SessionCount { n_requests, n_sessions }).collect()
}

impl ContinuationStatistics {
    pub(super) fn of(trace: &Trace, shares: &Shares) -> Option<Self> {
        let rows = trace.rows();
        let (mut n_append, mut n_exact) = (0, 0);
        let (mut lags_s, mut outputs, mut earlier_outputs) = (Vec::new(), Vec::new(), Vec::new());
        for (row, shared) in rows.iter().zip(&shares.shared) {
            let Some(SharedPrefix { n_blocks, holder_idx }) = *shared else { continue };
            if n_blocks <= shares.root_depth {
                continue;
            }
            let earlier = &rows[holder_idx];
            if trace.blocks(row) == trace.blocks(earlier) {
                n_exact += 1;
            } else if n_blocks == (earlier.input_tokens / trace.block_tokens()) as usize {
                n_append += 1;
            }
            lags_s.push((row.timestamp_ms - earlier.timestamp_ms) as f64 / 1000.0);
            outputs.push(f64::from(row.output_tokens));
            earlier_outputs.push(f64::from(earlier.output_tokens));
        }
        let n_all = lags_s.len();
        let share = |n: usize| n as f64 / n_all as f64;
        Some(Self {
            of_requests: n_all as f64 / rows.len() as f64,
            append: share(n_append),
            exact_repeat: share(n_exact),
            interior_branch: share(n_all - n_append - n_exact),
            lag_s: Distribution::of(lags_s)?,
            output_spearman: spearman(&outputs, &earlier_outputs),
        })
    }
}
