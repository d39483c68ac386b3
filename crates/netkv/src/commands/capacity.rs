//! `netkv capacity`: the largest rate at which a policy keeps what is promised, by bisection on each seed.
//!
//! A rate holds if the share of requests within the experiment's objective is at least what is asked for and, if a limit on
//! the 99th percentile of TTFT is given, that is kept too. Both are taken to get worse as the rate grows.

use super::load;
use crate::args::CapacityArgs;
use crate::failure::{Ending, Failure};
use crate::interrupt;
use crate::output::{print, tell};
use crate::progress::Progress;
use crate::sharing::no_thread;
use crate::sweep::jobs;
use netkv_grid::{Cell, CellRun, Experiment, Workloads, for_each_cell};
use netkv_sim::{Scenario, metric_index};
use netkv_verdict::Ratio;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// Keys that say how much arrives: what is looked for here.
const LOAD_KEYS: [&str; 5] = [
    "workload.load",
    "workload.rate_rps",
    "workload.prefill_utilisation_ratio",
    "workload.capacity_ratio",
    "workload.capacity_rps",
];

/// A rate is found to within a factor of 2^(1/64), about 1 %.
const BISECTIONS: u32 = 6;

/// Rates from a sixteenth of the experiment's own up to 64 times it are looked at.
const HALVINGS: u32 = 4;
const DOUBLINGS: u32 = 6;

/// What is asked of a rate.
struct Promise {
    attained_ratio: f64,
    ttft_p99_s: Option<f64>,
}

/// A policy at a point, and what each seed found.
struct Found {
    point: Vec<(String, String)>,
    name: String,
    /// The largest rate that holds; none where none does.
    rates: Vec<(u64, Option<f64>)>,
    /// Seeds on which the largest rate that was looked at holds.
    n_unbounded: usize,
    /// Where none does, what was kept at the lowest rate.
    lowest: Vec<Kept>,
}

/// Finds and prints the capacities.
pub fn capacity(args: &CapacityArgs) -> Result<Ending, Failure> {
    let experiment = load(&args.experiment, args.quick, &args.changes)?;
    if !(0.0..=1.0).contains(&args.attained) {
        return Err(Failure::usage(format_args!(
            "--attained is a ratio from 0 to 1, such as 0.95; not {}",
            args.attained
        )));
    }
    if (0..experiment.n_cells()).filter_map(|index| experiment.cell(index)).any(|cell| cell.spec().is_closed()) {
        return Err(Failure::usage(
            "capacity looks for a rate, and with workload.loop = \"closed\" requests come as fast as they are answered: an \
             axis over workload.sessions shows where the objective is lost (`netkv run`); or look for it with \
             workload.loop = \"partly_open\"",
        ));
    }
    let promise = Promise { attained_ratio: args.attained, ttft_p99_s: args.ttft_p99 };
    let selected = experiment.select(&args.filter).map_err(Failure::usage)?;
    let cells = one_load(&experiment, selected.into_iter().filter_map(|index| experiment.cell(index)).collect());
    let is_load = |key: &&str| LOAD_KEYS.contains(key);
    let dropped: Vec<&str> = experiment.axes().iter().map(|axis| axis.key.as_str()).filter(is_load).collect();
    if !dropped.is_empty() {
        tell(&format!(
            "note: axis {} says how much arrives, which is what is looked for: it is left out",
            dropped.join(", ")
        ));
    }
    tell(&format!("{}: {} bisections, of some {} runs each", experiment.path().display(), cells.len(), BISECTIONS + 4));
    let progress = Mutex::new(Progress::new(experiment.name(), cells.len(), args.options.quiet));
    let rates = for_each_cell(&cells, jobs(&args.options, cells.len()), interrupt::stop(), |cell| {
        let found = largest_rate(cell, &promise);
        progress.lock().unwrap_or_else(PoisonError::into_inner).add(1, 0);
        found
    })
    .map_err(no_thread)?;
    progress.lock().unwrap_or_else(PoisonError::into_inner).finish();
    if interrupt::is_asked() {
        return Ok(Ending::Interrupted);
    }
    let found = grouped(&experiment, &cells, &rates);
    print(&if args.json { as_json(&experiment, &found) } else { as_text(&experiment, &promise, &found) })?;
    Ok(Ending::Done)
}

/// Of cells that differ in how much arrives alone, the first: the load is what is looked for.
fn one_load(experiment: &Experiment, cells: Vec<Cell>) -> Vec<Cell> {
    let is_load: Vec<bool> = experiment.axes().iter().map(|axis| LOAD_KEYS.contains(&axis.key.as_str())).collect();
    let mut seen = std::collections::BTreeSet::new();
    let others = |cell: &Cell| -> Vec<String> {
        let values = cell.axis_values().iter().zip(&is_load).filter(|(_, is_load)| !**is_load);
        values.map(|(value, _)| value.to_string()).chain([cell.seed.to_string()]).collect()
    };
    cells.into_iter().filter(|cell| seen.insert(others(cell))).collect()
}

