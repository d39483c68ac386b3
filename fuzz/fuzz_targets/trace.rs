//! Any bytes as a trace, in the format that the first of them picks, or in the one that is detected. What is read is written in
//! netkv's own format and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netkv_workload::{CLOCKS, Columns, FORMATS, Reading, Trace, read_trace};

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let at = usize::from(first) % (FORMATS.len() + CLOCKS.len() + 1);
    let named = |clock| Columns { arrival: Some(("a".to_owned(), clock)), input: "i".to_owned(), output: "o".to_owned() };
    let reading = if let Some(format) = FORMATS.get(at) {
        Reading::As(format)
    } else if let Some(&(_, clock)) = CLOCKS.get(at - FORMATS.len()) {
        Reading::Columns(named(clock))
    } else {
        Reading::Detected
    };
    match read_trace(rest, &reading) {
        Err(errors) => assert!(!errors.to_string().is_empty(), "an error without a word"),
        Ok(read) => {
            assert!(!read.trace.is_empty(), "a trace of nothing");
            let written = read.trace.to_jsonl();
            let back = read_trace(&written, &Reading::Detected);
            let back = back.unwrap_or_else(|errors| panic!("what was written is no trace: {errors}")).trace;
            let rows = |trace: &Trace| -> Vec<(u64, u32, u32)> {
                trace.rows().iter().map(|row| (row.timestamp_ms, row.input_tokens, row.output_tokens)).collect()
            };
            assert!(rows(&back) == rows(&read.trace), "the rows are others");
        }
    }
});
