//! Traces as users bring them: in other formats, by columns, from a server, by the environment.

mod command;

use command::{Ended, check, netkv, text};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

const SIX: &[u8] = include_bytes!("../../netkv-workload/tests/samples/six_snappy.parquet");
const AZURE: &str = include_str!("../../netkv-workload/tests/samples/azure_2023.csv");

/// An experiment on a file in its folder, without ticks.
fn experiment(trace: &str, more: &str) -> String {
    text(&format!(
        "[workload]\ntrace = '{trace}'\narrivals = 'raw_ticks'\nwindow_s = [0.0, 60.0]\nload = 'native'\n{more}\n"
    ))
}

fn with_environment(folder: &Path, arguments: &[&str], name: &str, value: &Path) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netkv"));
    command.current_dir(folder).args(arguments).env(name, value);
    let output = command.output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

#[test]
fn a_file_of_another_format_is_described_and_converted() {
    let here = tempfile::tempdir().expect("a temporary folder");
    fs::write(here.path().join("azure.csv"), AZURE).expect("the file is written");
    let said = check(here.path(), &["trace", "inspect", "azure.csv"], 0);
    assert!(said.stderr.contains("azure.csv was read as Azure LLM inference CSV, 2023 or 2024, no prefixes recorded"));
    assert!(said.stdout.contains("requests                      11"), "{}", said.stdout);
    assert!(said.stdout.ends_with("prefixes                      none recorded\n"), "{}", said.stdout);
    assert!(said.stderr.contains("workload.prefix = \"trace\" or \"none\""), "{}", said.stderr);

    let said = check(here.path(), &["trace", "convert", "azure.csv", "azure.jsonl"], 0);
    assert!(said.stderr.contains("azure.jsonl: 11 requests, no prefixes recorded, so no hash_ids"), "{}", said.stderr);
    let written = fs::read_to_string(here.path().join("azure.jsonl")).expect("it is there");
    let first = "{\"timestamp\": 0, \"input_length\": 4808, \"output_length\": 10}\n";
    assert!(written.starts_with(first) && written.lines().count() == 11, "{written}");

    let wrong = check(here.path(), &["trace", "inspect", "azure.csv", "--format", "burstgpt"], 65).stderr;
    assert!(
        wrong.contains("line 1: Timestamp: no column has this name; allowed: one of the names of the line"),
        "{wrong}"
    );
    check(here.path(), &["trace", "inspect", "azure.csv", "--format", "azur"], 64);
}

#[test]
fn any_csv_is_described_by_its_columns() {
    let here = tempfile::tempdir().expect("a temporary folder");
    fs::write(here.path().join("log.csv"), "t,a,b\n1000,5,6\n3000,7,8\n").expect("the file is written");
    let columns = ["--column", "arrival=t", "--column", "input=a", "--column", "output=b", "--unit", "ms"];
    let said = check(here.path(), &[&["trace", "inspect", "log.csv"], &columns[..]].concat(), 0);
    assert!(said.stdout.contains("duration                      2.000 s"), "{}", said.stdout);
    let unknown = check(here.path(), &["trace", "inspect", "log.csv"], 65).stderr;
    assert!(unknown.contains("the first line of no known format") && unknown.contains("workload.format"), "{unknown}");
    check(here.path(), &["trace", "inspect", "log.csv", "--column", "input=a"], 64);
    check(here.path(), &["trace", "inspect", "log.csv", "--column", "prompt=a"], 64);
}

