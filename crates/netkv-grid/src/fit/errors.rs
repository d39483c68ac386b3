//! How far a fit is from the measurements.

/// How far a fit is from measurements, in percent of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// Mean of the absolute errors.
    pub mape_percent: f64,
    /// Largest absolute error.
    pub worst_percent: f64,
}

/// Errors of the fit of one phase.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FitErrors {
    /// Measurements.
    pub n_points: u32,
    /// On the measurements that were fitted.
    pub in_sample: Errors,
    /// On each measurement when all others are fitted.
    pub left_out: Errors,
    /// On all measurements of one batch size (prefill: of as many tokens computed) when all others are fitted.
    pub level_out: Errors,
}

impl Errors {
    /// Of relative errors.
    pub(crate) fn of(errors: impl Iterator<Item = f64>) -> Self {
        let (mut n, mut sum, mut worst) = (0_u32, 0.0, 0.0_f64);
        for error in errors.map(f64::abs) {
            n += 1;
            sum += error;
            worst = worst.max(error);
        }
        Self { mape_percent: 100.0 * sum / f64::from(n.max(1)), worst_percent: 100.0 * worst }
    }
}
