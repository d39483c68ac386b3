//! The prefill pool: who takes an arriving prompt, and what each instance holds and computes.

use super::available::available;
use super::busy::{BusyTime, mean_share};
use super::host_link::HostLink;
use super::kv_memory::{Grant, KvMemory, Prompt};
use super::prefill_engine::{PrefillEngine, Running};
use crate::scenario::{Pool, PrefillPolicy, PrefillQueue, Scenario};
use netkv_units::{BytesPerSec, RequestId, SimTime};

/// A prefill instance.
pub(crate) struct PrefillInstance {
    engine: PrefillEngine,
    memory: KvMemory,
    /// An idle engine has been told to start a batch at this instant.
    woken: bool,
    /// When the present batch ends, or the last one did.
    batch_end: SimTime,
    busy: BusyTime,
}

impl PrefillInstance {
    fn new(scenario: &Scenario) -> Self {
        let (kv, config) = (&scenario.kv, &scenario.prefill);
        let rate = BytesPerSec::new(config.host_load_bytes_per_sec);
        let host = HostLink { bytes_per_token: kv.prefill_bytes_per_token, rate };
        let most = config.max_batch_requests as usize;
        let prefix_tokens = scenario.workload.block_tokens();
        let host_tier_blocks = u32::try_from(config.host_tier_tokens / u64::from(prefix_tokens)).unwrap_or(u32::MAX);
        Self {
            engine: PrefillEngine::new(scenario.gpu.prefill, config.max_batch_tokens, most, config.queue, host),
            memory: KvMemory::new(kv.prefill_blocks, kv.block_tokens, prefix_tokens, kv.prefix_caching)
                .with_host_tier(host_tier_blocks),
            woken: false,
            batch_end: SimTime::ZERO,
            busy: BusyTime::new(scenario.last_arrival()),
        }
    }

    /// What it computes and has still to compute.
    pub(crate) const fn engine(&self) -> &PrefillEngine {
        &self.engine
    }

    /// What it holds.
    pub(crate) const fn memory(&self) -> &KvMemory {
        &self.memory
    }

    /// When the present batch ends.
    pub(crate) const fn batch_end(&self) -> SimTime {
        self.batch_end
    }

    /// Whether an idle engine has to be woken that has not been yet; it counts as woken from now on.
    fn wake(&mut self) -> bool {
        let wakes = !self.engine.is_busy() && !self.woken;
        self.woken |= wakes;
        wakes
    }
}

/// The prefill instances, in ascending order of id.
pub(crate) struct PrefillPool {
    instances: Vec<PrefillInstance>,
    policy: PrefillPolicy,
    queue: PrefillQueue,
    /// Whose turn it is.
    next: usize,
    /// By instance: whether it takes requests.
    available: Vec<bool>,
}

impl PrefillPool {
    /// `n` idle instances.
    pub(crate) fn new(scenario: &Scenario, n: usize) -> Self {
        Self {
            instances: (0..n).map(|_| PrefillInstance::new(scenario)).collect(),
            policy: scenario.prefill.policy,
            queue: scenario.prefill.queue,
            next: 0,
            available: available(scenario, Pool::Prefill, n),
        }
    }

    /// Whether an instance takes requests.
    pub(crate) fn takes(&self, prefill: usize) -> bool {
        self.available[prefill]
    }

    /// An instance takes requests from now on, or does not.
    pub(crate) fn set_available(&mut self, prefill: usize, is_available: bool) {
        self.available[prefill] = is_available;
    }

    /// An instance has lost all that it had; its requests were taken from it before.
    pub(crate) fn reset(&mut self, scenario: &Scenario, prefill: usize) {
        let before = std::mem::replace(&mut self.instances[prefill], PrefillInstance::new(scenario));
        self.instances[prefill].busy = before.busy;
    }

    /// Takes a prompt from an instance that has not computed it, with what it was granted, if it was; whether the instance
    /// has to be woken at the end of this instant.
    #[must_use]
    pub(crate) fn recall(&mut self, prefill: usize, request: RequestId, input_tokens: u32, grant: Grant) -> bool {
        let instance = &mut self.instances[prefill];
        instance.engine.remove(request, input_tokens);
        if let Some((holding, private_blocks)) = grant.held() {
            instance.memory.abandon(holding, private_blocks);
        }
        instance.wake()
    }

    /// Whether the batch that an instance computes ends now.
    pub(crate) fn is_due(&self, now: SimTime, prefill: usize) -> bool {
        let instance = &self.instances[prefill];
        !instance.engine.is_busy() || instance.batch_end == now
    }

    /// The instances, by position.
    pub(crate) fn instances(&self) -> &[PrefillInstance] {
        &self.instances
    }

