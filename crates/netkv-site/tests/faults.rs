//! What is wrong with inputs, each said with its line where there is one, and with what to do.

mod common;

use common::{said, with_gpus};
use netkv_site::{Choices, NvLink, Reading, Roles, read_site};
use serde_json::{Value, json};

#[track_caller]
fn check(text: &str, choices: &Choices, words: &[&str]) {
    check_read(text, &Reading::default(), choices, words);
}

#[track_caller]
fn check_read(text: &str, reading: &Reading, choices: &Choices, words: &[&str]) {
    let said = said(text, reading, choices);
    for words in words {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
}

/// Nodes with these labels.
fn nodes(labels: &[Value]) -> String {
    let item = |(at, labels): (usize, &Value)| json!({ "kind": "Node", "metadata": { "name": format!("n{at}"), "labels": labels } });
    json!({ "kind": "List", "items": labels.iter().enumerate().map(item).collect::<Vec<_>>() }).to_string()
}

const LEAF: &str = "fabric.topograph.run/tier-0";
const SPINE: &str = "fabric.topograph.run/tier-1";

fn on(leaf: &str, gpus: &str) -> Value {
    json!({ LEAF: leaf, "nvidia.com/gpu.count": gpus })
}

#[test]
fn json_that_is_none_of_nodes() {
    let whole = nodes(&[on("a", "8"), on("a", "8")]).replace("{\"kind\":\"Node\"", "\n{\"kind\":\"Node\"");
    check(
        &whole[..whole.len() - 30],
        &Choices::default(),
        &["in:3: no JSON of nodes: EOF while parsing", "it is cut off"],
    );
    check(
        "{\"kind\": \"List\", \"items\": 3}",
        &Choices::default(),
        &["in:1: no JSON of nodes: invalid type: integer `3`"],
    );
    check("{\"kind\": \"Pod\"}", &Choices::default(), &["in: a Pod; allowed: a list of nodes"]);
    check("{\"items\": [{\"kind\": \"Pod\"}]}", &Choices::default(), &["items[0] is a Pod; allowed: nodes"]);
    check("{\"items\": []}", &Choices::default(), &["no node tells of a GPU by nvidia.com/gpu.count, nvidia.com/gpu"]);
    check("<xml/>", &Choices::default(), &["neither JSON of nodes nor a Topograph model", "--format"]);
    check("", &Choices::default(), &["neither JSON of nodes"]);
    let twice = json!({ "items": [{ "metadata": { "name": "n" } }, { "metadata": { "name": "n" } }] }).to_string();
    check(&twice, &with_gpus(8), &["node n is there twice, as items[0] and items[1]"]);
    let newline = json!({ "items": [{ "metadata": { "name": "n\n[x]", "labels": on("a", "8") } }] }).to_string();
    check(&newline, &with_gpus(8), &["control characters"]);
    let bytes = [b"{\"items\":\n".as_slice(), &[0xff]].concat();
    assert_eq!(read_site(&bytes, &Reading::default()).expect_err("no text")[0].to_string(), "2: not UTF-8");
}

#[test]
fn labels_that_do_not_tell() {
    let bare = json!({ "nvidia.com/gpu.count": "8", "topology.kubernetes.io/zone": "z", "rack": "r1" });
    let other = json!({ "nvidia.com/gpu.count": "8", "topology.kubernetes.io/zone": "z", "rack": "r2" });
    let text = nodes(&[bare.clone(), bare, other]);
    check(
        &text,
        &Choices::default(),
        &["no label tells the switches above", "--tier-label LABEL", "labels that group nodes: rack"],
    );
    let reading = Reading { tier_labels: vec!["rcak".to_owned()], ..Reading::default() };
    check_read(
        &text,
        &reading,
        &Choices::default(),
        &["--tier-label rcak: no node has this label; did you mean rack?"],
    );
    let reading = Reading { tier_labels: vec!["rack".to_owned()], ..Reading::default() };
    check_read(&text, &reading, &Choices::default(), &["what joins the topmost switches (r1, r2): --joined"]);
    check_read(&text, &reading, &Choices { joined: true, ..Choices::default() }, &["rack r2 has 1 nodes, 1 have 2"]);
    let roles = |label: &str| Choices { roles: Roles::Label(label.to_owned()), ..Choices::default() };
    check(
        &nodes(&[on("a", "8")]),
        &roles("role"),
        &["--role-label role: no node has this label; there are fabric.topograph.run/tier-0"],
    );
    check(
        &nodes(&[json!({ LEAF: "a", "role": "both", "nvidia.com/gpu.count": "8" }), on("a", "8")]),
        &roles("role"),
        &["server n0: role = \"both\"; allowed: prefill, decode", "no role on n1"],
    );
    let regions = ["r1", "r2"]
        .map(|region| json!({ LEAF: "a", "nvidia.com/gpu.count": "8", "topology.kubernetes.io/region": region }));
    check(&nodes(&regions), &Choices::default(), &["nodes of 2 regions (r1, r2)", "kubectl get nodes -l"]);
    let cliques = [("x", "1"), ("x", "2")].map(|(domain, clique)| json!({ LEAF: "a", "nvidia.com/gpu.count": "8", "accelerator.topograph.run/domain": domain, "nvidia.com/gpu.clique": clique }));
    check(
        &nodes(&cliques),
        &Choices::default(),
        &["accelerator.topograph.run/domain and nvidia.com/gpu.clique tell different NVLink domains; --domain-label"],
    );
    let two = [("a", "s1"), ("a", "s2")]
        .map(|(leaf, spine)| json!({ LEAF: leaf, SPINE: spine, "nvidia.com/gpu.count": "8" }));
    check(
        &nodes(&two),
        &Choices { joined: true, ..Choices::default() },
        &["switch a is below s1, as n0 tells, and below s2, as n1 does"],
    );
    check(
        &nodes(&[json!({ LEAF: "a", SPINE: "s", "nvidia.com/gpu.count": "8" }), on("b", "8")]),
        &Choices::default(),
        &["server n1 is below 1 switches, n0 below 2"],
    );
}

#[test]
fn gpus_that_are_not_told_or_told_twice() {
    check(
        &nodes(&[json!({ LEAF: "a", "nvidia.com/gpu.product": "H100" })]),
        &Choices::default(),
        &["nothing tells the GPUs of n0: --gpus-per-node N"],
    );
    check(
        &nodes(&[on("a", "eight")]),
        &Choices::default(),
        &["node n0: nvidia.com/gpu.count = \"eight\"; allowed: a number"],
    );
    check(&nodes(&[on("a", "8")]), &with_gpus(4), &["--gpus-per-node 4, but server n0 has 8"]);
    let sliced = json!({ "items": [{ "metadata": { "name": "n", "labels": on("a", "8") }, "status": { "capacity": { "nvidia.com/gpu": "56" } } }] });
    check(
        &sliced.to_string(),
        &Choices::default(),
        &["the label tells 8 GPUs, the kubelet offers 56: --gpus-per-node N"],
    );
    check(
        &nodes(&[on("a", "8"), on("a", "4"), on("a", "8")]),
        &Choices::default(),
        &["node n1 has 4 GPUs, 2 have 8", "--take equal-part"],
    );
    check(
        &nodes(&[on("a", "8")]),
        &Choices { equal_part: true, ..Choices::default() },
        &["--take equal-part has no effect"],
    );
    check(
        &nodes(&[on("a", "8")]),
        &Choices { nvlink: Some(NvLink::Node), ..Choices::default() },
        &["--nvlink has no effect"],
    );
    check(
        &nodes(&[on("a", "8")]),
        &Choices { joined: true, ..Choices::default() },
        &["--joined has no effect: all servers are below a"],
    );
    check(
        &nodes(&[on("a", "8")]),
        &Choices { leave_out: vec!["n1".to_owned()], ..Choices::default() },
        &["--leave-out: there is no server n1; did you mean n0?"],
    );
}

#[test]
fn switches_that_are_no_tree() {
    let gpus = with_gpus(8);
    check(
        "SwitchName=a Nodes=n[1-2]\nSwitchName=b Nodes=n2\nSwitchName=c Switches=a,b\n",
        &gpus,
        &["in:2: server n2 is on switch b and on a; a server hangs on one switch"],
    );
    check("SwitchName=a Switches=b\nSwitchName=b Switches=a Nodes=n1\n", &gpus, &["in:2: switches in a circle: b, a"]);
    check(
        "SwitchName=a Switches=leaf1,leaf3\nSwitchName=leaf1 Nodes=n1\n",
        &gpus,
        &["in:1: switch leaf3 is below a, but nowhere described; did you mean leaf1?"],
    );
    check(
        "SwitchName=a Nodes=n1\nSwitchName=a Nodes=n2\n",
        &gpus,
        &["in:2: switch a is described twice, first on line 1"],
    );
    check(
        "SwitchName=a Nodes=n1\nSwitchName=b Switches=a\nSwitchName=c Switches=a\n",
        &gpus,
        &["in:3: switch a is below b and below c", "fabric.spines_per_pod"],
    );
    check("SwitchName=a Nodes=n1\nSwitchName=b Nodes=n2\n", &gpus, &["joins the topmost switches (a, b): --joined"]);
    check("SwitchNam=a Nodes=n1\nSwitchName=x\n", &Choices::default(), &["neither JSON of nodes"]);
    check("SwitchName=a Nodse=n1\n", &gpus, &["in:1: Nodse is no parameter of topology.conf; did you mean Nodes?"]);
    check("# x\nSwitchName=a Nodes=n[1-\n", &gpus, &["in:2: \"n[1-\" has a bracket that is not closed"]);
    check("SwitchName=a Nodes=n1\nBlockName=b Nodes=n2\n", &gpus, &["both SwitchName and BlockName"]);
    check("BlockName=a Nodes=n1\nBlockName=b Nodes=n1\n", &gpus, &["in:2: server n1 is in block b and in a"]);
    check("BlockName=a Nodes=n1\nBlockSizes=4,6\n", &gpus, &["in:2: BlockSizes: 6 is no power of two"]);
    let deep = "SwitchName=t Switches=u\nSwitchName=u Switches=v\nSwitchName=v Switches=w\nSwitchName=w Nodes=n1\n";
    check(deep, &gpus, &["4 tiers of switches", "--pod-tier N", "2 to 4"]);
    check(deep, &Choices { pod_tier: Some(7), ..gpus.clone() }, &["--pod-tier 7; allowed: 2 to 4"]);
    check(deep, &Choices { under: Some("x".to_owned()), ..gpus }, &["--under x: no server is below such a switch"]);
}

#[test]
fn yaml_that_is_no_topology() {
    let gpus = with_gpus(8);
    check("switches:\n  a:\n    ndoes: [n1]\n", &gpus, &["in:3: ", "ndoes"]);
    check(
        "switches:\n  a:\n    nodes: [n1, n2]\n  b:\n    nodes:\n    - n2\nnodes:\n  n1:\n  n2:\n",
        &gpus,
        &["in:6: server n2 is on switch b and on a"],
    );
    check(
        "switches:\n  a:\n    nodes: [n1, m2]\nnodes:\n  n1:\n  n2:\n",
        &gpus,
        &["in:3: node m2 of switch a is nowhere described; did you mean n2?"],
    );
    check(
        "switches:\n  leaf1:\n    switches: [x]\nblocks:\n- switch: laef1\n  nodes: [n1]\n",
        &gpus,
        &["in:5: switch laef1 of a block is nowhere described; did you mean leaf1?"],
    );
    check(
        "switches:\n  a:\n    nodes: [n1]\ncapacity_blocks:\n  c:\n    nodes: [n1]\n  d:\n    nodes: [n1]\n",
        &gpus,
        &["in:8: node n1 is in capacity block d and in c"],
    );
    check("switches:\n  a: [\n", &gpus, &["in:"]);
    check("switches:\n- switches: [b]\n", &gpus, &["entry 1 has no name"]);
    let two =
        "- topology: x\n  tree:\n    switches:\n      - switch: a\n        nodes: n1\n- topology: y\n  flat: true\n";
    check(two, &gpus, &["several topologies: --topology NAME says which; there is x, y"]);
    let named = |name: &str| Reading { topology: Some(name.to_owned()), ..Reading::default() };
    check_read(two, &named("z"), &gpus, &["--topology z: there is x, y"]);
    check_read(two, &named("y"), &gpus, &["in:6: topology y is flat: it tells of no switches"]);
    check_read("switches:\n", &named("y"), &gpus, &["--topology says nothing for this format"]);
    let bomb = format!("a: &a [{}]\nb: &b [{}]\nswitches: [{}]\n", "x,".repeat(99), "*a,".repeat(99), "*b,".repeat(99));
    assert!(
        said(&bomb, &Reading { format: Some(netkv_site::Format::Topograph), ..Reading::default() }, &gpus)
            .contains("in:")
    );
    let deep = format!("switches: {}\n", "[".repeat(200));
    check(&deep, &gpus, &["in:1: "]);
}
