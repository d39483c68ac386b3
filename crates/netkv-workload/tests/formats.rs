//! Each format by a small file, with its rows counted by hand; the rules for what is not as it should be; and the real
//! Azure file, where it is at hand.

#![expect(clippy::unwrap_used, reason = "a sample that cannot be read fails the test, as it should")]

use flate2::Compression;
use flate2::write::GzEncoder;
use netkv_workload::{
    CLOCKS, Columns, FORMATS, Layout, ReadTrace, Reading, SyntheticKind, TokenCount, Trace, TraceStatistics, generate,
    read_trace, read_trace_counting,
};
use std::io::Write;
use std::path::Path;

/// An extract of Azure's trace of 2023, code service (Azure Public Dataset, CC BY 4.0): its first eleven rows, with all
/// digits of their stamps.
const AZURE_2023: &str = include_str!("samples/azure_2023.csv");

fn detected(file: &str) -> ReadTrace {
    read_trace(file.as_bytes(), &Reading::Detected).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors_of(file: &str) -> String {
    read_trace(file.as_bytes(), &Reading::Detected).expect_err("the file is wrong").to_string()
}

/// A row as ms, prompt and answer.
type Row = (u64, u32, u32);

fn rows(trace: &Trace) -> Vec<Row> {
    trace.rows().iter().map(|row| (row.timestamp_ms, row.input_tokens, row.output_tokens)).collect()
}

/// A file that is told to be of `format` and has these rows; all that is said of it.
#[track_caller]
fn check(file: &str, format: &str, expected: &[Row]) -> String {
    let read = detected(file);
    assert_eq!((read.format, rows(&read.trace).as_slice()), (format, expected));
    read.notes.join("; ")
}

#[test]
fn azure_2023_has_seven_decimals_and_counts_from_its_first_row() {
    let expected = [
        (0, 4808, 10),
        (52, 3180, 8),
        (98, 110, 27),
        (140, 7433, 14),
        (444, 34, 12),
        (539, 374, 14),
        (698, 6985, 9),
        (1016, 34, 23),
        (1299, 1145, 7),
        (1299, 201, 24),
        (1398, 137, 9),
    ];
    assert_eq!(check(AZURE_2023, "azure", &expected), "format told by the first line");
    let read = detected(AZURE_2023);
    assert_eq!(read.told().unwrap(), "Azure LLM inference CSV, 2023 or 2024, no prefixes recorded");
    let statistics = TraceStatistics::of(&read.trace);
    assert_eq!((statistics.n_requests, statistics.duration_s), (11, 1.398));
    assert_eq!(statistics.input_tokens.mean, 24_441.0 / 11.0);
    assert_eq!((statistics.output_tokens.max, statistics.arrivals.n_distinct_stamps), (27.0, 10));
    assert_eq!((statistics.prefixes, statistics.sessions.len()), (None, 0));
}

#[test]
fn azure_2024_says_its_zone() {
    let file = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
                2024-05-10 00:00:00.009930+00:00,2162,5\n\
                2024-05-10 00:00:00.109930+00:00,2399,6\n\
                2024-05-10 00:00:01+00:00,76,15\n";
    check(file, "azure", &[(0, 2162, 5), (100, 2399, 6), (990, 76, 15)]);
}

#[test]
fn burstgpt_counts_seconds_and_its_failures_are_left_out() {
    let file = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
                5,ChatGPT,472,18,490,Conversation log\n\
                45,ChatGPT,1087,0,1087,Conversation log\n\
                118,GPT-4,417,276,693,API log\n";
    let told = check(file, "burstgpt", &[(5_000, 472, 18), (118_000, 417, 276)]);
    assert!(told.ends_with("1 row without prompt or answer tokens left out (the first on line 3)"), "{told}");
}

#[test]
fn vidur_and_splitwise_are_read_with_arrivals() {
    let vidur = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,374,44\n4.314579,396,109\n4.541877,879,55\n";
    check(vidur, "vidur", &[(0, 374, 44), (4_314, 396, 109), (4_541, 879, 55)]);
    let splitwise = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n\
                     0,2,0,0.0125,1,100,20\n1,2,0,1e-05,1,200,30\n";
    let told = check(splitwise, "splitwise", &[(0, 200, 30), (12, 100, 20)]);
    assert!(told.ends_with("1 row out of order sorted by time (the first on line 3)"), "{told}");
}

#[test]
fn lengths_without_arrivals_get_a_poisson_process() {
    let vidur =
        "num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio\n3772,54,3826,69.8\n2015,156,2171,12.9\n";
    let splitwise = "prompt_size,token_size\n3772,54\n2015,156\n";
    for (file, format) in [(vidur, "vidur_lengths"), (splitwise, "splitwise_lengths")] {
        let read = detected(file);
        let lengths: Vec<_> = rows(&read.trace).iter().map(|row| (row.1, row.2)).collect();
        assert_eq!((read.format, lengths), (format, vec![(3772, 54), (2015, 156)]));
        assert!(
            read.notes.iter().any(|note| note.starts_with("no arrivals recorded: a Poisson process of 1 request/s"))
        );
    }
    let many = format!("prompt_size,token_size\n{}", "1,1\n".repeat(10_000));
    let statistics = TraceStatistics::of(&detected(&many).trace);
    assert!((statistics.duration_s - 10_000.0).abs() < 300.0, "{} s", statistics.duration_s);
    assert!((statistics.arrivals.gap_cv.unwrap() - 1.0).abs() < 0.05);
}

#[test]
fn llmservingsim_counts_nanoseconds_and_its_ids_are_passed_over() {
    let file = r#"{"input_toks": 128, "output_toks": 64, "arrival_time_ns": 350000000, "input_tok_ids": [1, 2], "output_tok_ids": [3]}
{"input_toks": 1472, "output_toks": 133, "arrival_time_ns": 4059740000.0}
"#;
    check(file, "llmservingsim", &[(350, 128, 64), (4_059, 1472, 133)]);
}

/// Three prompts of 40, 50 and 32 tokens in blocks of 16. The ids of the third are those of others, in another order.
const BAILIAN: &str = r#"{"chat_id": 159, "parent_chat_id": -1, "timestamp": 61.114, "input_length": 40, "output_length": 132, "type": "text", "turn": 1, "hash_ids": [7, 8, 9]}
{"chat_id": 160, "parent_chat_id": 159, "timestamp": 61.2, "input_length": 50, "output_length": 5, "type": "search", "turn": 2, "hash_ids": [7, 8, 10, 11]}
{"chat_id": 161, "parent_chat_id": -1, "timestamp": 70, "input_length": 32, "output_length": 6, "type": "image", "turn": 1, "hash_ids": [8, 7]}
"#;

#[test]
fn bailian_has_blocks_of_sixteen_tokens_chained_here() {
    let rows = [(61_114, 40, 132), (61_200, 50, 5), (70_000, 32, 6)];
    assert_eq!(check(BAILIAN, "bailian", &rows), "format told by the first line; prefixes in blocks of 16 tokens");
    let trace = detected(BAILIAN).trace;
    let blocks = |row: usize| trace.blocks(&trace.rows()[row]).iter().map(|block| block.get()).collect::<Vec<_>>();
    assert_eq!([blocks(0), blocks(1), blocks(2)], [vec![0, 1, 2], vec![0, 1, 3, 4], vec![5, 6]]);
    let prefixes = TraceStatistics::of(&trace).prefixes.unwrap();
    assert_eq!((prefixes.block_tokens, prefixes.n_blocks_total, prefixes.n_blocks_distinct), (16, 9, 7));
    assert_eq!((prefixes.block_hit_fraction, prefixes.token_hit_fraction), (2.0 / 9.0, 32.0 / 122.0));
}

#[test]
fn bailian_names_chats_of_which_one_goes_on_with_another() {
    assert_eq!(detected(BAILIAN).trace.chats(), Some(&[0, 0, 1][..]));
    // Two answers to what is not in the file, and one to each of them.
    let line = |id: i32, parent: i32| {
        format!(
            "{{\"chat_id\": {id}, \"parent_chat_id\": {parent}, \"timestamp\": {id}, \"input_length\": 4, \"output_length\": 1}}\n"
        )
    };
    let file: String =
        [(1, 77), (2, -1), (3, 77), (4, 1), (5, 3), (6, 2)].map(|(id, parent)| line(id, parent)).concat();
    let read = detected(&file);
    assert_eq!(read.trace.chats(), Some(&[0, 1, 0, 0, 0, 1][..]));
    assert_eq!(detected(&file.replace("\"chat_id\"", "\"other\"")).trace.chats(), None);
    assert!(errors_of(&file.replace("\"chat_id\": 3", "\"chat_id\": \"x\"")).contains("line 3"), "no number");
}

/// Without ids they were taken for Mooncake's, whose stamps are in ms.
#[test]
fn bailian_without_ids_is_in_seconds_all_the_same() {
    let file: String =
        BAILIAN.lines().map(|line| format!("{}}}\n", line.split(", \"hash_ids\"").next().unwrap())).collect();
    check(&file, "bailian_lengths", &[(61_114, 40, 132), (61_200, 50, 5), (70_000, 32, 6)]);
    assert!(!detected(&file).trace.has_prefixes());
}

/// The ids of all other rows were dropped without a word.
#[test]
fn ids_on_some_lines_alone_are_an_error_that_names_them() {
    let with = "{\"timestamp\": 5, \"input_length\": 40, \"output_length\": 2, \"hash_ids\": [0]}\n";
    let without = "{\"timestamp\": 5, \"input_length\": 40, \"output_length\": 2}\n";
    let found = errors_of(&format!("{without}{without}{with}"));
    let expect = "recorded in a file that is read as one without; allowed: hash_ids on every line, or on none, and line 1 has none";
    assert!(found.contains("line 3") && found.contains(expect), "{found}");
    let found = errors_of(&format!("{with}{without}"));
    assert!(found.contains("line 2") && found.contains("hash_ids"), "{found}");
    let chats: Vec<&str> = BAILIAN.lines().collect();
    let bare = chats[0].replace(", \"hash_ids\": [7, 8, 9]", "");
    let found = errors_of(&format!("{bare}\n{}\n", chats[1]));
    assert!(found.contains("line 2") && found.contains("and line 1 has none"), "{found}");
}

#[test]
fn ids_that_are_too_few_or_too_many_are_told() {
    let file = BAILIAN.replace("[7, 8, 9]", "[7, 8]").replace("[8, 7]", "[7, 8, 9]");
    let read = detected(&file);
    let numbers: Vec<usize> = read.trace.rows().iter().map(netkv_workload::TraceRow::n_blocks).collect();
    assert_eq!(numbers, [3, 4, 2]);
    assert_eq!(
        read.notes[1..],
        [
            "1 row with fewer block ids than blocks: the rest of the prompt is its own (the first on line 1)",
            "1 row with more block ids than blocks: those beyond the prompt left out (the first on line 3)",
            "prefixes in blocks of 16 tokens",
        ]
    );
}

#[test]
fn mooncake_is_read_without_ids_and_with_blocks_of_other_sizes() {
    let lengths = "{\"timestamp\": 27482, \"input_length\": 6955, \"output_length\": 52}\n";
    check(lengths, "mooncake_lengths", &[(27_482, 6955, 52)]);
    let other = "{\"timestamp\": 5, \"input_length\": 40, \"output_length\": 2, \"hash_ids\": [0, 1, 2]}\n";
    let read = detected(other);
    assert_eq!((read.format, read.trace.block_tokens()), ("mooncake", 16));
    assert_eq!(read.notes, ["blocks of 16 tokens, by the number of ids that prompts have"]);
}

#[test]
fn a_mooncake_trace_is_read_as_ever_and_says_nothing() {
    let file = generate(SyntheticKind::Conversation, 3).to_jsonl();
    let read = read_trace(&file, &Reading::Detected).unwrap();
    let expected = Trace::parse(&file).unwrap();
    assert_eq!((&read.trace, read.trace.sha256()), (&expected, expected.sha256()));
    assert_eq!((read.told(), read.notes.len(), read.trace.to_jsonl() == file), (None, 0, true));
    // What is wrong with it, too.
    let wrong = "{\"timestamp\": 5, \"input_length\": 0, \"output_length\": 2, \"hash_ids\": []}\n{\"timestamp\": ";
    assert_eq!(errors_of(wrong), Trace::parse(wrong.as_bytes()).unwrap_err().to_string());
}

#[test]
fn otel_spans_are_read_as_exported_and_one_by_one() {
    let exported = r#"{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"name":"invoke_agent","startTimeUnixNano":"1700000000000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"invoke_agent"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"700"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":"90"}}]},{"name":"chat","startTimeUnixNano":"1700000001500000000","attributes":[{"key":"gen_ai.usage.input_tokens","value":{"intValue":"400"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":50}}]}]}]}]}
{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"http","startTimeUnixNano":"1","attributes":[]},{"name":"chat","startTimeUnixNano":"1700000001000000000","attributes":[{"key":"gen_ai.usage.prompt_tokens","value":{"intValue":"300"}},{"key":"gen_ai.usage.completion_tokens","value":{"intValue":"40"}}]}]}]}]}
"#;
    let told = check(exported, "otel", &[(0, 300, 40), (500, 400, 50)]);
    assert!(told.contains("2 spans left out that are no calls of a model"), "{told}");
    let flat = r#"{"name": "chat m", "start_time": "2026-01-01T00:00:00.000000Z", "attributes": {"gen_ai.usage.input_tokens": 512, "gen_ai.usage.output_tokens": 7}}
{"name": "chat m", "start_time": "2026-01-01T01:00:00.25+01:00", "attributes": {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 1}}
"#;
    check(flat, "otel", &[(0, 512, 7), (250, 10, 1)]);
}

