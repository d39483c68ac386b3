//! Mixed clusters in experiment files: what they become, and what is wrong with them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{load, load_beside};
use netkv_fabric::{NodePlace, Wiring};
use netkv_grid::Workloads;
use netkv_sim::{KvParts, Scenario, run};

/// The profile of the base experiment by another way, and that of the same model at tp 8.
const TP4: &str = "builtin:profiles/llama-3.1-70b-bf16-h100-tp4.toml";
const TP8: &str = "builtin:profiles/llama-3.1-70b-bf16-h100-tp8.toml";

/// A few requests, all of which count.
const SHORT: &str = "[workload]\nmax_requests = 150\n[measure]\nwarmup_s = 0.0\n";

/// The cluster of the base experiment, server by server; the racks and pods of the list out of order.
const NODES: &str = "format = 'netkv-topology/1'\n\
    [[node]]\nname = 'n0'\npod = 'a'\nrack = 'r1'\ngpus = 8\nnics = 8\n\
    [[node]]\nname = 'n4'\npod = 'b'\nrack = 'r1'\ngpus = 8\nnics = 8\n\
    [[node]]\nname = 'n2'\npod = 'a'\nrack = 'r2'\ngpus = 8\nnics = 8\n\
    [[node]]\nname = 'n1'\npod = 'a'\nrack = 'r1'\ngpus = 8\nnics = 8\n\
    [[node]]\nname = 'n6'\npod = 'b'\nrack = 'r2'\ngpus = 8\nnics = 8\n\
    [[node]]\nname = 'n3'\npod = 'a'\nrack = 'r2'\ngpus = 8\nnics = 8\n\
    [[node]]\nname = 'n5'\npod = 'b'\nrack = 'r1'\ngpus = 8\nnics = 8\n\
    [[node]]\nname = 'n7'\npod = 'b'\nrack = 'r2'\ngpus = 8\nnics = 8\n";

fn scenario_beside(body: &str, files: &[(&str, &str)]) -> Scenario {
    let experiment = load_beside(&format!("{SHORT}{body}"), files).unwrap_or_else(|errors| panic!("{errors}"));
    Workloads::new().scenario(&experiment.cell(0).unwrap())
}

fn scenario(body: &str) -> Scenario {
    scenario_beside(body, &[("nodes.toml", NODES)])
}

/// Errors of an experiment without the folder of its files, one a line.
fn check(body: &str, nodes: &str, expect: &[&str]) {
    let text = load_beside(body, &[("nodes.toml", nodes)]).expect_err("the experiment is wrong").to_string();
    let errors: Vec<_> = text
        .lines()
        .map(|line| line.find("/x.toml").or(line.find("/nodes.toml")).map_or(line, |at| &line[at + 1..]))
        .collect();
    assert_eq!(errors, expect);
}

#[test]
fn a_homogeneous_cluster_written_as_a_mixed_one_is_the_same() {
    for policy in ["netkv", "netkv_guarded", "netkv_flow", "llmd", "clairvoyant"] {
        let digest = |body: &str| run(&scenario(&format!("{body}[policy]\nname = '{policy}'\n"))).digest();
        let plain = digest("");
        let pools = format!("[decode]\ntp = 4\nprofile = '{TP4}'\nmemory_gb_per_gpu = 80.0\n");
        let counts = "[cluster]\ndecode_instances = 8\nnics_per_node = 8\n";
        assert_eq!(digest(&format!("{pools}{counts}")), plain, "{policy}");
        assert_eq!(digest("[fabric]\ntopology = 'nodes.toml'\n"), plain, "{policy}");
    }
}

