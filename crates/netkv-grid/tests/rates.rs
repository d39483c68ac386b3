//! Topology files whose nodes have rates: what they become, which cells they are, and what is wrong with them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{experiments, load, load_beside};
use netkv_fabric::NodeRates;
use netkv_grid::{Cell, Experiment, LoadOptions, Reduction, Workloads};
use netkv_sim::{Scenario, place, run, run_checked};
use netkv_units::{BytesPerSec, InstanceId};

/// A few requests, all of which count.
const SHORT: &str = "[workload]\nmax_requests = 150\n[measure]\nwarmup_s = 0.0\n";
const BODY: &str = "[fabric]\ntopology = 'nodes.toml'\n";

/// The cluster of the base experiment, server by server, each with these lines more.
fn nodes(more: impl Fn(u32) -> &'static str) -> String {
    let node = |node: u32| {
        let (pod, rack) = (node / 4, node / 2);
        format!("[[node]]\nname = 'n{node}'\npod = 'p{pod}'\nrack = 'r{rack}'\ngpus = 8\nnics = 8\n{}", more(node))
    };
    format!("format = 'netkv-topology/1'\n{}", (0..8).map(node).collect::<String>())
}

fn cell(body: &str, nodes: &str) -> Cell {
    let experiment = load_beside(&format!("{SHORT}{body}"), &[("nodes.toml", nodes)]);
    experiment.unwrap_or_else(|errors| panic!("{errors}")).cell(0).unwrap()
}

