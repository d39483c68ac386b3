//! Sweeps in several processes: shards, gathering, status, verification, and the lines for schedulers.

mod command;

use command::{check, experiments, folder, said};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

fn table(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("x/cells.parquet")).expect("the table is there")
}

fn stored(cells: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cells).expect("the store").flatten().map(|entry| entry.path());
    let mut segments: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
    segments.sort();
    segments
}

/// Lines of all segments but their headers.
fn n_stored(cells: &Path) -> usize {
    stored(cells).iter().map(|path| fs::read_to_string(path).expect("a segment").lines().count() - 1).sum()
}

#[test]
fn shards_that_are_gathered_are_the_run_as_a_whole_whatever_their_number() {
    let here = folder("record = 'requests'\n");
    check(here.path(), &["run", "x.toml", "--out", "whole", "--quiet"], 0);
    for shard in ["1/3", "2/3"] {
        let ran = check(here.path(), &["run", "x.toml", "--shard", shard, "--quiet"], 0);
        assert!(
            ran.stderr.contains(&format!("shard {shard} (as many cells as every other): x.toml: 4 cells done")),
            "{}",
            ran.stderr
        );
        assert!(ran.stdout.is_empty() && !here.path().join("results/x/cells.parquet").exists(), "no tables of a part");
    }
    let refused = check(here.path(), &["gather", "results/x"], 3).stderr;
    assert!(refused.contains("x.toml: 4 of 12 cells are missing\n  cell "), "{refused}");
    // Another number, and another folder: what is there already is run again there, once.
    for shard in ["1/2", "2/2"] {
        check(
            here.path(),
            &["run", "x.toml", "--shard", shard, "--out", &format!("node{}", &shard[..1]), "--quiet"],
            0,
        );
    }
    let apart = ["gather", "node1/x", "node2/x", "--experiment", "x.toml", "--out", "all"];
    let done = check(here.path(), &apart, 0);
    assert!(done.stderr.contains("x.toml: 12 cells gathered from 2 folders, none failed"), "{}", done.stderr);
    assert_eq!(done.stdout, check(here.path(), &["run", "x.toml", "--out", "whole"], 0).stdout, "the same answer");
    for name in ["cells.parquet", "summary.parquet", "requests.parquet", "manifest.toml"] {
        let read = |out: &str| fs::read(here.path().join(out).join("x").join(name)).expect("it is there");
        assert!(read("all") == read("whole"), "{name}");
    }
    let before = stored(&here.path().join("all/x/cells"));
    check(here.path(), &apart, 0);
    assert_eq!(stored(&here.path().join("all/x/cells")), before, "nothing is copied twice");
    check(here.path(), &["run", "x.toml", "--shard", "3/3", "--quiet"], 0);
    check(here.path(), &["gather", "results/x"], 0);
    assert!(table(&here.path().join("results")) == table(&here.path().join("whole")));
    assert!(check(here.path(), &["run", "x.toml", "--out", "all"], 0).stderr.contains("nothing to do"));
}

#[test]
fn a_shard_is_told_by_two_numbers() {
    let here = folder("");
    for shard in ["0/3", "4/3", "3", "a/b", "1/0"] {
        let said = check(here.path(), &["run", "x.toml", "--shard", shard], 64).stderr;
        assert!(said.contains("a shard is K/N, the K-th of N from 1, such as 3/8"), "{said}");
    }
    check(here.path(), &["run", "x.toml", "--shard", "1/3", "--json"], 64);
    // What cells took before balances shards.
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let said = check(here.path(), &["run", "x.toml", "--shard", "2/3"], 0).stderr;
    assert!(said.contains("shard 2/3 (by what 12 cells took before)") && said.contains("nothing to do"), "{said}");
}

