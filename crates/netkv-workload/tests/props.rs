//! Laws of reading and writing traces, over random traces and random damage.

use netkv_workload::{
    Arrivals, BLOCK_TOKENS, Context, InputRange, Prefixes, Trace, TraceStatistics, Workload, WorkloadSpec,
};
use proptest::prelude::*;

/// One row to come: gap to the row before, input and output, the row whose prompt it begins with, and by how many blocks.
type RowPlan = (u64, u32, u32, usize, usize);

fn row_plans() -> impl Strategy<Value = Vec<RowPlan>> {
    prop::collection::vec((0u64..5_000, 1u32..4_000, 1u32..2_000, 0usize..40, 0usize..8), 1..40)
}

/// A file whose ids are a prefix tree, dense in order of first appearance.
fn file_of(plans: &[RowPlan]) -> String {
    let mut file = String::new();
    let mut rows: Vec<Vec<usize>> = Vec::new();
    let (mut n_ids, mut timestamp) = (0, 0);
    for &(gap, input, output, parent, shared) in plans {
        timestamp += gap;
        let n_blocks = input.div_ceil(BLOCK_TOKENS) as usize;
        let parent = rows.get(parent).map_or(&[][..], Vec::as_slice);
        let mut ids: Vec<usize> = parent.iter().copied().take(shared.min(n_blocks)).collect();
        let n_fresh = n_blocks - ids.len();
        ids.extend(n_ids..n_ids + n_fresh);
        n_ids += n_fresh;
        file += &format!(
            "{{\"timestamp\": {timestamp}, \"input_length\": {input}, \"output_length\": {output}, \"hash_ids\": {ids:?}}}\n"
        );
        rows.push(ids);
    }
    file
}

/// A change after which a line is certainly no row any more.
fn damage(line: &str, kind: usize, place: usize) -> Vec<u8> {
    let at = 1 + place % (line.len() - 1);
    match kind {
        0 => line.as_bytes()[..at].to_vec(),
        1 => [&line.as_bytes()[..at], b"\xff", &line.as_bytes()[at..]].concat(),
        2 => line.replace("\"timestamp\"", "\"time\"").into_bytes(),
        3 => line.replace("\"output_length\": ", "\"output_length\": -").into_bytes(),
        4 => line.replace("\"input_length\": ", "\"input_length\": 99999999").into_bytes(),
        5 => line.replace("\"hash_ids\": [", "\"hash_ids\": [18446744073709551615, ").into_bytes(),
        6 => line.replace(", \"hash_ids\"", "; \"hash_ids\"").into_bytes(),
        7 => format!("[{line}]").into_bytes(),
        _ => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_trace_reads_back_the_same(plans in row_plans()) {
        let file = file_of(&plans);
        let trace = Trace::parse(file.as_bytes()).expect("the file is right");
        let written = trace.to_jsonl();
        prop_assert_eq!(std::str::from_utf8(&written).expect("ASCII"), &file);
        prop_assert_eq!(Trace::parse(&written).expect("the file is right"), trace);
    }

    #[test]
    fn a_damaged_line_is_named(plans in row_plans(), line in 0usize..40, kind in 0usize..9, place in 0usize..10_000) {
        let file = file_of(&plans);
        let mut lines: Vec<Vec<u8>> = file.lines().map(|line| line.as_bytes().to_vec()).collect();
        let line = line % lines.len();
        lines[line] = damage(file.lines().nth(line).expect("it is below their number"), kind, place);
        let mut damaged = lines.join(&b'\n');
        damaged.push(b'\n');
        let errors = Trace::parse(&damaged).expect_err("the line is no row");
        prop_assert_eq!(errors.shown()[0].line, line + 1, "{}", errors);
        let start = format!("line {}: ", line + 1);
        prop_assert!(errors.to_string().starts_with(&start), "{}", errors);
    }

    #[test]
    fn any_byte_may_change_without_a_panic(plans in row_plans(), place in 0usize..100_000, byte in any::<u8>()) {
        let mut file = file_of(&plans).into_bytes();
        let place = place % file.len();
        file[place] = byte;
        if let Err(errors) = Trace::parse(&file) {
            let line = 1 + file[..place].iter().filter(|&&byte| byte == b'\n').count();
            // A changed id or stamp can be right by itself and contradict a later line; a line break splits its line.
            prop_assert!(errors.shown()[0].line >= line, "{}", errors);
        }
    }

    #[test]
    fn every_trace_has_statistics_and_workloads(plans in row_plans(), tokens in 1u32..9_000, factor in 0.1f64..5.0) {
        let trace = Trace::parse(file_of(&plans).as_bytes()).expect("the file is right");
        prop_assert!(!TraceStatistics::of(&trace).to_string().contains("NaN"));
        let tick = netkv_units::SimDuration::from_nanos(1_000_000);
        for context in [Context::Native, Context::Fixed { tokens }, Context::Scaled { factor, max_tokens: 10_000 }] {
            let spec = WorkloadSpec {
                window: None,
                inputs: InputRange::ALL,
                context,
                arrivals: Arrivals::Dejittered { tick },
                prefixes: Prefixes::Trace,
                limit: None,
            };
            let workload = Workload::build(&trace, &spec, 1);
            workload.check_invariants();
            prop_assert_eq!(workload.len(), trace.len());
        }
    }
}
