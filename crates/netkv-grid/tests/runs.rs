//! Running cells and keeping their outcomes.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::load;
use hdrhistogram::Histogram;
use netkv_grid::{
    Cell, CellRun, Finished, Outcome, Plan, Reason, Segment, SegmentHeader, Status, Store, failure, run_cells,
};
use netkv_sim::{METRICS, RunOutput, RunTotals, Value};
use netkv_units::Digester;
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

const AXIS: &str = "[[axis]]\nkey = 'decode.max_batch'\nvalues = [1, 2, 3, 4, 5]\n";

fn cells() -> Vec<Cell> {
    load(AXIS).unwrap().cells().collect()
}

/// An output that differs from cell to cell.
fn fake_output(cell: &Cell) -> RunOutput {
    let totals = RunTotals { events: cell.index as u64, prefill_utilisation_ratio: 0.1 + 0.2, ..RunTotals::default() };
    RunOutput { requests: Vec::new(), tbt_histogram: Histogram::new(3).unwrap(), totals }
}

/// A run with this output in which a request counted.
fn counted(output: RunOutput) -> CellRun {
    let mut run = CellRun::from(output);
    let place = METRICS.iter().position(|metric| metric.name == "requests").unwrap();
    run.metrics[place] = Value::Integer(1);
    run
}

fn run(cells: &[Cell], jobs: usize, runner: impl Fn(&Cell) -> RunOutput + Sync) -> Vec<Outcome> {
    let runner = |cell: &Cell| Ok(counted(runner(cell)));
    run_cells(cells, NonZeroUsize::new(jobs).unwrap(), &AtomicBool::new(false), &|_| true, runner, &|_, _, _| {})
        .unwrap()
}

fn header() -> SegmentHeader {
    SegmentHeader::new(BTreeMap::from([("host".to_owned(), "here".to_owned())]))
}

fn done(digest: &str) -> Status {
    let value = |(at, metric): (usize, &netkv_sim::Metric)| match at % 3 {
        2 => Value::Missing,
        _ if metric.integer => Value::Integer(7),
        _ => Value::Float(0.1 + 0.2),
    };
    let digest = Digester::new().bytes(digest.as_bytes()).finish().to_string();
    Status::Done { digest, metrics: METRICS.iter().enumerate().map(value).collect() }
}

fn store(folder: &Path, entries: &[(&Cell, Status)]) -> Segment {
    let finished = |(cell, status): &(&Cell, Status)| Finished {
        key: cell.key,
        status: status.clone(),
        wall_s: 0.5,
        requests: None,
    };
    let batch: Vec<_> = entries.iter().map(finished).collect();
    let mut segment = Segment::create(folder, &header(), &[]).unwrap();
    segment.append(&batch).unwrap();
    segment
}

#[test]
fn outcomes_come_back_by_position_whatever_the_number_of_threads() {
    let cells = cells();
    let one = run(&cells, 1, fake_output);
    assert_eq!(one, run(&cells, 8, fake_output));
    assert!(one.iter().zip(&cells).all(|(outcome, cell)| (outcome.index, outcome.key) == (cell.index, cell.key)));
}

#[test]
fn a_cell_that_panics_fails_alone_and_says_what_and_where() {
    let cells = cells();
    let seen = Mutex::new(Vec::new());
    let note = |_: &Cell, outcome: &Outcome, output: Option<&RunOutput>| {
        seen.lock().unwrap().push((outcome.index, output.is_some()));
    };
    let runner = |cell: &Cell| {
        assert_ne!(cell.index, 3, "free blocks = {}", -1);
        Ok(counted(fake_output(cell)))
    };
    let outcomes =
        run_cells(&cells, NonZeroUsize::new(2).unwrap(), &AtomicBool::new(false), &|_| true, runner, &note).unwrap();
    assert_eq!(outcomes.len(), cells.len());
    let failed: Vec<_> = outcomes.iter().filter(|outcome| matches!(outcome.status, Status::Failed { .. })).collect();
    assert_eq!(failed.len(), 1);
    let Status::Failed { message } = &failed[0].status else { unreachable!() };
    assert!(message.contains("free blocks = -1"), "{message}");
    assert!(message.contains("tests/runs.rs:"), "{message}");
    let row = failure(message, "experiments/x.toml", failed[0].index);
    assert!(row.ends_with("; again: netkv cell experiments/x.toml 3"), "{row}");
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (0..10).map(|index| (index, index != 3)).collect::<Vec<_>>());
}