#[test]
fn what_cannot_be_gathered_is_refused_with_the_reason() {
    let here = folder("");
    let refused = check(here.path(), &["gather", "nowhere"], 64).stderr;
    assert!(refused.contains("say which with --experiment FILE"), "{refused}");
    let refused = check(here.path(), &["gather", "nowhere", "--experiment", "x.toml"], 65).stderr;
    assert!(refused.contains("nowhere is no folder of results"), "{refused}");
    for (number, out) in [("1/2", "one"), ("2/2", "two")] {
        check(here.path(), &["run", "x.toml", "--shard", number, "--out", out, "--quiet"], 0);
    }
    let gather = ["gather", "one/x", "two/x", "--experiment", "x.toml"];
    let segment = here.path().join("two/x/cells/segment-000001.jsonl");
    let text = fs::read_to_string(&segment).expect("a segment");
    let (header, lines) = text.split_once('\n').expect("a header");
    let with = |from: &str, to: &str| {
        let record = header.split_once("\"record\":").expect("a record").1.strip_suffix('}').expect("its end");
        let record = record.replacen(from, to, 1);
        let check = netkv_units::Digester::new().bytes(record.as_bytes()).finish().to_string();
        let header = format!("{{\"check\":\"{}\",\"record\":{record}}}", &check[..16]);
        fs::write(&segment, format!("{header}\n{lines}")).expect("written");
    };
    with("\"compiler\":\"", "\"compiler\":\"another ");
    let refused = check(here.path(), &gather, 65).stderr;
    assert!(refused.contains("cells were run by 2 versions of netkv") && refused.contains(": in two/x"), "{refused}");
    check(here.path(), &[&gather[..], &["--mixed", "--out", "mixed"]].concat(), 0);
    with("\"epoch\":", "\"epoch\":9");
    let refused = check(here.path(), &gather, 3).stderr;
    assert!(refused.contains("two/x has 0 of them all: the model was epoch 9"), "{refused}");
    with("", "");
    check(here.path(), &gather, 0);
    // Another trace.
    fs::remove_dir_all(here.path().join("two")).expect("it is there");
    fs::remove_dir_all(here.path().join("results")).expect("it is there");
    let set = "workload.trace=\"synthetic:conversation:2\"";
    check(here.path(), &["run", "x.toml", "--set", set, "--out", "two", "--quiet"], 0);
    let other = fs::read_dir(here.path().join("two")).expect("it is there").flatten().next().expect("results").path();
    let other = other.display().to_string();
    let refused = check(here.path(), &["gather", "one/x", &other, "--experiment", "x.toml"], 3).stderr;
    assert!(
        refused.contains("the trace was mooncake-like generator, seed 2") && refused.contains("seed 1"),
        "{refused}"
    );
    assert!(!here.path().join("results").exists(), "nothing is written");
}

/// Starts a run of 240 cells.
fn start(here: &Path, more: &[&str]) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netkv"));
    command.current_dir(here).args(["run", "x.toml", "--jobs", "1"]).args(more);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
}

fn many() -> tempfile::TempDir {
    folder("seeds = 40\n[workload]\nmax_requests = 600\n")
}

