//! Clusters of known shape, written in every format and read back.

mod common;

use common::{Group, imported, newest};
use netkv_site::{Choices, Cluster, NvLink, Reading, Roles};
use serde_json::json;
use std::fmt::Write as _;

/// Pods, racks of a pod, servers of a rack, GPUs of a server.
const SHAPES: [[u32; 4]; 6] = [[2, 2, 2, 8], [1, 1, 3, 4], [3, 4, 5, 2], [1, 6, 1, 8], [4, 1, 18, 4], [2, 3, 7, 1]];

fn server(pod: u32, rack: u32, at: u32) -> String {
    format!("s{pod}-{rack}-{at:02}")
}

fn servers([pods, racks, servers, _]: [u32; 4]) -> impl Iterator<Item = (u32, u32, u32)> {
    (0..pods).flat_map(move |pod| (0..racks).flat_map(move |rack| (0..servers).map(move |at| (pod, rack, at))))
}

/// `kubectl get nodes -o json`, with labels of the switches that `tiers` names.
fn kubernetes(shape: [u32; 4], tiers: [&str; 3]) -> String {
    let item = |(pod, rack, at): (u32, u32, u32)| {
        let role = if at % 2 == 0 { "prefill" } else { "decode" };
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": server(pod, rack, at), "uid": "x", "labels": {
                tiers[0]: format!("leaf-{pod}-{rack}"), tiers[1]: format!("spine-{pod}"), tiers[2]: "core",
                "kubernetes.io/hostname": server(pod, rack, at), "example.com/role": role,
                "topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "z",
                "nvidia.com/gpu.count": shape[3].to_string(), "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
                "nvidia.com/gpu.clique": format!("uuid-{pod}-{rack}.7"),
            }},
            "status": { "capacity": { "cpu": "96", "nvidia.com/gpu": shape[3].to_string() }, "images": [] },
        })
    };
    let control = json!({ "kind": "Node", "metadata": { "name": "control", "labels": {} }, "status": { "capacity": { "cpu": "8" } } });
    let items: Vec<_> = servers(shape).map(item).chain([control]).collect();
    json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items }).to_string()
}

fn topograph([pods, racks, servers, _]: [u32; 4]) -> String {
    let leaves = |pod: u32| (0..racks).map(|rack| format!("leaf-{pod}-{rack}")).collect::<Vec<_>>();
    let core = ("core".to_owned(), (0..pods).map(|pod| format!("spine-{pod}")).collect(), &[][..]);
    let spines = (0..pods).map(|pod| (format!("spine-{pod}"), leaves(pod), &[][..]));
    let group = |(pod, rack): (u32, u32)| Group {
        switch: Some(format!("leaf-{pod}-{rack}")),
        nodes: vec![format!("s{pod}-{rack}-[00-{:02}]", servers - 1)],
        kind: "labels",
        labels: vec![("nvidia.com/gpu.clique".to_owned(), format!("{pod}.{rack}"))],
    };
    let groups: Vec<Group> = (0..pods).flat_map(|pod| (0..racks).map(move |rack| (pod, rack))).map(group).collect();
    newest(&[core].into_iter().chain(spines).collect::<Vec<_>>(), &groups)
}

fn slurm_tree([pods, racks, servers, _]: [u32; 4]) -> String {
    let mut text = format!("# made by a test\nSwitchName=core Switches=spine-[0-{}] LinkSpeed=400\n", pods - 1);
    for pod in 0..pods {
        writeln!(text, "switchname=spine-{pod} \\\n  switches=leaf-{pod}-[0-{}]  # below", racks - 1)
            .expect("text grows");
        for rack in 0..racks {
            writeln!(text, "SwitchName=leaf-{pod}-{rack} Nodes=s{pod}-{rack}-[00-{:02}]", servers - 1)
                .expect("text grows");
        }
    }
    text
}

fn slurm_tree_yaml([pods, racks, servers, _]: [u32; 4]) -> String {
    let mut text = format!(
        "---\n- topology: fabric\n  cluster_default: true\n  tree:\n    switches:\n      - switch: core\n        children: spine-[0-{}]\n",
        pods - 1
    );
    for pod in 0..pods {
        writeln!(text, "      - switch: spine-{pod}\n        children: leaf-{pod}-[0-{}]", racks - 1)
            .expect("text grows");
        for rack in 0..racks {
            writeln!(text, "      - switch: leaf-{pod}-{rack}\n        nodes: s{pod}-{rack}-[00-{:02}]", servers - 1)
                .expect("text grows");
        }
    }
    text + "- topology: other\n  flat: true\n"
}

/// Blocks are racks; a pod is as many of them in a row as a power of two.
fn slurm_blocks([pods, racks, servers, _]: [u32; 4], yaml: bool) -> String {
    let sizes = [servers, servers * racks];
    let mut text = match (yaml, racks > 1) {
        (false, true) => format!("BlockSizes={},{}\n", sizes[0], sizes[1]),
        (false, false) => format!("BlockSizes={}\n", sizes[0]),
        (true, true) => {
            format!("- topology: b\n  block:\n    block_sizes: [{}, {}]\n    blocks:\n", sizes[0], sizes[1])
        }
        (true, false) => format!("- topology: b\n  block:\n    block_sizes:\n      - {}\n    blocks:\n", sizes[0]),
    };
    for (pod, rack) in (0..pods).flat_map(|pod| (0..racks).map(move |rack| (pod, rack))) {
        let nodes = format!("s{pod}-{rack}-[00-{:02}]", servers - 1);
        if yaml {
            writeln!(text, "      - block: b{pod}-{rack}\n        nodes: {nodes}").expect("text grows");
        } else {
            writeln!(text, "BlockName=b{pod}-{rack} Nodes={nodes}").expect("text grows");
        }
    }
    text
}

