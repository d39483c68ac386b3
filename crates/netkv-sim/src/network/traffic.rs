//! What is on the links: the transfers of KV caches, each with its flows, and the flows of others.
//!
//! A transfer begins when its decode instance has memory for it, is set up, and enters the network with a flow for each
//! rank. It has arrived when its last flow has ended.
//!
//! A state machine that can be copied and played on: the clairvoyant yardstick does just that.

use super::flow_log::{FlowLog, FlowRecord};
use super::layerwise::{Progress, even_rate};
use super::topology::Topology;
use netkv_fabric::{FlowNetwork, Path};
use netkv_units::{Bytes, BytesPerSec, FlowId, GpuId, LinkId, Nanobytes, RequestId, SimDuration, SimTime, Tier};

/// A transfer in flight; its number is used again after it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransferId(u32);

impl TransferId {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The request whose KV cache it is.
    pub request: RequestId,
    /// Positions of the instances in their pools.
    pub prefill: usize,
    pub decode: usize,
    /// Tokens of its prompt.
    pub input_tokens: u32,
    /// How much.
    pub bytes: u64,
    /// Leading tokens of the prompt that are not sent.
    pub skipped_tokens: u32,
}

#[derive(Clone, Debug)]
struct Transfer {
    order: Order,
    /// When its set-up began, and when that is over.
    begun: SimTime,
    enters: SimTime,
    is_set_up: bool,
    /// Flows that have not ended.
    flows_left: u32,
    /// The flows, with their sizes, if they go on beside prefill: none of them ends before that.
    paced: Vec<(FlowId, Bytes)>,
}

/// Whose a flow is and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlowRoute {
    /// The transfer that it is a part of; none if it is another tenant's.
    pub(super) owner: Option<TransferId>,
    pub(super) source: GpuId,
    pub(super) destination: GpuId,
    /// What equal-cost multi-path routing goes by.
    pub(super) hash: u64,
}

/// Flows, and the transfers that they are parts of.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    links: FlowNetwork,
    /// By flow.
    routes: Vec<FlowRoute>,
    /// By number, with transfers that have ended; and the numbers of these.
    transfers: Vec<Transfer>,
    spare: Vec<TransferId>,
    /// Transfers that are being set up, in the order in which that began: their flows, if any, are still to come.
    entering: Vec<TransferId>,
    /// Memory that is used again and again.
    ended: Vec<FlowId>,
    log: FlowLog,
    /// See [`Self::lost`].
    lost: (u64, Nanobytes),
}

impl Traffic {
    /// None on these links.
    pub(super) fn new(links: FlowNetwork) -> Self {
        Self {
            links,
            routes: Vec::new(),
            transfers: Vec::new(),
            spare: Vec::new(),
            entering: Vec::new(),
            ended: Vec::new(),
            log: FlowLog::default(),
            lost: (0, Nanobytes::ZERO),
        }
    }

    /// Keeps a record of every flow of a transfer from now on.
    pub(super) const fn keep_flows(&mut self) {
        self.log.keep();
    }

    /// The records that are kept, in the order in which flows entered.
    pub(crate) fn flows(&self) -> &[FlowRecord] {
        self.log.records()
    }

    /// The links and their flows.
    pub(crate) const fn links(&self) -> &FlowNetwork {
        &self.links
    }

    /// The same, for changes of capacity and for bringing rates up to date.
    pub(crate) const fn links_mut(&mut self) -> &mut FlowNetwork {
        &mut self.links
    }

    /// What a transfer moves.
    pub(crate) fn order(&self, transfer: TransferId) -> Order {
        self.transfers[transfer.index()].order
    }

    /// Begins to set a transfer up, which takes `setup`, the latency of its way, and what the transport waits; says when its
    /// flows enter.
    pub(crate) fn begin(
        &mut self,
        topology: &Topology,
        now: SimTime,
        setup: SimDuration,
        order: Order,
    ) -> (TransferId, SimTime) {
        let tier = topology.tier(order.prefill, order.decode);
        let latency = if order.bytes == 0 { SimDuration::ZERO } else { topology.latency(tier) };
        let enters = now + setup + latency + self.wait(topology, tier, &order);
        let fresh = |paced| Transfer { order, begun: now, enters, is_set_up: false, flows_left: 0, paced };
        let transfer = match self.spare.pop() {
            Some(transfer) => {
                let slot = &mut self.transfers[transfer.index()];
                let mut paced = std::mem::take(&mut slot.paced);
                paced.clear();
                *slot = fresh(paced);
                transfer
            }
            None => {
                self.transfers.push(fresh(Vec::new()));
                TransferId(self.transfers.len() as u32 - 1)
            }
        };
        self.entering.push(transfer);
        (transfer, enters)
    }