fn wait_for_a_cell(here: &Path) {
    while !here.join("results/x/cells/segment-000001.jsonl").is_file() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn two_processes_in_one_folder_share_the_cells_and_both_know_all_of_them() {
    let here = many();
    let children = [start(here.path(), &[]), start(here.path(), &["--filter", "regime=congested"])];
    wait_for_a_cell(here.path());
    let status = check(here.path(), &["status", "x.toml", "--json"], 0).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let n = |key: &str| status[key].as_u64().expect("a number");
    assert!(n("running") >= 1 && n("done") + n("running") + n("remaining") == 240, "{status}");
    let said: Vec<String> = children
        .into_iter()
        .map(|child| {
            let ended = child.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!(ended.status.code(), Some(0), "{said}");
            said
        })
        .collect();
    assert!(said.concat().contains("by other processes"), "{said:?}");
    assert_eq!(n_stored(&here.path().join("results/x/cells")), 240, "each cell was run once");
    assert!(!here.path().join("results/x/cells/claims").exists(), "nobody is there any more");
    check(here.path(), &["run", "x.toml", "--quiet", "--out", "whole"], 0);
    assert!(table(&here.path().join("results")) == table(&here.path().join("whole")));
    let (text, _) = command::said(here.path(), &["status", "x.toml"], 0);
    assert_eq!(text, "x.toml: 240 cells\n  done: 240\n  running: 0\n  failed: 0\n  remaining: 0\n");
}

#[cfg(unix)]
#[test]
fn what_a_killed_process_had_is_taken_over_at_once_and_what_it_left_is_cleared_away() {
    let here = many();
    let mut running = start(here.path(), &[]);
    wait_for_a_cell(here.path());
    running.kill().expect("it is there");
    running.wait().expect("it ends");
    let claims = here.path().join("results/x/cells/claims");
    let left: Vec<_> = fs::read_dir(&claims).expect("its lease").collect();
    assert!(!left.is_empty(), "nobody cleared it away");
    for name in [".netkv-0-a.tmp", ".tmpAbCdEf.tmp"] {
        // Of another machine and of an earlier version: not before they are old.
        fs::write(here.path().join("results/x").join(name), "").expect("written");
    }
    let old = here.path().join("results/x/.tmpAbCdEf.tmp");
    let age = Command::new("touch").args(["-d", "1 hour ago"]).arg(&old).status().expect("touch runs");
    assert!(age.success());
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    assert!(!claims.exists() && !old.exists(), "what it left is gone");
    assert!(here.path().join("results/x/.netkv-0-a.tmp").exists(), "its process may run elsewhere");
}

#[test]
fn verify_runs_stored_cells_again_and_finds_one_that_came_out_otherwise() {
    let here = folder("");
    let nothing = check(here.path(), &["verify", "x.toml"], 65).stderr;
    assert!(nothing.contains("no finished cell of x.toml is in results/x/cells"), "{nothing}");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let (same, _) = said(here.path(), &["verify", "x.toml", "--quiet"], 0);
    assert_eq!(same, "x.toml: 12 of 12 stored cells were run again and are the same to the last bit\n");
    let (same, _) = said(here.path(), &["verify", "x.toml", "--sample", "5"], 0);
    assert!(same.starts_with("x.toml: 5 of 12 stored cells"), "{same}");
    // As a model that changed without a new epoch would leave it: another digest, rightly checked.
    let segment = here.path().join("results/x/cells/segment-000001.jsonl");
    let text = fs::read_to_string(&segment).expect("a segment");
    let line = text.lines().nth(3).expect("a cell");
    let record = line.split_once("\"record\":").expect("a record").1.strip_suffix('}').expect("its end");
    let at = record.find("\"digest\":\"").expect("a digest") + 10;
    let record = format!("{}{}{}", &record[..at], "0".repeat(32), &record[at + 32..]);
    let sum = netkv_units::Digester::new().bytes(record.as_bytes()).finish().to_string();
    let other = format!("{{\"check\":\"{}\",\"record\":{record}}}", &sum[..16]);
    fs::write(&segment, text.replace(line, &other)).expect("written");
    let (_, told) = said(here.path(), &["verify", "x.toml", "--quiet"], 4);
    assert!(
        told.contains("is stored,")
            && told.contains("stored by netkv ")
            && told.contains("1 of 12 cells came out OTHER"),
        "{told}"
    );
}

#[test]
fn the_lines_for_schedulers_say_what_is_run() {
    let here = folder("");
    let emit = |kind: &str| said(here.path(), &["emit", kind, "x.toml", "--shards", "4", "--out", "my results"], 0).0;
    let slurm = emit("slurm");
    for words in [
        "#!/bin/bash\n",
        "#SBATCH --array=1-4\n",
        "netkv run x.toml --out 'my results' --quiet --jobs 1 --shard \"$SLURM_ARRAY_TASK_ID/4\"\n",
        "netkv gather 'my results/x' --experiment x.toml",
    ] {
        assert!(slurm.contains(words), "{words} is not in\n{slurm}");
    }
    let k8s = emit("k8s");
    for words in
        ["completionMode: Indexed", "completions: 4", "--shard $((JOB_COMPLETION_INDEX + 1))/4\"]", "name: x\n"]
    {
        assert!(k8s.contains(words), "{words} is not in\n{k8s}");
    }
    assert!(emit("parallel").contains("seq 4 | parallel"));
    // The script itself, with a stand-in for parallel that runs one shard after the other.
    let bin = here.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    let shim =
        "#!/bin/sh\nfor last; do :; done\nwhile read n; do sh -c \"$(echo \"$last\" | sed \"s/{}/$n/\")\"; done\n";
    fs::write(bin.join("parallel"), shim).expect("written");
    let made = Command::new("chmod").arg("+x").arg(bin.join("parallel")).status().expect("chmod runs");
    assert!(made.success());
    let own = Path::new(env!("CARGO_BIN_EXE_netkv")).parent().expect("a folder");
    let path = format!("{}:{}:{}", bin.display(), own.display(), std::env::var("PATH").unwrap_or_default());
    fs::write(here.path().join("all.sh"), emit("parallel")).expect("written");
    let ran = Command::new("sh").arg("all.sh").current_dir(here.path()).env("PATH", path).output().expect("sh runs");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && told.contains("12 cells gathered from 1 folders"), "{told}");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    assert!(table(&here.path().join("my results")) == table(&here.path().join("results")));
    assert!(experiments().is_dir());
}

/// Another machine, whose locks are not seen here: its lease counts by its age.
#[cfg(unix)]
#[test]
fn the_claim_of_another_machine_holds_until_its_lease_is_stale() {
    let here = folder("");
    let plan = check(here.path(), &["plan", "x.toml", "--explain", "5", "--json"], 0).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    let key = plan["key"].as_str().expect("a key");
    let claims = here.path().join("results/x/cells/claims");
    fs::create_dir_all(&claims).expect("a folder");
    fs::write(claims.join("run-far"), "run-far\nfar\nprocess 7 on far\n").expect("a lease");
    fs::hard_link(claims.join("run-far"), claims.join(key)).expect("a claim");
    let (text, _) = said(here.path(), &["status", "x.toml"], 0);
    assert!(text.contains("running: 1 (process 7 on far: 1)\n") && text.contains("remaining: 11\n"), "{text}");
    let others = ["run", "x.toml", "--quiet", "--filter", "seed=1"];
    check(here.path(), &others, 0);
    assert!(claims.join(key).exists(), "it is not touched");
    let aged = Command::new("touch").args(["-d", "3 minutes ago"]).arg(claims.join("run-far")).status();
    assert!(aged.expect("touch runs").success());
    let ran = check(here.path(), &["run", "x.toml"], 0).stderr;
    assert!(ran.contains("6 cells done, 6 done before"), "{ran}");
    assert!(!claims.exists(), "nothing is left of it");
}

