//! Models shaped like the 14 that Topograph publishes with its tests: their switches, nodes and domains, in their form.
//! The texts are made here.

mod common;

use common::{Group, imported, newest, oldest, said, shape, with_gpus};
use netkv_site::{Choices, NvLink, Reading, expand};

fn nvlink(gpus: u32, scope: NvLink) -> Choices {
    Choices { nvlink: Some(scope), ..with_gpus(gpus) }
}

fn refused(text: &str, choices: &Choices, words: &str) {
    let said = said(text, &Reading::default(), choices);
    assert!(said.contains(words), "{said}");
}

/// A core, spines, and leaves `leaf-SPINE-LEAF` of the spines, each with the servers and labels that are told.
fn three_tiers(
    spines: u32,
    leaves: u32,
    nodes: impl Fn(u32, u32) -> String,
    kind: &'static str,
    labels: impl Fn(u32, u32) -> Vec<(String, String)>,
) -> String {
    let names = |spine: u32| (1..=leaves).map(|leaf| format!("leaf-{spine}-{leaf}")).collect();
    let core = ("core".to_owned(), (1..=spines).map(|spine| format!("spine-{spine}")).collect(), REGION);
    let below = (1..=spines).map(|spine| (format!("spine-{spine}"), names(spine), ZONE));
    let groups = (1..=spines).flat_map(|spine| (1..=leaves).map(move |leaf| (spine, leaf)));
    let group = |(spine, leaf)| Group {
        switch: Some(format!("leaf-{spine}-{leaf}")),
        nodes: vec![nodes(spine, leaf)],
        kind,
        labels: labels(spine, leaf),
    };
    newest(&[core].into_iter().chain(below).collect::<Vec<_>>(), &groups.map(group).collect::<Vec<_>>())
}

const REGION: &[(&str, &str)] = &[("topology.kubernetes.io/region", "us-east")];
const ZONE: &[(&str, &str)] = &[("topology.kubernetes.io/zone", "zone1")];

fn pair(label: &str, value: String) -> (String, String) {
    (label.to_owned(), value)
}

/// Two rooms of 16 racks of 9 servers, of which three racks are empty, one has 7 servers and one 5.
fn two_rooms(kind: &'static str, labels: impl Fn(u32, u32) -> Vec<(String, String)>) -> String {
    let racks = |room: u32| {
        (1..=16)
            .filter(move |rack| room == 1 || *rack != 11)
            .map(move |rack| format!("rack-{room}-{rack:02}"))
            .collect()
    };
    let room = |room: u32| (format!("sw-{room}"), racks(room), ZONE);
    let mut groups = Vec::new();
    for (at, rack) in (1..=2).flat_map(|room| (1..=16).map(move |rack| (room, rack))).enumerate() {
        if [(1, 3), (1, 13), (2, 11)].contains(&rack) {
            continue;
        }
        let first = at * 9 + 1;
        let nodes = match rack {
            (1, 4) => vec![
                format!("node[{:04}-{:04}]", first, first + 2),
                format!("node{:04}", first + 4),
                format!("node[{:04}-{:04}]", first + 6, first + 8),
            ],
            (2, 15) => vec![format!("node[{:04}-{:04}]", first, first + 4)],
            _ => vec![format!("node[{:04}-{:04}]", first, first + 8)],
        };
        let switch = Some(format!("rack-{}-{:02}", rack.0, rack.1));
        groups.push(Group { switch, nodes, kind, labels: labels(rack.0, rack.1) });
    }
    let core = ("core".to_owned(), vec!["sw-1".to_owned(), "sw-2".to_owned()], REGION);
    newest(&[core, room(1), room(2)], &groups)
}

