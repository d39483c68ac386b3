//! The network against a slow and obvious one: after every random change, all rates are computed from nothing by
//! plain progressive filling over all flows, and must be equal to the last byte per second. Laws beside it: no link
//! above capacity, every flow has a bottleneck, the order of flows does not matter, nor does splitting time.

use netkv_fabric::FlowNetwork;
use netkv_units::{Bytes, BytesPerSec, FlowId, LinkId, SimTime, Stream};

struct ReferenceFlow {
    id: FlowId,
    path: Vec<LinkId>,
    cap: u64,
}

/// Progressive filling as the textbook has it, over all flows and all links, in rounds.
fn reference_rates(capacities: &[u64], flows: &[ReferenceFlow]) -> Vec<u64> {
    let mut left = capacities.to_vec();
    let mut rates: Vec<Option<u64>> = vec![None; flows.len()];
    loop {
        let rising = |link: usize, rates: &[Option<u64>]| {
            let crosses = |flow: &ReferenceFlow| flow.path.iter().any(|other| other.index() == link);
            flows.iter().zip(rates).filter(|(flow, rate)| rate.is_none() && crosses(flow)).count() as u64
        };
        let shares: Vec<Option<u64>> =
            (0..left.len()).map(|link| left[link].checked_div(rising(link, &rates))).collect();
        let caps = flows.iter().zip(&rates).filter(|(_, rate)| rate.is_none()).map(|(flow, _)| flow.cap);
        let Some(level) = shares.iter().flatten().copied().chain(caps).min() else { break };
        let stopping: Vec<usize> = (0..flows.len())
            .filter(|&index| rates[index].is_none())
            .filter(|&index| {
                let full = |link: &LinkId| shares[link.index()] == Some(level);
                flows[index].cap == level || flows[index].path.iter().any(full)
            })
            .collect();
        if stopping.is_empty() {
            break;
        }
        for index in stopping {
            rates[index] = Some(level);
            flows[index].path.iter().for_each(|link| left[link.index()] -= level);
        }
    }
    rates.into_iter().map(|rate| rate.expect("every flow was stopped")).collect()
}

fn random_path(stream: &mut Stream, n_links: usize) -> Vec<LinkId> {
    let mut links: Vec<u32> = (0..n_links as u32).collect();
    stream.shuffle(&mut links);
    let len = 1 + stream.below(4.min(n_links as u64)) as usize;
    links[..len].iter().map(|&link| LinkId::new(link)).collect()
}

/// One random history; few distinct sizes and capacities, so that ties and simultaneous events abound.
fn check_history(seed: u64) {
    let mut stream = Stream::new(seed, "history");
    let n_links = 1 + stream.below(12) as usize;
    let mut capacities: Vec<u64> = (0..n_links).map(|_| [7, 10, 100, 1000][stream.below(4) as usize]).collect();
    let mut network =
        FlowNetwork::new(&capacities.iter().map(|&capacity| BytesPerSec::new(capacity)).collect::<Vec<_>>(), 4);
    let mut flows: Vec<ReferenceFlow> = Vec::new();
    let mut now = SimTime::ZERO;
    for _ in 0..60 {
        let next = network.next_completion();
        if stream.below(3) == 0
            && let Some(next) = next
        {
            now = next;
        }
        let mut ended = Vec::new();
        network.take_completed(now, &mut ended);
        flows.retain(|flow| !ended.contains(&flow.id));
        for _ in 0..stream.below(4) {
            let path = random_path(&mut stream, n_links);
            let cap = if stream.below(4) == 0 { 1 + stream.below(20) } else { u64::MAX };
            let size = Bytes::new([1, 10, 10, 64, 1000][stream.below(5) as usize]);
            let id = network.start_flow(now, &path, size, (cap < u64::MAX).then(|| BytesPerSec::new(cap)));
            flows.push(ReferenceFlow { id, path, cap });
        }
        for flow in &mut flows {
            if stream.below(6) == 0 {
                flow.cap = [0, 1, 7, 20, u64::MAX][stream.below(5) as usize];
                network.set_cap(now, flow.id, (flow.cap < u64::MAX).then(|| BytesPerSec::new(flow.cap)));
            }
        }
        if stream.below(5) == 0 {
            let link = stream.below(n_links as u64) as usize;
            capacities[link] = [0, 3, 7, 50, 1000][stream.below(5) as usize];
            network.set_capacity(now, LinkId::from_index(link), BytesPerSec::new(capacities[link]));
        }
        network.resolve();
        network.check_invariants();
        let rates: Vec<u64> = flows.iter().map(|flow| network.rate(flow.id).get()).collect();
        assert_eq!(rates, reference_rates(&capacities, &flows), "seed {seed} at {now}");
        check_probe(&mut network, &mut stream, &capacities, &mut flows, seed);
    }
}

