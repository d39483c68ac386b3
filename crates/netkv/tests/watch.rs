//! A cell that is watched while it runs: its timeline, the table of its links, its heat map.

use netkv_frames::{Table, read_table};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder with an experiment that extends the smoke test. Its cells 0 and 11 are round-robin on an idle network and
/// netkv on a congested one.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/smoke.toml");
    let text = format!("extends = '{}'\nname = 'x'\n", smoke.canonicalize().expect("it is there").display());
    fs::write(folder.path().join("x.toml"), text).expect("the experiment is written");
    folder
}

/// Runs `netkv cell x.toml CELL …`, which must end with this code; returns what it prints, and what it says.
#[track_caller]
fn cell(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netkv"));
    let Output { status, stdout, stderr } =
        command.current_dir(folder).args(["cell", "x.toml"]).args(arguments).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert_eq!(status.code(), Some(code), "{arguments:?} said:\n{stdout}{stderr}");
    (stdout, stderr)
}

fn read_links(folder: &Path, name: &str) -> Table {
    read_table(&folder.join(name)).expect("a table of links").0
}

fn numbers(table: &Table, name: &str) -> Vec<f64> {
    table.numbers(name).expect("a column").into_iter().map(|value| value.expect("a value")).collect()
}

/// A metric as `netkv cell` prints it.
fn metric(printed: &str, name: &str) -> f64 {
    let line = printed.lines().find(|line| line.split_whitespace().next() == Some(name)).expect("it is printed");
    line.split_whitespace().nth(1).expect("it has a value").parse().expect("a number")
}

#[test]
fn transfers_are_written_flow_by_flow_and_end_when_their_requests_say() {
    let here = folder();
    let plain = cell(here.path(), &["11"], 0).0;
    let all = ["11", "--transfers", "t.parquet", "--requests", "r.parquet"];
    assert_eq!(cell(here.path(), &all, 0).0, plain);
    let table = read_links(here.path(), "t.parquet");
    let requests = read_links(here.path(), "r.parquet");
    let bytes: f64 = numbers(&table, "flow_bytes").iter().sum();
    assert_eq!(bytes, numbers(&requests, "transfer_bytes").iter().sum::<f64>(), "every byte is in a flow");
    let [entered, flow, transfer] = ["entered_ns", "flow_end_ns", "transfer_end_ns"].map(|name| numbers(&table, name));
    assert!(entered.iter().zip(&flow).all(|(entered, end)| entered < end), "{entered:?} {flow:?}");
    assert!(flow.iter().zip(&transfer).all(|(flow, transfer)| flow <= transfer), "{flow:?} {transfer:?}");
    cell(here.path(), &["11", "--transfers", "t.csv"], 0);
    let csv = fs::read_to_string(here.path().join("t.csv")).expect("a table");
    assert_eq!(csv.lines().count(), table.n_rows() + 1);
    cell(here.path(), &["11", "--transfers", "t.txt"], 64);
}

#[test]
fn watching_changes_nothing_and_is_the_same_twice() {
    let here = folder();
    let plain = cell(here.path(), &["11"], 0).0;
    for round in ["1", "2"] {
        let names = ["json", "parquet", "svg", "png"].map(|ending| format!("{round}.{ending}"));
        let [timeline, links, svg, png] = names.each_ref().map(String::as_str);
        let all = ["11", "--timeline", timeline, "--links", links, "--heatmap", svg];
        assert_eq!(cell(here.path(), &all, 0).0, plain);
        assert_eq!(cell(here.path(), &["11", "--heatmap", png], 0).0, plain);
    }
    let read = |name: String| fs::read(here.path().join(name)).expect("a file");
    for ending in ["json", "parquet", "svg", "png"] {
        assert!(read(format!("1.{ending}")) == read(format!("2.{ending}")), "{ending}");
    }
    assert!(read("1.png".to_owned()).starts_with(b"\x89PNG"));
    let svg = String::from_utf8(read("1.svg".to_owned())).expect("UTF-8");
    assert!(svg.starts_with("<svg") && svg.contains("Experiment x, cell 11: regime=congested"), "{}", &svg[..300]);
}