#[test]
fn sharegpt_takes_the_first_two_turns_by_characters() {
    let file = r#"[{"id": "a", "conversations": [{"from": "human", "value": "12345"}, {"from": "gpt", "value": "äöüß"}, {"from": "human", "value": "more"}]},
 {"id": "b", "conversations": [{"from": "human", "value": "alone"}]},
 {"id": "c", "conversations": [{"from": "human", "value": "1234"}, {"from": "gpt", "value": "123456789"}]}]"#;
    let read = detected(file);
    let lengths: Vec<_> = rows(&read.trace).iter().map(|row| (row.1, row.2)).collect();
    assert_eq!((read.format, lengths), ("sharegpt", vec![(2, 1), (1, 3)]));
    assert_eq!(
        read.notes[1..3],
        [
            "tokens counted by characters, 4 to a token: `netkv trace convert --tokenizer` counts by a model's own",
            "1 conversations of fewer than two turns left out"
        ]
    );
}

/// Counts words, and knows no question marks.
struct Words;

impl TokenCount for Words {
    fn count(&self, texts: &[&str]) -> Result<Vec<u64>, (usize, String)> {
        let unknown = texts.iter().position(|text| text.contains('?'));
        unknown.map_or_else(
            || Ok(texts.iter().map(|text| text.split_whitespace().count() as u64).collect()),
            |idx| Err((idx, "a question mark".to_owned())),
        )
    }

