//! A prefill instance: prompts in a queue, computed in batches of a bounded number of tokens.
//!
//! A batch takes tokens from the prompts at the head of the queue until it is full; a prompt that does not fit is
//! computed in chunks, over several batches. A prompt holds its KV memory from its first batch until its transfer
//! has ended, so a network that cannot keep up stops prefill. Source of chunking with a token budget: Sarathi-Serve
//! (OSDI '24), as in vLLM. Leaves out: decode work mixed into prefill batches (the pools are separate); loading from host
//! memory at the same time as computing: a batch with prompts that are loaded takes that much longer.
//!
//! The queue is in order of arrival, or of work with ageing: a prompt of n tokens to compute that arrived at a comes
//! before one of n' and a' if n + ageing a < n' + ageing a', which depends on no present time, so the order among those
//! that wait never changes. A prompt whose computation has begun is not put back.
//!
//! Instead of all that, prompts may be computed without regard to each other (the paper's pure delay): see
//! [`PrefillEngine::begin_alone`].
//!
//! A state machine: it says how long a batch takes and which prompts are done; it never sees the event queue.

use super::host_link::HostLink;
use super::kv_memory::{Grant, KvMemory, Prompt};
use crate::profile::PrefillLatency;
use crate::scenario::PrefillQueue;
use netkv_units::{RequestId, SimDuration, SimTime};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A prompt that was taken from the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    /// Which one.
    pub request: RequestId,
    /// Its length.
    pub input_tokens: u32,
    /// Tokens whose KV cache is there.
    pub present: u32,
    /// Tokens that the present batch computes.
    pub computing: u32,
}

/// A prompt in the queue: its place, then the order of arrival.
type Waiting = Reverse<(u128, u64, RequestId)>;

/// One prefill instance.
#[derive(Clone, Debug)]
pub(crate) struct PrefillEngine {
    latency: PrefillLatency,
    max_batch_tokens: u32,
    max_batch_requests: usize,
    order: PrefillQueue,
    host: HostLink,
    queue: BinaryHeap<Waiting>,
    enqueued: u64,
    running: Vec<Running>,
    busy: bool,
    backlog_tokens: u64,
    /// Twice the pairs of tokens that are still to be attended.
    backlog_double_pairs: u64,
}

impl PrefillEngine {
    /// An idle engine.
    pub(super) const fn new(
        latency: PrefillLatency,
        max_batch_tokens: u32,
        max_batch_requests: usize,
        order: PrefillQueue,
        host: HostLink,
    ) -> Self {
        Self {
            latency,
            max_batch_tokens,
            max_batch_requests,
            order,
            host,
            queue: BinaryHeap::new(),
            enqueued: 0,
            running: Vec::new(),
            busy: false,
            backlog_tokens: 0,
            backlog_double_pairs: 0,
        }
    }

    /// Whether a batch is being computed.
    pub(crate) const fn is_busy(&self) -> bool {
        self.busy
    }

    /// Prompt tokens that wait or are being computed.
    pub(crate) const fn backlog_tokens(&self) -> u64 {
        self.backlog_tokens
    }

    /// Pairs of a token that waits or is being computed and one before it in its prompt: what attention has to do for them.
    pub(crate) const fn backlog_pairs(&self) -> u64 {
        self.backlog_double_pairs / 2
    }

    /// Prompts that wait or are being computed.
    pub(crate) fn n_requests(&self) -> usize {
        self.queue.len() + self.running.len()
    }

    /// The prompts that are being computed, in queue order.
    pub(crate) fn running(&self) -> &[Running] {
        &self.running
    }

    /// The prompts that wait, in no particular order.
    pub(crate) fn queued(&self) -> impl Iterator<Item = RequestId> {
        self.queue.iter().map(|Reverse((_, _, request))| *request)
    }

    /// Puts a prompt that arrives at `now` into the queue; `cached_tokens` of it need not be computed as it seems now.
    pub(crate) fn enqueue(&mut self, now: SimTime, request: RequestId, input_tokens: u32, cached_tokens: u32) {
        let place = match self.order {
            PrefillQueue::Fcfs => 0,
            // In tokens x nanoseconds a second.
            PrefillQueue::ShortestFirst { ageing_tokens_per_sec } => {
                u128::from(input_tokens - cached_tokens) * 1_000_000_000
                    + u128::from(ageing_tokens_per_sec) * u128::from(now.as_nanos())
            }
        };
        self.queue.push(Reverse((place, self.enqueued, request)));
        self.enqueued += 1;
        self.backlog_tokens += u64::from(input_tokens);
        self.backlog_double_pairs += square(input_tokens);
    }