/// small-tree: a root, two leaves of three servers, domains told of some servers only.
#[test]
fn a_small_tree_with_nodes_under_their_switches() {
    let text = "switches:\n  S1:\n    switches:\n    - S2\n    - S3\n  S2:\n    nodes:\n    - I21\n    - I22\n    - I25\n  S3:\n    \
                nodes: [\"I[34-36]\"]\nnodes:\n  I21:\n    capacity_block: B2\n    type: H100\n    attributes:\n      nvlink: B2\n  \
                I22:\n    capacity_block: B2\n    attributes:\n      nvlink: B2\n  I25:\n    capacity_block: B2\n  I34:\n  I35: {}\n  \
                I36:\n    type: H100\ncapacity_blocks:\n  B2:\n    nodes: [\"I[21-22]\", \"I25\"]\n  B3:\n    nodes: [\"I[34-36]\"]\n";
    refused(text, &with_gpus(8), "NVLink domain B2 has 2 servers: --nvlink domain makes");
    refused(text, &nvlink(8, NvLink::Domain), "no NVLink domain is told of I25, I34, I35, I36: --leave-out");
    refused(text, &Choices { nvlink: Some(NvLink::Node), ..Choices::default() }, "nothing tells the GPUs of I21, I22");
    assert_eq!(shape(text, &nvlink(8, NvLink::Node)), [1, 2, 3, 8]);
}

/// small-h100.
#[test]
fn a_small_tree_of_capacity_blocks() {
    let text = oldest(
        &[("S1", "S2,S3")],
        &[("S2", "C2"), ("S3", "C3")],
        &[("C2", None, "I21,I22,I25"), ("C3", None, "I34,I35,I36")],
    );
    let cluster = imported(&text, &Reading::default(), &with_gpus(8)).expect("a cluster");
    assert_eq!((cluster.shape(), cluster.product.as_deref()), ([1, 2, 3, 8], Some("H100")));
    refused(&text, &nvlink(8, NvLink::Node), "--nvlink has no effect");
}

/// medium: three tiers, a domain on each leaf.
#[test]
fn three_tiers_of_capacity_blocks() {
    let blocks = [
        ("c1", Some("v1"), "n1-1,n1-2"),
        ("c2", Some("v2"), "n2-1,n2-2"),
        ("c3", Some("v3"), "n3-1,n3-2"),
        ("c4", Some("v4"), "n4-1,n4-2"),
    ];
    let leaves = [("l1", "c1"), ("l2", "c2"), ("l3", "c3"), ("l4", "c4")];
    let text = oldest(&[("core", "s1,s2"), ("s1", "l1,l2"), ("s2", "l3,l4")], &leaves, &blocks);
    assert_eq!(shape(&text, &nvlink(4, NvLink::Node)), [2, 2, 2, 4]);
    assert_eq!(shape(&text, &nvlink(4, NvLink::Domain)), [2, 2, 1, 8]);
    assert_eq!(shape(&text, &Choices { under: Some("s2".to_owned()), ..nvlink(4, NvLink::Node) }), [1, 2, 2, 4]);
    assert_eq!(shape(&text, &Choices { pod_tier: Some(3), ..nvlink(4, NvLink::Node) }), [1, 4, 2, 4]);
}

/// medium-h100, and medium-tree, which has physical layers besides: a capacity block that hangs on no switch.
#[test]
fn a_block_without_a_switch_is_left_out_by_name_only() {
    let blocks = [
        ("c10", Some("v1"), "n10-1,n10-2"),
        ("c11", Some("v1"), "n11-1,n11-2"),
        ("c12", None, "n12-1,n12-2"),
        ("c13", None, "n13-1,n13-2"),
        ("c14", None, "n14-1,n14-2"),
    ];
    let leaves = [("w11", "c11"), ("w12", "c12"), ("w13", "c13"), ("w14", "c14")];
    let text = oldest(&[("w3", "w21,w22"), ("w21", "w11,w12"), ("w22", "w13,w14")], &leaves, &blocks);
    let layers =
        "physical_layers:\n- name: R1\n  type: region\n  sub_layers: [A1]\n- name: A1\n  type: availability_zone\n";
    for text in [format!("topology: \"topology/tree\"\n{text}"), format!("{text}{layers}")] {
        refused(&text, &nvlink(8, NvLink::Node), "nothing tells which switch n10-1, n10-2 hangs on: --leave-out");
        let leave_out = expand("n10-[1-2]").expect("a list");
        assert_eq!(shape(&text, &Choices { leave_out, ..nvlink(8, NvLink::Node) }), [2, 2, 2, 8]);
    }
}

