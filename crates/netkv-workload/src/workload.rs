//! Requests in order of arrival, with the blocks of their prompts: what the simulation is given.

use crate::trace::{BLOCK_TOKENS, n_blocks_of};
use netkv_units::{BlockId, RequestId, SimDuration, SimTime, Stream};

/// Requests in order of arrival, ties in trace order. Block ids are dense and form a prefix tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    requests: Vec<Request>,
    blocks: Vec<BlockId>,
    n_blocks_distinct: usize,
    block_tokens: u32,
    span: SimDuration,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it arrives.
    pub arrival: SimTime,
    /// Tokens of the prompt, at least 1.
    pub input_tokens: u32,
    /// Tokens of the answer, at least 1.
    pub output_tokens: u32,
    /// The row of the trace it comes from; its own position if it comes from none.
    pub trace_row: u32,
    /// Where its blocks begin in the workload's flat list.
    first_block: u32,
}

/// The lengths of a workload's requests at their extremes, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// The shortest prompt.
    pub shortest_input: u32,
    /// The longest prompt.
    pub longest_input: u32,
    /// The longest prompt together with its answer.
    pub longest_total: u32,
}

impl Request {
    pub(crate) fn new(
        arrival: SimTime,
        input_tokens: u32,
        output_tokens: u32,
        trace_row: u32,
        first_block: usize,
    ) -> Self {
        let first_block = u32::try_from(first_block).expect("a workload has fewer than 2^32 block references");
        Self { arrival, input_tokens, output_tokens, trace_row, first_block }
    }
}

impl Workload {
    pub(crate) fn new(
        requests: Vec<Request>,
        blocks: Vec<BlockId>,
        n_blocks_distinct: usize,
        block_tokens: u32,
        span: SimDuration,
    ) -> Self {
        assert!(requests.is_sorted_by_key(|request| request.arrival), "requests come in order of arrival");
        assert!(block_tokens > 0, "a block has a token");
        Self { requests, blocks, n_blocks_distinct, block_tokens, span }
    }

    /// [`Workload::in_blocks`] with blocks of [`BLOCK_TOKENS`].
    ///
    /// # Panics
    /// As it does.
    pub fn from_parts(parts: Vec<(SimTime, u32, u32, Vec<BlockId>)>) -> Self {
        Self::in_blocks(BLOCK_TOKENS, parts)
    }

    /// A workload of given requests: arrival, input tokens, output tokens and blocks of each, of `block_tokens`. Its span
    /// reaches to the last arrival.
    ///
    /// # Panics
    /// If arrivals run back, a length is zero, a number of blocks does not fit its input, or the ids are not dense
    /// (below the number of distinct ones) or no prefix tree.
    pub fn in_blocks(block_tokens: u32, parts: Vec<(SimTime, u32, u32, Vec<BlockId>)>) -> Self {
        let mut requests: Vec<Request> = Vec::with_capacity(parts.len());
        let mut blocks = Vec::new();
        for (idx, (arrival, input_tokens, output_tokens, own_blocks)) in parts.into_iter().enumerate() {
            let number = RequestId::from_index(idx).get();
            requests.push(Request::new(arrival, input_tokens, output_tokens, number, blocks.len()));
            assert_eq!(
                own_blocks.len(),
                n_blocks_of(input_tokens, block_tokens),
                "blocks of request {idx}, of {input_tokens} tokens"
            );
            blocks.extend(own_blocks);
        }
        let n_ids = blocks.iter().map(|block| block.index() + 1).max().unwrap_or(0);
        let span = requests.last().map_or(SimDuration::ZERO, |request| request.arrival.since(SimTime::ZERO));
        let workload = Self::new(requests, blocks, n_ids, block_tokens, span);
        workload.check_invariants();
        workload
    }

    /// `n` prompts of one length with no common prefix, arriving as a Poisson process from time 0: what queueing theory
    /// speaks of. Gaps come from the stream "arrivals" of `seed`.
    ///
    /// # Panics
    /// If the rate is not positive and finite, or a length is zero.
    pub fn poisson(requests_per_sec: f64, n: usize, input_tokens: u32, output_tokens: u32, seed: u64) -> Self {
        assert_rate(requests_per_sec);
        let mut stream = Stream::new(seed, "arrivals");
        let n_blocks = n_blocks_of(input_tokens, BLOCK_TOKENS);
        let mut arrival_s = 0.0;
        let parts = (0..n)
            .map(|idx| {
                arrival_s += stream.exponential(1.0 / requests_per_sec);
                let blocks = (idx * n_blocks..(idx + 1) * n_blocks).map(BlockId::from_index).collect();
                (SimTime::from_secs_f64(arrival_s), input_tokens, output_tokens, blocks)
            })
            .collect();
        Self::from_parts(parts)
    }

    /// The requests, in order of arrival; a [`RequestId`] is a position here.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is no request: the window held none, or the limit was zero.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// One request.
    pub fn request(&self, id: RequestId) -> &Request {
        &self.requests[id.index()]
    }

    /// The blocks of a request's prompt, from the root on.
    pub fn blocks(&self, id: RequestId) -> &[BlockId] {
        let request = self.request(id);
        let first = request.first_block as usize;
        &self.blocks[first..first + n_blocks_of(request.input_tokens, self.block_tokens)]
    }

    /// Tokens of a block; the last one of a prompt may be partial.
    pub const fn block_tokens(&self) -> u32 {
        self.block_tokens
    }

    /// How many different blocks there are; ids are below this number.
    pub fn n_blocks_distinct(&self) -> usize {
        self.n_blocks_distinct
    }

    /// How long requests arrive for, from time 0 to the end of the window, or of the last tick if there is no window
    /// ([`Workload::build`] says it exactly); to the last arrival if the workload comes from no trace.
    pub fn span(&self) -> SimDuration {
        self.span
    }

