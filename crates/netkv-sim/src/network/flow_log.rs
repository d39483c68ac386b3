//! The flows of KV transfers, one by one, for whoever wants to compare them with another network. Nobody else pays: it
//! is empty unless it was asked for.

use netkv_units::{Bytes, BytesPerSec, FlowId, GpuId, InstanceId, LinkId, RequestId, SimDuration, SimTime, Tier};

/// A flow of a KV transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// Whose KV cache it is a part of, and which part: with a flow for each GPU, the rank.
    pub request: RequestId,
    /// Its number among the flows of the transfer.
    pub rank: u32,
    /// From and to where.
    pub prefill: InstanceId,
    /// The decode instance.
    pub decode: InstanceId,
    /// The GPU that sends; with pooled interfaces its number is that of the instance.
    pub source: GpuId,
    /// The GPU that receives; likewise.
    pub destination: GpuId,
    /// How far apart they are.
    pub tier: Tier,
    /// What it moves.
    pub bytes: Bytes,
    /// What equal-cost multi-path routing went by.
    pub hash: u64,
    /// Its links when it entered: a link that goes down later sends it another way.
    pub path: Vec<LinkId>,
    /// The same cables the other way, as an answer would take them.
    pub way_back: Vec<LinkId>,
    /// What each link of the path could carry for flows then: its capacity less the share of others.
    pub capacities: Vec<BytesPerSec>,
    /// When the transfer's set-up began.
    pub begun: SimTime,
    /// The latency of its way, a part of the time from then until it entered.
    pub latency: SimDuration,
    /// When it entered the network.
    pub entered: SimTime,
    /// When its last byte was there; none while it is under way.
    pub ended: Option<SimTime>,
}

/// The records of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct FlowLog {
    is_kept: bool,
    records: Vec<FlowRecord>,
    /// By flow, where its record is; that of the last one that had this number.
    of_flow: Vec<usize>,
}

impl FlowLog {
    /// From now on.
    pub(super) const fn keep(&mut self) {
        self.is_kept = true;
    }

    /// A flow enters; `record` is asked for only if it is kept.
    pub(super) fn enter(&mut self, flow: FlowId, record: impl FnOnce() -> FlowRecord) {
        if !self.is_kept {
            return;
        }
        if self.of_flow.len() <= flow.index() {
            self.of_flow.resize(flow.index() + 1, usize::MAX);
        }
        self.of_flow[flow.index()] = self.records.len();
        self.records.push(record());
    }

    /// A flow of a transfer ends.
    pub(super) fn end(&mut self, flow: FlowId, now: SimTime) {
        if self.is_kept {
            self.records[self.of_flow[flow.index()]].ended = Some(now);
        }
    }

    /// The records, in the order in which flows entered.
    pub(super) fn records(&self) -> &[FlowRecord] {
        &self.records
    }
}