    fn told(&self) -> String {
        "words".to_owned()
    }
}

#[test]
fn texts_are_counted_by_what_the_caller_counts_with() {
    let talk = |prompt: &str, answer: &str| {
        format!("{{\"conversations\": [{{\"value\": \"{prompt}\"}}, {{\"value\": \"{answer}\"}}]}}")
    };
    // More than are counted at once, the last with an escape.
    let many: String = (0..1500).map(|_| format!("{},\n", talk("a b", "c"))).collect();
    let file = format!("[{many}{}]", talk("one two\\nthree", "four"));
    let read = |file: &str| read_trace_counting(file.as_bytes(), &Reading::Detected, Some(&Words));
    let counted = read(&file).unwrap();
    let lengths: Vec<_> = rows(&counted.trace).iter().map(|row| (row.1, row.2)).collect();
    assert_eq!((lengths.len(), lengths[0], lengths[1500]), (1501, (2, 1), (3, 1)));
    assert_eq!(counted.notes[1], "tokens counted by words");
    let unknown = read(&format!("[{many}{}]", talk("why", "why?"))).unwrap_err().to_string();
    let expected =
        "line 1501: conversations: the tokenizer cannot count it: a question mark; allowed: texts that it knows";
    assert_eq!(unknown, expected);

    let log = "\
INFO 12-31 23:59:59 [logger.py:39] Received request a: prompt: 'x\\ny z', params: SamplingParams(max_tokens=16), lora_request: None.
INFO 01-01 00:00:02 [logger.py:71] Generated response a: output: 'so it is', output_token_ids: None, finish_reason: stop
";
    let counted = read(log).unwrap();
    assert_eq!(rows(&counted.trace), [(0, 3, 3)]);
    let told = "1 requests with prompts counted by words; 1 requests with answers counted by words";
    assert_eq!(counted.notes[1..].join("; "), told);
    let listed =
        read(&log.replace("None, finish", "[1, 2], finish").replace("lora", "prompt_token_ids: [7], lora")).unwrap();
    assert_eq!(
        (rows(&listed.trace), listed.notes[1].as_str()),
        (vec![(0, 1, 2)], "no text to count: the log lists ids of tokens")
    );

    // Where there are counts there is nothing to count.
    let refused = read(AZURE_2023).unwrap_err().to_string();
    let expected = "the file: a tokenizer has nothing to count: Azure LLM inference CSV, 2023 or 2024 has counts of tokens, and \
                    no texts; allowed: no tokenizer, or one of the formats ";
    assert!(refused.starts_with(expected), "{refused}");
    let by_columns = read_trace_counting(b"in,out\n1,2\n", &columns(None, "s"), Some(&Words)).unwrap_err().to_string();
    assert!(by_columns.contains("a file of columns has counts of tokens"), "{by_columns}");
}

