//! MADE UP results, for tests of figures. No number here comes from a run.
#![allow(dead_code, reason = "each test file uses some of it")]

use netkv_frames::{
    AxisValue, CellRow, CellStatus, ColumnData, Metadata, SummaryOptions, Table, TableKind, cells_table, read_table,
    summary_table, write_table,
};
use netkv_grid::{Experiment, LoadOptions};
use netkv_sim::{METRICS, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

pub const POLICIES: [&str; 7] = [
    "round_robin",
    "load_aware",
    "cache_aware",
    "cache_load_aware",
    "netkv_guarded_static",
    "netkv_guarded",
    "clairvoyant",
];

/// MADE UP: smooth curves and a little noise, so that figures have something to show.
pub fn invented(metric: &str, policy: usize, harm: f64, x: f64, seed: u64) -> f64 {
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
        "tbt_entry_mean_ns" => (12.0 + x) * (1.0 + 0.01 * policy as f64) * noise * 1e6,
        "slo_attainment_ratio" => (1.04 - 0.35 * total * x).clamp(0.0, 1.0),
        "slo_ttft_ratio" => (1.04 - 0.3 * total * x).clamp(0.0, 1.0),
        "ttft_within_1s_ratio" => (0.9 - 0.3 * total * x).clamp(0.0, 1.0),
        "ttft_within_2s_ratio" => (1.0 - 0.2 * total * x).clamp(0.0, 1.0),
        "ttft_within_5s_ratio" => (1.0 - 0.05 * total * x).clamp(0.0, 1.0),
        "ttft_within_10s_ratio" => (1.0 - 0.01 * total * x).clamp(0.0, 1.0),
        "transfer_mean_ns" => parts[4] * gain * noise * 1e9,
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
pub fn as_load(experiment: &str, x: f64) -> f64 {
    match experiment {
        "context" | "theory_context" | "paper_context" => 0.3 + 0.6 * x / 65536.0,
        "staleness" | "theory_staleness" | "paper_staleness" => 0.6 + x / 800.0,
        "paper_load" | "paper_topology" | "paper_scale" => 0.3 + x / 64.0,
        _ => x,
    }
}

/// An axis and its values.
pub type Axis<'a> = (&'a str, Vec<AxisValue>);

/// MADE UP results of an experiment, whose last axis gets the lines or rows of figures.
pub fn invent(folder: &Path, experiment: &str, axes: &[Axis<'_>], regimes: &[(&str, f64)], seeds: u64) {
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
                rows.push(CellRow {
                    cell,
                    key: format!("made up {cell}"),
                    seed,
                    axes,
                    trace_origin: "made up".to_owned(),
                    status,
                });
            }
        }
    }
    let mut names: Vec<String> = axes.iter().map(|axis| axis.0.to_owned()).collect();
    if regimes.iter().any(|(regime, _)| !regime.is_empty()) {
        names.insert(0, "regime".to_owned());
    }
    let baseline = match *series_axis {
        "policy.name" if experiment.starts_with("paper") => "cache_load_aware",
        "policy.name" => "round_robin",
        _ => "static",
    };
    write(&folder.join(experiment), experiment, &names, &rows, (series_axis, baseline), seeds);
    let mut manifest = shipped(experiment);
    if !names.iter().any(|name| name == "regime") {
        without_panels(&mut manifest);
    }
    write_manifest(folder, experiment, &manifest);
}

/// What a shipped experiment's manifest says, as its file has it.
pub fn shipped(experiment: &str) -> toml::Table {
    static READ: LazyLock<Mutex<BTreeMap<String, toml::Table>>> = LazyLock::new(Mutex::default);
    let mut read = READ.lock().unwrap();
    let resolved = read.entry(experiment.to_owned()).or_insert_with(|| {
        let file =
            experiment.strip_prefix("paper_").map_or(format!("{experiment}.toml"), |name| format!("paper/{name}.toml"));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments").join(file);
        if !path.is_file() {
            return toml::Table::new();
        }
        let loaded = Experiment::load(&path, &LoadOptions::default()).unwrap();
        toml::from_str(&loaded.resolved_toml()).unwrap()
    });
    resolved.clone()
}

/// Writes what a manifest says of an experiment.
pub fn write_manifest(folder: &Path, experiment: &str, said: &toml::Table) {
    let mut manifest = toml::Table::new();
    manifest.insert("experiment".to_owned(), said.clone().into());
    std::fs::write(folder.join(experiment).join("manifest.toml"), toml::to_string(&manifest).unwrap()).unwrap();
}

/// Takes the regimes out of figures and tables, as for results without that axis.
fn without_panels(said: &mut toml::Table) {
    for section in ["figure", "table"] {
        for figure in said.get_mut(section).and_then(toml::Value::as_array_mut).into_iter().flatten() {
            let figure = figure.as_table_mut().unwrap();
            if figure.get("panels").and_then(toml::Value::as_str) == Some("regime") {
                figure.remove("panels");
            }
        }
    }
}

pub fn write(
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
            ("results_format", "2"),
            ("seeds", &seeds.join(", ")),
            ("confidence_ratio", "0.9"),
            ("baseline_axis", baseline_axis),
            ("baseline", baseline),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    write_table(&folder.join("cells.parquet"), TableKind::Cells, &cells_table(axes, rows), &metadata).unwrap();
    write_table(&folder.join("summary.parquet"), TableKind::Summary, &summary_table(axes, rows, &options), &metadata)
        .unwrap();
}

pub fn text(word: &str) -> AxisValue {
    AxisValue::Text(word.to_owned())
}

