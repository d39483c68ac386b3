//! The book on cases worked out by hand.

use super::*;
use crate::oracle::PathCost;
use netkv_units::{Bytes, SimDuration};

/// Two instances a rack, two racks a pod, two pods. An interface carries 10 bytes a second, a rack's uplinks 8, a pod's 4,
/// and the inside of a node 100, where the two of a rack are if they are on the same node: never here.
struct Plan;

impl CostOracle for Plan {
    fn leaving(&self, group: Tier) -> f64 {
        match group {
            Tier::Node => 10.0,
            Tier::Rack => 8.0,
            Tier::Pod | Tier::Core => 4.0,
        }
    }

    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let (one, other) = (source.get(), destination.get());
        let tier = match (one == other, one / 2 == other / 2, one / 4 == other / 4) {
            (true, ..) => Tier::Node,
            (_, true, _) => Tier::Rack,
            (_, _, true) => Tier::Pod,
            _ => Tier::Core,
        };
        PathCost {
            tier,
            bandwidth_bytes_per_sec: 100.0,
            latency: SimDuration::ZERO,
            congestion_ratio: 0.0,
            counts_in_flight: false,
            age: SimDuration::ZERO,
        }
    }
}

/// The same with links between pods of which one transfer gets 2 bytes a second.
struct Thin;

impl CostOracle for Thin {
    fn leaving(&self, group: Tier) -> f64 {
        Plan.leaving(group)
    }

    fn alone(&self, over: Tier) -> f64 {
        if over == Tier::Core { 2.0 } else { 10.0 }
    }

    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        Plan.path(source, destination)
    }
}

/// The same with the first instance on slow interfaces: a transfer from it gets 5 bytes a second at most.
struct SlowFirst;

impl CostOracle for SlowFirst {
    fn leaving(&self, group: Tier) -> f64 {
        Plan.leaving(group)
    }

    fn alone_from(&self, source: InstanceId, _over: Tier) -> f64 {
        if source.get() == 0 { 5.0 } else { f64::INFINITY }
    }

    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        Plan.path(source, destination)
    }
}

fn book(gain: f64) -> FlowBook {
    book_of(gain, &Plan)
}

fn book_of(gain: f64, oracle: &dyn CostOracle) -> FlowBook {
    let mut book = FlowBook::new(Learning { gain, memory_s: 1.0 });
    (0..8).for_each(|instance| book.see(InstanceId::new(instance), oracle));
    book
}

fn seconds(seconds: f64) -> SimTime {
    SimTime::from_secs_f64(seconds)
}

fn event(source: u32, destination: u32, bytes: u64, now: f64, is_over: bool) -> TransferEvent {
    let (source, destination) = (InstanceId::new(source), InstanceId::new(destination));
    let tier = Plan.path(source, destination).tier;
    let step = if is_over { TransferStep::Ended } else { TransferStep::Begun };
    TransferEvent { source, destination, tier, bytes: Bytes::new(bytes), now: seconds(now), step }
}

fn seconds_of(book: &FlowBook, source: u32, destination: u32, bytes: f64, others: f64) -> f64 {
    let [from, to] = [source, destination].map(|instance| book.place(InstanceId::new(instance)).unwrap());
    let tier = Plan.path(InstanceId::new(source), InstanceId::new(destination)).tier;
    book.moving_s(&book.leaving(from, Bytes::new(bytes as u64)), to, tier, Bytes::new(bytes as u64), others)
}

#[test]
fn an_idle_network_gives_what_its_slowest_way_carries() {
    let book = book(0.0);
    assert_eq!(seconds_of(&book, 0, 1, 40.0, 0.5), 4.0, "others are beyond the interfaces");
    assert_eq!(seconds_of(&book, 0, 2, 40.0, 0.0), 5.0);
    assert_eq!(seconds_of(&book, 0, 2, 40.0, 0.5), 10.0);
    assert_eq!(seconds_of(&book, 0, 4, 40.0, 0.0), 10.0);
}

