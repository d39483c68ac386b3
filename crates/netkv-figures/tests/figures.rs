//! Every figure and the report, from made-up results. No number here comes from a run.
#![allow(clippy::unwrap_used, reason = "tests")]

use netkv_figures::{catalog, comparison, draw, missing, report};
use netkv_frames::{AxisValue, CellRow, CellStatus, Metadata, SummaryOptions, cells_table, summary_table, write_table};
use netkv_sim::{METRICS, Value};
use std::path::Path;

const POLICIES: [&str; 7] = [
    "round_robin",
    "load_aware",
    "cache_aware",
    "cache_load_aware",
    "netkv_guarded_static",
    "netkv_guarded",
    "clairvoyant",
];

/// MADE UP: smooth curves and a little noise, so that figures have something to show.
fn invented(metric: &str, policy: usize, harm: f64, x: f64, seed: u64) -> f64 {
    let noise =
        1.0 + 0.012 * f64::from((seed as u32 * 7919 + policy as u32 * 104_729 + (x * 100.0) as u32) % 17) / 17.0;
    let gain = 1.0 - [0.0, 0.03, 0.05, 0.09, 0.1, 0.16, 0.2][policy] * (0.1 + harm);
    let parts = [0.12 * x / (1.02 - x.min(0.95)), 0.42, 0.00004, 0.02, 0.1 + 0.5 * harm * gain * gain, 0.012, 0.022];
    let total: f64 = parts.iter().sum::<f64>() * gain * noise;
    match metric {
        "ttft_mean_ns" => total * 1e9,
        "ttft_p99_ns" => total * 4.2e9,
        "ttft_prefill_queue_ns" => parts[0] * 1e9,
        "ttft_prefill_compute_ns" => parts[1] * 1e9,
        "ttft_selection_ns" => parts[2] * 1e9,
        "ttft_admission_wait_ns" => parts[3] * 1e9,
        "ttft_transfer_ns" => parts[4] * 1e9,
        "ttft_decode_wait_ns" => parts[5] * 1e9,
        "ttft_first_iteration_ns" => parts[6] * 1e9,
        "tbt_mean_ns" => (21.0 + 9.0 * x) * (1.0 + 0.01 * policy as f64) * noise * 1e6,
        "slo_attainment_ratio" => (1.04 - 0.35 * total * x).clamp(0.0, 1.0),
        "decode_hit_ratio" => 0.1 + 0.05 * policy as f64,
        "tier_node_ratio" => 0.05 + 0.05 * policy as f64,
        "tier_rack_ratio" => 0.1 + 0.03 * policy as f64,
        "tier_pod_ratio" => 0.3 + 0.01 * policy as f64,
        "tier_core_ratio" => 0.55 - 0.09 * policy as f64,
        "requests" => 2000.0,
        "transfer_mean_bytes" => 1e9,
        "rank_inversion_ratio" => 0.1 * harm * x,
        "rank_drift_ratio" => 0.3 * harm * x,
        "choice_change_ratio" => 0.08 * harm * x,
        _ => 0.0,
    }
}

/// The x of the made-up load experiment that a grid's x stands for.
fn as_load(experiment: &str, x: f64) -> f64 {
    match experiment {
        "context" | "theory_context" => 0.3 + 0.6 * x / 65536.0,
        "staleness" | "theory_staleness" => 0.6 + x / 800.0,
        _ => x,
    }
}

/// An axis and its values.
type Axis<'a> = (&'a str, Vec<AxisValue>);

