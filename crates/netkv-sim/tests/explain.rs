//! Explanations: what is foreseen comes true when nobody else comes, and to explain a decision changes no run.

mod common;

use common::random::{random_local, random_scenario};
use common::{POLICIES, WEIGHTS, millis, picks_both, scenario};
use netkv_fabric::{BackgroundConfig, RouteChoice};
use netkv_policy::PolicyConfig;
use netkv_sim::{
    Considered, Explanation, FirstToken, LocalRule, OracleBandwidth, OracleGranularity, Outcome, Overlap, Placement,
    RunOutput, Scenario, SelectionMoment, Unexplained, explain, network_plan, run,
};
use netkv_units::{BlockId, InstanceId, RequestId, SimTime};
use netkv_workload::Workload;

fn at_ms(ms: u64) -> SimTime {
    SimTime::ZERO + millis(ms)
}

/// Two prompts of 1,000 tokens, 1 GB, that are computed in a second on instances 0 and 1. Instance 2 is in their pod, 20
/// GB/s away; instance 6 is in the other one, 12.5 GB/s away. The first prompt goes to 2 and is there in 50 ms.
fn near_and_far(second_arrival_ms: u64, first_output: u32, policy: PolicyConfig) -> Scenario {
    let blocks = |first: u32| (first..first + 2).map(BlockId::new).collect();
    let parts = vec![(SimTime::ZERO, 1000, first_output, blocks(0)), (at_ms(second_arrival_ms), 1000, 2, blocks(2))];
    let mut scenario = scenario(Workload::from_parts(parts));
    scenario.cluster.prefill_instances = 6;
    scenario.cluster.placement = Placement::Listed(vec![0, 1, 3, 4, 5, 7]);
    (scenario.fabric.spines_per_pod, scenario.fabric.cores) = (1, 1);
    scenario.fabric.pod_oversubscription = 6.4;
    (scenario.policy, scenario.oracle) = (policy, OracleGranularity::Exact);
    scenario
}

fn second(scenario: &Scenario) -> Explanation {
    explain(scenario, RequestId::new(1)).expect("it was decoded")
}

/// Milliseconds at which a candidate was foreseen to admit the request, to have its KV cache, to begin the first
/// iteration with it, and to end that.
fn foreseen_ms(considered: &Considered) -> [u64; 4] {
    let foreseen = &considered.foreseen;
    [foreseen.admitted, foreseen.transfer_end, foreseen.joined, foreseen.first_token]
        .map(|time| time.since(SimTime::ZERO).as_nanos() / 1_000_000)
}

#[test]
fn an_interface_that_is_about_to_be_free_is_near() {
    // At 1,045 ms the first transfer has 100 MB to go: sharing, both get 10 GB/s for 10 ms, then the second one 20.
    let greedy = second(&near_and_far(45, 100, PolicyConfig::NetKvGuarded(WEIGHTS)));
    let clairvoyant = second(&near_and_far(45, 100, PolicyConfig::Clairvoyant));
    // Instance 2 is in an iteration from 1,055 ms on, every 10 ms; 6 is idle.
    for explanation in [&greedy, &clairvoyant] {
        let [near, far] = [0, 1].map(|decode| foreseen_ms(&explanation.decision.considered[decode]));
        assert_eq!((near, far), ([1045, 1100, 1105, 1115], [1045, 1125, 1125, 1135]));
        let ttft_ms = explanation.outcomes.each_ms();
        assert_eq!((ttft_ms, explanation.best_in_hindsight()), (vec![1115 - 45, 1135 - 45], 0));
    }
    // By the present rates, 10 against 12.5 GB/s, the far one is nearer.
    assert_eq!((greedy.decision.chosen, clairvoyant.decision.chosen), (1, 0));
}

#[test]
fn memory_that_is_about_to_be_free_is_room() {
    let with_memory = |policy| {
        let mut scenario = near_and_far(80, 5, policy);
        scenario.kv.decode_blocks = 110;
        second(&scenario)
    };
    let (greedy, clairvoyant) =
        (with_memory(PolicyConfig::NetKvGuarded(WEIGHTS)), with_memory(PolicyConfig::Clairvoyant));
    // The first request is in a batch from 1,050 ms on, makes five tokens, and holds 63 of 110 blocks until 1,100 ms.
    let [near, far] = [0, 1].map(|decode| foreseen_ms(&greedy.decision.considered[decode]));
    assert_eq!((near, far), ([1100, 1150, 1150, 1160], [1080, 1160, 1160, 1170]));
    assert_eq!(greedy.outcomes.each_ms(), [1160 - 80, 1170 - 80]);
    assert_eq!((greedy.decision.chosen, clairvoyant.decision.chosen), (1, 0));
}