#[test]
fn each_pool_has_its_own() {
    let mixed = scenario(&format!("[decode]\ntp = 8\nprofile = '{TP8}'\n[cluster]\nprefill_instances = 6\n"));
    let (cluster, plain) = (&mixed.cluster, scenario(""));
    assert_eq!((cluster.tp, cluster.decode_tp, cluster.parts), (4, 8, KvParts { prefill: 4, decode: 8 }));
    assert_eq!(mixed.gpu.prefill, plain.gpu.prefill);
    assert_ne!(mixed.gpu.decode, plain.gpu.decode);
    assert_ne!(mixed.gpu.local, plain.gpu.prefill, "chunks are computed by the decode instance");
    assert_eq!(mixed.kv.prefill_blocks, plain.kv.prefill_blocks);
    // 8 x 80 GB x 0.9 less the weights, 141.2 GB, against 4.
    let (four, eight) = (4.0 * 72.0 - 141.2, 8.0 * 72.0 - 141.2);
    let ratio = f64::from(mixed.kv.decode_blocks) / f64::from(mixed.kv.prefill_blocks);
    assert!((ratio / (eight / four) - 1.0).abs() < 1e-4, "{ratio}");
    let larger = scenario("[decode]\nmemory_gb_per_gpu = 141.0\n");
    assert_eq!(larger.kv.prefill_blocks, plain.kv.prefill_blocks);
    assert!(larger.kv.decode_blocks > 2 * plain.kv.decode_blocks);
    run(&mixed);
}

#[test]
fn another_profile_of_decode_instances_is_another_cell() {
    let key = |body: &str| load_beside(body, &[("nodes.toml", NODES)]).unwrap().cell(0).unwrap().key;
    let plain = load("").unwrap().cell(0).unwrap().key;
    assert_ne!(key("[decode]\nprofile = 'builtin:profiles/llama-3.1-70b-fp8-h100-tp4.toml'\n"), plain);
    assert_eq!(
        key(&format!("[decode]\nprofile = '{TP4}'\n")),
        plain,
        "names of files do not count, their content does"
    );
    assert_ne!(key("[fabric]\ntopology = 'nodes.toml'\n"), plain);
}

#[test]
fn pools_that_do_not_fit_are_refused() {
    check(
        "[decode]\ntp = 8\n",
        NODES,
        &["x.toml:5:6: decode.tp = 8, but the profile profiles/llama-3.1-70b-bf16-h100-tp4.toml is for tp = 4; \
           decode.profile names one for decode instances"],
    );
    check(
        &format!("[decode]\nprofile = '{TP8}'\n"),
        NODES,
        &[&format!(
            "x.toml:5:11: decode.tp = 0 is cluster.tp = 4, but the profile {TP8} is for tp = 8; decode.profile names one for \
             decode instances"
        )],
    );
}

#[test]
fn counts_that_do_not_fit_are_refused() {
    let mixed = format!("[decode]\ntp = 8\nprofile = '{TP8}'\n");
    check(
        &format!("{mixed}[cluster]\nprefill_instances = 7\n"),
        NODES,
        &[
            "x.toml:8:21: cluster.prefill_instances = 7, but 2 instances of 4 GPUs take the place of one of the other pool's 8; \
           allowed: multiples of 2",
        ],
    );
    check(
        "[cluster]\ndecode_instances = 9\n",
        NODES,
        &[
            "x.toml:5:20: cluster.decode_instances = 9, but beside cluster.prefill_instances = 8 there is room for 8; allowed: 0 \
           (all of them) to 8",
        ],
    );
    check(
        "[cluster]\nunused_gpus_per_node = 2\n",
        NODES,
        &[
            "x.toml:5:24: cluster.tp = 4 does not divide the 6 GPUs that cluster.unused_gpus_per_node = 2 leaves of 8; allowed: 1, \
           2, 3, 6",
        ],
    );
    check(
        "[cluster]\nnics_per_node = 3\n",
        NODES,
        &[
            "x.toml:5:17: cluster.nics_per_node = 3 does not divide cluster.gpus_per_node = 8: GPUs share NICs evenly; allowed: 0 \
           (one for each GPU), 1, 2, 4, 8",
        ],
    );
    check(
        "[transfer]\ngranularity = 'instance'\n[cluster]\nnics_per_node = 4\n",
        NODES,
        &[
            "x.toml:5:15: transfer.granularity = \"instance\" makes one interface of an instance's NICs; allowed with a NIC for each \
           GPU (cluster.nics_per_node = 0) and without fabric.topology",
        ],
    );
}

