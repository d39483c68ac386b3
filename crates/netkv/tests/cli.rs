//! The command as its users see it: what it prints, what it leaves, and how it ends.

mod command;

use command::{check, experiments, folder};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Modification times of all files in a folder.
fn stamps(folder: &Path) -> Vec<(PathBuf, std::time::Duration, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let entry = entry.expect("a readable entry");
        let data = entry.metadata().expect("readable metadata");
        if data.is_dir() {
            found.extend(stamps(&entry.path()));
        } else {
            let changed = data.modified().expect("a time").duration_since(std::time::UNIX_EPOCH);
            found.push((entry.path(), changed.expect("after 1970"), data.len()));
        }
    }
    found.sort();
    found
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let commands = [
        "new",
        "capacity",
        "compare",
        "run",
        "plan",
        "cell",
        "explain",
        "figures",
        "schema",
        "keys",
        "reproduce",
        "flows",
        "tune",
        "claims",
        "fit",
        "completions",
        "gather",
        "status",
        "verify",
    ];
    let nested = [
        ["trace", "inspect"],
        ["trace", "generate"],
        ["profile", "fit"],
        ["profile", "show"],
        ["emit", "slurm"],
        ["emit", "parallel"],
        ["emit", "k8s"],
    ]
    .map(|names| names.to_vec());
    for command in commands.map(|name| vec![name]).into_iter().chain(nested) {
        let arguments: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let help = check(here.path(), &arguments, 0).stdout;
        let example = format!("  netkv {}", command.join(" "));
        assert!(help.contains("Examples:") && help.contains(&example), "{help}");
    }
    assert!(check(here.path(), &["--help"], 0).stdout.contains("Exit codes: 0 done"));
    assert!(check(here.path(), &["completions", "bash"], 0).stdout.contains("complete -F _netkv"));
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let here = folder("");
    for (arguments, said) in [
        (&["rum"][..], "a similar subcommand exists: 'run'"),
        (&["run"], "<EXPERIMENT.toml>"),
        (&[], "Usage: netkv <COMMAND>"),
        (&["run", "x.toml", "--jobs", "0"], "--jobs"),
        (&["run", "x.toml", "--filter", "policy.name"], "a filter is AXIS=VALUE"),
        (&["run", "x.toml", "--filter", "policy.nmae=netkv"], "did you mean policy.name?"),
        (&["run", "x.toml", "--filter", "policy.name=netkv_gaurded"], "did you mean netkv_guarded?"),
        (&["run", "x.toml", "--filter", "policy=netkv"], "did you mean policy.name?"),
        (&["cell", "x.toml", "12"], "has the cells 0 to 11, not 12"),
        (
            &["cell", "x.toml", "netkv"],
            "a cell is its number (`netkv plan FILE --list`) or what it has, such as policy.name=",
        ),
        (&["cell", "x.toml", "policy=netkv"], "did you mean policy.name?"),
        (&["cell", "x.toml", "policy.name=netkv_guarded"], "have these values; say as well: regime=null or congested"),
        (&["plan", "x.toml", "--filter", "policy.name=netkv"], "--list"),
        (&["explain", "x.toml", "12", "0"], "has the cells 0 to 11, not 12"),
        (&["explain", "x.toml", "0", "300"], "cell 0 has the requests 0 to 299, not 300"),
        (&["explain", "x.toml", "0", "first"], "invalid value 'first' for '<REQUEST>'"),
        (&["tune", "x.toml", "--metric", "ttft_mena_ns"], "did you mean ttft_mean_ns?"),
    ] {
        let ended = check(here.path(), arguments, 64);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
    }
}

#[test]
fn bad_input_is_told_with_file_line_key_and_what_is_allowed() {
    let here = folder("[cluster]\ntp = 3\nprefill_instance = 4\n[kv]\nhbm_gb_per_gpu = -1\n");
    for command in [&["run", "x.toml"][..], &["plan", "x.toml"], &["cell", "x.toml", "0"], &["tune", "x.toml"]] {
        let said = check(here.path(), command, 65).stderr;
        for line in [
            "error: 4 errors in the input",
            "x.toml:4:6: cluster.tp = 3 does not divide cluster.gpus_per_node = 8; allowed: 1, 2, 4, 8",
            "x.toml:4:6: cluster.tp = 3, but the profile profiles/llama-3.1-70b-bf16-h100-tp4.toml is for tp = 4",
            "x.toml:5:1: cluster.prefill_instance is not a known key; did you mean cluster.prefill_instances?",
            "x.toml:7:18: kv.hbm_gb_per_gpu = -1 is not allowed; allowed: above 0 and at most 100000",
        ] {
            assert!(said.contains(line), "{said}");
        }
    }
    assert!(!here.path().join("results").exists(), "a refused experiment leaves nothing");
}

