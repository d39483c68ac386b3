//! From the table of cells to what is known of each policy at each point of the grid.

use crate::drift::Drift;
use crate::effect::Ratio;
use crate::words::counted;
use anyhow::{Context as _, Result};
use netkv_frames::{Metadata, Table};
use netkv_policy::{NetworkView, PolicyConfig};
use std::collections::BTreeMap;

/// From this drift of TTFT on a point counts as overloaded: as if TTFT tripled from the start of the run to its end, so
/// that its mean grows with the length of the trace. (1 is a steady state; 2 a wait that grows evenly from nothing.)
pub const OVERLOAD_DRIFT: f64 = 1.4;

/// So does one whose mean wait, TTFT less the computing of the prompt, is longer than this share of the time in which
/// requests arrive: such a wait depends on where the run happens to end.
pub const OVERLOAD_WAIT_RATIO: f64 = 0.05;

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Name of the experiment.
    pub experiment: String,
    /// The axes, in order.
    pub axes: Vec<String>,
    /// The axis whose values are compared: mostly `policy.name`.
    pub compared: String,
    /// The value that others are compared with.
    pub baseline: String,
    /// Coverage of the intervals.
    pub confidence_ratio: f64,
    /// What else to say first: trace, objective.
    pub facts: Vec<String>,
    /// What the cells lack, if they are of a reduced version.
    pub reduced: Option<Reduced>,
}

/// A reduced version, for a first look: its runs are too short to tell who is overloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduced {
    /// What is left out: "2 of 5 seeds, at most 1200 requests".
    pub lacks: String,
    /// The command that runs all of it.
    pub command: String,
}

impl Options {
    /// Those of a table of cells, by what it says of itself.
    pub fn of(cells: &Table, metadata: &Metadata, facts: Vec<String>) -> Self {
        let said = |key: &str| metadata.get(key).cloned().unwrap_or_default();
        let names = cells.columns().iter().map(|column| column.name.clone());
        // Between seed and status stand the axes, and where the requests came from.
        let between = names.skip_while(|name| name != "seed").skip(1).take_while(|name| name != "status");
        Self {
            experiment: said("experiment"),
            axes: between.filter(|name| name != "trace_origin").collect(),
            compared: said("baseline_axis"),
            baseline: said("baseline"),
            confidence_ratio: said("confidence_ratio").parse().unwrap_or(0.95),
            facts,
            reduced: metadata.get("reduced").map(|lacks| Reduced { lacks: lacks.clone(), command: String::new() }),
        }
    }
}

/// The answer of an experiment.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was compared.
    pub options: Options,
    /// The points of the grid without the axis that is compared, in order.
    pub points: Vec<Point>,
}

/// The values of all other axes, and what is compared there.
#[derive(Clone, Debug)]
pub struct Point {
    /// Axis and value.
    pub coordinates: Vec<(String, String)>,
    /// In the order of the axis.
    pub standings: Vec<Standing>,
    /// Position of the best of those that ignore the network, by mean TTFT; none if there is none.
    pub best_blind: Option<usize>,
}

/// What is known of one policy at a point. Means are over seeds.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Seeds with a result.
    pub n: usize,
    /// Cells that failed.
    pub n_failed: usize,
    /// Of those with a result, the ones that counted no request.
    pub n_empty: usize,
    /// Mean TTFT, in seconds.
    pub ttft_s: Option<f64>,
    /// 99th percentile of TTFT, in seconds.
    pub ttft_p99_s: Option<f64>,
    /// The part of mean TTFT that the transfer takes, in seconds.
    pub transfer_s: Option<f64>,
    /// Mean time between tokens, in seconds.
    pub tbt_s: Option<f64>,
    /// Share of requests within their objectives.
    pub slo_ratio: Option<f64>,
    /// Goodput of a GPU, in requests a second.
    pub gpu_goodput_rps: Option<f64>,
    /// GPU seconds for a million tokens within the objective.
    pub gpu_s_per_mtoken: Option<f64>,
    /// What these cost, in the currency of the experiment; none without a price.
    pub cost_per_mtoken: Option<f64>,
    /// Requests that it refused, of all seeds.
    pub refused: f64,
    /// How TTFT drifts over the run.
    pub drift: Option<f64>,
    /// TTFT less the computing of the prompt, in seconds.
    pub wait_s: Option<f64>,
    /// From the first counted arrival to the last, in seconds.
    pub span_s: Option<f64>,
    /// Whether its runs are too short to tell whether it is overloaded.
    pub is_short: bool,
    /// Whether no router attains its objectives more often, and none that keeps up as often.
    pub has_best_slo: bool,
    /// Mean TTFT against the baseline.
    pub against_baseline: Option<Ratio>,
    /// Mean TTFT against the best that ignores the network.
    pub against_blind: Option<Ratio>,
    /// The same over seeds.
    pub drift_by_seed: Drift,
    /// By seed.
    ttft_by_seed: BTreeMap<String, f64>,
}

