//! A prefill instance: prompts in order of arrival, computed in batches of a bounded number of tokens.
//!
//! A batch takes tokens from the prompts at the head of the queue until it is full; a prompt that does not fit is
//! computed in chunks, over several batches. A prompt holds its KV memory from its first batch until its transfer
//! has ended, so a network that cannot keep up stops prefill. Source of chunking with a token budget: Sarathi-Serve
//! (OSDI '24), as in vLLM. Leaves out: decode work mixed into prefill batches (the pools are separate).
//!
//! A state machine: it says how long a batch takes and which prompts are done; it never sees the event queue.

use crate::kv_memory::{Grant, KvMemory};
use crate::profile::PrefillLatency;
use netkv_units::{BlockId, RequestId, SimDuration};
use std::collections::VecDeque;

/// A prompt as the engine needs it.
#[derive(Clone, Copy, Debug)]
pub struct Prompt<'a> {
    /// Its length.
    pub input_tokens: u32,
    /// Its whole prefix blocks.
    pub prefix: &'a [BlockId],
}

/// A prompt that was taken from the queue.
#[derive(Clone, Copy, Debug)]
struct Running {
    request: RequestId,
    input_tokens: u32,
    /// Tokens whose KV cache is there.
    present: u32,
    /// Tokens that the present batch computes.
    computing: u32,
}

/// What the start of a batch decided.
#[derive(Clone, Debug, Default)]
pub struct BatchStart {
    /// How long the batch takes.
    pub duration: SimDuration,
    /// Prompts that were taken from the queue, with what they were granted.
    pub taken: Vec<(RequestId, Grant)>,
}

/// One prefill instance.
#[derive(Clone, Debug)]
pub struct PrefillEngine {
    latency: PrefillLatency,
    max_batch_tokens: u32,
    max_batch_requests: usize,
    queue: VecDeque<RequestId>,
    running: Vec<Running>,
    busy: bool,
    backlog_tokens: u64,
}

impl PrefillEngine {
    /// An idle engine.
    pub const fn new(latency: PrefillLatency, max_batch_tokens: u32, max_batch_requests: usize) -> Self {
        Self {
            latency,
            max_batch_tokens,
            max_batch_requests,
            queue: VecDeque::new(),
            running: Vec::new(),
            busy: false,
            backlog_tokens: 0,
        }
    }

    /// Whether a batch is being computed.
    pub const fn is_busy(&self) -> bool {
        self.busy
    }

    /// Prompt tokens that wait or are being computed.
    pub const fn backlog_tokens(&self) -> u64 {
        self.backlog_tokens
    }

    /// Puts a prompt at the end of the queue.
    pub fn enqueue(&mut self, request: RequestId, input_tokens: u32) {
        self.queue.push_back(request);
        self.backlog_tokens += u64::from(input_tokens);
    }

    /// Starts the next batch; none if there is nothing to compute or no memory for the head of the queue.
    ///
    /// # Panics
    /// If a batch is being computed.
    pub fn start_batch<'a>(
        &mut self,
        memory: &mut KvMemory,
        prompt_of: impl Fn(RequestId) -> Prompt<'a>,
    ) -> Option<BatchStart> {
        assert!(!self.busy, "one batch at a time");
        let mut budget = self.max_batch_tokens;
        for running in &mut self.running {
            running.computing = budget.min(running.input_tokens - running.present);
            budget -= running.computing;
        }
        let mut start = BatchStart::default();
        while budget > 0 && self.running.len() < self.max_batch_requests {
            let Some(&request) = self.queue.front() else { break };
            let prompt = prompt_of(request);
            let Some(grant) = memory.admit(prompt.prefix, prompt.input_tokens, 0) else { break };
            self.queue.pop_front();
            // The last token is always computed: its output is the first step of decoding.
            let present = grant.hit_tokens.min(prompt.input_tokens - 1);
            self.backlog_tokens -= u64::from(present);
            let computing = budget.min(prompt.input_tokens - present);
            budget -= computing;
            self.running.push(Running { request, input_tokens: prompt.input_tokens, present, computing });
            start.taken.push((request, Grant { hit_tokens: present, ..grant }));
        }
        if self.running.is_empty() {
            return None;
        }
        self.busy = true;
        let work = self.running.iter().filter(|running| running.computing > 0);
        start.duration = self.latency.batch(work.map(|running| (running.computing, running.present)));
        Some(start)
    }

    /// Ends the batch; adds the prompts that are done to `done`, in queue order.
    ///
    /// # Panics
    /// If no batch is being computed.
    pub fn finish_batch(&mut self, done: &mut Vec<RequestId>) {
        assert!(self.busy, "a batch ends once");
        self.busy = false;
        let backlog = &mut self.backlog_tokens;
        self.running.retain_mut(|running| {
            running.present += running.computing;
            *backlog -= u64::from(running.computing);
            running.computing = 0;
            let finished = running.present == running.input_tokens;
            if finished {
                done.push(running.request);
            }
            !finished
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::LatencyCurve;

    const LATENCY: PrefillLatency =
        PrefillLatency { tokens: LatencyCurve::linear(1_000_000_000, 1_000_000), per_pair_fs: 0 };

    fn engine(prompts: &[u32], max_batch_tokens: u32) -> PrefillEngine {
        let mut engine = PrefillEngine::new(LATENCY, max_batch_tokens, 8);
        for (index, &tokens) in prompts.iter().enumerate() {
            engine.enqueue(RequestId::from_index(index), tokens);
        }
        engine
    }

    /// Durations of the batches in nanoseconds, with the prompts done after each.
    fn run(mut engine: PrefillEngine, prompts: &[u32]) -> Vec<(u64, Vec<u32>)> {
        let mut memory = KvMemory::new(10_000, 16, 512, true);
        let mut batches = Vec::new();
        let prompt = |request: RequestId| Prompt { input_tokens: prompts[request.index()], prefix: &[] };
        while let Some(start) = engine.start_batch(&mut memory, prompt) {
            let mut done = Vec::new();
            engine.finish_batch(&mut done);
            batches.push((start.duration.as_nanos(), done.iter().map(|request| request.get()).collect()));
        }
        assert_eq!(engine.backlog_tokens(), 0);
        batches
    }

    #[test]
    fn short_prompts_share_a_batch_and_long_ones_are_chunked() {
        let prompts = [100, 200, 2000, 50];
        let batches = run(engine(&prompts, 1000), &prompts);
        assert_eq!(batches, [(2000, vec![0, 1]), (2000, vec![]), (1000 + 350, vec![2, 3])]);
    }

    #[test]
    fn a_prompt_without_memory_waits_and_blocks_those_behind_it() {
        let mut engine = engine(&[160, 16], 1000);
        let mut memory = KvMemory::new(9, 16, 512, true);
        let prompt = |request: RequestId| Prompt { input_tokens: [160, 16][request.index()], prefix: &[] };
        assert!(engine.start_batch(&mut memory, prompt).is_none());
        assert_eq!(engine.backlog_tokens(), 176);
    }
}