fn scenario(body: &str, nodes: &str) -> Scenario {
    Workloads::new().scenario(&cell(body, nodes))
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
fn rates_of_the_experiment_written_out_change_the_key_and_no_result() {
    let (plain, written) = (nodes(|_| ""), nodes(|_| "nic_gbps = 100\nnvlink_gbytes_per_s = 450.0\n"));
    for policy in ["round_robin", "netkv", "netkv_guarded", "netkv_flow", "netkv_joint", "clairvoyant"] {
        let body = format!("{BODY}[policy]\nname = '{policy}'\n");
        let [one, other] = [&plain, &written].map(|nodes| scenario(&body, nodes));
        let digest = run(&other).digest();
        assert_eq!(run(&one).digest(), digest, "{policy}");
        let without = load(&format!("{SHORT}[policy]\nname = '{policy}'\n")).unwrap().cell(0).unwrap();
        assert_eq!(run(&Workloads::new().scenario(&without)).digest(), digest, "{policy}");
    }
    let [one, other] = [&plain, &written].map(|nodes| cell(BODY, nodes));
    assert_ne!(one.key, other.key);
    assert_eq!((one.spec().has_nic_rates(), other.spec().has_nic_rates()), (false, true));
}

#[test]
fn a_node_has_its_own_rates_or_those_of_the_experiment() {
    let file = nodes(|node| match node {
        0 => "nic_gbps = 400\n",
        7 => "nvlink_gbytes_per_s = 300\nnic_gbps = 25.0\n",
        _ => "",
    });
    let scenario = scenario(&format!("{BODY}nic_gbps = 200.0\n"), &file);
    let rates = scenario.layout.clone().unwrap().rates.clone();
    // Line rate x 0.75 / 8, in GB/s.
    let of = |nvlink: f64, nic: f64| {
        let [nvlink, nic] = [nvlink, nic].map(|gb| BytesPerSec::new((gb * 1e9) as u64));
        NodeRates { nvlink, nic }
    };
    let usual = of(450.0, 18.75);
    assert_eq!(rates, [of(450.0, 37.5), usual, usual, usual, usual, usual, usual, of(300.0, 2.34375)]);
    run(&scenario);
}

#[test]
fn what_is_wrong_with_rates_is_said_where_it_stands() {
    let eighth = |more: &'static str| nodes(move |node| if node == 7 { more } else { "" });
    check(
        BODY,
        &eighth("nic_gbps = 0\n"),
        &["nodes.toml:50:12: nic_gbps = 0 is not allowed; allowed: above 0 and at most 1000000"],
    );
    check(
        BODY,
        &eighth("nic_gbit = 400\n"),
        &[
            "nodes.toml:50:1: a node has no field nic_gbit; its fields: name, pod, rack, gpus, nics, nvlink_domain, nic_gbps, \
           nvlink_gbytes_per_s; did you mean nic_gbps?",
        ],
    );
    check(
        BODY,
        &eighth("nic_gbps = 0.00001\n"),
        &["nodes.toml:44:1: node n7: a NIC would carry 937 bytes/s; allowed: at least 1000"],
    );
    let flows = format!("{BODY}[background]\nkind = 'flows'\n");
    check(
        &flows,
        &eighth("nic_gbps = 400\n"),
        &[
            "x.toml:7:8: flows load racks, pods and NICs that are alike; fabric.topology has unequal ones; allowed: another \
           background.kind",
        ],
    );
    load_beside(&flows, &[("nodes.toml", &eighth("nvlink_gbytes_per_s = 300\n"))]).unwrap();
}

#[test]
fn servers_of_one_nvlink_domain_have_the_same_rates() {
    let domain = |first: &'static str, second: &'static str| {
        nodes(move |node| match node {
            6 => first,
            7 => second,
            _ => "",
        })
    };
    check(
        BODY,
        &domain("nvlink_domain = 'd'\nnic_gbps = 400\n", "nvlink_domain = 'd'\nnic_gbps = 200\n"),
        &[
            "nodes.toml:46:1: node n7 has nic_gbps = 200, and n6 of the same NVLink domain has nic_gbps = 400; allowed: the same",
        ],
    );
    check(
        BODY,
        &domain("nvlink_domain = 'd'\nnvlink_gbytes_per_s = 900\n", "nvlink_domain = 'd'\n"),
        &[
            "nodes.toml:46:1: node n7 has no nvlink_gbytes_per_s, and n6 of the same NVLink domain has nvlink_gbytes_per_s = 900; \
           allowed: the same",
        ],
    );
    scenario(BODY, &domain("nvlink_domain = 'd'\nnic_gbps = 200\n", "nvlink_domain = 'd'\nnic_gbps = 200\n"));
}

#[test]
fn a_rate_that_no_node_has_does_nothing() {
    let all = nodes(|_| "nic_gbps = 200\n");
    check(
        &format!("{BODY}nic_gbps = 400.0\n"),
        &all,
        &[
            "x.toml:6:1: fabric.nic_gbps = 400 does nothing: fabric.topology names a file that has their rates; remove one of \
           them",
        ],
    );
    scenario(&format!("{BODY}nvlink_gbytes_per_s = 300.0\n"), &all);
    scenario(&format!("{BODY}nic_gbps = 400.0\n"), &nodes(|node| if node == 7 { "" } else { "nic_gbps = 200\n" }));
}

fn example(max_requests: u32) -> Vec<Scenario> {
    let reduction = Some(Reduction { max_seeds: 1, max_requests });
    let options = LoadOptions { reduction, ..LoadOptions::default() };
    let experiment = Experiment::load(&experiments().join("mixed.toml"), &options);
    let experiment = experiment.unwrap_or_else(|errors| panic!("{errors}"));
    experiment.cells().map(|cell| Workloads::new().scenario(&cell)).collect()
}

/// Four new nodes prefill, with two NICs of 400 Gb/s each; of eight others two have one of 400, and the rest one of 200.
#[test]
fn the_example_of_a_mixed_cluster_is_what_it_says() {
    let mut failovers = 0;
    for scenario in example(2000) {
        let layout = scenario.layout.clone().unwrap();
        let nic = |instance: u32| {
            let node = place(&scenario, InstanceId::new(instance)).node as usize;
            (layout.nodes[node].nics, layout.rates[node].nic.get() / 1_000_000)
        };
        let new = [(2, 37_500); 8].into_iter();
        let expect: Vec<_> = new.chain([(1, 18_750); 6]).chain([(1, 37_500); 2]).collect();
        assert_eq!((0..16).map(nic).collect::<Vec<_>>(), expect);
        let output = run(&scenario);
        assert_eq!(output.requests.len(), 2000, "nobody is refused");
        assert!(output.requests.iter().all(|record| record.prefill_instance.get() < 8));
        failovers += output.totals.failovers;
    }
    assert!(failovers > 0, "somebody was on the instance that fails");
    for scenario in example(150) {
        assert_eq!(run_checked(&scenario).digest(), run(&scenario).digest());
    }
}
