//! What a command line changes in an experiment, what changed in its file, and whose results a folder holds.

mod command;

use command::{folder, said as check, text};
use std::fs;
use std::path::Path;

/// The tables of an experiment.
fn tables(folder: &Path) -> Vec<Vec<u8>> {
    let read = |name: &str| fs::read(folder.join(name)).expect("the file is there");
    ["cells.parquet", "summary.parquet", "manifest.toml"].map(read).into()
}

#[test]
fn a_changed_experiment_has_a_folder_of_its_own_and_leaves_the_tables_as_they_are() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let before = tables(&here.path().join("results/x"));
    let changes = ["--set", "telemetry.interval_s=5", "--set", "oracle.granularity=exact", "--seeds", "1"];
    let with = |first: &[&'static str]| -> Vec<&'static str> { first.iter().copied().chain(changes).collect() };
    let (_, said) = check(here.path(), &with(&["run", "x.toml", "--quiet"]), 0);
    let name = "x+telemetry.interval_s=5+oracle.granularity=exact+seeds=1";
    assert!(
        said.contains("note: x.toml is changed by --set telemetry.interval_s=5 --set oracle.granularity=exact"),
        "{said}"
    );
    assert!(said.contains(&format!("6 cells done, 0 done before, none failed; results in results/{name}\n")), "{said}");
    assert_eq!(tables(&here.path().join("results/x")), before);
    let manifest =
        fs::read_to_string(here.path().join("results").join(name).join("manifest.toml")).expect("it is there");
    assert!(manifest.contains("granularity = \"exact\""), "{manifest}");
    let (plan, _) = check(here.path(), &with(&["plan", "x.toml"]), 0);
    assert!(plan.contains("done: 6\n"), "{plan}");
    let (explained, _) = check(here.path(), &with(&["plan", "x.toml", "--explain", "0"]), 0);
    let line = explained.lines().find(|line| line.contains("telemetry.interval_s = 5")).expect("the key is shown");
    assert!(line.ends_with("  --set"), "{line}");
    let (cell, _) = check(here.path(), &with(&["cell", "x.toml", "3"]), 0);
    assert!(cell.contains("(the same as stored)"), "{cell}");
    check(here.path(), &with(&["explain", "x.toml", "3", "7"]), 0);
    let (_, wrong) = check(here.path(), &["tune", "x.toml", "--set", "policy.name=netkv"], 65);
    assert!(wrong.contains("--set: policy.name is an axis of the experiment ("), "{wrong}");
    let (_, usage) = check(here.path(), &["run", "x.toml", "--set", "fabric.cores"], 64);
    assert!(usage.contains("a setting is KEY=VALUE, such as fabric.nic_gbps=200"), "{usage}");
}

#[test]
fn results_of_another_file_of_the_same_name_are_refused() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let before = tables(&here.path().join("results/x"));
    fs::create_dir(here.path().join("mine")).expect("a folder");
    fs::write(here.path().join("mine/other.toml"), text("[telemetry]\ninterval_s = 2\n")).expect("written");
    let (_, said) = check(here.path(), &["run", "mine/other.toml"], 65);
    assert_eq!(
        said,
        "error: results/x holds the results of x.toml; mine/other.toml has the same name, x, and would replace their \
         tables: give it a name of its own (name = \"...\" at its top) or its results another folder (--out DIR)\n"
    );
    assert_eq!(tables(&here.path().join("results/x")), before);
    check(here.path(), &["run", "mine/other.toml", "--out", "mine", "--quiet"], 0);
    // The same file may be edited, called from elsewhere, and moved.
    fs::write(here.path().join("x.toml"), text("[telemetry]\ninterval_s = 3\n")).expect("written");
    check(&here.path().join("mine"), &["run", "../x.toml", "--out", "../results", "--quiet"], 0);
    fs::rename(here.path().join("x.toml"), here.path().join("mine/x.toml")).expect("moved");
    check(here.path(), &["run", "mine/x.toml", "--quiet"], 0);
    let owner = fs::read_to_string(here.path().join("results/x/cells/experiment")).expect("it is there");
    assert_eq!(owner, "../../../mine/x.toml\n");
}