#[test]
fn cells_that_have_not_started_are_left_out_after_a_stop() {
    let cells = cells();
    let stop = AtomicBool::new(false);
    let note = |_: &Cell, outcome: &Outcome, _: Option<&RunOutput>| {
        if outcome.index == 2 {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let outcomes = run_cells(
        &cells,
        NonZeroUsize::new(1).unwrap(),
        &stop,
        &|_| true,
        |cell| Ok(counted(fake_output(cell))),
        &note,
    )
    .unwrap();
    assert_eq!(outcomes.last().unwrap().index, 2);
}

#[test]
fn what_is_stored_comes_back_to_the_last_bit_and_is_not_run_again() {
    let (folder, cells) = (tempfile::tempdir().unwrap(), cells());
    let failed = Status::Failed { message: "a \"quoted\"\nmessage".to_owned() };
    store(folder.path(), &[(&cells[0], done("d0")), (&cells[1], failed.clone())]);
    let read = Store::open(folder.path()).unwrap();
    let first = read.get(cells[0].key).unwrap();
    assert_eq!((first.status.clone(), first.wall_s.to_bits()), (done("d0"), 0.5_f64.to_bits()));
    assert_eq!(first.segment.provenance["host"], "here");
    assert_eq!(read.get(cells[1].key).unwrap().status, failed);

    let plan: Plan = read.plan(cells.clone());
    assert_eq!((plan.n_cached, plan.missing.len()), (1, 9));
    assert_eq!(plan.missing[0].0.index, 1);
    assert_eq!(plan.missing[0].1, Reason::Failed { message: "a \"quoted\"\nmessage".to_owned() });
    assert!(plan.missing[1..].iter().all(|(_, reason)| *reason == Reason::New));
}

#[test]
fn a_result_replaces_an_earlier_failure_and_a_later_failure_does_not_replace_a_result() {
    let (folder, cells) = (tempfile::tempdir().unwrap(), cells());
    let failed = || Status::Failed { message: "once".to_owned() };
    store(folder.path(), &[(&cells[0], failed()), (&cells[1], done("d1"))]);
    store(folder.path(), &[(&cells[0], done("d0")), (&cells[1], failed())]);
    let read = Store::open(folder.path()).unwrap();
    assert_eq!(read.plan(cells).n_cached, 2);
}

#[test]
fn a_torn_tail_is_dropped_and_the_rest_is_kept() {
    let (folder, cells) = (tempfile::tempdir().unwrap(), cells());
    let segment = store(folder.path(), &[(&cells[0], done("d0")), (&cells[1], done("d1"))]);
    let whole = fs::read(segment.path()).unwrap();
    let second_line = whole.len() - whole.iter().rev().skip(1).position(|&byte| byte == b'\n').unwrap() - 1;
    for length in second_line..whole.len() - 1 {
        fs::write(segment.path(), &whole[..length]).unwrap();
        let read = Store::open(folder.path()).unwrap();
        assert_eq!(read.plan(cells.clone()).n_cached, 1, "cut at {length} of {}", whole.len());
    }
    let mut changed = whole.clone();
    changed[second_line + 60] ^= 1;
    fs::write(segment.path(), &changed).unwrap();
    let read = Store::open(folder.path()).unwrap();
    assert_eq!((read.plan(cells).n_cached, read.n_damaged_lines()), (1, 1));
}

#[test]
fn two_different_results_of_one_cell_are_an_error_that_names_both() {
    let (folder, cells) = (tempfile::tempdir().unwrap(), cells());
    store(folder.path(), &[(&cells[0], done("d0"))]);
    store(folder.path(), &[(&cells[0], done("d0"))]);
    assert!(Store::open(folder.path()).is_ok(), "equal results are one result");
    store(folder.path(), &[(&cells[1], done("d1")), (&cells[0], done("other"))]);
    let error = Store::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("segment-000001.jsonl:2") && error.contains("segment-000003.jsonl:3"), "{error}");
}

#[test]
fn every_attempt_has_a_segment_of_its_own_and_an_empty_folder_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let read = Store::open(&folder.path().join("none")).unwrap();
    assert_eq!(read.mean_wall_s(), None);
    let one = Segment::create(folder.path(), &header(), &[]).unwrap();
    let two = Segment::create(folder.path(), &header(), &[]).unwrap();
    assert_ne!(one.path(), two.path());
}

