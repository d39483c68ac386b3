//! `netkv cell`: one cell again, bit for bit.

use super::{load, results_folder};
use crate::args::{CellArgs, WatchArgs};
use crate::cells::{coordinates, find_cell, json_coordinates};
use crate::clock::cpu_timed;
use crate::failure::{Ending, Failure};
use crate::kept::open_store;
use crate::output::{print, tell};
use crate::requests;
use crate::watch;
use crate::watched::Watched;
use netkv_grid::{Cell, CellRun, Experiment, Status, Workloads, measured_nothing};
use netkv_sim::{METRICS, Scenario, Value};
use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};

/// Runs the cell and prints its metrics, or its timing.
pub fn cell(args: &CellArgs) -> Result<Ending, Failure> {
    watch::check(&args.watch)?;
    requests::check(args.requests.as_deref())?;
    check_apart(args)?;
    let experiment = load(&args.experiment, args.place.quick, &args.changes)?;
    let cell = find_cell(&experiment, &args.cell)?;
    let scenario = Workloads::new().scenario(&cell);
    if args.timing {
        print(&timing(&scenario))?;
        return Ok(Ending::Done);
    }
    let run = match (watch::config(&args.watch, &scenario)?, &args.requests) {
        (Some(config), _) => {
            let (output, seen) = netkv_sim::run_observed(&scenario, &config);
            watch::write(
                &args.watch,
                &Watched { experiment: &experiment, cell: &cell, scenario: &scenario, output: &output, seen: &seen },
            )?;
            CellRun::from(output)
        }
        (None, Some(_)) => netkv_sim::run(&scenario).into(),
        (None, None) => CellRun::streamed(&scenario),
    };
    if let (Some(path), Some(output)) = (&args.requests, &run.output) {
        requests::write(path, &experiment, &cell, &scenario, output)?;
    }
    let watch = &args.watch;
    for path in [&args.requests, &watch.timeline, &watch.links, &watch.heatmap, &watch.transfers].into_iter().flatten()
    {
        tell(&format!("wrote {}", path.display()));
    }
    if let Some(why) = measured_nothing(&run.metrics) {
        tell(&format!("warning: cell {} of {}: {why}", cell.index, experiment.path().display()));
    }
    let digest = run.digest.to_string();
    let store = open_store(&experiment, &results_folder(&args.place, &experiment))?;
    let (word, compared) = match store.get(cell.key).map(|stored| &stored.status) {
        Some(Status::Done { digest: stored, .. }) if *stored == digest => ("same", "the same as stored"),
        Some(Status::Done { .. }) if cell.spec().policy().name() == "external" => {
            ("other", "not the stored one: policy external is not guaranteed to be repeatable")
        }
        Some(Status::Done { .. }) => {
            ("other", "NOT the stored one: the model changed without a new epoch, or is not deterministic")
        }
        Some(Status::Failed { .. }) => ("failed", "failed when it was run before"),
        None => ("none", "nothing stored"),
    };
    if args.json {
        print(&json(&experiment, &cell, (&digest, word), &run.metrics))?;
        return Ok(Ending::Done);
    }
    let mut text = format!("cell {}: {}\n", cell.index, coordinates(&experiment, &cell));
    text.push_str(&format!("digest {digest} ({compared})\n"));
    for (metric, value) in METRICS.iter().zip(&run.metrics) {
        text.push_str(&format!("{:32} {}\n", metric.name, shown(*value)));
    }
    print(&text)?;
    Ok(Ending::Done)
}

/// Refuses two outputs in one file, of which the last would be all that is left.
fn check_apart(args: &CellArgs) -> Result<(), Failure> {
    let WatchArgs { timeline, links, transfers, heatmap, .. } = &args.watch;
    let named = [
        ("--requests", &args.requests),
        ("--timeline", timeline),
        ("--links", links),
        ("--transfers", transfers),
        ("--heatmap", heatmap),
    ];
    let files: Vec<(&str, &PathBuf)> =
        named.into_iter().filter_map(|(option, path)| Some((option, path.as_ref()?))).collect();
    for (at, (option, path)) in files.iter().enumerate() {
        if let Some((other, _)) = files[..at].iter().find(|(_, other)| is_same_file(other, path)) {
            let path = path.display();
            return Err(Failure::usage(format_args!("{other} and {option} both name {path}: give each its own file")));
        }
    }
    Ok(())
}

/// Whether two paths name one file, which need not be there.
fn is_same_file(one: &Path, two: &Path) -> bool {
    let whole = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().ok()?;
        path.canonicalize().ok().or_else(|| Some(folder.join(path.file_name()?)))
    };
    one == two || whole(one).is_some_and(|one| whole(two) == Some(one))
}

/// The run for machines: what it measured, by the names of the columns; `stored` tells what the store has of it.
fn json(experiment: &Experiment, cell: &Cell, (digest, stored): (&str, &str), metrics: &[Value]) -> String {
    let value = |value: &Value| match *value {
        Value::Integer(number) => Json::from(number),
        Value::Float(number) => Json::from(number),
        Value::Missing => Json::Null,
    };
    let metrics: Map<String, Json> =
        METRICS.iter().zip(metrics).map(|(metric, own)| (metric.name.to_owned(), value(own))).collect();
    let whole = serde_json::json!({
        "cell": cell.index,
        "coordinates": json_coordinates(experiment, cell),
        "key": cell.key.to_string(),
        "trace": cell.trace_origin().label,
        "digest": digest,
        "stored": stored,
        "metrics": metrics,
    });
    format!("{whole:#}\n")
}

/// A number as text; nothing for a missing one.
fn shown(value: Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Missing => String::new(),
    }
}

/// Runs the cell for its time alone: requests are counted and let go.
fn timing(scenario: &Scenario) -> String {
    let (mut requests, mut output_tokens) = (0_u64, 0_u64);
    let (end, sim_cpu_s) = cpu_timed(|| {
        netkv_sim::run_streamed(scenario, &mut |record| {
            requests += 1;
            output_tokens += u64::from(record.output_tokens);
        })
    });
    let line = serde_json::json!({
        "sim_cpu_s": sim_cpu_s,
        "requests": requests,
        "output_tokens": output_tokens,
        "events": end.totals.events,
    });
    format!("{line}\n")
}
