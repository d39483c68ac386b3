//! Requests one after the other, so that a run need not hold all of them: what the simulation draws from.

use crate::trace::{BLOCK_TOKENS, n_blocks_of};
use crate::turns::SessionWorkload;
use crate::workload::{Request, Workload};
use netkv_units::{BlockId, RequestId, SimDuration, SimTime};
use std::fmt::Debug;

/// Requests that can be drawn in order of arrival, again and again, and are the same each time.
pub trait RequestSource: Debug + Send + Sync {
    /// How many requests there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens of a block of their prompts; the last one of a prompt may be partial.
    fn block_tokens(&self) -> u32 {
        BLOCK_TOKENS
    }

    /// When the last one arrives in an open loop; time 0 if there is none.
    fn last_arrival(&self) -> SimTime;

    /// How long requests arrive for; their mean rate is their number over this.
    fn span(&self) -> SimDuration;

    /// All of them, from the first on.
    fn draw(&self) -> Box<dyn RequestStream + '_>;

    /// Their sessions, if they wait for answers: then each request of the drawing arrives once, but when and in which
    /// order follows from the answers.
    fn sessions(&self) -> Option<&SessionWorkload> {
        None
    }
}

/// Requests in order of arrival.
pub trait RequestStream {
    /// The next request; `blocks` is given the blocks of its prompt instead of what it holds. None if there are no more.
    fn next(&mut self, blocks: &mut Vec<BlockId>) -> Option<Request>;
}

impl RequestSource for Workload {
    fn len(&self) -> usize {
        self.requests().len()
    }

    fn block_tokens(&self) -> u32 {
        self.block_tokens()
    }

    fn last_arrival(&self) -> SimTime {
        self.requests().last().map_or(SimTime::ZERO, |request| request.arrival)
    }

    fn span(&self) -> SimDuration {
        self.span()
    }

    fn draw(&self) -> Box<dyn RequestStream + '_> {
        Box::new(Listed { workload: self, next: 0 })
    }
}

impl RequestSource for SessionWorkload {
    fn len(&self) -> usize {
        self.workload().len()
    }

    fn block_tokens(&self) -> u32 {
        self.workload().block_tokens()
    }

    fn last_arrival(&self) -> SimTime {
        RequestSource::last_arrival(self.workload())
    }

    fn span(&self) -> SimDuration {
        self.workload().span()
    }

    fn draw(&self) -> Box<dyn RequestStream + '_> {
        self.workload().draw()
    }

    fn sessions(&self) -> Option<&SessionWorkload> {
        Some(self)
    }
}

/// The requests of a workload that is in memory.
struct Listed<'a> {
    workload: &'a Workload,
    next: usize,
}

impl RequestStream for Listed<'_> {
    fn next(&mut self, blocks: &mut Vec<BlockId>) -> Option<Request> {
        let request = *self.workload.requests().get(self.next)?;
        blocks.clear();
        blocks.extend_from_slice(self.workload.blocks(RequestId::from_index(self.next)));
        let n_blocks = n_blocks_of(request.input_tokens, self.workload.block_tokens());
        debug_assert_eq!(blocks.len(), n_blocks, "a prompt has all its blocks");
        self.next += 1;
        Some(request)
    }
}
