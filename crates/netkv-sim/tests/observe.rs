//! A watched run: the same output to the last bit as an unwatched one, and windows that add up to its totals.

mod common;

use common::{BACKGROUND, POLICIES, flows, millis, scenario};
use netkv_fabric::LinkKind;
use netkv_sim::{FirstToken, Observations, ObserveConfig, Placement, Scenario, TransferGranularity, run, run_observed};
use netkv_units::{Nanobytes, SimDuration, SimTime, Stream};
use netkv_workload::Workload;

fn random_scenario(seed: u64) -> Scenario {
    let mut stream = Stream::new(seed, "observed scenario");
    let mut scenario = scenario(Workload::poisson(3.0, 60, 1500, 40, seed));
    scenario.seed = seed;
    scenario.policy = POLICIES[stream.below(POLICIES.len() as u64) as usize].clone();
    scenario.cluster.placement =
        [Placement::PerNode, Placement::PerPod, Placement::Scattered][stream.below(3) as usize].clone();
    scenario.fabric.pod_oversubscription = [1.0, 16.0][stream.below(2) as usize];
    scenario.fabric.latency = [1, 2, 3, 4].map(millis);
    scenario.telemetry.interval = millis([0, 30, 1000][stream.below(3) as usize]);
    scenario.transfer.setup = millis(stream.below(3));
    scenario.kv.decode_blocks = [600, 100_000][stream.below(2) as usize];
    if stream.below(3) > 0 {
        scenario.background = if seed.is_multiple_of(4) { flows(0.2) } else { BACKGROUND };
    }
    if stream.below(3) == 0 {
        scenario.first_token = FirstToken::Prefill;
    }
    if stream.below(3) == 0 {
        scenario.transfer.granularity = TransferGranularity::Instance { flows: 1 };
    }
    scenario
}

fn watched(every: SimDuration) -> ObserveConfig {
    ObserveConfig { every, kinds: LinkKind::ALL.to_vec(), flows: true }
}

/// By kind: mean share over the whole run, all traffic and the background, from the sums over windows.
fn means(seen: &Observations) -> ([f64; 4], [f64; 4]) {
    let whole = seen.ends.last().expect("there is a window").since(SimTime::ZERO);
    let n = seen.links.len();
    let mean = |kind: LinkKind, background_only: bool| {
        let positions: Vec<usize> = (0..n).filter(|&position| seen.links[position].place.kind == kind).collect();
        let ratio = |&position: &usize| {
            let mut sum = Nanobytes::ZERO;
            for window in 0..seen.ends.len() {
                let crossed = seen.crossed[window * n + position];
                sum += crossed.background;
                if !background_only {
                    sum += crossed.kv;
                }
            }
            sum.get() as f64 / seen.links[position].capacity.over(whole).get() as f64
        };
        positions.iter().map(ratio).sum::<f64>() / positions.len() as f64
    };
    (LinkKind::ALL.map(|kind| mean(kind, false)), LinkKind::ALL.map(|kind| mean(kind, true)))
}

#[test]
fn a_watched_run_is_the_same_to_the_last_bit_and_its_windows_add_up() {
    for seed in 0..120 {
        let scenario = random_scenario(seed);
        // Windows of 1 s end at the instants at which telemetry is sampled.
        let every = [millis(1000), millis(70), SimDuration::from_nanos(333_333_333)][seed as usize % 3];
        let (output, seen) = run_observed(&scenario, &watched(every));
        let alone = run(&scenario);
        assert_eq!(output.requests, alone.requests, "seed {seed}");
        assert_eq!(output.digest(), alone.digest(), "seed {seed}");
        assert_eq!(means(&seen), (output.totals.link_utilisation_ratio, output.totals.background_ratio), "seed {seed}");
        for window in 0..seen.ends.len() {
            let last = window + 1 == seen.ends.len();
            assert!(seen.length(window) == every || last && seen.length(window) < every, "seed {seed}");
            for position in 0..seen.links.len() {
                let (kv, background) = seen.ratios(window, position);
                assert!(kv >= 0.0 && background >= 0.0 && kv + background <= 1.0 + 1e-12, "seed {seed}");
            }
        }
        assert_eq!(seen.ends.last(), Some(&output.totals.end), "seed {seed}");
    }
}

#[test]
fn every_transfer_is_seen_when_its_record_says() {
    for seed in 0..60 {
        let scenario = random_scenario(seed);
        let (output, seen) = run_observed(&scenario, &watched(millis(500)));
        let moved: Vec<_> = output.requests.iter().filter(|record| record.decode_instance.is_some()).collect();
        assert_eq!(moved.len(), seen.transfers.len(), "seed {seed}");
        for (record, transfer) in moved.iter().zip(&seen.transfers) {
            assert_eq!(record.request, transfer.request);
            assert_eq!(transfer.end.since(transfer.start), record.transfer, "seed {seed}");
            assert!(transfer.setup <= record.transfer, "seed {seed}");
            let prefill_end = record.arrival + record.parts.prefill_queue + record.parts.prefill_compute;
            assert!(transfer.start >= prefill_end, "seed {seed}");
            if scenario.first_token == FirstToken::Decode {
                assert_eq!(transfer.start, prefill_end + record.parts.admission_wait, "seed {seed}");
            }
        }
    }
}

#[test]
fn only_links_that_were_asked_for_are_watched() {
    let scenario = random_scenario(1);
    let config = ObserveConfig { every: millis(1000), kinds: vec![LinkKind::Pod, LinkKind::Rack], flows: false };
    let (_, seen) = run_observed(&scenario, &config);
    // 4 racks x 2 spines and 2 pods x 2 cores, both ways.
    assert_eq!(seen.links.len(), 2 * (8 + 4));
    assert!(seen.links.iter().all(|observed| observed.place.kind >= LinkKind::Rack));
    assert!(seen.links.is_sorted_by_key(|observed| observed.link));
    assert_eq!(seen.crossed.len(), seen.ends.len() * seen.links.len());
}
