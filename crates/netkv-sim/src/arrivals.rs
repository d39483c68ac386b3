//! The requests to come: one after the other as listed, the next one drawn already, or as answers let them.

use crate::measure::{Counting, LoopTotals};
use crate::scenario::Scenario;
use crate::users::Users;
use netkv_units::{BlockId, RequestId, SimTime};
use netkv_workload::{Request, RequestStream};

/// What is left of a workload.
pub(crate) struct Arrivals<'a> {
    counting: Counting,
    n_arrived: usize,
    way: Way<'a>,
}

enum Way<'a> {
    /// An open loop.
    Listed(Listed<'a>),
    /// Sessions that wait for answers.
    Sessions(Users<'a>),
}

struct Listed<'a> {
    stream: Box<dyn RequestStream + 'a>,
    next: Option<Request>,
    /// The blocks of the next one's prompt.
    blocks: Vec<BlockId>,
    /// The arrival of the next one was told.
    is_told: bool,
}

impl<'a> Arrivals<'a> {
    /// All of it.
    pub(crate) fn new(scenario: &'a Scenario) -> Self {
        let way = scenario.workload.sessions().map_or_else(
            || {
                let mut listed =
                    Listed { stream: scenario.workload.draw(), next: None, blocks: Vec::new(), is_told: false };
                listed.next = listed.stream.next(&mut listed.blocks);
                Way::Listed(listed)
            },
            |sessions| Way::Sessions(Users::new(sessions)),
        );
        Self { counting: Counting::new(scenario), n_arrived: 0, way }
    }

    /// When a request arrives of which this was not told yet; none if there is none that is known by now.
    pub(crate) fn tell(&mut self) -> Option<SimTime> {
        match &mut self.way {
            Way::Listed(listed) => {
                let is_told = std::mem::replace(&mut listed.is_told, true);
                listed.next.as_ref().filter(|_| !is_told).map(|next| next.arrival)
            }
            Way::Sessions(users) => users.tell(),
        }
    }

    /// The next request arrives: gives it, the blocks of its prompt and whether it counts to `take`.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn take<T>(&mut self, take: impl FnOnce(Request, &[BlockId], bool) -> T) -> T {
        let taken = match &mut self.way {
            Way::Listed(listed) => {
                let next = listed.next.expect("there is a request to come");
                let taken = take(next, &listed.blocks, self.counting.counts(next.arrival, self.n_arrived));
                listed.next = listed.stream.next(&mut listed.blocks);
                listed.is_told = false;
                taken
            }
            Way::Sessions(users) => {
                let (own, blocks, counts) = users.take(self.counting);
                take(own, blocks, counts)
            }
        };
        self.n_arrived += 1;
        taken
    }

    /// A request has ended.
    pub(crate) fn end(&mut self, request: RequestId, now: SimTime) {
        match &mut self.way {
            Way::Listed(_) => {}
            Way::Sessions(users) => users.end(request, now),
        }
    }

    /// What was counted of the loop; nothing in an open one.
    pub(crate) fn totals(&self) -> LoopTotals {
        self.users().map_or_else(LoopTotals::default, Users::totals)
    }

    /// The sessions, if there are any.
    pub(crate) const fn users(&self) -> Option<&Users<'a>> {
        match &self.way {
            Way::Listed(_) => None,
            Way::Sessions(users) => Some(users),
        }
    }
}