#[test]
fn one_transfer_gets_no_more_than_its_own_links() {
    let mut book = book_of(0.0, &Thin);
    assert_eq!(seconds_of(&book, 0, 2, 40.0, 0.0), 5.0, "within the pod nothing changes");
    assert_eq!(seconds_of(&book, 0, 4, 40.0, 0.0), 20.0);
    assert_eq!(seconds_of(&book, 0, 4, 40.0, 0.5), 40.0, "others take their share of these links as well");
    // It is played at that rate: after 10 seconds 60 of 80 bytes are left, and meet a transfer over the same uplinks.
    book.note(&event(0, 4, 80, 0.0, false));
    book.advance(seconds(10.0));
    assert_eq!(seconds_of(&book, 1, 2, 240.0, 0.0), (240.0 + 60.0) / 8.0);
}

#[test]
fn a_transfer_gets_no_more_than_its_source_sends() {
    let mut book = book_of(0.0, &SlowFirst);
    assert_eq!([seconds_of(&book, 0, 2, 40.0, 0.0), seconds_of(&book, 1, 2, 40.0, 0.0)], [8.0, 5.0]);
    // It is played at that rate: after 10 seconds 30 of 80 bytes are left, and meet a transfer over the same uplinks.
    book.note(&event(0, 2, 80, 0.0, false));
    book.advance(seconds(10.0));
    assert_eq!(seconds_of(&book, 1, 3, 240.0, 0.0), (240.0 + 30.0) / 8.0);
}

#[test]
fn uplinks_are_shared_by_all_instances_of_a_rack() {
    let mut book = book(0.0);
    book.note(&event(0, 2, 80, 0.0, false));
    // From the other instance of the rack: 40 bytes meet as many on the uplinks, 80 over 8 a second.
    assert_eq!(seconds_of(&book, 1, 3, 40.0, 0.0), 10.0);
    // 240 bytes meet the 80 that are left.
    assert_eq!(seconds_of(&book, 1, 3, 240.0, 0.0), 40.0);
    // Into the other instance of the destination's rack, from another pod: the downlinks carry half as much as is left.
    assert_eq!(seconds_of(&book, 4, 3, 40.0, 0.0), 10.0);
    // Over other links nothing is met.
    assert_eq!(seconds_of(&book, 4, 6, 40.0, 0.0), 5.0);
}

#[test]
fn transfers_are_played_on_and_ended() {
    let mut book = book(0.0);
    book.note(&event(0, 2, 80, 0.0, false));
    book.advance(seconds(5.0));
    // 40 of its 80 bytes are left.
    assert_eq!(seconds_of(&book, 1, 3, 240.0, 0.0), 35.0);
    // It should be over, and is not: 2 % of it count as left.
    book.advance(seconds(20.0));
    let moving_s = seconds_of(&book, 1, 3, 240.0, 0.0);
    assert!((moving_s - 30.2).abs() < 1e-9, "{moving_s}");
    book.note(&event(0, 2, 80, 20.0, true));
    assert_eq!(seconds_of(&book, 1, 3, 240.0, 0.0), 30.0);
}

#[test]
fn two_on_a_way_get_half_of_it_each() {
    let mut book = book(0.0);
    book.note(&event(0, 2, 80, 0.0, false));
    book.note(&event(1, 3, 80, 0.0, false));
    book.advance(seconds(10.0));
    // Each has moved 40.
    assert_eq!(seconds_of(&book, 1, 3, 240.0, 0.0), (240.0 + 80.0) / 8.0);
}

