//! From a trace to a workload: windows, limits, ticks and rates.

use netkv_units::{RequestId, SimDuration, SimTime};
use netkv_workload::{
    Arrivals, BLOCK_TOKENS, Context, InputRange, Lengths, Prefixes, SyntheticKind, Trace, Workload, WorkloadSpec,
    generate,
};

const TICK: SimDuration = SimDuration::from_nanos(3_000_000_000);
const RAW: WorkloadSpec = WorkloadSpec {
    window: None,
    inputs: InputRange::ALL,
    context: Context::Native,
    arrivals: Arrivals::RawTicks,
    prefixes: Prefixes::Trace,
    limit: None,
};
const DEJITTERED: WorkloadSpec = WorkloadSpec { arrivals: Arrivals::Dejittered { tick: TICK }, ..RAW };

fn conversation() -> Trace {
    generate(SyntheticKind::Conversation, 1)
}

fn secs(secs: u64) -> SimTime {
    SimTime::from_nanos(secs * 1_000_000_000)
}

#[test]
fn a_raw_native_workload_is_the_trace() {
    let trace = conversation();
    let workload = Workload::build(&trace, &RAW, 1);
    workload.check_invariants();
    assert_eq!(workload.len(), trace.len());
    assert_eq!(workload.n_blocks_distinct(), trace.n_blocks_distinct());
    for (idx, (request, row)) in workload.requests().iter().zip(trace.rows()).enumerate() {
        assert_eq!(request.arrival.as_nanos(), row.timestamp_ms * 1_000_000);
        assert_eq!((request.input_tokens, request.output_tokens), (row.input_tokens, row.output_tokens));
        assert_eq!(request.trace_row as usize, idx);
        assert_eq!(workload.blocks(RequestId::from_index(idx)), trace.blocks(row));
    }
}

#[test]
fn dejittered_requests_arrive_within_their_tick() {
    let trace = conversation();
    let workload = Workload::build(&trace, &DEJITTERED, 1);
    workload.check_invariants();
    for (idx, request) in workload.requests().iter().enumerate() {
        let row = &trace.rows()[request.trace_row as usize];
        let stamp = SimTime::from_nanos(row.timestamp_ms * 1_000_000);
        assert!(request.arrival.since(stamp) < TICK);
        assert_eq!(workload.blocks(RequestId::from_index(idx)), trace.blocks(row));
    }
    assert_ne!(workload, Workload::build(&trace, &DEJITTERED, 2));
    assert_eq!(workload, Workload::build(&trace, &DEJITTERED, 1));
}

#[test]
fn a_window_counts_from_its_start_and_forgets_what_came_before() {
    let trace = conversation();
    let window = Some((secs(600), secs(1_200)));
    let workload = Workload::build(&trace, &WorkloadSpec { window, ..DEJITTERED }, 1);
    workload.check_invariants();
    let in_window = |row: &&netkv_workload::TraceRow| (600_000..1_200_000).contains(&row.timestamp_ms);
    assert_eq!(workload.len(), trace.rows().iter().filter(in_window).count());
    assert_eq!(workload.span(), secs(600).since(SimTime::ZERO));
    assert!(workload.requests().iter().all(|request| request.arrival < secs(600)));

    // Each request arrives when it does in the whole trace.
    let whole = Workload::build(&trace, &DEJITTERED, 1);
    let arrivals = |workload: &Workload, shift: SimDuration| {
        let mut arrivals: Vec<_> =
            workload.requests().iter().map(|request| (request.trace_row, request.arrival + shift)).collect();
        arrivals.sort_unstable();
        arrivals
    };
    let of_whole = arrivals(&whole, SimDuration::ZERO);
    assert!(
        arrivals(&workload, secs(600).since(SimTime::ZERO)).iter().all(|pair| of_whole.binary_search(pair).is_ok())
    );
}

#[test]
fn a_limit_takes_the_first_rows_whatever_the_seed() {
    let trace = conversation();
    for seed in [1, 2] {
        let workload = Workload::build(&trace, &WorkloadSpec { limit: Some(100), ..DEJITTERED }, seed);
        let mut rows: Vec<u32> = workload.requests().iter().map(|request| request.trace_row).collect();
        rows.sort_unstable();
        assert_eq!(rows, (0..100).collect::<Vec<_>>());
        let last_stamp = SimTime::from_nanos(trace.rows()[99].timestamp_ms * 1_000_000);
        assert_eq!(SimTime::ZERO + workload.span(), last_stamp + TICK);
    }
}

#[test]
fn a_window_without_requests_is_an_empty_workload() {
    let workload = Workload::build(&conversation(), &WorkloadSpec { window: Some((secs(1), secs(2))), ..RAW }, 1);
    assert!(workload.is_empty());
    workload.check_invariants();
}

#[test]
fn the_span_and_so_the_rate_do_not_depend_on_the_seed() {
    let trace = conversation();
    let rates = [1, 2, 3].map(|seed| Workload::build(&trace, &DEJITTERED, seed).native_rate_rps());
    assert_eq!([rates[0]; 3], rates);
    let doubled = Workload::build(&trace, &DEJITTERED, 1).scaled_to_rate(2.0 * rates[0]);
    assert!((doubled.native_rate_rps() / rates[0] - 2.0).abs() < 1e-9);
    doubled.check_invariants();
}