/// What a probe says is what the flow then gets; and asking changes nothing.
fn check_probe(
    network: &mut FlowNetwork,
    stream: &mut Stream,
    capacities: &[u64],
    flows: &mut Vec<ReferenceFlow>,
    seed: u64,
) {
    let before: Vec<u64> = flows.iter().map(|flow| network.rate(flow.id).get()).collect();
    let path = random_path(stream, capacities.len());
    let mut rates = Vec::new();
    network.probe(&[&path], &mut rates);
    flows.push(ReferenceFlow { id: FlowId::new(0), path, cap: u64::MAX });
    let expected = *reference_rates(capacities, flows).last().expect("the probe is a flow");
    flows.pop();
    assert_eq!(rates, [BytesPerSec::new(expected)], "seed {seed}: a probe");
    let after: Vec<u64> = flows.iter().map(|flow| network.rate(flow.id).get()).collect();
    assert_eq!(before, after, "seed {seed}: a probe changes nothing");
}

/// 100 bytes on a link of 10 bytes/s: 2 s at 10, 3 s at 4, 5 s at nothing, the other 68 at 10.
#[test]
fn a_cap_that_changes_loses_nothing() {
    let mut network = FlowNetwork::new(&[BytesPerSec::new(10)], 1);
    let second = |seconds: u64| SimTime::from_nanos(seconds * 1_000_000_000);
    let flow = network.start_flow(second(0), &[LinkId::new(0)], Bytes::new(100), None);
    network.resolve();
    for (at, cap) in [(2, Some(4)), (5, Some(0)), (10, None)] {
        network.set_cap(second(at), flow, cap.map(BytesPerSec::new));
        network.resolve();
        network.check_invariants();
    }
    assert_eq!(network.remaining(second(11), flow), Bytes::new(58).to_nanobytes());
    assert_eq!(network.next_completion(), Some(SimTime::from_nanos(16_800_000_000)));
}

#[test]
fn thousands_of_random_histories_equal_the_reference_exactly() {
    for seed in 0..4000 {
        check_history(seed);
    }
}

