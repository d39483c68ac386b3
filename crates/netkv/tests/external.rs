//! Routers that are programs, from the command line.
#![cfg(unix)]

mod command;

use command::{check, folder, said};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A router that takes the first candidate, and does something else at question 20.
fn router(folder: &Path, name: &str, at_20: &str) {
    let script = format!(
        "import json, os, sys, time\n\
         for line in sys.stdin:\n    \
             m = json.loads(line)\n    \
             if m['type'] == 'hello':\n        \
                 print(json.dumps(dict(version=1, name='first', release='1.0', events=False)), flush=True)\n    \
             elif m['type'] == 'decide':\n        \
                 if m['question'] == 20:\n            {at_20}\n        \
                 print(json.dumps(dict(question=m['question'], instance=m['candidates'][0]['instance'])), flush=True)\n"
    );
    fs::write(folder.join(name), script).expect("a router");
}

/// One with one router, and a policy of ours beside it.
fn beside(command: &str) -> String {
    format!(
        "seeds = [1, 2]\n[policy.external]\ncommand = {command}\ntimeout_s = 2.0\n\
         [[axis]]\nkey = 'policy.name'\nvalues = ['round_robin', 'external']\n"
    )
}

#[test]
fn its_cells_stand_beside_ours_and_are_told_to_be_another_kind_of_result() {
    let here = folder(&beside("['python3', 'router.py']"));
    router(here.path(), "router.py", "pass");
    let (stdout, _) = said(here.path(), &["run", "x.toml", "--quiet"], 0);
    let told = "policy external is [\"python3\", \"router.py\"] (lines): NOT guaranteed to be repeatable; in all 2 runs a second \
                copy of it, asked the same, decided alike throughout";
    assert!(stdout.contains(told), "{stdout}");
    let manifest = fs::read_to_string(here.path().join("results/x/manifest.toml")).expect("a manifest");
    assert!(manifest.contains("[[router]]") && manifest.contains("repeatable = \"not guaranteed\""), "{manifest}");
    // A second time nothing runs; with another router its cells do, and ours do not.
    let (_, stderr) = said(here.path(), &["run", "x.toml"], 0);
    assert!(stderr.contains("nothing to run") || stderr.contains("4 done before"), "{stderr}");
    router(here.path(), "router.py", "pass  # another one");
    let plan = said(here.path(), &["plan", "x.toml", "--json"], 0).0;
    assert!(plan.contains("\"to_run\": 2"), "{plan}");
}

#[test]
fn a_copy_that_decides_otherwise_is_told() {
    let here = folder(&beside("['python3', 'router.py']"));
    // A file that the first of the two makes.
    let at_20 = "m['candidates'] = m['candidates'][:: -1 if os.system('mkdir mark 2> /dev/null') else 1]";
    router(here.path(), "router.py", at_20);
    let (stdout, _) = said(here.path(), &["run", "x.toml", "--quiet", "--jobs", "1", "--seeds", "1"], 0);
    assert!(
        stdout.contains("in its one run a second copy of it, asked the same, decided alike for the first"),
        "{stdout}"
    );
    assert!(stdout.contains("counts as looking at the network, which it is shown"), "{stdout}");
    // Run again it decides otherwise from the start, which is told, and is no fault of netkv's.
    let (stdout, stderr) = said(here.path(), &["verify", "x.toml", "--quiet", "--seeds", "1"], 0);
    assert!(stderr.contains("1 cells whose router is a program came out otherwise"), "{stderr}");
    assert!(stdout.contains("1 of 2 stored cells were run again and are the same to the last bit"), "{stdout}");
}

