//! What breaks from outside: kills, limits, folders that go, files that change. Each ends in a word, and the next run is
//! as if nothing had been.
#![cfg(unix)]

mod command;

use command::{check, folder, netkv};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Every file in a folder, as seen from it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).expect("a folder").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path)
            } else {
                found.push(path.strip_prefix(folder).expect("in it").to_owned())
            }
        }
    }
    found.sort();
    found
}

/// What is in a folder of results that no run needs.
fn left_over(folder: &Path) -> Vec<PathBuf> {
    let kept = [
        "cells.parquet",
        "summary.parquet",
        "provenance.parquet",
        "requests.parquet",
        "manifest.toml",
        "cells/experiment",
    ];
    let is_kept = |path: &PathBuf| {
        let name = path.to_string_lossy();
        kept.contains(&&*name) || name.starts_with("cells/segment-") || name.starts_with("cells/requests-")
    };
    files(folder).into_iter().filter(|path| !is_kept(path)).collect()
}

/// Runs netkv under a limit of the shell's.
fn limited(here: &Path, limit: &str, arguments: &str) -> Output {
    let line = format!("{limit}; exec '{}' {arguments}", env!("CARGO_BIN_EXE_netkv"));
    Command::new("bash").args(["-c", &line]).current_dir(here).output().expect("bash runs")
}

#[test]
fn a_limit_on_files_is_told_and_leaves_nothing() {
    let here = folder("seeds = 10\n");
    let ended = limited(here.path(), "ulimit -f 16", "run x.toml --quiet");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(75), "{said}");
    assert!(said.contains("error: cannot write results/x/") && said.contains("File too large"), "{said}");
    assert_eq!(left_over(&here.path().join("results/x")), Vec::<PathBuf>::new());
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
}

#[test]
fn too_many_jobs_are_cut_with_a_word() {
    let here = folder("");
    for jobs in ["65536", "1000000"] {
        let said = check(here.path(), &["run", "x.toml", "--jobs", jobs, "--out", jobs], 0).stderr;
        assert!(said.contains(&format!("note: --jobs {jobs}: ")) && said.contains("4 on each core"), "{said}");
    }
}

#[test]
fn a_cell_that_takes_too_long_is_a_failed_row_and_is_run_again() {
    let here = folder("");
    let said = check(here.path(), &["run", "x.toml", "--max-cell-s", "1e-9"], 1).stderr;
    assert!(said.contains("cell 0 failed: stopped after 0.000000001 s (--max-cell-s): "), "{said}");
    assert!(said.contains("s simulated, the last request arrives at ") && said.contains("12 FAILED"), "{said}");
    assert!(check(here.path(), &["run", "x.toml", "--max-cell-s", "600"], 0).stderr.contains("12 cells done"));
    for seconds in ["0", "-1", "NaN", "soon"] {
        let said = check(here.path(), &["run", "x.toml", &format!("--max-cell-s={seconds}")], 64).stderr;
        assert!(said.contains("seconds are a number above 0, such as 600"), "{said}");
    }
}

#[test]
fn a_folder_that_goes_while_cells_run_is_an_error() {
    let here = folder("seeds = 100\n");
    for goes in [|from: &Path| fs::rename(from, from.with_file_name("y")), |from: &Path| fs::remove_dir_all(from)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netkv"));
        command.current_dir(here.path()).args(["run", "x.toml", "--jobs", "1"]).stdout(Stdio::null());
        let child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let own = here.path().join("results/x");
        while !own.join("cells/segment-000001.jsonl").is_file() {
            std::thread::sleep(Duration::from_millis(2));
        }
        // A file may come while the folder is removed.
        while goes(&own).is_err() {}
        let ended = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(75), "{said}");
        assert!(said.contains("the folder was removed or renamed while cells of it were run"), "{said}");
    }
}

