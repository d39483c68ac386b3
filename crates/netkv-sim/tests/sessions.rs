//! Loops that wait for answers: a session by hand, the law of such loops, what they have in common with open ones.

mod common;

use common::random::{in_sessions, random_local, random_scenario};
use common::{millis, scenario};
use netkv_policy::PolicyConfig;
use netkv_sim::{
    LoopTotals, METRICS, RequestRecord, Scenario, Value, metric_index, metrics, run, run_checked, run_with,
};
use netkv_sim::{Placement, RunOutput};
use netkv_units::{BlockId, RequestId, SimDuration, SimTime, Stream};
use netkv_workload::{SessionWorkload, Turn, Workload};
use std::sync::Arc;

fn turn(think: SimDuration, requests: std::ops::Range<usize>) -> Turn {
    Turn { think, requests: requests.map(RequestId::from_index).collect() }
}

/// Requests of (prompt, answer) with no block in common, all at time 0 in an open loop.
fn requests(lengths: &[(u32, u32)]) -> Workload {
    let mut next = 0;
    let part = |&(input, output): &(u32, u32)| {
        let first = next;
        next += input.div_ceil(512);
        (SimTime::ZERO, input, output, (first..next).map(BlockId::new).collect())
    };
    Workload::from_parts(lengths.iter().map(part).collect())
}

/// Sessions on seven prefill instances and one that decodes. Prefill takes 1 ms a token, a transfer 50 us a token, an
/// iteration 10 ms.
fn by_hand(lengths: &[(u32, u32)], sessions: Vec<Vec<Turn>>, starts: Vec<SimTime>) -> Scenario {
    let mut scenario = scenario(requests(lengths));
    scenario.workload = Arc::new(SessionWorkload::new(requests(lengths), sessions, starts));
    scenario.cluster.prefill_instances = 7;
    scenario.cluster.placement = Placement::Listed((0..7).collect());
    scenario
}

fn value(output: &RunOutput, name: &str) -> Value {
    metrics(output)[metric_index(name).expect("a metric")]
}

#[test]
fn a_session_by_hand_to_the_nanosecond() {
    let turns = vec![
        turn(millis(99), 0..1),
        turn(millis(7000), 1..2),
        // Sent at once; the second ends last.
        turn(millis(250), 2..4),
        turn(SimDuration::ZERO, 4..5),
    ];
    let lengths = [(1000, 3), (500, 1), (400, 1), (600, 5), (100, 1), (800, 2)];
    let next = vec![turn(millis(3000), 5..6)];
    let scenario = by_hand(&lengths, vec![turns, next], vec![SimTime::from_nanos(5)]);
    let output = run_checked(&scenario);
    let found: Vec<_> = output.requests.iter().map(|one| (one.arrival, one.ttft, one.finish)).collect();
    let start = SimTime::from_nanos(5);
    let second = start + millis(1000 + 50 + 10 + 20) + millis(7000);
    let third = second + millis(500 + 25 + 10) + millis(250);
    let fourth = third + millis(600 + 30 + 50);
    let fifth = fourth + millis(115) + millis(3000);
    let expect = [
        (start, millis(1060), start + millis(1080)),
        (second, millis(535), second + millis(535)),
        (third, millis(430), third + millis(430)),
        (third, millis(640), third + millis(680)),
        (fourth, millis(115), fourth + millis(115)),
        (fifth, millis(850), fifth + millis(860)),
    ];
    assert_eq!(found, expect);
    let totals = LoopTotals {
        turns: 5,
        turn_ns: 1_000_000 * (1080 + 535 + 680 + 115 + 860),
        thinks: 4,
        think_ns: 1_000_000 * (7250 + 3000),
        sessions: 2,
        session_ns: 1_000_000 * (1080 + 7000 + 535 + 250 + 680 + 115 + 860),
    };
    assert_eq!(output.totals.turns, totals);
    assert_eq!(value(&output, "turns"), Value::Integer(5));
    assert_eq!(value(&output, "think_mean_ns"), Value::Integer(10_250_000_000 / 4));
    assert_eq!(value(&run(&common::scenario(requests(&lengths))), "turns"), Value::Missing, "an open loop has none");
}

#[test]
fn a_session_that_has_ended_is_followed_by_the_next_a_think_time_later() {
    let sessions = [(1, 0), (2, 1), (40, 2)].map(|(think, request)| vec![turn(millis(think), request..request + 1)]);
    let starts = [0, 100].map(|ms| SimTime::ZERO + millis(ms)).to_vec();
    let scenario = by_hand(&[(1000, 3), (100, 1), (200, 1)], sessions.to_vec(), starts);
    let output = run_checked(&scenario);
    let arrivals: Vec<_> = output.requests.iter().map(|one| one.arrival).collect();
    // The second session ends first, at 100 + 100 + 5 + 10 ms.
    assert_eq!(arrivals, [0, 100, 215 + 40].map(|ms| SimTime::ZERO + millis(ms)));
    assert_eq!(output.totals.turns.sessions, 3);
}