    /// Starts the next batch and says how long it takes; none if there is nothing to compute or no memory for the head
    /// of the queue. Adds the prompts that it takes from the queue to `taken`, with what they were granted.
    ///
    /// # Panics
    /// If a batch is being computed.
    pub(crate) fn start_batch<'a>(
        &mut self,
        memory: &mut KvMemory,
        prompt_of: impl Fn(RequestId) -> Prompt<'a>,
        taken: &mut Vec<(RequestId, Grant)>,
    ) -> Option<SimDuration> {
        assert!(!self.busy, "one batch at a time");
        let mut budget = self.max_batch_tokens;
        for running in &mut self.running {
            running.computing = budget.min(running.input_tokens - running.present);
            budget -= running.computing;
        }
        let mut loaded_tokens = 0;
        while budget > 0 && self.running.len() < self.max_batch_requests {
            let Some(&Reverse((_, _, request))) = self.queue.peek() else { break };
            let prompt = prompt_of(request);
            let Some(grant) = memory.admit(prompt.prefix, prompt.input_tokens, 0) else { break };
            self.queue.pop();
            // The last token is always computed: its output is the first step of decoding.
            let present = (grant.hit_tokens + grant.host_tokens).min(prompt.input_tokens - 1);
            let hit_tokens = grant.hit_tokens.min(present);
            loaded_tokens += u64::from(grant.host_tokens);
            self.backlog_tokens -= u64::from(present);
            self.backlog_double_pairs -= square(present);
            let computing = budget.min(prompt.input_tokens - present);
            budget -= computing;
            self.running.push(Running { request, input_tokens: prompt.input_tokens, present, computing });
            taken.push((request, Grant { hit_tokens, host_tokens: present - hit_tokens, ..grant }));
        }
        if self.running.is_empty() {
            return None;
        }
        self.busy = true;
        let work = self.running.iter().filter(|running| running.computing > 0);
        let computing = self.latency.batch(work.map(|running| (running.computing, running.present)));
        Some(computing + self.host.time(loaded_tokens))
    }

    /// Begins to compute a prompt by itself, whatever else is computed there, and says how long that takes: no queue, no
    /// batches, no memory. An engine does either this or batches.
    pub(crate) fn begin_alone(&mut self, request: RequestId, input_tokens: u32) -> SimDuration {
        self.running.push(Running { request, input_tokens, present: 0, computing: input_tokens });
        self.backlog_tokens += u64::from(input_tokens);
        self.backlog_double_pairs += square(input_tokens);
        self.latency.batch([(input_tokens, 0)])
    }

    /// Ends the computation of a prompt that was begun by itself.
    ///
    /// # Panics
    /// If it was not.
    pub(crate) fn finish_alone(&mut self, request: RequestId) {
        let position = self.running.iter().position(|running| running.request == request).expect("it was begun");
        let running = self.running.remove(position);
        self.backlog_tokens -= u64::from(running.input_tokens);
        self.backlog_double_pairs -= square(running.input_tokens);
    }

    /// Forgets a prompt, whether it waits or is being computed; the batch goes on without it.
    pub(super) fn remove(&mut self, request: RequestId, input_tokens: u32) {
        let queued = self.queue.len();
        self.queue.retain(|Reverse((_, _, other))| *other != request);
        let present = match self.running.iter().position(|running| running.request == request) {
            Some(at) => self.running.remove(at).present,
            None => 0,
        };
        debug_assert!(queued <= self.queue.len() + 1, "a prompt is in the queue once");
        self.backlog_tokens -= u64::from(input_tokens - present);
        self.backlog_double_pairs -= square(input_tokens) - square(present);
    }

    /// Ends the batch; adds the prompts that are done to `done`, in queue order.
    ///
    /// # Panics
    /// If no batch is being computed.
    pub(crate) fn finish_batch(&mut self, done: &mut Vec<RequestId>) {
        assert!(self.busy, "a batch ends once");
        self.busy = false;
        let (tokens, double_pairs) = (&mut self.backlog_tokens, &mut self.backlog_double_pairs);
        self.running.retain_mut(|running| {
            *double_pairs -= square(running.present + running.computing) - square(running.present);
            *tokens -= u64::from(running.computing);
            running.present += running.computing;
            running.computing = 0;
            let finished = running.present == running.input_tokens;
            if finished {
                done.push(running.request);
            }
            !finished
        });
    }
}