#[test]
fn files_that_are_not_what_they_should_be_are_bad_input() {
    let here = folder("");
    fs::write(here.path().join("bad"), "[oops\n").expect("a file is written");
    for (arguments, said) in [
        (&["run", "none.toml"][..], "none.toml: cannot read it: No such file"),
        (&["run", "bad"], "bad:1:"),
        (&["flows", "none.json"], "cannot read none.json"),
        (&["flows", "bad"], "bad is not a valid flowref/1 case"),
        (&["trace", "inspect", "bad"], "bad is not a valid trace\nline 1, column 2:"),
        (&["trace", "inspect", "none"], "cannot read none"),
        (&["tune", "x.toml"], "has no axis to tune"),
        (&["reproduce"], "there is no folder experiments/ here"),
        (&["run", "x.toml", "./x.toml"], "are both called x"),
    ] {
        let ended = check(here.path(), arguments, 65);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}

#[test]
fn errors_of_all_experiments_are_told_before_any_is_run() {
    let here = folder("");
    fs::write(here.path().join("y.toml"), "extends = 'x.toml'\nname = 'y'\nseeds = []\n").expect("written");
    fs::write(here.path().join("z.toml"), "extends = 'x.toml'\nname = 'z'\nrecord = 'none'\n").expect("written");
    let said = check(here.path(), &["run", "x.toml", "y.toml", "z.toml"], 65).stderr;
    assert!(said.contains("y.toml:3:9: seeds") && said.contains("z.toml:3:10: record"), "{said}");
    assert!(!here.path().join("results").exists());
}

#[test]
fn output_that_cannot_be_written_where_a_file_stands_is_a_lasting_failure() {
    let here = folder("");
    fs::write(here.path().join("file"), "in the way").expect("a file is written");
    let ended = check(here.path(), &["run", "x.toml", "--out", "file/results"], 73);
    assert!(ended.stderr.contains("file/results"), "{}", ended.stderr);
    check(here.path(), &["cell", "x.toml", "0", "--requests", "file/requests.csv"], 73);
    check(here.path(), &["trace", "generate", "conversation", "--out", "file/trace.jsonl"], 73);
    assert_eq!(fs::read_to_string(here.path().join("file")).expect("still there"), "in the way");
}

#[test]
fn the_same_command_twice_does_nothing_the_second_time() {
    let here = folder("");
    let first = check(here.path(), &["run", "x.toml"], 0);
    assert!(first.stderr.contains("x.toml: 12 cells done, 0 done before, none failed; results in results/x"));
    let before = stamps(&here.path().join("results/x"));
    let names: Vec<String> =
        before.iter().map(|(path, _, _)| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    let expect = [
        "experiment",
        "segment-000001.jsonl",
        "cells.parquet",
        "manifest.toml",
        "provenance.parquet",
        "summary.parquet",
    ];
    assert_eq!(names, expect);
    let second = check(here.path(), &["run", "x.toml"], 0);
    let said = "x.toml: nothing to do, 12 done before; results in results/x\n";
    assert!(second.stderr.ends_with(said), "{}", second.stderr);
    assert_eq!(stamps(&here.path().join("results/x")), before);
}

#[test]
fn results_are_the_same_bytes_however_they_were_come_by() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--out", "one", "--jobs", "1"], 0);
    check(
        here.path(),
        &["run", "x.toml", "--out", "two", "--filter", "policy.name=netkv_guarded", "--filter", "seed=2"],
        0,
    );
    let filtered = check(here.path(), &["plan", "x.toml", "--out", "two"], 0).stdout;
    assert!(filtered.contains("done: 2\n") && filtered.contains("to run: 10 (10 new, 0 failed before)"), "{filtered}");
    let rest = check(here.path(), &["run", "x.toml", "--out", "two", "--jobs", "3", "--quiet"], 0).stderr;
    assert!(rest.contains("10 cells done, 2 done before"), "{rest}");
    for file in ["cells.parquet", "summary.parquet", "manifest.toml"] {
        let read = |out: &str| fs::read(here.path().join(out).join("x").join(file)).expect("the file is there");
        assert_eq!(read("one"), read("two"), "{file}");
    }
    let manifest = fs::read_to_string(here.path().join("one/x/manifest.toml")).expect("the manifest is there");
    assert!(!manifest.contains(&*here.path().to_string_lossy()), "no path in {manifest}");
}

#[test]
fn a_killed_run_loses_no_finished_cell() {
    let here = folder("");
    check(here.path(), &["run", "x.toml"], 0);
    let segment = here.path().join("results/x/cells/segment-000001.jsonl");
    let text = fs::read_to_string(&segment).expect("the segment is there");
    let lines: Vec<&str> = text.lines().collect();
    // As a kill in the middle of the sixth cell's line would leave it.
    let torn = format!("{}\n{}", lines[..6].join("\n"), &lines[6][..lines[6].len() / 2]);
    fs::write(&segment, torn).expect("the segment is torn");
    let again = check(here.path(), &["run", "x.toml"], 0).stderr;
    assert!(again.contains("warning: 1 damaged line"), "{again}");
    assert!(again.contains("7 cells done, 5 done before"), "{again}");
}

/// Stores an outcome of a cell of `x.toml` in a new segment.
fn store(here: &Path, index: usize, change: impl Fn(netkv_grid::Status) -> netkv_grid::Status) {
    let experiment = netkv_grid::Experiment::load(&here.join("x.toml"), &netkv_grid::LoadOptions::default());
    let cell = experiment.expect("it is valid").cell(index).expect("there is a cell");
    let run = netkv_grid::CellRun::streamed(&netkv_grid::Workloads::new().scenario(&cell));
    let status = change(netkv_grid::Status::Done { digest: run.digest.to_string(), metrics: run.metrics });
    let header = netkv_grid::SegmentHeader::new(std::collections::BTreeMap::new());
    let finished = netkv_grid::Finished { key: cell.key, status, wall_s: 0.0, requests: None };
    netkv_grid::Segment::create(&here.join("results/x/cells"), &header, &[finished]).expect("created");
}

#[test]
fn two_different_results_of_one_cell_are_refused() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--filter", "seed=1"], 0);
    store(here.path(), 0, |status| match status {
        netkv_grid::Status::Done { metrics, .. } => netkv_grid::Status::Done { digest: "0".repeat(32), metrics },
        failed @ netkv_grid::Status::Failed { .. } => failed,
    });
    let said = check(here.path(), &["run", "x.toml"], 70).stderr;
    assert!(said.contains("has two different results") && said.contains("segment-000002.jsonl:2"), "{said}");
}

