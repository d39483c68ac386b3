//! Parquet files that pyarrow wrote (`samples/make_parquet.py` says how), with their rows counted by hand; the same rows as CSV;
//! files that are damaged, hostile, or of a kind that is not read.

use netkv_workload::{CLOCKS, Columns, FORMATS, ReadTrace, Reading, Trace, TraceStatistics, read_trace};
use std::path::Path;

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Read by columns of these names; without an arrival if its name is empty.
fn columns(arrival: &str, unit: &str, input: &str, output: &str) -> Reading {
    let clock = CLOCKS.iter().find(|(name, _)| *name == unit).expect("a unit").1;
    let arrival = (!arrival.is_empty()).then(|| (arrival.to_owned(), clock));
    Reading::Columns(Columns { arrival, input: input.to_owned(), output: output.to_owned() })
}

#[track_caller]
fn read(bytes: &[u8], reading: &Reading) -> ReadTrace {
    read_trace(bytes, reading).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors_of(bytes: &[u8], reading: &Reading) -> String {
    read_trace(bytes, reading).expect_err("the file is wrong").to_string()
}

fn rows(trace: &Trace) -> Vec<(u64, u32, u32)> {
    trace.rows().iter().map(|row| (row.timestamp_ms, row.input_tokens, row.output_tokens)).collect()
}

/// The files of the six requests that are read.
const SIX: [&str; 6] =
    ["six_snappy", "six_zstd_v2", "six_gzip_plain", "six_gzip_plain_v2", "six_plain", "six_required"];

#[test]
fn every_codec_version_and_encoding_has_the_same_six_requests() {
    let csv = "at,in,out\n1000,100,10\n1250,200,20\n1250,0,30\n4000,400,40\n3000,500,50\n9000,600,60\n";
    let reading = columns("at", "ms", "in", "out");
    let by_csv = read(csv.as_bytes(), &reading);
    for name in SIX {
        let read = read(&sample(&format!("{name}.parquet")), &reading);
        let expected = [(0, 100, 10), (250, 200, 20), (2000, 500, 50), (3000, 400, 40), (8000, 600, 60)];
        assert_eq!(rows(&read.trace), expected, "{name}");
        assert!(read.trace == by_csv.trace && read.trace.to_jsonl() == by_csv.trace.to_jsonl(), "{name}");
        assert_eq!((read.format, read.title.as_str()), ("columns", "parquet by workload.columns"));
        let told = [
            "1 row without prompt or answer tokens left out (the first is row 3)",
            "1 row out of order sorted by time (the first is row 5)",
        ];
        assert_eq!(read.notes, told, "{name}");
        let statistics = TraceStatistics::of(&read.trace);
        assert_eq!((statistics.n_requests, statistics.duration_s), (5, 8.0));
        assert_eq!((statistics.input_tokens.mean, statistics.output_tokens.mean), (360.0, 36.0));
    }
}

/// Several row groups and many pages, of runs, packed numbers, differences, and values split by bytes.
#[test]
fn a_thousand_requests_are_what_was_written() {
    let expected: Vec<(u64, u32, u32)> =
        (0..1000).map(|i: u32| (u64::from(37 * i + i % 7), 1 + i * 7919 % 500, 1 + i / 100)).collect();
    for name in ["dictionary", "deltas", "split"] {
        let read = read(&sample(&format!("thousand_{name}.parquet")), &columns("at", "ms", "in", "out"));
        assert!(rows(&read.trace) == expected, "{name}");
        assert_eq!(read.notes, Vec::<String>::new());
    }
}

#[test]
fn known_formats_are_told_by_their_columns() {
    let by_csv = read(&sample("azure_2023.csv"), &Reading::Detected);
    let bytes = sample("azure_2023.parquet");
    let by_parquet = read(&bytes, &Reading::Detected);
    assert!(by_parquet.trace == by_csv.trace && by_parquet.trace.sha256() != by_csv.trace.sha256());
    assert_eq!(by_parquet.notes, ["format told by the names of the columns"]);
    assert_eq!(by_parquet.title, "Azure LLM inference CSV, 2023 or 2024, as parquet");
    let azure = Reading::As(FORMATS.iter().find(|format| format.name == "azure").unwrap());
    assert!(read(&bytes, &azure).trace == by_csv.trace);
    for other in FORMATS.iter().filter(|format| format.name != "azure") {
        assert!(read_trace(&bytes, &Reading::As(other)).is_err(), "{}", other.name);
    }
    let unknown = errors_of(&sample("six_plain.parquet"), &Reading::Detected);
    let expected = "the file: columns of no known format: tags, at, meta, in, out; allowed: any columns, with \
                    workload.format = \"columns\"; or those of TIMESTAMP, ContextTokens, GeneratedTokens (azure); ";
    assert!(unknown.starts_with(expected), "{unknown}");
    let mooncake = errors_of(&bytes, &Reading::As(&FORMATS[0]));
    assert!(
        mooncake.starts_with("the file: a parquet file, which mooncake is not read from; allowed: any"),
        "{mooncake}"
    );
}

#[test]
fn stamps_of_every_type_are_the_same_time() {
    let bytes = sample("cells.parquet");
    let dated = ["ms", "us_utc", "ns", "us_paris", "texts"].map(|name| (name, "date"));
    for (name, unit) in dated.into_iter().chain([("int_ms", "ms"), ("float_s", "s"), ("text_ms", "ms")]) {
        let read = read(&bytes, &columns(name, unit, "int32", "int64"));
        assert_eq!(rows(&read.trace), [(0, 3, 3), (1500, 100, 100)], "{name}");
        assert_eq!(read.notes, Vec::<String>::new(), "{name}");
    }
    // Days have no time of day.
    assert_eq!(rows(&read(&bytes, &columns("day", "date", "int32", "int64")).trace), [(0, 3, 3), (0, 100, 100)]);
    // As Spark wrote them.
    let old = read(&sample("old_stamps.parquet"), &columns("us_utc", "date", "int32", "int64"));
    assert_eq!(rows(&old.trace), [(0, 3, 3), (1500, 100, 100)]);
}

#[test]
fn a_column_of_timestamps_counts_by_itself_and_it_is_told() {
    let read = read(&sample("cells.parquet"), &columns("us_utc", "s", "int32", "int64"));
    assert_eq!(rows(&read.trace), [(0, 3, 3), (1500, 100, 100)]);
    let told = "us_utc is a column of timestamps: read as such, whatever its unit is said to be";
    assert_eq!(read.notes, [told]);
}

#[test]
fn tokens_of_every_type_are_read_or_refused_with_row_and_column() {
    let bytes = sample("cells.parquet");
    let names =
        ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "text"];
    for name in names {
        let read = read(&bytes, &columns("", "s", name, "int64"));
        assert_eq!(rows(&read.trace).iter().map(|row| row.1).collect::<Vec<_>>(), [3, 100], "{name}");
        assert!(read.notes[0].starts_with("no arrivals recorded: a Poisson process"), "{:?}", read.notes);
    }
    for (name, expected) in [
        ("null", "row 2, column 21: null = null: no value; allowed: a whole number of tokens"),
        ("nan", "row 2, column 22: nan = NaN: not a whole number, or too large; allowed: a whole number of tokens"),
        ("half", "row 2, column 23: half = 2.5: not a whole number, or too large; allowed: a whole number of tokens"),
        ("negative", "row 1, column 24: negative = -3: negative; allowed: a whole number of tokens"),
        (
            "huge",
            "row 2, column 25: huge = 18446744073709551615: too many tokens; allowed: a whole number up to 10000000",
        ),
        ("many", "row 2, column 26: many = 10000001: too many tokens; allowed: a whole number up to 10000000"),
        ("bool", "the file: bool: a column of true and false; allowed: whole numbers, floats, or numbers as texts"),
        ("decimal", "the file: decimal: a column of decimals; allowed: whole numbers, floats, or numbers as texts"),
        ("ns", "the file: ns: a column of timestamps; allowed: whole numbers, floats, or numbers as texts"),
        ("day", "the file: day: a column of dates; allowed: whole numbers, floats, or numbers as texts"),
    ] {
        assert_eq!(errors_of(&bytes, &columns("", "s", name, "int64")), expected);
    }
}

