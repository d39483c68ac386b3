//! `netkv explain` as its users see it.

use netkv_frames::{Table, read_table};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// An experiment of one condition and these policies, as the generator draws it.
fn folder(policies: &str, body: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/base.toml");
    let base = base.canonicalize().expect("the experiments are there");
    let text = format!(
        "extends = '{}'\nname = 'x'\nseeds = [1]\n[workload]\ntrace = 'synthetic:conversation:1'\n\
         max_requests = 200\n[measure]\nwarmup_s = 0.0\n{body}\n[[axis]]\nkey = 'policy.name'\nvalues = [{policies}]\n",
        base.display()
    );
    fs::write(folder.path().join("x.toml"), text).expect("the experiment is written");
    folder
}

fn netkv(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_netkv")).current_dir(folder).args(arguments).output().expect("the binary runs")
}

#[track_caller]
fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let output = netkv(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn explained(folder: &Path, cell: &str, request: &str) -> (String, Value) {
    let text = stdout(folder, &["explain", "x.toml", cell, request]);
    let json = stdout(folder, &["explain", "x.toml", cell, request, "--json"]);
    (text, serde_json::from_str(&json).expect("JSON"))
}

#[test]
fn a_decision_is_told_with_its_terms_its_winner_and_hindsight() {
    let here = folder("'netkv_guarded'", "");
    let (text, json) = explained(here.path(), "0", "150");
    assert_eq!((json["policy"].as_str(), json["request"].as_u64()), (Some("netkv_guarded"), Some(150)));
    let candidates = json["candidates"].as_array().expect("candidates");
    assert_eq!(candidates.len(), 8);
    let place = |candidate: &Value| (candidate["rating"]["rank"].as_u64(), candidate["rating"]["sum"].as_f64());
    let least = candidates.iter().min_by(|one, two| place(one).partial_cmp(&place(two)).expect("numbers"));
    assert_eq!(least.expect("one")["instance"], json["chosen"]);
    for candidate in candidates {
        let terms = candidate["rating"]["terms"].as_array().expect("terms");
        let names: Vec<_> = terms.iter().filter_map(|term| term["name"].as_str()).collect();
        assert_eq!(names, ["latency", "transfer", "wait", "iteration"]);
        assert!(terms.iter().all(|term| term["unit"] == "s"));
        let parts = candidate["hindsight"]["parts"].as_object().expect("parts");
        let sum: u64 = parts.values().filter_map(Value::as_u64).sum();
        assert_eq!(Some(sum), candidate["hindsight"]["ttft_ns"].as_u64());
    }
    let ttft = |candidate: &Value| candidate["hindsight"]["ttft_ns"].as_u64();
    let best = candidates.iter().find(|candidate| candidate["instance"] == json["best_in_hindsight"]);
    assert_eq!(best.and_then(ttft), candidates.iter().filter_map(ttft).min());
    let chosen = format!("netkv_guarded chose instance {} before instance {}:\n", json["chosen"], json["runner_up"]);
    for said in
        [&chosen, "request 150: ", "congestion c", "latency ms", "The term \"", "In hindsight", "Hindsight would"]
    {
        assert!(text.contains(said), "no {said} in\n{text}");
    }
}

#[test]
fn the_explained_run_is_the_run_of_the_cell() {
    let here = folder("'netkv', 'round_robin', 'mooncake_ttft', 'clairvoyant'", "");
    for cell in ["0", "1", "2", "3"] {
        let (_, json) = explained(here.path(), cell, "120");
        let run = stdout(here.path(), &["cell", "x.toml", cell, "--requests", "requests.parquet"]);
        assert!(run.contains(&format!("digest {}", json["digest"].as_str().expect("a digest"))), "{run}");
        let (table, _) = read_table(&here.path().join("requests.parquet")).expect("the table is there");
        let words = |column: &str| table.words(column).expect("a column");
        let row = words("request").iter().position(|request| request == "120").expect("a row");
        assert_eq!(words("prefill_instance")[row], json["prefill_instance"].to_string());
        assert_eq!(words("decode_instance")[row], json["chosen"].to_string());
    }
}

#[test]
fn every_policy_is_explained_within_120_columns() {
    let names = netkv_policy::PolicyConfig::NAMES;
    let listed: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    let here = folder(&listed.join(", "), "[fabric]\nrack_oversubscription = 8.0\npod_oversubscription = 32.0\n");
    for (cell, name) in names.iter().enumerate() {
        let text = stdout(here.path(), &["explain", "x.toml", &cell.to_string(), "170"]);
        let widest = text.lines().max_by_key(|line| line.len()).expect("lines");
        assert!(widest.len() <= 120, "{name}: {} columns: {widest}", widest.len());
        assert!(text.contains(&format!("{name} chose instance ")), "{text}");
    }
    let told = |name: &str| {
        let cell = names.iter().position(|other| *other == name).expect("a policy").to_string();
        stdout(here.path(), &["explain", "x.toml", &cell, "170"])
    };
    assert!(told("round_robin").contains(": it was its turn."));
    assert!(told("random").contains(": it was drawn, all alike."));
    assert!(told("aibrix_pd").contains("The prefill instances\n"));
    assert!(told("clairvoyant").contains("memory wait ms"));
    let (plain, classes) = (told("cache_load_aware"), told("netkv_guarded"));
    assert!(
        plain.contains("How cache_load_aware rated them: the least sum wins\n") && !plain.contains("class"),
        "{plain}"
    );
    let is_of_class = ["class: compared before the sum, the best first: room, ", "all of one class: room, TBT kept\n"];
    assert!(is_of_class.iter().any(|words| classes.contains(words)), "{classes}");
    assert!(plain.contains("tier: how far it is from the prefill instance: same node,"), "{plain}");
}

#[test]
fn what_cannot_be_explained_is_said() {
    let one = folder("'netkv'", "[transfer]\nfirst_token = 'prefill'\n");
    let table = |folder: &Path| {
        stdout(folder, &["cell", "x.toml", "0", "--requests", "requests.parquet"]);
        read_table(&folder.join("requests.parquet")).expect("the table is there").0
    };
    let words = |table: &Table, column: &str| table.words(column).expect("a column");
    let served = table(one.path());
    let lone = words(&served, "decode_instance").iter().position(String::is_empty).expect("a one-token answer");
    assert_eq!((&*words(&served, "output_tokens")[lone], &*words(&served, "tbt_mean_ns")[lone]), ("1", ""));
    let output = netkv(one.path(), &["explain", "x.toml", "0", &words(&served, "request")[lone]]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("needed no decode instance"), "{output:?}");
    // Room for some 40,000 tokens: longer prompts are refused.
    let small = folder("'netkv'", "[kv]\nhbm_gb_per_gpu = 43.0\n");
    let served = words(&table(small.path()), "request");
    let refused = (0..200).map(|number| number.to_string()).find(|one| !served.contains(one)).expect("a long prompt");
    let output = netkv(small.path(), &["explain", "x.toml", "0", &refused]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("was refused"), "{output:?}");
}
