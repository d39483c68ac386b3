//! What must not happen without a word: tables that are older than their file, recorded tables replaced by
//! generated ones, prices that run cells again.

mod command;

use command::{check, folder, said, text};
use std::fs;
use std::path::Path;

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the file is there")
}

#[test]
fn a_key_beside_an_axis_that_sets_it_is_refused() {
    let axis = "[[axis]]\nkey = 'fabric.nic_gbps'\nvalues = [100.0, 400.0]\n";
    let here = folder(&format!("[fabric]\nnic_gbps = 25.0\n{axis}"));
    let wrong = check(here.path(), &["plan", "x.toml"], 65).stderr;
    let words = "x.toml:4:1: fabric.nic_gbps = 25 does nothing: the axis of fabric.nic_gbps at x.toml:6:7 sets it to each of its 2 \
                 values; remove it, or add it to the axis";
    assert!(wrong.contains(words), "{wrong}");
    // Below the axis it is what the axis replaces; above it, it does nothing either.
    fs::write(here.path().join("low.toml"), text("[fabric]\nnic_gbps = 25.0\n")).expect("written");
    fs::write(here.path().join("mid.toml"), format!("extends = 'low.toml'\n{axis}")).expect("written");
    fs::write(here.path().join("top.toml"), "extends = 'mid.toml'\n[fabric]\nnic_gbps = 50.0\n").expect("written");
    check(here.path(), &["plan", "mid.toml"], 0);
    let wrong = check(here.path(), &["plan", "top.toml"], 65).stderr;
    assert!(wrong.contains("top.toml:3:1: fabric.nic_gbps = 50 does nothing"), "{wrong}");
    // An element is varied in the list that says the others.
    let list =
        "[fabric]\nlatency_us = [1.0, 2.0, 3.0, 4.0]\n[[axis]]\nkey = 'fabric.latency_us.3'\nvalues = [4.0, 9.0]\n";
    fs::write(here.path().join("list.toml"), text(list)).expect("written");
    check(here.path(), &["plan", "list.toml"], 0);
}

#[test]
fn figures_tell_of_tables_that_are_older_than_their_file() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let fresh = said(here.path(), &["figures"], 0).1;
    assert!(!fresh.contains("note: the tables"), "{fresh}");
    fs::write(here.path().join("x.toml"), text("[workload]\nmax_requests = 60\n")).expect("written");
    let old = said(here.path(), &["figures"], 0).1;
    let words = "note: the tables in results/x are of an earlier x.toml (workload.max_requests differs): netkv run x.toml makes them anew";
    assert!(old.contains(words), "{old}");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    assert!(!said(here.path(), &["figures"], 0).1.contains("note: the tables"));
    // A reduced version is held against the reduced file, and what a command line changed against nothing.
    check(here.path(), &["run", "x.toml", "--quiet", "--quick"], 0);
    check(here.path(), &["run", "x.toml", "--quiet", "--set", "workload.max_requests=50", "--out", "results/quick"], 0);
    assert!(!said(here.path(), &["figures", "--results", "results/quick"], 0).1.contains("note: the tables"));
}