#[test]
fn arrivals_that_are_wrong_are_named() {
    let bytes = sample("cells.parquet");
    for (name, unit, expected) in [
        ("nat", "date", "row 2, column 29: nat = null: no value; allowed: a date such as"),
        (
            "negative",
            "ms",
            "row 1, column 24: negative = -3: negative; allowed: a number, at least 0 and in ns below 2^63",
        ),
        ("nan", "s", "row 2, column 22: nan = NaN: not a number, or too large; allowed: a number, at least 0"),
        ("int_ms", "date", "the file: int_ms: a column of numbers; allowed: timestamps, dates, or dates as texts"),
        ("text_ms", "date", "row 1, column 9: text_ms = 1715299201500: not a date; allowed: a date such as"),
        (
            "when",
            "s",
            "the file: when: no column has this name; allowed: one of the names of the file's columns: ms, us_utc",
        ),
    ] {
        let errors = errors_of(&bytes, &columns(name, unit, "int32", "int64"));
        assert!(errors.starts_with(expected), "{errors}");
    }
    let nested = errors_of(&sample("six_plain.parquet"), &columns("tags", "s", "meta", "out"));
    let lines: Vec<&str> = nested.lines().collect();
    assert!(lines[0].starts_with("the file: tags: a column of lists; allowed: timestamps, dates, whole"), "{nested}");
    assert!(lines[1].starts_with("the file: meta: a column of structures; allowed: whole numbers"), "{nested}");
}

#[test]
fn what_is_not_read_says_what_it_is() {
    let reading = columns("at", "ms", "in", "out");
    let lz4 = errors_of(&sample("six_lz4.parquet"), &reading);
    let expected = "the file: at: row group 1: a parquet file that cannot be read: compressed with lz4, which is not read \
                    (snappy, gzip, zstd and none are); allowed: a whole parquet file";
    assert!(lz4.starts_with(expected), "{lz4}");
    let plain = sample("six_plain.parquet");
    let packed = ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
    let packed = errors_of(&packed, &reading);
    assert!(
        packed.starts_with("the file: a parquet file packed with zstd; allowed: a parquet file as it is"),
        "{packed}"
    );
    let encrypted = [&plain[..plain.len() - 4], b"PARE"].concat();
    for encrypted in [&encrypted[..], &[b"PARE", &encrypted[4..]].concat()] {
        assert!(errors_of(encrypted, &reading).contains("it is encrypted"));
    }
}

/// The readings that a file is tried with.
fn readings() -> [Reading; 3] {
    [columns("at", "ms", "in", "out"), columns("ns", "date", "text", "float32"), Reading::Detected]
}

#[test]
fn files_that_are_cut_short_are_refused_at_every_length() {
    for name in ["six_snappy", "six_zstd_v2", "thousand_deltas", "cells", "azure_2023"] {
        let bytes = sample(&format!("{name}.parquet"));
        for length in 4..bytes.len() {
            for reading in readings() {
                let errors = errors_of(&bytes[..length], &reading);
                assert!(errors.contains("a parquet file that cannot be read"), "{name}, {length} bytes: {errors}");
            }
        }
    }
}