trait EachMs {
    fn each_ms(&self) -> Vec<u64>;
}

impl EachMs for Vec<Outcome> {
    fn each_ms(&self) -> Vec<u64> {
        self.iter().map(|outcome| outcome.record.ttft.as_nanos() / 1_000_000).collect()
    }
}

/// A random scenario without anything that a look-ahead leaves out but requests.
fn foreseeable(seed: u64) -> Scenario {
    let mut scenario = random_scenario(seed);
    scenario.background = BackgroundConfig::None;
    scenario.selection = SelectionMoment::PrefillDone;
    scenario.transfer.overlap = Overlap::None;
    scenario.policy = POLICIES.into_iter().filter(|policy| !picks_both(policy)).nth(seed as usize % 21).expect("one");
    // Transfers take tenths of a second, and many are being set up at a decision.
    scenario.kv.bytes_per_token = 4_000_000;
    scenario.transfer.setup = millis([0, 100][seed as usize / 2 % 2]);
    scenario.fabric.latency = [1, 2, 4, 8].map(millis);
    if seed.is_multiple_of(2) {
        scenario.fabric.route = RouteChoice::LeastLoaded;
    }
    scenario
}

/// The request that is the last to have its decode instance chosen; none if two are at once, or its prompt is computed
/// there.
fn last_decided(scenario: &Scenario) -> Option<RequestId> {
    let output = run(scenario);
    let mut decided: Vec<_> = output
        .requests
        .iter()
        .filter(|record| record.decode_instance.is_some())
        .map(|record| {
            let computed = record.arrival + record.parts.prefill_queue + record.parts.prefill_compute;
            let decided = if record.prefilled_locally() { record.arrival } else { computed };
            (decided, record.request, record.prefilled_locally())
        })
        .collect();
    decided.sort_unstable();
    let [.., before, last] = decided[..] else { return None };
    (before.0 < last.0 && !last.2).then_some(last.1)
}

#[test]
fn what_is_foreseen_comes_true_when_nobody_else_comes() {
    let (compared, waited, shared, _) = foresee(400, false);
    assert!(compared > 600 && waited > 30 && shared > 60, "{compared}, {waited}, {shared}");
}

#[test]
fn what_is_foreseen_beside_prompts_that_are_computed_there_comes_true() {
    let (compared, waited, _, beside) = foresee(1600, true);
    assert!(compared > 300 && waited > 10 && beside > 20, "{compared}, {waited}, {beside}");
}

/// Compares what was foreseen with what came: how many predictions there were, of those how many with a wait for memory,
/// beside transfers on the same interfaces, and on instances that computed a prompt since.
fn foresee(seeds: u64, is_local: bool) -> (u32, u32, u32, u32) {
    let (mut compared, mut waited, mut shared, mut beside) = (0, 0, 0, 0);
    for seed in 0..seeds {
        let mut scenario = foreseeable(seed);
        if is_local {
            scenario.local_prefill = random_local(seed).local_prefill;
        }
        let Some(request) = last_decided(&scenario) else { continue };
        let Explanation { decision, outcomes } = explain(&scenario, request).expect("it was decoded");
        for (decode, (considered, outcome)) in decision.considered.iter().zip(&outcomes).enumerate() {
            // Who waits for memory elsewhere will send as well.
            let others = decision.considered.iter().enumerate().filter(|&(other, _)| other != decode);
            if others.map(|(_, other)| other.known.queued_tokens).sum::<u64>() > 0 {
                continue;
            }
            let (foreseen, record) = (considered.foreseen, &outcome.record);
            let start = record.transfer_start.expect("it was moved");
            let case = format!("seed {seed}, request {request:?}, decode instance {decode}");
            assert_eq!((foreseen.admitted, foreseen.transfer_end), (start, start + record.transfer), "{case}");
            if scenario.first_token == FirstToken::Decode {
                let first_token = record.arrival + record.ttft;
                assert_eq!(foreseen.first_token, first_token, "{case}");
                assert_eq!(first_token.since(foreseen.joined), record.parts.first_iteration, "{case}");
            }
            compared += 1;
            waited += u32::from(start > decision.time);
            shared += u32::from(considered.known.sharing_transfers > 0);
            beside += u32::from(computes_after(&run(&scenario), considered.known.instance, decision.time));
        }
    }
    println!(
        "{compared} predictions, {waited} with a wait for memory, {shared} beside transfers on the same interfaces"
    );
    println!("{beside} on instances that computed a prompt");
    (compared, waited, shared, beside)
}

