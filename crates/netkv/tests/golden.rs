//! The golden table: a small grid's results as text. If it changes, either a bug came in or the model changed; then
//! SIM_EPOCH rises, `just golden` writes the table anew, and the commit says why.

mod common;

use netkv_frames::CellStatus;
use netkv_grid::Cell;
use netkv_sim::{METRICS, SIM_EPOCH, Value};
use std::fmt::Write;
use std::path::Path;

const COLUMNS: [&str; 8] = [
    "requests",
    "ttft_mean_ns",
    "ttft_p99_ns",
    "ttft_transfer_ns",
    "tbt_mean_ns",
    "slo_attainment_ratio",
    "decode_hit_ratio",
    "tier_node_ratio",
];

#[test]
fn the_smoke_grid_gives_the_golden_table() {
    let experiment = common::smoke();
    let cells: Vec<Cell> = experiment.cells().collect();
    let mut text = format!("# simulation epoch {SIM_EPOCH}\ncell,key,{},digest\n", COLUMNS.join(","));
    for row in common::rows(&cells, &common::run(&cells, 2)) {
        let CellStatus::Done { digest, metrics } = &row.status else { panic!("cell {} failed: {row:?}", row.cell) };
        write!(text, "{},{}", row.cell, row.key).expect("text grows");
        for column in COLUMNS {
            let index = METRICS.iter().position(|metric| metric.name == column).expect("a metric of that name");
            match metrics[index] {
                Value::Integer(value) => write!(text, ",{value}"),
                Value::Float(value) => write!(text, ",{value}"),
                Value::Missing => write!(text, ","),
            }
            .expect("text grows");
        }
        writeln!(text, ",{digest}").expect("text grows");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/smoke.csv");
    if std::env::var_os("NETKV_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, &text).expect("the golden table is written");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden table is there");
    assert_eq!(text, golden, "results changed: see the first lines of this test");
}
