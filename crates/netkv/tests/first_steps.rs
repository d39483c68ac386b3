//! From nothing to an answer, as somebody does who has netkv and a cluster.

mod command;

use command::{check, experiments};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Axes that no experiment of the project has: the answer is for any grid.
#[test]
fn a_run_ends_with_its_answer_on_standard_output_and_with_progress_beside_it() {
    let axes = "[[axis]]\nkey = 'decode.max_batch'\nvalues = [8, 64]\n[[axis]]\nkey = 'fabric.nic_gbps'\nvalues = [25.0, 400.0]\n";
    let policies = "[[axis]]\nkey = 'policy.name'\nvalues = ['round_robin', 'cache_load_aware', 'netkv']\n";
    let here = tempfile::tempdir().expect("a temporary folder");
    let base = experiments().join("base.toml");
    let trace = "[workload]\ntrace = 'synthetic:conversation:1'\nmax_requests = 200\n[measure]\nwarmup_s = 0.0\n";
    let text = format!("extends = '{}'\nname = 'mine'\nseeds = [1, 2, 3]\n{trace}{axes}{policies}", base.display());
    fs::write(here.path().join("mine.toml"), text).expect("the experiment is written");
    let ran = check(here.path(), &["run", "mine.toml"], 0);
    assert!(ran.stdout.starts_with("mine: 4 points x 3 values of policy.name, 3 seeds\n"), "{}", ran.stdout);
    for words in
        ["max_batch = 8, nic_gbps = 25", "Does it pay? Mean TTFT against", "objective (SLO): TTFT within", "trace: "]
    {
        assert!(ran.stdout.contains(words), "{words} is not in\n{}", ran.stdout);
    }
    assert!(ran.stderr.contains("36 cells done") && !ran.stdout.contains("cells done"), "{}", ran.stderr);
    let again = check(here.path(), &["run", "mine.toml"], 0);
    assert_eq!(again.stdout, ran.stdout, "the same answer from what is stored");
    let json = check(here.path(), &["run", "mine.toml", "--json", "--filter", "decode.max_batch=8"], 0);
    let answer: serde_json::Value = serde_json::from_str(&json.stdout).expect("valid JSON");
    assert_eq!(answer["points"].as_array().map(Vec::len), Some(2), "those that were asked for");
}

/// In a folder of its own: nothing of the project is there.
#[test]
fn a_new_file_is_valid_as_it_is_and_runs_anywhere() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let said = check(here.path(), &["new", "My-Cluster 2.toml"], 0).stdout;
    assert!(said.contains("netkv run My-Cluster 2.toml"), "{said}");
    let refused = check(here.path(), &["new", "My-Cluster 2.toml"], 64).stderr;
    assert!(refused.contains("is there already: give another name, or --force to replace it"), "{refused}");
    check(here.path(), &["new", "My-Cluster 2.toml", "--force"], 0);
    let plan = check(here.path(), &["plan", "My-Cluster 2.toml"], 0).stdout;
    assert!(plan.contains("105 cells (3 workload.prefill_utilisation_ratio x 7 policy.name x 5 seeds)"), "{plan}");
    let reduced = "2 of 5 seeds, at most 1200 requests, workload.prefill_utilisation_ratio without 0.6";
    let plan = check(here.path(), &["plan", "My-Cluster 2.toml", "--quick"], 0).stderr;
    assert_eq!(plan.matches(&format!("reduced version: {reduced}\n")).count(), 1, "{plan}");
    let both = check(here.path(), &["run", "My-Cluster 2.toml", "--quick"], 0);
    assert_eq!(both.stderr.matches(&format!("reduced version: {reduced}\n")).count(), 1, "{}", both.stderr);
    let ran = both.stdout;
    assert!(ran.starts_with("my-cluster_2: 2 points x 7 values of policy.name, 2 seeds\n"), "{ran}");
    assert!(ran.contains("\n  fixed: 8 prefill and 8 decode instances, NIC 100 Gb/s, oversubscription"), "{ran}");
    let last = format!(
        "reduced version ({reduced}): a first look, do not decide on it; `netkv run My-Cluster 2.toml` runs all"
    );
    assert!(ran.lines().last().is_some_and(|line| line.starts_with(&last)), "{ran}");
    // The base experiment in the program is the one in the project: the same cells.
    let path = here.path().join("My-Cluster 2.toml");
    let text = fs::read_to_string(&path).expect("the file");
    let keys = |text: &str| {
        fs::write(here.path().join("x.toml"), text).expect("the file is written");
        let said = check(here.path(), &["plan", "x.toml", "--explain", "7"], 0).stdout;
        said.lines().find(|line| line.trim_start().starts_with("key ")).expect("a key").to_owned()
    };
    let own = text.replace("builtin:base", &experiments().join("base.toml").display().to_string());
    assert_eq!(keys(&text), keys(&own));
    let wrong = text.replace("builtin:base", "builtin:bse");
    fs::write(here.path().join("x.toml"), wrong).expect("the file is written");
    let said = check(here.path(), &["plan", "x.toml"], 65).stderr;
    assert!(said.contains("x.toml:4:") && said.contains("there are builtin:base"), "{said}");
}

