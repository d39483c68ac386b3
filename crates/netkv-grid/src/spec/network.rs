//! The fabric, and what the scheduler learns of it.

use super::nodes::{NIC, NVLINK, Nodes, nvlink_rate};
use super::seconds::SECONDS;
use crate::reader::{Range, Reader};
use crate::topology::BANDWIDTH;
use netkv_fabric::{
    Calibration, FabricConfig, FatTree, Layout, LinkKind, NodeRates, RouteChoice, Transport, Uplinks, Wiring,
};
use netkv_sim::{OracleBandwidth, OracleGranularity, OwnTraffic, TelemetryConfig};
use netkv_units::{BytesPerSec, SimDuration};
use std::sync::Arc;

/// Oversubscriptions: below 1, a level has more capacity than the level under it.
const OVERSUBSCRIPTION: Range = Range::above(0.0, 1e6);

/// Round trips until a flow has its share. Chosen by us: beyond this a transfer is not slowed but lost.
const ROUND_TRIPS: Range = Range::closed(0.0, 10_000.0);

/// What a queue adds to a round trip, in microseconds. Chosen by us: a second.
const QUEUE_US: Range = Range::closed(0.0, 1e6);

/// Least bytes per second of an idle link: less is a slip of the unit. Chosen by us.
const MIN_LINK_BYTES_PER_SEC: u64 = 1_000;

/// Least time between two samples of the links, in seconds. Chosen by us: faster than any telemetry, and each costs.
const SHORTEST_INTERVAL_S: f64 = 1e-3;

/// Most directed links of a fabric. Chosen by us: what a few GB of memory hold.
const MAX_LINKS: u64 = 1 << 24;

/// The fabric of a cluster's nodes.
#[derive(Clone, Debug)]
pub(super) struct Fabric {
    pub(super) config: FabricConfig,
    /// The nodes, if they are not alike.
    pub(super) layout: Option<Arc<Layout>>,
}

impl Fabric {
    /// It as it is built.
    pub(super) fn tree(&self) -> FatTree {
        match &self.layout {
            Some(layout) => FatTree::laid_out(self.config, layout),
            None => FatTree::new(self.config),
        }
    }
}

/// The fabric of these nodes.
pub(super) fn read_fabric(reader: &mut Reader<'_>, nodes: Option<&Nodes>) -> Option<Fabric> {
    let wiring = read_wiring(reader, nodes);
    let routes = [("ecmp", RouteChoice::Ecmp), ("least_loaded", RouteChoice::LeastLoaded)];
    let route = reader.choice("fabric.route", &routes);
    let nvlink_gbytes = reader.float(NVLINK, BANDWIDTH);
    let nic_gbps = reader.float(NIC, BANDWIDTH);
    let efficiency = reader.float("fabric.nic_efficiency_ratio", Range::above(0.0, 1.0));
    let rack_oversubscription = reader.float("fabric.rack_oversubscription", OVERSUBSCRIPTION);
    let pod_oversubscription = reader.float("fabric.pod_oversubscription", OVERSUBSCRIPTION);
    let uplinks = reader.choice("fabric.uplinks", &[("pooled", Uplinks::Pooled), ("per_link", Uplinks::PerLink)]);
    let spines_per_pod = reader.count("fabric.spines_per_pod", 1, 65_536);
    let cores = reader.count("fabric.cores", 1, 65_536);
    let latency_us = reader.floats::<4>("fabric.latency_us", SECONDS);
    let transport = read_transport(reader);
    let (nodes, wiring, efficiency) = (nodes?, wiring?, efficiency?);
    let nic = |gbps: f64| BytesPerSec::new((gbps * efficiency * 1e9 / 8.0) as u64);
    let rates = NodeRates { nvlink: nvlink_rate(nvlink_gbytes?), nic: nic(nic_gbps?) };
    let layout = nodes
        .file
        .as_ref()
        .map(|file| Arc::new(Layout { nodes: file.nodes.clone(), rates: nodes.rates(rates, nic), wiring }));
    let config = FabricConfig {
        shape: nodes.shape(wiring),
        nvlink: rates.nvlink,
        nic: rates.nic,
        rack_oversubscription: rack_oversubscription?,
        pod_oversubscription: pod_oversubscription?,
        uplinks: uplinks?,
        spines_per_pod: spines_per_pod?,
        cores: cores?,
        route: route?,
        latency: latency_us?.map(|micros| SimDuration::from_secs_f64(micros * 1e-6)),
        transport: transport?,
    };
    check_links(reader, nodes, Fabric { config, layout })
}

/// How soon a transfer has its share. The coefficients are checked whichever it is.
fn read_transport(reader: &mut Reader<'_>) -> Option<Transport> {
    let is_calibrated = reader.choice("fabric.transport", &[("fluid", false), ("calibrated", true)]);
    let ramp_round_trips = reader.float("fabric.ramp_round_trips", ROUND_TRIPS);
    let share_round_trips = reader.float("fabric.share_round_trips", ROUND_TRIPS);
    let queue_us = reader.float("fabric.queue_us", QUEUE_US);
    let calibration = Calibration {
        ramp_round_trips: ramp_round_trips?,
        share_round_trips: share_round_trips?,
        queue: SimDuration::from_secs_f64(queue_us? * 1e-6),
    };
    Some(if is_calibrated? { Transport::Calibrated(calibration) } else { Transport::Fluid })
}

