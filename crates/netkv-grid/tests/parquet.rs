//! Parquet files that are damaged or hostile: an error whatever the library that reads them does, and no rows that are claimed alone.

use netkv_grid::read_trace;
use netkv_workload::{CLOCKS, Columns, Reading, Trace};
use std::path::Path;

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../netkv-workload/tests/samples").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Read by columns of these names; without an arrival if its name is empty.
fn columns(arrival: &str, unit: &str, input: &str, output: &str) -> Reading {
    let clock = CLOCKS.iter().find(|(name, _)| *name == unit).expect("a unit").1;
    let arrival = (!arrival.is_empty()).then(|| (arrival.to_owned(), clock));
    Reading::Columns(Columns { arrival, input: input.to_owned(), output: output.to_owned() })
}

fn errors_of(bytes: &[u8], reading: &Reading) -> String {
    read_trace(bytes, reading, None).expect_err("the file is wrong").to_string()
}

fn rows(trace: &Trace) -> Vec<(u64, u32, u32)> {
    trace.rows().iter().map(|row| (row.timestamp_ms, row.input_tokens, row.output_tokens)).collect()
}

#[test]
fn no_bit_that_flips_ends_the_program() {
    for name in ["six_snappy", "six_zstd_v2", "six_gzip_plain_v2", "thousand_deltas", "thousand_split", "cells"] {
        let mut bytes = sample(&format!("{name}.parquet"));
        let reading =
            if name == "cells" { columns("ns", "date", "text", "float32") } else { columns("at", "ms", "in", "out") };
        let (mut n_refused, mut n_tried) = (0, 0);
        // All bits of small files; of others some in every byte.
        for bit in (32..8 * bytes.len()).step_by(if name.starts_with("six") { 1 } else { 7 }) {
            n_tried += 1;
            bytes[bit / 8] ^= 1 << (bit % 8);
            match read_trace(&bytes, &reading, None) {
                Ok(read) => assert!(read.trace.len() <= 1_000 * bytes.len()),
                Err(errors) => {
                    assert!(!errors.to_string().is_empty());
                    n_refused += 1;
                }
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(n_refused > n_tried / 10, "{name}: {n_refused} of {n_tried}");
    }
}

/// A number as the compact protocol of Thrift writes it.
fn zigzag(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// A page of plain values: its header says so many bytes, once unpacked, and so many values.
fn page(unpacked: i64, n_values: i64, body: &[u8]) -> Vec<u8> {
    let values = [&[0x2c, 0x15][..], &zigzag(n_values), &[0x15, 0, 0x15, 6, 0x15, 6, 0]].concat();
    let sizes = [&[0x15][..], &zigzag(unpacked), &[0x15], &zigzag(body.len() as i64)].concat();
    [&[0x15, 0][..], &sizes, &values, &[0], body].concat()
}

/// A file of one column, `n`, of 32 bits, with one row group of this page, as small as the format lets it be.
fn file(n_rows: i64, codec: i64, page: &[u8]) -> Vec<u8> {
    let (rows, length) = (zigzag(n_rows), zigzag(page.len() as i64));
    let schema = [&[0x19, 0x2c, 0x48, 1, b'r', 0x15, 2, 0][..], &[0x15, 2, 0x25, 0, 0x18, 1, b'n', 0]].concat();
    let kind = [&[0x15, 2, 0x19, 0x15, 0, 0x19, 0x18, 1, b'n', 0x15][..], &zigzag(codec)].concat();
    let place = [&[0x16][..], &rows, &[0x16], &length, &[0x16], &length, &[0x26], &zigzag(4)].concat();
    let chunk = [&[0x26, 0, 0x1c][..], &kind, &place, &[0, 0]].concat();
    let group = [&[0x19, 0x1c][..], &chunk, &[0x16, 0, 0x16], &rows, &[0]].concat();
    let footer = [&[0x15, 2][..], &schema, &[0x16], &rows, &[0x19, 0x1c], &group, &[0]].concat();
    [b"PAR1", page, &footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

#[test]
fn rows_that_are_claimed_alone_are_not_believed() {
    let reading = columns("", "s", "n", "n");
    let body = [5_i32.to_le_bytes(), 6_i32.to_le_bytes()].concat();
    let good = read_trace(&file(2, 0, &page(8, 2, &body)), &reading, None).expect("a whole file");
    assert_eq!(rows(&good.trace).iter().map(|row| (row.1, row.2)).collect::<Vec<_>>(), [(5, 5), (6, 6)]);
    let snappy = [&[0xff, 0xff, 0xff, 0x07][..], &[0x1c], &body].concat();
    for (bytes, expected) in [
        (file(2, 1, &page(16_000_000, 2, &snappy)), "snappy"),
        (file(60_000, 0, &page(8, 60_000, &body)), "cannot be read"),
        (file(1_000_000_000_000, 0, &page(8, 2, &body)), "1000000000000 rows in"),
        (file(-1, 0, &page(8, 2, &body)), "a row group has a number of rows that none can have"),
        (file(3, 0, &page(8, 2, &body)), "it has 2 values of 3 rows"),
        (file(2, 3, &page(8, 2, &body)), "LZO"),
        (file(2, 99, &page(8, 2, &body)), "cannot be read"),
    ] {
        let errors = errors_of(&bytes, &reading);
        assert!(errors.contains(expected), "{errors}\nlacks: {expected}");
    }
}
