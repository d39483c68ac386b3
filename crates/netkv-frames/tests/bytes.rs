//! The files are functions of their rows: neither the order in which cells finished nor polars' threads show in them.

use netkv_frames::{
    AxisValue, CellRow, CellStatus, Metadata, SummaryOptions, TableKind, cells_table, read_table, summary_table,
    write_table,
};
use netkv_sim::{METRICS, Value};
use std::path::Path;
use std::process::Command;

/// Tells a copy of this test which folder to write to.
const FOLDER: &str = "NETKV_FRAMES_TEST_FOLDER";
const POLICIES: [&str; 3] = ["round_robin", "netkv_guarded", "clairvoyant"];

fn axes() -> Vec<String> {
    ["workload.context_tokens", "policy.name"].map(str::to_owned).into()
}

/// Made-up outcomes of 40 contexts, three policies and five seeds; every 50th cell failed.
fn rows() -> Vec<CellRow> {
    let value = |cell: u32, metric: usize| match (cell as usize + metric) % 11 {
        0 => Value::Missing,
        _ if METRICS[metric].integer => Value::Integer(u64::from(cell) * 1_000_003 % 9_973 + metric as u64),
        _ => Value::Float(f64::from(cell * 37 % 101) / 101.0),
    };
    let row = |cell: u32| CellRow {
        cell,
        key: format!("{cell:032x}"),
        seed: u64::from(cell % 5) + 1,
        axes: vec![
            AxisValue::Integer(i64::from(cell / 15) * 1024),
            AxisValue::Text(POLICIES[(cell / 5 % 3) as usize].to_owned()),
        ],
        trace_origin: "made up".to_owned(),
        status: match cell % 50 {
            49 => CellStatus::Failed { message: "made to fail".to_owned() },
            _ => CellStatus::Done {
                digest: format!("{cell:064x}"),
                metrics: (0..METRICS.len()).map(|metric| value(cell, metric)).collect(),
            },
        },
    };
    (0..600).map(row).collect()
}

fn write(folder: &Path, rows: &[CellRow]) {
    let metadata = Metadata::from([("experiment".to_owned(), "test data".to_owned())]);
    let options = SummaryOptions {
        baseline_axis: "policy.name".to_owned(),
        baseline: "round_robin".to_owned(),
        confidence_ratio: 0.95,
    };
    write_table(&folder.join("cells.parquet"), TableKind::Cells, &cells_table(&axes(), rows), &metadata)
        .expect("it is written");
    write_table(
        &folder.join("summary.parquet"),
        TableKind::Summary,
        &summary_table(&axes(), rows, &options),
        &metadata,
    )
    .expect("it is written");
}

fn bytes(folder: &Path) -> [Vec<u8>; 2] {
    ["cells.parquet", "summary.parquet"].map(|name| std::fs::read(folder.join(name)).expect("it was written"))
}

#[test]
fn the_order_of_cells_does_not_show() {
    let (plain, shuffled) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(plain.path(), &rows());
    // 389 has no factor in common with 600, so every row comes up once.
    let rows = rows();
    let order: Vec<CellRow> = (0..rows.len()).map(|at| rows[at * 389 % rows.len()].clone()).collect();
    write(shuffled.path(), &order);
    assert_eq!(bytes(plain.path()), bytes(shuffled.path()));
}

/// Polars reads its number of threads once, so each number needs a process: this test runs itself.
#[test]
fn the_threads_of_polars_do_not_show() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        write(Path::new(&folder), &rows());
        return;
    }
    let written = ["1", "2", "7"].map(|threads| {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_threads_of_polars_do_not_show"])
            .env(FOLDER, folder.path())
            .env("POLARS_MAX_THREADS", threads)
            .output()
            .unwrap()
            .status;
        assert!(status.success(), "with {threads} threads");
        bytes(folder.path())
    });
    assert_eq!(written[0], written[1]);
    assert_eq!(written[0], written[2]);
}

#[test]
fn what_is_read_back_is_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &rows());
    let (table, metadata) = read_table(&folder.path().join("cells.parquet")).unwrap();
    assert_eq!(table, cells_table(&axes(), &rows()));
    assert_eq!(metadata["experiment"], "test data");
}
