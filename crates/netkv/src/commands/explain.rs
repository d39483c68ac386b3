//! `netkv explain`: why a request went where it did, and what any other choice would have brought.

mod json;
mod words;

use super::load;
use super::plan::{coordinates, find_cell};
use crate::args::ExplainArgs;
use crate::failure::{Ending, Failure};
use crate::output::print;
use netkv_grid::Workloads;
use netkv_sim::{Considered, Explanation, Outcome, Scenario, TtftParts, Unexplained, explain as explain_request};
use netkv_units::{RequestId, SimDuration, SimTime, Tier};

/// A decision with the run that it was made in.
struct Explained<'a> {
    scenario: &'a Scenario,
    /// Of the cell: `axis=value`.
    coordinates: String,
    cell: usize,
    explanation: &'a Explanation,
}

/// Prints the explanation of one decision.
pub fn explain(args: &ExplainArgs) -> Result<Ending, Failure> {
    let experiment = load(&args.experiment, args.quick)?;
    let cell = find_cell(&experiment, args.cell)?;
    let scenario = Workloads::new().scenario(&cell);
    let explanation = explain_request(&scenario, RequestId::new(args.request))
        .map_err(|error| Failure::usage(refusal(error, args, &scenario)))?;
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
fn refusal(error: Unexplained, args: &ExplainArgs, scenario: &Scenario) -> String {
    let (cell, request) = (args.cell, args.request);
    match error {
        Unexplained::NoSuchRequest => {
            format!("cell {cell} has the requests 0 to {}, not {request}", scenario.workload.len() - 1)
        }
        Unexplained::Refused => {
            format!("request {request} of cell {cell} was refused: its prompt and answer can never fit an instance")
        }
        Unexplained::NoDecode => format!(
            "request {request} of cell {cell} needed no decode instance: its only token came from the prefill side"
        ),
    }
}

/// Milliseconds.
const fn ms(duration: SimDuration) -> f64 {
    duration.as_nanos() as f64 * 1e-6
}

const fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Node => "node",
        Tier::Rack => "rack",
        Tier::Pod => "pod",
        Tier::Core => "core",
    }
}

/// From the end of prefill to the first token: the part of TTFT that the choice of the decode instance decides.
fn after_prefill(outcome: &Outcome) -> SimDuration {
    let TtftParts { selection, admission_wait, transfer, decode_wait, first_iteration, .. } = outcome.record.parts;
    selection + admission_wait + transfer + decode_wait + first_iteration
}

/// The same as it was foreseen at the decision, in milliseconds; none if it would never come.
fn foreseen_ms(explanation: &Explanation, considered: &Considered) -> Option<f64> {
    let first_token = considered.foreseen.first_token;
    (first_token < SimTime::NEVER).then(|| ms(first_token.since(explanation.decision.time)))
}

/// The candidate that comes after the chosen one by its rating; the first of equals.
fn runner_up(explanation: &Explanation) -> Option<usize> {
    let considered = &explanation.decision.considered;
    let place = |index: &usize| considered[*index].rating.as_ref().map(|rating| (rating.rank, rating.cost()));
    let others = (0..considered.len()).filter(|&index| index != explanation.decision.chosen);
    let rated = others.filter_map(|index| Some((place(&index)?, index)));
    rated.min_by(|(one, _), (other, _)| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))).map(|(_, index)| index)
}