#[test]
fn failed_cells_are_listed_with_the_command_that_runs_them_again_and_are_run_again() {
    let here = folder("");
    store(here.path(), 7, |_| netkv_grid::Status::Failed { message: "free blocks = -1 (kv.rs:7)".to_owned() });
    let plan = check(here.path(), &["plan", "x.toml"], 0).stdout;
    assert!(plan.contains("to run: 12 (11 new, 1 failed before)"), "{plan}");
    let row = "cell 7 (regime=congested policy.name=round_robin seed=2) failed: free blocks = -1 (kv.rs:7); \
               again: netkv cell x.toml 7";
    assert!(plan.contains(row), "{plan}");
    assert!(check(here.path(), &["run", "x.toml"], 0).stderr.contains("12 cells done, 0 done before, none failed"));
}

/// A GPU so slow that times leave the range of simulated time: valid input that ends in a panic.
fn overflowing() -> TempDir {
    let long = "[workload]\ncontext = 'fixed'\ncontext_tokens = 1000000\n[model]\nprofile = 'slow.toml'\n";
    let here = folder(long);
    let real = fs::read_to_string(experiments().join("profiles/llama-3.1-70b-bf16-h100-tp4.toml")).expect("readable");
    let slow: Vec<&str> =
        real.lines().map(|line| if line.starts_with("per_pair_ns") { "per_pair_ns = 10000" } else { line }).collect();
    fs::write(here.path().join("slow.toml"), slow.join("\n")).expect("a profile is written");
    here
}