/// medium-block: two domains on each leaf.
#[test]
fn several_domains_on_a_leaf_are_several_nodes() {
    let block = |number: u32| format!("n{number}-1,n{number}-2,n{number}-3,n{number}-4");
    let nodes: Vec<String> = (1..=4).map(block).collect();
    let blocks = [
        ("c1", Some("v1"), nodes[0].as_str()),
        ("c2", Some("v2"), &nodes[1]),
        ("c3", Some("v3"), &nodes[2]),
        ("c4", Some("v4"), &nodes[3]),
    ];
    let text = oldest(&[("spine", "leaf1,leaf2")], &[("leaf1", "c1,c2"), ("leaf2", "c3,c4")], &blocks);
    assert_eq!(shape(&text, &nvlink(8, NvLink::Domain)), [1, 2, 2, 32]);
    assert_eq!(shape(&text, &nvlink(8, NvLink::Node)), [1, 2, 8, 8]);
}

/// nvl72: 18 servers of 4 GPUs on a leaf are a domain of 72.
#[test]
fn a_rack_of_72_gpus_is_a_node_or_18() {
    let nodes = |spine: u32, leaf: u32| format!("node[{spine}{leaf}01-{spine}{leaf}18]");
    let labels = |spine, leaf| vec![pair("accelerated.topology.nvidia.com/level-0", format!("nvl-{spine}-{leaf}"))];
    let text = three_tiers(2, 2, nodes, "labels", labels);
    assert_eq!(shape(&text, &nvlink(4, NvLink::Domain)), [2, 2, 1, 72]);
    assert_eq!(shape(&text, &nvlink(4, NvLink::Node)), [2, 2, 18, 4]);
}

/// large: names that are numbers.
#[test]
fn servers_may_be_numbers() {
    let nodes = |spine: u32, leaf: u32| format!("[{spine}{leaf}01-{spine}{leaf}08]");
    let labels = |spine, leaf| vec![pair("accelerated.topology.nvidia.com/level-0", format!("nvl-{spine}-{leaf}"))];
    let text = three_tiers(6, 2, nodes, "labels", labels);
    assert_eq!(shape(&text, &nvlink(4, NvLink::Domain)), [6, 2, 1, 32]);
    assert_eq!(shape(&text, &nvlink(4, NvLink::Node)), [6, 2, 8, 4]);
}

/// dual-accelerator, and dual-xclr-regular, which tells the racks of its domains as well.
#[test]
fn a_domain_across_racks_is_no_node() {
    let nodes = |spine: u32, leaf: u32| format!("srv{spine}{leaf}[01-08]");
    let domain = |spine: u32| format!("nvl-{}", if spine <= 3 { 1 } else { 2 });
    let one_level = three_tiers(6, 2, nodes, "labels", |spine, leaf| {
        vec![
            pair("network.topology.nvidia.com/accelerator", domain(spine)),
            pair("test.topology/rack", format!("rack{spine}{leaf}")),
        ]
    });
    let across =
        "NVLink domain nvl-1 has servers on switch leaf-1-1 and on leaf-1-2, but a node of the fabric is in one rack";
    refused(&one_level, &nvlink(4, NvLink::Domain), across);
    refused(&one_level, &nvlink(4, NvLink::SubDomain), "tells of no sub-domains");
    assert_eq!(shape(&one_level, &nvlink(4, NvLink::Node)), [6, 2, 8, 4]);
    let two_levels = three_tiers(6, 2, nodes, "annotations", |spine, leaf| {
        vec![
            pair("accelerator.topology.test/domain", domain(spine)),
            pair("accelerator.topology.test/sub-domain", format!("rack{spine}{leaf}")),
        ]
    });
    refused(&two_levels, &nvlink(4, NvLink::Domain), across);
    assert_eq!(shape(&two_levels, &nvlink(4, NvLink::SubDomain)), [6, 2, 1, 32]);
    assert_eq!(shape(&two_levels, &nvlink(4, NvLink::Node)), [6, 2, 8, 4]);
}

