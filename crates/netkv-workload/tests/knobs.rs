//! The knobs of the generator: each sets its figure, and leaves those of the others.

use netkv_workload::{Bursts, Knobs, SyntheticKind, Trace, TraceStatistics, generate, generate_with};

const CONVERSATION: SyntheticKind = SyntheticKind::Conversation;

fn with(seed: u64, knobs: Knobs) -> Trace {
    generate_with(CONVERSATION, seed, &knobs).unwrap_or_else(|error| panic!("{error}"))
}

fn rate(trace: &Trace) -> f64 {
    TraceStatistics::of(trace).arrivals.rate_rps.expect("it takes time")
}

/// Requests over sessions, by the sessions that the generator knows.
fn mean_turns(trace: &Trace) -> f64 {
    let n_sessions = trace.chats().expect("generated traces know their sessions").iter().max().expect("a row") + 1;
    trace.len() as f64 / f64::from(n_sessions)
}

fn shared(trace: &Trace) -> f64 {
    1.0 - trace.n_blocks_distinct() as f64 / trace.n_blocks_total() as f64
}

#[track_caller]
fn near(value: f64, wanted: f64, tolerance: f64) {
    assert!((value - wanted).abs() <= tolerance, "{value} instead of {wanted}");
}

#[test]
fn no_knob_is_the_generators_own_trace() {
    for kind in [CONVERSATION, SyntheticKind::Synthetic, SyntheticKind::ToolagentApprox] {
        let none = Bursts { ratio: 1.0, time_share: 0.1, mean_s: 10.0 };
        for bursts in [None, Some(none)] {
            let trace = generate_with(kind, 4, &Knobs { bursts, ..Knobs::default() }).expect("no knob is wrong");
            assert_eq!(trace.sha256(), generate(kind, 4).sha256());
        }
    }
}

#[test]
fn the_rate_is_within_two_percent_and_sessions_stay_as_they_are() {
    for (seed, rps) in [(1, 0.2), (2, 1.0), (3, 3.0), (4, 20.0)] {
        let trace = with(seed, Knobs { rate_rps: Some(rps), ..Knobs::default() });
        near(rate(&trace), rps, 0.02 * rps);
        if trace.len() > 3_000 {
            let (own, made) = (TraceStatistics::of(&generate(CONVERSATION, seed)), TraceStatistics::of(&trace));
            near(mean_turns(&trace), mean_turns(&generate(CONVERSATION, seed)), 0.06);
            near(made.input_tokens.mean, own.input_tokens.mean, 0.05 * own.input_tokens.mean);
            let lag = |of: &TraceStatistics| of.continuations.as_ref().expect("sessions go on").lag_s.mean;
            near(lag(&made), lag(&own), 0.08 * lag(&own));
        }
        assert_eq!(Trace::parse(&trace.to_jsonl()).expect("a trace"), trace);
    }
}

#[test]
fn sessions_are_as_long_as_they_are_told_and_the_rate_stays() {
    for turns in [1.0, 1.3, 2.0, 3.0, 4.0] {
        let trace = with(5, Knobs { turns: Some(turns), ..Knobs::default() });
        near(mean_turns(&trace), turns, 0.03 * turns);
        near(rate(&trace), rate(&generate(CONVERSATION, 5)), 0.01);
        // By its blocks alone, as of a file.
        let seen = TraceStatistics::of(&trace).mean_session_requests.expect("sessions");
        near(seen, turns, 0.03 * turns);
        let half = trace.rows().partition_point(|row| row.timestamp_ms < 1_768_500);
        println!("{turns} turns: {} of the requests in the first half", half as f64 / trace.len() as f64);
        near(half as f64 / trace.len() as f64, 0.47, 0.03);
    }
    let both = with(5, Knobs { turns: Some(2.5), rate_rps: Some(8.0), ..Knobs::default() });
    near(mean_turns(&both), 2.5, 0.05);
    near(rate(&both), 8.0, 0.16);
}

#[test]
fn the_share_of_blocks_is_what_it_is_told_and_caches_follow() {
    let own = generate(CONVERSATION, 5);
    let lengths = |trace: &Trace| -> Vec<(u64, u32, u32)> {
        trace.rows().iter().map(|row| (row.timestamp_ms, row.input_tokens, row.output_tokens)).collect()
    };
    let mut before: Option<TraceStatistics> = None;
    for target in [0.1, 0.25, 0.4, 0.6, 0.8] {
        let trace = with(5, Knobs { shared_blocks: Some(target), ..Knobs::default() });
        near(shared(&trace), target, 0.005);
        assert_eq!(lengths(&trace), lengths(&own), "{target}");
        near(mean_turns(&trace), mean_turns(&own), 1e-12);
        assert_eq!(Trace::parse(&trace.to_jsonl()).expect("a trace"), trace);
        let now = TraceStatistics::of(&trace);
        near(now.prefixes.as_ref().expect("blocks").block_hit_fraction, target, 0.005);
        println!("{target}: {:?}, zipf {:?}", now.lru, now.prefixes.as_ref().expect("blocks").zipf_exponent);
        let before = before.replace(now.clone());
        for (more, less) in now.lru.iter().zip(before.iter().flat_map(|before| &before.lru)) {
            assert!(more.block_hit_fraction >= less.block_hit_fraction, "{target}: {more:?} {less:?}");
        }
    }
}

