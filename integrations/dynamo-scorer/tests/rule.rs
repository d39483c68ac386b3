//! The costs and the choice, against the formula on paper and against the rule itself.

mod common;

use common::{BLOCK, Worker, costs, loaded, parameters, place, pool};
use dynamo_kv_router::WorkerLoadProjection;
use netkv_dynamo_scorer::{Place, RANK_S};
use netkv_policy::{
    Candidate, CostOracle, IterationModel, NetKv, NetKvConfig, PathCost, PromptView, RequestView, WhenFull,
};
use netkv_units::{Bytes, InstanceId, LatencyCurve, RequestId, SimDuration, SimTime, Stream, Tier};

/// 8,000 tokens are 500 blocks and 2.62144 GB. Both workers are idle but for it, so the iteration after it is of one request.
#[test]
fn an_idle_pool_costs_what_the_formula_says() {
    let (chosen, costs) =
        costs(&parameters(&[place(0, 1, 0), place(0, 0, 1)]), 8_000, &pool([loaded(0, 500), loaded(0, 500)]), false)
            .expect("one is chosen");
    assert_eq!(chosen, 2);
    let iteration_s = 0.0124 + 0.0001;
    let expected = [8e-6 + 2.62144 / 25.0 + iteration_s, 4e-6 + 2.62144 / 50.0 + iteration_s];
    for (worker, expected) in (1..).zip(expected) {
        assert!((costs[&worker] - expected).abs() < 1e-9, "{costs:?} {expected}");
    }
}

/// At 200 requests in a batch of 128, 72 wait: eq. (6) counts an iteration for each.
#[test]
fn a_full_batch_makes_wait_and_a_full_memory_ranks_last() {
    let parameters = parameters(&[place(0, 0, 1), place(1, 0, 0), place(0, 0, 2)]);
    let workers = pool([loaded(200, 5_000), loaded(0, 500), loaded(0, 25_001)]);
    let (chosen, costs) = costs(&parameters, 8_000, &workers, false).expect("one is chosen");
    assert_eq!(chosen, 2);
    let transfer_s = 4e-6 + 2.62144 / 50.0;
    let expected = transfer_s + 72.0 * (0.0124 + 0.02) + (0.0124 + 0.0201);
    assert!((costs[&1] - expected).abs() < 1e-9, "{costs:?} {expected}");
    // 25,000 blocks are 400,000 tokens: one more does not fit.
    assert!(costs[&3] > RANK_S && costs[&2] < 1.0, "{costs:?}");
}

/// A worker with 1,000 blocks of others: its next iteration is over 16,000 + 8,000 tokens, each of them once.
#[test]
fn the_context_of_the_new_request_is_counted_once() {
    let mut parameters = parameters(&[place(0, 0, 1)]);
    parameters.iteration.per_token_ns = 20.0;
    let (_, costs) = costs(&parameters, 8_000, &pool([loaded(5, 1_500)]), false).expect("one is chosen");
    let expected = 4e-6 + 2.62144 / 50.0 + 0.0124 + 6.0 * 0.0001 + 24_000.0 * 20e-9;
    assert!((costs[&1] - expected).abs() < 1e-9, "{costs:?} {expected}");
}

#[test]
fn what_a_worker_has_is_not_moved_if_the_transport_skips_it() {
    let workers = pool([Worker { device_blocks: 250, ..loaded(0, 500) }, loaded(0, 500)]);
    let places = [place(0, 1, 0), place(0, 1, 1)];
    let skipping = netkv_dynamo_scorer::Parameters { transfer_skips_cached: true, ..parameters(&places) };
    let (_, told) = costs(&parameters(&places), 8_000, &workers, false).expect("one is chosen");
    assert_eq!(told[&1], told[&2]);
    let (chosen, skipped) = costs(&skipping, 8_000, &workers, false).expect("one is chosen");
    assert_eq!(chosen, 1);
    assert!((told[&1] - skipped[&1] - 1.31072 / 25.0).abs() < 1e-9 && skipped[&2] == told[&2], "{told:?} {skipped:?}");
}

#[test]
fn a_worker_of_which_nothing_is_told_is_neither_best_nor_lost() {
    let places = [place(0, 0, 1), place(0, 0, 2), place(0, 0, 3)];
    let workers = pool([loaded(10, 1_000), loaded(50, 3_000), Worker::default()]);
    let (chosen, costs) = costs(&parameters(&places), 8_000, &workers, false).expect("one is chosen");
    assert_eq!(chosen, 1);
    assert!(costs[&1] < costs[&3] && costs[&3] < costs[&2], "{costs:?}");

    // A worker whose place is not told is as far as another pod.
    let unknown = parameters(&places[..2]);
    let (_, costs) = common::costs(&unknown, 8_000, &pool([loaded(0, 500), loaded(0, 500), loaded(0, 500)]), false)
        .expect("one is chosen");
    assert!((costs[&3] - costs[&1] - (8e-6 + 2.62144 / 12.5 - 2.62144 / 50.0)).abs() < 1e-9, "{costs:?}");
}