#[test]
fn a_topology_file_may_have_racks_and_pods_of_any_size() {
    let nodes = "format = 'netkv-topology/1'\n\
        [[node]]\nname = 'x1'\npod = 'a'\nrack = '1'\ngpus = 8\nnics = 4\n\
        [[node]]\nname = 'y1'\npod = 'b'\nrack = '1'\ngpus = 4\nnics = 4\nnvlink_domain = 'd'\n\
        [[node]]\nname = 'y2'\npod = 'b'\nrack = '1'\ngpus = 4\nnics = 4\nnvlink_domain = 'd'\n\
        [[node]]\nname = 'x2'\npod = 'a'\nrack = '2'\ngpus = 4\nnics = 4\n";
    let body = "[fabric]\ntopology = 'nodes.toml'\n[cluster]\nprefill_instances = 2\n";
    let scenario = scenario_beside(body, &[("nodes.toml", nodes)]);
    let layout = scenario.layout.clone().unwrap();
    let node = |pod, rack, gpus, nics| NodePlace { pod, rack, gpus, nics };
    assert_eq!(
        (layout.nodes.as_slice(), layout.wiring),
        (&[node(0, 0, 8, 4), node(0, 1, 4, 4), node(1, 2, 8, 8)][..], Wiring::Racks)
    );
    let output = run(&scenario);
    assert_eq!(output.totals.gpus, 20);
}

#[test]
fn what_is_wrong_with_a_topology_file_is_said_where_it_stands() {
    let body = "[fabric]\ntopology = 'nodes.toml'\n";
    let with = |extra: &str| format!("{NODES}{extra}");
    check(
        body,
        &with("[[node]]\nname = 'n0'\npod = 'a'\nrack = 'r1'\ngpus = 8\nnics = 8\n"),
        &["nodes.toml:50:1: node n0 is there twice"],
    );
    check(
        body,
        &with("[[node]]\nname = 'n8'\npod = 'a'\nrack = 'r1'\ngpus = 6\nnics = 6\n"),
        &["nodes.toml:50:1: node n8: cluster.tp = 4 does not divide its 6 GPUs; allowed: 1, 2, 3, 6"],
    );
    check(
        body,
        &with("[[node]]\nname = 'n8'\npod = 'a'\nrack = 'r1'\ngpus = 8\nnic = 8\n"),
        &[
            "nodes.toml:55:1: a node has no field nic; its fields: name, pod, rack, gpus, nics, nvlink_domain, nic_gbps, \
             nvlink_gbytes_per_s; did you mean nics?",
        ],
    );
    check(
        body,
        &with("[[node]]\nname = 'n8'\npod = 'a'\ngpus = 8\nnics = 3\n"),
        &[
            "nodes.toml:50:1: a node without rack; each has name, pod, rack, gpus, nics",
            "nodes.toml:54:8: nics = 3 does not divide gpus = 8: GPUs share NICs evenly",
        ],
    );
    check(
        body,
        &with(
            "[[node]]\nname = 'n8'\npod = 'a'\nrack = 'r1'\ngpus = 4\nnics = 4\nnvlink_domain = 'd'\n\
             [[node]]\nname = 'n9'\npod = 'a'\nrack = 'r2'\ngpus = 4\nnics = 4\nnvlink_domain = 'd'\n",
        ),
        &[
            "nodes.toml:57:1: node n9 is of NVLink domain d, as n8 is, but of another rack; allowed: domains within a rack",
        ],
    );
    check(
        &format!("{body}[cluster]\npods = 3\n"),
        NODES,
        &[
            "x.toml:7:1: cluster.pods = 3 does nothing: fabric.topology names a file that has the nodes; remove one of them",
        ],
    );
    check(
        &format!("{body}[background]\nkind = 'flows'\n"),
        "format = 'netkv-topology/1'\n\
         [[node]]\nname = 'a'\npod = 'a'\nrack = 'r1'\ngpus = 64\nnics = 64\n\
         [[node]]\nname = 'b'\npod = 'a'\nrack = 'r2'\ngpus = 8\nnics = 8\n",
        &[
            "x.toml:7:8: flows load racks, pods and NICs that are alike; fabric.topology has unequal ones; allowed: another \
           background.kind",
        ],
    );
}