fn counts(trace: &Trace, window_ms: u64, duration_ms: u64) -> Vec<f64> {
    let mut counts = vec![0.0; (duration_ms / window_ms) as usize];
    for row in trace.rows() {
        if let Some(count) = counts.get_mut((row.timestamp_ms / window_ms) as usize) {
            *count += 1.0;
        }
    }
    counts
}

fn variance_to_mean(counts: &[f64]) -> f64 {
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    counts.iter().map(|count| (count - mean) * (count - mean)).sum::<f64>() / counts.len() as f64 / mean
}

/// The synthetic trace is a Poisson process, so bursts make a Markov-modulated one of it: 1,022 s on each of 40 seeds.
#[test]
fn counts_disperse_as_those_of_a_markov_modulated_poisson_process() {
    let kind = SyntheticKind::Synthetic;
    for (ratio, time_share, mean_s) in [(1.0, 0.2, 2.0), (4.0, 0.3, 2.0), (10.0, 0.2, 1.0), (20.0, 0.1, 3.0)] {
        let bursts = Bursts { ratio, time_share, mean_s };
        for window_ms in [500, 2_000, 10_000] {
            let of = |seed| {
                let trace = generate_with(kind, seed, &Knobs { bursts: Some(bursts), ..Knobs::default() });
                variance_to_mean(&counts(&trace.expect("a trace"), window_ms, 1_022_000))
            };
            let measured = (1..=40).map(of).sum::<f64>() / 40.0;
            let formula = bursts.dispersion(3993.0 / 1022.025, window_ms as f64 / 1000.0);
            println!("{bursts:?}, {window_ms} ms: {measured:.3}, by the formula {formula:.3}");
            near(measured, formula, 0.06 * formula);
        }
    }
}

/// In the conversation trace sessions and the trend disperse counts too, and bursts come on top.
#[test]
fn bursts_move_times_alone_and_add_to_the_dispersion() {
    let bursts = Bursts { ratio: 6.0, time_share: 0.15, mean_s: 30.0 };
    let (mut own_sum, mut made_sum) = (0.0, 0.0);
    for seed in 1..=20 {
        let own = generate(CONVERSATION, seed);
        let made = with(seed, Knobs { bursts: Some(bursts), ..Knobs::default() });
        assert_eq!(own.len(), made.len());
        for (own_row, row) in own.rows().iter().zip(made.rows()) {
            assert_eq!((own_row.input_tokens, own_row.output_tokens), (row.input_tokens, row.output_tokens));
            assert_eq!(own.blocks(own_row), made.blocks(row));
        }
        near(rate(&made), rate(&own), 0.02 * rate(&own));
        let at_60_s = |trace| {
            let arrivals = TraceStatistics::of(trace).arrivals;
            let of = arrivals.count_dispersion.iter().find(|point| (point.window_s - 60.0).abs() < 1e-9);
            of.expect("an hour has minutes").variance_to_mean
        };
        own_sum += at_60_s(&own) / 20.0;
        made_sum += at_60_s(&made) / 20.0;
    }
    let formula = bursts.dispersion(3.4, 60.0);
    println!("60 s: own {own_sum:.2}, with bursts {made_sum:.2}, added by the formula {:.2}", formula - 1.0);
    near(made_sum - own_sum, formula - 1.0, 0.15 * (formula - 1.0));
}

#[test]
fn a_wrong_knob_is_answered_with_what_is_allowed() {
    let knobs = Knobs::default();
    let bursts = Bursts { ratio: 2.0, time_share: 0.1, mean_s: 30.0 };
    for (kind, knobs, said) in [
        (CONVERSATION, Knobs { rate_rps: Some(0.0), ..knobs }, "rate 0: allowed: requests per second from 0.1 to 100"),
        (CONVERSATION, Knobs { rate_rps: Some(f64::NAN), ..knobs }, "rate NaN: allowed: "),
        (
            CONVERSATION,
            Knobs { turns: Some(0.5), ..knobs },
            "turns 0.5: allowed: a mean number of requests from 1 to 4",
        ),
        (CONVERSATION, Knobs { shared_blocks: Some(1.5), ..knobs }, "shared-blocks 1.5: allowed: a share from 0 to 1"),
        (CONVERSATION, Knobs { shared_blocks: Some(0.01), ..knobs }, "allowed with this seed and the other knobs: "),
        (SyntheticKind::Synthetic, Knobs { rate_rps: Some(5.0), ..knobs }, "rate goes with conversation alone"),
        (
            CONVERSATION,
            Knobs { bursts: Some(Bursts { ratio: 0.5, ..bursts }), ..knobs },
            "burst-ratio 0.5: allowed: a ratio of rates from 1 to 100",
        ),
        (
            CONVERSATION,
            Knobs { bursts: Some(Bursts { time_share: 1.0, ..bursts }), ..knobs },
            "burst-share 1: allowed: a share of time from 0.001 to 0.9",
        ),
        // Three-second ticks hide shorter bursts; 3,537 s hold five of 70 s in a tenth of the time.
        (CONVERSATION, Knobs { bursts: Some(Bursts { mean_s: 1.0, ..bursts }), ..knobs }, " from 3 to 70.73"),
        (CONVERSATION, Knobs { bursts: Some(Bursts { mean_s: 90.0, ..bursts }), ..knobs }, " from 3 to 70.73"),
    ] {
        let error = generate_with(kind, 1, &knobs).expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
    }
}
