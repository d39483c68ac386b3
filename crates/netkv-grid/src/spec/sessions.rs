//! Whether requests wait for answers, and the sessions in which they then come.

use super::seconds::{MAX_SECONDS, SECONDS};
use crate::reader::{Range, Reader};
use crate::trace_source::LoadedRequests;
use netkv_workload::{Agents, Begin, SessionSpec, Think, Told, Turns, WorkloadSpec, survey};

/// Most requests of a burst. Chosen by us.
const MAX_FAN_OUT: u32 = 1 << 10;

/// The loop, with the parameters of every kind: they are checked, used or not. None for an open loop.
pub(super) fn read_sessions(reader: &mut Reader<'_>) -> Option<Option<SessionSpec>> {
    let kind =
        reader.choice("workload.loop", &[("open", "open"), ("closed", "closed"), ("partly_open", "partly_open")]);
    let users = reader.count("workload.sessions", 1, u32::MAX);
    let turns = reader.choice("workload.turns", &[("trace", Turns::Trace), ("single", Turns::Single)]);
    let think = read_think(reader);
    let share_ratio = reader.float("workload.agent_ratio", Range::closed(0.0, 1.0));
    let tool_s = reader.float("workload.tool_s", SECONDS);
    let fan_out_ratio = reader.float("workload.fan_out_ratio", Range::closed(0.0, 1.0));
    let fan_out = reader.count("workload.fan_out", 1, MAX_FAN_OUT);
    let (kind, users, share_ratio) = (kind?, users?, share_ratio?);
    let agents = Agents { share_ratio, tool_s: tool_s?, fan_out_ratio: fan_out_ratio?, fan_out: fan_out? };
    if agents.fan_out_ratio > 0.0 && agents.share_ratio <= 0.0 {
        let message = "workload.fan_out_ratio is of agents' turns, and with workload.agent_ratio = 0 there are none; allowed with \
                       it: 0";
        reader.fail("workload.fan_out_ratio", message);
        return None;
    }
    let begin = match kind {
        "closed" => Begin::Users(users),
        "partly_open" => Begin::Arrivals,
        _ => {
            if agents.share_ratio > 0.0 {
                let message = "workload.agent_ratio is of sessions, and workload.loop = \"open\" has none that wait for an \
                               answer; allowed with it: 0, or workload.loop = \"closed\" or \"partly_open\"";
                reader.fail("workload.agent_ratio", message);
                return None;
            }
            return Some(None);
        }
    };
    Some(Some(SessionSpec { turns: turns?, think: think?, agents, begin }))
}

fn read_think(reader: &mut Reader<'_>) -> Option<Think> {
    let kinds = [("trace", 0), ("fixed", 1), ("exponential", 2), ("lognormal", 3)];
    let kind = reader.choice("workload.think", &kinds);
    let mean_s = reader.float("workload.think_s", Range::closed(0.0, MAX_SECONDS));
    let variation = reader.float("workload.think_variation_ratio", Range::closed(0.0, 100.0));
    let (mean_s, variation) = (mean_s?, variation?);
    Some(match kind? {
        0 => Think::Recorded,
        1 => Think::Fixed(mean_s),
        2 => Think::Exponential(mean_s),
        _ => Think::Lognormal { mean_s, variation },
    })
}

/// A number of sessions is a load of a closed loop, and of no other.
pub(super) fn check_load(reader: &mut Reader<'_>, sessions: Option<&SessionSpec>, is_of_sessions: bool) -> Option<()> {
    const KEY: &str = "workload.load";
    let is_closed = sessions.is_some_and(|sessions| matches!(sessions.begin, Begin::Users(_)));
    if is_closed && !is_of_sessions {
        let load = reader.text(KEY)?;
        let message = format!(
            "workload.load = \"{load}\" is a rate, and with workload.loop = \"closed\" requests come as fast as they are \
             answered; allowed with it: \"sessions\" (workload.sessions of them at once)"
        );
        reader.fail(KEY, &message);
        return None;
    }
    if is_of_sessions && !is_closed {
        let kind = reader.text("workload.loop")?;
        let message = format!(
            "workload.load = \"sessions\" is a number at once, and with workload.loop = \"{kind}\" requests have a rate; allowed \
             with it: \"native\", \"rate\", \"prefill_utilisation\" or \"capacity\""
        );
        reader.fail(KEY, &message);
        return None;
    }
    Some(())
}

/// The trace must tell sessions, and have as many as are to be at once.
pub(super) fn check_sessions(
    reader: &mut Reader<'_>,
    requests: &LoadedRequests,
    spec: &WorkloadSpec,
    sessions: &SessionSpec,
) -> Option<()> {
    let LoadedRequests::Trace { trace, .. } = requests else {
        let kind = reader.text("workload.loop")?;
        let message = format!(
            "workload.loop = \"{kind}\" needs all sessions in memory, and requests without end are never all there; allowed with \
             them: \"open\""
        );
        reader.fail("workload.loop", &message);
        return None;
    };
    let Some(found) = survey(trace, spec, sessions.turns) else {
        let message = "workload.turns = \"trace\" asks the trace which requests are of one session, and it records neither chats \
                       nor prefixes; allowed with it: \"single\" (each request is a session by itself)";
        reader.fail("workload.turns", message);
        return None;
    };
    let is_recorded = sessions.think == Think::Recorded;
    if is_recorded && found.n_turns == found.n_sessions {
        let message = "workload.think = \"trace\" takes the time between turns of a session, and no session has two; allowed: \
                       \"fixed\", \"exponential\", \"lognormal\"";
        reader.fail("workload.think", message);
        return None;
    }
    match sessions.begin {
        Begin::Users(users) if users as usize > found.n_sessions => {
            let message = format!(
                "workload.sessions = {users} at once are more than the {} sessions of the workload; allowed: as many as there \
                 are, or more of the trace (workload.window_s, max_requests)",
                found.n_sessions
            );
            reader.fail("workload.sessions", &message);
            None
        }
        Begin::Arrivals if found.n_turns == found.n_sessions && sessions.agents.share_ratio <= 0.0 => {
            let message = "workload.loop = \"partly_open\" lets later turns of a session wait for answers, and no session has two \
                           turns; allowed: \"open\", which is the same";
            reader.fail("workload.loop", message);
            None
        }
        Begin::Users(_) | Begin::Arrivals => Some(()),
    }
}

/// How sessions were told, for the label of the trace.
pub(super) fn told_by(requests: &LoadedRequests, sessions: &SessionSpec) -> &'static str {
    let LoadedRequests::Trace { trace, .. } = requests else { return "no sessions" };
    match (sessions.turns, trace.sessions_told()) {
        (Turns::Single, _) => "each request a session by itself",
        (Turns::Trace, Some(Told::Chats)) => "sessions as recorded",
        (Turns::Trace, Some(Told::Prefixes) | None) => "sessions told by block ids",
    }
}