/// Twice the pairs of the first so many tokens of a prompt.
fn square(tokens: u32) -> u64 {
    u64::from(tokens) * u64::from(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::{BlockId, BytesPerSec, LatencyCurve};

    const LATENCY: PrefillLatency =
        PrefillLatency { tokens: LatencyCurve::linear(1_000_000_000, 1_000_000), per_pair_fs: 0 };

    /// 10 ns a token.
    const HOST: HostLink = HostLink { bytes_per_token: 1000, rate: BytesPerSec::new(100_000_000_000) };

    /// An engine with these prompts, which arrived a second after each other.
    fn engine(prompts: &[u32], max_batch_tokens: u32, order: PrefillQueue) -> PrefillEngine {
        let mut engine = PrefillEngine::new(LATENCY, max_batch_tokens, 8, order, HOST);
        for (index, &tokens) in prompts.iter().enumerate() {
            engine.enqueue(SimTime::from_secs_f64(index as f64), RequestId::from_index(index), tokens, 0);
        }
        engine
    }

    /// Durations of the batches in nanoseconds, with the prompts done after each.
    fn run(mut engine: PrefillEngine, prompts: &[u32]) -> Vec<(u64, Vec<u32>)> {
        let mut memory = KvMemory::new(10_000, 16, 512, true);
        let mut batches = Vec::new();
        let prompt = |request: RequestId| Prompt { input_tokens: prompts[request.index()], prefix: &[] };
        while let Some(duration) = engine.start_batch(&mut memory, prompt, &mut Vec::new()) {
            let mut done = Vec::new();
            engine.finish_batch(&mut done);
            batches.push((duration.as_nanos(), done.iter().map(|request| request.get()).collect()));
        }
        assert_eq!((engine.backlog_tokens(), engine.backlog_pairs()), (0, 0));
        batches
    }

    #[test]
    fn short_prompts_share_a_batch_and_long_ones_are_chunked() {
        let prompts = [100, 200, 2000, 50];
        let batches = run(engine(&prompts, 1000, PrefillQueue::Fcfs), &prompts);
        assert_eq!(batches, [(2000, vec![0, 1]), (2000, vec![]), (1000 + 350, vec![2, 3])]);
    }

    #[test]
    fn a_prompt_without_memory_waits_and_blocks_those_behind_it() {
        let mut engine = engine(&[160, 16], 1000, PrefillQueue::Fcfs);
        let mut memory = KvMemory::new(9, 16, 512, true);
        let prompt = |request: RequestId| Prompt { input_tokens: [160, 16][request.index()], prefix: &[] };
        assert!(engine.start_batch(&mut memory, prompt, &mut Vec::new()).is_none());
        assert_eq!((engine.backlog_tokens(), engine.backlog_pairs()), (176, (160 * 160 + 16 * 16) / 2));
    }

    #[test]
    fn the_shortest_goes_first_unless_a_longer_one_has_waited_for_the_difference() {
        let prompts = [900, 500, 100, 600];
        let order_of = |ageing_tokens_per_sec| {
            let order = PrefillQueue::ShortestFirst { ageing_tokens_per_sec };
            run(engine(&prompts, 1, order), &prompts).into_iter().flat_map(|(_, done)| done).collect::<Vec<_>>()
        };
        assert_eq!(order_of(0), [2, 1, 3, 0]);
        // 900, 500 + 150, 100 + 300, 600 + 450.
        assert_eq!(order_of(150), [2, 1, 0, 3]);
        assert_eq!(order_of(1000), [0, 1, 2, 3]);
    }

    #[test]
    fn prompts_that_are_computed_alone_do_not_wait_for_each_other() {
        let mut engine = engine(&[], 100, PrefillQueue::Fcfs);
        let durations = [700, 300].map(|tokens| engine.begin_alone(RequestId::new(tokens), tokens).as_nanos());
        assert_eq!((durations, engine.backlog_tokens(), engine.n_requests()), ([1700, 1300], 1000, 2));
        engine.finish_alone(RequestId::new(700));
        assert_eq!((engine.backlog_tokens(), engine.backlog_pairs()), (300, 300 * 300 / 2));
        engine.finish_alone(RequestId::new(300));
        assert_eq!((engine.backlog_tokens(), engine.backlog_pairs(), engine.n_requests()), (0, 0, 0));
    }

    /// 512 of 1,024 tokens come from the host, at 10 ns each; the others are computed in 1 us and 1 ns each.
    #[test]
    fn a_prompt_that_is_loaded_from_the_host_takes_that_time_and_not_the_computing() {
        let blocks: Vec<BlockId> = (0..4).map(BlockId::new).collect();
        let mut memory = KvMemory::new(64, 16, 512, true).with_host_tier(4);
        let mut engine = PrefillEngine::new(LATENCY, 8192, 8, PrefillQueue::Fcfs, HOST);
        let mut serve = |prefix: &[BlockId]| {
            engine.enqueue(SimTime::ZERO, RequestId::new(0), 1024, 0);
            let (mut taken, mut done) = (Vec::new(), Vec::new());
            let prompt = |_| Prompt { input_tokens: 1024, prefix };
            let duration = engine.start_batch(&mut memory, prompt, &mut taken).expect("there is room");
            engine.finish_batch(&mut done);
            memory.mark_ready(taken[0].1.holding, taken[0].1.private_blocks);
            memory.release(taken[0].1.holding, taken[0].1.private_blocks);
            (duration.as_nanos(), taken[0].1.hit_tokens, taken[0].1.host_tokens)
        };
        assert_eq!(serve(&blocks[..2]), (1000 + 1024, 0, 0));
        assert_eq!(serve(&blocks[2..]), (1000 + 1024, 0, 0));
        assert_eq!(serve(&[blocks[0], BlockId::new(9)]), (1000 + 512 + 5120, 0, 512));
        assert_eq!(serve(&[blocks[0], BlockId::new(9)]), (1000 + 1, 1023, 0), "the last token is always computed");
    }
}
