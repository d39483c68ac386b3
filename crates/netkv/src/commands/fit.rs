//! `netkv fit`: the coefficients that the paper does not print, from numbers that it does.
//!
//! Two are looked for on a grid, in the runs of an experiment: how long the prompts of the stand-in for the paper's trace
//! are, and how many uplinks a rack and a pod have; the least squared relative error of mean transfer times wins. Three
//! follow in closed form: c of a prefill c l + d from TTFT less transfer in the runs of that point, d given; b and a of an
//! iteration a + b beta from TBT at two loads, as TBT is the iteration of the batch that a request enters, of 1 + rate x
//! answer x iteration / instances requests by Little's law. (The batches of the runs are no help: they last seconds, in
//! which a batch has not filled.)

use super::load;
use crate::args::{Changes, FitArgs};
use crate::failure::{Ending, Failure};
use crate::output::{print, write_file};
use crate::sharing::no_thread;
use crate::sweep::jobs;
use netkv_grid::{AxisValue, Cell, CellRun, Experiment, Outcome, Status, Workloads, run_cells};
use netkv_sim::{GpuProfile, metric_index};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The `[fit]` of a claims file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Targets {
    /// The experiment, beside the claims file.
    experiment: String,
    /// Where in the paper the numbers stand.
    place: String,
    /// Mean TTFT less mean transfer.
    ttft_less_transfer_ms: f64,
    /// d of the prefill's c l + d.
    prefill_base_ms: f64,
    /// TBT at the two loads of `workload.capacity_ratio`, of the policy that `tbt_of` names.
    tbt_ms: [[f64; 2]; 2],
    tbt_of: String,
    /// Requests a second at load 1, tokens of an answer and decode instances: what Little's law needs.
    capacity_rps: f64,
    mean_output_tokens: f64,
    decode_instances: f64,
    /// By policy, the mean transfer at load 1.
    transfer_ms: BTreeMap<String, f64>,
}

#[derive(Debug, Deserialize)]
struct ClaimsFile {
    fit: Option<Targets>,
}

/// Mean metrics over seeds of a point, by the values of its axes.
struct Means {
    axes: Vec<String>,
    points: Vec<(Vec<AxisValue>, BTreeMap<&'static str, f64>)>,
}

/// Metrics that are needed, in nanoseconds.
const NEEDED: [&str; 5] =
    ["ttft_mean_ns", "ttft_transfer_ns", "ttft_prefill_compute_ns", "ttft_decode_wait_ns", "transfer_mean_ns"];

const LOAD: &str = "workload.capacity_ratio";
const POLICY: &str = "policy.name";
const SCALE: &str = "workload.stand_in_context_scale";
const SPINES: &str = "fabric.spines_per_pod";
const CORES: &str = "fabric.cores";

/// Runs the fit and prints what it finds.
pub fn fit(args: &FitArgs) -> Result<Ending, Failure> {
    let targets = read_targets(&args.claims)?;
    let path = args.claims.with_file_name(&targets.experiment);
    let experiment = load(&path, false, &Changes::default())?;
    let gpu = Workloads::new().scenario(&experiment.cell(0).expect("an experiment has a cell")).gpu;
    let means = run(&experiment, args)?;
    let (scale, spines, cores, error) = best_point(&means, &targets)?;
    let at = |load: f64, policy: &str, metric: &str| {
        means.at(&[(SCALE, scale), (SPINES, spines), (LOAD, load)], policy).and_then(|point| point.get(metric).copied())
    };
    let coefficients = solve(&targets, &gpu, &at).ok_or_else(|| {
        Failure::input(format_args!(
            "{}: its runs have no {} at the loads of [fit] tbt_ms",
            path.display(),
            targets.tbt_of
        ))
    })?;
    let mut text = format!(
        "# Fitted to {} by: netkv fit --claims {}\n[workload]\nstand_in_context_scale = {scale}\n[fabric]\n\
         spines_per_pod = {spines}\ncores = {cores}\n# root mean square relative error of the transfers: {error:.3}\n",
        targets.place,
        args.claims.display()
    );
    for (policy, printed) in &targets.transfer_ms {
        let ours = at(1.0, policy, "transfer_mean_ns").unwrap_or(f64::NAN) * 1e-6;
        text.push_str(&format!("# transfer of {policy}: {ours:.0} ms, printed {printed}\n"));
    }
    text.push_str(&coefficients.toml());
    print(&text)?;
    if let Some(out) = &args.profile {
        write_file(out, coefficients.profile(&targets, &args.claims).as_bytes())?;
    }
    Ok(Ending::Done)
}

fn read_targets(path: &Path) -> Result<Targets, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::input(format_args!("{}: cannot read it: {error}", path.display())))?;
    let file: ClaimsFile =
        toml::from_str(&text).map_err(|error| Failure::input(format_args!("{}: {error}", path.display())))?;
    file.fit.ok_or_else(|| Failure::input(format_args!("{}: there is no [fit] in it", path.display())))
}