#[test]
fn a_panic_fails_its_cell_alone_and_tells_how_to_see_it_again() {
    let here = overflowing();
    let said = check(here.path(), &["run", "x.toml"], 1).stderr;
    assert!(said.contains("overflow (crates/netkv-"), "{said}");
    assert!(said.contains("; again: netkv cell x.toml 3"), "{said}");
    assert!(said.contains("12 FAILED"), "{said}");
    assert!(!said.contains("This is a bug"), "the panics of cells are in their rows: {said}");
    let (table, _) = netkv_frames::read_table(&here.path().join("results/x/cells.parquet")).expect("a table");
    assert_eq!(table.words("status").expect("a column"), vec!["failed"; 12]);
    check(here.path(), &["run", "x.toml"], 1);

    let alone = check(here.path(), &["cell", "x.toml", "3"], 70);
    assert!(alone.stderr.contains("This is a bug of netkv"), "{}", alone.stderr);
    assert!(alone.stderr.contains("netkv-sim/src/") && alone.stderr.contains("cell x.toml 3"), "{}", alone.stderr);
}

#[test]
fn a_cell_runs_again_bit_for_bit() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--filter", "seed=1"], 0);
    let shown = check(here.path(), &["cell", "x.toml", "4", "--requests", "requests.csv"], 0).stdout;
    assert!(shown.starts_with("cell 4: regime=null policy.name=netkv_guarded seed=1\n"), "{shown}");
    assert!(shown.contains("(the same as stored)"), "{shown}");
    let csv = fs::read_to_string(here.path().join("requests.csv")).expect("the requests are there");
    let (header, rows) = csv.split_once('\n').expect("a header");
    assert_eq!(rows.lines().count(), 300);
    assert!(rows.starts_with("4,1,null,netkv_guarded,\"mooncake-like generator, seed 1\",0,"), "{rows}");
    check(here.path(), &["cell", "x.toml", "4", "--requests", "requests.parquet"], 0);
    let (table, metadata) = netkv_frames::read_table(&here.path().join("requests.parquet")).expect("a table");
    let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!((header, table.n_rows(), &*metadata["cell"]), (&*names.join(","), 300, "4"));
    check(here.path(), &["cell", "x.toml", "4", "--requests", "requests.txt"], 64);
    let timing = check(here.path(), &["cell", "x.toml", "4", "--timing"], 0).stdout;
    let timing: serde_json::Value = serde_json::from_str(&timing).expect("one line of JSON");
    assert_eq!(timing["requests"], 300);
    assert!(timing["sim_cpu_s"].as_f64().is_some_and(|seconds| seconds > 0.0), "{timing}");
    assert!(timing["events"].as_u64().is_some() && timing["output_tokens"].as_u64().is_some(), "{timing}");
}

#[test]
fn a_cell_is_named_by_what_it_has() {
    let here = folder("");
    let by = |cell: &str| check(here.path(), &["cell", "x.toml", cell], 0).stdout;
    assert_eq!(by("regime=congested,policy.name=netkv_guarded,seed=2"), by("11"));
    let first_seed = by("regime=congested,policy.name=netkv_guarded");
    assert!(first_seed.starts_with("cell 10: regime=congested policy.name=netkv_guarded seed=1\n"), "{first_seed}");
    let listed = check(here.path(), &["plan", "x.toml", "--list", "--filter", "policy.name=netkv_guarded"], 0).stdout;
    assert!(listed.ends_with("11  new     regime=congested policy.name=netkv_guarded seed=2\n"), "{listed}");
    assert_eq!(listed.lines().count(), 4, "{listed}");
    let json = check(here.path(), &["plan", "x.toml", "--list", "--json"], 0).stdout;
    let rows: serde_json::Value = serde_json::from_str(&json).expect("a list");
    assert_eq!((rows[11]["cell"].as_u64(), rows[11]["coordinates"]["seed"].as_u64()), (Some(11), Some(2)), "{rows}");
}

