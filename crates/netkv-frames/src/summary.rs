//! Statistics over seeds: one row for each point of the grid and metric.
//!
//! The seed is the unit: one number per run, a Student t interval over the runs. Differences and ratios to the
//! baseline, a value of one axis, are taken seed by seed (the runs share arrivals, placement and background), the ratio as the
//! exponential of a mean log ratio. `variance_reduction_factor` says what the pairing bought: the variance of an
//! unpaired difference over that of the paired one. Failed cells are counted, not used.

use crate::cells::{AxisValue, CellRow, CellStatus, axis_column};
use crate::estimate::{Estimate, log_ratios, two_sided_quantile, variance};
use crate::table::{ColumnData, Table};
use crate::words::distinct;
use netkv_sim::METRICS;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// How to summarise.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryOptions {
    /// The axis that the baseline is a value of.
    pub baseline_axis: String,
    /// The value, mostly a policy, that others are compared with at equal values of the other axes.
    pub baseline: String,
    /// Coverage of the intervals, in (0, 1).
    pub confidence_ratio: f64,
}

/// How many standard errors an interval reaches to either side, by the number of values: the quantile takes thousands
/// of times as long as the rest of an estimate, so it is taken once for each number that comes up.
struct Reach {
    confidence: f64,
    known: RefCell<BTreeMap<usize, f64>>,
}

impl Reach {
    fn new(confidence: f64) -> Self {
        Self { confidence, known: RefCell::default() }
    }

    /// That of so many values; fewer than two have no interval.
    fn of(&self, n: usize) -> f64 {
        *self.known.borrow_mut().entry(n).or_insert_with(|| two_sided_quantile(self.confidence, n))
    }
}

/// Columns of an estimate: what it is, or nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    mean: Option<f64>,
    sd: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

impl Shown {
    /// That of a sample, its mean and ends changed by `change`.
    fn of(sample: &[f64], reach: &Reach, change: impl Fn(f64) -> f64) -> Self {
        let Some(estimate) = Estimate::of(sample, reach.of(sample.len())) else { return Self::default() };
        let (low, high) = estimate.interval().unzip();
        Self { mean: Some(change(estimate.mean)), sd: estimate.sd, low: low.map(&change), high: high.map(&change) }
    }
}

/// A point of the grid: the cells that differ in their seed alone.
struct Point<'a> {
    axes: &'a [AxisValue],
    cells: Vec<&'a CellRow>,
}

impl Point<'_> {
    /// The metric's values by seed, ascending.
    fn values(&self, metric: usize) -> Vec<(u64, f64)> {
        let value = |row: &&CellRow| match &row.status {
            CellStatus::Done { metrics, .. } => metrics[metric].number().map(|value| (row.seed, value)),
            CellStatus::Failed { .. } => None,
        };
        let mut values: Vec<_> = self.cells.iter().filter_map(value).collect();
        values.sort_by_key(|&(seed, _)| seed);
        values
    }

    /// Where its requests came from: one trace for all seeds, or else each once.
    fn trace_origin(&self) -> String {
        distinct(self.cells.iter().map(|row| row.trace_origin.as_str())).join("; ")
    }

    fn n_failed(&self) -> usize {
        self.cells.iter().filter(|row| matches!(row.status, CellStatus::Failed { .. })).count()
    }
}

/// One row of the table.
struct Row {
    point: usize,
    metric: usize,
    n: usize,
    own: Shown,
    range: Option<(f64, f64)>,
    difference: Shown,
    ratio: Shown,
    variance_reduction: Option<f64>,
}

/// The summary of `rows`, by grid point in the order of the cells, then metric.
pub fn summary_table(axes: &[String], rows: &[CellRow], options: &SummaryOptions) -> Table {
    let points = points(rows);
    let sorted = by_axes(&points);
    let axis = axes.iter().position(|name| *name == options.baseline_axis);
    let baseline = |point| axis.and_then(|axis| baseline_of(point, &points, &sorted, axis, options));
    let baselines: Vec<Option<usize>> = points.iter().map(baseline).collect();
    let reach = Reach::new(options.confidence_ratio);
    let mut summary = Vec::new();
    for (point, &baseline) in baselines.iter().enumerate() {
        for metric in 0..METRICS.len() {
            summary.push(summarise(&points, point, baseline, metric, &reach));
        }
    }
    table(axes, &points, &baselines, &summary, options)
}

/// Groups the cells, in the order of their first cell.
fn points(rows: &[CellRow]) -> Vec<Point<'_>> {
    let mut sorted: Vec<&CellRow> = rows.iter().collect();
    sorted.sort_by_key(|row| row.cell);
    let mut points: Vec<Point<'_>> = Vec::new();
    for row in sorted {
        // Seeds are the innermost axis, so the cells of a point follow one another; a filter keeps that.
        match points.last_mut().filter(|point| point.axes == row.axes) {
            Some(point) => point.cells.push(row),
            None => points.push(Point { axes: &row.axes, cells: vec![row] }),
        }
    }
    points
}