/// Ways as a fat tree has them (up and down through two levels, six links), with capacities that make every level the
/// bottleneck of some flows, one change at a time: long chains of releases and fills.
#[test]
fn long_chains_through_a_tree_equal_the_reference_exactly() {
    const HOSTS: u64 = 12;
    for seed in 0..60 {
        let mut stream = Stream::new(seed, "tree");
        // By kind: up links of hosts, of racks, of pods, then the same down; racks of 3 hosts, pods of 2 racks.
        let n = [HOSTS, HOSTS / 3, HOSTS / 6];
        let mut capacities: Vec<u64> = Vec::new();
        for _direction in 0..2 {
            for (kind, &links) in n.iter().enumerate() {
                let nominal = [1000, 1500, 2000][kind] + stream.below(700);
                capacities
                    .extend((0..links).map(|_| if stream.below(3) == 0 { nominal + stream.below(9) } else { nominal }));
            }
        }
        let down = n.iter().sum::<u64>();
        let mut network =
            FlowNetwork::new(&capacities.iter().map(|&rate| BytesPerSec::new(rate)).collect::<Vec<_>>(), 6);
        let mut flows: Vec<ReferenceFlow> = Vec::new();
        let mut now = SimTime::ZERO;
        for step in 0..160 {
            let mut ended = Vec::new();
            if stream.below(70) < flows.len() as u64 {
                now = network.next_completion().expect("flows move");
                network.take_completed(now, &mut ended);
                flows.retain(|flow| !ended.contains(&flow.id));
            } else {
                let (a, b) = (stream.below(HOSTS), stream.below(HOSTS));
                let mut path = vec![a];
                if a / 3 != b / 3 {
                    path.push(n[0] + a / 3);
                }
                if a / 6 != b / 6 {
                    path.extend([n[0] + n[1] + a / 6, down + n[0] + n[1] + b / 6]);
                }
                if a / 3 != b / 3 {
                    path.push(down + n[0] + b / 3);
                }
                path.push(down + b);
                let path: Vec<LinkId> = path.into_iter().map(|link| LinkId::new(link as u32)).collect();
                let id = network.start_flow(now, &path, Bytes::new(1 + stream.below(100_000)), None);
                flows.push(ReferenceFlow { id, path, cap: u64::MAX });
            }
            network.resolve();
            network.check_invariants();
            let found: Vec<u64> = flows.iter().map(|flow| network.rate(flow.id).get()).collect();
            assert_eq!(found, reference_rates(&capacities, &flows), "seed {seed}, step {step}");
        }
    }
}

/// Finish times of flows started together in the given order, by flow.
fn finish_times(capacities: &[BytesPerSec], flows: &[(Vec<LinkId>, Bytes)], order: &[usize], step_ns: u64) -> Vec<u64> {
    let mut network = FlowNetwork::new(capacities, 4);
    let mut owner = vec![0; flows.len()];
    for &index in order {
        let id = network.start_flow(SimTime::ZERO, &flows[index].0, flows[index].1, None);
        owner[id.index()] = index;
    }
    network.resolve();
    let mut finish = vec![0; flows.len()];
    let mut now = SimTime::ZERO;
    while let Some(next) = network.next_completion() {
        now = if step_ns == 0 { next } else { next.min(SimTime::from_nanos(now.as_nanos() + step_ns)) };
        let mut ended = Vec::new();
        network.take_completed(now, &mut ended);
        ended.iter().for_each(|id| finish[owner[id.index()]] = now.as_nanos());
        network.resolve();
    }
    finish
}

#[test]
fn neither_the_order_of_flows_nor_splitting_time_changes_a_finish() {
    for seed in 0..300 {
        let mut stream = Stream::new(seed, "order");
        let capacities: Vec<_> = (0..8).map(|_| BytesPerSec::new(1 + stream.below(1_000_000))).collect();
        let flows: Vec<_> = (0..30).map(|_| (random_path(&mut stream, 8), Bytes::new(stream.below(100_000)))).collect();
        let mut order: Vec<usize> = (0..flows.len()).collect();
        let finish = finish_times(&capacities, &flows, &order, 0);
        stream.shuffle(&mut order);
        assert_eq!(finish, finish_times(&capacities, &flows, &order, 0), "seed {seed}: another order");
        assert_eq!(finish, finish_times(&capacities, &flows, &order, 50_000_000), "seed {seed}: in steps");
    }
}