/// The page as it stands, from its first command to its last, in an empty folder.
#[cfg(unix)]
#[test]
fn the_tutorial_works_as_it_is_written() {
    let page = fs::read_to_string(experiments().join("../docs/tutorial.md")).expect("the page is there");
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("a block ends"));
    let script: Vec<&str> = blocks.collect();
    assert!(script.len() >= 6, "{} blocks of commands", script.len());
    let here = tempfile::tempdir().expect("a temporary folder");
    let folder = Path::new(env!("CARGO_BIN_EXE_netkv")).parent().expect("the binary is in a folder");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let run = |script: &str| {
        let mut shell = Command::new("sh");
        let output =
            shell.args(["-e", "-c", script]).current_dir(here.path()).env("PATH", &path).output().expect("sh runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}\n{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    let said: String = script.into_iter().map(run).collect();
    for words in
        ["my-cluster: 2 points", "my-cluster: 3 points", "map: 12 points x 4 values", "Does it pay?", "summary.parquet"]
    {
        assert!(said.contains(words), "{words} is not in what the commands said");
    }
}

#[test]
fn two_policies_or_two_results_are_compared_point_by_point() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let smoke = experiments().join("smoke.toml");
    for (name, nic) in [("slow", 25.0), ("fast", 400.0)] {
        let axes = "[[axis]]\nkey = 'policy.name'\nvalues = ['round_robin', 'netkv']\n";
        let text = format!("extends = '{}'\nname = '{name}'\n[fabric]\nnic_gbps = {nic:?}\n{axes}", smoke.display());
        fs::write(here.path().join(format!("{name}.toml")), text).expect("the experiment is written");
        check(here.path(), &["run", &format!("{name}.toml"), "--quiet"], 0);
    }
    let said = check(here.path(), &["compare", "results/slow", "results/fast"], 0).stdout;
    assert!(said.starts_with("results/slow against results/fast: 2 points x 2 values of results"), "{said}");
    assert!(said.contains("  experiment: slow against fast\n") && said.contains("name = netkv"), "{said}");
    assert!(said.contains("Mean TTFT against results/slow, seed by seed"), "{said}");
    let said = check(here.path(), &["compare", "results/slow", "--values", "round_robin", "netkv"], 0).stdout;
    assert!(said.contains("slow: 1 point x 2 values of policy.name"), "{said}");
    let wrong = check(here.path(), &["compare", "results/slow", "--values", "round_robin", "netvk"], 64).stderr;
    assert!(wrong.contains("policy.name has no value netvk there; did you mean netkv?"), "{wrong}");
    let missing = check(here.path(), &["compare", "results/slo", "results/fast"], 65).stderr;
    assert!(missing.contains("a folder of results has it"), "{missing}");
    check(here.path(), &["compare", "results/slow"], 64);
}

