//! The loop, and the state that it owns. All control flow between the components is in [`Simulation::dispatch`] and
//! the handlers beside it (`serving`, `transfers`); they alone push events.

use crate::event::{Event, EventQueue};
use crate::explain::Questioned;
use crate::gpu::decode_engine::{DecodeEngine, Member, StretchEnd};
use crate::gpu::kv_memory::{Grant, KvMemory};
use crate::gpu::prefill_engine::{HostLoad, PrefillEngine};
use crate::gpu::profile::GpuProfile;
use crate::measure::record::{RequestRecord, RunEnd, RunOutput, RunTotals};
use crate::network::cluster::Cluster;
use crate::network::others::Competition;
use crate::network::transfers::FlowRoute;
use crate::requests::RequestWindow;
use crate::scenario::{PrefillMode, Scenario, TransferGranularity};
use crate::scheduler::oracle::LinkMonitor;
use crate::scheduler::rankings::Rankings;
use crate::scheduler::signals::Signals;
use hdrhistogram::Histogram;
use netkv_fabric::{
    Background, BackgroundChange, BackgroundConfig, DegradedLinks, FabricConfig, FatTree, FlowNetwork, LinkKind, Path,
};
use netkv_policy::{Candidate, Estimates, IterationModel, PrefillCandidate, PrefillModel, Selector};
use netkv_units::{BlockId, BytesPerSec, FlowId, LinkId, RequestId, SimDuration, SimTime};
use netkv_workload::{BLOCK_TOKENS, Request, RequestStream};
use std::collections::VecDeque;

/// A prefill instance.
pub(crate) struct PrefillInstance {
    pub(crate) engine: PrefillEngine,
    pub(crate) memory: KvMemory,
    /// An idle engine has been told to start a batch at this instant.
    pub(crate) woken: bool,
    pub(crate) busy: SimDuration,
    /// Transfers in flight out of it, by tier.
    pub(crate) sending: [u32; 4],
}

/// A decode instance, and the scheduler's bookkeeping of it.
pub(crate) struct DecodeInstance {
    pub(crate) engine: DecodeEngine,
    pub(crate) memory: KvMemory,
    /// Requests sent to it that wait for memory, in order.
    pub(crate) waiting: VecDeque<RequestId>,
    /// Requests that it swapped out, the next to return first, and when their KV cache had left.
    pub(crate) swapped: VecDeque<(Member, SimTime)>,
    /// Members on their way back from the host, and when they are there.
    pub(crate) returning: Vec<(SimTime, Member)>,
    /// Requests that it was given and that are not in its engine, and their tokens.
    pub(crate) outside: u32,
    pub(crate) outside_tokens: u64,
    /// Of these, the ones that its engine does not know of yet: they are still prefilled.
    pub(crate) unseen: u32,
    pub(crate) unseen_tokens: u64,
    /// Prompt tokens of all requests that it was given and that have not finished, in whole blocks.
    pub(crate) in_flight_prompt_tokens: u64,
    /// Tokens of those that wait for memory: waiting or swapped out.
    pub(crate) queued_tokens: u64,
    /// The wake that is in the queue, and its generation.
    pub(crate) wake: Option<SimTime>,
    pub(crate) generation: u32,
    pub(crate) busy: SimDuration,
    pub(crate) busy_since: Option<SimTime>,
    /// Transfers in flight into it: inside its node, and through its NICs.
    pub(crate) receiving: [u32; 2],
}