/// What netkv writes by polars is read as what it writes as CSV, and so is what pyarrow wrote.
#[test]
fn parquet_is_described_and_converted_by_its_columns() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| here.path().join(name);
    fs::write(path("azure.csv"), AZURE).expect("the file is written");
    fs::write(path("x.toml"), experiment("azure.csv", "")).expect("the experiment is written");
    let columns = ["arrival=arrival_ns", "input=input_tokens", "output=output_tokens"];
    let columns = columns.iter().flat_map(|column| ["--column", column]).chain(["--unit", "ns"]);
    let columns: Vec<&str> = columns.collect();
    for file in ["r.csv", "r.parquet"] {
        check(here.path(), &["cell", "x.toml", "0", "--requests", file], 0);
        let out = format!("{file}.jsonl");
        let said = check(here.path(), &[&["trace", "convert", file, &out], &columns[..]].concat(), 0);
        assert!(said.stderr.contains("11 requests"), "{}", said.stderr);
    }
    let [csv, parquet] = ["r.csv.jsonl", "r.parquet.jsonl"].map(|file| fs::read(path(file)).expect("it is there"));
    assert!(csv == parquet);

    fs::write(path("six.parquet"), SIX).expect("the file is written");
    let unknown = check(here.path(), &["trace", "inspect", "six.parquet"], 65).stderr;
    assert!(unknown.contains("the file: columns of no known format: tags, at, meta, in, out"), "{unknown}");
    fs::write(
        path("y.toml"),
        experiment(
            "six.parquet",
            "format = 'columns'\n[workload.columns]\narrival = 'at'\n\
        arrival_unit = 'ms'\ninput = 'in'\noutput = 'out'",
        ),
    )
    .expect("the experiment is written");
    let said = check(here.path(), &["plan", "y.toml"], 0);
    let label = "trace: six.parquet (parquet by workload.columns, no prefixes recorded)";
    assert!(said.stdout.contains(label), "{}", said.stdout);
}

/// A tokenizer of the words `hello` and `world`, and of all others as one.
const WORDS: &str = r#"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "hello": 1, "world": 2}, "unk_token": "[UNK]"}}"#;

#[test]
fn texts_are_counted_by_the_tokenizer_that_is_named() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| fs::write(here.path().join(name), text).expect("the file is written");
    // Three words and a sign, then two words; by characters four and three tokens.
    let talk = r#"[{"conversations": [{"value": "hello wide world!"}, {"value": "hello you"}]}]"#;
    write("talk.json", talk);
    write("words.json", WORDS);
    write("azure.csv", AZURE);
    let first = |arguments: &[&str]| {
        let said = check(here.path(), &[&["trace", "convert", "talk.json", "talk.jsonl"], arguments].concat(), 0);
        let written = fs::read_to_string(here.path().join("talk.jsonl")).expect("it is there");
        (said.stderr, written)
    };
    let (told, written) = first(&[]);
    assert!(written.contains("\"input_length\": 5, \"output_length\": 3"), "{written}");
    assert!(told.contains("by characters, 4 to a token: `netkv trace convert --tokenizer` counts by"), "{told}");
    let (told, written) = first(&["--tokenizer", "words.json"]);
    assert!(written.contains("\"input_length\": 4, \"output_length\": 2"), "{written}");
    let sha256 = netkv_units::sha256_hex(WORDS.as_bytes());
    let by = format!("tokens counted by the tokenizer words.json (sha256 {sha256}), without special tokens");
    assert!(told.contains(&by), "{told}");
    let said = check(here.path(), &["trace", "inspect", "talk.json", "--tokenizer", "words.json"], 0);
    assert!(said.stderr.contains(&by), "{}", said.stderr);

    let refused = check(here.path(), &["trace", "inspect", "azure.csv", "--tokenizer", "words.json"], 65).stderr;
    assert!(refused.contains("a tokenizer has nothing to count: Azure LLM inference CSV"), "{refused}");
    let columns =
        ["--column", "input=ContextTokens", "--column", "output=GeneratedTokens", "--tokenizer", "words.json"];
    let refused = check(here.path(), &[&["trace", "inspect", "azure.csv"], &columns[..]].concat(), 64).stderr;
    assert!(refused.contains("cannot be used with"), "{refused}");
    let broken = check(here.path(), &["trace", "inspect", "talk.json", "--tokenizer", "talk.json"], 65).stderr;
    assert!(broken.contains("talk.json is no tokenizer: ") && broken.contains("allowed: a tokenizer.json"), "{broken}");
    check(here.path(), &["trace", "inspect", "talk.json", "--tokenizer", "none.json"], 65);
}

