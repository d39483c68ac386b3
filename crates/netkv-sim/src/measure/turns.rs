//! The figures of a loop that waits for answers: turns, sessions, and the time between them.

use netkv_units::SimDuration;

/// Sums over the turns and sessions that count: those whose first request does. All are zero in an open loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopTotals {
    /// Turns that ended.
    pub turns: u64,
    /// From their arrival to the end of the last of their requests, in nanoseconds.
    pub turn_ns: u128,
    /// Turns that a think time came before.
    pub thinks: u64,
    /// These times, in nanoseconds.
    pub think_ns: u128,
    /// Sessions that ended.
    pub sessions: u64,
    /// From their first arrival to their last answer, in nanoseconds.
    pub session_ns: u128,
}

impl LoopTotals {
    /// A turn took so long, after a think time if there was one.
    pub(crate) fn add_turn(&mut self, turn: SimDuration, thought: Option<SimDuration>) {
        self.turns += 1;
        self.turn_ns += u128::from(turn.as_nanos());
        if let Some(think) = thought {
            self.thinks += 1;
            self.think_ns += u128::from(think.as_nanos());
        }
    }

    /// A session took so long.
    pub(crate) fn add_session(&mut self, session: SimDuration) {
        self.sessions += 1;
        self.session_ns += u128::from(session.as_nanos());
    }
}
