//! Requests that wait for answers: sessions of turns, and which requests each turn sends.
//!
//! A turn comes a think time after the one before it has ended, and a turn ends when the last of its requests does. A
//! session begins at a time of its own, or in the place of one that has ended.

use crate::workload::Workload;
use netkv_units::{RequestId, SimDuration, SimTime};

/// Requests sent at once by one user or agent, who waits for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Time from the end of the turn before (of the session before, for a session's first turn) to this one.
    pub think: SimDuration,
    /// What it sends, by position in the workload; at least one.
    pub requests: Vec<RequestId>,
}

/// A workload whose requests come in sessions. Their arrivals in the workload are those of an open loop; in a run they
/// follow from the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionWorkload {
    workload: Workload,
    sessions: Vec<Vec<Turn>>,
    starts: Vec<SimTime>,
}

impl SessionWorkload {
    /// Sessions over the requests of `workload`. The first `starts.len()` of them begin at these times; each of the
    /// others in turn when one has ended, after the think time of its first turn.
    ///
    /// # Panics
    /// If a request is not in exactly one turn, a session or a turn is empty, there are more starts than sessions, or none
    /// of some sessions.
    pub fn new(workload: Workload, sessions: Vec<Vec<Turn>>, starts: Vec<SimTime>) -> Self {
        assert!(starts.len() <= sessions.len(), "{} starts of {} sessions", starts.len(), sessions.len());
        assert!(sessions.is_empty() || !starts.is_empty(), "somebody begins");
        assert!(sessions.iter().all(|turns| !turns.is_empty()), "a session has a turn");
        let mut is_sent = vec![false; workload.len()];
        for turn in sessions.iter().flatten() {
            assert!(!turn.requests.is_empty(), "a turn has a request");
            for request in &turn.requests {
                assert!(!std::mem::replace(&mut is_sent[request.index()], true), "{request:?} is sent once");
            }
        }
        assert!(is_sent.iter().all(|&sent| sent), "every request is sent");
        Self { workload, sessions, starts }
    }

    /// The requests, in the order of an open loop.
    pub fn workload(&self) -> &Workload {
        &self.workload
    }

    /// The turns of each session, in the order in which sessions begin.
    pub fn sessions(&self) -> &[Vec<Turn>] {
        &self.sessions
    }

    /// When the first sessions begin.
    pub fn starts(&self) -> &[SimTime] {
        &self.starts
    }

    /// Whether every session begins at a time of its own, and none in another's place.
    pub fn begins_by_itself(&self) -> bool {
        self.starts.len() == self.sessions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(requests: &[u32]) -> Turn {
        Turn { think: SimDuration::ZERO, requests: requests.iter().map(|&number| RequestId::new(number)).collect() }
    }

    #[test]
    fn sessions_hold_every_request_once() {
        let workload = Workload::poisson(1.0, 3, 100, 1, 1);
        let starts = || vec![SimTime::ZERO];
        let sessions = SessionWorkload::new(workload, vec![vec![turn(&[0]), turn(&[1, 2])]], starts());
        assert!(sessions.begins_by_itself());
    }

    #[test]
    #[should_panic(expected = "is sent once")]
    fn a_request_in_two_turns_is_refused() {
        let workload = Workload::poisson(1.0, 2, 100, 1, 1);
        let _ = SessionWorkload::new(workload, vec![vec![turn(&[0, 1]), turn(&[1])]], vec![SimTime::ZERO]);
    }

    #[test]
    #[should_panic(expected = "every request is sent")]
    fn a_request_of_no_session_is_refused() {
        let workload = Workload::poisson(1.0, 2, 100, 1, 1);
        let _ = SessionWorkload::new(workload, vec![vec![turn(&[0])]], vec![SimTime::ZERO]);
    }
}