/// Whether waiting grew as long as requests came (by the drift of TTFT), or is long against the time in which they came.
pub fn is_overload(drift: Option<f64>, wait_s: Option<f64>, span_s: Option<f64>) -> bool {
    let is_long = wait_s.zip(span_s).is_some_and(|(wait_s, span_s)| wait_s > OVERLOAD_WAIT_RATIO * span_s);
    is_long || drift.is_some_and(|drift| drift >= OVERLOAD_DRIFT)
}

impl Standing {
    /// Whether waiting grew as long as requests came, or is long against the time in which they came; not if its runs are
    /// too short to tell.
    pub fn is_overloaded(&self) -> bool {
        !self.is_short && self.looks_overloaded()
    }

    /// Whether it looks so in runs that are too short to tell.
    pub fn may_be_overloaded(&self) -> bool {
        self.is_short && self.looks_overloaded()
    }

    fn looks_overloaded(&self) -> bool {
        is_overload(self.drift, self.wait_s, self.span_s)
    }

    /// What else there is to say of it.
    pub fn remarks(&self, is_best_blind: bool) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.n_failed > 0 {
            remarks.push(format!("{} of {} cells FAILED", self.n_failed, self.n + self.n_failed));
        }
        if self.n_empty > 0 {
            remarks.push(format!("{} counted no request", counted(self.n_empty, "cell")));
        }
        if self.is_overloaded() {
            let best = if self.has_best_slo { ", yet the best SLO attainment" } else { "" };
            remarks.push(format!("overloaded{best}"));
        }
        if self.may_be_overloaded() {
            remarks.push("overloaded? too short to tell".to_owned());
        }
        if self.refused > 0.5 {
            remarks.push(format!("{} refused", counted(self.refused.round() as usize, "request")));
        }
        if is_best_blind {
            remarks.push("best that ignores the network".to_owned());
        }
        if self.view() == Some(NetworkView::Truth) {
            remarks.push("a yardstick, no router".to_owned());
        }
        if PolicyConfig::OUTSIDE.contains(&self.name.as_str()) {
            remarks.push("counts as looking at the network, which it is shown".to_owned());
        }
        remarks
    }

    /// What it looks at of the network, if it is a policy.
    pub fn view(&self) -> Option<NetworkView> {
        NetworkView::of(&self.name)
    }

    fn ratio_to(&self, other: &Self, confidence: f64) -> Option<Ratio> {
        let pair = |(seed, &own): (&String, &f64)| other.ttft_by_seed.get(seed).map(|&theirs| (own, theirs));
        let pairs: Vec<(f64, f64)> = self.ttft_by_seed.iter().filter_map(pair).collect();
        Ratio::of(&pairs, confidence)
    }
}

impl Answer {
    /// That of the cells of an experiment.
    ///
    /// # Errors
    /// If the table lacks a column that it needs.
    pub fn of(cells: &Table, options: Options) -> Result<Self> {
        let columns = Columns::read(cells, &options)?;
        let mut points: Vec<Point> = Vec::new();
        let mut known: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        let mut rows: BTreeMap<(usize, String), Vec<usize>> = BTreeMap::new();
        for row in 0..cells.n_rows() {
            let coordinates: Vec<(String, String)> =
                columns.others.iter().map(|(axis, values)| (axis.clone(), values[row].clone())).collect();
            let key = coordinates.iter().map(|(_, value)| value.clone()).collect();
            let point = *known.entry(key).or_insert_with(|| {
                points.push(Point { coordinates, standings: Vec::new(), best_blind: None });
                points.len() - 1
            });
            let name = columns.compared.as_ref().map_or_else(|| "all cells".to_owned(), |names| names[row].clone());
            let of_this = rows.entry((point, name.clone())).or_default();
            if of_this.is_empty() {
                points[point].standings.push(Standing { name, ..Standing::default() });
            }
            of_this.push(row);
        }
        for (index, point) in points.iter_mut().enumerate() {
            for standing in &mut point.standings {
                columns.fill(standing, &rows[&(index, standing.name.clone())], options.confidence_ratio);
                standing.is_short = options.reduced.is_some();
            }
            point.compare(&options);
            point.find_best_slo();
        }
        let mut answer = Self { options, points };
        answer.correct();
        Ok(answer)
    }