#[test]
fn segments_of_another_version_of_the_model_are_not_used() {
    let (folder, cells) = (tempfile::tempdir().unwrap(), cells());
    let segment = store(folder.path(), &[(&cells[0], done("d0"))]);
    let other = fs::read_to_string(segment.path()).unwrap().replacen("\"epoch\":", "\"epoch\":9", 1);
    fs::write(segment.path(), other).unwrap();
    let read = Store::open(folder.path()).unwrap();
    assert_eq!(read.plan(cells).n_cached, 0);
}

#[test]
fn equal_cells_of_one_experiment_are_run_once() {
    let files = [("a.toml", "[slo]\ntbt_ms = 50.0\n"), ("b.toml", "[slo]\ntbt_ms = 50\n")];
    let experiment = common::load_beside("[[axis]]\nkey = 'regime'\nfiles = ['a.toml', 'b.toml']\n", &files).unwrap();
    let plan = Store::default().plan(experiment.cells());
    assert_eq!((plan.missing.len(), plan.n_shared, plan.n_cached), (2, 2, 0));
}

/// A store's line with this record and its right checksum.
fn checked(record: &str) -> String {
    let check = Digester::new().bytes(record.as_bytes()).finish().to_string();
    format!("{{\"check\":\"{}\",\"record\":{record}}}\n", &check[..16])
}

/// The record of a line.
fn record(line: &str) -> String {
    line.split_once("\"record\":").unwrap().1.strip_suffix('}').unwrap().to_owned()
}