    /// Chooses the instance that takes a prompt, by the rule that all decode policies share.
    pub(crate) fn choose(&mut self, prompt: Prompt<'_>) -> usize {
        let backlog = |instance: &PrefillInstance| instance.engine.backlog_tokens();
        let pool = self.instances.iter().enumerate().filter(|(prefill, _)| self.available[*prefill]);
        let least = match self.policy {
            PrefillPolicy::RoundRobin => {
                let n = self.instances.len();
                let in_turn = (0..n).map(|ahead| (self.next + ahead) % n);
                let turn = in_turn.into_iter().find(|&turn| self.available[turn]);
                let turn = turn.expect("an instance takes requests");
                self.next = (turn + 1) % n;
                return turn;
            }
            PrefillPolicy::LeastTokens => pool.min_by_key(|(_, instance)| backlog(instance)),
            PrefillPolicy::CacheAware => pool.min_by_key(|(_, instance)| {
                let hit = u64::from(instance.memory.hit_tokens(prompt.prefix));
                backlog(instance) + u64::from(prompt.input_tokens) - hit
            }),
        };
        least.expect("there is a prefill instance").0
    }

    /// Puts a prompt into an instance's queue; whether the instance has to be woken at the end of this instant.
    #[must_use]
    pub(crate) fn enqueue(&mut self, now: SimTime, prefill: usize, request: RequestId, prompt: Prompt<'_>) -> bool {
        let instance = &mut self.instances[prefill];
        let cached_tokens = match self.queue {
            PrefillQueue::Fcfs => 0,
            PrefillQueue::ShortestFirst { .. } => instance.memory.hit_tokens(prompt.prefix),
        };
        instance.engine.enqueue(now, request, prompt.input_tokens, cached_tokens);
        instance.wake()
    }

    /// Begins to compute a prompt without regard to others; when it will be done.
    pub(crate) fn begin_alone(
        &mut self,
        now: SimTime,
        prefill: usize,
        request: RequestId,
        input_tokens: u32,
    ) -> SimTime {
        let instance = &mut self.instances[prefill];
        let end = now + instance.engine.begin_alone(request, input_tokens);
        instance.busy.add(now, end);
        end
    }

    /// A prompt that was computed without regard to others is done.
    pub(crate) fn finish_alone(&mut self, prefill: usize, request: RequestId) {
        self.instances[prefill].engine.finish_alone(request);
    }

    /// Ends the batch of an instance, if it computes one: adds the prompts that are done to `done`, in queue order.
    /// Until it starts the next one, nobody need wake it.
    pub(crate) fn finish_batch(&mut self, prefill: usize, done: &mut Vec<RequestId>) {
        let instance = &mut self.instances[prefill];
        instance.woken = true;
        done.clear();
        if instance.engine.is_busy() {
            instance.engine.finish_batch(done);
        }
    }

    /// Starts the next batch of an instance and says when it ends; none if there is nothing to compute, or no memory.
    /// `taken` becomes the prompts that leave the queue, with what they are granted.
    pub(crate) fn start_batch<'a>(
        &mut self,
        now: SimTime,
        prefill: usize,
        prompt_of: impl Fn(RequestId) -> Prompt<'a>,
        taken: &mut Vec<(RequestId, Grant)>,
    ) -> Option<SimTime> {
        let instance = &mut self.instances[prefill];
        instance.woken = false;
        taken.clear();
        let end = now + instance.engine.start_batch(&mut instance.memory, prompt_of, taken)?;
        instance.busy.add(now, end);
        instance.batch_end = end;
        Some(end)
    }

    /// How far an instance is with a prompt that it computes.
    ///
    /// # Panics
    /// If it does not.
    pub(crate) fn running(&self, prefill: usize, request: RequestId) -> Running {
        let mut running = self.instances[prefill].engine.running().iter();
        *running.find(|running| running.request == request).expect("it is being computed")
    }

    /// The KV cache of a prompt is complete.
    pub(crate) fn mark_ready(&mut self, prefill: usize, grant: Grant) {
        if let Some((holding, private_blocks)) = grant.held() {
            self.instances[prefill].memory.mark_ready(holding, private_blocks);
        }
    }

    /// Gives back the memory of a prompt; whether the instance has to be woken at the end of this instant.
    #[must_use]
    pub(crate) fn release(&mut self, prefill: usize, grant: Grant) -> bool {
        let Some((holding, private_blocks)) = grant.held() else { return false };
        let instance = &mut self.instances[prefill];
        instance.memory.release(holding, private_blocks);
        instance.wake()
    }

    /// Mean share of time that instances computed, up to the last arrival.
    pub(crate) fn utilisation_ratio(&self, last_arrival: SimTime) -> f64 {
        mean_share(self.instances.iter().map(|instance| &instance.busy), last_arrival)
    }

    /// # Panics
    /// If something of a request is left.
    pub(crate) fn check_empty(&self) {
        for instance in &self.instances {
            assert_eq!(instance.engine.backlog_tokens(), 0, "no prompt is left");
            assert_eq!(instance.memory.available(), instance.memory.capacity(), "prefill memory is given back");
        }
    }
}
