//! Pages that commands write, and the list of all pages. `just golden` writes the first anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn said(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_netkv")).args(arguments).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && !text.contains("{{"), "{text}");
    text
}

/// Holds a page to what a command prints. Rows of its tables have one of these numbers of bars.
#[track_caller]
fn check_page(name: &str, command: &str, bars: &[usize]) {
    let text = said(&[command, "--markdown"]);
    for line in text.lines().filter(|line| line.starts_with('|')) {
        assert!(bars.contains(&line.matches('|').count()), "a bar within a column: {line}");
    }
    let path = docs().join(name);
    if std::env::var_os("NETKV_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, &text).expect("the page is written");
    }
    let page = fs::read_to_string(&path).expect("the page is there");
    assert!(text == page, "docs/{name} is not what `netkv {command} --markdown` says: `just golden` writes it anew");
}

#[test]
fn the_page_about_results_is_that_of_the_schema() {
    check_page("results.md", "schema", &[4, 5]);
}

#[test]
fn the_page_about_experiment_files_is_that_of_the_reader() {
    check_page("experiments.md", "keys", &[3, 6]);
}

#[test]
fn the_example_of_the_page_about_experiment_files_is_one() {
    let page = fs::read_to_string(docs().join("experiments.md")).expect("the page is there");
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let here = tempfile::tempdir().expect("a temporary folder");
    let path = here.path().join("example.toml");
    fs::write(&path, blocks.collect::<String>()).expect("the example is written");
    let plan = said(&["plan", &path.display().to_string(), "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    // 12 of 5 x 3 points, by 5 seeds; the two that are excluded are in the sample or not.
    let n = |key: &str| plan[key].as_u64().expect("a number");
    assert_eq!(n("cells") + n("excluded"), 60);
    assert!(n("excluded") <= 10, "{plan}");
}

#[test]
fn keys_are_found_by_section_name_and_end() {
    let keys = |asked: &str| -> Vec<String> {
        let rows: serde_json::Value = serde_json::from_str(&said(&["keys", asked, "--json"])).expect("JSON");
        let rows = rows.as_array().expect("a list");
        rows.iter().map(|row| row["key"].as_str().expect("a key").to_owned()).collect()
    };
    assert_eq!(keys("fabric.nic_gbps"), ["fabric.nic_gbps"]);
    assert_eq!(keys("granularity"), ["oracle.granularity", "transfer.granularity"]);
    assert_eq!(keys("selection"), ["selection.at"]);
    assert!(keys("policy").contains(&"policy.smg.kv_pressure_s".to_owned()));
    let wrong = Command::new(env!("CARGO_BIN_EXE_netkv")).args(["keys", "nic_gpbs"]).output().expect("it runs");
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("there is no key nic_gpbs; did you mean nic_gbps?"));
}

#[test]
fn every_page_is_in_the_list_of_pages() {
    let list = fs::read_to_string(docs().join("README.md")).expect("the list is there");
    for entry in fs::read_dir(docs()).expect("the folder of pages") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let links = [format!("]({name})"), format!("]({name}/)")];
        let lines = list.lines().filter(|line| links.iter().any(|link| line.contains(link))).count();
        assert!(name == "README.md" || lines == 1, "{name} stands in {lines} lines of docs/README.md, not in one");
    }
}