/// A run in progress.
pub(crate) struct Simulation<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) now: SimTime,
    pub(crate) queue: EventQueue,
    pub(crate) cluster: Cluster,
    pub(crate) tree: FatTree,
    pub(crate) network: FlowNetwork,
    pub(crate) monitor: LinkMonitor,
    pub(crate) policy: Selector,
    /// Reports of the decode instances, if the policy looks at them.
    pub(crate) signals: Option<Signals>,
    /// What is counted of the policy's decisions, if the experiment asks for it.
    pub(crate) rankings: Option<Rankings>,
    /// A decision that somebody asks about.
    pub(crate) questioned: Option<Questioned>,
    pub(crate) prefill: Vec<PrefillInstance>,
    pub(crate) decode: Vec<DecodeInstance>,
    pub(crate) requests: RequestWindow,
    pub(crate) tbt: Histogram<u64>,
    /// By flow.
    pub(crate) flow_routes: Vec<FlowRoute>,
    /// The links that are degraded at times, if there are any.
    pub(crate) degraded: Option<DegradedLinks>,
    /// The flows of other tenants, if the background is made of flows.
    pub(crate) competition: Option<Competition>,
    pub(crate) transfers_in_flight: u32,
    /// Transfers that are being set up, in the order in which that began: their flows, if any, are still to come.
    pub(crate) entering: Vec<RequestId>,
    pub(crate) totals: RunTotals,
    pub(crate) last_arrival: SimTime,
    pub(crate) next_prefill: usize,
    pub(crate) scratch: Scratch,
    background: Option<Background>,
    arrivals: Arrivals<'a>,
    /// Requests that have not left the window.
    n_left: usize,
    pub(crate) network_wake: Option<SimTime>,
    network_generation: u32,
}

/// Memory that handlers use again and again.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) ended: Vec<FlowId>,
    pub(crate) done: Vec<RequestId>,
    pub(crate) taken: Vec<(RequestId, Grant)>,
    pub(crate) hashes: Vec<u64>,
    pub(crate) paths: Vec<Path>,
    pub(crate) exact_rate: Vec<f64>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) prefill_candidates: Vec<PrefillCandidate>,
    pub(crate) stretch_end: StretchEnd,
    /// Gaps between tokens that are only foreseen.
    pub(crate) unread: Option<Histogram<u64>>,
}

/// Runs a scenario to its end.
///
/// # Panics
/// If an invariant of the model is broken: a bug, never the user's input.
pub fn run(scenario: &Scenario) -> RunOutput {
    run_with(scenario, u32::MAX)
}

/// Runs a scenario with at most `max_stretch` decode iterations in one event; 1 takes every iteration by itself, the
/// slow reference that [`run`] must agree with in everything but the number of events.
///
/// # Panics
/// As [`run`]; and if `max_stretch` is zero.
pub fn run_with(scenario: &Scenario, max_stretch: u32) -> RunOutput {
    let mut requests = Vec::with_capacity(scenario.workload.len());
    let RunEnd { tbt_histogram, totals } = run_stretched(scenario, max_stretch, &mut |record| requests.push(record));
    RunOutput { requests, tbt_histogram, totals }
}

/// Runs a scenario and hands each finished request to `sink` in order of arrival, as soon as those before it have
/// ended: memory does not grow with the number of requests.
///
/// # Panics
/// As [`run`].
pub fn run_streamed(scenario: &Scenario, sink: &mut dyn FnMut(RequestRecord)) -> RunEnd {
    run_stretched(scenario, u32::MAX, sink)
}

fn run_stretched(scenario: &Scenario, max_stretch: u32, sink: &mut dyn FnMut(RequestRecord)) -> RunEnd {
    let mut simulation = Simulation::new(scenario, max_stretch);
    simulation.run_to_end(sink);
    simulation.into_end()
}

/// An empty histogram of times between tokens: 1 ns to 1 h, three significant digits.
pub fn tbt_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("the bounds are valid")
}

/// The cluster and fabric as the flows see them: with pooled interfaces, one large GPU for each instance.
fn flow_view(scenario: &Scenario) -> (FabricConfig, Cluster) {
    let mut fabric = scenario.fabric;
    let mut cluster = scenario.cluster.clone();
    let mut n_flows = cluster.tp;
    if let TransferGranularity::Instance { flows } = scenario.transfer.granularity {
        n_flows = flows;
        let pooled = |rate: BytesPerSec| BytesPerSec::new(rate.get() * u64::from(cluster.tp));
        (fabric.nic, fabric.nvlink) = (pooled(fabric.nic), pooled(fabric.nvlink));
        fabric.shape.gpus_per_node /= cluster.tp;
        cluster.tp = 1;
    }
    let cluster = Cluster::new(&cluster, fabric.shape, n_flows, scenario.seed);
    (fabric, cluster)
}