#[test]
fn windows_of_links_add_up_to_the_metrics_of_the_run() {
    let here = folder();
    for number in ["0", "11"] {
        let all = [number, "--links", "links.parquet", "--every", "0.7", "--all-links"];
        let printed = cell(here.path(), &all, 0).0;
        let table = read_links(here.path(), "links.parquet");
        let (kv, background) = (numbers(&table, "kv_ratio"), numbers(&table, "background_ratio"));
        let (windows, kinds) = (numbers(&table, "window_s"), table.words("kind").expect("a column"));
        // By kind: seconds times links, and the shares of them that all traffic and the background took.
        let mut sums: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
        for row in 0..table.n_rows() {
            assert!((0.0..=1.0).contains(&kv[row]) && (0.0..=1.0).contains(&background[row]), "row {row}");
            assert!(kv[row] + background[row] <= 1.0 + 1e-9, "row {row}");
            assert!(windows[row] > 0.0 && windows[row] < 0.7 + 1e-9, "row {row}");
            let sum = sums.entry(&kinds[row]).or_default();
            let more = [1.0, kv[row] + background[row], background[row]].map(|share| share * windows[row]);
            *sum = [sum[0] + more[0], sum[1] + more[1], sum[2] + more[2]];
        }
        assert_eq!(sums.keys().copied().collect::<Vec<_>>(), ["nic", "nvlink", "pod", "rack"]);
        for (kind, [whole, all, background]) in sums {
            let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
            let utilisation = metric(&printed, &format!("{kind}_utilisation_ratio"));
            assert!(near(all / whole, utilisation), "{kind}: {} and {utilisation}", all / whole);
            if kind == "rack" || kind == "pod" {
                let told = metric(&printed, &format!("{kind}_background_ratio"));
                assert!(near(background / whole, told), "{kind}: {} and {told}", background / whole);
                assert_eq!(told > 0.0, number == "11", "only the congested regime has a background");
            }
        }
    }
}

#[test]
fn the_table_of_links_says_where_each_link_is() {
    let here = folder();
    cell(here.path(), &["11", "--links", "links.parquet"], 0);
    let (table, metadata) = read_table(&here.path().join("links.parquet")).expect("a table of links");
    let documented = netkv_frames::schema().into_iter().filter(|doc| doc.table == "links");
    let documented: Vec<String> = documented
        .flat_map(|doc| if doc.name == "<axis>" { vec!["regime".into(), "policy.name".into()] } else { vec![doc.name] })
        .collect();
    let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, documented);
    // 2 pods x 2 racks x 4 spines and 2 pods x 8 cores, both ways.
    let (links, times) = (numbers(&table, "link"), numbers(&table, "time_s"));
    let window = &links[..64];
    assert!(window.is_sorted_by(|one, other| one < other) && times[63] == 1.0 && times[64] == 2.0, "{times:?}");
    let (kinds, racks) = (table.words("kind").expect("a column"), table.words("rack").expect("a column"));
    assert!((0..64).all(|row| (kinds[row] == "pod") == racks[row].is_empty()));
    assert!(table.words("gpu").expect("a column").iter().all(String::is_empty), "NICs were not asked for");
    for (key, value) in [("experiment", "x"), ("cell", "11"), ("policy", "netkv_guarded"), ("seeds", "2")] {
        assert_eq!(metadata[key], value);
    }
    assert_eq!(metadata["trace"], "mooncake-like generator, seed 1");
}

#[test]
fn the_timeline_has_every_transfer_once_and_lanes_without_overlap() {
    let here = folder();
    cell(here.path(), &["11", "--timeline", "t.json", "--requests", "requests.parquet"], 0);
    let text = fs::read_to_string(here.path().join("t.json")).expect("a timeline");
    let document: Value = serde_json::from_str(&text).expect("valid JSON");
    assert_eq!(document["otherData"]["policy"], "netkv_guarded");
    let events = document["traceEvents"].as_array().expect("a list");
    let of = |phase: &str, category: &str| -> BTreeMap<u64, &Value> {
        let of_kind = events.iter().filter(|event| event["ph"] == phase && event["cat"] == category);
        let pairs: Vec<_> =
            of_kind.map(|event| (event["args"]["request"].as_u64().expect("a request"), event)).collect();
        let n_pairs = pairs.len();
        let map: BTreeMap<_, _> = pairs.into_iter().collect();
        assert_eq!(map.len(), n_pairs, "one {category} for each request");
        map
    };
    let (prefills, transfers, decodes) = (of("X", "prefill"), of("X", "transfer"), of("X", "decode"));
    let (table, _) = read_table(&here.path().join("requests.parquet")).expect("the requests");
    assert_eq!((table.n_rows(), transfers.len(), prefills.len(), decodes.len()), (300, 300, 300, 300));
    let columns: BTreeMap<&str, Vec<Option<f64>>> =
        table.columns().iter().filter_map(|own| Some((own.name.as_str(), table.numbers(&own.name).ok()?))).collect();
    let field = |row: usize, name: &str| columns[name][row].expect("a number") as u64;
    let nanos = |event: &Value, name: &str| (event[name].as_f64().expect("a time") * 1000.0).round() as u64;
    for row in 0..table.n_rows() {
        let (own, number) = (&transfers[&field(row, "request")], field(row, "request"));
        assert_eq!(nanos(own, "dur"), field(row, "transfer_ns"), "request {number}");
        assert_eq!(own["args"]["bytes"], field(row, "transfer_bytes"));
        assert_eq!(own["args"]["to_decode"], field(row, "decode_instance"));
        assert_eq!(own["args"]["tier"], ["node", "rack", "pod", "core"][field(row, "tier") as usize]);
        assert_eq!(own["pid"], field(row, "prefill_instance") + 2);
        assert_eq!(nanos(decodes[&number], "ts"), nanos(own, "ts") + nanos(own, "dur"), "request {number}");
        assert_eq!(nanos(decodes[&number], "ts") + nanos(decodes[&number], "dur"), field(row, "finish_ns"));
    }
    let mut until: BTreeMap<u64, u64> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let free = until.entry(event["tid"].as_u64().expect("a lane")).or_default();
        assert!(nanos(event, "ts") >= *free, "slices overlap: {event}");
        *free = nanos(event, "ts") + nanos(event, "dur");
    }
    let counters: Vec<_> = events.iter().filter(|event| event["ph"] == "C").collect();
    let names: std::collections::BTreeSet<_> = counters.iter().filter_map(|event| event["name"].as_str()).collect();
    assert_eq!(names.len(), 8, "2 kinds x 2 directions x 2 pods: {names:?}");
    let share =
        |event: &Value, name: &str| event["args"][name].as_f64().is_some_and(|share| (0.0..=1.0).contains(&share));
    assert!(counters.iter().all(|event| share(event, "kv") && share(event, "background")));
}