    /// Mean arrival rate: requests over span.
    ///
    /// # Panics
    /// If the span is zero: all requests arrive at time 0, which is no rate.
    pub fn native_rate_rps(&self) -> f64 {
        assert!(self.span > SimDuration::ZERO, "{} requests at time 0 have no rate", self.len());
        self.len() as f64 / self.span.as_secs_f64()
    }

    /// The same requests with all times multiplied so that the mean rate is this one. Order, and so cache hits, stay;
    /// ticks and think times shrink or grow with the rest.
    ///
    /// # Panics
    /// If the rate is not positive and finite, there is no request, or the span is zero.
    pub fn scaled_to_rate(mut self, requests_per_sec: f64) -> Self {
        assert_rate(requests_per_sec);
        assert!(!self.is_empty(), "no requests have no rate");
        assert!(self.span > SimDuration::ZERO, "{} requests at time 0 have no rate", self.len());
        let new_span = SimDuration::from_secs_f64(self.len() as f64 / requests_per_sec);
        let (old_nanos, new_nanos) = (u128::from(self.span.as_nanos()), u128::from(new_span.as_nanos()));
        for request in &mut self.requests {
            let nanos = u128::from(request.arrival.as_nanos()) * new_nanos / old_nanos;
            request.arrival = SimTime::from_nanos(u64::try_from(nanos).expect("the scaled time fits simulated time"));
        }
        self.span = new_span;
        self
    }

    /// Checks every request and block, in time linear in their number.
    ///
    /// # Panics
    /// If something that the type promises does not hold.
    pub fn check_invariants(&self) {
        let mut parents: Vec<Option<Option<BlockId>>> = vec![None; self.n_blocks_distinct];
        for (idx, request) in self.requests.iter().enumerate() {
            assert!(request.input_tokens > 0, "request {idx} has no prompt");
            assert!(request.output_tokens > 0, "request {idx} has no answer");
            let mut parent = None;
            for &block in self.blocks(RequestId::from_index(idx)) {
                let known = *parents[block.index()].get_or_insert(parent);
                assert_eq!(known, parent, "the parent of {block:?} in request {idx}, against an earlier one");
                parent = Some(block);
            }
        }
        assert!(parents.iter().all(Option::is_some), "ids are dense");
        assert!(self.requests.is_sorted_by_key(|request| request.arrival), "requests come in order of arrival");
    }
}

fn assert_rate(requests_per_sec: f64) {
    assert!(requests_per_sec.is_finite() && requests_per_sec > 0.0, "{requests_per_sec} requests/s is no rate");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(arrival_ns: u64, input_tokens: u32, ids: &[u32]) -> (SimTime, u32, u32, Vec<BlockId>) {
        (SimTime::from_nanos(arrival_ns), input_tokens, 1, ids.iter().map(|&id| BlockId::new(id)).collect())
    }

    #[test]
    fn parts_become_requests_with_their_blocks() {
        let workload = Workload::from_parts(vec![part(0, 600, &[1, 0]), part(5, 512, &[1]), part(5, 700, &[1, 2])]);
        assert_eq!(workload.n_blocks_distinct(), 3);
        assert_eq!(workload.blocks(RequestId::new(2)), [BlockId::new(1), BlockId::new(2)]);
        assert_eq!(workload.span(), SimDuration::from_nanos(5));
    }

    #[test]
    #[should_panic(expected = "the parent of BlockId(0) in request 1")]
    fn ids_that_are_no_tree_are_refused() {
        let _ = Workload::from_parts(vec![part(0, 600, &[1, 0]), part(0, 512, &[0])]);
    }

    #[test]
    #[should_panic(expected = "ids are dense")]
    fn ids_with_gaps_are_refused() {
        let _ = Workload::from_parts(vec![part(0, 512, &[1])]);
    }

    #[test]
    #[should_panic(expected = "requests come in order of arrival")]
    fn arrivals_that_run_back_are_refused() {
        let _ = Workload::from_parts(vec![part(1, 512, &[0]), part(0, 512, &[1])]);
    }

    #[test]
    fn poisson_arrivals_have_their_rate_and_variation() {
        let workload = Workload::poisson(50.0, 100_000, 1_000, 10, 3);
        assert!((workload.native_rate_rps() / 50.0 - 1.0).abs() < 0.01);
        assert_eq!(workload.n_blocks_distinct(), 200_000);
        let gaps: Vec<f64> =
            workload.requests().windows(2).map(|pair| pair[1].arrival.since(pair[0].arrival).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / gaps.len() as f64;
        assert!((variance / (mean * mean) - 1.0).abs() < 0.03);
    }

    #[test]
    fn scaling_time_gives_the_rate_asked_for_and_keeps_the_order() {
        let workload = Workload::poisson(3.4, 1_000, 512, 1, 1);
        let scaled = workload.clone().scaled_to_rate(11.0);
        assert!((scaled.native_rate_rps() - 11.0).abs() < 1e-6);
        scaled.check_invariants();
        assert_eq!(scaled.requests().last().unwrap().arrival, SimTime::ZERO + scaled.span());
        let back = scaled.scaled_to_rate(workload.native_rate_rps());
        let pairs = workload.requests().iter().zip(back.requests());
        assert!(pairs.into_iter().all(|(one, two)| one.arrival.as_nanos().abs_diff(two.arrival.as_nanos()) < 10));
    }

    #[test]
    #[should_panic(expected = "at time 0 have no rate")]
    fn simultaneous_requests_have_no_rate() {
        let _ = Workload::from_parts(vec![part(0, 1, &[0])]).native_rate_rps();
    }
}