/// What is counted ends when somebody finds no session left, and begins after the warm-up.
#[test]
fn what_counts_is_what_arrives_while_the_load_is_whole() {
    let sessions: Vec<_> = (0..6).map(|request| vec![turn(millis(1000), request..request + 1)]).collect();
    let mut scenario = by_hand(&[(100, 1); 6], sessions.clone(), vec![SimTime::ZERO; 2]);
    scenario.measure.warmup_requests = 2;
    let counted: Vec<bool> = run_checked(&scenario).requests.iter().map(|one| one.counted).collect();
    // The first two warm up. Two at a time: the last two find everybody at work.
    assert_eq!(counted, [false, false, true, true, true, true]);
    // A session of two turns more, while the other user has none left.
    let mut sessions = sessions;
    sessions[5].push(turn(millis(1000), 6..7));
    scenario = by_hand(&[(100, 1); 7], sessions, vec![SimTime::ZERO; 2]);
    let counted: Vec<bool> = run_checked(&scenario).requests.iter().map(|one| one.counted).collect();
    assert_eq!(counted, [true, true, true, true, true, true, false]);
}

/// Where sessions begin by themselves, one that ends is replaced by none: what counts arrives until the last has begun.
#[test]
fn what_counts_of_a_partly_open_loop_arrives_as_long_as_sessions_begin() {
    let of = |n: usize| vec![turn(millis(9), n..n + 1), turn(millis(1000), n + 1..n + 2)];
    let starts = [0, 5_000, 9_000].map(|ms| SimTime::ZERO + millis(ms));
    let scenario = by_hand(&[(100, 1); 6], [0, 2, 4].map(of).to_vec(), starts.to_vec());
    let output = run_checked(&scenario);
    let counted: Vec<bool> = output.requests.iter().map(|one| one.counted).collect();
    assert_eq!(counted, [true, true, true, true, true, false]);
    assert_eq!((output.totals.turns.sessions, output.totals.turns.turns, output.totals.turns.thinks), (3, 5, 2));
}

#[test]
fn who_is_refused_thinks_and_goes_on() {
    let turns = vec![turn(millis(1), 0..2), turn(millis(300), 2..3)];
    let mut scenario = by_hand(&[(100, 1), (5_000, 1), (200, 1)], vec![turns], vec![SimTime::ZERO]);
    scenario.kv.decode_blocks = 100;
    let output = run_checked(&scenario);
    assert_eq!((output.totals.rejected, output.requests.len()), (1, 2));
    assert_eq!(output.requests[1].arrival, SimTime::ZERO + millis(115 + 300));
}

/// `n` single requests of 300 tokens on one prefill instance of 1 ms a token; think times are exponential.
fn interactive(n: usize, users: usize, think_s: f64, seed: u64) -> Scenario {
    let mut thinks = Stream::new(seed, "thinks");
    let mut draw = || SimDuration::from_secs_f64(thinks.exponential(think_s));
    let sessions: Vec<_> = (0..n).map(|request| vec![turn(draw(), request..request + 1)]).collect();
    let starts = (0..users).map(|_| SimTime::ZERO + draw()).collect();
    let mut scenario = by_hand(&vec![(300, 4); n], sessions, starts);
    scenario.cluster.prefill_instances = 1;
    scenario.cluster.placement = Placement::Listed(vec![0]);
    scenario.prefill.max_batch_requests = 1;
    scenario.measure.warmup_requests = n / 10;
    scenario
}

/// Turns a second, mean time of a turn and mean think time in seconds, over what counts.
fn law(output: &RunOutput) -> (f64, f64, f64) {
    let counted: Vec<&RequestRecord> = output.requests.iter().filter(|one| one.counted).collect();
    let window = counted[counted.len() - 1].arrival.since(counted[0].arrival).as_secs_f64();
    let of = |name| value(output, name).number().expect("there is one");
    ((counted.len() - 1) as f64 / window, of("turn_mean_ns") * 1e-9, of("think_mean_ns") * 1e-9)
}

/// The interactive response time law, N = X (R + Z), from light load to saturation.
#[test]
fn users_are_throughput_times_response_and_think_time() {
    for users in [2, 10, 40, 200] {
        let (rate, response_s, think_s) = law(&run(&interactive(20_000, users, 10.0, 1)));
        let found = rate * (response_s + think_s);
        assert!((found / users as f64 - 1.0).abs() < 0.01, "{users}: {rate} x ({response_s} + {think_s}) = {found}");
        // Prefill takes 300 ms, and all of 40 and more users ask for more than that.
        let most = (users as f64 / (10.0 + 0.355)).min(1.0 / 0.3);
        assert!(rate < most * 1.01, "{users}: {rate} a second, at most {most}");
        assert!(users < 200 || rate > 0.99 / 0.3, "{users}: saturated");
    }
}

