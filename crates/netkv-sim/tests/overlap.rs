//! Transfers beside prefill, and decode instances that are chosen early: cases with an answer on paper.

mod common;

use common::{FIRST, TOKENS, millis, scenario};
use netkv_policy::PolicyConfig;
use netkv_sim::{FirstToken, Overlap, Placement, RequestRecord, Scenario, SelectionMoment, run};
use netkv_units::{BlockId, BytesPerSec, InstanceId, SimDuration, SimTime};
use netkv_workload::Workload;

fn blocks(first: u32, n: u32) -> Vec<BlockId> {
    (first..first + n).map(BlockId::new).collect()
}

/// One prompt of 1,000 tokens, 1 ms and 1 MB each, in another pod than its decode instance: 20 GB/s. Ten layers.
fn layerwise() -> Scenario {
    let mut scenario = scenario(Workload::from_parts(vec![(SimTime::ZERO, 1000, 3, blocks(0, 2))]));
    scenario.cluster.placement = Placement::PerPod;
    scenario.transfer.overlap = Overlap::Layerwise { layers: 10 };
    scenario.selection = SelectionMoment::PrefillStart;
    scenario
}

fn first(scenario: &Scenario) -> RequestRecord {
    run(scenario).requests[0].clone()
}

#[test]
fn on_a_fast_network_only_the_last_layer_follows_prefill() {
    for selection in [SelectionMoment::Arrival, SelectionMoment::PrefillStart] {
        let record = first(&Scenario { selection, ..layerwise() });
        // 900 MB during prefill, 100 MB after it.
        assert_eq!(record.parts.prefill_compute, millis(1000));
        assert_eq!(record.parts.transfer, millis(5));
        assert_eq!((record.transfer_start, record.transfer), (Some(SimTime::ZERO), millis(1005)));
        assert_eq!(record.ttft, millis(1000 + 5 + 10));
    }
}

#[test]
fn of_chunks_only_the_last_layer_of_the_last_one_follows_prefill() {
    let mut scenario = layerwise();
    scenario.prefill.max_batch_tokens = 400;
    // The last chunk has 200 tokens: 20 MB of them are left.
    assert_eq!(first(&scenario).parts.transfer, millis(1));
}

#[test]
fn on_a_slow_network_the_transfer_takes_its_bytes_over_the_rate_from_the_start_of_prefill() {
    let mut scenario = layerwise();
    scenario.fabric.nic = BytesPerSec::new(100_000_000);
    let record = first(&scenario);
    assert_eq!((record.transfer, record.parts.transfer), (millis(5000), millis(4000)));
    scenario.transfer.overlap = Overlap::None;
    assert_eq!(first(&scenario).parts.transfer, millis(5000));
    // 0.95 GB/s carry what ten layers make, 0.9 GB in a second, and 0.89 do not.
    scenario = layerwise();
    scenario.fabric.nic = BytesPerSec::new(475_000_000);
    assert_eq!(first(&scenario).parts.transfer.as_nanos(), 105_263_158);
    scenario.fabric.nic = BytesPerSec::new(445_000_000);
    assert_eq!(first(&scenario).transfer.as_nanos(), 1_123_595_506);
}

#[test]
fn set_up_delays_the_flows_but_they_catch_up_during_prefill() {
    let mut scenario = layerwise();
    scenario.transfer.setup = millis(300);
    assert_eq!(first(&scenario).parts.transfer, millis(5));
    // Set up after prefill, a transfer is one like any other.
    scenario.transfer.setup = millis(1200);
    let record = first(&scenario);
    assert_eq!(record.parts.transfer, millis(250));
    assert!(record.parts.total() == record.ttft);
}

#[test]
fn a_prompt_that_the_decode_instance_has_waits_for_its_prefill_alone() {
    let later = SimTime::from_secs_f64(100.0);
    let parts = vec![(SimTime::ZERO, 1024, 2, blocks(0, 2)), (later, 1024, 2, blocks(0, 2))];
    let mut scenario = Scenario { workload: std::sync::Arc::new(Workload::from_parts(parts)), ..layerwise() };
    scenario.policy = PolicyConfig::CacheAware { threshold_ratio: 0.3, load: TOKENS, ties: FIRST };
    // Caching on the prefill side would leave nothing to compute.
    scenario.prefill.policy = netkv_sim::PrefillPolicy::RoundRobin;
    let record = run(&scenario).requests[1].clone();
    assert_eq!((record.transfer_bytes, record.parts.transfer), (0, SimDuration::ZERO));
    assert_eq!(record.parts.prefill_compute, millis(1024));
    assert_eq!(record.ttft, millis(1024 + 10));
}

#[test]
fn a_first_token_from_the_prefill_side_ends_without_a_decode_instance() {
    let mut scenario = layerwise();
    scenario.first_token = FirstToken::Prefill;
    let record = first(&scenario);
    // The last layer, then an iteration; then another.
    assert_eq!((record.ttft, record.decoding), (millis(1000), millis(5 + 10 + 10)));
    scenario.workload = std::sync::Arc::new(Workload::from_parts(vec![(SimTime::ZERO, 1000, 1, blocks(0, 2))]));
    for selection in [SelectionMoment::Arrival, SelectionMoment::PrefillStart] {
        let record = first(&Scenario { selection, ..scenario.clone() });
        assert_eq!((record.decode_instance, record.transfer_start), (None, None));
    }
}

/// Two prompts for two decode instances: the second arrives while the first is computed. Chosen at arrival, each counts
/// the other from then on; chosen when prefill is done, the short one, done first, goes where the long one would.
#[test]
fn who_is_chosen_early_counts_early() {
    let parts = vec![(SimTime::ZERO, 2000, 2, blocks(0, 4)), (SimTime::from_nanos(1), 500, 2, blocks(4, 1))];
    let mut scenario = scenario(Workload::from_parts(parts));
    scenario.cluster.prefill_instances = 6;
    scenario.cluster.placement = Placement::Listed(vec![0, 1, 2, 3, 4, 5]);
    scenario.policy = PolicyConfig::LoadAware { load: TOKENS, ties: FIRST };
    let chosen = |selection| {
        let output = run(&Scenario { selection, ..scenario.clone() });
        output.requests.iter().map(|record| record.decode_instance.unwrap()).collect::<Vec<_>>()
    };
    let [six, seven] = [6, 7].map(InstanceId::new);
    assert_eq!(chosen(SelectionMoment::Arrival), [six, seven]);
    assert_eq!(chosen(SelectionMoment::PrefillStart), [six, seven]);
    assert_eq!(chosen(SelectionMoment::PrefillDone), [six, six]);
}