#[test]
fn one_flipped_bit_in_a_table_is_found_wherever_it_is_read() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let results = here.path().join("results/x");
    for (name, command) in [
        ("summary.parquet", &["figures"][..]),
        ("cells.parquet", &["compare", "results/x", "--values", "round_robin", "netkv_guarded"]),
        ("cells.parquet", &["report", "results/x", "--out", "page.html"]),
    ] {
        let whole = fs::read(results.join(name)).expect("a table");
        for at in [whole.len() / 3, whole.len() / 2, whole.len() * 2 / 3] {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            fs::write(results.join(name), flipped).expect("written");
            let ended = netkv(here.path(), command);
            assert!(ended.code != Some(0), "{name} at {at}: {}", ended.stderr);
            assert!(
                ended.stderr.contains("is not the table that") && ended.stderr.contains("netkv run"),
                "{}",
                ended.stderr
            );
        }
        check(here.path(), &["run", "x.toml", "--quiet"], 0);
        assert!(fs::read(results.join(name)).expect("a table") == whole, "it is made anew");
    }
}

#[test]
fn kept_requests_that_changed_or_were_exchanged_are_made_again() {
    let here = folder("record = 'requests'\n");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let results = here.path().join("results/x");
    let whole = fs::read(results.join("requests.parquet")).expect("a table");
    let kept: Vec<PathBuf> = files(&results).into_iter().filter(|path| path.starts_with("cells/requests-2")).collect();
    assert_eq!(kept.len(), 12);
    let (one, two) = (results.join(&kept[0]), results.join(&kept[1]));
    let bytes = fs::read(&one).expect("a table");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for (path, content) in [(&one, flipped), (&two, bytes)] {
        fs::write(path, content).expect("written");
        let said = check(here.path(), &["run", "x.toml"], 0).stderr;
        assert!(said.contains("1 cells done, 11 done before"), "{said}");
        assert!(fs::read(results.join("requests.parquet")).expect("a table") == whole);
    }
    assert!(check(here.path(), &["run", "x.toml"], 0).stderr.contains("nothing to do"));
}

/// One sum of the table of cells, however it was come by, and no file left behind. `scripts/faults.sh` does it at length.
#[test]
fn killed_and_stopped_runs_end_in_the_same_table_and_leave_no_file() {
    let here = folder("seeds = 12\nrecord = 'requests'\n");
    check(here.path(), &["run", "x.toml", "--quiet", "--out", "whole"], 0);
    let sum = |out: &str| {
        ["cells.parquet", "requests.parquet", "manifest.toml"].map(|name| {
            netkv_units::sha256_hex(&fs::read(here.path().join(out).join("x").join(name)).expect("it is there"))
        })
    };
    for round in 0..14_u64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netkv"));
        command.current_dir(here.path()).args(["run", "x.toml", "--quiet", "--jobs", "2"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(40 + round * 67 % 400));
        let signal = ["-KILL", "-TERM", "-KILL", "-INT"][round as usize % 4];
        // It may have ended by itself.
        let pid = child.id().to_string();
        Command::new("kill").args([signal, &pid]).stderr(Stdio::null()).status().expect("kill runs");
        if round % 8 == 3 {
            Command::new("kill").args(["-INT", &pid]).stderr(Stdio::null()).status().expect("kill runs");
        }
        child.wait().expect("it ends");
    }
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    assert_eq!(sum("results"), sum("whole"));
    assert_eq!(left_over(&here.path().join("results/x")), Vec::<PathBuf>::new());
    // Segments that were torn, and in which a bit flipped.
    let results = here.path().join("results/x");
    for (number, path) in
        files(&results).into_iter().filter(|path| path.to_string_lossy().contains("segment-")).enumerate()
    {
        let mut bytes = fs::read(results.join(&path)).expect("a segment");
        let middle = bytes.len() / 2;
        if number % 2 == 0 {
            bytes.truncate(middle)
        } else {
            bytes[middle] ^= 1
        }
        fs::write(results.join(path), bytes).expect("written");
    }
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    assert_eq!(sum("results"), sum("whole"));
}