    /// Axes of several values of which none changes what is told of anybody, all other axes being equal.
    pub(crate) fn axes_without_effect(&self) -> Vec<&str> {
        let axes = self.points.first().map_or(0, |point| point.coordinates.len());
        let is_without = |&axis: &usize| {
            let mut met: BTreeMap<Vec<&str>, &Point> = BTreeMap::new();
            let mut n_compared = 0;
            let same = self.points.iter().all(|point| {
                let others = point.coordinates.iter().enumerate().filter(|(at, _)| *at != axis);
                let first = *met.entry(others.map(|(_, (_, value))| value.as_str()).collect()).or_insert(point);
                n_compared += usize::from(first.coordinates != point.coordinates);
                first.is_equal(point)
            });
            same && n_compared > 0
        };
        let name = |axis: usize| self.points[0].coordinates[axis].0.as_str();
        (0..axes).filter(is_without).map(name).collect()
    }

    /// Whether policies are what is compared, and some of them ignore the network while others do not.
    pub fn asks_for_network(&self) -> bool {
        let some = |view: NetworkView| {
            self.points.iter().flat_map(|point| &point.standings).any(|standing| standing.view() == Some(view))
        };
        self.options.compared == "policy.name" && some(NetworkView::Blind) && some(NetworkView::Aware)
    }
}

impl Point {
    /// Whether the same policies have the same results, as far as they are told; not if there are none.
    fn is_equal(&self, other: &Self) -> bool {
        let same = |(one, other): (&Standing, &Standing)| {
            let metrics = |of: &Standing| [of.ttft_s, of.ttft_p99_s, of.transfer_s, of.tbt_s, of.slo_ratio];
            one.name == other.name
                && !one.ttft_by_seed.is_empty()
                && one.ttft_by_seed == other.ttft_by_seed
                && metrics(one) == metrics(other)
        };
        self.standings.len() == other.standings.len() && self.standings.iter().zip(&other.standings).all(same)
    }

    fn compare(&mut self, options: &Options) {
        let blind = self.standings.iter().enumerate().filter(|(_, one)| one.view() == Some(NetworkView::Blind));
        let with_mean = blind.filter_map(|(index, one)| one.ttft_s.map(|ttft_s| (ttft_s, index)));
        self.best_blind = with_mean.min_by(|one, two| one.0.total_cmp(&two.0)).map(|(_, index)| index);
        let baseline = self.standings.iter().find(|one| one.name == options.baseline).cloned();
        let best_blind = self.best_blind.map(|index| self.standings[index].clone());
        for standing in &mut self.standings {
            let against = |other: &Option<Standing>| {
                let other = other.as_ref().filter(|other| other.name != standing.name)?;
                standing.ratio_to(other, options.confidence_ratio)
            };
            (standing.against_baseline, standing.against_blind) = (against(&baseline), against(&best_blind));
        }
    }

    /// Finds who attains the objectives most often.
    fn find_best_slo(&mut self) {
        let routers = || self.standings.iter().filter(|one| one.view() != Some(NetworkView::Truth));
        let best = |of: &dyn Fn(&Standing) -> bool| {
            routers().filter(|one| of(one)).filter_map(|one| one.slo_ratio).fold(f64::NEG_INFINITY, f64::max)
        };
        let (of_all, of_those_that_keep_up) = (best(&|_| true), best(&|one| !one.is_overloaded()));
        for standing in self.standings.iter_mut().filter(|one| one.view() != Some(NetworkView::Truth)) {
            standing.has_best_slo = standing
                .slo_ratio
                .is_some_and(|own| own >= of_all && (!standing.is_overloaded() || own > of_those_that_keep_up));
        }
    }