    /// How long a transfer over a tier waits for its share, by what is on the links now: as its flow of the narrowest way
    /// does. NVLink is no network of packets, nobody waits there.
    fn wait(&self, topology: &Topology, tier: Tier, order: &Order) -> SimDuration {
        let transport = topology.tree().config().transport;
        if !transport.waits() || order.bytes == 0 || tier == Tier::Node {
            return SimDuration::ZERO;
        }
        let latency = topology.latency(tier);
        let of_rank = |rank| {
            let (source, destination) = topology.ends(order.prefill, order.decode, rank);
            let path = topology.tree().route(source, destination, topology.hash(order.request, rank), &self.links);
            transport.wait(&self.links, path.links(), latency, topology.share(order.bytes, rank))
        };
        (0..topology.cluster().flows()).map(of_rank).max().unwrap_or_default()
    }

    /// The transfer that enters next, and when; the one that began first of those at once.
    pub(crate) fn next_entry(&self) -> Option<(SimTime, TransferId)> {
        let entries = self.entering.iter().map(|&transfer| (self.transfers[transfer.index()].enters, transfer));
        entries.min_by_key(|(enters, _)| *enters)
    }

    /// The flows of a transfer enter the network: an even share of the bytes each. `is_paced` if the prompt is still
    /// being computed: they are to be held to that.
    pub(crate) fn enter(&mut self, topology: &Topology, now: SimTime, transfer: TransferId, is_paced: bool) {
        self.entering.retain(|&other| other != transfer);
        let order = self.order(transfer);
        self.transfers[transfer.index()].is_set_up = true;
        if order.bytes == 0 {
            return;
        }
        let n_flows = topology.cluster().flows();
        self.transfers[transfer.index()].flows_left = n_flows;
        for rank in 0..n_flows {
            let size = topology.share(order.bytes, rank);
            let (source, destination) = topology.ends(order.prefill, order.decode, rank);
            let hash = topology.hash(order.request, rank);
            let flow = self.launch(topology, now, FlowRoute { owner: Some(transfer), source, destination, hash }, size);
            self.record(topology, now, flow, (transfer, rank, size));
            if is_paced && size > Bytes::ZERO {
                self.transfers[transfer.index()].paced.push((flow, size));
            }
        }
    }

    /// Keeps a record of a transfer's flow that has just entered, if that is asked for.
    fn record(&mut self, topology: &Topology, now: SimTime, flow: FlowId, part: (TransferId, u32, Bytes)) {
        let Self { log, links, transfers, routes, .. } = self;
        log.enter(flow, || {
            let (transfer, rank, bytes) = part;
            let &Transfer { order, begun, .. } = &transfers[transfer.index()];
            let FlowRoute { source, destination, hash, .. } = routes[flow.index()];
            let path = links.path(flow);
            let tier = topology.tier(order.prefill, order.decode);
            FlowRecord {
                request: order.request,
                rank,
                prefill: topology.cluster().prefill()[order.prefill],
                decode: topology.cluster().decode()[order.decode],
                source,
                destination,
                tier,
                bytes,
                hash,
                capacities: path.iter().map(|&link| links.capacity(link)).collect(),
                way_back: path.iter().rev().map(|&link| topology.tree().reverse(link)).collect(),
                path,
                begun,
                latency: topology.latency(tier),
                entered: now,
                ended: None,
            }
        });
    }

    /// A flow enters the network.
    pub(super) fn launch(&mut self, topology: &Topology, now: SimTime, route: FlowRoute, size: Bytes) -> FlowId {
        let path = topology.tree().route(route.source, route.destination, route.hash, &self.links);
        let flow = match route.owner {
            Some(_) => self.links.start_flow(now, path.links(), size, None),
            None => self.links.start_background_flow(now, path.links(), size),
        };
        if self.routes.len() <= flow.index() {
            self.routes.resize(flow.index() + 1, route);
        }
        self.routes[flow.index()] = route;
        flow
    }

    /// Ends the flows that are done: adds the transfers that have arrived by that to `arrived`, and returns how many
    /// flows of others have ended.
    pub(crate) fn end_flows(&mut self, now: SimTime, arrived: &mut Vec<TransferId>) -> usize {
        self.ended.clear();
        self.links.take_completed(now, &mut self.ended);
        let mut of_others = 0;
        for flow in &self.ended {
            let Some(transfer) = self.routes[flow.index()].owner else {
                of_others += 1;
                continue;
            };
            self.log.end(*flow, now);
            let left = &mut self.transfers[transfer.index()].flows_left;
            *left -= 1;
            if *left == 0 {
                arrived.push(transfer);
            }
        }
        of_others
    }

    /// Takes a transfer that has arrived off the books; what it moved, and when it began.
    pub(crate) fn finish(&mut self, transfer: TransferId) -> (Order, SimTime) {
        let done = &mut self.transfers[transfer.index()];
        done.is_set_up = false;
        self.spare.push(transfer);
        (done.order, done.begun)
    }

    /// Whether a transfer is being set up until this moment.
    pub(super) fn enters(&self, now: SimTime, transfer: TransferId) -> bool {
        self.entering.contains(&transfer) && self.transfers[transfer.index()].enters == now
    }

