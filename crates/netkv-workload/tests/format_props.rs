//! Laws of reading other formats: nothing that a file may hold makes a reader panic, and what is read is a trace.

use netkv_workload::{BLOCK_TOKENS, CLOCKS, Columns, FORMATS, ReadTrace, Reading, TraceStatistics, read_trace};
use proptest::prelude::*;

/// Beginnings of files of every format, for damage to start from.
const SAMPLES: [&str; 12] = [
    "{\"timestamp\": 5, \"input_length\": 40, \"output_length\": 2, \"hash_ids\": [0, 1, 2]}\n",
    "{\"timestamp\": 5, \"input_length\": 40, \"output_length\": 2}\n",
    "{\"chat_id\": 1, \"timestamp\": 6.5, \"input_length\": 40, \"output_length\": 2, \"hash_ids\": [7, 8, 9]}\n",
    "{\"input_toks\": 128, \"output_toks\": 64, \"arrival_time_ns\": 350000000}\n",
    "{\"name\": \"chat\", \"start_time\": \"2026-01-01T00:00:00Z\", \"attributes\": {\"gen_ai.usage.input_tokens\": 5, \
     \"gen_ai.usage.output_tokens\": 7}}\n",
    "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"startTimeUnixNano\":\"17\",\"attributes\":[{\"key\":\
     \"gen_ai.usage.input_tokens\",\"value\":{\"intValue\":\"4\"}}]}]}]}]}\n",
    "[{\"conversations\": [{\"value\": \"ask\"}, {\"value\": \"tell\"}]}]",
    "INFO 12-31 23:59:59 [logger.py:39] Received request a: prompt: 'x', params: SamplingParams(max_tokens=16), \
     prompt_token_ids: [1, 2], lora_request: None.\n",
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n",
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,API log\n",
    "arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,374,44\n",
    "prompt_size,token_size\n374,44\n",
];

fn readings() -> Vec<Reading> {
    let columns = CLOCKS.map(|(_, clock)| {
        let arrival = Some(("a".to_owned(), clock));
        Reading::Columns(Columns { arrival, input: "b".to_owned(), output: "c".to_owned() })
    });
    let named = FORMATS.iter().map(Reading::As);
    [Reading::Detected].into_iter().chain(named).chain(columns).collect()
}

/// What was read is a trace that can be described, written and read again.
fn check(read: &ReadTrace) {
    let trace = &read.trace;
    assert!(trace.rows().is_sorted_by_key(|row| row.timestamp_ms));
    assert!(!TraceStatistics::of(trace).to_string().contains("NaN"));
    assert!(trace.reblocked(BLOCK_TOKENS).is_none_or(|gathered| gathered.block_tokens() == BLOCK_TOKENS));
    let again = read_trace(&trace.to_jsonl(), &Reading::Detected).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(again.trace.rows().len(), trace.rows().len());
}

/// Text of the signs that formats are made of, and of others.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop_oneof![
        Just("\n".to_owned()),
        Just(",".to_owned()),
        Just("\"".to_owned()),
        Just("[".to_owned()),
        Just("}".to_owned()),
        Just("-1".to_owned()),
        Just("0".to_owned()),
        Just("1e300".to_owned()),
        Just("9223372036854775807".to_owned()),
        Just("10000000".to_owned()),
        Just("1677-09-21 00:12:44".to_owned()),
        Just("2262-04-11 23:47:16+00:00".to_owned()),
        Just("02-29 00:00:00 Received request ".to_owned()),
        Just("Generated response ".to_owned()),
        Just(": output: ".to_owned()),
        Just(" details: ".to_owned()),
        "\\PC{0,6}",
    ];
    prop::collection::vec(scrap, 0..40).prop_map(|scraps| scraps.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for reading in readings() {
            if let Ok(read) = read_trace(&bytes, &reading) {
                check(&read);
            }
        }
        // After the first bytes of packed files, and after a line of names.
        for start in [&[0x1f, 0x8b, 8][..], &[0x28, 0xb5, 0x2f, 0xfd], b"a,b,c\n"] {
            let bytes = [start, &bytes].concat();
            for reading in readings() {
                let _ = read_trace(&bytes, &reading);
            }
        }
    }

    #[test]
    fn no_damage_makes_a_reader_panic(
        sample in 0..SAMPLES.len(),
        place in any::<prop::sample::Index>(),
        length in 0usize..12,
        scraps in scraps(),
    ) {
        let sample = [SAMPLES[sample], SAMPLES[sample]].concat();
        let start = place.index(sample.len());
        let end = (start + length).min(sample.len());
        let damaged = [&sample.as_bytes()[..start], scraps.as_bytes(), &sample.as_bytes()[end..]].concat();
        for reading in readings() {
            if let Ok(read) = read_trace(&damaged, &reading) {
                check(&read);
            }
        }
    }

    #[test]
    fn a_csv_reads_as_its_rows_in_order_of_time(rows in prop::collection::vec((0u64..100_000, 0u32..5_000, 0u32..500), 1..60)) {
        let lines: String = rows.iter().map(|(at, input, output)| format!("{at},{input},{output}\n")).collect();
        let file = format!("arrival_timestamp,prompt_size,token_size\n{lines}");
        let mut expected: Vec<_> = rows.iter().filter(|row| row.1 > 0 && row.2 > 0).map(|row| (row.0 * 1000, row.1, row.2)).collect();
        expected.sort_by_key(|row| row.0);
        match read_trace(file.as_bytes(), &Reading::Detected) {
            Ok(read) => {
                let found: Vec<_> =
                    read.trace.rows().iter().map(|row| (row.timestamp_ms, row.input_tokens, row.output_tokens)).collect();
                prop_assert_eq!(found, expected);
            }
            Err(errors) => prop_assert!(expected.is_empty(), "{}", errors),
        }
    }
}

/// The fuzzer starts from a file of each format, which names it in its first line: here, each is read as what it says.
#[test]
fn the_seeds_of_the_fuzzer_are_read_as_what_they_name() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/trace");
    let mut names = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap();
        let name = std::str::from_utf8(&bytes[..end]).unwrap().to_owned();
        let reading = match FORMATS.iter().find(|format| format.name == name) {
            Some(format) => Reading::As(format),
            None if name == "auto" => Reading::Detected,
            None => {
                let unit =
                    name.strip_prefix("columns ").unwrap_or_else(|| panic!("{} names no reading", path.display()));
                let clock = CLOCKS.iter().find(|(own, _)| *own == unit).unwrap().1;
                let arrival = Some(("a".to_owned(), clock));
                Reading::Columns(Columns { arrival, input: "i".to_owned(), output: "o".to_owned() })
            }
        };
        let read = read_trace(&bytes[end + 1..], &reading);
        assert!(read.is_ok(), "{}: {}", path.display(), read.unwrap_err());
        names.insert(name);
    }
    for format in &FORMATS {
        assert!(names.contains(format.name), "no seed of {}", format.name);
    }
}
