//! The check that can fail: on small random instances every assignment is tried, and bound <= best assignment <= every
//! policy.

#[path = "../../netkv-sim/tests/common/mod.rs"]
mod common;

use common::{BACKGROUND, POLICIES, flows, millis, picks_both, scenario};
use netkv_bound::{Choice, Freedom, Instance, Unbounded, exhaustive, mean_ttft, replay};
use netkv_fabric::{BackgroundConfig, RouteChoice};
use netkv_sim::{
    Placement, PrefillPolicy, PrefillQueue, RunOutput, Scenario, SelectionMoment, TransferGranularity, run,
};
use netkv_units::{BlockId, LatencyCurve, SimDuration, SimTime, Stream};
use netkv_workload::Workload;

/// Random instances of each kind.
const INSTANCES: u64 = 40;

/// Prompts of 1 to 4 blocks, a third of them continuing an earlier one, all within a tenth of a second or a second.
fn workload(stream: &mut Stream, n: u64) -> Workload {
    let spread_ms = [100, 1000][stream.below(2) as usize];
    let mut arrivals: Vec<u64> = (0..n).map(|_| stream.below(spread_ms)).collect();
    arrivals.sort_unstable();
    let (mut prompts, mut next): (Vec<Vec<u32>>, u32) = (Vec::new(), 0);
    let mut parts = Vec::new();
    for at_ms in arrivals {
        let mut blocks = if stream.below(3) == 0 && !prompts.is_empty() {
            prompts[stream.below(prompts.len() as u64) as usize].clone()
        } else {
            Vec::new()
        };
        for _ in 0..=stream.below(4) {
            blocks.push(next);
            next += 1;
        }
        let input = 512 * (blocks.len() as u32 - 1) + 1 + stream.below(512) as u32;
        let ids = blocks.iter().map(|&block| BlockId::new(block)).collect();
        parts.push((SimTime::from_nanos(at_ms * 1_000_000), input, 1 + stream.below(40) as u32, ids));
        // A partial last block is a leaf: a longer prompt has another id there.
        if !input.is_multiple_of(512) {
            blocks.pop();
        }
        prompts.push(blocks);
    }
    Workload::from_parts(parts)
}

/// A small scenario in which the network is scarce, of `n` requests.
fn small(seed: u64, n: u64) -> Scenario {
    let mut stream = Stream::new(seed, "small");
    let mut small = scenario(workload(&mut stream, n));
    small.seed = seed;
    small.gpu.prefill.tokens = LatencyCurve::linear(3_000_000_000_000, 20_000_000_000);
    small.gpu.prefill.per_pair_fs = [0, 2_000_000][stream.below(2) as usize];
    small.gpu.decode.requests = LatencyCurve::linear(5_000_000_000_000, 500_000_000_000);
    small.gpu.decode.per_token_fs = 500_000_000;
    small.cluster.placement = [Placement::Scattered, Placement::PerPod, Placement::PerNode, Placement::PerRack]
        [stream.below(4) as usize]
        .clone();
    (small.fabric.rack_oversubscription, small.fabric.pod_oversubscription) =
        [(1.0, 1.0), (2.0, 4.0), (4.0, 8.0)][stream.below(3) as usize];
    small.fabric.latency = [2_000, 4_000, 8_000, 15_000].map(SimDuration::from_nanos);
    small.fabric.route = [RouteChoice::Ecmp, RouteChoice::Ecmp, RouteChoice::LeastLoaded][stream.below(3) as usize];
    small.background = match stream.below(4) {
        0 => BackgroundConfig::None,
        1 => BackgroundConfig::Steady { ratio: 0.3 },
        2 => BACKGROUND,
        _ => flows(0.3),
    };
    small.transfer.setup = SimDuration::from_nanos(100_000);
    if stream.below(4) == 0 {
        small.transfer.granularity = TransferGranularity::Instance { flows: 1 + stream.below(3) as u32 };
    }
    small.transfer.skip_cached = stream.below(4) > 0;
    small.prefill.policy =
        [PrefillPolicy::RoundRobin, PrefillPolicy::LeastTokens, PrefillPolicy::CacheAware][stream.below(3) as usize];
    if stream.below(3) == 0 {
        small.prefill.queue = PrefillQueue::ShortestFirst { ageing_tokens_per_sec: 1000 };
    }
    small.prefill.max_batch_tokens = [600, 8192][stream.below(2) as usize];
    // The longest prompt and answer take some 400 blocks; a few of them together more than the smallest memory.
    small.kv.decode_blocks = [500, 100_000][stream.below(2) as usize];
    small.selection = [SelectionMoment::Arrival, SelectionMoment::PrefillDone][stream.below(2) as usize];
    if stream.below(4) == 0 {
        small.measure.warmup = millis(50);
    }
    small
}