    /// Takes a transfer off the network that has not arrived; what it was to move.
    pub(super) fn cancel(&mut self, topology: &Topology, now: SimTime, transfer: TransferId) -> Order {
        let order = self.order(transfer);
        let own = &mut self.transfers[transfer.index()];
        let has_flows = std::mem::take(&mut own.is_set_up) && order.bytes > 0;
        self.entering.retain(|&other| other != transfer);
        self.spare.push(transfer);
        if has_flows {
            let mut moved = Bytes::new(order.bytes).to_nanobytes();
            let mut left: Vec<FlowId> = topology.interfaces().flat_map(|link| self.links.flows_on(link)).collect();
            left.retain(|flow| self.routes[flow.index()].owner == Some(transfer));
            left.sort_unstable();
            for flow in left {
                moved = moved.saturating_sub(self.links.cancel(now, flow));
            }
            self.lose(moved);
        }
        order
    }

    /// So much was moved for nothing.
    pub(super) fn lose(&mut self, moved: Nanobytes) {
        self.lost.0 += 1;
        self.lost.1 += moved;
    }

    /// Transfers that were moved, or in part, for nothing, and what that was.
    pub(crate) const fn lost(&self) -> (u64, Nanobytes) {
        self.lost
    }

    /// Whether a transfer has been set up and has nothing to move.
    pub(super) fn is_empty(&self, transfer: TransferId) -> bool {
        let transfer = &self.transfers[transfer.index()];
        transfer.is_set_up && transfer.order.bytes == 0
    }

    /// Holds the flows of a transfer to what there is to send: `bytes_there` of it at `until`.
    pub(super) fn pace(&mut self, now: SimTime, transfer: TransferId, progress: &Progress, bytes_there: u64) {
        let Transfer { order, paced, .. } = &self.transfers[transfer.index()];
        let left = progress.until.since(now);
        for &(flow, size) in paced {
            let goal = u128::from(bytes_there) * u128::from(size.get()) / u128::from(order.bytes);
            let goal = Bytes::new(goal as u64).to_nanobytes();
            let sent = size.to_nanobytes() - self.links.remaining(now, flow);
            self.links.set_cap(now, flow, Some(even_rate(goal.saturating_sub(sent), left.as_nanos())));
        }
    }

    /// The flows of a transfer go as fast as they can from now on.
    pub(super) fn release(&mut self, now: SimTime, transfer: TransferId) {
        for &(flow, _) in &self.transfers[transfer.index()].paced {
            self.links.set_cap(now, flow, None);
        }
    }

    /// A link is down: its flows take other ways.
    pub(super) fn leave(&mut self, topology: &Topology, now: SimTime, link: LinkId) {
        let mut stranded: Vec<FlowId> = self.links.flows_on(link).collect();
        stranded.sort_unstable();
        for flow in stranded {
            let FlowRoute { source, destination, hash, .. } = self.routes[flow.index()];
            let path = topology.tree().route(source, destination, hash, &self.links);
            self.links.reroute(now, flow, path.links());
        }
    }

    /// The rate that a transfer from `prefill` would get to each decode instance if it started now, beside those in
    /// flight: the ones that are being set up send as soon as it would. In bytes per second, by instance.
    pub(super) fn probe(
        &mut self,
        topology: &Topology,
        request: RequestId,
        prefill: usize,
        by_instance: &mut Vec<f64>,
    ) {
        let mut others = Vec::new();
        for &transfer in &self.entering {
            let order = self.order(transfer);
            if order.bytes > 0 {
                self.find_paths(topology, &order, &mut others);
            }
        }
        let cluster = topology.cluster();
        by_instance.clear();
        by_instance.resize(cluster.prefill().len() + cluster.decode().len(), 0.0);
        let (mut rates, mut own) = (Vec::new(), Vec::new());
        for (decode, instance) in cluster.decode().iter().enumerate() {
            own.clear();
            let order = Order { request, prefill, decode, input_tokens: 0, bytes: 0, skipped_tokens: 0 };
            self.find_paths(topology, &order, &mut own);
            let paths: Vec<&[LinkId]> = own.iter().chain(&others).map(|path| path.links()).collect();
            self.links.probe(&paths, &mut rates);
            rates.truncate(own.len());
            // The transfer ends with its slowest flow.
            let slowest = rates.iter().copied().min().unwrap_or(BytesPerSec::ZERO);
            by_instance[instance.index()] = slowest.get() as f64 * rates.len() as f64;
        }
    }

    /// Adds the ways of a transfer's flows, by rank.
    fn find_paths(&self, topology: &Topology, order: &Order, paths: &mut Vec<Path>) {
        for rank in 0..topology.cluster().flows() {
            let (source, destination) = topology.ends(order.prefill, order.decode, rank);
            let hash = topology.hash(order.request, rank);
            paths.push(topology.tree().route(source, destination, hash, &self.links));
        }
    }

    /// Transfers that have been set up and have not arrived: how many, and their bytes.
    pub(crate) fn set_up(&self) -> (u64, u64) {
        let set_up = self.transfers.iter().filter(|transfer| transfer.is_set_up);
        set_up.fold((0, 0), |(n, bytes), transfer| (n + 1, bytes + transfer.order.bytes))
    }
}