/// The GPUs' latencies as the scheduler predicts them: exactly, but for chunks of prefill.
fn estimates(gpu: GpuProfile) -> Estimates {
    let (prefill, decode) = (gpu.prefill, gpu.decode);
    Estimates {
        prefill: PrefillModel { tokens: prefill.tokens, per_pair_fs: prefill.per_pair_fs },
        iteration: IterationModel { requests: decode.requests, per_token_fs: decode.per_token_fs },
    }
}

impl<'a> Simulation<'a> {
    pub(crate) fn new(scenario: &'a Scenario, max_stretch: u32) -> Self {
        let (fabric, cluster) = flow_view(scenario);
        let tree = FatTree::new(fabric);
        let capacities: Vec<_> = (0..tree.n_links()).map(|link| tree.capacity(LinkId::from_index(link))).collect();
        let estimates = estimates(scenario.gpu);
        let mut simulation = Self {
            scenario,
            now: SimTime::ZERO,
            queue: EventQueue::default(),
            network: FlowNetwork::new(&capacities, Path::MAX),
            monitor: LinkMonitor::new(scenario.telemetry, scenario.own_traffic, &tree, scenario.seed),
            policy: scenario.policy.build(estimates, scenario.seed),
            signals: scenario.policy.poll_interval().map(|interval| Signals::new(interval, cluster.decode.len())),
            rankings: Rankings::new(scenario, estimates),
            questioned: None,
            prefill: cluster.prefill.iter().map(|_| PrefillInstance::new(scenario)).collect(),
            decode: cluster.decode.iter().map(|_| DecodeInstance::new(scenario, max_stretch)).collect(),
            requests: RequestWindow::default(),
            tbt: tbt_histogram(),
            flow_routes: Vec::new(),
            degraded: Some(DegradedLinks::new(&scenario.degraded, &tree)).filter(|_| !scenario.degraded.is_empty()),
            competition: Competition::new(&scenario.background, &tree, scenario.seed),
            transfers_in_flight: 0,
            entering: Vec::new(),
            totals: RunTotals::default(),
            last_arrival: scenario.workload.last_arrival(),
            next_prefill: 0,
            scratch: Scratch::default(),
            background: None,
            arrivals: Arrivals::new(scenario),
            n_left: scenario.workload.len(),
            network_wake: None,
            network_generation: 0,
            cluster,
            tree,
        };
        simulation.start();
        simulation
    }

    /// Sets the background, and puts the first event of each kind into the queue.
    fn start(&mut self) {
        if let Some((background, initial)) = Background::new(&self.scenario.background, &self.tree, self.scenario.seed)
        {
            initial.into_iter().for_each(|change| self.apply_background(change));
            self.queue.push(background.next_change(), Event::Background);
            self.background = Some(background);
        }
        self.apply_steady_background();
        if let Some(first) = self.degraded.as_ref().and_then(DegradedLinks::next_change) {
            self.queue.push(first, Event::Degradation);
        }
        self.push_competing();
        self.monitor.see_start(&self.network);
        self.push_telemetry();
        self.push_poll();
        self.push_arrival();
        self.settle_network();
    }

    fn run_to_end(&mut self, sink: &mut dyn FnMut(RequestRecord)) {
        while !self.is_done() {
            self.step(sink);
        }
    }

    /// Every request has finished or was refused.
    pub(crate) const fn is_done(&self) -> bool {
        self.n_left == 0
    }