/// The runs of all policies that serve everybody, and whether each chooses the prefill instance too.
fn runs(small: &Scenario) -> Vec<(bool, &'static str, RunOutput)> {
    let of = |policy: &netkv_policy::PolicyConfig| {
        (picks_both(policy), policy.name(), run(&Scenario { policy: policy.clone(), ..small.clone() }))
    };
    POLICIES.iter().map(of).collect()
}

/// Whether the bound knows all that the network does: routes, what others take, and that memory does not run short.
fn is_known(small: &Scenario) -> bool {
    small.fabric.route == RouteChoice::Ecmp
        && !matches!(small.background, BackgroundConfig::Flows(_))
        && small.kv.decode_blocks > 500
}

/// Bound over optimum of one instance, and whether all is known that could make it tight; none if nobody counts.
fn tightness(seed: u64, n: u64, freedom: Freedom) -> Option<(bool, f64)> {
    let small = small(seed, n);
    let runs = runs(&small);
    let known: Vec<&RunOutput> = runs.iter().map(|(_, _, output)| output).collect();
    let instance = match Instance::new(&small, &known) {
        Err(Unbounded::NoRequests) => return None,
        other => other.expect("it has a bound"),
    };
    let bound = instance.bound(freedom).expect("memory is enough").mean;
    let given = instance.pools().choices(instance.reference());
    let best = exhaustive(&small, instance.pools(), freedom, &given, 1 << 16).expect("few assignments");
    assert!(bound <= best.mean, "seed {seed}, {freedom:?}: a bound of {bound} above the best, {}", best.mean);
    for (both, name, output) in &runs {
        let mean = mean_ttft(output).expect("somebody counts");
        if *both == (freedom == Freedom::Both) || !*both {
            assert!(best.mean <= mean + 1e-12, "seed {seed}: {name} is at {mean}, better than the best, {}", best.mean);
        }
    }
    Some((is_known(&small), bound / best.mean))
}

fn check(n: u64, freedom: Freedom, least: f64) {
    let found: Vec<(bool, f64)> = (0..INSTANCES).filter_map(|seed| tightness(seed, n, freedom)).collect();
    assert!(found.len() as u64 > INSTANCES / 2, "{freedom:?}: {} instances", found.len());
    for known in [true, false] {
        let mut ratios: Vec<f64> = found.iter().filter(|one| one.0 == known).map(|one| one.1).collect();
        ratios.sort_by(f64::total_cmp);
        let (mean, middle) = (ratios.iter().sum::<f64>() / ratios.len() as f64, ratios[ratios.len() / 2]);
        println!(
            "{freedom:?}, {} instances with {} known: bound / best assignment {mean:.3} in the mean, {middle:.3} in the \
             middle, {:.3} at the least",
            ratios.len(),
            if known { "all" } else { "not all" },
            ratios[0]
        );
        assert!(!known || mean > least, "{freedom:?}: a bound of {mean} of the best is loose");
    }
}

#[test]
fn no_choice_of_decode_instances_beats_the_bound() {
    check(6, Freedom::Decode, 0.85);
}

#[test]
fn no_choice_of_both_instances_beats_the_bound() {
    check(3, Freedom::Both, 0.8);
}

/// What the exhaustive search rests on: a policy's run follows from the list of its choices.
#[test]
fn a_run_is_repeated_from_the_list_of_its_choices() {
    for seed in 100..120 {
        let small = small(seed, 12);
        let runs = runs(&small);
        let Ok(instance) = Instance::new(&small, &[]) else { continue };
        for (_, name, output) in &runs {
            let choices: Vec<Choice> = instance.pools().choices(output);
            assert_eq!(replay(&small, &choices).requests, output.requests, "seed {seed}, {name}");
        }
    }
}