#[test]
fn of_equals_the_least_id_is_taken_whatever_the_order_of_rows() {
    for n in 2..40 {
        let places: Vec<Place> = (0..n).map(|node| place(0, 0, node + 1)).collect();
        let workers = pool((0..n).map(|_| loaded(3, 700)));
        assert_eq!(costs(&parameters(&places), 100, &workers, false).expect("one is chosen").0, 1);
    }
}

struct Direct<'a>(&'a [Place]);

impl CostOracle for Direct<'_> {
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let (one, other) = (self.0[source.index()], self.0[destination.index()]);
        let same = [one.pod == other.pod, one.rack == other.rack, one.node == other.node];
        let tier = match same {
            [true, true, true] => Tier::Node,
            [true, true, false] => Tier::Rack,
            [true, false, _] => Tier::Pod,
            [false, _, _] => Tier::Core,
        };
        let (bandwidth_bytes_per_sec, nanos) =
            [(450e9, 2_000), (50e9, 4_000), (25e9, 8_000), (12.5e9, 12_000)][tier.index()];
        let latency = SimDuration::from_nanos(nanos);
        let age = SimDuration::ZERO;
        PathCost { tier, bandwidth_bytes_per_sec, latency, congestion_ratio: 0.0, counts_in_flight: false, age }
    }
}

/// Where the prefill worker is known, Dynamo's selection with the scorer is the rule's own choice.
#[test]
fn the_choice_is_that_of_the_rule() {
    let mut draws = Stream::new(7, "dynamo scorer");
    let mut draw = |most: u64| draws.below(most);
    let iteration = IterationModel {
        requests: LatencyCurve::linear(12_400_000_000_000, 100_000_000_000),
        per_token_fs: 20_000_000,
    };
    let rule = NetKv::new(NetKvConfig { when_full: WhenFull::Wait, ..NetKvConfig::PRINTED }, iteration);
    let mut chosen_at = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let n = 2 + draw(12) as usize;
        let mut places: Vec<Place> = (0..n).map(|_| place(draw(2) as u32, draw(2) as u32, draw(3) as u32)).collect();
        let input_tokens = 1 + draw(30_000) as u32;
        let own_blocks = input_tokens.div_ceil(BLOCK) as usize;
        let loads: Vec<(usize, usize)> =
            (0..n).map(|_| (draw(170) as usize, own_blocks + draw(26_000) as usize)).collect();
        let workers = pool(loads.iter().map(|&(requests, blocks)| loaded(requests, blocks)));
        let mut parameters = parameters(&places);
        parameters.iteration.per_token_ns = 20.0;
        let (chosen, _) = costs(&parameters, input_tokens as usize, &workers, false).expect("one is chosen");

        let kv_bytes = Bytes::new(u64::from(input_tokens) * 327_680);
        let prompt = PromptView {
            request: RequestId::new(0),
            input_tokens,
            kv_bytes,
            now: SimTime::ZERO,
            ttft_left: SimDuration::ZERO,
        };
        let candidates: Vec<Candidate> = loads
            .iter()
            .enumerate()
            .map(|(index, &(requests, blocks))| {
                let requests = requests as u32;
                let others = (blocks - own_blocks) as u64 * u64::from(BLOCK);
                Candidate {
                    running: requests.min(128),
                    pending: requests.saturating_sub(128),
                    max_batch: 128,
                    running_tokens: others,
                    capacity_tokens: 400_000,
                    // The prompt is held in whole blocks: its last one is not all its own.
                    free_tokens: (400_000 + u64::from(input_tokens))
                        .saturating_sub(others + own_blocks as u64 * u64::from(BLOCK)),
                    transfer_bytes: kv_bytes,
                    ..Candidate::unknown(InstanceId::new(index as u32))
                }
            })
            .collect();
        places.push(place(0, 0, 0));
        let request = RequestView { source: InstanceId::new(n as u32), prompt };
        let expected = rule.choose(&request, &candidates, &Direct(&places)).expect("it waits rather than is refused");
        assert_eq!(chosen, expected as u64 + 1, "{candidates:?}");
        chosen_at.insert(expected);
    }
    assert!(chosen_at.len() > 5, "the cases tell choices apart: {chosen_at:?}");
}

/// Dynamo's projection holds the prompt in it; what is active without it is what the rule starts from.
#[test]
fn blocks_shared_with_active_requests_are_counted_once() {
    let load = |active, additional| WorkerLoadProjection {
        active_decode_blocks: active,
        additional_active_blocks: additional,
        active_requests: 1,
        ..Default::default()
    };
    let shared = Worker { load: Some(load(24_900, 100)), ..Worker::default() };
    let apart = Worker { load: Some(load(24_900, 500)), ..Worker::default() };
    let places = [place(0, 0, 1), place(0, 0, 2)];
    let (chosen, costs) = costs(&parameters(&places), 8_000, &pool([apart, shared]), false).expect("one is chosen");
    assert_eq!(chosen, 2, "25,000 blocks fit, 25,400 do not: {costs:?}");
    assert!(costs[&1] > RANK_S && costs[&2] < 1.0, "{costs:?}");
}