#[test]
fn an_experiment_says_what_its_file_was_read_as_and_with_which_prefixes() {
    let here = tempfile::tempdir().expect("a temporary folder");
    fs::write(here.path().join("azure.csv"), AZURE).expect("the file is written");
    fs::write(here.path().join("x.toml"), experiment("azure.csv", "prefix = 'shared'"))
        .expect("the experiment is written");
    let label = "azure.csv (Azure LLM inference CSV, 2023 or 2024, no prefixes recorded)";
    let said = check(here.path(), &["plan", "x.toml"], 0);
    assert!(said.stdout.contains(&format!("trace: {label}")), "{}", said.stdout);
    assert!(said.stderr.contains("format told by the first line"), "{}", said.stderr);
    check(here.path(), &["run", "x.toml"], 0);
    let manifest = fs::read_to_string(here.path().join("results/x/manifest.toml")).expect("it is there");
    let shared = format!("{label}: a share of 0 drawn to have one of 8 of 1024 tokens");
    assert!(manifest.contains(&shared), "{manifest}");

    let columns = "format = 'columns'\n[workload.columns]\narrival = 'TIMESTAMP'\narrival_unit = 'date'\n";
    let whole = format!("{columns}input = 'ContextTokens'\noutput = 'GeneratedTokens'");
    fs::write(here.path().join("y.toml"), experiment("azure.csv", &whole)).expect("the experiment is written");
    let said = check(here.path(), &["plan", "y.toml"], 0);
    assert!(
        said.stdout.contains("trace: azure.csv (CSV by workload.columns, no prefixes recorded)"),
        "{}",
        said.stdout
    );
    fs::write(here.path().join("y.toml"), experiment("azure.csv", columns)).expect("the experiment is written");
    let said = check(here.path(), &["plan", "y.toml"], 65).stderr;
    assert!(said.contains("workload.columns.input = \"\" names no column"), "{said}");
    let columns = whole.replace("'columns'", "'azure'");
    fs::write(here.path().join("y.toml"), experiment("azure.csv", &columns)).expect("the experiment is written");
    let said = check(here.path(), &["plan", "y.toml"], 65).stderr;
    assert!(said.contains("workload.columns.arrival is read with workload.format = \"columns\" alone"), "{said}");
    fs::write(here.path().join("y.toml"), experiment("synthetic:synthetic:1", "format = 'azure'")).expect("written");
    let said = check(here.path(), &["plan", "y.toml"], 65).stderr;
    assert!(said.contains("workload.format is of a file, and \"synthetic:synthetic:1\" is none"), "{said}");
}

#[test]
fn the_environment_may_name_the_file_itself() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let (file, other) = (here.path().join("conversation_trace.jsonl"), here.path().join("other.jsonl"));
    for path in [&file, &other] {
        let line = "{\"timestamp\": 700000, \"input_length\": 40, \"output_length\": 2, \"hash_ids\": [0]}\n";
        fs::write(path, line).expect("the file is written");
    }
    let folder =
        command::folder("[workload]\ntrace = 'mooncake_conversation'\nwindow_s = [600.0, 900.0]\nload = 'native'\n");
    let plan = |value: &Path| with_environment(folder.path(), &["plan", "x.toml"], "NETKV_TRACE_DIR", value);
    let found = plan(&file);
    assert!(found.stdout.contains("trace: conversation_trace.jsonl, not the published file"), "{}", found.stderr);
    let answered = plan(&other).stderr;
    assert!(
        answered.contains("$NETKV_TRACE_DIR names the file") && answered.contains("which is none of these"),
        "{answered}"
    );
    let refused = with_environment(folder.path(), &["trace", "fetch", "burstgpt_1"], "NETKV_TRACE_DIR", &other);
    assert_eq!(refused.code, Some(64), "{}", refused.stderr);
}

/// Serves one file once; its address.
fn server(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it has an address"));
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let first = reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).next();
        assert!(first.is_some_and(|line| line.contains("/Azure/AzurePublicDataset/")), "the path is the published one");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).expect("the client listens");
    });
    address
}