#[test]
fn every_context_keeps_a_prefix_tree() {
    let trace = conversation();
    let contexts = [
        Context::Fixed { tokens: 1 },
        Context::Fixed { tokens: 1_024 },
        Context::Fixed { tokens: 131_072 },
        Context::Scaled { factor: 0.01, max_tokens: 1_000 },
        Context::Scaled { factor: 3.7, max_tokens: 131_072 },
    ];
    for context in contexts {
        Workload::build(&trace, &WorkloadSpec { context, ..DEJITTERED }, 1).check_invariants();
    }
}

#[test]
fn lengths_are_those_of_the_requests_that_are_built() {
    let trace = conversation();
    let window = Some((secs(600), secs(900)));
    for context in [
        Context::Native,
        Context::Fixed { tokens: 3_000 },
        Context::Scaled { factor: 2.5, max_tokens: 40_000 },
        Context::Scaled { factor: 0.01, max_tokens: 40_000 },
    ] {
        for (window, limit) in [(None, None), (window, None), (window, Some(7))] {
            let spec = WorkloadSpec { window, context, limit, ..DEJITTERED };
            let workload = Workload::build(&trace, &spec, 3);
            let inputs = || workload.requests().iter().map(|request| request.input_tokens);
            let totals = workload.requests().iter().map(|request| request.input_tokens + request.output_tokens);
            let expected = Lengths {
                shortest_input: inputs().min().unwrap(),
                longest_input: inputs().max().unwrap(),
                longest_total: totals.max().unwrap(),
            };
            assert_eq!(spec.lengths(&trace), Some(expected), "{spec:?}");
        }
    }
    let nothing = WorkloadSpec { limit: Some(0), ..RAW };
    assert_eq!(nothing.lengths(&trace), None);
}

#[test]
fn a_filter_keeps_what_is_in_its_range_as_if_nothing_else_had_been() {
    let trace = conversation();
    let inputs = InputRange { min_tokens: 4096, max_tokens: 65_536 };
    for (window, limit) in
        [(None, None), (Some((secs(600), secs(1200))), None), (Some((secs(55), secs(3000))), Some(122))]
    {
        let spec = WorkloadSpec { window, inputs, limit, ..DEJITTERED };
        let workload = Workload::build(&trace, &spec, 3);
        workload.check_invariants();
        // Slow and obvious: every row of the window in turn.
        let all = Workload::build(&trace, &WorkloadSpec { window, ..DEJITTERED }, 3);
        let wanted: Vec<_> = all.requests().iter().filter(|own| inputs.contains(own.input_tokens)).collect();
        // The limit counts rows in trace order, requests are in order of arrival.
        let mut rows: Vec<u32> = wanted.iter().map(|own| own.trace_row).collect();
        rows.sort_unstable();
        rows.truncate(limit.unwrap_or(usize::MAX));
        let expect: Vec<_> = wanted.iter().filter(|own| rows.contains(&own.trace_row)).collect();
        assert_eq!(workload.len(), expect.len());
        for (found, expect) in workload.requests().iter().zip(expect) {
            let parts =
                |own: &netkv_workload::Request| (own.arrival, own.input_tokens, own.output_tokens, own.trace_row);
            assert_eq!(parts(found), parts(expect));
        }
        let lengths = spec.lengths(&trace).expect("there are requests");
        assert!(lengths.shortest_input >= 4096 && lengths.longest_input <= 65_536);
    }
    let nothing = WorkloadSpec { inputs: InputRange { min_tokens: 9_000_000, max_tokens: u32::MAX }, ..RAW };
    assert_eq!((nothing.lengths(&trace), Workload::build(&trace, &nothing, 1).len()), (None, 0));
}

/// Which group's prefix each request begins with, if it shares one: by its first block, in order of arrival.
fn sharers(trace: &Trace, share_ratio: f64) -> Vec<Option<usize>> {
    let prefixes = Prefixes::Shared { share_ratio, groups: 8, prefix_tokens: 2 * BLOCK_TOKENS };
    let workload = Workload::build(trace, &WorkloadSpec { prefixes, ..DEJITTERED }, 5);
    workload.check_invariants();
    let first = |request: usize| workload.blocks(RequestId::from_index(request))[0];
    let mut seen = vec![0_u32; workload.n_blocks_distinct()];
    (0..workload.len()).for_each(|request| seen[first(request).index()] += 1);
    (0..workload.len()).map(|request| Some(first(request).index()).filter(|&block| seen[block] > 1)).collect()
}

#[test]
fn drawn_prefixes_are_shared_by_as_many_as_asked_and_more_only_add_sharers() {
    let trace = conversation();
    // Each prompt has at least a whole block, so that who shares can be told.
    let n = sharers(&trace, 0.0).len() as f64;
    let mut before: Vec<Option<usize>> = sharers(&trace, 0.0);
    assert!(before.iter().all(Option::is_none));
    for share_ratio in [0.1, 0.5, 0.9, 1.0] {
        let now = sharers(&trace, share_ratio);
        let share = now.iter().flatten().count() as f64 / n;
        // Binomial: four standard deviations.
        let tolerance = 4.0 * (share_ratio * (1.0 - share_ratio) / n).sqrt() + 1e-12;
        assert!((share - share_ratio).abs() <= tolerance, "{share} of {share_ratio}");
        assert!(before.iter().zip(&now).all(|(before, now)| before.is_none() || now.is_some()));
        before = now;
    }
    let mut groups: Vec<_> = before.into_iter().flatten().collect();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups.len(), 8);
    // Without prefixes every block is its request's own.
    let spec = WorkloadSpec { prefixes: Prefixes::None, ..DEJITTERED };
    let own = Workload::build(&trace, &spec, 5);
    assert_eq!(own.n_blocks_distinct() as u64, spec.n_blocks(&trace));
}
