//! What vLLM counts of its transfers, fitted to the time that one takes:
//!
//! time = set-up + cost of a descriptor x descriptors + bytes / rate.
//!
//! The histograms `vllm:nixl_xfer_time_seconds`, `vllm:nixl_bytes_transferred` and `vllm:nixl_num_descriptors` give, for each
//! worker and each stretch of time between two samples, the means of all three over its transfers. The three coefficients
//! are those of least squares over these means, each weighted by its transfers, none below zero. Leaves out what depends on
//! the way and on who else sends: a rate that contention lowered is what comes out.

use super::series::Series;
use crate::fault::Fault;
use std::collections::BTreeMap;

/// What the names of the histograms end with.
const TIME: &str = "nixl_xfer_time_seconds";
const BYTES: &str = "nixl_bytes_transferred";
const DESCRIPTORS: &str = "nixl_num_descriptors";

/// Least share of a column that those before it do not explain: below it they cannot be told apart. Chosen by us.
const LEAST_OWN: f64 = 1e-4;

/// What transfers cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FittedTransfers {
    /// Before the first byte, in seconds.
    pub setup_s: f64,
    /// For each descriptor, in seconds.
    pub per_descriptor_s: f64,
    /// Bytes per second of a worker.
    pub bytes_per_s: f64,
    /// Mean bytes of a descriptor.
    pub descriptor_bytes: f64,
    /// Transfers.
    pub n_transfers: f64,
    /// Means over them that were fitted.
    pub n_means: usize,
    /// Means that were left out: a counter began anew.
    pub n_resets: usize,
    /// Root mean square of what the fit misses, as a share of the mean time.
    pub missed_ratio: f64,
}

/// A mean over the transfers of a worker between two samples.
#[derive(Clone, Copy, Debug)]
struct Mean {
    n: f64,
    time_s: f64,
    bytes: f64,
    descriptors: f64,
}

/// Fits the transfers. With `bytes_per_s` the rate is given, and only set-up and descriptors are fitted.
///
/// # Errors
/// No transfers, too few means, or means in which bytes and descriptors go together.
pub fn fit_transfers(series: &[Series], bytes_per_s: Option<f64>) -> Result<FittedTransfers, Fault> {
    let (means, n_resets) = means(series)?;
    let n_unknown = if bytes_per_s.is_some() { 2 } else { 3 };
    if means.len() < n_unknown {
        return Err(Fault::whole(format!(
            "{} means of transfers (workers x stretches between samples), but {n_unknown} coefficients: give a range query, or \
             dumps of several times",
            means.len()
        )));
    }
    let total = |of: fn(&Mean) -> f64| means.iter().map(|mean| mean.n * of(mean)).sum::<f64>();
    let n_transfers = total(|_| 1.0);
    let scales = [1.0, total(|mean| mean.descriptors) / n_transfers, total(|mean| mean.bytes) / n_transfers];
    if scales.iter().any(|scale| *scale <= 0.0) {
        return Err(Fault::whole("transfers without bytes or descriptors: nothing can be fitted"));
    }
    let columns = |mean: &Mean| [1.0, mean.descriptors / scales[1], mean.bytes / scales[2]];
    let known = |mean: &Mean| bytes_per_s.map_or(0.0, |rate| mean.bytes / rate);
    let rows: Vec<([f64; 3], f64, f64)> =
        means.iter().map(|mean| (columns(mean), mean.time_s - known(mean), mean.n)).collect();
    let used: Vec<usize> = (0..n_unknown).collect();
    if let Some(column) = used.iter().find(|column| own_share(&rows, **column) < LEAST_OWN) {
        return Err(Fault::whole(match (column, bytes_per_s) {
            (_, Some(_)) => "all transfers have as many descriptors: set-up and descriptors cannot be told apart; measure \
                             prompts of several lengths"
                .to_owned(),
            (_, None) => "bytes and descriptors go together in all transfers (blocks of one size), or all transfers are alike: \
                          their costs cannot be told apart; --rate-gbytes-per-s says what a worker moves, or measure with \
                          another block size as well"
                .to_owned(),
        }));
    }
    let solution = least_squares(&rows, &used);
    let rate = bytes_per_s.unwrap_or(scales[2] / solution[2]);
    if !rate.is_finite() || rate <= 0.0 {
        let message =
            "time does not grow with bytes: no rate can be fitted; --rate-gbytes-per-s says what a worker moves";
        return Err(Fault::whole(message));
    }
    let missed = |(columns, time, n): &([f64; 3], f64, f64)| {
        let miss = time - columns.iter().zip(&solution).map(|(column, value)| column * value).sum::<f64>();
        n * miss * miss
    };
    let square = rows.iter().map(missed).sum::<f64>() / n_transfers;
    Ok(FittedTransfers {
        setup_s: solution[0],
        per_descriptor_s: solution[1] / scales[1],
        bytes_per_s: rate,
        descriptor_bytes: scales[2] / scales[1],
        n_transfers,
        n_means: means.len(),
        n_resets,
        missed_ratio: square.sqrt() / (total(|mean| mean.time_s) / n_transfers),
    })
}

/// The series of a worker, by histogram, and whether it is the count or the sum.
type Parts<'a> = BTreeMap<(&'static str, bool), &'a Series>;