#[test]
fn a_router_at_fault_fails_its_cells_with_its_last_words_and_the_sweep_goes_on() {
    for (at_20, why) in [
        ("sys.stderr.write('model not loaded\\n'); sys.exit(3)", "ended with exit code 3"),
        ("sys.stderr.write('model not loaded\\n'); sys.stderr.flush(); time.sleep(60)", "did not answer within 2 s"),
        (
            "sys.stderr.write('model not loaded\\n'); sys.stderr.flush(); print('nonsense', flush=True)",
            "answered `nonsense`",
        ),
        (
            "sys.stderr.write('model not loaded\\n'); sys.stderr.flush(); m['candidates'][0]['instance'] = 4711",
            "instance 4711, which is none of its",
        ),
    ] {
        let here = folder(&beside("['python3', 'router.py']"));
        router(here.path(), "router.py", at_20);
        let (stdout, stderr) = said(here.path(), &["run", "x.toml"], 1);
        let all = format!("{stdout}{stderr}");
        assert!(all.contains(why) && all.contains("model not loaded"), "{at_20}: {all}");
        // Those of ours are done.
        let plan = said(here.path(), &["plan", "x.toml", "--json"], 0).0;
        assert!(plan.contains("\"done\": 2"), "{plan}");
        // One cell again says the same, and is no bug of ours.
        let (_, stderr) = said(here.path(), &["cell", "x.toml", "policy.name=external"], 65);
        assert!(stderr.contains(why) && !stderr.contains("bug"), "{stderr}");
    }
}

#[test]
fn mistakes_in_its_keys_are_told() {
    for (keys, why) in [
        ("command = []", "policy.name = \"external\" needs policy.external.command"),
        ("command = 'python3 router.py'", "a list of at most 256 strings"),
        ("command = ['python3', 3]", "a list of at most 256 strings"),
        ("command = ['x']\nprotocol = 'dynamo'", "needs policy.external.release"),
        ("command = ['x']\nprotocol = 'grpc'", "protocol"),
        ("command = ['x']\ntimeout_s = 0", "timeout_s"),
        (
            "command = ['x']\nprotocol = 'dynamo'\nrelease = '1.6.1'\n[scheduler]\nreplicas = 2\ngossip_s = 1",
            "goes with scheduler.replicas = 1",
        ),
        (
            "command = ['x']\nprotocol = 'dynamo'\nrelease = '1.6.1'\n[local_prefill]\nrule = 'short'",
            "goes with local_prefill.rule = \"never\"",
        ),
    ] {
        let here =
            folder(&format!("[policy.external]\n{keys}\n[[axis]]\nkey = 'policy.name'\nvalues = ['external']\n"));
        let (_, stderr) = said(here.path(), &["plan", "x.toml"], 65);
        assert!(stderr.contains(why), "{keys}: {stderr}");
    }
}

#[test]
fn no_router_is_left_where_netkv_is_killed() {
    let here = folder(&beside("['python3', 'router.py']"));
    router(here.path(), "router.py", "open('up', 'w').write(str(os.getpid())); time.sleep(600)");
    fs::write(here.path().join("x.toml"), command::text(&beside("['python3', 'router.py']")).replace("2.0", "600.0"))
        .expect("an experiment");
    let mut child = Command::new(env!("CARGO_BIN_EXE_netkv"))
        .current_dir(here.path())
        .args(["run", "x.toml", "--jobs", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let is_up = |_: &i32| {
        std::thread::sleep(Duration::from_millis(10));
        fs::read_to_string(here.path().join("up")).is_ok_and(|pid| !pid.is_empty())
    };
    assert!((0..3000).any(|turn| is_up(&turn)), "a router is asked");
    let pid = fs::read_to_string(here.path().join("up")).expect("its number");
    child.kill().expect("SIGKILL");
    child.wait().expect("it ended");
    let gone = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    });
    assert!(gone, "router {pid} is left");
}

#[test]
fn the_gate_is_nobodys_command() {
    let here = folder("");
    let (_, stderr) = said(here.path(), &["router-gate"], 1);
    assert!(stderr.contains("netkv's own"), "{stderr}");
    check(here.path(), &["conform", "dynamo", "x.toml", "--command", "python3"], 64);
}
