//! A mean over seeds with its interval: the one way in which the project says how sure it is of a number.

use crate::student::student_t_quantile;

/// A mean with its deviation and the reach of its Student t interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Sample standard deviation, with n - 1; none for a single value.
    pub sd: Option<f64>,
    /// Half the width of the interval; none for a single value.
    pub half: Option<f64>,
}

impl Estimate {
    /// Of a sample, in its order; none if it is empty. `quantile` is that of [`two_sided_quantile`] for so many values.
    pub fn of(sample: &[f64], quantile: f64) -> Option<Self> {
        let n = sample.len() as f64;
        let mean = (!sample.is_empty()).then(|| sample.iter().sum::<f64>() / n)?;
        let sd = (sample.len() > 1).then(|| variance(sample).sqrt());
        Some(Self { mean, sd, half: sd.map(|sd| quantile * sd / n.sqrt()) })
    }

    /// Half the width of the interval over the mean, without sign: 0 if there is no width, infinite for a mean of 0.
    pub fn rel_half_width(&self) -> Option<f64> {
        self.half.map(|half| if half == 0.0 { 0.0 } else { half / self.mean.abs() })
    }

    /// The ends of the interval.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.half.map(|half| (self.mean - half, self.mean + half))
    }
}

/// Sample variance, with n - 1.
pub(crate) fn variance(sample: &[f64]) -> f64 {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    sample.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0)
}

/// How many standard errors an interval of this coverage over `n` values reaches to either side; fewer than two have none, which
/// is not a number.
pub fn two_sided_quantile(confidence_ratio: f64, n: usize) -> f64 {
    if n < 2 { f64::NAN } else { student_t_quantile(0.5 + confidence_ratio / 2.0, (n - 1) as f64) }
}

/// Logarithms of ratios, whose mean and interval are those of the ratio once they are raised again; none if there is no pair, or
/// a number that is not above zero.
pub fn log_ratios(pairs: &[(f64, f64)]) -> Option<Vec<f64>> {
    let is_positive = !pairs.is_empty() && pairs.iter().all(|&(one, other)| one > 0.0 && other > 0.0);
    is_positive.then(|| pairs.iter().map(|&(one, other)| libm::log(one / other)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand: 2, 4, 3 have mean 3 and deviation 1; t(0.975, 2) = 4.3027.
    #[test]
    fn an_interval_is_that_of_student() {
        let three = Estimate::of(&[2.0, 4.0, 3.0], two_sided_quantile(0.95, 3)).unwrap();
        assert_eq!((three.mean, three.sd), (3.0, Some(1.0)));
        assert!((three.half.unwrap() - 4.302_652_73 / 3.0_f64.sqrt()).abs() < 1e-7);
        let one = Estimate::of(&[2.0], two_sided_quantile(0.95, 1)).unwrap();
        assert_eq!((one.mean, one.sd, one.interval()), (2.0, None, None));
        assert_eq!(Estimate::of(&[], 1.0), None);
        assert_eq!(log_ratios(&[(1.0, 0.0)]), None);
        assert_eq!(log_ratios(&[(2.0, 2.0)]), Some(vec![0.0]));
    }
}