/// What a run says of a promise.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Whether it is kept.
    holds: bool,
    /// Requests that arrived each second.
    offered_rps: f64,
    /// Share of them within their objective, and the 99th percentile of TTFT in seconds.
    attained_ratio: f64,
    ttft_p99_s: f64,
}

/// The largest rate that was seen to hold, and whether a larger one was seen not to.
#[derive(Clone, Copy, Debug)]
struct Largest {
    rps: f64,
    is_bounded: bool,
}

/// What a run of this scenario keeps of the promise.
fn kept(scenario: &Scenario, promise: &Promise) -> Kept {
    let run = CellRun::streamed(scenario);
    let value = |name: &str| run.metrics[metric_index(name).expect("a metric of that name")].number();
    let attained_ratio = value("slo_attainment_ratio").unwrap_or(0.0);
    let ttft_p99_s = value("ttft_p99_ns").map_or(f64::INFINITY, |p99| p99 * 1e-9);
    Kept {
        holds: attained_ratio >= promise.attained_ratio
            && promise.ttft_p99_s.is_none_or(|limit_s| ttft_p99_s <= limit_s),
        offered_rps: value("offered_rps").unwrap_or(1.0),
        attained_ratio,
        ttft_p99_s,
    }
}

/// The largest rate that holds on the cell's seed, in requests a second; if none of those looked at does, what was kept at
/// the lowest.
fn largest_rate(cell: &Cell, promise: &Promise) -> Result<Largest, Kept> {
    let at = |rate_rps: f64| kept(&Workloads::at_rate(cell, rate_rps), promise);
    let own = kept(&Workloads::new().scenario(cell), promise);
    let rates = |step: f64, n: u32| (1..=n).map(move |exponent| own.offered_rps * step_to(step, exponent));
    let mut low = if own.holds {
        let doubled: Vec<f64> = rates(2.0, DOUBLINGS).take_while(|&rate| at(rate).holds).collect();
        if doubled.len() == DOUBLINGS as usize {
            return Ok(Largest { rps: doubled[doubled.len() - 1], is_bounded: false });
        }
        doubled.last().copied().unwrap_or(own.offered_rps)
    } else {
        let mut lowest = own;
        let holding = rates(0.5, HALVINGS).find(|&rate| {
            lowest = at(rate);
            lowest.holds
        });
        holding.ok_or(lowest)?
    };
    let mut high = low * 2.0;
    for _ in 0..BISECTIONS {
        let middle = (low * high).sqrt();
        if at(middle).holds { low = middle } else { high = middle }
    }
    Ok(Largest { rps: low, is_bounded: true })
}

/// `step` to the power of `n`, by multiplication: the same on every machine.
fn step_to(step: f64, n: u32) -> f64 {
    (0..n).fold(1.0, |power, _| power * step)
}

fn grouped(experiment: &Experiment, cells: &[Cell], rates: &[Option<Result<Largest, Kept>>]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (cell, rate) in cells.iter().zip(rates) {
        let values = experiment
            .axes()
            .iter()
            .zip(cell.axis_values())
            .filter(|(axis, _)| !LOAD_KEYS.contains(&axis.key.as_str()));
        let (own, point): (Vec<_>, Vec<_>) = values
            .map(|(axis, value)| (axis.key.clone(), value.to_string()))
            .partition(|(key, _)| key == experiment.baseline_axis());
        let name = own.into_iter().next().map_or_else(|| "all".to_owned(), |(_, value)| value);
        let at = found.iter().position(|one| one.point == point && one.name == name).unwrap_or_else(|| {
            found.push(Found { point, name, rates: Vec::new(), n_unbounded: 0, lowest: Vec::new() });
            found.len() - 1
        });
        let largest = rate.and_then(Result::ok);
        found[at].rates.push((cell.seed, largest.map(|largest| largest.rps)));
        found[at].n_unbounded += usize::from(largest.is_some_and(|largest| !largest.is_bounded));
        found[at].lowest.extend(rate.and_then(Result::err));
    }
    found
}

