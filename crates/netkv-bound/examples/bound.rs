//! How far the policies of an experiment are from the best there could be, for one cell after the other:
//!
//! ```text
//! cargo run --release -p netkv-bound --example bound -- experiments/bound.toml 0
//! ```
//!
//! A cell stands for all policies at its point and seed. Some 20 to 60 requests can be bounded in seconds or a minute:
//! `workload.max_requests`.

#[path = "../tests/cells/mod.rs"]
mod cells;

use cells::{EFFORT, at_point, load};
use netkv_bound::distances;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match told(&arguments) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn told(arguments: &[String]) -> Result<String, String> {
    let [path, cell] = arguments else { return Err("usage: bound EXPERIMENT.toml CELL".to_owned()) };
    let experiment = load(Path::new(path))?;
    let last = experiment.n_cells() - 1;
    let cell = cell.parse().ok().and_then(|index: usize| experiment.cell(index));
    let cell = cell.ok_or_else(|| format!("{path} has the cells 0 to {last}"))?;
    let point = at_point(&experiment, &cell);
    let found = distances(&point.scenarios, EFFORT).map_err(|why| format!("no bound: {why}"))?;
    Ok(format!("{}\n{}", point.name, found.text()))
}
