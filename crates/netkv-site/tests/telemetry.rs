//! Synthetic metrics whose truth is known, and what is wrong with metrics.

use netkv_site::{Fault, Series, fit_transfers, links, read_series, record, together};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The truth: 3 ms, 18 us a descriptor, 12 GB/s.
const TRUTH: [f64; 3] = [3e-3, 18e-6, 12e9];

/// A transfer's time in seconds, by its descriptors and bytes.
fn time(descriptors: f64, bytes: f64) -> f64 {
    TRUTH[0] + TRUTH[1] * descriptors + bytes / TRUTH[2]
}

/// Cumulative counters of a worker after each minute: count, time, bytes, descriptors. Blocks of 16 kB and of `other` bytes.
fn worker(seed: u32, other: f64) -> Vec<[f64; 4]> {
    let mut total = [0.0; 4];
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 16) / 65_536.0
    };
    (0..20)
        .map(|minute| {
            for _ in 0..50 {
                let descriptors = (100.0 + 3_000.0 * draw()).round();
                let bytes = descriptors * if minute % 2 == 0 { 16_384.0 } else { other };
                let one = [1.0, time(descriptors, bytes), bytes, descriptors];
                total.iter_mut().zip(one).for_each(|(sum, more)| *sum += more);
            }
            total
        })
        .collect()
}

const NAMES: [&str; 4] = [
    "vllm:nixl_xfer_time_seconds_count",
    "vllm:nixl_xfer_time_seconds_sum",
    "vllm:nixl_bytes_transferred_sum",
    "vllm:nixl_num_descriptors_sum",
];

fn range(workers: &[Vec<[f64; 4]>]) -> String {
    let mut result = Vec::new();
    for (number, samples) in workers.iter().enumerate() {
        for (part, name) in NAMES.iter().enumerate() {
            let values: Vec<Value> = samples
                .iter()
                .enumerate()
                .map(|(minute, sample)| json!([1_000.0 + 60.0 * minute as f64, sample[part].to_string()]))
                .collect();
            result.push(json!({ "metric": { "__name__": name, "engine": number.to_string() }, "values": values }));
        }
    }
    json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }).to_string()
}

/// What `/metrics` gives of workers at one time.
fn dump(workers: &[Vec<[f64; 4]>], at: usize) -> String {
    let mut text =
        "# HELP vllm:nixl_xfer_time_seconds Transfers.\n# TYPE vllm:nixl_xfer_time_seconds histogram\n".to_owned();
    for (number, samples) in workers.iter().enumerate() {
        writeln!(text, "vllm:nixl_xfer_time_seconds_bucket{{engine=\"{number}\",le=\"+Inf\"}} {}", samples[at][0])
            .expect("text grows");
        for (part, name) in NAMES.iter().enumerate() {
            writeln!(text, "{name}{{engine=\"{number}\",model=\"a \\\"b\\\"\"}} {:e}", samples[at][part])
                .expect("text grows");
        }
    }
    text
}

fn read(texts: &[String]) -> Result<Vec<Series>, Fault> {
    let files: Result<Vec<_>, _> =
        texts.iter().enumerate().map(|(at, text)| read_series(text.as_bytes(), at as f64)).collect();
    together(files?)
}

#[track_caller]
fn check_truth(series: &[Series]) {
    let fitted = fit_transfers(series, None).expect("a fit");
    for (found, truth) in [fitted.setup_s, fitted.per_descriptor_s, fitted.bytes_per_s].into_iter().zip(TRUTH) {
        assert!((found / truth - 1.0).abs() < 1e-6, "{fitted:?}");
    }
    assert!(fitted.missed_ratio < 1e-6, "{fitted:?}");
}

#[test]
fn the_truth_of_synthetic_metrics_is_recovered() {
    let workers = [worker(1, 65_536.0), worker(2, 32_768.0)];
    let of_range = read(&[range(&workers)]).expect("series");
    check_truth(&of_range);
    assert_eq!(fit_transfers(&of_range, None).map(|fitted| fitted.n_means), Ok(2 * 19));
    let dumps: Vec<String> = (0..6).map(|at| dump(&workers, at)).collect();
    check_truth(&read(&dumps).expect("series"));
}

#[test]
fn one_block_size_tells_descriptors_from_bytes_only_with_a_rate() {
    let series = read(&[range(&[worker(1, 16_384.0)])]).expect("series");
    let said = fit_transfers(&series, None).expect_err("they go together");
    assert!(
        said.message.contains("bytes and descriptors go together") && said.message.contains("--rate-gbytes-per-s"),
        "{said}"
    );
    let fitted = fit_transfers(&series, Some(TRUTH[2])).expect("a fit");
    assert!(
        (fitted.setup_s / TRUTH[0] - 1.0).abs() < 1e-6 && (fitted.per_descriptor_s / TRUTH[1] - 1.0).abs() < 1e-6,
        "{fitted:?}"
    );
    assert!((fitted.descriptor_bytes - 16_384.0).abs() < 1e-6, "{fitted:?}");
}