pub fn number(value: &AxisValue) -> Option<f64> {
    match value {
        AxisValue::Integer(value) => Some(*value as f64),
        AxisValue::Float(value) => Some(*value),
        AxisValue::Text(_) | AxisValue::Boolean(_) => None,
    }
}

pub fn policies() -> Axis<'static> {
    ("policy.name", POLICIES.iter().map(|name| text(name)).collect())
}

pub fn metrics(experiment: &str, policy: usize, harm: f64, x: f64, seed: u64) -> Vec<Value> {
    let length = if experiment.ends_with("context") { x / 16384.0 } else { 1.0 };
    let value = |metric: &netkv_sim::Metric| {
        let grows = metric.name.starts_with("ttft") || metric.name == "transfer_mean_bytes";
        let value =
            invented(metric.name, policy, harm, as_load(experiment, x), seed) * if grows { length } else { 1.0 };
        if metric.integer { Value::Integer(value as u64) } else { Value::Float(value) }
    };
    METRICS.iter().map(value).collect()
}

pub fn loads(values: &[f64]) -> Axis<'static> {
    ("workload.prefill_utilisation_ratio", floats(values))
}

pub fn floats(values: &[f64]) -> Vec<AxisValue> {
    values.iter().copied().map(AxisValue::Float).collect()
}

/// MADE UP results of all experiments.
pub fn invent_all(folder: &Path) {
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
    let mut said = shipped("theory_context");
    said.extend(toml::from_str::<toml::Table>(NETWORK).unwrap());
    write_manifest(folder, "theory_context", &said);
    invent_paper(folder);
}

/// MADE UP results of the paper's experiments.
pub fn invent_paper(folder: &Path) {
    let six = ["round_robin", "load_aware", "cache_aware", "cache_load_aware", "netkv_static", "netkv"];
    let of = |names: &[&str]| ("policy.name", names.iter().map(|name| text(name)).collect::<Vec<_>>());
    let words =
        |axis: &'static str, values: &[&str]| (axis, values.iter().map(|value| text(value)).collect::<Vec<_>>());
    let numbers = |axis: &'static str, values: &[f64]| (axis, floats(values));
    let applications = || words("application", &["chatbot", "rag", "long_context"]);
    let none = [("", 0.5)];
    let loads = numbers("workload.capacity_ratio", &[0.5, 0.75, 1.0, 2.0, 2.5]);
    invent(folder, "paper_load", &[applications(), loads, of(&six)], &none, 5);
    let contexts = [1024, 4096, 8192, 16384, 32768, 65536].map(AxisValue::Integer).to_vec();
    invent(folder, "paper_context", &[("workload.context_tokens", contexts), of(&six)], &none, 5);
    let spans = numbers("fabric.pod_oversubscription", &[1.0, 2.0, 4.0, 8.0]);
    let shares = numbers("background.steady_ratio", &[0.0, 0.05, 0.1, 0.2, 0.4]);
    invent(folder, "paper_topology", &[applications(), spans, shares, of(&six)], &none, 5);
    let intervals = numbers("telemetry.interval_s", &[0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0]);
    invent(folder, "paper_staleness", &[intervals, of(&six)], &none, 5);
    let shares = numbers("workload.prefix_share_ratio", &[0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9]);
    invent(folder, "paper_sharing", &[shares, of(&six)], &none, 5);
    let steps = ["cache_load_aware", "netkv_topo_only", "netkv_static", "netkv"];
    invent(folder, "paper_ablation", &[applications(), of(&steps)], &none, 5);
    let pods = [2, 4, 8, 16, 32].map(AxisValue::Integer).to_vec();
    invent(folder, "paper_scale", &[("cluster.pods", pods), of(&six)], &none, 5);
    let steps = words("step", &["00_paper", "01_prefill_queue", "02_own_flows_in_c"]);
    invent(folder, "paper_bridge", &[steps, of(&["round_robin", "cache_load_aware", "netkv"])], &none, 5);
}

/// MADE UP: a way between pods of 3 GB/s, that is offered more from some 12,000 tokens on.
pub const NETWORK: &str = "
workload = { tick_s = 500.0 }
cluster = { racks_per_pod = 1, nodes_per_rack = 8, gpus_per_node = 8, tp = 4 }
fabric = { nic_gbps = 100.0, nic_efficiency_ratio = 0.75, nvlink_gbytes_per_s = 450.0, pod_oversubscription = 200.0, \
cores = 1, latency_us = [2.0, 4.0, 8.0, 15.0] }
transfer = { setup_us = 100.0 }
";

/// Takes a metric out of an experiment's summary, as in tables of an older version.
pub fn without_metric(folder: &Path, experiment: &str, metric: &str) {
    let path = folder.join(experiment).join("summary.parquet");
    let (table, metadata) = read_table(&path).unwrap();
    let metrics = table.words("metric").unwrap();
    let kept: Vec<usize> = (0..metrics.len()).filter(|&at| metrics[at] != metric).collect();
    let mut fewer = Table::new();
    for column in table.columns() {
        let data = match &column.data {
            ColumnData::Text(values) => ColumnData::Text(kept.iter().map(|&at| values[at].clone()).collect()),
            ColumnData::Integer(values) => ColumnData::Integer(kept.iter().map(|&at| values[at]).collect()),
            ColumnData::Float(values) => ColumnData::Float(kept.iter().map(|&at| values[at]).collect()),
            ColumnData::Boolean(values) => ColumnData::Boolean(kept.iter().map(|&at| values[at]).collect()),
        };
        fewer.push(column.name.clone(), data);
    }
    write_table(&path, TableKind::Summary, &fewer, &metadata).unwrap();
}
