//! Same experiment, same bits: run twice, on 1, 2 and 8 threads, with the cells shuffled.

mod common;

use netkv_frames::{Metadata, TableKind, cells_table, write_table};
use netkv_grid::{Cell, Experiment};
use netkv_units::Stream;

/// Names of the axis columns.
fn axes(experiment: &Experiment) -> Vec<String> {
    experiment.axes().iter().map(|axis| axis.key.clone()).collect()
}

/// The bytes of `cells.parquet` after running `cells` in the given order.
fn parquet(cells: &[Cell], jobs: usize) -> Vec<u8> {
    let outcomes = common::run(cells, jobs);
    let table = cells_table(&axes(&common::smoke()), &common::rows(cells, &outcomes));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("cells.parquet");
    write_table(&path, TableKind::Cells, &table, &Metadata::new()).expect("the table is written");
    std::fs::read(path).expect("the table is there")
}

#[test]
fn threads_order_and_repetition_change_no_byte() {
    let mut cells: Vec<Cell> = common::smoke().cells().collect();
    assert_eq!(cells.len(), 12);
    let first = parquet(&cells, 1);
    for jobs in [1, 2, 8] {
        assert_eq!(parquet(&cells, jobs), first, "on {jobs} threads");
    }
    Stream::new(1, "shuffled cells").shuffle(&mut cells);
    assert_ne!(cells[0].index, 0, "the order is another one");
    assert_eq!(parquet(&cells, 2), first, "shuffled");
}

#[test]
fn policies_of_one_seed_see_the_same_requests_and_background() {
    let experiment = common::smoke();
    let cells: Vec<Cell> = experiment.cells().collect();
    let workloads = netkv_grid::Workloads::new();
    let of = |index: usize| workloads.scenario(&cells[index]);
    // Seeds are the innermost axis, policies the next.
    let (round_robin, netkv) = (of(0), of(4));
    assert_ne!(round_robin.policy.name(), netkv.policy.name());
    assert!(std::sync::Arc::ptr_eq(&round_robin.workload, &netkv.workload));
    let run = |scenario: &netkv_sim::Scenario| netkv_sim::run(scenario);
    let (first, second) = (run(&round_robin), run(&netkv));
    assert_eq!(first.totals.background_ratio[0], second.totals.background_ratio[0]);
    let arrivals = |output: &netkv_sim::RunOutput| output.requests.iter().map(|own| own.arrival).collect::<Vec<_>>();
    assert_eq!(arrivals(&first), arrivals(&second));
}