fn run(experiment: &Experiment, args: &FitArgs) -> Result<Means, Failure> {
    let cells: Vec<Cell> = experiment.cells().collect();
    let workloads = Workloads::new();
    let runner = |cell: &Cell| Ok(CellRun::streamed(&workloads.scenario(cell)));
    let outcomes =
        run_cells(&cells, jobs(&args.options, cells.len()), &AtomicBool::new(false), &|_| true, runner, &|_, _, _| {})
            .map_err(no_thread)?;
    let axes = experiment.axes().iter().map(|axis| axis.key.clone()).collect();
    let mut means = Means { axes, points: Vec::new() };
    let n_seeds = experiment.seeds().len();
    for (cells, outcomes) in cells.chunks(n_seeds).zip(outcomes.chunks(n_seeds)) {
        let mut point = BTreeMap::new();
        for name in NEEDED {
            let index = metric_index(name).expect("a metric of that name");
            let values: Option<Vec<f64>> = outcomes.iter().map(|outcome| number(outcome, index)).collect();
            let values = values
                .ok_or_else(|| Failure::input(format_args!("a cell has no {name}: it failed or counted nothing")))?;
            point.insert(name, values.iter().sum::<f64>() / values.len() as f64);
        }
        means.points.push((cells[0].axis_values().to_vec(), point));
    }
    Ok(means)
}

fn number(outcome: &Outcome, metric: usize) -> Option<f64> {
    match &outcome.status {
        Status::Done { metrics, .. } => metrics[metric].number(),
        Status::Failed { .. } => None,
    }
}

impl Means {
    fn value(&self, point: &[AxisValue], axis: &str) -> Option<f64> {
        let position = self.axes.iter().position(|name| name == axis)?;
        match &point[position] {
            AxisValue::Integer(number) => Some(*number as f64),
            AxisValue::Float(number) => Some(*number),
            AxisValue::Text(_) | AxisValue::Flag(_) => None,
        }
    }

    /// The means where the axes have these values.
    fn at(&self, wanted: &[(&str, f64)], policy: &str) -> Option<&BTreeMap<&'static str, f64>> {
        let policy_axis = self.axes.iter().position(|name| name == POLICY)?;
        let fits = |point: &[AxisValue]| {
            point[policy_axis].to_string() == policy
                && wanted
                    .iter()
                    .all(|&(axis, value)| self.value(point, axis).is_some_and(|own| (own - value).abs() < 1e-12))
        };
        self.points.iter().find(|(point, _)| fits(point)).map(|(_, means)| means)
    }
}

/// The point whose transfers are nearest to the printed ones: scale, spines, cores, and how near.
fn best_point(means: &Means, targets: &Targets) -> Result<(f64, f64, f64, f64), Failure> {
    let mut best: Option<(f64, f64, f64, f64)> = None;
    for (point, _) in &means.points {
        let axes = [SCALE, SPINES, CORES].map(|axis| means.value(point, axis));
        let [Some(scale), Some(spines), Some(cores)] = axes else {
            return Err(Failure::input(format_args!("[fit] needs the axes {SCALE}, {SPINES} and {CORES}")));
        };
        let mut squares = 0.0;
        for (policy, printed_ms) in &targets.transfer_ms {
            let found = means.at(&[(SCALE, scale), (SPINES, spines), (LOAD, 1.0)], policy);
            let found = found
                .ok_or_else(|| Failure::input(format_args!("[fit] names {policy}, which has no runs at load 1")))?;
            let off = found["transfer_mean_ns"] * 1e-6 / printed_ms - 1.0;
            squares += off * off;
        }
        let error = (squares / targets.transfer_ms.len() as f64).sqrt();
        if best.is_none_or(|best| error < best.3) {
            best = Some((scale, spines, cores, error));
        }
    }
    best.ok_or_else(|| Failure::input("[fit] has no runs"))
}

/// What follows in closed form.
struct Coefficients {
    prefill_base_ms: f64,
    per_token_us: f64,
    decode_base_ms: f64,
    per_request_us: f64,
    mean_prompt_tokens: f64,
    mean_batch: [f64; 2],
}