#[test]
fn a_plan_says_what_changed_since_the_tables_were_written() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let (plan, _) = check(here.path(), &["plan", "x.toml"], 0);
    assert!(!plan.contains("changed since"), "{plan}");
    let axis = "[[axis]]\nkey = 'policy.name'\nvalues = ['round_robin', 'netkv']\n";
    let body = format!("seeds = 3\n[telemetry]\ninterval_s = 2\n{axis}");
    fs::write(here.path().join("x.toml"), text(&body)).expect("written");
    let (plan, _) = check(here.path(), &["plan", "x.toml"], 0);
    let changes = "  changed since the tables in results/x were written:\n    seeds: [1, 2] -> [1, 2, 3] (x.toml:3:9)\n    \
                   telemetry.interval_s: 1 -> 2 (x.toml:5:14)\n    axis policy.name: \"netkv\" new\n    axis policy.name: \
                   \"cache_load_aware\", \"netkv_guarded\" gone\n    axis regime is gone\n";
    assert!(plan.contains(changes), "{plan}");
}

#[test]
fn a_plan_counts_zipped_axes_once_and_what_is_excluded() {
    let axis = |key: &str, values: &str, zip: &str| format!("[[axis]]\nkey = '{key}'\nvalues = {values}\n{zip}");
    let body = [
        axis("decode.max_batch", "[8, 16, 32]", "zip = 'z'\n"),
        axis("policy.name", "['round_robin', 'netkv']", ""),
        axis("telemetry.interval_s", "[1.0, 2.0, 4.0]", "zip = 'z'\n"),
        "[[exclude]]\ndecode.max_batch = 8\npolicy.name = 'netkv'\n".to_owned(),
    ];
    let here = folder(&body.concat());
    let (plan, _) = check(here.path(), &["plan", "x.toml"], 0);
    let said = "x.toml: 10 cells ((3 zipped: decode.max_batch, telemetry.interval_s) x 2 policy.name x 2 seeds, less 2 that are \
                excluded)\n";
    assert!(plan.starts_with(said), "{plan}");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
}

#[test]
fn a_plan_agrees_with_the_run_on_requests_that_were_not_kept() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    fs::write(here.path().join("x.toml"), text("record = 'requests'\n")).expect("written");
    let (plan, _) = check(here.path(), &["plan", "x.toml"], 0);
    assert!(plan.contains("to run: 12 (0 new, 0 failed before, 12 done but their requests not kept)"), "{plan}");
    let (_, ran) = check(here.path(), &["run", "x.toml", "--quiet"], 0);
    assert!(ran.contains("12 cells done, 0 done before"), "{ran}");
}

#[test]
fn a_misspelt_experiment_is_answered_with_the_one_that_was_meant() {
    let here = folder("");
    fs::create_dir(here.path().join("experiments")).expect("a folder");
    fs::copy(here.path().join("x.toml"), here.path().join("experiments/load.toml")).expect("copied");
    for asked in ["experiments/laod.toml", "experiments/load", "load.toml"] {
        let (_, said) = check(here.path(), &["run", asked], 65);
        let told = format!(
            "{asked}: cannot read it: No such file or directory (os error 2); did you mean experiments/load.toml?"
        );
        assert!(said.contains(&told), "{said}");
    }
}

#[test]
fn a_number_of_seeds_that_is_asked_for_holds_in_a_reduced_run_too() {
    let here = folder("");
    let seeds = |arguments: &[&str]| {
        let (plan, _) = check(here.path(), &[&["plan", "x.toml", "--json"], arguments].concat(), 0);
        let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
        plan["seeds"].as_array().expect("a list").len()
    };
    assert_eq!(seeds(&["--quick"]), 2);
    assert_eq!(seeds(&["--quick", "--seeds", "5"]), 5);
    assert_eq!(seeds(&["--quick", "--seeds", "1"]), 1);
}

#[test]
fn a_plan_names_a_sample_of_one_axis_or_of_many() {
    let axes = "[[axis]]\nkey = 'decode.max_batch'\nvalues = [8, 16, 32]\n\
                [[axis]]\nkey = 'policy.name'\nvalues = ['round_robin', 'netkv']\n";
    let plan = |points: usize, sampled: &str| {
        let here = folder(&format!("[sample]\npoints = {points}\nseed = 1\naxes = [{sampled}]\n{axes}"));
        check(here.path(), &["plan", "x.toml"], 0).0
    };
    let many = plan(3, "'decode.max_batch', 'policy.name'");
    assert!(many.contains("(3 sampled: decode.max_batch, policy.name)"), "{many}");
    let one = plan(2, "'decode.max_batch'");
    assert!(one.contains("(2 sampled: decode.max_batch)"), "{one}");
}
