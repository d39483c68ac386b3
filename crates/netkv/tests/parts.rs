//! Every request of the whole conversation trace (the generator's where the published one is not at hand): its parts of
//! TTFT add up, and so do its times.

use netkv_grid::{Cell, Experiment, LoadOptions, Workloads};
use std::path::Path;

#[test]
fn the_parts_of_ttft_add_up_for_every_request_of_the_trace() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/speed.toml");
    let trace_dir = std::env::var_os("NETKV_TRACE_DIR").map(Into::into);
    let options = LoadOptions { trace_dir, ..LoadOptions::default() };
    let experiment = Experiment::load(&path, &options).expect("the experiment is valid");
    let cells: Vec<Cell> = experiment.cells().collect();
    assert!(cells.len() >= 2, "round-robin and netkv at the least");
    for cell in cells {
        let output = netkv_sim::run(&Workloads::new().scenario(&cell));
        println!("{}: {} requests, {}", cell.trace_origin().label, output.requests.len(), cell.index);
        assert!(output.requests.len() > 11_000, "the whole trace");
        for record in &output.requests {
            assert_eq!(record.parts.total(), record.ttft, "{record:?}");
            assert_eq!(record.arrival + record.ttft + record.decoding, record.finish, "{record:?}");
        }
    }
}
