//! Transfers over a fat tree, as the benchmarks and the scale table run them, and decisions of policies.

mod decisions;

pub use decisions::{Table, candidates, flow, guarded, netkv, request};
use netkv_fabric::{FabricConfig, FabricShape, FatTree, FlowNetwork, Path, RouteChoice, Transport, Uplinks, Wiring, ecmp_hash};
use netkv_units::{Bytes, BytesPerSec, GpuId, LinkId, SimDuration, SimTime, Stream};

/// GPUs of an instance: a transfer is as many flows, rank to rank.
pub const TP: u32 = 4;

/// A fat tree of 64, 1,024 or 16,384 GPUs: 100 Gb/s NICs at 0.75, racks of 2 nodes of 8 GPUs, oversubscribed 2 and 4.
///
/// # Panics
/// If it is another number.
pub fn tree(gpus: u32) -> FatTree {
    let (pods, racks_per_pod, spines_per_pod, cores) = match gpus {
        64 => (2, 2, 4, 8),
        1024 => (8, 8, 8, 32),
        16_384 => (32, 32, 16, 128),
        _ => panic!("64, 1024 or 16384 GPUs, not {gpus}"),
    };
    FatTree::new(FabricConfig {
        shape: FabricShape { pods, racks_per_pod, nodes_per_rack: 2, gpus_per_node: 8, nics_per_node: 8, wiring: Wiring::Racks },
        nvlink: BytesPerSec::new(450_000_000_000),
        nic: BytesPerSec::new(9_375_000_000),
        uplinks: Uplinks::Pooled,
        rack_oversubscription: 2.0,
        pod_oversubscription: 4.0,
        spines_per_pod,
        cores,
        route: RouteChoice::Ecmp,
        latency: [SimDuration::ZERO; 4],
        transport: Transport::Fluid,
    })
}

/// What a run of transfers came to.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The most transfers in flight at one time.
    pub most_in_flight: usize,
    /// When the last one ended.
    pub end: SimTime,
}

/// Runs `n` transfers between random instances to their end. They arrive at a steady rate, each of 0.1 to 4 GB, and
/// offer the links between pods, the narrowest, `load_ratio` of their capacity.
pub fn run(tree: &FatTree, n: u32, load_ratio: f64, seed: u64) -> Outcome {
    let mut stream = Stream::new(seed, "transfers");
    let capacities: Vec<_> = (0..tree.n_links()).map(|link| tree.capacity(LinkId::from_index(link))).collect();
    let mut network = FlowNetwork::new(&capacities, Path::MAX);
    let instances = u64::from(tree.config().shape.gpus() / TP);
    let mean_bytes = 2.05e9;
    let narrowest = f64::from(tree.config().shape.gpus()) * 9.375e9 / 4.0;
    let gap = SimDuration::from_secs_f64(mean_bytes / (load_ratio * narrowest));
    let (mut started, mut next_start, mut outcome) =
        (0, SimTime::ZERO, Outcome { most_in_flight: 0, end: SimTime::ZERO });
    let mut ended = Vec::new();
    loop {
        let start = (started < n).then_some(next_start);
        let Some(now) = [start, network.next_completion()].into_iter().flatten().min() else { break };
        ended.clear();
        network.take_completed(now, &mut ended);
        if start == Some(now) {
            let (source, destination) = two_instances(&mut stream, instances);
            let bytes = (1e8 + stream.unit() * 3.9e9) as u64;
            for rank in 0..TP {
                let gpu = |instance: u32| GpuId::new(instance * TP + rank);
                let hash = ecmp_hash(seed, u64::from(started), u64::from(rank));
                let path = tree.route(gpu(source), gpu(destination), hash, &network);
                network.start_flow(now, path.links(), Bytes::new(bytes / u64::from(TP)), None);
            }
            started += 1;
            next_start = now + gap;
        }
        network.resolve();
        outcome.most_in_flight = outcome.most_in_flight.max(network.n_active() / TP as usize);
        outcome.end = now;
    }
    outcome
}

fn two_instances(stream: &mut Stream, instances: u64) -> (u32, u32) {
    let source = stream.below(instances);
    let other = stream.below(instances - 1);
    (source as u32, (other + u64::from(other >= source)) as u32)
}
