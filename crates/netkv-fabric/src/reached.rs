//! What a solve knows of a link that it has reached, and when that link's next step comes.

use crate::steps::ABSENT;

/// Of a flow that rises: what it takes is whatever it gets. Of a link: it does not fill.
pub(crate) const UNBOUNDED: u64 = u64::MAX;
/// Place of a link that was not full and is put aside, since it is seldom the next; and of one without a step.
pub(crate) const ASIDE: u32 = u32::MAX;
pub(crate) const NOWHERE: u32 = u32::MAX - 1;

/// What comes next in a solve; at one level, in this order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Fill,
    Cap,
    Release,
}

/// A reached link.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    /// The solve that reached it.
    pub(crate) epoch: u32,
    /// Members that rise.
    pub(crate) risen: u32,
    /// Its place among the steps to come.
    pub(crate) place: u32,
    /// It fills here, or higher if this is not `exact`.
    pub(crate) level: u64,
    /// Where it filled before; [`UNBOUNDED`] once it has released its flows.
    pub(crate) release: u64,
    pub(crate) exact: bool,
    /// It is in the queue to have its level found.
    pub(crate) queued: bool,
    /// It has filled.
    pub(crate) done: bool,
}

impl Reached {
    /// The key of the link's next step.
    pub(crate) fn key(&self) -> u64 {
        if self.level <= self.release { key_of(self.level, Step::Fill) } else { key_of(self.release, Step::Release) }
    }
}

/// A key that sorts by level, then step.
pub(crate) const fn key_of(level: u64, step: Step) -> u64 {
    if level == UNBOUNDED { ABSENT } else { level << 2 | step as u64 }
}
