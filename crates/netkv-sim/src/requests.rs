//! The requests between arrival and end: a window that moves over the workload, so that a run holds those it serves and
//! not all there are.
//!
//! Requests are numbered in order of arrival. The window reaches from the first one that has not ended to the last that
//! has arrived; what ends inside waits for those before it, so that records leave in order of their numbers.

use crate::gpu::kv_memory::Grant;
use crate::measure::record::RequestRecord;
use crate::network::layerwise::Progress;
use netkv_units::{BlockId, Bytes, FlowId, RequestId, SimTime};
use netkv_workload::{BLOCK_TOKENS, Request};
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};

/// What is known of a request while it is served.
#[derive(Clone, Debug)]
pub(crate) struct RequestState {
    /// What it asks for.
    pub(crate) own: Request,
    /// The whole blocks of its prompt: those that prefix caches may keep.
    prefix: Vec<BlockId>,
    /// Positions of its instances in their pools.
    pub(crate) prefill: u32,
    pub(crate) decode: Option<u32>,
    pub(crate) prefill_start: SimTime,
    pub(crate) prefill_end: SimTime,
    pub(crate) admitted: SimTime,
    pub(crate) transfer_end: SimTime,
    pub(crate) prefill_grant: Grant,
    pub(crate) decode_grant: Grant,
    pub(crate) transfer_bytes: u64,
    /// Flows of its transfer that have not ended.
    pub(crate) flows_left: u32,
    /// The flows, with their sizes, if they go on beside prefill: none of them ends before that.
    pub(crate) flows: Vec<(FlowId, Bytes)>,
    /// Its transfer has been set up.
    pub(crate) is_set_up: bool,
    /// How far its prefill is, if its transfer goes on beside that.
    pub(crate) progress: Progress,
    pub(crate) preemptions: u32,
    end: End,
}

/// Memory of a request that can be used again: for its prefix and for its flows.
type Memory = (Vec<BlockId>, Vec<(FlowId, Bytes)>);

/// How a request has ended.
#[derive(Clone, Debug)]
enum End {
    /// Not yet.
    None,
    Refused,
    Finished(RequestRecord),
}

/// The requests that have arrived and not left.
#[derive(Default)]
pub(crate) struct RequestWindow {
    /// Number of the first one.
    first: usize,
    states: VecDeque<RequestState>,
    /// Memory for prefixes and flows, of requests that have left.
    spare: Vec<Memory>,
}

impl RequestWindow {
    /// A request arrives; `blocks` are those of its prompt.
    pub(crate) fn push(&mut self, own: Request, blocks: &[BlockId]) -> RequestId {
        let (mut prefix, mut flows) = self.spare.pop().unwrap_or_default();
        prefix.clear();
        flows.clear();
        prefix.extend_from_slice(&blocks[..(own.input_tokens / BLOCK_TOKENS) as usize]);
        self.states.push_back(RequestState {
            own,
            prefix,
            prefill: 0,
            decode: None,
            prefill_start: SimTime::ZERO,
            prefill_end: SimTime::ZERO,
            admitted: SimTime::ZERO,
            transfer_end: SimTime::ZERO,
            prefill_grant: Grant::NONE,
            decode_grant: Grant::NONE,
            transfer_bytes: 0,
            flows_left: 0,
            flows,
            is_set_up: false,
            progress: Progress::default(),
            preemptions: 0,
            end: End::None,
        });
        RequestId::from_index(self.first + self.states.len() - 1)
    }

    /// Every request in the window.
    pub(crate) fn states(&self) -> impl Iterator<Item = &RequestState> {
        self.states.iter()
    }

    /// The requests that have not ended, in order of arrival.
    pub(crate) fn unended(&self) -> impl Iterator<Item = RequestId> {
        let unended = self.states.iter().enumerate().filter(|(_, state)| matches!(state.end, End::None));
        unended.map(|(offset, _)| RequestId::from_index(self.first + offset))
    }

    /// The whole blocks of a request's prompt.
    pub(crate) fn prefix(&self, request: RequestId) -> &[BlockId] {
        &self[request].prefix
    }

    /// A request can never be served.
    pub(crate) fn refuse(&mut self, request: RequestId) {
        self.end(request, End::Refused);
    }

    /// A request has made its last token.
    ///
    /// # Panics
    /// If it has ended before.
    pub(crate) fn finish(&mut self, request: RequestId, record: RequestRecord) {
        self.end(request, End::Finished(record));
    }

    fn end(&mut self, request: RequestId, end: End) {
        let state = &mut self[request];
        assert!(matches!(state.end, End::None), "request {request:?} ends once");
        state.end = end;
    }

    /// Takes the requests at the front that have ended out of the window, and gives the records of those that finished
    /// to `sink`; returns how many left.
    pub(crate) fn retire(&mut self, sink: &mut dyn FnMut(RequestRecord)) -> usize {
        let before = self.first;
        while let Some(front) = self.states.pop_front_if(|front| !matches!(front.end, End::None)) {
            self.first += 1;
            self.spare.push((front.prefix, front.flows));
            if let End::Finished(record) = front.end {
                sink(record);
            }
        }
        self.first - before
    }
}

impl Index<RequestId> for RequestWindow {
    type Output = RequestState;

    fn index(&self, request: RequestId) -> &RequestState {
        &self.states[request.index() - self.first]
    }
}

impl IndexMut<RequestId> for RequestWindow {
    fn index_mut(&mut self, request: RequestId) -> &mut RequestState {
        &mut self.states[request.index() - self.first]
    }
}
