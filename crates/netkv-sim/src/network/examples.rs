//! A small fabric for tests.

use super::cluster::Cluster;
use super::reshard::Reshard;
use super::topology::Topology;
use crate::scenario::{ClusterConfig, KvParts, Placement, TelemetryConfig};
use netkv_fabric::{FabricConfig, FabricShape, FatTree, RouteChoice, Transport, Uplinks, Wiring};
use netkv_units::{BytesPerSec, SimDuration, SimTime};

/// 2 pods x 2 racks x 2 nodes x 2 GPUs; rack links carry 5 MB/s, pod links 2.5 MB/s.
pub(crate) const fn fabric() -> FabricConfig {
    FabricConfig {
        shape: FabricShape {
            pods: 2,
            racks_per_pod: 2,
            nodes_per_rack: 2,
            gpus_per_node: 2,
            nics_per_node: 2,
            wiring: Wiring::Racks,
        },
        nvlink: BytesPerSec::new(450_000_000),
        nic: BytesPerSec::new(10_000_000),
        uplinks: Uplinks::Pooled,
        rack_oversubscription: 2.0,
        pod_oversubscription: 8.0,
        spines_per_pod: 4,
        cores: 4,
        route: RouteChoice::Ecmp,
        latency: [SimDuration::ZERO; 4],
        transport: Transport::Fluid,
    }
}

/// One GPU an instance, of which one prefills in each pod in turn.
pub(crate) const fn cluster(prefill_instances: u32) -> ClusterConfig {
    ClusterConfig {
        tp: 1,
        decode_tp: 1,
        parts: KvParts { prefill: 1, decode: 1 },
        prefill_instances,
        decode_instances: None,
        unused_gpus_per_node: 0,
        events: Vec::new(),
        placement: Placement::PerPod,
    }
}

/// One GPU an instance on that fabric.
pub(crate) fn topology() -> Topology {
    let (tree, config) = (FatTree::new(fabric()), cluster(1));
    Topology::of(Cluster::new(&config, &tree, Reshard::new(&config), 1), tree, 1)
}

/// The present is seen.
pub(crate) const LIVE: TelemetryConfig =
    TelemetryConfig { interval: SimDuration::ZERO, delay: SimDuration::ZERO, noise_ratio: 0.0, loss_ratio: 0.0 };

/// A sample is taken every second.
pub(crate) const SAMPLED: TelemetryConfig =
    TelemetryConfig { interval: SimDuration::from_nanos(1_000_000_000), ..LIVE };

/// So many seconds after the start.
pub(crate) fn seconds(secs: f64) -> SimTime {
    SimTime::from_secs_f64(secs)
}