#[test]
fn a_trace_is_fetched_from_a_mirror_and_said_to_be_unverified() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let names = check(here.path(), &["trace", "fetch"], 0).stdout;
    assert!(names.contains("azure_2023_conv") && names.contains("checksum not known"), "{names}");
    let fetch = |name: &str, mirror: &str| {
        netkv(
            here.path(),
            &["trace", "fetch", name, "--to", ".", "--mirror", mirror, "--attempts", "1", "--timeout-s", "5"],
        )
    };
    let fetched = fetch("azure_2023_conv", &server(AZURE));
    assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
    assert!(fetched.stderr.contains("the file will be unverified") && fetched.stderr.contains("CC BY 4.0"));
    assert_eq!(fs::read_to_string(here.path().join("AzureLLMInferenceTrace_conv.csv")).expect("it is there"), AZURE);
    let again = fetch("azure_2023_conv", "http://127.0.0.1:1");
    assert!(again.code == Some(0) && again.stderr.contains("is there already: unverified"), "{}", again.stderr);

    // One whose checksum is known, and is not this.
    let wrong = fetch("azure_2023_code", &server(AZURE));
    assert_eq!(wrong.code, Some(65), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("and the file has 320117"), "{}", wrong.stderr);
    assert!(!here.path().join("AzureLLMInferenceTrace_code.csv").exists());
    let pointer = fetch("azure_2024_code", "http://127.0.0.1:1");
    assert_eq!(pointer.code, Some(75), "nobody listens there: {}", pointer.stderr);
    let unknown = check(here.path(), &["trace", "fetch", "azure"], 64).stderr;
    assert!(unknown.contains("azure is not a known trace; allowed: azure_2023_code, "), "{unknown}");
}

#[test]
fn a_trace_is_written_packed_where_its_name_says_so() {
    let here = tempfile::tempdir().expect("a folder");
    let generate = |name: &str| {
        check(here.path(), &["trace", "generate", "toolagent_approx", "--out", name], 0);
        fs::read(here.path().join(name)).expect("it is there")
    };
    let plain = generate("t.jsonl");
    assert_eq!(plain[0], b'{');
    for (name, magic) in [("t.jsonl.gz", &[0x1f_u8, 0x8b][..]), ("t.jsonl.zst", &[0x28, 0xb5, 0x2f, 0xfd][..])] {
        let packed = generate(name);
        assert!(packed.starts_with(magic) && packed.len() < plain.len(), "{name}");
        assert!(packed == generate(name), "{name}: the same bytes each time");
        check(here.path(), &["trace", "convert", name, "back.jsonl"], 0);
        assert!(fs::read(here.path().join("back.jsonl")).expect("it is there") == plain, "{name}");
        let again = format!("again-{name}");
        check(here.path(), &["trace", "convert", "t.jsonl", &again], 0);
        assert!(fs::read(here.path().join(again)).expect("it is there") == packed, "{name}");
    }
    let refused = check(here.path(), &["trace", "convert", "t.jsonl", "t.jsonl.xz"], 64).stderr;
    assert!(refused.contains("t.jsonl.xz: .xz is not written; allowed: .gz and .zst"), "{refused}");
    assert!(!here.path().join("t.jsonl.xz").exists());
}

#[test]
fn blocks_are_gathered_or_cut_where_it_is_asked_for() {
    let here = tempfile::tempdir().expect("a folder");
    let row = |at: u32, ids: &[u32]| {
        let input = 16 * ids.len();
        format!("{{\"timestamp\": {at}, \"input_length\": {input}, \"output_length\": 1, \"hash_ids\": {ids:?}}}\n")
    };
    fs::write(here.path().join("t.jsonl"), [row(0, &[0, 1, 2, 3, 4]), row(1, &[0, 1, 2, 5])].concat())
        .expect("a trace");
    let convert = |size: &str, code: i32| {
        check(here.path(), &["trace", "convert", "t.jsonl", "out.jsonl", "--block-tokens", size], code).stderr
    };
    let written = |size: &str| {
        assert!(convert(size, 0).contains(&format!("2 requests, blocks of {size} tokens")), "{size}");
        fs::read_to_string(here.path().join("out.jsonl")).expect("it is there")
    };
    assert!(written("32").contains("\"hash_ids\": [0, 1, 2]}") && written("32").contains("\"hash_ids\": [0, 3]}"));
    assert!(written("8").contains("\"hash_ids\": [0, 1, 2, 3, 4, 5, 10, 11]}"), "{}", written("8"));
    let refused = convert("24", 64);
    assert!(
        refused.contains("--block-tokens 24: blocks of 16 tokens cannot be made so; allowed: a size that divides"),
        "{refused}"
    );
    fs::write(here.path().join("t.jsonl"), "{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 1}\n")
        .expect("it");
    assert!(convert("32", 64).contains("--block-tokens: t.jsonl records no prefixes"), "{}", convert("32", 64));
}