impl Found {
    /// Mean of the seeds that have a rate.
    fn mean(&self) -> Option<f64> {
        let rates: Vec<f64> = self.rates.iter().filter_map(|(_, rate)| *rate).collect();
        (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
    }

    /// What was kept at the lowest rate, the mean of the seeds on which no rate holds.
    fn lowest_words(&self, promise: &Promise) -> String {
        let mean = |of: fn(&Kept) -> f64| self.lowest.iter().map(of).sum::<f64>() / self.lowest.len() as f64;
        let p99 =
            promise.ttft_p99_s.map_or_else(String::new, |_| format!(", p99 TTFT {:.2} s", mean(|one| one.ttft_p99_s)));
        format!(
            "none of the rates looked at holds: at the lowest, {:.3} requests/s, {:.1} % are within it{p99}",
            mean(|one| one.offered_rps),
            mean(|one| one.attained_ratio) * 100.0
        )
    }

    /// Against the baseline at the same point, seed by seed.
    fn against(&self, all: &[Self], experiment: &Experiment) -> Option<Ratio> {
        let is_baseline = |one: &&Self| one.point == self.point && one.name == experiment.baseline();
        let baseline: BTreeMap<u64, Option<f64>> = all.iter().find(is_baseline)?.rates.iter().copied().collect();
        let pairs = self.rates.iter().filter_map(|(seed, rate)| Some(((*rate)?, (*baseline.get(seed)?)?)));
        let pairs: Vec<(f64, f64)> = pairs.collect();
        Ratio::of(&pairs, experiment.confidence_ratio()).filter(|_| self.name != experiment.baseline())
    }
}

fn as_text(experiment: &Experiment, promise: &Promise, found: &[Found]) -> String {
    let p99 = promise.ttft_p99_s.map_or_else(String::new, |limit_s| format!(" and p99 TTFT is within {limit_s} s"));
    let mut text = format!(
        "{}: largest rate at which {:.1} % of requests are within their objective{p99}, mean over seeds\n",
        experiment.name(),
        promise.attained_ratio * 100.0
    );
    let (down, up) = (1 << HALVINGS, 1 << DOUBLINGS);
    writeln!(text, "  (looked at: from 1/{down} of the experiment's own rate to {up} times it)")
        .expect("a string takes any text");
    let width = found.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let mut last: Option<&Vec<(String, String)>> = None;
    for one in found {
        if last != Some(&one.point) {
            let words: Vec<String> = one.point.iter().map(|(axis, value)| format!("{axis} = {value}")).collect();
            let place = if words.is_empty() { "the only point".to_owned() } else { words.join(", ") };
            writeln!(text, "\n{place}").expect("a string takes any text");
            last = Some(&one.point);
        }
        let rate = one.mean().map_or_else(|| one.lowest_words(promise), |rate| format!("{rate:>8.3} requests/s"));
        let ratio = one.against(found, experiment).map_or_else(String::new, |ratio| {
            let interval = ratio.interval.map_or_else(String::new, |(low, high)| format!(" [{low:.3}, {high:.3}]"));
            format!("  x {:.3}{interval} of {}", ratio.mean, experiment.baseline())
        });
        let lost = one.rates.iter().filter(|(_, rate)| rate.is_none()).count();
        let lost =
            if lost == 0 { String::new() } else { format!("  (none holds on {lost} of {} seeds)", one.rates.len()) };
        let open = match one.n_unbounded {
            0 => String::new(),
            n => format!("  (AT LEAST: on {n} of {} seeds the largest rate looked at still holds)", one.rates.len()),
        };
        writeln!(text, "  {:<width$}  {rate}{ratio}{lost}{open}", one.name).expect("a string takes any text");
    }
    if found.iter().any(|one| one.against(found, experiment).is_some()) {
        text.push_str(
            "\nx: the geometric mean of the seeds' ratios, each to the baseline on the same arrivals; not the ratio of the means.\n",
        );
    }
    if found.iter().any(|one| !one.lowest.is_empty()) {
        text.push_str(
            "\nWhere none holds, no load is low enough for what is asked: ask for less (--attained, --ttft-p99), or promise \
             less in the file\n(slo.ttft_s, slo.ttft_slowdown, slo.tbt_ms; a long prompt takes its time even alone).\n",
        );
    }
    text
}

fn as_json(experiment: &Experiment, found: &[Found]) -> String {
    let entry = |one: &Found| {
        let point: serde_json::Map<String, serde_json::Value> =
            one.point.iter().map(|(axis, value)| (axis.clone(), value.as_str().into())).collect();
        let ratio = one.against(found, experiment);
        json!({
            "point": point,
            "name": one.name,
            "capacity_rps": one.mean(),
            "seeds_at_the_largest_rate_looked_at": one.n_unbounded,
            "by_seed": one.rates.iter().map(|(seed, rate)| json!({ "seed": seed, "rps": rate })).collect::<Vec<_>>(),
            "against_baseline": ratio.map(|ratio| json!({
                "mean": ratio.mean,
                "low": ratio.interval.map(|(low, _)| low),
                "high": ratio.interval.map(|(_, high)| high),
            })),
        })
    };
    format!("{}\n", json!(found.iter().map(entry).collect::<Vec<_>>()))
}
