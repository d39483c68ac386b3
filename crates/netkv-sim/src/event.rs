//! Events and their order: by time, then rank, then the order in which they were made.

use crate::network::{NetworkChange, TransferId};
use netkv_units::{RequestId, SimTime};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Everything that can happen. At one instant the network comes first and the ends of decode iterations last, so
/// that a request whose KV cache arrives with the end of an iteration is in the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Links change, or a flow of another tenant enters the network.
    NetworkChange(NetworkChange),
    /// A flow may be done; outdated if the generation is not the present one.
    NetworkWake { generation: u32 },
    /// A transfer has been set up and its first bytes have arrived: its flows enter the network.
    TransferEnter { transfer: TransferId },
    /// The links' counters are sampled.
    Telemetry,
    /// The scheduler polls the decode instances.
    Poll,
    /// The schedulers tell each other what they did.
    Gossip,
    /// An instance fails, is drained or joins; by its number among the changes.
    ClusterChange { index: u32 },
    /// The next request of the workload arrives.
    Arrival,
    /// A swapped-out request is back in GPU memory.
    SwappedIn { request: RequestId },
    /// A prefill instance starts a batch, or ends one; by its position in the pool.
    PrefillWake { prefill: u32 },
    /// A prompt that shares its prefill instance with nobody is computed.
    PromptComputed { request: RequestId },
    /// A decode instance's stretch of iterations ends, or its first begins; by its position in the pool.
    DecodeWake { decode: u32, generation: u32 },
}

/// An event to come. Its place in the order is one number: time, rank and sequence, from the highest bit down.
struct Entry {
    place: u128,
    event: Event,
}

/// Bits of the sequence number: more events than any run has.
const SEQUENCE_BITS: u32 = 56;

impl Entry {
    fn new(time: SimTime, sequence: u64, event: Event) -> Self {
        assert!(sequence < 1 << SEQUENCE_BITS, "a run has fewer than 2^56 events");
        let within = u64::from(rank(event)) << SEQUENCE_BITS | sequence;
        Self { place: u128::from(time.as_nanos()) << 64 | u128::from(within), event }
    }

    const fn time(&self) -> SimTime {
        SimTime::from_nanos((self.place >> 64) as u64)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The first event is the greatest: that is what a heap gives first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.place.cmp(&self.place)
    }
}

/// The events to come.
#[derive(Default)]
pub(crate) struct EventQueue {
    heap: BinaryHeap<Entry>,
    pushed: u64,
}

impl EventQueue {
    /// Adds an event.
    pub(crate) fn push(&mut self, time: SimTime, event: Event) {
        self.pushed += 1;
        self.heap.push(Entry::new(time, self.pushed, event));
    }

    /// Takes the next event.
    pub(crate) fn pop(&mut self) -> Option<(SimTime, Event)> {
        self.heap.pop().map(|entry| (entry.time(), entry.event))
    }

    /// When the next event is.
    pub(crate) fn next_time(&self) -> Option<SimTime> {
        self.heap.peek().map(Entry::time)
    }
}

const fn rank(event: Event) -> u8 {
    match event {
        Event::NetworkChange(NetworkChange::Degradation) => 0,
        Event::NetworkChange(NetworkChange::Background) => 1,
        Event::NetworkWake { .. } => 2,
        Event::NetworkChange(NetworkChange::CompetingFlow) => 3,
        Event::TransferEnter { .. } => 4,
        Event::Telemetry => 5,
        Event::Poll => 6,
        Event::Gossip => 7,
        Event::ClusterChange { .. } => 8,
        Event::Arrival => 9,
        Event::SwappedIn { .. } => 10,
        Event::PrefillWake { .. } => 11,
        Event::PromptComputed { .. } => 12,
        Event::DecodeWake { .. } => 13,
    }
}