#[test]
fn a_generated_trace_has_the_knobs_that_are_set_and_says_which() {
    let here = tempfile::tempdir().expect("a folder");
    let generate = |kind: &str, more: &[&str], code: i32| {
        check(here.path(), &[&["trace", "generate", kind, "--seed", "5"], more].concat(), code)
    };
    let knobs = ["--rate", "2", "--turns", "2", "--shared-blocks", "0.6", "--burst-ratio", "8"];
    let said = generate("conversation", &[&knobs[..], &["--out", "t.jsonl"]].concat(), 0).stderr;
    let again = "netkv trace generate conversation --seed 5 --rate 2 --turns 2 --shared-blocks 0.6 --burst-ratio 8 \
                 --burst-share 0.1 --burst-s 10\n";
    assert!(said.contains(again) && said.contains("bursts add "), "{said}");
    let file = fs::read_to_string(here.path().join("t.jsonl")).expect("it is there");
    let arguments: Vec<&str> = again.split_whitespace().skip(5).collect();
    let printed = generate("conversation", &arguments[1..], 0);
    assert!(printed.stdout == file && printed.stderr.contains(again), "{}", printed.stderr);
    let seen = check(here.path(), &["trace", "inspect", "t.jsonl", "--json"], 0).stdout;
    let seen: serde_json::Value = serde_json::from_str(&seen).expect("statistics as JSON");
    let figure =
        |path: &str| seen.pointer(path).and_then(serde_json::Value::as_f64).unwrap_or_else(|| panic!("{path}"));
    assert!((figure("/arrivals/rate_rps") - 2.0).abs() < 0.04);
    assert!((figure("/prefixes/block_hit_fraction") - 0.6).abs() < 0.005);
    assert!(figure("/arrivals/count_dispersion/3/variance_to_mean") > 5.0);
    let text = check(here.path(), &["trace", "inspect", "t.jsonl"], 0).stdout;
    assert!(text.contains("variance/mean in 60 s") && text.contains("requests in each, mean"), "{text}");
    // Without knobs nothing is said that was not.
    assert_eq!(generate("synthetic", &[], 0).stderr, "");
}

#[test]
fn a_wrong_knob_is_a_usage_error_that_says_what_is_allowed() {
    let here = tempfile::tempdir().expect("a folder");
    for (kind, knobs, said) in [
        ("conversation", &["--rate", "-1"][..], "--rate -1: allowed: requests per second from 0.1 to 100"),
        ("conversation", &["--turns", "9"], "--turns 9: allowed: a mean number of requests from 1 to 4"),
        ("synthetic", &["--turns", "2"], "--turns goes with conversation alone"),
        ("conversation", &["--shared-blocks", "0.01"], "--shared-blocks 0.01: allowed with this seed"),
        ("conversation", &["--burst-share", "0.2"], "--burst-ratio"),
        ("conversation", &["--burst-ratio", "many"], "--burst-ratio"),
        ("toolagent_approx", &["--burst-ratio", "4", "--burst-s", "1"], "--burst-s 1: allowed: seconds"),
    ] {
        let error = check(here.path(), &[&["trace", "generate", kind], knobs].concat(), 64).stderr;
        assert!(error.contains(said), "{error}");
    }
}