    /// The last part of an axis's key, if no other axis ends so; else the whole key.
    fn short<'a>(&self, axis: &'a str) -> &'a str {
        let last = |key: &'a str| key.rsplit('.').next().unwrap_or(key);
        let alike = self.coordinates.iter().filter(|(other, _)| other.rsplit('.').next() == Some(last(axis)));
        if alike.count() == 1 { last(axis) } else { axis }
    }

    /// "regime = congested, nic_gbps = 100"; "the only point" if no other axis is there.
    pub fn place(&self) -> String {
        if self.coordinates.is_empty() {
            return "the only point".to_owned();
        }
        let words = self.coordinates.iter().map(|(axis, value)| format!("{} = {value}", self.short(axis)));
        words.collect::<Vec<_>>().join(", ")
    }
}

/// The columns of the table of cells that the answer needs.
struct Columns {
    others: Vec<(String, Vec<String>)>,
    compared: Option<Vec<String>>,
    seeds: Vec<String>,
    failed: Vec<bool>,
    metrics: BTreeMap<&'static str, Vec<Option<f64>>>,
}

const METRICS: [&str; 12] = [
    "requests",
    "offered_rps",
    "ttft_prefill_compute_ns",
    "refused_requests",
    "ttft_mean_ns",
    "ttft_p99_ns",
    "ttft_transfer_ns",
    "tbt_mean_ns",
    "slo_attainment_ratio",
    "gpu_goodput_rps",
    "gpu_s_per_mtoken",
    "ttft_drift_ratio",
];

/// The column that is only there if the experiment names a price.
const COST: &str = "cost_per_mtoken";

impl Columns {
    fn read(cells: &Table, options: &Options) -> Result<Self> {
        let words = |name: &str| cells.words(name).with_context(|| format!("the cells of {}", options.experiment));
        let others = options.axes.iter().filter(|axis| **axis != options.compared);
        let others = others.map(|axis| Ok((axis.clone(), words(axis)?))).collect::<Result<_>>()?;
        let has = options.axes.contains(&options.compared);
        let compared = if has { Some(words(&options.compared)?) } else { None };
        let priced = cells.has(COST).then_some(COST);
        let metrics = METRICS.into_iter().chain(priced).map(|name| Ok((name, cells.numbers(name)?)));
        Ok(Self {
            others,
            compared,
            seeds: words("seed")?,
            failed: words("status")?.iter().map(|status| status != "done").collect(),
            metrics: metrics.collect::<Result<_>>()?,
        })
    }

    fn fill(&self, standing: &mut Standing, rows: &[usize], confidence: f64) {
        let done: Vec<usize> = rows.iter().copied().filter(|&row| !self.failed[row]).collect();
        let values = |name: &str| done.iter().filter_map(|&row| self.metrics[name][row]).collect::<Vec<f64>>();
        let mean = |name: &str| {
            let values = values(name);
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let seconds = |name: &str| mean(name).map(|nanos| nanos * 1e-9);
        standing.n = done.len();
        standing.n_failed = rows.len() - done.len();
        standing.n_empty = values("requests").iter().filter(|&&requests| requests < 0.5).count();
        standing.ttft_s = seconds("ttft_mean_ns");
        standing.ttft_p99_s = seconds("ttft_p99_ns");
        standing.transfer_s = seconds("ttft_transfer_ns");
        standing.tbt_s = seconds("tbt_mean_ns");
        standing.slo_ratio = mean("slo_attainment_ratio");
        standing.gpu_goodput_rps = mean("gpu_goodput_rps");
        standing.gpu_s_per_mtoken = mean("gpu_s_per_mtoken");
        standing.cost_per_mtoken = self.metrics.contains_key(COST).then(|| mean(COST)).flatten();
        standing.refused = values("refused_requests").iter().sum();
        standing.drift = mean("ttft_drift_ratio");
        standing.drift_by_seed = Drift::of(&values("ttft_drift_ratio"), confidence);
        let computing_s = seconds("ttft_prefill_compute_ns");
        standing.wait_s = standing.ttft_s.zip(computing_s).map(|(ttft_s, computing_s)| ttft_s - computing_s);
        standing.span_s = mean("requests").zip(mean("offered_rps")).map(|(requests, rps)| requests / rps);
        let by_seed =
            done.iter().filter_map(|&row| Some((self.seeds[row].clone(), self.metrics["ttft_mean_ns"][row]?)));
        standing.ttft_by_seed = by_seed.collect();
    }
}