    /// The next event; records of requests that leave with it go to `sink`, in order of arrival.
    pub(crate) fn step(&mut self, sink: &mut dyn FnMut(RequestRecord)) {
        let (time, event) = self.queue.pop().expect("a request that is not finished has an event to come");
        assert!(time >= self.now, "time ran back from {} to {time}", self.now);
        self.now = time;
        self.totals.events += 1;
        self.dispatch(event);
        if self.queue.next_time() != Some(self.now) {
            self.settle_network();
        }
        self.n_left -= self.requests.retire(sink);
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Background => self.change_background(),
            Event::NetworkWake { generation } if generation == self.network_generation => {
                // Another flow may be done at this very instant once rates are up to date: it needs a wake again.
                self.network_wake = None;
                self.end_flows();
            }
            Event::NetworkWake { .. } => {}
            Event::Degradation => self.change_capacities(),
            Event::CompetingFlow => self.enter_competing(),
            Event::TransferEnter { request } => self.enter_transfer(request),
            Event::Telemetry => self.sample_links(),
            Event::Poll => self.poll(),
            Event::Arrival => self.arrive(),
            Event::SwappedIn { request } => self.return_swapped(request),
            Event::PrefillWake { prefill } => self.turn_prefill(prefill),
            Event::PromptComputed { request } => self.end_delay(request),
            Event::DecodeWake { decode, generation } => self.turn_decode(decode, generation),
        }
    }

    /// Brings the rates up to date after the changes of this instant, and sees to the next wake.
    fn settle_network(&mut self) {
        self.network.resolve();
        let next = self.network.next_completion();
        if next != self.network_wake {
            self.network_generation += 1;
            self.network_wake = next;
            if let Some(time) = next {
                self.queue.push(time, Event::NetworkWake { generation: self.network_generation });
            }
        }
    }

    /// Others take the same share of every NIC, rack and pod link, all the time.
    fn apply_steady_background(&mut self) {
        let BackgroundConfig::Steady { ratio } = self.scenario.background else { return };
        for kind in [LinkKind::Nic, LinkKind::Rack, LinkKind::Pod] {
            for link in self.tree.links_of(kind) {
                self.apply_background(BackgroundChange { link, ratio });
            }
        }
    }

    fn change_background(&mut self) {
        let background = self.background.as_mut().expect("it made this event");
        let change = background.advance(self.now);
        self.queue.push(background.next_change(), Event::Background);
        self.apply_background(change);
    }

    fn apply_background(&mut self, change: BackgroundChange) {
        let left = self.monitor.set_background(self.now, change.link, change.ratio);
        self.network.set_capacity(self.now, change.link, left);
    }

    fn sample_links(&mut self) {
        // Nobody else reads the samples.
        if self.policy.looks_at_state() {
            self.monitor.sample(self.now, &self.network);
        }
        self.push_telemetry();
    }

    fn push_telemetry(&mut self) {
        let interval = self.scenario.telemetry.interval;
        if interval > SimDuration::ZERO {
            self.queue.push(self.now + interval, Event::Telemetry);
        }
    }

    /// The next request of the workload arrives.
    fn arrive(&mut self) {
        let own = self.arrivals.next.take().expect("it made this event");
        let request = self.requests.push(own, &self.arrivals.blocks);
        self.arrivals.advance();
        self.push_arrival();
        if self.can_ever_fit(&own) {
            self.enqueue_prefill(request);
        } else {
            self.totals.rejected += 1;
            self.requests.refuse(request);
        }
    }

    fn push_arrival(&mut self) {
        if let Some(next) = &self.arrivals.next {
            self.queue.push(next.arrival, Event::Arrival);
        }
    }

    fn can_ever_fit(&self, own: &Request) -> bool {
        let kv = &self.scenario.kv;
        let blocks = |tokens: u64| tokens.div_ceil(u64::from(kv.block_tokens));
        let whole = u64::from(own.input_tokens) + u64::from(own.output_tokens);
        let fits_prefill = self.scenario.prefill.engine == PrefillMode::Delay
            || blocks(u64::from(own.input_tokens)) <= u64::from(kv.prefill_blocks);
        fits_prefill && blocks(whole) + u64::from(self.scenario.decode.watermark_blocks) <= u64::from(kv.decode_blocks)
    }

    pub(crate) fn into_end(self) -> RunEnd {
        self.check_end();
        let end = self.now;
        let span = self.last_arrival.as_secs_f64().max(1e-9);
        let share = |busy: SimDuration, n: usize| busy.as_secs_f64() / span / n as f64;
        let total = |busy: &mut dyn Iterator<Item = SimDuration>| busy.fold(SimDuration::ZERO, |sum, one| sum + one);
        let mut totals = self.totals;
        totals.end = end;
        totals.rankings = self.rankings.map(Rankings::into_counts).unwrap_or_default();
        totals.prefill_utilisation_ratio =
            share(total(&mut self.prefill.iter().map(|instance| instance.busy)), self.prefill.len());
        totals.decode_utilisation_ratio =
            share(total(&mut self.decode.iter().map(|instance| instance.busy)), self.decode.len());
        if end > SimTime::ZERO {
            (totals.link_utilisation_ratio, totals.background_ratio) =
                self.monitor.means(end, &self.tree, &self.network);
        }
        RunEnd { tbt_histogram: self.tbt, totals }
    }

    /// Nothing of any request is left anywhere once all have finished; flows of other tenants go on.
    fn check_end(&self) {
        let competing = self.competition.as_ref().map_or(0, |competition| competition.active);
        assert_eq!(self.network.n_active(), competing, "no flow of a transfer is left");
        self.network.check_invariants();
        for instance in &self.prefill {
            assert_eq!(instance.engine.backlog_tokens(), 0, "no prompt is left");
            assert_eq!(instance.memory.available(), instance.memory.capacity(), "prefill memory is given back");
        }
        for instance in &self.decode {
            assert_eq!(instance.outside, 0, "no request is left outside");
            assert_eq!(instance.unseen, 0, "no request is still to be handed over");
            assert_eq!(instance.in_flight_prompt_tokens, 0, "no prompt is in flight");
            assert_eq!(instance.queued_tokens, 0, "nobody waits for memory");
            assert_eq!(instance.memory.available(), instance.memory.capacity(), "decode memory is given back");
        }
    }

    /// The part of a span of time that lies before the last arrival: what utilisation counts.
    pub(crate) fn before_last_arrival(&self, from: SimTime, to: SimTime) -> SimDuration {
        to.min(self.last_arrival).since(from.min(self.last_arrival))
    }
}

