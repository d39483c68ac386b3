//! Moments, percentiles and rank correlation of samples.

use serde::Serialize;

/// A sample in numbers. Percentiles interpolate linearly between ranks; the standard deviation divides by n.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub struct Distribution {
    pub n: usize,
    pub mean: f64,
    pub sd: f64,
    pub min: f64,
    pub p1: f64,
    pub p5: f64,
    pub p10: f64,
    pub p25: f64,
    pub p50: f64,
    pub p75: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

impl Distribution {
    /// The distribution of a sample, unless it is empty.
    pub(crate) fn of(mut sample: Vec<f64>) -> Option<Self> {
        // Sorted first: the sum is then the same for every order in which the sample came.
        sample.sort_unstable_by(f64::total_cmp);
        let (&min, &max) = (sample.first()?, sample.last()?);
        let (mean, sd) = mean_and_sd(&sample)?;
        let percentile = |percent| percentile_of_sorted(&sample, percent);
        Some(Self {
            n: sample.len(),
            mean,
            sd,
            min,
            p1: percentile(1.0),
            p5: percentile(5.0),
            p10: percentile(10.0),
            p25: percentile(25.0),
            p50: percentile(50.0),
            p75: percentile(75.0),
            p90: percentile(90.0),
            p95: percentile(95.0),
            p99: percentile(99.0),
            p99_9: percentile(99.9),
            max,
        })
    }
}

/// Mean and standard deviation, unless the sample is empty.
pub(super) fn mean_and_sd(sample: &[f64]) -> Option<(f64, f64)> {
    if sample.is_empty() {
        return None;
    }
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let variance = sample.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n;
    Some((mean, variance.sqrt()))
}

/// Standard deviation over mean, if the mean is not zero.
pub(super) fn coefficient_of_variation(sample: &[f64]) -> Option<f64> {
    let (mean, sd) = mean_and_sd(sample)?;
    (mean > 0.0).then(|| sd / mean)
}

/// A percentile of a sorted sample that is not empty.
pub(super) fn percentile_of_sorted(sorted: &[f64], percent: f64) -> f64 {
    let position = percent / 100.0 * (sorted.len() - 1) as f64;
    let low = position.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64)
}

/// Rank correlation, ties given their mean rank; nothing if a side does not vary.
pub(super) fn spearman(left: &[f64], right: &[f64]) -> Option<f64> {
    assert_eq!(left.len(), right.len(), "a correlation is over pairs");
    let (left, right) = (ranks(left), ranks(right));
    let (left_mean, left_sd) = mean_and_sd(&left)?;
    let (right_mean, right_sd) = mean_and_sd(&right)?;
    let products = left.iter().zip(&right).map(|(left, right)| (left - left_mean) * (right - right_mean));
    let covariance = products.sum::<f64>() / left.len() as f64;
    (left_sd > 0.0 && right_sd > 0.0).then(|| covariance / (left_sd * right_sd))
}

fn ranks(sample: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..sample.len()).collect();
    order.sort_unstable_by(|&one, &other| sample[one].total_cmp(&sample[other]).then(one.cmp(&other)));
    let mut ranks = vec![0.0; sample.len()];
    let mut rank = 0;
    for ties in order.chunk_by(|&one, &other| sample[one] == sample[other]) {
        let mean_rank = rank as f64 + (ties.len() - 1) as f64 / 2.0;
        for &idx in ties {
            ranks[idx] = mean_rank;
        }
        rank += ties.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate_between_ranks() {
        let found = Distribution::of(vec![4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((found.min, found.p25, found.p50, found.max), (1.0, 1.75, 2.5, 4.0));
        assert_eq!((found.mean, found.sd), (2.5, 1.25_f64.sqrt()));
        assert_eq!(Distribution::of(vec![]), None);
    }

    #[test]
    fn rank_correlation_sees_order_alone() {
        assert_eq!(spearman(&[1.0, 2.0, 9.0], &[1.0, 5.0, 6.0]), Some(1.0));
        assert_eq!(spearman(&[1.0, 2.0, 9.0], &[3.0, 3.0, 3.0]), None);
        // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: covariance 4.5 / 4, deviations sqrt(4.5 / 4) and sqrt(5 / 4).
        let tied = spearman(&[1.0, 2.0, 2.0, 4.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((tied - 0.9_f64.sqrt()).abs() < 1e-12, "{tied}");
    }
}
