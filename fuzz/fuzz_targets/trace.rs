//! Any bytes as a trace, in the reading that their first line names, else in the one that is detected; in one alone if
//! `NETKV_FUZZ_READING` names it. What is read is written in netkv's own format and read back the same. Parquet is left
//! out: a library reads it, which may panic, and that is caught where it is used (`netkv_grid::read_trace`).
#![no_main]

use libfuzzer_sys::fuzz_target;
use netkv_workload::{CLOCKS, Columns, FORMATS, Reading, Trace, is_parquet, read_trace};
use std::sync::LazyLock;

/// The readings by name: each format's, columns with each clock, and the detected one.
static READINGS: LazyLock<Vec<(String, Reading)>> = LazyLock::new(|| {
    let named = |clock| Columns { arrival: Some(("a".to_owned(), clock)), input: "i".to_owned(), output: "o".to_owned() };
    let formats = FORMATS.iter().map(|format| (format.name.to_owned(), Reading::As(format)));
    let columns = CLOCKS.iter().map(|&(unit, clock)| (format!("columns {unit}"), Reading::Columns(named(clock))));
    formats.chain(columns).chain([("auto".to_owned(), Reading::Detected)]).collect()
});

/// The one that is tried whatever the bytes say.
static WANTED: LazyLock<Option<&Reading>> = LazyLock::new(|| {
    let wanted = std::env::var("NETKV_FUZZ_READING").ok()?;
    Some(named(wanted.as_bytes()).unwrap_or_else(|| panic!("NETKV_FUZZ_READING = {wanted} names no reading")))
});

fn named(name: &[u8]) -> Option<&'static Reading> {
    READINGS.iter().find(|(own, _)| own.as_bytes() == name).map(|(_, reading)| reading)
}

fuzz_target!(|bytes: &[u8]| {
    let first_line = bytes.iter().position(|&byte| byte == b'\n');
    let told = first_line.and_then(|end| Some((named(&bytes[..end])?, &bytes[end + 1..])));
    let (told, rest) = told.unwrap_or((&Reading::Detected, bytes));
    let reading = WANTED.unwrap_or(told);
    if is_parquet(rest) {
        return;
    }
    match read_trace(rest, reading) {
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