#[test]
fn a_log_of_vllm_says_lengths_by_ids_by_texts_or_by_limits() {
    let file = "\
INFO 12-31 23:59:58 [api_server.py:1] Started server process [1]
INFO 12-31 23:59:59 [logger.py:39] Received request cmpl-a: prompt: 'Received request x: y', params: SamplingParams(n=1, max_tokens=16), prompt_token_ids: [1, 2, 3, 4, 5], lora_request: None.
INFO 01-01 00:00:01 [logger.py:40] Received request chatcmpl-b: params: SamplingParams(n=1, max_tokens=200), lora_request: None.
DEBUG 01-01 00:00:01 [logger.py:30] Request chatcmpl-b details: prompt: '12345678', prompt_token_ids: None, prompt_embeds shape: None.
INFO 01-01 00:00:02 [logger.py:71] Generated response cmpl-a: output: 'abc', output_token_ids: [7, 8, 9], finish_reason: stop
(APIServer pid=1) INFO 01-01 00:00:03 [logger.py:40] Received request chatcmpl-c: params: SamplingParams(n=1), lora_request: None.
(APIServer pid=1) INFO 01-01 00:00:04 [logger.py:40] Received request chatcmpl-d: prompt: None, params: SamplingParams(), prompt_token_ids: [1], lora_request: None.
INFO 01-01 00:00:05 [logger.py:92] Generated response chatcmpl-d (streaming delta): output: '1234', output_token_ids: [5], finish_reason: None
INFO 01-01 00:00:06 [logger.py:92] Generated response chatcmpl-d (streaming delta): output: '5', output_token_ids: [6], finish_reason: None
INFO 01-01 00:00:06 [logger.py:92] Generated response chatcmpl-d (streaming complete): output: '12345', output_token_ids: None, finish_reason: stop
";
    let told = check(file, "vllm_log", &[(0, 5, 3), (2_000, 2, 200), (5_000, 1, 2)]);
    assert_eq!(
        told,
        "format told by the first line; 1 requests left out: the log says too little of them; 1 requests with prompts \
         counted by characters, 4 to a token; 1 requests whose answer is not logged: max_tokens stands in for its length"
    );
}

