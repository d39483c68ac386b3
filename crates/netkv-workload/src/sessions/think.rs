//! Times between an answer and what follows it: a person who reads and writes, or a tool that runs.

use netkv_units::{SimDuration, Stream};

/// Where think times come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Think {
    /// The time from one turn to the next in the trace. It holds the answer that was given then; where a session has
    /// nothing before it, that of some turn of the trace.
    Recorded,
    /// Always the same, in seconds.
    Fixed(f64),
    /// Exponential with this mean, in seconds.
    Exponential(f64),
    /// Lognormal: mean in seconds, and standard deviation over mean.
    Lognormal {
        /// In seconds.
        mean_s: f64,
        /// Standard deviation over mean.
        variation: f64,
    },
}

/// Draws think times, two numbers for each whatever the distribution, so that runs with others see the same draws.
pub(super) struct Thinker<'a> {
    think: Think,
    /// Times from turn to turn in the trace.
    recorded: &'a [SimDuration],
    stream: Stream,
}

impl<'a> Thinker<'a> {
    pub(super) fn new(think: Think, recorded: &'a [SimDuration], seed: u64) -> Self {
        assert!(think != Think::Recorded || !recorded.is_empty(), "the trace tells no time between turns");
        Self { think, recorded, stream: Stream::new(seed, "think times") }
    }

    /// The next one; `own` is what the trace tells of it.
    pub(super) fn draw(&mut self, own: Option<SimDuration>) -> SimDuration {
        let (one, other) = (self.stream.unit(), self.stream.unit());
        let seconds = match self.think {
            Think::Recorded => {
                let some = || self.recorded[(one * self.recorded.len() as f64) as usize];
                return own.unwrap_or_else(some);
            }
            Think::Fixed(mean_s) => mean_s,
            Think::Exponential(mean_s) => -mean_s * libm::log(1.0 - one),
            Think::Lognormal { mean_s, variation } => {
                let variance = libm::log(1.0 + variation * variation);
                // Box and Muller's normal variate.
                let normal = (-2.0 * libm::log(1.0 - one)).sqrt() * libm::cos(std::f64::consts::TAU * other);
                mean_s * libm::exp(variance.sqrt() * normal - variance / 2.0)
            }
        };
        SimDuration::from_secs_f64(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and standard deviation over mean, in seconds.
    fn drawn(think: Think) -> (f64, f64) {
        let mut thinker = Thinker::new(think, &[], 1);
        let n = 200_000;
        let drawn: Vec<f64> = (0..n).map(|_| thinker.draw(None).as_secs_f64()).collect();
        let mean = drawn.iter().sum::<f64>() / f64::from(n);
        let squares: f64 = drawn.iter().map(|one| (one - mean) * (one - mean)).sum();
        (mean, (squares / f64::from(n)).sqrt() / mean)
    }

    #[test]
    fn think_times_have_the_mean_and_the_variation_asked_for() {
        for (think, variation) in [
            (Think::Fixed(20.0), 0.0),
            (Think::Exponential(20.0), 1.0),
            (Think::Lognormal { mean_s: 20.0, variation: 0.5 }, 0.5),
            (Think::Lognormal { mean_s: 20.0, variation: 1.5 }, 1.5),
        ] {
            let found = drawn(think);
            assert!((found.0 / 20.0 - 1.0).abs() < 0.01, "{think:?}: {found:?}");
            assert!((found.1 - variation).abs() < 0.03 * (1.0 + variation), "{think:?}: {found:?}");
        }
    }

    #[test]
    fn recorded_times_are_those_of_the_trace_and_else_some_of_them() {
        let recorded: Vec<SimDuration> = (1..=4).map(SimDuration::from_nanos).collect();
        let mut thinker = Thinker::new(Think::Recorded, &recorded, 1);
        let own = SimDuration::from_nanos(77);
        assert_eq!(thinker.draw(Some(own)), own);
        let some: Vec<_> = (0..100).map(|_| thinker.draw(None)).collect();
        assert!(recorded.iter().all(|one| some.contains(one)) && some.iter().all(|one| recorded.contains(one)));
    }
}