/// The same rows whether cells were stopped by the limit or had ended before it was set; the key of a cell has none of it.
#[test]
fn limits_of_the_file_make_failed_rows_and_change_no_other() {
    let here = folder("record = 'requests'\n");
    let body = fs::read_to_string(here.path().join("x.toml")).expect("the experiment");
    let with =
        |limits: &str| fs::write(here.path().join("x.toml"), format!("{body}[run]\n{limits}\n")).expect("written");
    let tables = |out: &str| {
        ["cells.parquet", "summary.parquet", "requests.parquet"]
            .map(|name| fs::read(here.path().join(out).join("x").join(name)).expect("it is there"))
    };
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let free = tables("results");
    with("max_events = 3000");
    let said = check(here.path(), &["run", "x.toml"], 1).stderr;
    assert!(said.contains("it has more than 3000 events (run.max_events); again: netkv cell x.toml "), "{said}");
    assert!(said.contains("0 cells done, 3 done before, 9 FAILED"), "{said}");
    check(here.path(), &["run", "x.toml", "--quiet", "--out", "fresh"], 1);
    assert!(tables("results") == tables("fresh"), "what was stored before makes no difference");
    with("max_events = 1000000");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    assert!(tables("results") == free, "a limit that nobody comes to changes nothing");
    with("max_cell_s = 1e-9");
    let said = check(here.path(), &["run", "x.toml", "--out", "slow"], 1).stderr;
    assert!(said.contains("stopped after 0.000000001 s (run.max_cell_s): ") && said.contains("12 FAILED"), "{said}");
    check(here.path(), &["run", "x.toml", "--quiet", "--out", "slow", "--max-cell-s", "600"], 0);
    assert!(tables("slow") == free);
    assert!(check(here.path(), &["run", "x.toml"], 0).stderr.contains("nothing to do"), "what is done stays done");
    for (wrong, words) in [
        ("max_cell_s = -1", "run.max_cell_s = -1 is not allowed; allowed: at least 0 and at most 1000000000"),
        ("max_events = 0.5", "run.max_events = 0.5 is not allowed; allowed: an integer, 0 to "),
        ("max_event = 5", "run.max_event is not a known key; did you mean run.max_events?"),
    ] {
        with(wrong);
        let said = check(here.path(), &["run", "x.toml"], 65).stderr;
        assert!(said.contains(words), "{said}");
    }
}

/// 75 would have schedulers try for ever.
#[test]
fn what_the_system_will_refuse_again_ends_with_73() {
    let here = folder("");
    fs::write(here.path().join("file"), "").expect("written");
    for out in ["file", "file/below", "/proc/netkv"] {
        let ended = netkv(here.path(), &["run", "x.toml", "--quiet", "--out", out]);
        let lasting = out.starts_with("file");
        assert!(
            ended.code == Some(73) || !lasting && ended.code == Some(75),
            "{out}: {:?} {}",
            ended.code,
            ended.stderr
        );
        assert!(ended.stderr.contains("error: cannot write "), "{}", ended.stderr);
    }
    // As somebody who may not: root may do everything.
    let locked = here.path().join("locked");
    fs::create_dir(&locked).expect("a folder");
    let line = "chmod 555 locked; touch locked/try 2> /dev/null && exec setpriv --reuid=65534 --clear-groups \"$0\" run x.toml --out locked; \
                exec \"$0\" run x.toml --out locked";
    let mut command = Command::new("bash");
    let ended = command.args(["-c", line, env!("CARGO_BIN_EXE_netkv")]).current_dir(here.path()).output();
    let ended = ended.expect("bash runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    if said.contains("Permission denied") && said.contains("cannot write") {
        assert_eq!(ended.status.code(), Some(73), "{said}");
    } else {
        println!("not tried: nobody else could be run as here: {said}");
    }
}
