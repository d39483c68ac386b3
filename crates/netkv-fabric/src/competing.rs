//! Traffic of other tenants as flows of their own ("flows"): they arrive in a Poisson process, share the links max-min
//! fairly with the KV caches, and end when their bytes are moved.
//!
//! Every flow goes from a GPU to one in another rack, so that each crosses one rack link up and one down, and the
//! offered load is the same on both: load = flows per second x mean size / capacity of all rack links of a direction.
//! Pods of source and destination are drawn independently, by their factors; racks and GPUs inside them uniformly, but
//! never twice the same rack. So what a pod's rack links and NICs are offered is exactly its factor times the mean,
//! and its pod links get factor x (1 - factor / pods) of it. Sizes come from a table. Starts empty: the network fills
//! in the time that some flows take. Leaves out: the reaction of other tenants to congestion, but for their slower
//! flows; jobs whose flows come together; traffic inside racks.

use crate::fat_tree::{FatTree, LinkKind};
use crate::pod_factors::pod_factors;
use crate::size_table::SizeTable;
use netkv_units::{Bytes, GpuId, SimDuration, SimTime, Stream};

/// Parameters of the competing flows.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowBackground {
    /// The share of their capacity that the rack links are offered, averaged over time and links, in (0, 1).
    pub offered_load_ratio: f64,
    /// Sizes of the flows.
    pub sizes: SizeTable,
    /// What each size is multiplied by; the load stays as it is, so larger flows are fewer.
    pub size_scale: f64,
    /// How unequal the pods are, in [0, 1).
    pub pod_spread_ratio: f64,
}

impl FlowBackground {
    /// The mean size of a flow in bytes.
    pub fn mean_bytes(&self) -> f64 {
        self.sizes.mean_bytes() * self.size_scale
    }

    /// Mean time between two arrivals on `tree`, in seconds.
    pub fn mean_gap_s(&self, tree: &FatTree) -> f64 {
        self.mean_bytes() / self.offered_bytes_per_s(tree)
    }

    /// Bytes that all flows together offer in a second.
    fn offered_bytes_per_s(&self, tree: &FatTree) -> f64 {
        let both_directions: f64 = tree.links_of(LinkKind::Rack).map(|link| tree.capacity(link).get() as f64).sum();
        self.offered_load_ratio * both_directions / 2.0
    }

    /// Whether `tree` has the pairs of racks that the flows need: racks and pods of equal size, and another rack in every
    /// pod, or pods of one rack that are all alike.
    pub fn has_pairs(&self, tree: &FatTree) -> bool {
        tree.is_even() && (tree.leaves_of(0).len() > 1 || (tree.n_pods() > 1 && self.pod_spread_ratio <= 0.0))
    }

    /// The kind of link that is offered most for its capacity, and the mean offered load of those of the busiest pod.
    /// At 1 and above what waits would grow without bound.
    pub fn largest_load_ratio(&self, tree: &FatTree) -> (LinkKind, f64) {
        let pods = f64::from(tree.n_pods());
        let factors = pod_factors(tree.n_pods(), self.pod_spread_ratio, 0);
        let most = |share: &dyn Fn(f64) -> f64| factors.iter().map(|&factor| share(factor)).fold(0.0, f64::max);
        let of_source = most(&|factor| factor / pods);
        let across = if tree.leaves_of(0).len() == 1 { of_source } else { most(&|f| f / pods * (1.0 - f / pods)) };
        let offered = self.offered_bytes_per_s(tree);
        let load = |kind: LinkKind, share: f64| {
            let all: f64 = tree.links_of(kind).map(|link| tree.capacity(link).get() as f64).sum();
            (kind, offered * share / (all / (2.0 * pods)))
        };
        let loads = [load(LinkKind::Nic, of_source), load(LinkKind::Rack, of_source), load(LinkKind::Pod, across)];
        loads.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0))).expect("there are three")
    }
}

/// A flow of another tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompetingFlow {
    /// Where from.
    pub source: GpuId,
    /// Where to: a GPU of another leaf switch.
    pub destination: GpuId,
    /// What equal-cost multi-path routing goes by.
    pub hash: u64,
    /// What it moves.
    pub size: Bytes,
}

/// The arrivals of a run: a state machine that says when the next flow comes, and which. They depend on seed, fabric
/// and parameters alone, never on what becomes of the flows.
#[derive(Clone, Debug)]
pub struct CompetingFlows {
    config: FlowBackground,
    /// By leaf switch, the pods one after the other: its GPUs.
    leaf_gpus: Vec<Vec<GpuId>>,
    leaves_per_pod: u64,
    mean_gap_s: f64,
    /// By pod: the sum of its factor and those of the pods before it.
    cumulative_factors: Vec<f64>,
    next: SimTime,
    gaps: Stream,
    sizes: Stream,
    endpoints: Stream,
    routes: Stream,
}