/// The requests to come, the next one drawn already.
struct Arrivals<'a> {
    stream: Box<dyn RequestStream + 'a>,
    next: Option<Request>,
    /// The blocks of the next one's prompt.
    blocks: Vec<BlockId>,
}

impl<'a> Arrivals<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut arrivals = Self { stream: scenario.workload.draw(), next: None, blocks: Vec::new() };
        arrivals.advance();
        arrivals
    }

    fn advance(&mut self) {
        self.next = self.stream.next(&mut self.blocks);
    }
}

impl PrefillInstance {
    fn new(scenario: &Scenario) -> Self {
        let (kv, config) = (&scenario.kv, &scenario.prefill);
        Self {
            engine: PrefillEngine::new(
                scenario.gpu.prefill,
                config.max_batch_tokens,
                config.max_batch_requests as usize,
                config.queue,
                HostLoad {
                    bytes_per_token: kv.bytes_per_token,
                    rate: BytesPerSec::new(config.host_load_bytes_per_sec),
                },
            ),
            memory: KvMemory::new(kv.prefill_blocks, kv.block_tokens, BLOCK_TOKENS, kv.prefix_caching)
                .with_host_tier(config.host_tier_blocks),
            woken: false,
            busy: SimDuration::ZERO,
            sending: [0; 4],
        }
    }
}

impl DecodeInstance {
    fn new(scenario: &Scenario, max_stretch: u32) -> Self {
        let kv = &scenario.kv;
        Self {
            engine: DecodeEngine::new(scenario.gpu.decode, scenario.decode.max_batch as usize, max_stretch),
            memory: KvMemory::new(kv.decode_blocks, kv.block_tokens, BLOCK_TOKENS, kv.prefix_caching),
            waiting: VecDeque::new(),
            swapped: VecDeque::new(),
            returning: Vec::new(),
            outside: 0,
            outside_tokens: 0,
            unseen: 0,
            unseen_tokens: 0,
            in_flight_prompt_tokens: 0,
            queued_tokens: 0,
            wake: None,
            generation: 0,
            busy: SimDuration::ZERO,
            busy_since: None,
            receiving: [0; 2],
        }
    }
}
