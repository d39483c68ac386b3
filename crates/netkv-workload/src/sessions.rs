//! From a trace to requests that wait for answers: which rows are one session, how long people think and tools run, what
//! is sent at once.
//!
//! Rows of one session with one stamp are sent together; all others of it one after the other, in order of time. What is
//! drawn comes from streams of the seed, in the order of sessions, and is the same whatever their number at once: "think
//! times", "agents", "tool times", "fan-out" and "session starts".

mod agents;
mod think;
mod told;

use crate::shape::WorkloadSpec;
use crate::trace::Trace;
use crate::turns::{SessionWorkload, Turn};
use crate::workload::Workload;
pub use agents::Agents;
use agents::{AgentDraws, fanned_out};
use netkv_units::{RequestId, SimDuration, SimTime, Stream};
use std::collections::BTreeMap;
pub use think::Think;
use think::Thinker;
pub use told::Told;

/// How sessions follow from a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SessionSpec {
    /// Which rows are of one session.
    pub turns: Turns,
    /// How long people think.
    pub think: Think,
    /// What is not people's.
    pub agents: Agents,
    /// When sessions begin.
    pub begin: Begin,
}

/// Which rows are of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// Those of which the trace tells that they are.
    Trace,
    /// Each row is a session by itself.
    Single,
}

/// When sessions begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// So many at once, at least one. The first ones begin within their think times, uniformly, so that users do not keep
    /// step; each of the others a think time after one has ended.
    Users(u32),
    /// When their first request arrives in an open loop.
    Arrivals,
}

/// What the sessions of a workload are, whatever the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSurvey {
    /// How many sessions there are.
    pub n_sessions: usize,
    /// How many turns they have together.
    pub n_turns: usize,
}

/// The sessions that `spec` and `rule` make of `trace`; nothing if the trace does not tell which rows are of one.
///
/// # Panics
/// As [`Workload::build`].
pub fn survey(trace: &Trace, spec: &WorkloadSpec, rule: Turns) -> Option<SessionSurvey> {
    let sessions = grouped(trace, &Workload::build(trace, spec, 0), rule)?;
    Some(SessionSurvey { n_sessions: sessions.len(), n_turns: sessions.iter().map(Vec::len).sum() })
}

impl SessionWorkload {
    /// The sessions that `spec` and `sessions` make of `trace`. `rate` says at which mean rate the requests, given as in
    /// an open loop, are to come; it moves the sessions' own starts alone, and no think time.
    ///
    /// # Panics
    /// As [`Workload::build`]; and if the trace does not tell sessions or times that are asked for ([`survey`] says so), or
    /// more sessions are to be at once than there are.
    pub fn build(
        trace: &Trace,
        spec: &WorkloadSpec,
        sessions: &SessionSpec,
        rate: impl FnOnce(&Workload) -> Option<f64>,
        seed: u64,
    ) -> Self {
        let workload = Workload::build(trace, spec, seed);
        let grouped = grouped(trace, &workload, sessions.turns).expect("the trace tells sessions");
        let arrival = |turn: &[usize]| workload.requests()[turn[0]].arrival;
        let gaps = |turns: &[Vec<usize>]| -> Vec<SimDuration> {
            turns.windows(2).map(|pair| arrival(&pair[1]).since(arrival(&pair[0]))).collect()
        };
        let recorded: Vec<SimDuration> = grouped.iter().flat_map(|turns| gaps(turns)).collect();

        let mut thinker = Thinker::new(sessions.think, &recorded, seed);
        let mut draws = AgentDraws::new(sessions.agents, seed);
        let mut copies = vec![1; workload.len()];
        let mut thinks: Vec<Vec<SimDuration>> = Vec::with_capacity(grouped.len());
        for turns in &grouped {
            let is_agent = draws.is_agent();
            let own = std::iter::once(None).chain(gaps(turns).into_iter().map(Some));
            let mut times = Vec::with_capacity(turns.len());
            for (turn, own) in turns.iter().zip(own) {
                times.push(draws.think(&mut thinker, own, is_agent && own.is_some()));
                let n_requests = draws.n_requests(is_agent);
                turn.iter().for_each(|&request| copies[request] = n_requests);
            }
            thinks.push(times);
        }
        let (workload, positions) = fanned_out(workload, &copies);
        let workload = match rate(&workload) {
            None => workload,
            Some(rate_rps) => workload.scaled_to_rate(rate_rps),
        };
        let starts = starts(&workload, sessions.begin, &thinks, |session| positions[grouped[session][0][0]][0], seed);
        let turns = grouped.iter().zip(thinks).map(|(turns, times)| {
            let turn = |(turn, think): (&Vec<usize>, SimDuration)| Turn {
                think,
                requests: turn.iter().flat_map(|&request| positions[request].iter().copied()).collect(),
            };
            turns.iter().zip(times).map(turn).collect()
        });
        Self::new(workload, turns.collect(), starts)
    }
}

/// When the first sessions begin; `first` is the first request of a session.
fn starts(
    workload: &Workload,
    begin: Begin,
    thinks: &[Vec<SimDuration>],
    first: impl Fn(usize) -> RequestId,
    seed: u64,
) -> Vec<SimTime> {
    match begin {
        Begin::Arrivals => (0..thinks.len()).map(|session| workload.request(first(session)).arrival).collect(),
        Begin::Users(users) => {
            let users = users as usize;
            assert!(users <= thinks.len(), "{users} sessions at once, of {}", thinks.len());
            let mut stream = Stream::new(seed, "session starts");
            let start = |times: &Vec<SimDuration>| SimTime::from_secs_f64(times[0].as_secs_f64() * stream.unit());
            thinks[..users].iter().map(start).collect()
        }
    }
}

/// By session, in order of first arrival: its turns, each of requests with one stamp, by position in `workload`.
fn grouped(trace: &Trace, workload: &Workload, rule: Turns) -> Option<Vec<Vec<Vec<usize>>>> {
    let told = match rule {
        Turns::Trace => Some(told::told(trace)?),
        Turns::Single => None,
    };
    let mut places: BTreeMap<u32, usize> = BTreeMap::new();
    let mut sessions: Vec<Vec<Vec<usize>>> = Vec::new();
    let mut last_stamps = Vec::new();
    for (idx, request) in workload.requests().iter().enumerate() {
        let row = request.trace_row as usize;
        let (session, stamp_ms) = (told.as_ref().map_or(row as u32, |told| told[row]), trace.rows()[row].timestamp_ms);
        let next = sessions.len();
        let place = *places.entry(session).or_insert(next);
        if place == next {
            sessions.push(Vec::new());
            last_stamps.push(None);
        }
        if last_stamps[place].replace(stamp_ms) == Some(stamp_ms) {
            sessions[place].last_mut().expect("a stamp has a turn").push(idx);
        } else {
            sessions[place].push(vec![idx]);
        }
    }
    Some(sessions)
}