#[test]
fn an_explained_cell_shows_where_each_key_is_set() {
    let here = folder("");
    let text = check(here.path(), &["plan", "x.toml", "--explain", "11"], 0).stdout;
    assert!(text.starts_with("cell 11: regime=congested policy.name=netkv_guarded seed=2\n"), "{text}");
    let line = |key: &str| text.lines().find(|line| line.trim_start().starts_with(key)).map(str::to_owned);
    let policy = line("policy.name = \"netkv_guarded\"").expect("the policy is shown");
    assert!(policy.contains("/experiments/smoke.toml:"), "{policy}");
    assert!(line("fabric.nic_gbps = 100").is_some_and(|line| line.ends_with("regimes/congested.toml:3:12")), "{text}");
}

#[test]
fn requests_are_a_table_of_their_own_if_asked_for() {
    let here = folder("");
    check(here.path(), &["run", "x.toml"], 0);
    let text = fs::read_to_string(here.path().join("x.toml")).expect("the experiment is there");
    fs::write(here.path().join("x.toml"), text.replace("name = 'x'", "name = 'x'\nrecord = 'requests'"))
        .expect("written");
    let said = check(here.path(), &["run", "x.toml"], 0).stderr;
    assert!(said.contains("12 cells done, 0 done before"), "their requests were not kept: {said}");
    let path = here.path().join("results/x/requests.parquet");
    let (table, _) = netkv_frames::read_table(&path).expect("a table of requests");
    assert_eq!(table.n_rows(), 12 * 300);
    let cells = table.numbers("cell").expect("a column");
    assert_eq!((cells[0], cells[3599]), (Some(0.0), Some(11.0)));
    assert_eq!(table.words("policy.name").expect("a column")[3599], "netkv_guarded");
    check(here.path(), &["cell", "x.toml", "11", "--requests", "one.parquet"], 0);
    let (one, _) = netkv_frames::read_table(&here.path().join("one.parquet")).expect("a table of requests");
    for (all, own) in table.columns().iter().zip(one.columns()) {
        let (name, words) = (&all.name, table.words(&all.name).expect("a column"));
        assert_eq!((name, &words[3300..]), (&own.name, &*one.words(name).expect("a column")));
    }
    assert_eq!(table.columns().len(), one.columns().len());
    assert!(check(here.path(), &["run", "x.toml"], 0).stderr.contains("nothing to do"));
}