/// dual-level and dual-xclr-irregular, which are alike, and nvl576, whose domains are racks.
#[test]
fn unequal_racks_are_refused_or_cut_to_the_largest_equal_part() {
    let two_levels = two_rooms("annotations", |room, rack| {
        vec![
            pair("accelerator.topology.test/domain", format!("domain-{room:02}")),
            pair("accelerator.topology.test/sub-domain", format!("rack-{room}-{rack:02}")),
        ]
    });
    let of_racks = two_rooms("labels", |room, rack| {
        vec![pair("network.topology.nvidia.com/accelerator", format!("rack-{room}-{rack:02}"))]
    });
    let why = "rack rack-2-15 has 5 nodes, rack rack-1-04 has 7 nodes, 27 have 9";
    for text in [&two_levels, &of_racks] {
        refused(text, &nvlink(4, NvLink::Node), why);
        let part = Choices { equal_part: true, ..nvlink(4, NvLink::Node) };
        let cluster = imported(text, &Reading::default(), &part).expect("a part");
        assert_eq!(cluster.shape(), [2, 13, 9, 4]);
        let note = cluster.notes.last().expect("a note");
        // 13 x 9 of the 124 servers of the first room, 13 x 9 of the 131 of the second.
        assert!(
            note.contains("has 234 of 255 servers, without node[0028-0030,0032,0034-0036,0271-0275,0280-0288]"),
            "{note}"
        );
        assert!(
            cluster.notes.iter().any(|note| note.contains("without servers: rack-1-03, rack-1-13")),
            "{:?}",
            cluster.notes
        );
    }
    for (text, scope) in [(&two_levels, NvLink::SubDomain), (&of_racks, NvLink::Domain)] {
        refused(text, &nvlink(4, scope), "27 have 36");
        assert_eq!(shape(text, &Choices { equal_part: true, ..nvlink(4, scope) }), [2, 13, 1, 36]);
    }
}

/// crusoe-small: partitions that nothing joins, a pool without a switch, one domain.
#[test]
fn partitions_that_nothing_joins_are_asked_about() {
    let group = |switch: Option<&str>, nodes: &str, labels: Vec<(String, String)>| Group {
        switch: switch.map(str::to_owned),
        nodes: vec![nodes.to_owned()],
        kind: "annotations",
        labels,
    };
    let text = newest(
        &[
            (
                "partition-a".to_owned(),
                vec!["pod-a1".to_owned(), "pod-a2".to_owned()],
                &[("crusoe.ai/ib.partition.id", "p1")],
            ),
            ("partition-b".to_owned(), vec!["pod-b1".to_owned()], &[("crusoe.ai/ib.partition.id", "p2")]),
        ],
        &[
            group(Some("pod-a1"), "gpu-[01-02]", vec![]),
            group(Some("pod-a2"), "gpu-[03-04]", vec![]),
            group(
                Some("pod-b1"),
                "gpu-[05-06]",
                vec![pair("accelerator.topology.test/domain", "29d9.32766".to_owned())],
            ),
            group(None, "cpu-[01-02]", vec![]),
        ],
    );
    refused(&text, &nvlink(8, NvLink::Node), "which switch cpu-01, cpu-02 hangs on");
    let mut choices = Choices { leave_out: expand("cpu-[01-02]").expect("a list"), ..nvlink(8, NvLink::Node) };
    refused(&text, &choices, "what joins the topmost switches (partition-a, partition-b): --joined says");
    choices.joined = true;
    refused(&text, &choices, "pod partition-b has 1 racks, 1 have 2");
    choices.equal_part = true;
    assert_eq!(
        shape(&text, &choices),
        [1, 2, 2, 8],
        "of two parts with as many GPUs, the one with more racks in a pod"
    );
    let under = Choices { joined: false, equal_part: false, under: Some("partition-a".to_owned()), ..choices };
    refused(&text, &under, "--nvlink has no effect");
    assert_eq!(shape(&text, &Choices { nvlink: None, leave_out: vec![], ..under }), [1, 2, 2, 8]);
}