/// Killed between the making of its lease and the first word in it: the name tells whose it was.
#[cfg(target_os = "linux")]
#[test]
fn a_lease_without_a_word_is_cleared_away_by_the_next_run_on_its_machine() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let claims = here.path().join("results/x/cells/claims");
    fs::create_dir_all(&claims).expect("a folder");
    let id = fs::read("/proc/sys/kernel/random/boot_id").expect("the machine's");
    let [own, far] = [&netkv_units::sha256_hex(&id)[..8], "far"].map(|machine| claims.join(format!("run-{machine}-x")));
    [&own, &far].iter().for_each(|lease| fs::write(lease, "").expect("a lease"));
    assert!(check(here.path(), &["run", "x.toml"], 0).stderr.contains("nothing to do"));
    assert!(!own.exists() && far.exists(), "another machine may be about to write");
    fs::write(&own, "").expect("a lease");
    let held = fs::File::open(&own).expect("the lease");
    held.lock().expect("nobody else has it");
    check(here.path(), &["run", "x.toml"], 0);
    assert!(own.exists(), "a process runs");
}

/// Stopped, not killed: it holds its lock for ever, and touches its lease no more.
#[cfg(unix)]
#[test]
fn the_claims_of_a_stopped_process_run_out_and_it_ends_well_when_it_goes_on() {
    let here = many();
    let mut stopped = start(here.path(), &[]);
    wait_for_a_cell(here.path());
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &stopped.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    };
    signal("-STOP");
    let claims = here.path().join("results/x/cells/claims");
    let leases = fs::read_dir(&claims).expect("its claims").flatten().map(|entry| entry.path());
    let lease = leases.into_iter().find(|path| path.to_string_lossy().contains("/run-")).expect("its lease");
    let status = || {
        let (json, _) = said(here.path(), &["status", "x.toml", "--json"], 0);
        serde_json::from_str::<serde_json::Value>(&json).expect("JSON")
    };
    // Stopped between two cells it has both, or none.
    let running = status()["running"].as_u64();
    assert!(running.is_some_and(|n| n <= 2), "{running:?}");
    let aged = Command::new("touch").args(["-d", "3 minutes ago"]).arg(&lease).status();
    assert!(aged.expect("touch runs").success());
    assert_eq!(status()["running"], 0, "nobody runs it");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    assert_eq!(n_stored(&here.path().join("results/x/cells")), 240);
    signal("-CONT");
    let ended = stopped.wait().expect("it ends");
    assert_eq!(ended.code(), Some(0));
    assert!(!claims.exists(), "nobody is there any more");
    check(here.path(), &["run", "x.toml", "--quiet", "--out", "whole"], 0);
    assert!(table(&here.path().join("results")) == table(&here.path().join("whole")));
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_read_is_not_one_without_cells() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--shard", "1/1", "--out", "one", "--quiet"], 0);
    // A link to itself may be read by nobody, not by root either.
    std::os::unix::fs::symlink("loop", here.path().join("loop")).expect("a link");
    let refused = check(here.path(), &["gather", "one/x", "loop", "--experiment", "x.toml"], 65).stderr;
    assert!(refused.contains("cannot read loop/cells: "), "{refused}");
}

#[test]
fn failed_cells_do_not_count_as_remaining() {
    let here = folder("[run]\nmax_events = 3000\n");
    check(here.path(), &["run", "x.toml", "--quiet"], 1);
    let (text, _) = said(here.path(), &["status", "x.toml"], 0);
    assert!(text.contains("done: 3\n") && text.contains("failed: 9 (netkv run runs them again)\n"), "{text}");
    assert!(text.contains("remaining: 0\n"), "{text}");
}

#[test]
fn shards_have_a_largest_number_and_more_than_cells_are_told() {
    let here = folder("");
    for shards in ["0", "100001", "many"] {
        let refused = check(here.path(), &["emit", "slurm", "x.toml", "--shards", shards], 64).stderr;
        assert!(refused.contains("a number of shards is 1 to 100000"), "{refused}");
    }
    let told = check(here.path(), &["emit", "slurm", "x.toml", "--shards", "20"], 0).stderr;
    assert!(told.contains("12 cells in 20 shards: 8 of them have nothing to do"), "{told}");
}