#[test]
fn a_cell_in_which_no_request_counts_is_a_failed_row_with_the_reason() {
    let here = folder("[measure]\nwarmup = 'seconds'\nwarmup_s = 1e6\n");
    let ran = check(here.path(), &["run", "x.toml"], 1);
    let why = "no request counts, so nothing was measured: all that arrived did so within the warm-up (measure.warmup)";
    assert!(ran.stderr.contains("cell 0 failed: ") && ran.stderr.contains(why), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("12 FAILED") && ran.stdout.contains("2 of 2 cells FAILED"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    let (table, _) = netkv_frames::read_table(&here.path().join("results/x/cells.parquet")).expect("a table");
    let messages = table.words("message").expect("a column");
    assert!(messages.iter().all(|message| message.contains(why)), "{messages:?}");
    // Nothing that could ever fit is another reason.
    let here = folder("[kv]\nhbm_gb_per_gpu = 45.0\n[workload]\nmin_input_tokens = 120000\nmax_requests = 3\n");
    let ran = check(here.path(), &["run", "x.toml"], 1);
    assert!(ran.stderr.contains("3 fit no instance and 0 were refused"), "{}", ran.stderr);
}

#[test]
fn figures_are_drawn_from_the_tables_alone() {
    let here = folder("");
    let nothing = check(here.path(), &["figures"], 65).stderr;
    assert!(nothing.contains("there is nothing to draw in results"), "{nothing}");
    let unknown = check(here.path(), &["figures", "no_such_figure"], 64).stderr;
    assert!(unknown.contains("there is no figure no_such_figure in results; there are none"), "{unknown}");

    let load = experiments().join("load.toml");
    let small = format!(
        "extends = '{}'\nseeds = [1, 2]\n[workload]\ntrace = 'synthetic:conversation:1'\nmax_requests = 60\n\
         [measure]\nwarmup_s = 0.0\n",
        load.display()
    );
    fs::write(here.path().join("load.toml"), small).expect("an experiment is written");
    check(here.path(), &["run", "load.toml", "--quiet"], 0);
    // Figures are not inherited, but follow from the axes; those of the experiment itself come out of its file.
    check(here.path(), &["figures"], 0);
    let near = check(here.path(), &["figures", "load_ratoi"], 64).stderr;
    assert!(near.contains("there are load_ratio, load_ttft, load_slo; did you mean load_ratio?"), "{near}");
    let files: Vec<_> = stamps(&here.path().join("figures"));
    let with = |ending: &str| files.iter().filter(|(path, _, _)| path.to_string_lossy().ends_with(ending)).count();
    assert!(with(".svg") > 0 && with(".svg") == with(".png") && with("report.html") == 1, "{files:?}");

    fs::write(here.path().join("file"), "in the way").expect("a file is written");
    check(here.path(), &["figures", "--out", "file/figures"], 73);
}

#[test]
fn tuning_prints_the_best_parameters_for_each_condition() {
    let regimes = experiments().join("regimes");
    let body = format!(
        "[[axis]]\nkey = 'regime'\nfiles = ['{0}/null.toml', '{0}/congested.toml']\n\
         [[axis]]\nkey = 'policy.load_weight'\nvalues = [0.0, 1.0]\n\
         [[axis]]\nkey = 'policy.name'\nvalues = ['cache_load_aware']\n",
        regimes.display()
    );
    let here = folder(&body);
    let text = check(here.path(), &["tune", "x.toml"], 0).stdout;
    assert!(
        text.starts_with("# Least mean ttft_mean_ns over the seeds 1, 2, by: netkv tune x.toml --metric"),
        "{text}"
    );
    for regime in ["null", "congested"] {
        assert!(text.contains(&format!("# regime = {regime}, policy.name = cache_load_aware: mean ")), "{text}");
    }
    assert_eq!(text.matches("[policy]\nload_weight = ").count(), 2, "{text}");
}

#[test]
fn flows_and_traces_go_through() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let case = r#"{"format": "flowref/1", "links": [{"id": 0, "bandwidth_Bps": 100.0, "latency_s": 0.0}],
        "flows": [{"id": 0, "start_s": 0.0, "size_bytes": 100, "path": [0], "rate_cap_Bps": null},
                  {"id": 1, "start_s": 0.0, "size_bytes": 100, "path": [0], "rate_cap_Bps": null}]}"#;
    fs::write(here.path().join("case.json"), case).expect("a case is written");
    assert_eq!(check(here.path(), &["flows", "case.json"], 0).stdout, "{\"finish_s\":[2.0,2.0]}\n");
    let timed = check(here.path(), &["flows", "case.json", "--timing"], 0).stdout;
    let timed: serde_json::Value = serde_json::from_str(&timed).expect("one line of JSON");
    assert!(timed["run_cpu_s"].is_f64(), "{timed}");

    check(here.path(), &["trace", "generate", "synthetic", "--seed", "3", "--out", "t.jsonl"], 0);
    let text = check(here.path(), &["trace", "inspect", "t.jsonl"], 0).stdout;
    assert!(text.contains("requests                      3993"), "{text}");
    let json = check(here.path(), &["trace", "inspect", "t.jsonl", "--json"], 0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("statistics as JSON");
    assert_eq!(json["n_requests"], 3993);
}

#[test]
fn the_schema_has_every_column_of_the_tables() {
    let here = folder("");
    let json = check(here.path(), &["schema", "--json"], 0).stdout;
    let columns: Vec<serde_json::Value> = serde_json::from_str(&json).expect("a list");
    let names: Vec<&str> = columns.iter().filter_map(|column| column["name"].as_str()).collect();
    check(here.path(), &["run", "x.toml"], 0);
    let axes = ["regime", "policy.name"];
    for file in ["cells", "summary"] {
        let path = here.path().join(format!("results/x/{file}.parquet"));
        let (table, metadata) = netkv_frames::read_table(&path).expect("a table");
        for column in table.columns() {
            assert!(names.contains(&column.name.as_str()) || axes.contains(&column.name.as_str()), "{}", column.name);
        }
        assert_eq!(metadata["trace"], "mooncake-like generator, seed 1");
    }
    assert!(check(here.path(), &["schema"], 0).stdout.starts_with("cells.parquet\n"));
}
