//! Running cells and keeping their outcomes.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::load;
use hdrhistogram::Histogram;
use netkv_grid::{Cell, CellRun, Outcome, Plan, Reason, Segment, SegmentHeader, Status, Store, failure, run_cells};
use netkv_sim::{METRICS, RunOutput, RunTotals, Value};
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
    let runner = |cell: &Cell| counted(runner(cell));
    run_cells(cells, NonZeroUsize::new(jobs).unwrap(), &AtomicBool::new(false), runner, &|_, _, _| {})
}

fn header() -> SegmentHeader {
    SegmentHeader::new(BTreeMap::from([("host".to_owned(), "here".to_owned())]))
}

fn done(digest: &str) -> Status {
    Status::Done {
        digest: digest.to_owned(),
        metrics: vec![Value::Integer(7), Value::Float(0.1 + 0.2), Value::Missing],
    }
}

fn store(folder: &Path, entries: &[(&Cell, Status)]) -> Segment {
    let mut segment = Segment::create(folder, &header()).unwrap();
    let batch: Vec<_> = entries.iter().map(|(cell, status)| (cell.key, status.clone(), 0.5)).collect();
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
        counted(fake_output(cell))
    };
    let outcomes = run_cells(&cells, NonZeroUsize::new(2).unwrap(), &AtomicBool::new(false), runner, &note);
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
    let outcomes = run_cells(&cells, NonZeroUsize::new(1).unwrap(), &stop, |cell| counted(fake_output(cell)), &note);
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
    let one = Segment::create(folder.path(), &header()).unwrap();
    let two = Segment::create(folder.path(), &header()).unwrap();
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