fn columns(arrival: Option<&str>, unit: &str) -> Reading {
    let clock = CLOCKS.iter().find(|(name, _)| *name == unit).unwrap().1;
    let arrival = arrival.map(|name| (name.to_owned(), clock));
    Reading::Columns(Columns { arrival, input: "in".to_owned(), output: "out".to_owned() })
}

#[test]
fn any_csv_is_read_by_its_columns() {
    let file = "\"when, exactly\",in,out,in2\r\n1700000000250,5,6,x\r\n\r\n1700000000000,\"7\",8.0,y\r\n";
    let read = read_trace(file.as_bytes(), &columns(Some("when, exactly"), "ms")).unwrap();
    assert_eq!(rows(&read.trace), [(0, 7, 8), (250, 5, 6)]);
    let missing = read_trace(file.as_bytes(), &columns(Some("when"), "ms")).unwrap_err().to_string();
    assert_eq!(
        missing,
        "line 1: when: no column has this name; allowed: one of the names of the line: when, exactly, in, out, in2"
    );
    assert!(errors_of(file).contains("the first line of no known format"));
}

#[test]
fn packed_files_are_the_same_and_damaged_ones_are_refused() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(AZURE_2023.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(AZURE_2023.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let plain = detected(AZURE_2023).trace;
    for (packed, name) in [(&gzip, "gzip"), (&zstd, "zstd")] {
        let read = read_trace(packed, &Reading::Detected).unwrap();
        assert!(read.trace == plain && read.title.ends_with(name), "{}", read.title);
        assert_ne!(read.trace.sha256(), plain.sha256(), "it is the digest of the file");
        let errors = read_trace(&packed[..packed.len() / 2], &Reading::Detected).unwrap_err().to_string();
        assert!(errors.contains("a packed file that cannot be unpacked"), "{errors}");
        // Two files in one are read to the end, where a line of names is no row.
        let twice = read_trace(&[packed.as_slice(), packed.as_slice()].concat(), &Reading::Detected).unwrap_err();
        assert!(twice.count() == 3 && twice.shown().iter().all(|error| error.line == 13), "{twice}");
    }
}

#[test]
fn cells_that_are_wrong_are_named_with_line_and_column() {
    let with = |row: &str| format!("{AZURE_2023}{row}\n");
    let check = |row: &str, expected: &str| {
        let errors = errors_of(&with(row));
        assert!(errors.starts_with(&format!("line 13, column {expected}")), "{errors}");
    };
    check("2023-11-16 18:17:06,-4,3", "2: ContextTokens = -4: negative; allowed: a whole number of tokens");
    check(
        "2023-11-16 18:17:06,4,10000001",
        "3: GeneratedTokens = 10000001: too many tokens; allowed: a whole number up to",
    );
    check("2023-11-16 18:17:06,,3", "2: ContextTokens: empty");
    check("2023-11-16 18:17:06,4", "3: GeneratedTokens: missing: the line has 2 values; allowed: at least 3 values");
    check("2023-11-31 18:17:06,4,3", "1: TIMESTAMP = 2023-11-31 18:17:06: not a date; allowed: a date such as");
    let late = errors_of(&with("2043-11-16 18:17:06,4,3"));
    assert!(late.contains("the arrival is too late; allowed: at most 315360000000 ms"), "{late}");
    let json = errors_of(&BAILIAN.replace("61.114", "-1").replace("\"turn\": 2", "\"turn\": 2."));
    assert!(json.contains("line 1: timestamp = -1: negative") && json.contains("line 2, column"), "{json}");
}

#[test]
fn files_that_are_no_trace_say_so() {
    for (file, expected) in [
        ("", "line 1: the line: the file is empty; allowed: Mooncake JSON lines (mooncake), Alibaba Bailian"),
        ("hello\n", "line 1: `hello`: the first line of no known format"),
        ("version https://git-lfs.github.com/spec/v1\n", "line 1: the line: a pointer of Git LFS, not the file"),
        ("prompt_size,token_size\n", "the file has no request that can be used"),
        ("prompt_size,token_size\n5,0\n", "1 row without tokens (the first on line 2)"),
        ("[]", "the file has no request that can be used"),
        ("[{\"conversations\": 5}]", "line 1, column 20: JSON: malformed"),
    ] {
        let errors = errors_of(file);
        assert!(errors.contains(expected), "{errors}\nlacks: {expected}");
    }
}

#[test]
fn every_format_has_a_name_a_title_and_a_source_and_reads_or_refuses_every_sample() {
    for format in FORMATS {
        assert!(!format.name.is_empty() && !format.title.is_empty() && !format.source.is_empty(), "{}", format.name);
        for sample in [AZURE_2023, BAILIAN, "[]", ""] {
            let is_read = read_trace(
                sample.as_bytes(),
                &Reading::As(FORMATS.iter().find(|own| own.name == format.name).unwrap()),
            );
            assert!(is_read.is_err() || format.layout != Layout::ShareGpt);
        }
    }
}

#[test]
fn finer_blocks_are_gathered_by_whole_blocks() {
    // 1,040 tokens are 65 blocks of 16: two of 512 and one of 16 tokens. The second prompt shares 40 blocks, the third 20.
    let row = |ids: &[usize]| {
        let input = 16 * ids.len();
        format!("{{\"timestamp\": 0, \"input_length\": {input}, \"output_length\": 1, \"hash_ids\": {ids:?}}}\n")
    };
    let first: Vec<usize> = (0..65).collect();
    let second: Vec<usize> = (0..40).chain(100..130).collect();
    let third: Vec<usize> = (0..20).chain(200..240).collect();
    let file = [row(&first), row(&second), row(&third), row(&first)].concat();
    let trace = detected(&file).trace;
    assert_eq!(trace.block_tokens(), 16);
    let gathered = trace.reblocked(512).unwrap();
    let blocks =
        |row: usize| gathered.blocks(&gathered.rows()[row]).iter().map(|block| block.get()).collect::<Vec<_>>();
    assert_eq!([blocks(0), blocks(1)], [vec![0, 1, 2], vec![0, 3, 4]]);
    assert_eq!([blocks(2), blocks(3)], [vec![5, 6], vec![0, 1, 2]]);
    assert_eq!((gathered.block_tokens(), gathered.rows()[1].input_tokens), (512, 1120));
    // Larger ones are cut.
    let large = "{\"timestamp\": 0, \"input_length\": 1500, \"output_length\": 1, \"hash_ids\": [0]}\n\
                 {\"timestamp\": 0, \"input_length\": 3000, \"output_length\": 1, \"hash_ids\": [1, 2]}\n";
    let cut = detected(large).trace;
    assert_eq!(cut.block_tokens(), 2048);
    let cut = cut.reblocked(512).unwrap();
    assert_eq!((cut.n_blocks_total(), cut.n_blocks_distinct()), (9, 9));
}

#[test]
fn a_converted_trace_reads_back_the_same() {
    for file in [AZURE_2023, BAILIAN] {
        let trace = detected(file).trace;
        let converted = read_trace(&trace.to_jsonl(), &Reading::Detected).unwrap();
        assert_eq!(rows(&converted.trace), rows(&trace));
        assert_eq!(converted.trace.has_prefixes(), trace.has_prefixes());
        assert!(!trace.has_prefixes() || converted.trace == trace);
    }
}

/// Rows, tokens of prompts and of answers, and the last arrival in ms, counted with Python's csv and datetime.
const AZURE_FIGURES: (usize, u64, u64, u64) = (8819, 18059974, 245896, 3435948);

/// Figures of the whole file, counted with other tools: rows, sums of tokens, last stamp less the first.
#[test]
fn the_published_azure_file_has_the_figures_that_others_count() {
    let Some(folder) = std::env::var_os("NETKV_TRACE_DIR") else { return };
    let Ok(file) = std::fs::read(Path::new(&folder).join("azure2023_code.csv")) else { return };
    let read = read_trace(&file, &Reading::Detected).unwrap();
    let sum = |tokens: fn(&Row) -> u32| rows(&read.trace).iter().map(|row| u64::from(tokens(row))).sum::<u64>();
    assert_eq!((read.format, read.trace.len()), ("azure", AZURE_FIGURES.0));
    assert_eq!((sum(|row| row.1), sum(|row| row.2)), (AZURE_FIGURES.1, AZURE_FIGURES.2));
    assert_eq!(rows(&read.trace).last().unwrap().0, AZURE_FIGURES.3);
}