fn names(cluster: &Cluster) -> Vec<String> {
    let racks = cluster.pods.iter().flat_map(|pod| &pod.racks);
    racks.flat_map(|rack| rack.units.iter().flat_map(|unit| unit.servers.clone())).collect()
}

/// A text gives this shape with servers as nodes, and with domains as nodes, its servers in order.
#[track_caller]
fn check(text: &str, shape: [u32; 4], choices: &Choices) {
    let [pods, racks, n_servers, gpus] = shape;
    for (scope, expected) in [(NvLink::Node, shape), (NvLink::Domain, [pods, racks, 1, n_servers * gpus])] {
        let nvlink = (n_servers > 1).then_some(scope);
        let choices = Choices { nvlink, ..choices.clone() };
        let cluster =
            imported(text, &Reading::default(), &choices).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
        assert_eq!(cluster.shape(), expected, "{text}");
        let all: Vec<String> = servers(shape).map(|(pod, rack, at)| server(pod, rack, at)).collect();
        assert_eq!(names(&cluster), all);
    }
}

#[test]
fn every_format_gives_the_shape_that_it_was_made_of() {
    let families = [
        ["fabric.topograph.run/tier-0", "fabric.topograph.run/tier-1", "fabric.topograph.run/tier-2"],
        ["network.topology.nvidia.com/leaf", "network.topology.nvidia.com/spine", "network.topology.nvidia.com/core"],
        [
            "topology.k8s.aws/network-node-layer-3",
            "topology.k8s.aws/network-node-layer-2",
            "topology.k8s.aws/network-node-layer-1",
        ],
    ];
    for shape in SHAPES {
        for family in families {
            check(&kubernetes(shape, family), shape, &Choices::default());
        }
        let gpus = common::with_gpus(shape[3]);
        check(&topograph(shape), shape, &gpus);
    }
}

#[test]
fn slurm_files_give_the_shape_that_they_were_made_of() {
    for shape in SHAPES {
        let [pods, racks, n_servers, gpus] = shape;
        for text in [slurm_tree(shape), slurm_tree_yaml(shape)] {
            let choices = common::with_gpus(gpus);
            let cluster =
                imported(&text, &Reading::default(), &choices).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
            assert_eq!(cluster.shape(), shape, "a tree of switches tells of no NVLink domain");
        }
        if !racks.is_power_of_two() {
            continue;
        }
        for yaml in [false, true] {
            // One block size makes one tier of blocks, so pods are the tier above only if there is one.
            let text = slurm_blocks(shape, yaml);
            let joined = pods > 1;
            let expected = if racks > 1 { shape } else { [1, pods, n_servers, gpus] };
            let choices = Choices { joined, ..common::with_gpus(gpus) };
            check_blocks(&text, expected, &choices, n_servers);
        }
    }
}

#[track_caller]
fn check_blocks(text: &str, shape: [u32; 4], choices: &Choices, n_servers: u32) {
    let [pods, racks, _, gpus] = shape;
    for (scope, expected) in [(NvLink::Node, shape), (NvLink::Domain, [pods, racks, 1, n_servers * gpus])] {
        let choices = Choices { nvlink: (n_servers > 1).then_some(scope), ..choices.clone() };
        let cluster =
            imported(text, &Reading::default(), &choices).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
        assert_eq!(cluster.shape(), expected, "{text}");
    }
}

#[test]
fn labels_and_lists_say_who_prefills() {
    let family = ["fabric.topograph.run/tier-0", "fabric.topograph.run/tier-1", "fabric.topograph.run/tier-2"];
    let text = kubernetes([1, 2, 2, 8], family);
    let by = |roles: Roles, nvlink: NvLink| Choices { roles, nvlink: Some(nvlink), ..Choices::default() };
    let label = Roles::Label("example.com/role".to_owned());
    let cluster = imported(&text, &Reading::default(), &by(label.clone(), NvLink::Node)).expect("a cluster");
    // Servers 0 and 2 of four prefill; each holds two instances of four GPUs.
    assert_eq!(cluster.prefill_instances(4), Ok(vec![0, 1, 4, 5]));
    assert_eq!(cluster.prefill_instances(8), Ok(vec![0, 2]));
    let domains = imported(&text, &Reading::default(), &by(label, NvLink::Domain)).expect("a cluster");
    assert_eq!(domains.prefill_instances(8), Ok(vec![0, 2]));
    let across = domains.prefill_instances(16).expect_err("across servers");
    assert!(across.message.contains("on servers of both roles, of s0-0-00, s0-0-01; a smaller cluster.tp"), "{across}");
    let listed = Roles::Listed(vec!["s0-1-01".to_owned()]);
    let cluster = imported(&text, &Reading::default(), &by(listed, NvLink::Node)).expect("a cluster");
    assert_eq!(cluster.prefill_instances(8), Ok(vec![3]));
    assert_eq!(cluster.product.as_deref(), Some("NVIDIA-H100-80GB-HBM3"));
    assert!(cluster.notes.iter().any(|note| note.contains("nothing tells of a GPU: control")), "{:?}", cluster.notes);
}