/// What it finds, held against runs at that rate and a little above.
#[test]
fn a_capacity_is_the_largest_rate_that_keeps_the_promise() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let smoke = experiments().join("smoke.toml");
    let write = |name: &str, load: &str| {
        let axis = "[[axis]]\nkey = 'policy.name'\nvalues = ['round_robin', 'netkv_joint']\n";
        let text = format!(
            "extends = '{}'\nname = '{name}'\nseeds = [1]\n[workload]\n{load}[slo]\nttft = 'fixed'\nttft_s = 5.0\n{axis}",
            smoke.display()
        );
        fs::write(here.path().join(format!("{name}.toml")), text).expect("the experiment is written");
    };
    write("mine", "");
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&check(here.path(), arguments, 0).stdout).expect("valid JSON")
    };
    let found = json(&["capacity", "mine.toml", "--attained", "0.8", "--json"]);
    let rate = |at: usize| found[at]["capacity_rps"].as_f64().expect("a rate holds");
    assert_eq!((&found[0]["name"], &found[1]["name"]), (&"round_robin".into(), &"netkv_joint".into()));
    for (factor, holds) in [(1.0, true), (1.03, false)] {
        write("at", &format!("load = 'rate'\nrate_rps = {:?}\n", rate(0) * factor));
        let ran = json(&["run", "at.toml", "--json"]);
        let attained = ran["points"][0]["standings"][0]["slo_attainment_ratio"].as_f64().expect("a share");
        assert_eq!(attained >= 0.8, holds, "{attained} at {factor} x {}", rate(0));
    }
    let text = check(here.path(), &["capacity", "mine.toml", "--attained", "0.8"], 0).stdout;
    assert!(text.contains("80.0 % of requests are within their objective") && text.contains("requests/s"), "{text}");
    let none = check(here.path(), &["capacity", "mine.toml", "--ttft-p99", "0.000001"], 0).stdout;
    assert!(none.contains("none of the rates looked at holds: at the lowest, "), "{none}");
    assert!(
        none.contains(" % are within it, p99 TTFT ") && none.contains("ask for less (--attained, --ttft-p99)"),
        "{none}"
    );
    assert!(
        text.contains("the geometric mean of the seeds' ratios, each to the baseline on the same arrivals"),
        "{text}"
    );
    check(here.path(), &["capacity", "mine.toml", "--attained", "95"], 64);
    write("loads", "load = 'rate'\n[[axis]]\nkey = 'workload.rate_rps'\nvalues = [1.0, 2.0]\n");
    let dropped = check(here.path(), &["capacity", "loads.toml", "--attained", "0.8"], 0).stderr;
    assert!(dropped.contains("note: axis workload.rate_rps says how much arrives"), "{dropped}");
}

/// A what-if beside the experiment itself: both are drawn, each under a name of its own, and reduced ones say that they are.
#[test]
fn figures_of_a_changed_and_of_a_reduced_experiment_say_what_they_are() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let smoke = experiments().join("smoke.toml");
    let figure = "[[figure]]\nname = 'ttft'\nkind = 'bars'\nmetrics = ['ttft_mean_ns']\npanels = 'regime'\nrows = 'policy.name'\ntitle = 'Mean TTFT'\n";
    let text = format!("extends = '{}'\nname = 'mine'\nseeds = [1, 2, 3]\n{figure}", smoke.display());
    fs::write(here.path().join("mine.toml"), text).expect("the experiment is written");
    check(here.path(), &["run", "mine.toml", "--quiet"], 0);
    check(here.path(), &["run", "mine.toml", "--quiet", "--set", "decode.max_batch=64", "--seeds", "2"], 0);
    check(here.path(), &["figures"], 0);
    let svg = |path: &str| fs::read_to_string(here.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(svg("figures/ttft.svg").contains(">Mean TTFT<"));
    assert!(svg("figures/ttft+decode.max_batch=64+seeds=2.svg").contains("Mean TTFT (decode.max_batch=64, seeds=2)"));
    assert!(!svg("figures/report.html").contains("A reduced version"));
    check(here.path(), &["run", "mine.toml", "--quiet", "--quick"], 0);
    check(here.path(), &["figures", "--quick"], 0);
    let words = "a first look that decides nothing";
    assert!(svg("figures/quick/report.html").contains(words));
    assert!(svg("figures/quick/ttft.svg").replace("</text>", "").contains("A reduced version"));
}
