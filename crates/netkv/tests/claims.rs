//! The paper's claims and the list of what is reproduced, as the project has them: nothing in either may point at nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// How a command ended: exit code, standard output, standard error.
fn netkv(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_netkv")).current_dir(folder).args(arguments).output();
    let output = output.expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn toml_of(path: &Path) -> toml::Table {
    let text = fs::read_to_string(path).expect("a file of the project");
    toml::from_str(&text).expect("it is TOML")
}

#[test]
fn every_claim_is_measured_or_says_why_it_cannot_be() {
    let (code, stdout, stderr) = netkv(&root(), &["claims", "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let judged: serde_json::Value = serde_json::from_str(&stdout).expect("it is JSON");
    let claims = judged["claims"].as_array().expect("a list of claims");
    assert!(claims.len() >= 150, "{}", claims.len());
    for claim in claims {
        let measured = claim["ours"].is_number();
        assert_eq!(measured, claim["verdict"] != "not_reproducible", "{claim}");
        assert_eq!(measured, claim["note"].is_null(), "{claim}");
    }
    assert!(!judged["fitted"].as_array().expect("a list of coefficients").is_empty());
    let figure_1 = judged["agreement"].as_array().expect("a list of tables").iter();
    assert_eq!(figure_1.filter(|one| one["place"] == "Figure 1" && one["n"] == 60).count(), 1);
}

#[test]
fn every_experiment_with_results_is_reproduced_the_paper_first() {
    let list = toml_of(&root().join("experiments/reproduce.toml"));
    let entries = list["experiment"].as_array().expect("a list");
    let files: Vec<&str> = entries.iter().map(|entry| entry["file"].as_str().expect("a file")).collect();
    let n_paper = files.iter().take_while(|file| file.starts_with("paper/")).count();
    assert!(files[n_paper..].iter().all(|file| !file.starts_with("paper/")), "{files:?}");
    let name =
        |file: &&str| toml_of(&root().join("experiments").join(file))["name"].as_str().expect("a name").to_owned();
    let listed: BTreeSet<String> = files.iter().map(name).collect();
    let results = fs::read_dir(root().join("results")).expect("there are results").flatten();
    let stored: BTreeSet<String> = results
        .filter(|entry| entry.path().join("manifest.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(listed, stored);
}

/// A folder with one claim about an experiment that was not run.
fn one_claim(experiment: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let claim = format!(
        "[[claims]]\narea = \"load\"\nplace = \"Table II\"\nsays = \"TTFT\"\nexperiment = \"{experiment}\"\n\
         metric = \"ttft_mean_ns\"\nunit = \"ms\"\nrows = [[1]]\n"
    );
    fs::write(folder.path().join("claims.toml"), claim).expect("written");
    fs::write(folder.path().join("load.toml"), "name = \"x\"\n").expect("written");
    folder
}

#[test]
fn claims_without_results_name_the_command_that_makes_them() {
    let folder = one_claim("x");
    let (code, stdout, _) = netkv(folder.path(), &["claims", "--claims", "claims.toml"]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("not measured: netkv run ./load.toml"), "{stdout}");
    let (code, _, stderr) = netkv(folder.path(), &["claims", "--claims", "claims.toml", "--area", "laod"]);
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("there is no area laod; there are load; did you mean load?"), "{stderr}");
}

#[test]
fn a_wrong_claims_file_is_bad_input() {
    let (code, _, stderr) = netkv(one_claim("y").path(), &["claims", "--claims", "claims.toml"]);
    assert_eq!(code, Some(65), "{stderr}");
    assert!(stderr.contains("claims.toml:8: there is no experiment y: beside this file there are x"), "{stderr}");
    let (code, _, stderr) = netkv(one_claim("x").path(), &["claims", "--claims", "none.toml"]);
    assert_eq!(code, Some(65), "{stderr}");
    assert!(stderr.contains("none.toml: cannot read it"), "{stderr}");
}

#[test]
fn a_list_that_names_what_there_is_not_is_bad_input_before_anything_is_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let experiments = folder.path().join("experiments");
    fs::create_dir(&experiments).expect("a folder");
    let entry = |file: &str, cpu_s: f64| {
        format!("[[experiment]]\nfile = \"{file}\"\nwhy = \"because\"\ncpu_s = {cpu_s:?}\nquick = true\n")
    };
    let list = [entry("gone.toml", 1.0), entry("here.toml", 0.0), entry("here.toml", 1.0)].concat();
    fs::write(experiments.join("reproduce.toml"), list).expect("written");
    fs::write(experiments.join("here.toml"), "").expect("written");
    let (code, _, stderr) = netkv(folder.path(), &["reproduce", "--quick"]);
    assert_eq!(code, Some(65), "{stderr}");
    for line in [
        "experiments/reproduce.toml:2: there is no file gone.toml in experiments: mend or drop the entry",
        "experiments/reproduce.toml:7: here.toml: cpu_s = 0 is not allowed; allowed: above 0",
        "experiments/reproduce.toml:12: here.toml stands twice in the list: drop one",
    ] {
        assert!(stderr.contains(line), "{stderr}");
    }
    assert!(!folder.path().join("results").exists());
}

/// Copies the experiments alone, so that no trace is found and the stand-in is what is fitted.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder of the project").flatten() {
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).expect("a copy");
        }
    }
}

#[test]
fn fitting_again_gives_what_the_papers_experiments_use() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&root().join("experiments"), &folder.path().join("experiments"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_netkv"));
    let output = command.current_dir(folder.path()).env_remove("NETKV_TRACE_DIR").arg("fit").output();
    let output = output.expect("the binary runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stderr.contains("using the mooncake-like generator"), "{stderr}");
    let fitted: toml::Table = toml::from_str(&stdout).expect("it is TOML");
    let used = toml_of(&root().join("experiments/paper/paper.toml"));
    for (section, key) in [("workload", "stand_in_context_scale"), ("fabric", "spines_per_pod"), ("fabric", "cores")] {
        assert_eq!(fitted[section][key], used[section][key], "{section}.{key}");
    }
    let profile = toml_of(&root().join("experiments/paper/profile.toml"));
    let slope = |from: &toml::Table, section: &str, key: &str| from[section][key][0][1].as_float().expect("a slope");
    for (section, key) in [("prefill", "per_token_us"), ("decode", "per_request_us")] {
        let (again, kept) = (slope(&fitted, section, key), slope(&profile, section, key));
        assert!((again / kept - 1.0).abs() < 1e-4, "{section}.{key}: {again}, {kept}");
        assert_eq!(fitted[section]["base_ms"], profile[section]["base_ms"], "{section}.base_ms");
    }
}