impl CompetingFlows {
    /// The arrivals of `config` on `tree`.
    ///
    /// # Panics
    /// If the tree has no pairs of racks for them: the experiment reader refuses that.
    pub fn new(config: &FlowBackground, tree: &FatTree, seed: u64) -> Self {
        assert!(config.has_pairs(tree), "flows need two racks, and a second one in each pod if pods differ");
        let mut sum = 0.0;
        let factors = pod_factors(tree.n_pods(), config.pod_spread_ratio, seed);
        let cumulative_factors = factors.into_iter().map(|factor| {
            sum += factor;
            sum
        });
        let mut flows = Self {
            config: config.clone(),
            leaf_gpus: tree.tables().leaf_gpus(),
            leaves_per_pod: tree.leaves_of(0).len() as u64,
            mean_gap_s: config.mean_gap_s(tree),
            cumulative_factors: cumulative_factors.collect(),
            next: SimTime::ZERO,
            gaps: Stream::new(seed, "background flow arrivals"),
            sizes: Stream::new(seed, "background flow sizes"),
            endpoints: Stream::new(seed, "background flow endpoints"),
            routes: Stream::new(seed, "background flow routes"),
        };
        flows.next = flows.after(SimTime::ZERO);
        flows
    }

    /// When the next flow arrives.
    pub const fn next_arrival(&self) -> SimTime {
        self.next
    }

    /// The flow that arrives at `now`.
    ///
    /// # Panics
    /// If the next arrival is at another time.
    pub fn advance(&mut self, now: SimTime) -> CompetingFlow {
        assert_eq!(self.next, now, "a flow arrives at its own time");
        self.next = self.after(now);
        let bytes = self.config.sizes.quantile_bytes(self.sizes.unit()) * self.config.size_scale;
        let (source, destination) = self.draw_endpoints();
        let hash = self.routes.bits();
        // To the nearest byte, and no flow is empty.
        CompetingFlow { source, destination, hash, size: Bytes::new(((bytes + 0.5) as u64).max(1)) }
    }

    fn after(&mut self, now: SimTime) -> SimTime {
        now + SimDuration::from_secs_f64(self.gaps.exponential(self.mean_gap_s))
    }

    fn draw_endpoints(&mut self) -> (GpuId, GpuId) {
        let leaves_per_pod = self.leaves_per_pod;
        let source_pod = self.draw_pod();
        let source_leaf = self.endpoints.below(leaves_per_pod);
        let (pod, leaf) = if leaves_per_pod == 1 {
            // Pods are alike here: any but the source's.
            let pod = self.endpoints.below(self.cumulative_factors.len() as u64 - 1);
            (pod + u64::from(pod >= source_pod), 0)
        } else {
            let pod = self.draw_pod();
            if pod == source_pod {
                let leaf = self.endpoints.below(leaves_per_pod - 1);
                (pod, leaf + u64::from(leaf >= source_leaf))
            } else {
                (pod, self.endpoints.below(leaves_per_pod))
            }
        };
        let mut gpu = |pod: u64, leaf: u64| {
            let gpus = &self.leaf_gpus[(pod * leaves_per_pod + leaf) as usize];
            gpus[self.endpoints.below(gpus.len() as u64) as usize]
        };
        (gpu(source_pod, source_leaf), gpu(pod, leaf))
    }