#[test]
fn n_flows_on_one_link_get_an_nth_each() {
    for n in [1_u64, 2, 3, 7, 64] {
        let mut network = FlowNetwork::new(&[BytesPerSec::new(1_000_000_000)], 1);
        let flows: Vec<_> =
            (0..n).map(|_| network.start_flow(SimTime::ZERO, &[LinkId::new(0)], Bytes::new(1_000_000), None)).collect();
        network.resolve();
        assert!(flows.iter().all(|&flow| network.rate(flow).get() == 1_000_000_000 / n));
        let exact_ns = 1e15 / (1_000_000_000 / n) as f64;
        let found_ns = network.next_completion().expect("they move").as_nanos() as f64;
        assert!((found_ns - exact_ns).abs() <= 0.5, "{found_ns} ns for {exact_ns} ns");
    }
}

#[test]
fn a_flow_without_capacity_waits_until_there_is_some() {
    let mut network = FlowNetwork::new(&[BytesPerSec::ZERO], 1);
    network.start_flow(SimTime::ZERO, &[LinkId::new(0)], Bytes::new(5), None);
    network.resolve();
    assert_eq!(network.next_completion(), None);
    let later = SimTime::from_secs_f64(2.0);
    network.set_capacity(later, LinkId::new(0), BytesPerSec::new(5));
    network.resolve();
    assert_eq!(network.next_completion(), Some(SimTime::from_secs_f64(3.0)));
}

/// Arrivals, ends and capacity changes of overlapping links, all at one instant and in any order, with capacities as
/// they are in a fabric, zero among them: the threshold below which rates are kept must hold for all of them at once.
#[test]
fn many_changes_of_every_kind_at_one_instant_equal_the_reference_exactly() {
    const CAPACITIES: [u64; 7] =
        [0, 4_687_500_000, 9_375_000_000, 9_375_000_000, 18_750_000_000, 37_500_000_001, 450_000_000_000];
    for seed in 0..300 {
        let mut stream = Stream::new(seed, "mixed");
        let n_links = 3 + stream.below(20) as usize;
        let pick = |stream: &mut Stream| CAPACITIES[stream.below(7) as usize];
        let mut capacities: Vec<u64> = (0..n_links).map(|_| pick(&mut stream)).collect();
        let rates = |capacities: &[u64]| capacities.iter().map(|&rate| BytesPerSec::new(rate)).collect::<Vec<_>>();
        let mut network = FlowNetwork::new(&rates(&capacities), 4);
        let mut flows: Vec<ReferenceFlow> = Vec::new();
        let mut now = SimTime::ZERO;
        for _ in 0..40 {
            if let Some(next) = network.next_completion().filter(|_| stream.below(8) > 0) {
                now = next;
            }
            for _ in 0..1 + stream.below(12) {
                match stream.below(4) {
                    0 => {
                        let mut ended = Vec::new();
                        network.take_completed(now, &mut ended);
                        flows.retain(|flow| !ended.contains(&flow.id));
                    }
                    1 => {
                        let link = stream.below(n_links as u64) as usize;
                        capacities[link] = (pick(&mut stream) as f64 * stream.uniform(0.1, 1.0)) as u64;
                        network.set_capacity(now, LinkId::from_index(link), BytesPerSec::new(capacities[link]));
                    }
                    _ => {
                        let path = random_path(&mut stream, n_links);
                        let cap = if stream.below(6) == 0 { 1 + stream.below(9_000_000_000) } else { u64::MAX };
                        // Few sizes, so that many flows end at once.
                        let size = Bytes::new([1, 327_680, 4_000_000_000, 4_000_000_000][stream.below(4) as usize]);
                        let id = network.start_flow(now, &path, size, (cap < u64::MAX).then(|| BytesPerSec::new(cap)));
                        flows.push(ReferenceFlow { id, path, cap });
                    }
                }
            }
            let mut ended = Vec::new();
            network.take_completed(now, &mut ended);
            flows.retain(|flow| !ended.contains(&flow.id));
            network.resolve();
            network.check_invariants();
            let found: Vec<u64> = flows.iter().map(|flow| network.rate(flow.id).get()).collect();
            assert_eq!(found, reference_rates(&capacities, &flows), "seed {seed} at {now}");
        }
    }
}