#[test]
fn a_slow_pair_of_racks_is_learned_and_forgotten() {
    let mut book = book(0.5);
    book.note(&event(0, 2, 80, 0.0, false));
    // Twice as long as played: half the rate, of which half is believed.
    book.note(&event(0, 2, 80, 20.0, true));
    let three_quarters = seconds_of(&book, 0, 2, 60.0, 0.0);
    assert!((three_quarters - 10.0).abs() < 1e-9, "{three_quarters}");
    assert_eq!(seconds_of(&book, 0, 4, 60.0, 0.0), 15.0, "of other pairs nothing is learned");
    book.advance(seconds(120.0));
    // After a hundred times the memory 1 part of 101 is left of the quarter.
    assert!((seconds_of(&book, 0, 2, 60.0, 0.0) - 7.5 / (1.0 - 0.25 / 101.0)).abs() < 1e-9, "it is forgotten");
}

#[test]
fn own_transfers_are_taken_out_of_what_the_oracle_counts() {
    let mut book = book(0.0);
    assert_eq!(book.without_own(Tier::Pod, 0.5), 0.5);
    book.note(&event(0, 2, 800, 0.0, false));
    book.advance(seconds(2.0));
    // 8 bytes a second, up and down, of 4 racks with 16 each.
    book.note_sample(seconds(1.0));
    assert!((book.without_own(Tier::Pod, 0.25)).abs() < 1e-9);
    assert!((book.without_own(Tier::Pod, 0.625) - 0.5).abs() < 1e-9);
    assert_eq!(book.without_own(Tier::Rack, 0.25), 0.25);
}

#[test]
fn of_a_transfer_that_is_heard_of_late_nothing_is_learned() {
    let mut book = book(0.5);
    book.advance(seconds(10.0));
    // Another router's: it began before, is in the way from now on, and its end is heard of late as well.
    book.note(&event(0, 2, 80, 0.0, false));
    assert_eq!(seconds_of(&book, 1, 3, 80.0, 0.0), (80.0 + 80.0) / 8.0);
    book.advance(seconds(30.0));
    book.note(&event(0, 2, 80, 15.0, true));
    assert_eq!(seconds_of(&book, 0, 2, 60.0, 0.0), 7.5);
}

/// The same with one interface of 10 bytes a second for the two instances of a rack.
struct Shared;

impl CostOracle for Shared {
    fn leaving(&self, group: Tier) -> f64 {
        Plan.leaving(group)
    }

    fn share_interfaces(&self, one: InstanceId, other: InstanceId) -> bool {
        one.get() / 2 == other.get() / 2
    }

    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let tier = if self.share_interfaces(source, destination) { Tier::Node } else { Tier::Core };
        PathCost { tier, ..Plan.path(source, destination) }
    }
}

#[test]
fn instances_that_share_interfaces_hold_each_other_up_there_alone() {
    let in_flight = |oracle: &dyn CostOracle| {
        let mut book = book_of(0.0, oracle);
        let [from, to] = [2, 4].map(|instance| book.place(InstanceId::new(instance)).unwrap());
        let before = book.moving_s(&book.leaving(from, Bytes::new(40)), to, Tier::Rack, Bytes::new(40), 0.0);
        // Out of the other instance on the interface of 2, into the other one on that of 4.
        book.note(&TransferEvent { tier: Tier::Rack, ..event(3, 5, 40, 0.0, false) });
        (before, book.moving_s(&book.leaving(from, Bytes::new(40)), to, Tier::Rack, Bytes::new(40), 0.0))
    };
    assert_eq!(in_flight(&Shared), (4.0, 8.0));
    assert_eq!(in_flight(&Plan), (4.0, 4.0), "each instance with its own");
    let mut book = book_of(0.0, &Shared);
    book.note(&TransferEvent { tier: Tier::Node, ..event(2, 3, 400, 0.0, false) });
    let [from, to] = [2, 4].map(|instance| book.place(InstanceId::new(instance)).unwrap());
    assert_eq!(
        book.moving_s(&book.leaving(from, Bytes::new(40)), to, Tier::Rack, Bytes::new(40), 0.0),
        4.0,
        "nothing inside the node is in the way"
    );
}
