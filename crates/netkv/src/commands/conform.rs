//! `netkv conform`: rules of ours against the products that they say they are.

use super::load;
use crate::args::{ConformArgs, ConformCommand};
use crate::cells::{coordinates, json_coordinates};
use crate::failure::{Ending, Failure};
use crate::interrupt;
use crate::output::print;
use netkv_external::{Conformance, Conformity, Difference, Domain, DynamoOptions, External, Network, Protocol};
use netkv_grid::{Cell, Experiment, Workloads};
use netkv_policy::{OutsidePolicy, PolicyConfig, PolicyFault};
use netkv_sim::Scenario;
use serde_json::{Value, json};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Compares, cell by cell.
pub fn conform(command: &ConformCommand) -> Result<Ending, Failure> {
    let ConformCommand::Dynamo(args) = command;
    let experiment = load(&args.experiment, args.quick, &args.changes)?;
    let cells: Vec<Cell> = experiment.indices().filter_map(|index| experiment.cell(index)).collect();
    let asked = |cell: &&Cell| args.cell.is_none_or(|wanted| cell.index == wanted);
    let cells: Vec<&Cell> = cells.iter().filter(asked).collect();
    if cells.is_empty() {
        return Err(Failure::usage(format_args!("{} has no such cell", args.experiment.display())));
    }
    let workloads = Workloads::new();
    let stop = interrupt::stop();
    let (mut found, mut all_equal) = (Vec::new(), true);
    for cell in cells {
        let scenario = workloads.scenario(cell);
        let domain = domain(&experiment, cell, &scenario)?;
        let conformity = compare(args, scenario, domain)?;
        if stop.load(Ordering::Relaxed) {
            return Ok(Ending::Interrupted);
        }
        all_equal &= conformity.equal == conformity.decisions && conformity.blocks_equal == conformity.blocks_told;
        if args.json {
            found.push(in_json(&experiment, cell, &conformity));
        } else {
            print(&in_words(&coordinates(&experiment, cell), &args.release, &conformity))?;
        }
    }
    if args.json {
        print(&format!("{:#}\n", json!({ "product": "dynamo", "release": args.release, "cells": found })))?;
    }
    Ok(if all_equal { Ending::Done } else { Ending::Mismatch })
}

/// What the product is told so that it does what the policy of a cell says it does.
fn domain(experiment: &Experiment, cell: &Cell, scenario: &Scenario) -> Result<(PolicyConfig, DynamoOptions), Failure> {
    let rule = scenario.policy.clone();
    let (config, domain) = if let PolicyConfig::DynamoDecode(config) = &rule {
        (*config, Domain::None)
    } else if let PolicyConfig::DynamoTopologyPreferred(config) = &rule {
        (*config, Domain::Preferred(config.topology_domain, config.topology_weight))
    } else if let PolicyConfig::DynamoTopologyRequired(config) = &rule {
        (*config, Domain::Required(config.topology_domain))
    } else {
        return Err(Failure::usage(format_args!(
            "cell {} of {} has the policy {}; conform dynamo compares dynamo_decode, dynamo_topology_preferred and \
             dynamo_topology_required: name one with --set policy.name=dynamo_decode",
            cell.index,
            experiment.path().display(),
            rule.name()
        )));
    };
    Ok((rule, DynamoOptions { block_tokens: config.block_tokens, domain }))
}

fn compare(
    args: &ConformArgs,
    mut scenario: Scenario,
    (rule, options): (PolicyConfig, DynamoOptions),
) -> Result<Conformity, Failure> {
    let network = if args.host_network { Network::Host } else { Network::Own };
    let timeout = Duration::from_secs(u64::from(args.timeout));
    let product = External::new(
        args.command.clone(),
        Protocol::Dynamo(options),
        timeout,
        args.release.clone(),
        network,
        String::new(),
    );
    let conformance = Conformance::new(product, rule);
    scenario.policy = PolicyConfig::Outside(OutsidePolicy::new(conformance.clone()));
    match panic::catch_unwind(AssertUnwindSafe(|| netkv_sim::run_streamed(&scenario, &mut |_| {}))) {
        Ok(_) => Ok(conformance.found()),
        Err(payload) => match payload.downcast::<PolicyFault>() {
            Ok(fault) => Err(Failure::input(fault.0)),
            Err(payload) => panic::resume_unwind(payload),
        },
    }
}

fn in_words(cell: &str, release: &str, found: &Conformity) -> String {
    let Conformity { decisions, equal, ties, ties_equal, blocks_told, blocks_equal, first } = found;
    let untied = decisions - ties;
    let mut text = format!(
        "{cell}, Dynamo {release}\n  \
         {decisions} decisions: {equal} equal ({:.2} %)\n  \
         ties, more than one rated best alike: {ties}, in {ties_equal} of them Dynamo chose one of these\n  \
         no ties: {untied}, equal {}\n  \
         KV blocks of the chosen one, told by Dynamo in {blocks_told}, equal to ours to the block in {blocks_equal}\n",
        100.0 * found.ratio(),
        equal - ties_equal,
    );
    if !first.is_empty() {
        text.push_str("  the first that differ:\n");
        first.iter().for_each(|difference| text.push_str(&difference_in_words(difference)));
    }
    text
}

fn difference_in_words(difference: &Difference) -> String {
    let Difference {
        decision,
        request,
        input_tokens,
        theirs: (theirs, by_ours),
        blocks,
        ours: (ours, n, best),
        only_blocks,
    } = difference;
    let told = blocks.map_or_else(String::new, |(ours, told)| format!(" ({ours} blocks, {told} by Dynamo's word)"));
    let best = match (only_blocks, n) {
        (true, _) => "ours rates it best too".to_owned(),
        (false, 1) => format!("ours rates {} best: {best}", ours.get()),
        (false, n) => format!("ours rates {n} best, {} the first of them: {best}", ours.get()),
    };
    format!(
        "    decision {decision} (request {request}, {input_tokens} tokens): Dynamo chose {}, which costs {by_ours:.3} by our \
         rule{told}; {best}\n",
        theirs.get()
    )
}

fn in_json(experiment: &Experiment, cell: &Cell, found: &Conformity) -> Value {
    let difference = |difference: &Difference| {
        json!({
            "decision": difference.decision,
            "request": difference.request,
            "input_tokens": difference.input_tokens,
            "chosen": difference.theirs.0.get(),
            "cost": difference.theirs.1,
            "blocks": difference.blocks.map(|(ours, _)| ours),
            "blocks_by_product": difference.blocks.map(|(_, theirs)| theirs),
            "rated_best": difference.ours.0.get(),
            "tied": difference.ours.1,
            "least_cost": difference.ours.2,
            "only_blocks_differ": difference.only_blocks,
        })
    };
    json!({
        "cell": cell.index,
        "coordinates": json_coordinates(experiment, cell),
        "decisions": found.decisions,
        "equal": found.equal,
        "equal_ratio": found.ratio(),
        "ties": found.ties,
        "ties_equal": found.ties_equal,
        "blocks_told": found.blocks_told,
        "blocks_equal": found.blocks_equal,
        "first": found.first.iter().map(difference).collect::<Vec<_>>(),
    })
}
