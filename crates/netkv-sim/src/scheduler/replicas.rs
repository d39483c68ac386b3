//! Several schedulers side by side: who decides on which request, and what each knows of what the others did.
//!
//! Production routers are replicas. They read the same telemetry and the same reports of the instances, but each keeps the
//! books of its own requests: what it has sent and what does not decode yet, and its transfers in flight. Of the others'
//! it hears by gossip: at once, or at regular times, when each is told all that the others did since. In between it takes
//! their requests to be where they were.
//!
//! With one scheduler nothing is kept here.

use crate::network::{Cluster, Ledger};
use crate::scenario::{Scenario, SchedulerConfig};
use netkv_fabric::ecmp_hash;
use netkv_policy::{RequestEvent, RequestStep, TransferEvent, TransferStep};
use netkv_units::{InstanceId, RequestId, SimDuration, SimTime, Tier};

/// Tells the hash that spreads requests from those of routes.
const SPREADING: u64 = u64::MAX;

/// What was sent to a decode instance, by a scheduler's own count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Requests that have not arrived in its engine, and their tokens.
    pub(super) requests: u32,
    pub(super) tokens: u64,
    /// Prompt tokens, in whole blocks, of those that have not finished.
    pub(super) prompt_tokens: u64,
}

/// What a scheduler does that the others hear of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// It sends a request to a decode instance.
    Send { decode: usize, tokens: u32, in_blocks: u64 },
    /// A prompt of it is computed.
    Compute { prefill: usize },
    /// A transfer of it begins, ends, when the request is in the engine, or is cut.
    Move { prefill: usize, decode: usize, tokens: u32, event: TransferEvent },
    /// A request of it, whose prompt was computed on the decode instance itself, is in the engine; or counts as if it were,
    /// which policies are not told.
    Join { decode: usize, tokens: u32, told: bool },
    /// A request of it has finished, or is recalled.
    Finish { decode: usize, in_blocks: u64, step: RequestStep },
}

/// What a policy hears of an act.
pub(super) enum Heard<'a> {
    /// Of a transfer.
    Transfer(&'a TransferEvent),
    /// Of a request.
    Request(RequestEvent),
}

/// An act, with the request that it is about and the time.
type Deed = (RequestId, SimTime, Act);

/// Books of what was done.
#[derive(Debug)]
pub(super) struct Books {
    /// By decode instance.
    sent: Vec<Sent>,
    ledger: Ledger,
}

/// The schedulers.
#[derive(Debug)]
pub(super) struct Replicas {
    seed: u64,
    config: SchedulerConfig,
    /// All that was done.
    all: Books,
    /// By scheduler: what it knows of that.
    known: Vec<Books>,
    /// What was done since the last gossip, and by whom.
    untold: Vec<(usize, Deed)>,
    instances: Instances,
}

/// The instances of each pool, by position.
#[derive(Debug)]
struct Instances {
    prefill: Vec<InstanceId>,
    decode: Vec<InstanceId>,
}

impl Books {
    fn new(cluster: &Cluster) -> Self {
        Self { sent: vec![Sent::default(); cluster.decode().len()], ledger: Ledger::new(cluster) }
    }

    /// What was sent to a decode instance.
    pub(super) fn sent(&self, decode: usize) -> Sent {
        self.sent[decode]
    }

    /// Transfers in flight.
    pub(super) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn note(&mut self, act: &Act) {
        match *act {
            Act::Send { decode, tokens, in_blocks } => {
                let sent = &mut self.sent[decode];
                sent.requests += 1;
                sent.tokens += u64::from(tokens);
                sent.prompt_tokens += in_blocks;
            }
            Act::Compute { .. } => {}
            Act::Move { prefill, decode, tokens, event: TransferEvent { tier, step, .. } } => {
                self.note_transfer(prefill, decode, tier, (step != TransferStep::Begun).then_some(tokens));
            }
            Act::Join { decode, tokens, .. } => self.sent[decode].arrive(tokens),
            Act::Finish { decode, in_blocks, .. } => self.sent[decode].prompt_tokens -= in_blocks,
        }
    }

    /// A transfer begins, or ends with so many tokens.
    fn note_transfer(&mut self, prefill: usize, decode: usize, tier: Tier, arrived_tokens: Option<u32>) {
        let Some(tokens) = arrived_tokens else { return self.ledger.begin(prefill, decode, tier) };
        self.ledger.end(prefill, decode, tier);
        self.sent[decode].arrive(tokens);
    }
}

