//! From a trace to sessions that wait for answers.

use netkv_units::{RequestId, SimDuration, SimTime};
use netkv_workload::{
    Agents, Arrivals, Begin, Context, InputRange, Prefixes, Reading, RequestSource, SessionSpec, SessionWorkload,
    SyntheticKind, Think, Told, Trace, Turns, WorkloadSpec, generate, read_trace, survey,
};

const RAW: WorkloadSpec = WorkloadSpec {
    window: None,
    inputs: InputRange::ALL,
    context: Context::Native,
    arrivals: Arrivals::RawTicks,
    prefixes: Prefixes::Trace,
    limit: None,
};
const NO_AGENTS: Agents = Agents { share_ratio: 0.0, tool_s: 1.0, fan_out_ratio: 0.0, fan_out: 1 };
const PEOPLE: SessionSpec =
    SessionSpec { turns: Turns::Trace, think: Think::Recorded, agents: NO_AGENTS, begin: Begin::Arrivals };

/// A root of all, two chats behind it, and two rows of the first chat with one stamp.
const TWO_CHATS: &str = "\
{\"timestamp\": 0, \"input_length\": 1100, \"output_length\": 1, \"hash_ids\": [0, 1, 2]}
{\"timestamp\": 1000, \"input_length\": 1100, \"output_length\": 2, \"hash_ids\": [0, 3, 4]}
{\"timestamp\": 4000, \"input_length\": 1600, \"output_length\": 3, \"hash_ids\": [0, 1, 5, 6]}
{\"timestamp\": 4000, \"input_length\": 1700, \"output_length\": 4, \"hash_ids\": [0, 1, 5, 7]}
{\"timestamp\": 9000, \"input_length\": 2100, \"output_length\": 5, \"hash_ids\": [0, 1, 5, 7, 8]}
";

fn build(trace: &Trace, spec: &SessionSpec) -> SessionWorkload {
    SessionWorkload::build(trace, &RAW, spec, |_| None, 1)
}

fn two_chats() -> Trace {
    Trace::parse(TWO_CHATS.as_bytes()).expect("a trace")
}

/// Think time in ms and requests of each turn.
fn shape(sessions: &SessionWorkload) -> Vec<Vec<(u64, Vec<usize>)>> {
    let turn = |turn: &netkv_workload::Turn| {
        (turn.think.as_nanos() / 1_000_000, turn.requests.iter().map(|request| request.index()).collect())
    };
    sessions.sessions().iter().map(|turns| turns.iter().map(turn).collect()).collect()
}

#[test]
fn rows_of_one_chat_follow_each_other_and_those_of_one_stamp_go_together() {
    let sessions = build(&two_chats(), &PEOPLE);
    let mut found = shape(&sessions);
    // What comes before a session's first turn is some recorded time.
    assert!(found.iter().all(|turns| [4000, 5000].contains(&turns[0].0)), "{found:?}");
    found.iter_mut().for_each(|turns| turns[0].0 = 0);
    assert_eq!(found, [vec![(0, vec![0]), (4000, vec![2, 3]), (5000, vec![4])], vec![(0, vec![1])]]);
    assert_eq!(sessions.starts(), [SimTime::ZERO, SimTime::from_secs_f64(1.0)]);
    let survey = survey(&two_chats(), &RAW, Turns::Trace).expect("it tells");
    assert_eq!((survey.n_sessions, survey.n_turns), (2, 4));
    assert_eq!(two_chats().sessions_told(), Some(Told::Prefixes));
}

#[test]
fn a_rate_moves_starts_and_no_think_time() {
    let slow = build(&two_chats(), &PEOPLE);
    let fast = SessionWorkload::build(&two_chats(), &RAW, &PEOPLE, |open| Some(2.0 * open.native_rate_rps()), 1);
    assert_eq!(shape(&slow), shape(&fast));
    assert_eq!(fast.starts(), [SimTime::ZERO, SimTime::from_secs_f64(0.5)]);
}

#[test]
fn users_begin_within_their_think_times_and_single_rows_need_no_chats() {
    let begin = Begin::Users(3);
    let spec = SessionSpec { turns: Turns::Single, think: Think::Fixed(8.0), begin, ..PEOPLE };
    let sessions = build(&two_chats(), &spec);
    assert_eq!(sessions.sessions().len(), 5);
    assert_eq!(sessions.starts().len(), 3);
    assert!(sessions.starts().iter().all(|&start| start < SimTime::from_secs_f64(8.0)), "{:?}", sessions.starts());
    assert!(sessions.sessions().iter().all(|turns| turns[0].think == SimDuration::from_secs_f64(8.0)));
    // Draws are the same for any number of users.
    let other = build(&two_chats(), &SessionSpec { begin: Begin::Users(2), ..spec });
    assert_eq!(other.starts(), &sessions.starts()[..2]);
    let lengths = "{\"timestamp\": 0, \"input_length\": 9, \"output_length\": 1}\n";
    let lengths = read_trace(lengths.as_bytes(), &Reading::Detected).expect("a trace").trace;
    assert_eq!((survey(&lengths, &RAW, Turns::Trace), lengths.sessions_told()), (None, None));
    assert!(survey(&lengths, &RAW, Turns::Single).is_some());
}

#[test]
fn a_burst_shares_all_but_its_last_blocks_and_who_is_no_agent_sends_none() {
    let agents = Agents { share_ratio: 1.0, tool_s: 0.5, fan_out_ratio: 1.0, fan_out: 3 };
    let spec = SessionSpec { think: Think::Fixed(60.0), agents, ..PEOPLE };
    let sessions = build(&two_chats(), &spec);
    sessions.workload().check_invariants();
    assert_eq!(sessions.workload().len(), 15);
    let first = &sessions.sessions()[0];
    assert_eq!(first.iter().map(|turn| turn.requests.len()).collect::<Vec<_>>(), [3, 6, 3]);
    let blocks = |position: usize| sessions.workload().blocks(first[0].requests[position]).to_vec();
    assert_eq!(blocks(0)[..2], blocks(1)[..2]);
    let last: Vec<_> = (0..3).map(|position| blocks(position)[2]).collect();
    assert!(last[0] != last[1] && last[1] != last[2] && last[0] != last[2], "{last:?}");
    // The next turn goes on with the original.
    assert_eq!(sessions.workload().blocks(first[1].requests[0])[1], blocks(0)[1]);
    // Tools are quick; before a session an agent, too, is asked by somebody.
    assert_eq!(first[0].think, SimDuration::from_secs_f64(60.0));
    assert!(first[1..].iter().all(|turn| turn.think < SimDuration::from_secs_f64(20.0)));
    let people = SessionSpec { agents: Agents { share_ratio: 0.0, ..agents }, ..spec };
    assert_eq!(build(&two_chats(), &people).workload().len(), 5);
}

/// A higher share adds agents; those that were, stay, with the same draws.
#[test]
fn draws_are_common_to_all_shares() {
    let trace = generate(SyntheticKind::Conversation, 2);
    let at = |share_ratio| {
        let agents = Agents { share_ratio, tool_s: 1.0, fan_out_ratio: 0.3, fan_out: 4 };
        build(&trace, &SessionSpec { think: Think::Exponential(30.0), agents, begin: Begin::Users(50), ..PEOPLE })
    };
    let (none, some, more) = (at(0.0), at(0.2), at(0.5));
    assert_eq!(none.sessions().len(), more.sessions().len());
    let of = |sessions: &SessionWorkload, session: usize| -> Vec<(SimDuration, usize)> {
        sessions.sessions()[session].iter().map(|turn| (turn.think, turn.requests.len())).collect()
    };
    let (mut changed_by_some, mut changed_by_more) = (0, 0);
    for session in 0..none.sessions().len() {
        let is_agent = of(&some, session) != of(&none, session);
        changed_by_some += usize::from(is_agent);
        changed_by_more += usize::from(of(&more, session) != of(&none, session));
        assert!(!is_agent || of(&more, session) == of(&some, session), "session {session}");
    }
    assert!(changed_by_some > 300 && changed_by_more > 2 * changed_by_some, "{changed_by_some} {changed_by_more}");
    let copies = some.workload().len() - none.workload().len();
    assert!(copies > 300, "{copies} requests of bursts");
    assert_eq!(RequestSource::len(&none), trace.len());
    assert!(none.sessions().iter().flatten().all(|turn| turn.requests != [RequestId::new(u32::MAX)]));
}