#[test]
fn a_counter_that_began_anew_is_left_out() {
    let mut samples = worker(1, 65_536.0);
    let restarted = samples[9];
    for sample in &mut samples[10..] {
        sample.iter_mut().zip(restarted).for_each(|(value, before)| *value -= before);
    }
    let series = read(&[range(&[samples])]).expect("series");
    check_truth(&series);
    assert_eq!(fit_transfers(&series, None).map(|fitted| (fitted.n_resets, fitted.n_means)), Ok((1, 18)));
}

#[test]
fn metrics_that_tell_nothing_are_said_to() {
    let check = |texts: &[&str], words: &str| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let said = read(&texts).and_then(|series| fit_transfers(&series, None).map(drop)).expect_err(words);
        assert!(said.to_string().contains(words), "{words}\n{said}");
    };
    let whole = dump(&[worker(1, 65_536.0)], 3);
    check(&[&whole], "1 means of transfers (workers x stretches between samples), but 3 coefficients");
    check(&["up 1\n"], "no worker has all of nixl_xfer_time_seconds_sum and _count");
    check(&["up 1\n", "up{a=\"b\n"], "1: a label's value is not closed; the file may be cut off");
    check(&["# x\nup\n"], "2: up has no value");
    check(&["up one\n"], "1: up = \"one\"; allowed: a number");
    check(&["<html>\n"], "1: \"<html>\" is no name of a metric");
    check(&[""], "no sample");
    check(&["up 1 5000\n", "up 1 5000\n"], "up{} has two values at 5: name each file once");
    check(&["{\"status\": \"error\", \"error\": \"bad query\"}"], "answered with an error: bad query");
    let cut = range(&[worker(1, 65_536.0)]);
    check(&[&cut[..cut.len() / 2]], "it is cut off: ask again");
    let unnamed = json!({ "status": "success", "data": { "result": [{ "metric": {}, "values": [] }] } }).to_string();
    check(&[&unnamed], "no __name__");
    let alike: Vec<[f64; 4]> = (1..9).map(f64::from).map(|n| [n, n, 1e6 * n, 10.0 * n]).collect();
    check(&[&range(&[alike])], "or all transfers are alike");
}

const LINKS: &str = "instance,device,kind,direction,pod,rack,switch,gbps\n";

#[test]
fn shares_of_links_are_those_of_their_counters() {
    // 80 Gb/s carry 10 GB/s; ten seconds of 2 GB/s, then 9.8 GB/s, then a restart.
    let values = [(100.0, 0.0), (110.0, 20e9), (120.0, 118e9), (130.0, 1e9)];
    let values: Vec<Value> = values.iter().map(|(time, value)| json!([time, value.to_string()])).collect();
    let metric = json!({ "__name__": "ifHCOutOctets", "instance": "leaf1", "ifName": "Eth1" });
    let text =
        json!({ "status": "success", "data": { "result": [{ "metric": metric, "values": values }] } }).to_string();
    let series = read(&[text]).expect("series");
    let one = links(&format!("{LINKS}leaf1,Eth1,rack,up,0,0,1,80\n")).expect("a link");
    let found = record(&series, &one).expect("a record");
    let expected = "time_s,kind,direction,pod,rack,switch,ratio\n0,rack,up,0,0,1,0.2\n10,rack,up,0,0,1,0.95\n20,rack,up,0,0,1,0.95\n30,end,,,,,\n";
    assert_eq!((found.table.as_str(), found.n_cut, found.n_resets), (expected, 1, 1));
    let said = |table: &str| {
        let faults = links(table).and_then(|links| record(&series, &links).map(drop)).expect_err(table);
        faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
    };
    for (table, words) in [
        (format!("{LINKS}leaf1,Eth1,rack,up,0,0,1,40\n"), "1.960 of its line rate at 110; gbps on line 2 is too small"),
        (format!("{LINKS}leaf2,Eth1,rack,up,0,0,1,80\n"), "link leaf2, Eth1 (line 2) has no counter"),
        (format!("{LINKS}leaf1,Eth1,rack,up,0,0,1,fast\n"), "2: gbps = \"fast\""),
        (format!("{LINKS}leaf1,Eth1,rack,up,0,0,1\n"), "2: 7 fields"),
        (format!("{LINKS}leaf1,Eth1,rack,,,,,80\nleaf1,Eth2,rack,,,,,80\n"), "3: a second interface for the link rack"),
        ("port\n".to_owned(), "1: \"port\" is no first line of links"),
    ] {
        let said = said(&table);
        assert!(said.contains(words), "{words}\n{said}");
    }
}