#[test]
fn tables_of_a_recorded_trace_are_not_replaced_by_those_of_a_stand_in() {
    let here = folder("[workload]\ntrace = 'mooncake_toolagent'\nmax_requests = 50\n");
    let manifest = here.path().join("results/x/manifest.toml");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    // As if the trace had been there.
    let recorded = read(&manifest).replace("fallback = true", "fallback = false").replace("mooncake-like", "recorded");
    let recorded = recorded.replacen("sha256 = \"", "sha256 = \"0", 1);
    fs::write(&manifest, &recorded).expect("written");
    let told = said(here.path(), &["run", "x.toml", "--quiet"], 0).1;
    for words in ["the tables in results/x are of the recorded", "results/stand-in/x", "traces/", "--stand-in"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(read(&manifest), recorded, "they stay");
    assert!(here.path().join("results/stand-in/x/summary.parquet").is_file());
    assert!(said(here.path(), &["plan", "x.toml"], 0).0.contains("to run: 0"), "it looks where it ran");
    check(here.path(), &["run", "x.toml", "--quiet", "--stand-in"], 0);
    assert_ne!(read(&manifest), recorded, "unless it is asked for");
}

#[test]
fn a_price_adds_a_column_and_runs_nothing() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let (plain, _) = said(here.path(), &["run", "x.toml"], 0);
    assert!(!plain.contains("cost"), "{plain}");
    fs::write(here.path().join("x.toml"), text("[cost]\nper_gpu_hour = 3600.0\n")).expect("written");
    let (priced, told) = said(here.path(), &["run", "x.toml"], 0);
    assert!(told.contains("nothing to do"), "{told}");
    assert!(priced.contains("cost: of a million output tokens") && priced.contains("  cost  ratio"), "{priced}");
    let json: serde_json::Value =
        serde_json::from_str(&said(here.path(), &["run", "x.toml", "--json"], 0).0).expect("JSON");
    let one = &json["points"][0]["standings"][0];
    assert_eq!(one["cost_per_mtoken"], one["gpu_s_per_mtoken"], "a GPU second costs 1");
    let wrong = "[cost]\nper_gpu_huor = 1.0\n";
    fs::write(here.path().join("x.toml"), text(wrong)).expect("written");
    let wrong = check(here.path(), &["plan", "x.toml"], 65).stderr;
    assert!(wrong.contains("cost.per_gpu_huor is not a known key; did you mean cost.per_gpu_hour?"), "{wrong}");
}

#[test]
fn plan_and_cell_speak_json() {
    let here = folder("");
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&said(here.path(), arguments, 0).0).expect("nothing but JSON on standard output")
    };
    let plan = json(&["plan", "x.toml", "--json"]);
    assert_eq!((&plan["cells"], &plan["new"], &plan["done"]), (&12.into(), &12.into(), &0.into()));
    assert_eq!(plan["axes"][1][0]["key"], "policy.name");
    let fresh = json(&["cell", "x.toml", "3", "--json"]);
    assert_eq!((&fresh["cell"], &fresh["stored"]), (&3.into(), &"none".into()));
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let again = json(&["cell", "x.toml", "3", "--json"]);
    assert_eq!((&again["stored"], &again["metrics"]), (&"same".into(), &fresh["metrics"]));
    assert!(again["metrics"]["ttft_mean_ns"].is_number() && again["coordinates"]["seed"].is_u64(), "{again}");
    assert_eq!(json(&["plan", "x.toml", "--json"])["to_run"], 0);
    let one = json(&["plan", "x.toml", "--explain", "3", "--json"]);
    assert_eq!((&one["state"], &one["digest"]), (&"done".into(), &again["digest"]));
    let settings = one["settings"].as_array().expect("a list");
    assert!(settings.iter().any(|row| row["key"] == "fabric.nic_gbps" && row["line"].is_u64()), "{one}");
    check(here.path(), &["cell", "x.toml", "3", "--json", "--timing"], 64);
}

#[test]
fn two_outputs_of_a_cell_do_not_share_a_file() {
    let here = folder("");
    for other in ["one.csv", "./one.csv"] {
        let said =
            check(here.path(), &["cell", "x.toml", "0", "--requests", "one.csv", "--transfers", other], 64).stderr;
        assert!(said.contains("--requests and --transfers both name "), "{said}");
    }
    assert!(!here.path().join("one.csv").exists());
    check(here.path(), &["cell", "x.toml", "0", "--requests", "one.csv", "--transfers", "two.csv"], 0);
    check(here.path(), &["trace", "fetch", "azure_2023_code", "--attempts", "0"], 64);
}

#[test]
fn a_cell_in_which_no_request_counts_says_so() {
    let here = folder("[measure]\nwarmup_s = 5000.0\n[workload]\nmax_requests = 50\n");
    let said = check(here.path(), &["cell", "x.toml", "0"], 0).stderr;
    let words = "warning: cell 0 of x.toml: no request counts, so nothing was measured: all that arrived did so within the warm-up";
    assert!(said.contains(words), "{said}");
    assert!(
        !check(here.path(), &["cell", "x.toml", "0", "--set", "measure.warmup_s=0.0"], 0)
            .stderr
            .contains("warning: cell")
    );
}