/// MADE UP results of an experiment, whose last axis gets the lines or rows of figures.
fn invent(folder: &Path, experiment: &str, axes: &[Axis<'_>], regimes: &[(&str, f64)], seeds: u64) {
    let mut points: Vec<Vec<AxisValue>> = vec![Vec::new()];
    for (_, values) in axes {
        let longer = |point: &Vec<AxisValue>| {
            let one = |value: &AxisValue| point.iter().cloned().chain([value.clone()]).collect();
            values.iter().map(one).collect::<Vec<_>>()
        };
        points = points.iter().flat_map(longer).collect();
    }
    let (series_axis, series) = &axes[axes.len() - 1];
    let mut rows = Vec::new();
    for (regime, harm) in regimes {
        for point in &points {
            let x = point.iter().find_map(number).unwrap_or(0.6);
            let name = point.last().unwrap();
            let policy = series.iter().position(|other| other == name).unwrap();
            for seed in 1..=seeds {
                let regime = (!regime.is_empty()).then(|| text(regime));
                let is = |other: &str| *name == text(other) && experiment == "load";
                let gone = is("load_aware") && x > 0.8 && *harm > 0.5;
                let one = is("cache_aware") && (x - 0.6).abs() < 1e-9 && seed == 1;
                let status = if gone || one {
                    CellStatus::Failed { message: "made up".to_owned() }
                } else {
                    CellStatus::Done {
                        digest: "made up".to_owned(),
                        metrics: metrics(experiment, policy, *harm, x, seed),
                    }
                };
                let cell = rows.len() as u32;
                let axes = regime.into_iter().chain(point.iter().cloned()).collect();
                rows.push(CellRow { cell, key: format!("made up {cell}"), seed, axes, status });
            }
        }
    }
    let mut names: Vec<String> = axes.iter().map(|axis| axis.0.to_owned()).collect();
    if regimes.iter().any(|(regime, _)| !regime.is_empty()) {
        names.insert(0, "regime".to_owned());
    }
    let baseline = if *series_axis == "policy.name" { "round_robin" } else { "static" };
    write(&folder.join(experiment), experiment, &names, &rows, (series_axis, baseline), seeds);
}

fn write(
    folder: &Path,
    experiment: &str,
    axes: &[String],
    rows: &[CellRow],
    (baseline_axis, baseline): (&str, &str),
    seeds: u64,
) {
    std::fs::create_dir_all(folder).unwrap();
    let options = SummaryOptions {
        baseline_axis: baseline_axis.to_owned(),
        baseline: baseline.to_owned(),
        confidence_ratio: 0.9,
    };
    let seeds: Vec<String> = (1..=seeds).map(|seed| seed.to_string()).collect();
    let metadata = Metadata::from(
        [
            ("experiment", experiment),
            ("trace", "made-up numbers for a test <not a trace>"),
            ("trace_fallback", "true"),
            ("sim_epoch", "1"),
            ("results_format", "1"),
            ("seeds", &seeds.join(", ")),
            ("confidence_ratio", "0.9"),
            ("baseline", baseline),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    write_table(&folder.join("cells.parquet"), &cells_table(axes, rows), &metadata).unwrap();
    write_table(&folder.join("summary.parquet"), &summary_table(axes, rows, &options), &metadata).unwrap();
}

fn text(word: &str) -> AxisValue {
    AxisValue::Text(word.to_owned())
}

fn number(value: &AxisValue) -> Option<f64> {
    match value {
        AxisValue::Integer(value) => Some(*value as f64),
        AxisValue::Float(value) => Some(*value),
        AxisValue::Text(_) | AxisValue::Boolean(_) => None,
    }
}

fn policies() -> Axis<'static> {
    ("policy.name", POLICIES.iter().map(|name| text(name)).collect())
}

fn metrics(experiment: &str, policy: usize, harm: f64, x: f64, seed: u64) -> Vec<Value> {
    let length = if experiment.ends_with("context") { x / 16384.0 } else { 1.0 };
    let value = |metric: &netkv_sim::Metric| {
        let grows = metric.name.starts_with("ttft") || metric.name == "transfer_mean_bytes";
        let value =
            invented(metric.name, policy, harm, as_load(experiment, x), seed) * if grows { length } else { 1.0 };
        if metric.integer { Value::Integer(value as u64) } else { Value::Float(value) }
    };
    METRICS.iter().map(value).collect()
}

fn loads(values: &[f64]) -> Axis<'static> {
    ("workload.prefill_utilisation_ratio", floats(values))
}

fn floats(values: &[f64]) -> Vec<AxisValue> {
    values.iter().copied().map(AxisValue::Float).collect()
}

/// MADE UP results of all experiments.
fn invent_all(folder: &Path) {
    let regimes = [("null", 0.02), ("base", 0.5), ("congested", 1.6)];
    let contexts: Vec<_> = [1024, 4096, 8192, 16384, 32768, 65536].map(AxisValue::Integer).to_vec();
    let contexts = ("workload.context_tokens", contexts);
    invent(folder, "context", &[contexts.clone(), policies()], &regimes, 5);
    invent(folder, "load", &[loads(&[0.3, 0.45, 0.6, 0.75, 0.9]), policies()], &regimes, 5);
    let intervals = ("telemetry.interval_s", floats(&[0.0, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0]));
    invent(folder, "staleness", &[intervals.clone(), policies()], &regimes, 5);
    let rankings = [("tier_equal", 0.02), ("zone_equal", 0.5), ("zone_half", 1.6)];
    invent(folder, "theory_staleness", &[intervals, policies()], &rankings, 5);
    invent(folder, "theory_context", &[contexts, policies()], &[("", 0.5)], 5);
    let prefill = ("prefill.policy", vec![text("least_tokens"), text("cache_aware")]);
    invent(folder, "policies", &[prefill, policies()], &regimes, 5);
    let placements = ("cluster.placement", vec![text("scattered"), text("per_pod")]);
    let terms = [
        "netkv_guarded",
        "netkv_guarded_static",
        "netkv_guarded_no_ledger",
        "netkv_guarded_no_cache",
        "netkv_guarded_no_load",
        "round_robin",
    ];
    let terms = ("policy.name", terms.map(text).to_vec());
    invent(folder, "ablation", &[placements, loads(&[0.6, 0.9]), terms], &regimes, 5);
    let granularities = ("oracle.granularity", ["static", "tier", "zone", "path", "exact"].map(text).to_vec());
    let few = ("telemetry.interval_s", floats(&[0.1, 1.0, 60.0]));
    invent(folder, "oracle", &[few, granularities], &regimes, 5);
    std::fs::write(folder.join("theory_context/manifest.toml"), MANIFEST).unwrap();
}

/// MADE UP: a way between pods of 3 GB/s, that is offered more from some 12,000 tokens on.
const MANIFEST: &str = "
[experiment]
workload = { tick_s = 500.0 }
cluster = { racks_per_pod = 1, nodes_per_rack = 8, gpus_per_node = 8, tp = 4 }
fabric = { nic_gbps = 100.0, nic_efficiency_ratio = 0.75, nvlink_gbytes_per_s = 450.0, pod_oversubscription = 200.0, \
cores = 1, latency_us = [2.0, 4.0, 8.0, 15.0] }
transfer = { setup_us = 100.0 }
";

#[test]
fn every_figure_and_the_report_are_drawn_with_the_same_bytes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    invent_all(&results);
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let written = draw(&results, &first, &[]).unwrap();
    assert_eq!(written.len(), 2 * catalog().len());
    draw(&results, &second, &[]).unwrap();
    report(&results, &first).unwrap();
    report(&results, &second).unwrap();
    for path in written.iter().map(|path| path.file_name().unwrap()).chain([std::ffi::OsStr::new("report.html")]) {
        let bytes = std::fs::read(first.join(path)).unwrap();
        assert!(bytes.len() > 4000, "{} is nearly empty", path.display());
        assert_eq!(bytes, std::fs::read(second.join(path)).unwrap(), "{}", path.display());
    }
    let page = std::fs::read_to_string(first.join("report.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), catalog().len());
    assert_eq!(page.matches("class=\"warning\"").count(), 8, "one for each experiment");
    assert!(page.contains("stand in for the recorded trace"));
    assert!(page.contains("90 % t intervals over seeds") && !page.contains("95 %"), "coverage is that of the results");
    assert!(!page.contains("<not a trace>"));
    assert_eq!(std::fs::read_dir(&first).unwrap().count(), written.len() + 1, "nothing else is left behind");
}

#[test]
fn the_table_of_policies_has_a_row_for_each_in_each_condition_and_says_what_it_is_against() {
    let folder = tempfile::tempdir().unwrap();
    assert!(comparison(folder.path(), folder.path()).unwrap().is_none(), "there are no results");
    invent_all(folder.path());
    let page = std::fs::read_to_string(comparison(folder.path(), folder.path()).unwrap().unwrap()).unwrap();
    assert_eq!(page.matches(" baseline |").count(), 6 * 4, "four columns in three regimes, for two kinds of prefill");
    assert_eq!(page.lines().filter(|line| line.starts_with("| NetKV ")).count(), 2 * 6, "static and live");
    // By hand, from `invented`: clairvoyant, in the congested regime, seed by seed against round-robin.
    let ratio = |seed: u64| {
        invented("ttft_mean_ns", 6, 1.6, 0.6, seed) as u64 as f64
            / invented("ttft_mean_ns", 0, 1.6, 0.6, seed) as u64 as f64
    };
    let mean_log = (1..=5).map(|seed| libm::log(ratio(seed))).sum::<f64>() / 5.0;
    let congested = page.split("## Congested, prefill instances by cache_aware").nth(1).unwrap();
    let line = congested.lines().find(|line| line.starts_with("| Clairvoyant")).unwrap();
    assert!(line.contains(&format!("| {:.3} [", libm::exp(mean_log))), "{line}");
    assert!(page.contains("90 % t intervals") && page.contains("stand in for the recorded trace"));
}

#[test]
fn one_panel_is_drawn_without_a_regime_axis_and_figures_without_results_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    invent(&results, "load", &[loads(&[0.3, 0.5, 0.7]), policies()], &[("", 0.5)], 1);
    let written = draw(&results, folder.path(), &[]).unwrap();
    assert_eq!(written.len(), 2 * (catalog().len() - missing(&results).len()));
    assert!(missing(&results).iter().all(|figure| figure.experiment != "load"));
    let svg = std::fs::read_to_string(folder.path().join("ttft_parts.svg")).unwrap();
    assert!(svg.contains("at a prefill load of 50 %") && !svg.contains("Gb/s"));
    let ratio = std::fs::read_to_string(folder.path().join("ratio_vs_load.svg")).unwrap();
    assert!(ratio.contains("relative to Round-robin") && ratio.contains("One seed gives no interval."));
    report(&results, folder.path()).unwrap();
}

#[test]
fn errors_say_what_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let error = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        format!("{:#}", draw(folder.path(), folder.path(), &names).unwrap_err())
    };
    assert!(error(&["fig4"]).contains("there is no figure \"fig4\"; there are ttft_vs_context, "));
    assert!(error(&["tier_mix"]).contains("run experiment load first"));
    assert!(error(&[]).contains("there is nothing to draw"));
    invent_all(folder.path());
    std::fs::write(folder.path().join("theory_context/manifest.toml"), "[experiment]\nworkload = {}\n").unwrap();
    assert!(error(&["theory_context"]).contains("the manifest has no workload.tick_s"));
    std::fs::remove_file(folder.path().join("theory_context/manifest.toml")).unwrap();
    assert!(error(&["theory_context"]).contains("cannot read"));
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(report(folder.path(), folder.path()).is_err());
}

/// For looking at them: `NETKV_SHOW=folder cargo test -p netkv-figures show` leaves them in that folder.
#[test]
fn show() {
    let Some(folder) = std::env::var_os("NETKV_SHOW") else { return };
    let folder = Path::new(&folder);
    invent_all(&folder.join("results"));
    draw(&folder.join("results"), folder, &[]).unwrap();
    report(&folder.join("results"), folder).unwrap();
    let one = folder.join("one");
    invent(&one.join("results"), "load", &[loads(&[0.3, 0.5, 0.7]), policies()], &[("", 0.5)], 1);
    draw(&one.join("results"), &one, &[]).unwrap();
}