/// The means of all workers and stretches, and how many were left out. A worker with one sample has one stretch, from its
/// start.
fn means(series: &[Series]) -> Result<(Vec<Mean>, usize), Fault> {
    let mut workers: BTreeMap<Vec<(&str, &str)>, Parts<'_>> = BTreeMap::new();
    for one in series {
        let part = [("_sum", false), ("_count", true)].into_iter().find_map(|(end, is_count)| {
            let stem = one.name.strip_suffix(end)?;
            [TIME, BYTES, DESCRIPTORS].into_iter().find(|name| stem.ends_with(name)).map(|name| (name, is_count))
        });
        let Some(part) = part else { continue };
        let labels = one.labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect();
        workers.entry(labels).or_default().insert(part, one);
    }
    let parts = [(TIME, true), (TIME, false), (BYTES, false), (DESCRIPTORS, false)];
    let (mut means, mut n_resets, mut n_whole) = (Vec::new(), 0, 0);
    for worker in workers.values() {
        let whole: Option<Vec<&Series>> = parts.iter().map(|part| worker.get(part).copied()).collect();
        let Some(whole) = whole else { continue };
        n_whole += 1;
        let at = |time: f64| -> Option<[f64; 4]> {
            let value = |series: &&Series| {
                series.points.iter().find(|point| point.0.total_cmp(&time).is_eq()).map(|point| point.1)
            };
            let all: Option<Vec<f64>> = whole.iter().map(value).collect();
            all?.try_into().ok()
        };
        let samples: Vec<[f64; 4]> = whole[0].points.iter().filter_map(|(time, _)| at(*time)).collect();
        let stretches: Vec<[f64; 4]> = match samples[..] {
            [only] => vec![only],
            _ => samples.windows(2).map(|pair| std::array::from_fn(|part| pair[1][part] - pair[0][part])).collect(),
        };
        for [n, time_s, bytes, descriptors] in stretches {
            if [n, time_s, bytes, descriptors].iter().any(|change| !change.is_finite() || *change < 0.0) {
                n_resets += 1;
            } else if n > 0.0 {
                means.push(Mean { n, time_s: time_s / n, bytes: bytes / n, descriptors: descriptors / n });
            }
        }
    }
    if n_whole == 0 {
        return Err(Fault::whole(format!(
            "no worker has all of {TIME}_sum and _count, {BYTES}_sum, {DESCRIPTORS}_sum: ask for {{__name__=~\"vllm:nixl_.*\"}}"
        )));
    }
    Ok((means, n_resets))
}

type Row = ([f64; 3], f64, f64);

/// The share of a column that those before it do not explain.
fn own_share(rows: &[Row], column: usize) -> f64 {
    let others: Vec<usize> = (0..column).collect();
    let as_target: Vec<Row> = rows.iter().map(|(columns, _, n)| (*columns, columns[column], *n)).collect();
    let explained = solve(&as_target, &others).unwrap_or([0.0; 3]);
    let (mut left, mut all) = (0.0, 0.0);
    for (columns, target, n) in &as_target {
        let miss = target - others.iter().map(|other| columns[*other] * explained[*other]).sum::<f64>();
        left += n * miss * miss;
        all += n * target * target;
    }
    (left / all).sqrt()
}

/// Least squares with no coefficient below zero: of all sets of columns, the one that misses least.
fn least_squares(rows: &[Row], used: &[usize]) -> [f64; 3] {
    let mut best = (f64::INFINITY, [0.0; 3]);
    for set in 1..1_usize << used.len() {
        let columns: Vec<usize> = used.iter().copied().filter(|column| set >> column & 1 == 1).collect();
        let Some(solution) = solve(rows, &columns).filter(|solution| solution.iter().all(|value| *value >= 0.0)) else {
            continue;
        };
        let missed: f64 = rows
            .iter()
            .map(|(columns, target, n)| {
                let miss = target - columns.iter().zip(&solution).map(|(column, value)| column * value).sum::<f64>();
                n * miss * miss
            })
            .sum();
        if missed < best.0 {
            best = (missed, solution);
        }
    }
    best.1
}

/// Weighted least squares over some columns, the others zero, by elimination in the normal equations; none if they are
/// singular.
fn solve(rows: &[Row], used: &[usize]) -> Option<[f64; 3]> {
    let n = used.len();
    let mut matrix = vec![vec![0.0; n + 1]; n];
    for (columns, target, weight) in rows {
        for (i, own) in used.iter().enumerate() {
            for (j, other) in used.iter().enumerate() {
                matrix[i][j] += weight * columns[*own] * columns[*other];
            }
            matrix[i][n] += weight * columns[*own] * target;
        }
    }
    for at in 0..n {
        let pivot = (at..n).max_by(|one, other| matrix[*one][at].abs().total_cmp(&matrix[*other][at].abs()))?;
        matrix.swap(at, pivot);
        if matrix[at][at].abs() <= f64::MIN_POSITIVE {
            return None;
        }
        let own = matrix[at].clone();
        for (_, row) in matrix.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            let factor = row[at] / own[at];
            row.iter_mut().zip(&own).for_each(|(cell, above)| *cell -= factor * above);
        }
    }
    let mut solution = [0.0; 3];
    used.iter().enumerate().for_each(|(at, column)| solution[*column] = matrix[at][n] / matrix[at][at]);
    Some(solution)
}
