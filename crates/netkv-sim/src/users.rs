//! Who waits for answers: the sessions of a closed or partly open loop, and which of their turns comes when.
//!
//! A turn is due a think time after the one before it has ended; it ends when the last of its requests does, refused ones
//! included: who is refused thinks, and goes on. When a session has ended, the next one that has not begun takes its place.

use crate::measure::{Counting, LoopTotals};
use netkv_units::{BlockId, RequestId, SimDuration, SimTime};
use netkv_workload::{Request, SessionWorkload, Turn};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How far a session is.
#[derive(Clone, Default)]
struct Progress {
    /// Its present turn.
    turn: usize,
    /// Requests of the turn that were sent, and of these, the ones that have not ended.
    sent: usize,
    open: usize,
    /// The time before the turn that is a think time: none before what begins by itself.
    thought: Option<SimDuration>,
    /// When turn and session began, and whether they count.
    turn_began: SimTime,
    turn_counts: bool,
    session_began: SimTime,
    session_counts: bool,
}

/// The sessions of a run.
pub(crate) struct Users<'a> {
    source: &'a SessionWorkload,
    /// A request to come: when, and of which session.
    due: BinaryHeap<Reverse<(SimTime, usize)>>,
    /// Arrivals that nobody has been told of.
    untold: Vec<SimTime>,
    sessions: Vec<Progress>,
    /// By number of a request that has arrived: its session.
    senders: Vec<usize>,
    /// The first session that has not been given a time to begin.
    next: usize,
    n_begun: usize,
    /// The load is no longer whole: no session is left for somebody whose own has ended; or, where each begins by itself,
    /// none is to begin.
    is_ebbing: bool,
    totals: LoopTotals,
}

impl<'a> Users<'a> {
    /// The sessions that begin by themselves, about to.
    pub(crate) fn new(source: &'a SessionWorkload) -> Self {
        let mut users = Self {
            source,
            due: BinaryHeap::new(),
            untold: Vec::new(),
            sessions: vec![Progress::default(); source.sessions().len()],
            senders: Vec::with_capacity(source.workload().len()),
            next: source.starts().len(),
            n_begun: 0,
            is_ebbing: false,
            totals: LoopTotals::default(),
        };
        for (session, &start) in source.starts().iter().enumerate() {
            users.schedule(session, start);
        }
        users
    }

    /// An arrival that nobody has been told of; each is told once.
    pub(crate) fn tell(&mut self) -> Option<SimTime> {
        self.untold.pop()
    }

    fn turn(&self, session: usize) -> &'a Turn {
        &self.source.sessions()[session][self.sessions[session].turn]
    }

    /// The present turn of a session comes then.
    fn schedule(&mut self, session: usize, at: SimTime) {
        for _ in &self.turn(session).requests {
            self.due.push(Reverse((at, session)));
            self.untold.push(at);
        }
    }

    /// The request that arrives now: itself, the blocks of its prompt, and whether it counts if `counting` lets it.
    ///
    /// # Panics
    /// If none does.
    pub(crate) fn take(&mut self, counting: Counting) -> (Request, &'a [BlockId], bool) {
        let Reverse((now, session)) = self.due.pop().expect("there is a request to come");
        let turn = self.turn(session);
        let counts = counting.counts(now, self.senders.len()) && !self.is_ebbing;
        self.senders.push(session);
        let progress = &mut self.sessions[session];
        if progress.sent == 0 {
            (progress.turn_began, progress.turn_counts) = (now, counts);
            if progress.turn == 0 {
                (progress.session_began, progress.session_counts) = (now, counts);
                self.n_begun += 1;
            }
        }
        let position = turn.requests[progress.sent];
        progress.sent += 1;
        progress.open += 1;
        // Where no session takes another's place, the load is whole as long as sessions begin.
        self.is_ebbing |= self.source.begins_by_itself() && self.n_begun == self.sessions.len();
        let workload = self.source.workload();
        let mut own = *workload.request(position);
        own.arrival = now;
        (own, workload.blocks(position), counts)
    }

    /// A request has ended.
    pub(crate) fn end(&mut self, request: RequestId, now: SimTime) {
        let session = self.senders[request.index()];
        let n_requests = self.turn(session).requests.len();
        let progress = &mut self.sessions[session];
        progress.open -= 1;
        if progress.open > 0 || progress.sent < n_requests {
            return;
        }
        if progress.turn_counts {
            self.totals.add_turn(now.since(progress.turn_began), progress.thought);
        }
        (progress.turn, progress.sent) = (progress.turn + 1, 0);
        if progress.turn < self.source.sessions()[session].len() {
            return self.think(session, now);
        }
        if progress.session_counts {
            self.totals.add_session(now.since(progress.session_began));
        }
        if self.next < self.sessions.len() {
            self.next += 1;
            self.think(self.next - 1, now);
        } else {
            self.is_ebbing |= !self.source.begins_by_itself();
        }
    }

    /// The present turn of a session comes when its think time is over.
    fn think(&mut self, session: usize, now: SimTime) {
        let think = self.turn(session).think;
        self.sessions[session].thought = Some(think);
        self.schedule(session, now + think);
    }

    /// What was counted.
    pub(crate) const fn totals(&self) -> LoopTotals {
        self.totals
    }

    /// Checks from nothing that nobody and nothing is lost: whoever waits has requests in the system, of which there are
    /// `n_unended`; whoever does not, has a turn to come; as many sessions are under way as began by themselves, as long as
    /// some are left; and each request has arrived, is due, or is of a turn to come.
    ///
    /// # Panics
    /// If one of these does not hold.
    pub(crate) fn check(&self, n_unended: usize) {
        let (mut open, mut due, mut under_way, mut to_come) = (0, 0, 0, 0);
        for (session, (progress, turns)) in self.sessions.iter().zip(self.source.sessions()).enumerate() {
            let later = turns.iter().skip(progress.turn).map(|turn| turn.requests.len()).sum::<usize>() - progress.sent;
            to_come += later;
            open += progress.open;
            let Some(turn) = turns.get(progress.turn).filter(|_| session < self.next) else {
                assert_eq!((progress.sent, progress.open), (0, 0), "session {session} has ended, or not begun");
                continue;
            };
            under_way += 1;
            due += turn.requests.len() - progress.sent;
            let is_thinking = self.due.iter().any(|Reverse((_, own))| *own == session);
            assert!(is_thinking || progress.open > 0, "session {session} waits for nothing");
        }
        assert_eq!(open, n_unended, "who waits has requests in the system");
        assert_eq!(due, self.due.len(), "requests that are due");
        assert_eq!(self.senders.len() + to_come, self.source.workload().len(), "no request is lost");
        let expected = if self.next < self.sessions.len() { self.source.starts().len() } else { under_way };
        assert_eq!(under_way, expected, "a session that has ended is followed by one");
    }
}
