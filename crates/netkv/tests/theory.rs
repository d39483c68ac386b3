//! The first theorem of docs/theory.md against its experiment: closed forms from the scenario alone, and runs.

use netkv_grid::{AxisValue, Cell, Experiment, LoadOptions, Workloads};
use netkv_sim::{RunOutput, Scenario, run};
use netkv_units::Tier;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Seconds for which requests arrive, and how many do after the first.
const SPAN_S: f64 = 8000.0;
const REQUESTS: u32 = 2000;

fn experiments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments")
}

/// The scenarios of a context and a policy, seed by seed.
fn scenarios(context_tokens: i64, policy: &str) -> Vec<Scenario> {
    let path = experiments().join("theory_context.toml");
    let experiment = Experiment::load(&path, &LoadOptions::default()).expect("the experiment is valid");
    let axes = [AxisValue::Integer(context_tokens), AxisValue::Text(policy.to_owned())];
    let cells: Vec<Cell> = experiment.cells().filter(|cell| cell.axis_values() == axes).collect();
    assert_eq!(cells.len(), 10, "one for each seed");
    let workloads = Workloads::new();
    cells.iter().map(|cell| workloads.scenario(cell)).collect()
}

/// Mean TTFT of the requests that count.
fn mean_ttft_s(output: &RunOutput) -> f64 {
    let counted: Vec<f64> =
        output.requests.iter().filter(|record| record.counted).map(|record| record.ttft.as_secs_f64()).collect();
    assert_eq!(counted.len(), REQUESTS as usize);
    counted.iter().sum::<f64>() / counted.len() as f64
}

/// Seconds of everything but the bytes of a transfer over `tier`: prefill of the half that is not cached, set-up, latency
/// and one iteration.
fn besides_s(scenario: &Scenario, tokens: u32, tier: Tier) -> f64 {
    let prefill = scenario.gpu.prefill.prompt(tokens, tokens / 2, scenario.prefill.max_batch_tokens);
    let iteration = scenario.gpu.decode.iteration(1, u64::from(tokens));
    let all = prefill + scenario.transfer.setup + scenario.fabric.latency[tier.index()] + iteration;
    all.as_secs_f64()
}

/// Seconds of half a KV cache alone, over the uplink of a pod or over NVLink.
fn alone_s(scenario: &Scenario, tokens: u32, tier: Tier) -> f64 {
    let (fabric, shape) = (&scenario.fabric, &scenario.fabric.shape);
    let gpus = f64::from(shape.racks_per_pod * shape.nodes_per_rack * shape.gpus_per_node);
    let bytes_per_s = match tier {
        Tier::Core => fabric.nic.get() as f64 * gpus / (fabric.pod_oversubscription * f64::from(fabric.cores)),
        Tier::Node => fabric.nvlink.get() as f64 * f64::from(scenario.cluster.tp),
        Tier::Rack | Tier::Pod => unreachable!("nobody is there"),
    };
    f64::from(tokens / 2) * scenario.kv.bytes_per_token as f64 / bytes_per_s
}

#[test]
fn the_trace_is_the_one_that_the_experiment_describes() {
    let mut text = String::new();
    for k in 1..=REQUESTS + 1 {
        let stamp = if k == 1 { 0 } else { 8_000_000 };
        let line = "\"input_length\": 1024, \"output_length\": 1, \"hash_ids\": [0,";
        writeln!(text, "{{\"timestamp\": {stamp}, {line} {k}]}}").expect("text grows");
    }
    let file = std::fs::read_to_string(experiments().join("traces/half_shared.jsonl")).expect("the trace is there");
    assert!(text == file, "the trace is another one");
}

#[test]
fn below_the_critical_context_ttft_is_that_of_processor_sharing() {
    for (tokens, tolerance) in [(8192, 0.005), (32_768, 0.02)] {
        for (policy, tier) in [("cache_aware", Tier::Core), ("netkv_guarded", Tier::Node)] {
            let runs = scenarios(i64::from(tokens), policy);
            let alone_s = alone_s(&runs[0], tokens, tier);
            let load = alone_s * f64::from(REQUESTS) / SPAN_S;
            let theory_s = besides_s(&runs[0], tokens, tier) + alone_s / (1.0 - load);
            let mean_s = runs.iter().map(|scenario| mean_ttft_s(&run(scenario))).sum::<f64>() / runs.len() as f64;
            println!("{policy} at {tokens} tokens: {mean_s:.4} s, theory {theory_s:.4} s");
            assert!((mean_s / theory_s - 1.0).abs() < tolerance, "{policy} at {tokens}: {mean_s} against {theory_s}");
        }
    }
}

/// However the way is shared, the k-th transfer is not done before k of them have crossed it.
#[test]
fn beyond_the_critical_context_the_backlog_is_no_less_than_the_bytes_that_cannot_have_crossed() {
    let tokens = 130_048;
    let scenario = &scenarios(i64::from(tokens), "cache_aware")[0];
    let output = run(scenario);
    let alone_s = alone_s(scenario, tokens, Tier::Core);
    assert!(alone_s * f64::from(REQUESTS) / SPAN_S > 1.5, "the way is offered far more than it carries");
    let counted: Vec<_> = output.requests.iter().filter(|record| record.counted).collect();
    let first_s = counted[0].arrival.as_secs_f64();
    let least_s: f64 = (counted.iter().zip(1..))
        .map(|(record, k)| first_s + alone_s * f64::from(k) - record.arrival.as_secs_f64())
        .sum::<f64>()
        / counted.len() as f64;
    let mean_s = mean_ttft_s(&output);
    println!("at {tokens} tokens: {mean_s:.0} s, at the least {least_s:.0} s");
    assert!(mean_s > least_s && least_s > 1000.0, "{mean_s} against {least_s}");
    assert!(mean_ttft_s(&run(&scenarios(i64::from(tokens), "netkv_guarded")[0])) < 12.0);
}