#[test]
fn a_prompt_that_is_computed_where_it_is_decoded_is_shown_there() {
    let here = folder();
    let set = ["--set", "local_prefill.rule=session", "--set", "local_prefill.min_hit_ratio=0.01"];
    let printed = cell(here.path(), &[&["11", "--timeline", "t.json"], &set[..]].concat(), 0).0;
    let text = fs::read_to_string(here.path().join("t.json")).expect("a timeline");
    let document: Value = serde_json::from_str(&text).expect("valid JSON");
    let events = document["traceEvents"].as_array().expect("a list");
    // Names of processes and lanes, by number.
    let named = |what: &str, number: &str| -> BTreeMap<u64, &str> {
        let described = events.iter().filter(|event| event["name"] == what);
        described.filter_map(|event| Some((event[number].as_u64()?, event["args"]["name"].as_str()?))).collect()
    };
    let (processes, lanes) = (named("process_name", "pid"), named("thread_name", "tid"));
    let slices = |category: &'static str| events.iter().filter(move |event| event["cat"] == category);
    let lane = |event: &Value| lanes[&event["tid"].as_u64().expect("a lane")];
    let kept: Vec<_> = slices("prefill").filter(|event| lane(event).starts_with("prefill in chunks")).collect();
    assert!(kept.iter().all(|event| processes[&event["pid"].as_u64().expect("an instance")].starts_with("decode")));
    assert_eq!((slices("prefill").count(), slices("decode").count()), (300, 300));
    assert_eq!(slices("transfer").count(), 300 - kept.len());
    assert!((metric(&printed, "local_prefill_ratio") - kept.len() as f64 / 300.0).abs() < 1e-6, "{}", kept.len());
    assert!(!kept.is_empty());
}

#[test]
fn options_that_make_no_sense_are_refused_before_the_run() {
    let here = folder();
    fs::write(here.path().join("file"), "in the way").expect("a file is written");
    for (arguments, code, said) in [
        (&["0", "--heatmap", "fabric.jpg"][..], 64, "--heatmap fabric.jpg must end in .png or .svg"),
        (&["0", "--every", "1"], 64, "--every and --all-links need --timeline, --links or --heatmap"),
        (&["0", "--all-links"], 64, "--every and --all-links need"),
        (&["0", "--links", "l.parquet", "--every", "0"], 64, "a window takes 0.000001 to 32000000 s"),
        (&["0", "--links", "l.parquet", "--every", "soon"], 64, "a window takes"),
        (&["0", "--links", "l.parquet", "--every", "0.000001"], 64, "--every 0.000"),
        (&["0", "--links", "l.parquet", "--timing"], 64, "cannot be used with"),
        (&["0", "--timeline", "file/t.json"], 73, "cannot write file/t.json"),
        (&["0", "--links", "file/l.parquet"], 73, "cannot write file/l.parquet"),
        (&["0", "--heatmap", "file/h.png"], 73, "cannot write file/h.png"),
    ] {
        let (_, stderr) = cell(here.path(), arguments, code);
        assert!(stderr.contains(said), "{stderr}");
        assert!(!here.path().join("l.parquet").exists());
    }
}
