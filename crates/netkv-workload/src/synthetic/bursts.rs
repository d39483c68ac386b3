//! Bursts: arrivals of a Markov-modulated Poisson process of two states, calm and burst.
//!
//! Fischer and Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", Performance Evaluation 18 (1993).
//! Time is stretched in calm and compressed in bursts, for all requests alike. So their order, their prompts and what any
//! cache hits stay, and think times shrink and grow with the rate. The clock is scaled so that the trace ends when it did:
//! the rate stays too.

use super::emit::Event;
use super::knob_error::KnobError;
use super::random::{BURSTS_STREAM, SplitMix64};

/// How often bursts at least come in a trace, on average. Chosen by us: with fewer, a trace is one draw of luck.
const MIN_BURSTS: f64 = 5.0;

/// Times of more requests: exponentially distributed, as are the times between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// The rate in bursts over the rate outside, 1 to 100; 1 is none.
    pub ratio: f64,
    /// The share of time in bursts, 0.001 to 0.9.
    pub time_share: f64,
    /// Mean length of a burst, in seconds: at least the tick of the trace (a ms, if it has none), and so short that the
    /// trace has five bursts on average.
    pub mean_s: f64,
}

impl Bursts {
    /// The variance over the mean of the requests in windows of `window_s`, if a Poisson process of `rate_rps` is
    /// modulated: 1 without bursts.
    pub fn dispersion(&self, rate_rps: f64, window_s: f64) -> f64 {
        let [calm, burst] = self.intensities().map(|intensity| intensity * rate_rps);
        let [to_burst, to_calm] = [self.time_share / (1.0 - self.time_share) / self.mean_s, 1.0 / self.mean_s];
        let sum = to_burst + to_calm;
        let difference = burst - calm;
        let limit =
            2.0 * difference * difference * to_burst * to_calm / (sum * sum * (calm * to_calm + burst * to_burst));
        1.0 + limit * (1.0 - (1.0 - libm::exp(-sum * window_s)) / (sum * window_s))
    }

    /// Rate in calm and in a burst over the mean rate.
    fn intensities(&self) -> [f64; 2] {
        let calm = 1.0 / (1.0 + (self.ratio - 1.0) * self.time_share);
        [calm, calm * self.ratio]
    }

    pub(super) fn check(&self, duration_s: f64, tick_s: f64) -> Result<(), KnobError> {
        KnobError::unless_in("burst-ratio", self.ratio, &(1.0..=100.0), "a ratio of rates")?;
        KnobError::unless_in("burst-share", self.time_share, &(0.001..=0.9), "a share of time")?;
        let longest_s = (duration_s * self.time_share / MIN_BURSTS * 100.0).floor() / 100.0;
        let why =
            "seconds, no shorter than the trace's stamps and so short that it has five bursts with this burst-share,";
        KnobError::unless_in("burst-s", self.mean_s, &(tick_s.max(0.001)..=longest_s), why)
    }

    /// Moves the events that are not warm-up, all of which lie within `duration_s`.
    pub(super) fn warp(&self, events: &mut [Event], duration_s: f64, seed: u64) {
        if self.ratio <= 1.0 {
            return;
        }
        let knots = self.knots(duration_s, seed);
        let scale = knots[knots.len() - 1].1 / duration_s;
        for event in events.iter_mut().filter(|event| event.at_s >= 0.0) {
            let mass = event.at_s * scale;
            let after = knots.partition_point(|&(_, reached)| reached <= mass).clamp(1, knots.len() - 1);
            let ((from_s, from), (to_s, to)) = (knots[after - 1], knots[after]);
            event.at_s = from_s + (to_s - from_s) * ((mass - from) / (to - from)).min(1.0);
        }
    }

    /// Where the state changes, with the integral of the intensity up to there; from 0 to `duration_s`.
    fn knots(&self, duration_s: f64, seed: u64) -> Vec<(f64, f64)> {
        let mut random = SplitMix64::stream(seed, BURSTS_STREAM);
        let intensities = self.intensities();
        let means_s = [self.mean_s * (1.0 - self.time_share) / self.time_share, self.mean_s];
        let mut state = usize::from(random.unit() < self.time_share);
        let mut knots = vec![(0.0, 0.0)];
        let (mut at_s, mut mass) = (0.0, 0.0);
        while at_s < duration_s {
            let stay_s = -means_s[state] * libm::log(1.0 - random.unit());
            let until_s = (at_s + stay_s).min(duration_s);
            mass += intensities[state] * (until_s - at_s);
            // A stay of no time has no slope.
            if until_s > at_s {
                knots.push((until_s, mass));
            }
            at_s = until_s;
            state = 1 - state;
        }
        knots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dispersion_is_that_of_the_cookbook() {
        // Rates 1/2 and 3/2 of the mean, half of the time each, states of 1 s: the limit is 2 d^2 / (4 s^2 m / s).
        let bursts = Bursts { ratio: 3.0, time_share: 0.5, mean_s: 1.0 };
        assert!((bursts.dispersion(8.0, 1e9) - 3.0).abs() < 1e-6);
        assert!((bursts.dispersion(8.0, 1e-6) - 1.0).abs() < 1e-4);
        // Two seconds: 1 + 2 (1 - (1 - e^-4) / 4).
        assert!((bursts.dispersion(8.0, 2.0) - 2.509_157_819).abs() < 1e-8);
        let none = Bursts { ratio: 1.0, ..bursts };
        assert!((none.dispersion(8.0, 60.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn states_last_as_long_as_they_are_told_to() {
        let bursts = Bursts { ratio: 5.0, time_share: 0.2, mean_s: 2.0 };
        let knots = bursts.knots(200_000.0, 3);
        let [calm, burst] = bursts.intensities();
        let (mut n, mut sum_s) = (0.0, 0.0);
        for pair in knots.windows(2) {
            let (length_s, mass) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            let is_burst = (mass / length_s - burst).abs() < 1e-3 * burst;
            assert!(is_burst || (mass / length_s - calm).abs() < 1e-3 * burst);
            if is_burst {
                (n, sum_s) = (n + 1.0, sum_s + length_s);
            }
        }
        assert!((sum_s / n - 2.0_f64).abs() < 0.04, "bursts of {} s", sum_s / n);
        assert!((sum_s / 200_000.0 - 0.2_f64).abs() < 0.004, "{} of the time", sum_s / 200_000.0);
    }
}
