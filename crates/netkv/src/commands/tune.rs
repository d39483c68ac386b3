//! `netkv tune`: of a sweep over parameters of a policy, the values with the least mean of a metric over seeds, for
//! each point of the other axes.

use super::run::run_experiment;
use super::{load, results_folder, tell_if_beside};
use crate::args::TuneArgs;
use crate::failure::{Ending, Failure};
use crate::interrupt;
use crate::output::print;
use netkv_grid::{AxisValue, Cell, Experiment, Status, Store, nearest};
use netkv_sim::{METRICS, metric_index};
use std::collections::BTreeMap;

/// Runs the experiment and prints the best values as TOML.
pub fn tune(args: &TuneArgs) -> Result<Ending, Failure> {
    let metric = metric_position(&args.metric)?;
    let mut experiment = load(&args.experiment, args.place.quick, &args.changes)?;
    let parameters: Vec<usize> = (0..experiment.axes().len()).filter(|&axis| is_parameter(&experiment, axis)).collect();
    if parameters.is_empty() {
        let path = experiment.path().display();
        let message = "has no axis to tune: it needs one such as policy.cache_weight";
        return Err(Failure::input(format_args!("{path} {message}")));
    }
    tell_if_beside(&experiment, &results_folder(&args.place, &experiment));
    let (store, tally) = run_experiment(&mut experiment, &[], &args.place, &args.options)?;
    if interrupt::is_asked() {
        return Ok(Ending::Interrupted);
    }
    print(&report(&experiment, &parameters, &best(&experiment, &parameters, &store, metric), args))?;
    Ok(if tally.n_failed > 0 { Ending::SomeCellsFailed } else { Ending::Done })
}

fn metric_position(name: &str) -> Result<usize, Failure> {
    metric_index(name).ok_or_else(|| {
        let near = nearest(name, METRICS.iter().map(|metric| metric.name));
        let hint = near.map_or_else(|| "see netkv schema".to_owned(), |near| format!("did you mean {near}?"));
        Failure::usage(format_args!("there is no metric {name}; {hint}"))
    })
}

/// A parameter of the policy, as opposed to its name and to the conditions that it runs in.
fn is_parameter(experiment: &Experiment, axis: usize) -> bool {
    let key = &experiment.axes()[axis].key;
    key.starts_with("policy.") && key != "policy.name"
}

/// Values of some axes, and where they stand in the grid.
type Choice = Vec<AxisValue>;

/// The parameters of a grid point, and the metric on each seed.
type Trial = (Choice, Vec<f64>);

/// For each point of the other axes, in the order of the grid: its values, the best parameters, and their mean.
fn best(experiment: &Experiment, parameters: &[usize], store: &Store, metric: usize) -> Vec<(Choice, Choice, f64)> {
    let split = |cell: &Cell, inside: bool| -> Choice {
        let axes = cell.axis_values().iter().enumerate();
        axes.filter(|(axis, _)| parameters.contains(axis) == inside).map(|(_, value)| value.clone()).collect()
    };
    // Points in the order of the grid: the first cell of each names it.
    let mut points: Vec<(Choice, BTreeMap<usize, Trial>)> = Vec::new();
    let n_seeds = experiment.seeds().len();
    for cell in experiment.cells() {
        let Some(value) = store.get(cell.key).and_then(|stored| number(&stored.status, metric)) else { continue };
        let conditions = split(&cell, false);
        let known = points.iter().position(|(other, _)| *other == conditions);
        let position = known.unwrap_or_else(|| {
            points.push((conditions, BTreeMap::new()));
            points.len() - 1
        });
        let entry = points[position].1.entry(experiment.point_of(cell.index));
        entry.or_insert_with(|| (split(&cell, true), Vec::new())).1.push(value);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let least = |(conditions, trials): (Choice, BTreeMap<usize, Trial>)| {
        // A choice that lacks a seed is not compared with those that have all.
        let whole = trials.into_values().filter(|(_, values)| values.len() == n_seeds);
        let (choice, values) = whole.min_by(|one, two| mean(&one.1).total_cmp(&mean(&two.1)))?;
        Some((conditions, choice, mean(&values)))
    };
    points.into_iter().filter_map(least).collect()
}

fn number(status: &Status, metric: usize) -> Option<f64> {
    match status {
        Status::Done { metrics, .. } => metrics.get(metric)?.number(),
        Status::Failed { .. } => None,
    }
}

fn report(experiment: &Experiment, parameters: &[usize], best: &[(Choice, Choice, f64)], args: &TuneArgs) -> String {
    let others: Vec<usize> = (0..experiment.axes().len()).filter(|axis| !parameters.contains(axis)).collect();
    let key = |axis: &usize| experiment.axes()[*axis].key.as_str();
    let seeds: Vec<_> = experiment.seeds().iter().map(u64::to_string).collect();
    let mut text = format!(
        "# Least mean {} over the seeds {}, by: netkv tune {} --metric {}\n",
        args.metric,
        seeds.join(", "),
        experiment.arguments(),
        args.metric
    );
    for (conditions, choice, mean) in best {
        let words: Vec<_> =
            others.iter().map(key).zip(conditions).map(|(key, value)| format!("{key} = {value}")).collect();
        let place = if words.is_empty() { String::new() } else { format!("{}: ", words.join(", ")) };
        text.push_str(&format!("\n# {place}mean {mean}\n[policy]\n"));
        for (axis, value) in parameters.iter().zip(choice) {
            let value = match value {
                AxisValue::Text(text) => format!("{text:?}"),
                AxisValue::Integer(_) | AxisValue::Float(_) | AxisValue::Flag(_) => value.to_string(),
            };
            text.push_str(&format!("{} = {value}\n", key(axis).trim_start_matches("policy.")));
        }
    }
    text
}
