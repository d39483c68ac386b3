//! How TTFT drifts over the requests that count, and when that is an alarm.
//!
//! If the first share *f* of them found an idle cluster and waited for nothing, TTFT weighed by lateness over TTFT weighed by
//! earliness is (1 + f) / (1 - f), and the mean is too low by *f*. So a drift beyond that of *f* = 2 %, the margin that makes a
//! difference, is an alarm, once its whole interval over seeds is beyond. It is no proof: a load that changes over the trace
//! drifts as well, and a longer warm-up does not help there. MSER-5 and its like need every request of a run; this needs a
//! column that all tables have.

use crate::effect::INDIFFERENCE;
use netkv_frames::{Estimate, two_sided_quantile};

/// A drift of TTFT over seeds, as the interval of its mean logarithm says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Drift {
    /// The ends of its interval; none of a single seed.
    pub interval: Option<(f64, f64)>,
}

impl Drift {
    pub(crate) fn of(drifts: &[f64], confidence: f64) -> Self {
        let logs: Vec<f64> = drifts.iter().filter(|&&drift| drift > 0.0).map(|&drift| libm::log(drift)).collect();
        let estimate = Estimate::of(&logs, two_sided_quantile(confidence, logs.len()));
        let interval = estimate.and_then(|estimate| estimate.interval());
        Self { interval: interval.map(|(low, high)| (libm::exp(low), libm::exp(high))) }
    }

    /// Whether TTFT stays about the same over the run; none if that cannot be told.
    pub fn is_steady(&self) -> Option<bool> {
        let most = (1.0 + INDIFFERENCE) / (1.0 - INDIFFERENCE);
        let (low, high) = self.interval?;
        if low > most || high < 1.0 / most {
            return Some(false);
        }
        (low >= 1.0 / most && high <= most).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_lowers_the_mean_by_more_than_the_margin_is_an_alarm() {
        // So many of the first requests of a thousand wait for nothing, the others equally long.
        let drift = |idle: usize| {
            let ttft: Vec<f64> = (0..1000).map(|at| if at < idle { 0.0 } else { 1.0 }).collect();
            let late: f64 = ttft.iter().enumerate().map(|(at, ttft)| at as f64 * ttft).sum();
            let early: f64 = ttft.iter().enumerate().map(|(at, ttft)| (999 - at) as f64 * ttft).sum();
            late / early
        };
        let seeds = |idle: [usize; 3]| Drift::of(&idle.map(drift), 0.95).is_steady();
        assert!((drift(50) - 1.05 / 0.95).abs() < 1e-3, "(1 + f) / (1 - f)");
        assert_eq!(seeds([50, 51, 52]), Some(false));
        assert_eq!(seeds([10, 11, 9]), Some(true));
        assert_eq!(seeds([5, 20, 60]), None, "the interval holds the margin");
        assert_eq!(Drift::of(&[1.5], 0.95).is_steady(), None, "a single seed tells nothing");
        assert_eq!(Drift::of(&[0.8, 0.81, 0.8], 0.95).is_steady(), Some(false), "caches that warm up lower TTFT");
    }
}