impl Sent {
    /// A request of so many tokens is in the engine.
    fn arrive(&mut self, tokens: u32) {
        self.requests -= 1;
        self.tokens -= u64::from(tokens);
    }
}

impl Replicas {
    /// Those of a scenario, between the instances of a cluster.
    pub(super) fn new(scenario: &Scenario, cluster: &Cluster) -> Self {
        let books = || Books::new(cluster);
        let n = if scenario.scheduler.replicas > 1 { scenario.scheduler.replicas } else { 0 };
        Self {
            seed: scenario.seed,
            config: scenario.scheduler,
            all: books(),
            known: (0..n).map(|_| books()).collect(),
            untold: Vec::new(),
            instances: Instances { prefill: cluster.prefill().to_vec(), decode: cluster.decode().to_vec() },
        }
    }

    /// One scheduler for all requests.
    pub(super) fn become_one(&mut self) {
        self.config = SchedulerConfig { replicas: 1, gossip: SimDuration::ZERO };
        self.known.clear();
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.config.replicas as usize
    }

    /// Whether each hears at once what the others do.
    pub(super) fn hear_at_once(&self) -> bool {
        self.config.gossip == SimDuration::ZERO
    }

    /// Who decides on a request: any of them, by a hash, as a balancer of connections in front of them would have it.
    pub(super) fn owner(&self, request: RequestId) -> usize {
        match self.known.len() {
            0 => 0,
            n => (ecmp_hash(self.seed, u64::from(request.get()), SPREADING) % n as u64) as usize,
        }
    }

    /// What one of them knows, and all there is to know; none if there is only one, who knows all.
    pub(super) fn books(&self, replica: usize) -> Option<(&Books, &Books)> {
        self.known.get(replica).map(|known| (known, &self.all))
    }

    /// One of them does something: it and, if they hear at once, the others note it. `hears` is given what each
    /// hears of.
    pub(super) fn act(&mut self, (request, now): (RequestId, SimTime), act: Act, mut hears: impl FnMut(usize, &Heard)) {
        let (owner, deed) = (self.owner(request), (request, now, act));
        let at_once = self.hear_at_once();
        if self.known.is_empty() {
            return self.instances.tell(0, &deed, &mut hears);
        }
        self.all.note(&act);
        for (replica, books) in self.known.iter_mut().enumerate() {
            if replica == owner || at_once {
                books.note(&act);
                self.instances.tell(replica, &deed, &mut hears);
            }
        }
        if !at_once {
            self.untold.push((owner, deed));
        }
    }

    /// Tells each what the others did since the last time; `hears` is given what each hears of.
    pub(super) fn gossip(&mut self, mut hears: impl FnMut(usize, &Heard)) {
        for (owner, deed) in self.untold.drain(..) {
            for (replica, books) in self.known.iter_mut().enumerate().filter(|(replica, _)| *replica != owner) {
                books.note(&deed.2);
                self.instances.tell(replica, &deed, &mut hears);
            }
        }
    }

    /// When they gossip next; none if there is nobody to talk to, or no need.
    pub(super) fn next_gossip(&self, now: SimTime) -> Option<SimTime> {
        (!self.known.is_empty() && !self.hear_at_once()).then(|| now + self.config.gossip)
    }
}

impl Instances {
    /// Has the policy of a scheduler hear of a deed.
    fn tell(&self, replica: usize, &(request, now, ref act): &Deed, hears: &mut impl FnMut(usize, &Heard)) {
        if let Act::Move { event, .. } = act {
            hears(replica, &Heard::Transfer(event));
        }
        let (step, instance) = match *act {
            Act::Send { decode, .. } => (RequestStep::Sent, self.decode[decode]),
            Act::Compute { prefill } => (RequestStep::Computed, self.prefill[prefill]),
            Act::Move { decode, event, .. } if event.step == TransferStep::Ended => {
                (RequestStep::Joined, self.decode[decode])
            }
            Act::Join { decode, told: true, .. } => (RequestStep::Joined, self.decode[decode]),
            Act::Move { .. } | Act::Join { told: false, .. } => return,
            Act::Finish { decode, step, .. } => (step, self.decode[decode]),
        };
        hears(replica, &Heard::Request(RequestEvent { request, step, instance, now }));
    }
}
