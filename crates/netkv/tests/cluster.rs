//! `netkv cluster import`: what is written is a valid experiment of the cluster that was read, or nothing is written.

mod command;

use command::{check, netkv};
use netkv_grid::{Experiment, LoadOptions};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Two pods of two racks of two servers.
const TREE: &str = "SwitchName=core Switches=spine[1-2]\nSwitchName=spine1 Switches=leaf[1-2]\nSwitchName=spine2 \
                    Switches=leaf[3-4]\nSwitchName=leaf1 Nodes=n[1-2]\nSwitchName=leaf2 Nodes=n[3-4]\nSwitchName=leaf3 \
                    Nodes=n[5-6]\nSwitchName=leaf4 Nodes=n[7-8]\n";

const FILE: [&str; 5] = ["cluster", "import", "topology.conf", "-o", "my-cluster.toml"];

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("topology.conf"), TREE).expect("the input is written");
    folder
}

fn arguments(more: &str) -> Vec<&str> {
    FILE.into_iter().chain(more.split_whitespace()).collect()
}

/// The keys of the first cell of a file.
fn keys(path: &Path) -> impl Fn(&str) -> String {
    let experiment = Experiment::load(path, &LoadOptions::default()).expect("a valid experiment");
    let cell = experiment.cell(0).expect("a cell");
    let resolved = experiment.resolved(&cell);
    move |key| resolved.iter().find(|(known, ..)| known == key).expect(key).1.clone()
}

#[test]
fn what_is_written_reads_back_as_the_same_fabric_and_can_be_planned() {
    let here = folder();
    let more = "--gpus-per-node 8 --set cluster.tp=4 --prefill-servers n[1,5] --set fabric.nic_gbps=400 --assume-base";
    let ended = check(here.path(), &arguments(more), 0);
    assert!(
        ended.stdout.starts_with("my-cluster.toml: 2 pods x 2 racks x 2 nodes x 8 GPUs = 64 GPUs\n"),
        "{}",
        ended.stdout
    );
    assert!(ended.stderr.contains("topology.conf was read as slurm tree"), "{}", ended.stderr);
    let path = here.path().join("my-cluster.toml");
    let key = keys(&path);
    let shape =
        ["pods", "racks_per_pod", "nodes_per_rack", "gpus_per_node"].map(|name| key(&format!("cluster.{name}")));
    assert_eq!(shape, ["2", "2", "2", "8"]);
    assert_eq!(key("cluster.prefill_instances"), "4");
    assert_eq!(key("cluster.placement"), "[0, 1, 8, 9]", "two instances of n1, the first server, and of n5, the fifth");
    assert_eq!((key("fabric.nic_gbps").as_str(), key("fabric.rack_oversubscription").as_str()), ("400", "2"));
    let text = fs::read_to_string(&path).expect("the file");
    let told = text.split("# NOT TOLD").nth(1).and_then(|rest| rest.split("\n[").next()).expect("what is not told");
    let asked: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("#   ")?.split(':').next()).collect();
    let expected =
        ["nvlink_gbytes_per_s", "rack_oversubscription", "pod_oversubscription"].map(|key| format!("fabric.{key}"));
    assert_eq!(asked[..3], expected.each_ref().map(String::as_str));
    assert_eq!(asked[3..], ["background.kind", "model.profile"]);
    assert!(text.contains("#   rack 1 (leaf4): n[7-8]"), "{text}");
    let plan = check(here.path(), &["plan", "my-cluster.toml"], 0);
    assert!(plan.stdout.contains("90"), "3 loads x 6 policies x 5 seeds: {}", plan.stdout);
}

#[test]
fn what_is_not_told_is_asked_for_by_key_all_at_once() {
    let here = folder();
    let ended = check(here.path(), &arguments(""), 65);
    assert!(
        ended
            .stderr
            .contains("topology.conf: nothing tells the GPUs of n1, n2, n3, n4, n5, n6 and 2 more: --gpus-per-node N"),
        "{}",
        ended.stderr
    );
    let ended = check(here.path(), &arguments("--gpus-per-node 8"), 65);
    for key in [
        "cluster.tp",
        "cluster.prefill_instances",
        "cluster.placement",
        "fabric.nic_gbps",
        "fabric.pod_oversubscription",
        "model.profile",
    ] {
        assert!(ended.stderr.contains(&format!("the input does not tell {key} (")), "{key}: {}", ended.stderr);
    }
    assert!(
        ended.stderr.contains("10 things are missing or wrong") && ended.stderr.contains("--assume-base"),
        "{}",
        ended.stderr
    );
    assert!(!here.path().join("my-cluster.toml").exists());
}

#[test]
fn a_file_that_would_be_no_experiment_is_not_written() {
    let here = folder();
    for (more, code, words) in [
        ("--gpus-per-node 8 --assume-base --set cluster.tp=3", 65, "cluster.tp"),
        ("--gpus-per-node 8 --assume-base --set fabric.nic_gbsp=3", 65, "fabric.nic_gbps"),
        ("--gpus-per-node 8 --assume-base --set cluster.pods=3", 65, "--set cluster.pods: the input tells it"),
        ("--gpus-per-node 8 --assume-base --prefill-servers n1", 65, "--set cluster.tp=GPUS"),
        ("--gpus-per-node 8 --assume-base --set policy.name=netkv", 65, "policy.name"),
        ("--gpus-per-node 8 --set seeds=3", 64, "allowed: KEY=VALUE"),
        ("--leave-out n[1", 64, "--leave-out: \"n[1\" has a bracket"),
        ("--prefill-servers n1 --role-label role", 64, "cannot be used with"),
    ] {
        let ended = check(here.path(), &arguments(more), code);
        assert!(ended.stderr.contains(words), "{more}: {}", ended.stderr);
        assert!(!ended.stderr.contains(".tmp"), "the temporary file has no name for the user: {}", ended.stderr);
    }
    let names: Vec<_> = fs::read_dir(here.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["topology.conf"], "nothing is left");
}

#[test]
fn a_file_that_is_there_stays_unless_force_is_said() {
    let here = folder();
    let path = here.path().join("my-cluster.toml");
    fs::write(&path, "mine").expect("a file");
    let more = "--gpus-per-node 8 --set cluster.tp=4 --assume-base";
    let ended = check(here.path(), &arguments(more), 64);
    assert!(ended.stderr.contains("my-cluster.toml is there already"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(&path).expect("the file"), "mine");
    check(here.path(), &arguments(&format!("{more} --force")), 0);
    assert!(fs::read_to_string(&path).expect("the file").contains("pods = 2"));
    let ended = netkv(here.path(), &["cluster", "import", "none.conf", "-o", "x.toml"]);
    assert_eq!(ended.code, Some(65), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot read none.conf"), "{}", ended.stderr);
}

#[test]
fn an_input_may_come_through_a_pipe() {
    let here = folder();
    let arguments = "cluster import - -o piped.toml --gpus-per-node 8 --set cluster.tp=4 --assume-base";
    let mut child = Command::new(env!("CARGO_BIN_EXE_netkv"))
        .current_dir(here.path())
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(TREE.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(keys(&here.path().join("piped.toml"))("cluster.racks_per_pod"), "2");
}