fn solve(targets: &Targets, gpu: &GpuProfile, at: &dyn Fn(f64, &str, &str) -> Option<f64>) -> Option<Coefficients> {
    let of = |load: f64, metric: &str| at(load, &targets.tbt_of, metric);
    // What the runs were made with: a straight line, whose mean gives the mean prompt back.
    let line =
        |curve: &dyn Fn(u64) -> u64, n: u64| (curve(0) as f64 * 1e-6, (curve(n) - curve(0)) as f64 * 1e-6 / n as f64);
    let (d, c) = line(&|n| gpu.prefill.tokens.at(n), 1 << 16);
    let [[load_one, tbt_one], [load_two, tbt_two]] = targets.tbt_ms;
    let batch = |load: f64, tbt_ms: f64| {
        let requests = load * targets.capacity_rps * targets.mean_output_tokens * tbt_ms * 1e-3;
        1.0 + requests / targets.decode_instances
    };
    let (batch_one, batch_two) = (batch(load_one, tbt_one), batch(load_two, tbt_two));
    let per_request_ms = (tbt_two - tbt_one) / (batch_two - batch_one);
    let mean_prompt_tokens = (of(1.0, "ttft_prefill_compute_ns")? - d) / c;
    let wait_ms = of(1.0, "ttft_decode_wait_ns")? * 1e-6;
    let prefill_ms = targets.ttft_less_transfer_ms - wait_ms - tbt_one;
    Some(Coefficients {
        prefill_base_ms: targets.prefill_base_ms,
        per_token_us: (prefill_ms - targets.prefill_base_ms) / mean_prompt_tokens * 1e3,
        decode_base_ms: tbt_one - per_request_ms * batch_one,
        per_request_us: per_request_ms * 1e3,
        mean_prompt_tokens,
        mean_batch: [batch_one, batch_two],
    })
}

impl Coefficients {
    fn toml(&self) -> String {
        format!(
            "[prefill]  # mean prompt {:.0} tokens\nbase_ms = {:.4}\nper_token_us = [[0, {:.4}]]\n[decode]  # mean batch on \
             entry {:.3} and {:.3}\nbase_ms = {:.4}\nper_request_us = [[0, {:.4}]]\n",
            self.mean_prompt_tokens,
            self.prefill_base_ms,
            self.per_token_us,
            self.mean_batch[0],
            self.mean_batch[1],
            self.decode_base_ms,
            self.per_request_us
        )
    }

    /// The profile as a file.
    fn profile(&self, targets: &Targets, claims: &Path) -> String {
        let (place, claims) = (&targets.place, claims.display());
        format!(
            "# Latencies that the numbers of the NetKV paper imply (arXiv 2606.03910; its own coefficients are not printed): a\n\
             # prefill of c l + d, an iteration of a + b beta. Written by `netkv fit`, from {place}.\n\
             format = \"netkv-profile/2\"\nmodel = \"Llama-3-70B\"\nprecision = \"fp16\"\ngpu = \"H100-SXM-80GB\"\ntp = 4\n\n\
             [kv]\nlayout = \"heads\"\nlayers = 80\nkv_heads = 8\nhead_dim = 128\ndtype_bytes = 2\ncopies = 1\n\n\
             [memory]\nweights_gb = 140.0\n\n\
             [prefill]\nbase_ms = {:.4}\nper_token_us = [[0, {:.4}]]\nper_pair_ns = 0.0\nvalid_batch_tokens = [1, 131072]\n\
             valid_context_tokens = [1, 131072]\n\n\
             [decode]\nbase_ms = {:.4}\nper_request_us = [[0, {:.4}]]\nper_token_ns = 0.0\nvalid_batch = [1, 64]\n\
             valid_context_tokens = [1, 10000000]\n\n\
             [origin]\nsource = \"implied by {place} of arXiv 2606.03910v1\"\nlicence = \"facts\"\n\
             command = \"netkv fit --claims {claims} --profile experiments/paper/profile.toml\"\n\n\
             # Two numbers for two coefficients each: there is nothing left out to judge the fit by.\n\
             [fit.prefill]\npoints = 1\nmape_percent = 0.0\nworst_percent = 0.0\nleft_out_mape_percent = 0.0\n\
             left_out_worst_percent = 0.0\nlevel_out_mape_percent = 0.0\nlevel_out_worst_percent = 0.0\n\n\
             [fit.decode]\npoints = 2\nmape_percent = 0.0\nworst_percent = 0.0\nleft_out_mape_percent = 0.0\n\
             left_out_worst_percent = 0.0\nlevel_out_mape_percent = 0.0\nlevel_out_worst_percent = 0.0\n",
            self.prefill_base_ms, self.per_token_us, self.decode_base_ms, self.per_request_us
        )
    }
}
