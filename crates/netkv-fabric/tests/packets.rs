//! The fluid model against packets: the cases of `validation/packets/cases`, whose flows ns-3 has moved packet by packet
//! (docs/validation.md, "Packets"), within the margins that were written down before (`validation/packets/margins.json`).
//! A family that is outside one of them is listed here with what it was found to be: it must neither grow nor be forgotten.

use netkv_fabric::flowref::{Case, run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../validation/packets")
}

fn read(path: &Path) -> (String, Value) {
    let text = std::fs::read_to_string(path).expect("a readable file");
    let json = serde_json::from_str(&text).expect("JSON");
    (text, json)
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// By transfer, the time from its first flow's start to its last flow's end; flows of others are of no transfer.
fn transfer_times(json: &Value, finish_s: &[f64]) -> Vec<f64> {
    let mut times: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for (flow, &finish) in json["flows"].as_array().expect("flows").iter().zip(finish_s) {
        let Some(transfer) = flow["transfer"].as_u64() else { continue };
        let (start, end) = times.entry(transfer).or_insert((f64::INFINITY, 0.0));
        *start = start.min(number(&flow["start_s"]));
        *end = end.max(finish);
    }
    times.into_values().map(|(start, end)| end - start).collect()
}

/// By transfer, the time in packets and in the model.
fn times(text: &str, json: &Value) -> Vec<(f64, f64)> {
    let here = transfer_times(json, &run(&Case::from_json(text).expect("a valid case")));
    let finish_s: Vec<f64> = json["packets"]["finish_s"].as_array().expect("ends").iter().map(number).collect();
    assert_eq!(finish_s.len(), json["flows"].as_array().expect("flows").len());
    transfer_times(json, &finish_s).into_iter().zip(here).collect()
}

/// How much longer each transfer takes in packets, in percent.
fn errors(times: &[(f64, f64)]) -> Vec<f64> {
    times.iter().map(|(packets, model)| 100.0 * (packets / model - 1.0)).collect()
}

/// Median with its sign, the 95th percentile and the largest of the sizes.
fn summary(mut errors: Vec<f64>) -> [f64; 3] {
    errors.sort_by(f64::total_cmp);
    let n = errors.len();
    let median = (errors[(n - 1) / 2] + errors[n / 2]) / 2.0;
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    [median, sizes[(19 * n).div_ceil(20) - 1], sizes[n - 1]]
}

/// By family, the times of all recorded transfers, in a calibrated transport if its coefficients are given.
fn by_family(transport: &Value) -> BTreeMap<String, Vec<(f64, f64)>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder().join("cases"))
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let mut families: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for path in paths {
        let (_, mut json) = read(&path);
        json["transport"] = transport.clone();
        let text = json.to_string();
        assert_eq!(json["packets"]["ns3"], "3.37", "{}", path.display());
        let family = json["family"].as_str().expect("a family").to_owned();
        families.entry(family).or_default().extend(times(&text, &json));
    }
    families
}

/// What was found beyond its margin, in percent, rounded up: DCTCP finds a new share more slowly than was thought.
const KNOWN: [(&str, &str, f64); 9] = [
    ("background", "median", 3.8),
    ("background", "p95", 52.0),
    ("background", "worst", 115.2),
    ("ecmp", "p95", 45.3),
    ("ecmp", "worst", 93.7),
    ("incast", "p95", 18.8),
    ("incast", "worst", 40.2),
    ("uplink", "p95", 33.5),
    ("uplink", "worst", 39.3),
];

#[test]
fn transfers_end_when_packets_say_within_the_margins_or_as_far_beyond_as_is_known() {
    let (_, margins) = read(&folder().join("margins.json"));
    let families = by_family(&Value::Null);
    let names: Vec<&str> = families.keys().map(String::as_str).collect();
    assert_eq!(names, ["background", "ecmp", "incast", "shallow", "tier", "uplink", "workload"], "no family was lost");
    for (family, times) in families {
        let [median, p95, worst] = summary(errors(&times));
        println!("{family:12} median {median:+7.2} %, p95 {p95:6.2} %, worst {worst:6.2} %");
        let Some(margin) = margins["packets"].get(&family) else { continue };
        let known = |what: &str| KNOWN.iter().find(|known| (known.0, known.1) == (&*family, what)).map(|known| known.2);
        let (low, high) = (number(&margin["median"][0]), number(&margin["median"][1]));
        match known("median") {
            None => assert!((low..=high).contains(&median), "{family}: median {median}"),
            Some(known) => {
                assert!(!(low..=high).contains(&median) && median.abs() <= known, "{family}: median {median}")
            }
        }
        for (what, size) in [("p95", p95), ("worst", worst)] {
            let limit = number(&margin[what]);
            match known(what) {
                None => assert!(size <= limit, "{family}: {what} {size} is beyond {limit}"),
                Some(known) => assert!(size > limit && size <= known, "{family}: {what} {size}, known as {known}"),
            }
        }
    }
}

/// What `validation/packets/calibrate.py` fitted.
fn calibrated() -> Value {
    read(&folder().join("calibrated.json")).1["transport"].take()
}

#[test]
fn experiments_begin_with_the_coefficients_that_were_fitted() {
    let base = std::fs::read_to_string(folder().join("../../experiments/base.toml")).expect("the base experiment");
    for (key, fitted) in calibrated().as_object().expect("coefficients") {
        let written = base.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
        let written = written.unwrap_or_else(|| panic!("{key} is in base.toml"));
        let value: f64 = written.split('#').next().expect("a value").trim().parse().expect("a number");
        assert_eq!(value, number(fitted), "{key}");
    }
    assert!(base.lines().any(|line| line.starts_with("transport = \"fluid\"")), "the default is fluid");
}

/// Judged on what it was not fitted to: the error of a family's mean transfer time is within the margin that was written down
/// before (`calibration.json`). The cases of the workload here are a piece of it; `calibrate.py` judges all.
#[test]
fn calibrated_means_are_within_the_margin_on_families_that_were_not_fitted() {
    let (_, plan) = read(&folder().join("calibration.json"));
    let limit = number(&plan["margins"]["mean_percent"]);
    let sizes = |families: &BTreeMap<String, Vec<(f64, f64)>>, family: &str| {
        let (packets, model) = families[family].iter().fold((0.0, 0.0), |sum, time| (sum.0 + time.0, sum.1 + time.1));
        100.0 * (packets / model - 1.0)
    };
    let (fluid, calibrated) = (by_family(&Value::Null), by_family(&calibrated()));
    for family in plan["judged_on"].as_array().expect("families") {
        let family = family.as_str().expect("a name");
        let (before, after) = (sizes(&fluid, family), sizes(&calibrated, family));
        println!("{family:12} mean {before:+.2} % fluid, {after:+.2} % calibrated");
        assert!(after.abs() <= limit, "{family}: {after}");
    }
}
