//! Ctrl-C in the middle of a run.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// 120 cells that take some time each.
const EXPERIMENT: &str = "
name = 'long'
seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
[workload]
max_requests = 3000
";

fn start(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_netkv"))
        .current_dir(folder)
        .args(["run", "long.toml", "--jobs", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

/// Whether the store has a finished cell.
fn has_finished(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder.join("results/long/cells")) else { return false };
    let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.into_iter().any(|text| text.lines().count() > 2)
}

#[test]
fn a_run_that_is_stopped_keeps_what_is_finished_writes_its_tables_and_goes_on_later() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/smoke.toml");
    let text = format!("extends = '{}'\n{EXPERIMENT}", smoke.canonicalize().expect("it is there").display());
    fs::write(here.path().join("long.toml"), text).expect("the experiment is written");
    let child = start(here.path());
    let waits = (0..3000).take_while(|_| !has_finished(here.path()));
    waits.for_each(|_| std::thread::sleep(Duration::from_millis(20)));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    for words in ["stopping: cells under way end", "stopped; ", "the same command goes on from here"] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
    let rows = || {
        let path = here.path().join("results/long/cells.parquet");
        netkv_frames::read_table(&path).expect("a table of what is finished").0.n_rows()
    };
    let kept = rows();
    assert!((1..120).contains(&kept), "{kept} of 120 rows: {said}");
    let again = start(here.path()).wait_with_output().expect("it ends");
    assert_eq!(again.status.code(), Some(0));
    assert!(
        String::from_utf8_lossy(&again.stderr).contains(&format!("{kept} done before")),
        "what was kept is not run again"
    );
    assert_eq!(rows(), 120);
}