#[test]
fn a_record_that_no_run_can_have_left_is_damaged_whatever_its_checksum_says() {
    let (folder, cells) = (tempfile::tempdir().unwrap(), cells());
    let segment = store(folder.path(), &[(&cells[0], done("d0"))]);
    let text = fs::read_to_string(segment.path()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (header, own) = (lines[0], record(lines[1]));
    let float = own.find("\"0.30000000000000004\"").expect("a float");
    let changed = |from: &str, to: &str| own.replacen(from, to, 1);
    let longer = own.replacen("\"metrics\":[", "\"metrics\":[7,", 1);
    let bad = [
        changed("[7,", "["),
        longer,
        changed("\"0.30000000000000004\"", "\"NaN\""),
        changed("\"0.30000000000000004\"", "\"inf\""),
        format!("{}7{}", &own[..float], &own[float + 21..]),
        changed("[7,", "[\"7.0\","),
        changed("[7,", "[9223372036854775808,"),
        changed("[7,", "[-7,"),
        changed("\"digest\":\"", "\"digest\":\"g"),
        own.replace(&own[own.find("\"digest\":\"").unwrap() + 10..][..32], &"x".repeat(32)),
        changed("\"key\":\"", "\"key\":\"zz"),
        changed("\"wall_s\":0.5", "\"wall_s\":-0.5"),
        changed("\"wall_s\":0.5", "\"wall_s\":0.5,\"requests\":\"none\""),
    ];
    for record in bad {
        fs::write(segment.path(), format!("{header}\n{}", checked(&record))).unwrap();
        let read = Store::open(folder.path()).unwrap();
        assert_eq!((read.plan(cells.clone()).n_cached, read.n_damaged_lines()), (0, 1), "{record}");
    }
    fs::write(segment.path(), format!("{header}\n{}", checked(&own))).unwrap();
    assert_eq!(Store::open(folder.path()).unwrap().plan(cells).n_cached, 1, "the checksum is made as the store does");
}

#[test]
fn a_cell_with_more_events_than_it_may_have_is_seen_as_failed() {
    let (folder, cells) = (tempfile::tempdir().unwrap(), cells());
    store(folder.path(), &[(&cells[0], done("d"))]);
    let events = METRICS.iter().position(|metric| metric.name == "events").unwrap();
    let Status::Done { metrics, .. } = done("d") else { unreachable!() };
    let Value::Integer(events) = metrics[events] else { panic!("events are counted: {:?}", metrics[events]) };
    let seen = |most| Store::open_within(folder.path(), most).unwrap().get(cells[0].key).unwrap().status.clone();
    assert_eq!(seen(None), done("d"));
    assert_eq!(seen(Some(events)), done("d"));
    let message = format!("it has more than {} events (run.max_events)", events - 1);
    assert_eq!(seen(Some(events - 1)), Status::Failed { message });
}

#[test]
fn a_metric_that_is_no_number_fails_its_cell() {
    let cells = cells();
    let at = METRICS.iter().position(|metric| !metric.integer).unwrap();
    let runner = |cell: &Cell| {
        let mut run = counted(fake_output(cell));
        run.metrics[at] = Value::Float(f64::NAN);
        Ok(run)
    };
    let never = AtomicBool::new(false);
    let one = NonZeroUsize::MIN;
    let outcomes = run_cells(&cells[..1], one, &never, &|_| true, runner, &|_, _, _| {}).unwrap();
    let Status::Failed { message } = &outcomes[0].status else { panic!("{outcomes:?}") };
    assert!(message.contains(METRICS[at].name) && message.contains("NaN"), "{message}");
}

#[test]
fn what_others_add_is_read_when_it_is_whole_and_only_once() {
    let (folder, cells) = (tempfile::tempdir().unwrap(), cells());
    let mut segment = store(folder.path(), &[(&cells[0], done("d0"))]);
    let mut read = Store::open(folder.path()).unwrap();
    assert!(read.refresh().unwrap().is_empty());
    let finished = |cell: &Cell| Finished { key: cell.key, status: done("d"), wall_s: 0.5, requests: None };
    segment.append(&[finished(&cells[1])]).unwrap();
    store(folder.path(), &[(&cells[2], done("d2"))]);
    let mut keys = read.refresh().unwrap();
    keys.sort();
    let mut expected = [&cells[1], &cells[2]].map(|cell| cell.key.to_string());
    expected.sort();
    assert_eq!(keys, expected);
    let whole = fs::read(segment.path()).unwrap();
    segment.append(&[finished(&cells[3])]).unwrap();
    let longer = fs::read(segment.path()).unwrap();
    fs::write(segment.path(), &longer[..longer.len() - 5]).unwrap();
    assert!(read.refresh().unwrap().is_empty(), "half a line is not yet there");
    fs::write(segment.path(), &longer).unwrap();
    assert_eq!(read.refresh().unwrap(), [cells[3].key.to_string()]);
    assert_eq!((read.n_damaged_lines(), read.plan(cells).n_cached), (0, 4));
    assert!(whole.len() < longer.len());
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_no_segment() {
    let (folder, cells) = (tempfile::tempdir().unwrap(), cells());
    store(folder.path(), &[(&cells[0], done("d0"))]);
    fs::create_dir(folder.path().join("folder.jsonl")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.jsonl")).status().unwrap();
    assert!(made.success());
    assert_eq!(Store::open(folder.path()).unwrap().plan(cells).n_cached, 1);
}

#[test]
fn a_segment_that_was_removed_or_replaced_takes_no_more_cells() {
    let (folder, cells) = (tempfile::tempdir().unwrap(), cells());
    let finished = |cell: &Cell| Finished { key: cell.key, status: done("d"), wall_s: 0.5, requests: None };
    let mut segment = store(folder.path(), &[(&cells[0], done("d0"))]);
    fs::remove_file(segment.path()).unwrap();
    assert_eq!(segment.append(&[finished(&cells[1])]).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let mut segment = store(folder.path(), &[(&cells[0], done("d0"))]);
    fs::remove_file(segment.path()).unwrap();
    fs::write(segment.path(), "another").unwrap();
    assert!(segment.append(&[finished(&cells[1])]).is_err());
}