/// The positions of the points, sorted by their axes.
fn by_axes(points: &[Point<'_>]) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..points.len()).collect();
    sorted.sort_by(|&one, &two| order(points[one].axes, points[two].axes));
    for pair in sorted.windows(2) {
        let apart = order(points[pair[0]].axes, points[pair[1]].axes).is_ne();
        assert!(apart, "cell {} is apart from its point", points[pair[1]].cells[0].cell);
    }
    sorted
}

fn order(one: &[AxisValue], two: &[AxisValue]) -> Ordering {
    let different = one.iter().zip(two).map(|(one, two)| one.order(two)).find(|order| order.is_ne());
    different.unwrap_or(one.len().cmp(&two.len()))
}

/// The point with the baseline and otherwise equal axes.
fn baseline_of(
    point: &Point<'_>,
    points: &[Point<'_>],
    sorted: &[usize],
    axis: usize,
    options: &SummaryOptions,
) -> Option<usize> {
    let mut wanted = point.axes.to_vec();
    wanted[axis] = AxisValue::Text(options.baseline.clone());
    let found = sorted.binary_search_by(|&at| order(points[at].axes, &wanted)).ok()?;
    Some(sorted[found])
}

fn summarise(points: &[Point<'_>], point: usize, baseline: Option<usize>, metric: usize, reach: &Reach) -> Row {
    let own = points[point].values(metric);
    let theirs = baseline.map(|baseline| points[baseline].values(metric)).unwrap_or_default();
    let pairs = pairs(&own, &theirs);
    let values: Vec<f64> = own.iter().map(|&(_, value)| value).collect();
    let differences: Vec<f64> = pairs.iter().map(|(own, theirs)| own - theirs).collect();
    let logs = log_ratios(&pairs).unwrap_or_default();
    let range = values.iter().copied().min_by(f64::total_cmp).zip(values.iter().copied().max_by(f64::total_cmp));
    let apart = pairs.len() > 1 && differences.iter().any(|&difference| difference != differences[0]);
    let variance_reduction = apart.then(|| {
        let (own, theirs): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        (variance(&own) + variance(&theirs)) / variance(&differences)
    });
    Row {
        point,
        metric,
        n: values.len(),
        own: Shown::of(&values, reach, |value| value),
        range,
        difference: Shown::of(&differences, reach, |value| value),
        ratio: Shown::of(&logs, reach, libm::exp),
        variance_reduction,
    }
}

/// The values of the seeds that both have; both are sorted by them.
fn pairs(own: &[(u64, f64)], theirs: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let mut rest = theirs.iter().peekable();
    let pair = |&(seed, value): &(u64, f64)| {
        while rest.next_if(|&&(other, _)| other < seed).is_some() {}
        rest.peek().filter(|&&&(other, _)| other == seed).map(|&&(_, other)| (value, other))
    };
    own.iter().filter_map(pair).collect()
}

fn table(
    axes: &[String],
    points: &[Point<'_>],
    baselines: &[Option<usize>],
    rows: &[Row],
    options: &SummaryOptions,
) -> Table {
    let mut table = Table::new();
    for (index, name) in axes.iter().enumerate() {
        let values: Vec<_> = rows.iter().map(|row| &points[row.point].axes[index]).collect();
        table.push(name.clone(), axis_column(&values));
    }
    let text = |value: &dyn Fn(&Row) -> Option<String>| ColumnData::Text(rows.iter().map(value).collect());
    let count =
        |value: &dyn Fn(&Row) -> usize| ColumnData::Integer(rows.iter().map(|row| Some(value(row) as i64)).collect());
    let float = |value: &dyn Fn(&Row) -> Option<f64>| ColumnData::Float(rows.iter().map(value).collect());
    let origins: Vec<String> = points.iter().map(Point::trace_origin).collect();
    let n_failed: Vec<usize> = points.iter().map(Point::n_failed).collect();
    table.push("trace_origin", text(&|row| Some(origins[row.point].clone())));
    table.push("metric", text(&|row| Some(METRICS[row.metric].name.to_owned())));
    table.push("unit", text(&|row| Some(METRICS[row.metric].unit.to_owned())));
    table.push("n", count(&|row| row.n));
    table.push("n_failed", count(&|row| n_failed[row.point]));
    table.push("mean", float(&|row| row.own.mean));
    table.push("sd", float(&|row| row.own.sd));
    table.push("ci_low", float(&|row| row.own.low));
    table.push("ci_high", float(&|row| row.own.high));
    table.push("min", float(&|row| row.range.map(|range| range.0)));
    table.push("max", float(&|row| row.range.map(|range| range.1)));
    table.push("baseline", text(&|row| baselines[row.point].map(|_| options.baseline.clone())));
    table.push("diff_mean", float(&|row| row.difference.mean));
    table.push("diff_ci_low", float(&|row| row.difference.low));
    table.push("diff_ci_high", float(&|row| row.difference.high));
    table.push("ratio_mean", float(&|row| row.ratio.mean));
    table.push("ratio_ci_low", float(&|row| row.ratio.low));
    table.push("ratio_ci_high", float(&|row| row.ratio.high));
    table.push("variance_reduction_factor", float(&|row| row.variance_reduction));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_sim::Value;

    const POLICY_AXIS: &str = "policy.name";

    fn to_a() -> SummaryOptions {
        SummaryOptions { baseline_axis: POLICY_AXIS.to_owned(), baseline: "a".to_owned(), confidence_ratio: 0.95 }
    }

    fn row(cell: u32, policy: &str, seed: u64, ttft: Option<u64>) -> CellRow {
        let metric = |name: &str| match (name, ttft) {
            ("ttft_mean_ns", Some(ttft)) => Value::Integer(ttft),
            _ => Value::Missing,
        };
        let status = match ttft {
            Some(_) => CellStatus::Done {
                digest: "d".to_owned(),
                metrics: METRICS.iter().map(|one| metric(one.name)).collect(),
            },
            None => CellStatus::Failed { message: "panic".to_owned() },
        };
        let (axes, trace_origin) = (vec![AxisValue::Text(policy.to_owned())], "made up".to_owned());
        CellRow { cell, key: format!("k{cell}"), seed, axes, trace_origin, status }
    }

    fn value(table: &Table, policy: &str, column: &str) -> Option<f64> {
        let (policies, metrics) = (table.words(POLICY_AXIS).unwrap(), table.words("metric").unwrap());
        let at = (0..table.n_rows()).find(|&at| policies[at] == policy && metrics[at] == "ttft_mean_ns").unwrap();
        table.numbers(column).unwrap()[at]
    }

    /// Worked by hand: A = 10, 20, 30 and B = 12, 24, 33, so B - A = 2, 4, 3 with mean 3 and sd 1; t(0.975, 2) = 4.3027.
    #[test]
    fn differences_are_taken_seed_by_seed() {
        let rows = [
            row(0, "a", 1, Some(10)),
            row(1, "a", 2, Some(20)),
            row(2, "a", 3, Some(30)),
            row(3, "b", 1, Some(12)),
            row(4, "b", 2, Some(24)),
            row(5, "b", 3, Some(33)),
        ];
        let table = summary_table(&[POLICY_AXIS.to_owned()], &rows, &to_a());
        assert_eq!(table.n_rows(), 2 * METRICS.len());
        assert_eq!(value(&table, "b", "mean"), Some(23.0));
        assert_eq!(value(&table, "b", "diff_mean"), Some(3.0));
        let half = 4.302_652_73 / 3.0_f64.sqrt();
        assert!((value(&table, "b", "diff_ci_high").unwrap() - 3.0 - half).abs() < 1e-7);
        let ratio = libm::cbrt(1.2 * 1.2 * 1.1);
        assert!((value(&table, "b", "ratio_mean").unwrap() - ratio).abs() < 1e-12);
        // Variances 100 and 111; of the difference 1.
        assert!((value(&table, "b", "variance_reduction_factor").unwrap() - 211.0).abs() < 1e-9);
        assert_eq!(value(&table, "a", "diff_mean"), Some(0.0));
        assert_eq!(value(&table, "a", "variance_reduction_factor"), None);
    }

    #[test]
    fn pairs_are_those_that_are_searched_for_one_by_one() {
        let seeds =
            |step: u64, skip: u64| (0..60).filter(move |seed| seed % step != skip).map(|seed| (seed, seed as f64));
        let mut n_pairs = 0;
        for (one, two) in [(2, 0), (3, 1), (5, 4), (61, 60)].into_iter().flat_map(|one| [(one, (7, 2)), ((4, 3), one)])
        {
            let (own, theirs): (Vec<_>, Vec<_>) = (seeds(one.0, one.1).collect(), seeds(two.0, two.1).collect());
            let search = |&(seed, value): &(u64, f64)| {
                let found = theirs.iter().find(|(other, _)| *other == seed)?;
                Some((value, found.1))
            };
            let slow: Vec<(f64, f64)> = own.iter().filter_map(search).collect();
            n_pairs += slow.len();
            assert_eq!(pairs(&own, &theirs), slow);
            assert!(pairs(&own, &[]).is_empty() && pairs(&[], &theirs).is_empty());
        }
        assert!(n_pairs > 100);
    }

    #[test]
    fn failed_cells_are_counted_and_left_out_of_pairs() {
        let rows = [row(0, "a", 1, Some(10)), row(1, "a", 2, None), row(2, "b", 1, Some(11)), row(3, "b", 2, Some(50))];
        let table = summary_table(&[POLICY_AXIS.to_owned()], &rows, &to_a());
        assert_eq!(value(&table, "a", "n_failed"), Some(1.0));
        assert_eq!((value(&table, "a", "mean"), value(&table, "a", "ci_low")), (Some(10.0), None));
        assert_eq!((value(&table, "b", "mean"), value(&table, "b", "diff_mean")), (Some(30.5), Some(1.0)));
    }
}