#[test]
fn a_slow_system_slows_its_arrivals_and_an_open_loop_does_not() {
    let rate = |mut scenario: Scenario, slower: u64| {
        scenario.gpu.prefill.tokens = netkv_units::LatencyCurve::linear(0, slower * 1_000_000_000_000);
        value(&run(&scenario), "offered_rps").number().expect("a rate")
    };
    let closed = |slower| rate(interactive(4_000, 20, 5.0, 1), slower);
    assert!(closed(4) < 0.4 * closed(1), "{} and {}", closed(4), closed(1));
    let open = |slower| rate(common::scenario(Workload::poisson(2.0, 4_000, 300, 4, 1)), slower);
    assert_eq!(open(4).to_bits(), open(1).to_bits());
}

/// Where nobody meets anybody, both loops are the same but for the arrivals, which come later by the answers before them.
#[test]
fn both_loops_agree_to_the_nanosecond_where_think_times_are_huge() {
    let (n_sessions, n_turns) = (7, 5);
    let think = SimDuration::from_secs_f64(1e5);
    let lengths: Vec<(u32, u32)> = (0..n_sessions * n_turns).map(|n| (100 + 97 * n % 800, 1 + n % 9)).collect();
    let start = |session: u32| SimTime::from_secs_f64(f64::from(session) * 1e3);
    let (mut parts, mut next) = (Vec::new(), 0);
    for turn in 0..n_turns {
        for session in 0..n_sessions {
            let (input, output) = lengths[(session + n_sessions * turn) as usize];
            let blocks = (next..next + input.div_ceil(512)).map(BlockId::new).collect();
            next += input.div_ceil(512);
            let arrival = (0..turn).fold(start(session), |at, _| at + think);
            parts.push((arrival, input, output, blocks));
        }
    }
    let workload = Workload::from_parts(parts);
    let turns =
        |session| (0..n_turns).map(move |n| (session + n_sessions * n) as usize).map(|at| turn(think, at..at + 1));
    let sessions = (0..n_sessions).map(|session| turns(session).collect()).collect();
    let mut open = scenario(workload.clone());
    open.policy = PolicyConfig::NetKvGuarded(common::WEIGHTS);
    let starts = (0..n_sessions).map(start).collect();
    let closed = Scenario { workload: Arc::new(SessionWorkload::new(workload, sessions, starts)), ..open.clone() };
    let (open, closed) = (run(&open), run_checked(&closed));
    let mut late = vec![SimDuration::ZERO; n_sessions as usize];
    for (position, (open, closed)) in open.requests.iter().zip(&closed.requests).enumerate() {
        let late = &mut late[position % n_sessions as usize];
        assert_eq!(closed.arrival, open.arrival + *late);
        *late += closed.finish.since(closed.arrival);
        let shift = closed.arrival.since(open.arrival);
        assert_eq!(closed.finish, open.finish + shift);
        let moved = open.transfer_start.map(|start| start + shift);
        let same =
            RequestRecord { arrival: closed.arrival, finish: closed.finish, transfer_start: moved, ..open.clone() };
        assert_eq!(RequestRecord { counted: true, ..closed.clone() }, same, "request {position}");
    }
}

/// Many users who think long are a Poisson process: the wait is that of M/D/1.
#[test]
fn many_users_who_think_long_are_an_open_loop() {
    let users: u32 = 4_000;
    let busy = 0.6;
    let output = run(&interactive(60_000, users as usize, f64::from(users) * 0.3 / busy, 2));
    let wait_s = value(&output, "ttft_prefill_queue_ns").number().expect("a wait") * 1e-9;
    let theory_s = 0.3 * busy / (2.0 * (1.0 - busy));
    assert!((wait_s / theory_s - 1.0).abs() < 0.04, "{wait_s} s, not {theory_s} s");
}

/// Everything that can happen, in sessions of random turns and bursts: nothing is lost, and the fast engine agrees with
/// the obvious one.
#[test]
fn random_sessions_lose_nothing_and_are_the_same_one_iteration_at_a_time() {
    let (mut bursts, mut rejected) = (0, 0);
    for seed in 0..120 {
        let open = if seed % 3 == 0 { random_local(seed) } else { random_scenario(seed) };
        let scenario = in_sessions(&open, seed);
        let sessions = scenario.workload.sessions().expect("sessions");
        bursts += sessions.sessions().iter().flatten().filter(|turn| turn.requests.len() > 1).count();
        let (checked, slow) = (run_checked(&scenario), run_with(&scenario, 1));
        assert_eq!(checked.digest(), run(&scenario).digest(), "seed {seed}");
        assert_eq!(checked.requests, slow.requests, "seed {seed}");
        assert_eq!(checked.totals.turns, slow.totals.turns, "seed {seed}");
        let ended = checked.requests.len() as u64 + checked.totals.rejected + checked.totals.refused;
        assert_eq!(ended, scenario.workload.len() as u64, "seed {seed}: every request ends once");
        rejected += checked.totals.rejected + checked.totals.refused;
    }
    assert!(bursts > 500 && METRICS.len() > 50, "{bursts} bursts, {rejected} refused");
}