/// Whether an instance computed a prompt itself after this moment.
fn computes_after(output: &RunOutput, instance: InstanceId, time: SimTime) -> bool {
    output.requests.iter().any(|record| {
        let end = record.arrival + record.parts.prefill_queue + record.parts.prefill_compute;
        record.prefilled_locally() && record.decode_instance == Some(instance) && end > time
    })
}

#[test]
fn the_clairvoyant_takes_the_earliest_of_all_that_it_could_foresee() {
    for seed in 0..60 {
        let scenario = Scenario { policy: PolicyConfig::Clairvoyant, ..random_scenario(seed) };
        for request in [7, 19, 33].map(RequestId::new) {
            let Ok(Explanation { decision, .. }) = explain(&scenario, request) else { continue };
            let place = |decode: &usize| (decision.considered[*decode].foreseen.first_token, *decode);
            let earliest = (0..decision.considered.len()).min_by_key(place);
            assert_eq!(Some(decision.chosen), earliest, "seed {seed}, request {request:?}");
        }
    }
}

#[test]
fn to_explain_a_decision_changes_no_run() {
    for (seed, policy) in (0..).zip(POLICIES) {
        let scenario = Scenario { policy: policy.clone(), ..random_scenario(seed) };
        let request = RequestId::new(11);
        let output = run(&scenario);
        let name = policy.name();
        let explanation = match explain(&scenario, request) {
            Ok(explanation) => explanation,
            Err(error) => {
                assert_eq!((error, output.requests[11].decode_instance), (Unexplained::NoDecode, None), "{name}");
                continue;
            }
        };
        let (decision, outcomes) = (&explanation.decision, &explanation.outcomes);
        assert_eq!(outcomes[decision.chosen].digest, output.digest(), "{name}");
        assert_eq!(outcomes[decision.chosen].record, output.requests[11], "{name}");
        for (considered, outcome) in decision.considered.iter().zip(outcomes) {
            assert_eq!(outcome.record.decode_instance, Some(considered.known.instance), "{name}");
            assert_eq!(outcome.record.prefill_instance, decision.source, "{name}");
        }
        let at_once = matches!(policy, PolicyConfig::AibrixPd(_) | PolicyConfig::MooncakeTtft(_));
        assert_eq!(decision.prefill.len(), if at_once { 4 } else { 0 }, "{name}");
    }
}

#[test]
fn what_was_not_decoded_cannot_be_explained() {
    let mut scenario = near_and_far(45, 100, PolicyConfig::RoundRobin);
    assert_eq!(explain(&scenario, RequestId::new(2)), Err(Unexplained::NoSuchRequest));
    scenario.kv.decode_blocks = 70;
    assert_eq!(explain(&scenario, RequestId::new(1)), Err(Unexplained::Refused));
    let mut one_token = near_and_far(45, 1, PolicyConfig::RoundRobin);
    one_token.first_token = FirstToken::Prefill;
    assert_eq!(explain(&one_token, RequestId::new(0)), Err(Unexplained::NoDecode));
    let mut local = near_and_far(45, 100, PolicyConfig::RoundRobin);
    local.local_prefill.rule = LocalRule::Short { max_tokens: 2000, max_ratio: 1.1 };
    assert_eq!(explain(&local, RequestId::new(0)), Err(Unexplained::Local));
}

/// A live oracle begins with the plan: it tells of ways what the simulation's oracle told.
#[test]
fn the_plan_is_what_policies_are_told_of_the_network() {
    for bandwidth in [OracleBandwidth::Share, OracleBandwidth::Idle, OracleBandwidth::Link] {
        let mut scenario = near_and_far(45, 100, PolicyConfig::NetKvGuarded(WEIGHTS));
        (scenario.oracle, scenario.oracle_bandwidth) = (OracleGranularity::Tier, bandwidth);
        let plan = network_plan(&scenario).expect("all instances are alike");
        let decision = second(&scenario).decision;
        let source = plan.instances[decision.source.index()];
        assert!(source.prefills && plan.instances.len() == 8 && (plan.pods, plan.racks) == (2, 4), "{plan:?}");
        for considered in &decision.considered {
            let told = considered.told.expect("the rule asks");
            let own = plan.instances[considered.known.instance.index()];
            let tier = match () {
                () if own.node == source.node => 0,
                () if own.rack == source.rack => 1,
                () if own.pod == source.pod => 2,
                () => 3,
            };
            assert_eq!((told.tier.index(), own.prefills), (tier, false));
            assert_eq!(told.bandwidth_bytes_per_sec, plan.bandwidth_bytes_per_sec[tier]);
            assert_eq!(told.latency, plan.latency[tier]);
        }
    }
}
