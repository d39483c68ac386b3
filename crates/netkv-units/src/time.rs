//! Simulated time: unsigned integer nanoseconds, so that sums and comparisons are exact.
//!
//! A `u64` of nanoseconds spans 584 years. Overflow panics (the workspace keeps overflow checks on in
//! release builds): running past the end of time is a bug, never a result.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// Nanoseconds in a second.
const NANOS_PER_SEC: f64 = 1e9;

/// An instant of simulated time, in nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(u64);

/// A length of simulated time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimDuration(u64);

impl SimTime {
    /// The start of a run.
    pub const ZERO: Self = Self(0);
    /// An instant that no event ever reaches: the finish time of a flow that has no bandwidth.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `secs` seconds after the start, rounded to the nearest nanosecond.
    ///
    /// # Panics
    /// If `secs` is negative, not finite, or beyond the range of time.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self(nanos_from_secs(secs))
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start, for reports.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC
    }

    /// Time that passed since `earlier`.
    ///
    /// # Panics
    /// If `earlier` is later: time never runs back.
    #[inline]
    pub fn since(self, earlier: Self) -> SimDuration {
        assert!(earlier.0 <= self.0, "time ran back: {earlier:?} is after {self:?}");
        SimDuration(self.0 - earlier.0)
    }
}

impl SimDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A length of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A length of `secs` seconds, rounded to the nearest nanosecond.
    ///
    /// # Panics
    /// If `secs` is negative, not finite, or beyond the range of time.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self(nanos_from_secs(secs))
    }

    /// Nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds, for reports and cost formulas.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC
    }
}

fn nanos_from_secs(secs: f64) -> u64 {
    let nanos = secs * NANOS_PER_SEC;
    assert!((0.0..1.8e19).contains(&nanos), "{secs} s is not a simulated time");
    (nanos + 0.5) as u64
}

impl Add<SimDuration> for SimTime {
    type Output = Self;
    fn add(self, duration: SimDuration) -> Self {
        Self(self.0 + duration.0)
    }
}

impl Add for SimDuration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for SimDuration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl AddAssign for SimDuration {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.9} s", self.as_secs_f64())
    }
}

impl fmt::Display for SimDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.9} s", self.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_to_the_nearest_nanosecond() {
        assert_eq!(SimTime::from_secs_f64(1.000_000_000_4).as_nanos(), 1_000_000_000);
        assert_eq!(SimTime::from_secs_f64(1.000_000_000_6).as_nanos(), 1_000_000_001);
    }

    #[test]
    #[should_panic(expected = "time ran back")]
    fn a_duration_cannot_be_negative() {
        let _ = SimTime::from_nanos(1).since(SimTime::from_nanos(2));
    }

    #[test]
    #[should_panic(expected = "not a simulated time")]
    fn negative_seconds_are_refused() {
        let _ = SimDuration::from_secs_f64(-1.0);
    }
}
