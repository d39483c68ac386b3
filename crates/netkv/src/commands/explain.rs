//! `netkv explain`: why a request went where it did, and what any other choice would have brought.

mod explained;
mod json;
mod words;

use super::load;
use crate::args::ExplainArgs;
use crate::cells::{coordinates, find_cell};
use crate::failure::{Ending, Failure};
use crate::output::print;
use explained::Explained;
use netkv_grid::Workloads;
use netkv_sim::{Scenario, Unexplained, explain as explain_request};
use netkv_units::RequestId;

/// Prints the explanation of one decision.
pub fn explain(args: &ExplainArgs) -> Result<Ending, Failure> {
    let experiment = load(&args.experiment, args.quick, &args.changes)?;
    let cell = find_cell(&experiment, &args.cell)?;
    let scenario = Workloads::new().scenario(&cell);
    let explanation = explain_request(&scenario, RequestId::new(args.request))
        .map_err(|error| Failure::usage(refusal(error, (cell.index, args.request), &scenario)))?;
    let explained = Explained {
        scenario: &scenario,
        coordinates: coordinates(&experiment, &cell),
        cell: cell.index,
        explanation: &explanation,
    };
    print(&if args.json { format!("{:#}\n", json::of(&explained)) } else { words::of(&explained) })?;
    Ok(Ending::Done)
}

/// Why there is nothing to explain.
fn refusal(error: Unexplained, (cell, request): (usize, u32), scenario: &Scenario) -> String {
    match error {
        Unexplained::NoSuchRequest => {
            format!("cell {cell} has the requests 0 to {}, not {request}", scenario.workload.len() - 1)
        }
        Unexplained::Refused => {
            format!("request {request} of cell {cell} was refused: its prompt and answer can never fit an instance")
        }
        Unexplained::Local => format!(
            "request {request} of cell {cell} was computed where it was decoded (local_prefill.rule): no policy was asked"
        ),
        Unexplained::ClusterChanges => {
            format!("instances of cell {cell} come and go (cluster.events), and what there was to choose with them")
        }
        Unexplained::NoDecode => format!(
            "request {request} of cell {cell} needed no decode instance: its only token came from the prefill side"
        ),
    }
}