    fn draw_pod(&mut self) -> u64 {
        let last = self.cumulative_factors.len() - 1;
        let point = self.endpoints.unit() * self.cumulative_factors[last];
        self.cumulative_factors[..last].partition_point(|&sum| sum <= point) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fat_tree::{FabricConfig, RouteChoice, Uplinks};
    use crate::shape::{FabricShape, Wiring};
    use crate::transport::Transport;
    use netkv_units::BytesPerSec;

    fn tree(pods: u32, racks_per_pod: u32) -> FatTree {
        FatTree::new(FabricConfig {
            shape: FabricShape {
                pods,
                racks_per_pod,
                nodes_per_rack: 2,
                gpus_per_node: 2,
                nics_per_node: 2,
                wiring: Wiring::Racks,
            },
            nvlink: BytesPerSec::new(450_000_000_000),
            nic: BytesPerSec::new(10_000_000_000),
            uplinks: Uplinks::Pooled,
            rack_oversubscription: 2.0,
            pod_oversubscription: 4.0,
            spines_per_pod: 2,
            cores: 3,
            route: RouteChoice::Ecmp,
            latency: [SimDuration::ZERO; 4],
            transport: Transport::Fluid,
        })
    }

    fn flows(offered_load_ratio: f64, pod_spread_ratio: f64) -> FlowBackground {
        let sizes = SizeTable::named("bulk").expect("a known name");
        FlowBackground { offered_load_ratio, sizes, size_scale: 1.0, pod_spread_ratio }
    }

    /// By kind and pod: the mean offered load of `n` arrivals, the same way up and down.
    fn measure(config: &FlowBackground, tree: &FatTree, n: u32) -> Vec<Vec<f64>> {
        let mut arrivals = CompetingFlows::new(config, tree, 3);
        let pods = tree.n_pods() as usize;
        let (mut bytes, mut capacity) = (vec![vec![0.0; pods]; 4], vec![vec![0.0; pods]; 4]);
        for link in LinkKind::ALL.into_iter().flat_map(|kind| tree.links_of(kind)) {
            capacity[tree.kind(link).index()][tree.pod(link) as usize] += tree.capacity(link).get() as f64;
        }
        for _ in 0..n {
            let flow = arrivals.advance(arrivals.next_arrival());
            for &link in tree.path(flow.source, flow.destination, flow.hash).links() {
                bytes[tree.kind(link).index()][tree.pod(link) as usize] += flow.size.get() as f64;
            }
        }
        let time = arrivals.next_arrival().as_secs_f64();
        let load = |(bytes, capacity): (&f64, &f64)| bytes / (capacity * time);
        bytes.iter().zip(&capacity).map(|(bytes, capacity)| bytes.iter().zip(capacity).map(load).collect()).collect()
    }

    #[test]
    fn racks_are_offered_the_promised_load_and_pods_their_factor_of_it() {
        let config = flows(0.3, 0.5);
        let tree = tree(3, 2);
        let loads = measure(&config, &tree, 300_000);
        let factors = pod_factors(3, 0.5, 3);
        let rack = &loads[LinkKind::Rack.index()];
        assert!((rack.iter().sum::<f64>() / 3.0 / 0.3 - 1.0).abs() < 0.01, "{rack:?}");
        for (pod, factor) in factors.iter().enumerate() {
            // The racks have half the capacity of the NICs; the pods half that of the racks, for a share of the flows.
            let expect = [0.15 * factor, 0.3 * factor, 0.6 * factor * (1.0 - factor / 3.0)];
            for (kind, expect) in [LinkKind::Nic, LinkKind::Rack, LinkKind::Pod].into_iter().zip(expect) {
                let load = loads[kind.index()][pod];
                assert!((load / expect - 1.0).abs() < 0.02, "{kind:?} of pod {pod}: {load}, not {expect}");
            }
        }
        // Rack and pod links of the busiest pod: 0.3 x 1.5 and 0.6 x 1.5 x (1 - 1.5 / 3).
        let (_, largest) = config.largest_load_ratio(&tree);
        assert!((largest - 0.45).abs() < 1e-9, "{largest}");
    }

    #[test]
    fn pods_of_one_rack_send_to_each_other() {
        let (config, tree) = (flows(0.2, 0.0), tree(3, 1));
        let loads = measure(&config, &tree, 100_000);
        for pod in 0..3 {
            assert!((loads[LinkKind::Rack.index()][pod] / 0.2 - 1.0).abs() < 0.03, "{loads:?}");
            assert!((loads[LinkKind::Pod.index()][pod] / 0.4 - 1.0).abs() < 0.03, "{loads:?}");
        }
        let (kind, largest) = config.largest_load_ratio(&tree);
        assert_eq!(kind, LinkKind::Pod);
        assert!((largest - 0.4).abs() < 1e-9, "{largest}");
        assert!(!flows(0.2, 0.1).has_pairs(&tree) && !config.has_pairs(&self::tree(1, 1)));
    }

    #[test]
    fn another_load_or_scale_changes_when_flows_come_but_not_which() {
        let tree = tree(2, 2);
        let first = |config: &FlowBackground| {
            let mut arrivals = CompetingFlows::new(config, &tree, 9);
            let times_and_flows = |_| {
                let now = arrivals.next_arrival();
                (now.as_nanos() as f64, arrivals.advance(now))
            };
            (0..1000).map(times_and_flows).collect::<Vec<_>>()
        };
        let base = first(&flows(0.4, 0.5));
        assert_eq!(base, first(&flows(0.4, 0.5)));
        let rarer = first(&flows(0.2, 0.5));
        let larger = first(&FlowBackground { size_scale: 2.0, ..flows(0.4, 0.5) });
        for ((base, rarer), larger) in base.iter().zip(&rarer).zip(&larger) {
            assert_eq!(base.1, rarer.1);
            assert_eq!((base.1.source, base.1.hash), (larger.1.source, larger.1.hash));
            assert!(larger.1.size.get().abs_diff(2 * base.1.size.get()) <= 1);
            assert!((rarer.0 / base.0 - 2.0).abs() < 1e-3 && (larger.0 / base.0 - 2.0).abs() < 1e-3);
        }
        let gap = base.last().expect("a flow").0 * 1e-9 / 1000.0;
        assert!((gap / flows(0.4, 0.5).mean_gap_s(&tree) - 1.0).abs() < 0.1, "{gap}");
    }
}