/// How NICs are wired. The number of rails is checked whatever the wiring is.
fn read_wiring(reader: &mut Reader<'_>, nodes: Option<&Nodes>) -> Option<Wiring> {
    let by_rail = reader.choice("fabric.wiring", &[("racks", false), ("rails", true)]);
    let rails = reader.count("fabric.rails", 1, 1024);
    if !by_rail? {
        return rails.map(|_| Wiring::Racks);
    }
    let (rails, nodes) = (rails?, nodes?);
    let odd = nodes.list.iter().enumerate().find(|(_, node)| !node.nics.is_multiple_of(rails));
    if let Some((index, node)) = odd {
        let of = match (nodes.file.is_some(), node.gpus == node.nics) {
            (true, _) => format!("its {} NICs", node.nics),
            (false, true) => format!("cluster.gpus_per_node = {}", node.gpus),
            (false, false) => format!("cluster.nics_per_node = {}", node.nics),
        };
        nodes.fail(reader, index, "fabric.rails", &format!("fabric.rails = {rails} does not divide {of}"));
        return None;
    }
    Some(Wiring::Rails(rails))
}

fn check_links(reader: &mut Reader<'_>, nodes: &Nodes, fabric: Fabric) -> Option<Fabric> {
    let config = fabric.config;
    let (leaves, pods) = match &fabric.layout {
        Some(layout) => (layout.leaves(), layout.pods()),
        None => (config.shape.leaves(), config.shape.pods),
    };
    let shared = u64::from(leaves) * u64::from(config.spines_per_pod) + u64::from(pods) * u64::from(config.cores);
    let own: u64 = nodes.list.iter().map(|node| u64::from(node.gpus) + u64::from(node.nics)).sum();
    let links = 2 * (own + shared);
    if links > MAX_LINKS {
        reader.fail("fabric.spines_per_pod", &format!("the fabric has {links} links; allowed: at most {MAX_LINKS}"));
        return None;
    }
    let tree = fabric.tree();
    for kind in LinkKind::ALL {
        let capacity = tree.slowest(kind).get();
        if capacity < MIN_LINK_BYTES_PER_SEC {
            let (key, name) = match kind {
                LinkKind::NvLink => (NVLINK, "an NVLink"),
                LinkKind::Nic => (NIC, "a NIC"),
                LinkKind::Rack => ("fabric.rack_oversubscription", "a link between rack and spine"),
                LinkKind::Pod => ("fabric.pod_oversubscription", "a link between pod and core"),
            };
            let message = format!("{name} would carry {capacity} bytes/s; allowed: at least {MIN_LINK_BYTES_PER_SEC}");
            match slow_node(nodes, &fabric, kind, capacity) {
                Some(node) => nodes.fail(reader, node, key, &message),
                None => reader.fail(key, &message),
            }
            // The levels above a NIC are as slow as it is: one error is enough.
            return None;
        }
    }
    Some(fabric)
}

/// The first node whose own rate is this one.
fn slow_node(nodes: &Nodes, fabric: &Fabric, kind: LinkKind, capacity: u64) -> Option<usize> {
    let (own, rates) = (&nodes.file.as_ref()?.rates, &fabric.layout.as_ref()?.rates);
    own.iter().zip(rates).position(|(own, rates)| match kind {
        LinkKind::NvLink => own.nvlink_gbytes_per_s.is_some() && rates.nvlink.get() == capacity,
        LinkKind::Nic => own.nic_gbps.is_some() && rates.nic.get() == capacity,
        LinkKind::Rack | LinkKind::Pod => false,
    })
}

/// Sampling of the links' counters.
pub(super) fn read_telemetry(reader: &mut Reader<'_>) -> Option<TelemetryConfig> {
    let interval_s = reader.float("telemetry.interval_s", SECONDS);
    let delay_s = reader.float("telemetry.delay_s", SECONDS);
    if interval_s.is_some_and(|seconds| seconds > 0.0 && seconds < SHORTEST_INTERVAL_S) {
        let message = format!("telemetry.interval_s is too short; allowed: 0, or at least {SHORTEST_INTERVAL_S}");
        reader.fail("telemetry.interval_s", &message);
        return None;
    }
    let noise_ratio = reader.float("telemetry.noise_ratio", Range::below(0.0, 1.0));
    let loss_ratio = reader.float("telemetry.loss_ratio", Range::below(0.0, 1.0));
    Some(TelemetryConfig {
        interval: SimDuration::from_secs_f64(interval_s?),
        delay: SimDuration::from_secs_f64(delay_s?),
        noise_ratio: noise_ratio?,
        loss_ratio: loss_ratio?,
    })
}

/// Which bandwidth the oracle gives for a tier.
pub(super) fn read_oracle_bandwidth(reader: &mut Reader<'_>) -> Option<OracleBandwidth> {
    reader.choice(
        "oracle.bandwidth",
        &[("share", OracleBandwidth::Share), ("idle", OracleBandwidth::Idle), ("link", OracleBandwidth::Link)],
    )
}

/// Whether the congestion that the oracle tells holds the scheduler's own transfers.
pub(super) fn read_own_traffic(reader: &mut Reader<'_>) -> Option<OwnTraffic> {
    reader.choice("oracle.own_traffic", &[("counted", OwnTraffic::Counted), ("excluded", OwnTraffic::Excluded)])
}

/// How much of the congestion the oracle tells.
pub(super) fn read_oracle(reader: &mut Reader<'_>) -> Option<OracleGranularity> {
    reader.choice(
        "oracle.granularity",
        &[
            ("static", OracleGranularity::Static),
            ("tier", OracleGranularity::Tier),
            ("zone", OracleGranularity::Zone),
            ("path", OracleGranularity::Path),
            ("exact", OracleGranularity::Exact),
        ],
    )
}
