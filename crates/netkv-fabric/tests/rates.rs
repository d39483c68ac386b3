//! Links of nodes with rates of their own, and of the switches above them: worked out by hand.

use netkv_fabric::{
    FabricConfig, FabricShape, FatTree, Layout, LinkKind, NodePlace, NodeRates, RouteChoice, Transport, Uplinks, Wiring,
};
use netkv_units::{BytesPerSec, GpuId, LinkId, SimDuration};

/// 400 and 200 Gb/s without loss, in bytes per second; NVLinks of 450 and 300 GB/s.
const FAST: NodeRates = NodeRates { nvlink: gb(450), nic: gb(50) };
const SLOW: NodeRates = NodeRates { nvlink: gb(300), nic: gb(25) };

const fn gb(per_sec: u64) -> BytesPerSec {
    BytesPerSec::new(per_sec * 1_000_000_000)
}

fn config(uplinks: Uplinks) -> FabricConfig {
    let nothing = FabricShape {
        pods: 0,
        racks_per_pod: 0,
        nodes_per_rack: 0,
        gpus_per_node: 0,
        nics_per_node: 0,
        wiring: Wiring::Racks,
    };
    FabricConfig {
        shape: nothing,
        nvlink: FAST.nvlink,
        nic: FAST.nic,
        uplinks,
        rack_oversubscription: 2.0,
        pod_oversubscription: 4.0,
        spines_per_pod: 3,
        cores: 5,
        route: RouteChoice::Ecmp,
        latency: [SimDuration::ZERO; 4],
        transport: Transport::Fluid,
    }
}

/// Two pods: a rack with a fast and a slow node of two NICs each beside a rack of one slow node, and a rack of one fast one.
fn tree(uplinks: Uplinks, wiring: Wiring) -> FatTree {
    let node = |pod, rack| NodePlace { pod, rack, gpus: 2, nics: 2 };
    let nodes = vec![node(0, 0), node(0, 0), node(0, 1), node(1, 2)];
    FatTree::laid_out(config(uplinks), &Layout { nodes, rates: vec![FAST, SLOW, SLOW, FAST], wiring })
}

/// Bytes per second of the links of a kind that match, in one direction, each.
fn links(tree: &FatTree, kind: LinkKind, is_its: impl Fn(LinkId) -> bool) -> Vec<u64> {
    let n = tree.links_of(kind).count() / 2;
    let its = tree.links_of(kind).take(n).filter(|&link| is_its(link));
    its.map(|link| tree.capacity(link).get()).collect()
}

#[test]
fn links_of_gpus_carry_what_their_node_says() {
    let tree = tree(Uplinks::Pooled, Wiring::Racks);
    let of_gpu = |kind, gpu| links(&tree, kind, |link| tree.place(link).gpu == Some(gpu));
    for (gpu, rates) in [(0, FAST), (1, FAST), (2, SLOW), (5, SLOW), (6, FAST)] {
        assert_eq!(of_gpu(LinkKind::Nic, gpu), [rates.nic.get()], "GPU {gpu}");
        assert_eq!(of_gpu(LinkKind::NvLink, gpu), [rates.nvlink.get()], "GPU {gpu}");
        assert_eq!(tree.rates(tree.position(GpuId::new(gpu))), rates, "GPU {gpu}");
    }
    assert_eq!([LinkKind::NvLink, LinkKind::Nic].map(|kind| tree.slowest(kind)), [SLOW.nvlink, SLOW.nic]);
    assert!(!tree.is_even());
}

/// Two NICs of 400 Gb/s and two of 200 over 2 are 600 Gb/s, 75 GB/s, on three spines; two of 200, 25 GB/s; two of 400, 50.
#[test]
fn uplinks_carry_what_the_nics_below_them_do_over_the_oversubscription() {
    let tree = tree(Uplinks::Pooled, Wiring::Racks);
    let of_rack = |rack| links(&tree, LinkKind::Rack, |link| tree.place(link).rack == Some(rack));
    let of_pod = |pod| links(&tree, LinkKind::Pod, |link| tree.place(link).pod == pod);
    assert_eq!(of_rack(0), [25_000_000_000; 3]);
    assert_eq!(of_rack(1), [8_333_333_333; 3]);
    assert_eq!(of_rack(2), [16_666_666_666; 3]);
    // 200 GB/s of NICs over 4, on five cores; 100 GB/s.
    assert_eq!((of_pod(0), of_pod(1)), (vec![10_000_000_000; 5], vec![5_000_000_000; 5]));
}

#[test]
fn a_rail_has_the_nics_of_one_position() {
    let tree = tree(Uplinks::Pooled, Wiring::Rails(2));
    let of_rail = |rail| links(&tree, LinkKind::Rack, |link| tree.place(link).rack == Some(rail));
    // One NIC of each of the three nodes of the pod: 100 GB/s over 2, on three spines.
    assert_eq!((of_rail(0), of_rail(1)), (vec![16_666_666_666; 3], vec![16_666_666_666; 3]));
}

#[test]
fn a_link_over_which_oversubscription_is_said_goes_by_the_fastest_nic_below() {
    let tree = tree(Uplinks::PerLink, Wiring::Racks);
    let of_rack = |rack| links(&tree, LinkKind::Rack, |link| tree.place(link).rack == Some(rack));
    let by_rack = [25_000_000_000, 12_500_000_000, 25_000_000_000].map(|rate| vec![rate; 3]);
    assert_eq!([of_rack(0), of_rack(1), of_rack(2)], by_rack);
    assert_eq!(links(&tree, LinkKind::Pod, |_| true), [12_500_000_000; 10]);
}

/// Written out for each node, the rates of the fabric change no link.
#[test]
fn equal_rates_are_those_of_the_fabric() {
    let shape = FabricShape {
        pods: 3,
        racks_per_pod: 2,
        nodes_per_rack: 3,
        gpus_per_node: 8,
        nics_per_node: 4,
        wiring: Wiring::Racks,
    };
    for uplinks in [Uplinks::Pooled, Uplinks::PerLink] {
        let config = FabricConfig { shape, nic: BytesPerSec::new(9_375_000_001), ..config(uplinks) };
        let rates = vec![NodeRates { nvlink: config.nvlink, nic: config.nic }; 18];
        let trees = [FatTree::new(config), FatTree::laid_out(config, &Layout { rates, ..shape.layout() })];
        let [plain, written] = trees.map(|tree| {
            let all = (0..tree.n_links()).map(LinkId::from_index);
            all.map(|link| tree.capacity(link)).collect::<Vec<_>>()
        });
        assert_eq!(plain, written, "{uplinks:?}");
        assert_eq!(plain.iter().filter(|&&rate| rate == config.nic).count(), 2 * 18 * 4);
    }
}
