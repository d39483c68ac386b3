//! The requests to come, the next one drawn already.

use crate::scenario::Scenario;
use netkv_units::{BlockId, SimTime};
use netkv_workload::{Request, RequestStream};

/// What is left of a workload.
pub(crate) struct Arrivals<'a> {
    stream: Box<dyn RequestStream + 'a>,
    next: Option<Request>,
    /// The blocks of the next one's prompt.
    blocks: Vec<BlockId>,
}

impl<'a> Arrivals<'a> {
    /// All of it.
    pub(crate) fn new(scenario: &'a Scenario) -> Self {
        let mut arrivals = Self { stream: scenario.workload.draw(), next: None, blocks: Vec::new() };
        arrivals.next = arrivals.stream.next(&mut arrivals.blocks);
        arrivals
    }

    /// When the next request arrives.
    pub(crate) fn next_arrival(&self) -> Option<SimTime> {
        self.next.as_ref().map(|next| next.arrival)
    }

    /// The next request arrives: gives it and the blocks of its prompt to `take`.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn take<T>(&mut self, take: impl FnOnce(Request, &[BlockId]) -> T) -> T {
        let taken = take(self.next.expect("there is a request to come"), &self.blocks);
        self.next = self.stream.next(&mut self.blocks);
        taken
    }
}
