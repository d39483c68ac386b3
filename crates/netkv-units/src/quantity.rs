//! Sizes and rates. Bytes and bytes per second are integers; work in flight is counted in nanobytes,
//! because bytes per second times nanoseconds is exactly nanobytes, with no rounding anywhere.

use crate::time::SimDuration;
use std::ops::{Add, AddAssign, Sub, SubAssign};

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(u64);

/// A rate in bytes per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BytesPerSec(u64);

/// A size in nanobytes (1e-9 byte): the exact product of a rate and a duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanobytes(u128);

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// A size of `bytes` bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The same size in nanobytes.
    pub const fn to_nanobytes(self) -> Nanobytes {
        Nanobytes(self.0 as u128 * 1_000_000_000)
    }
}

impl BytesPerSec {
    /// No bandwidth.
    pub const ZERO: Self = Self(0);

    /// A rate of `bytes_per_sec` bytes per second.
    pub const fn new(bytes_per_sec: u64) -> Self {
        Self(bytes_per_sec)
    }

    /// The number of bytes per second.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// What is moved at this rate in `duration`, exactly.
    pub const fn over(self, duration: SimDuration) -> Nanobytes {
        Nanobytes(self.0 as u128 * duration.as_nanos() as u128)
    }
}

impl Nanobytes {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A size of `nanobytes` nanobytes.
    pub const fn new(nanobytes: u128) -> Self {
        Self(nanobytes)
    }

    /// The number of nanobytes.
    pub const fn get(self) -> u128 {
        self.0
    }

    /// The time in which `rate` moves this much, to the nearest nanosecond (a half is rounded up), or `None` if it
    /// never does: nothing moves at rate zero, or the time is beyond the range of a duration.
    pub fn time_at(self, rate: BytesPerSec) -> Option<SimDuration> {
        if self.0 == 0 {
            return Some(SimDuration::ZERO);
        }
        if rate.0 == 0 {
            return None;
        }
        // Most sizes fit 64 bits, where a division is several times cheaper.
        let nanos = match u64::try_from(self.0) {
            Ok(work) => work / rate.0 + u64::from(work % rate.0 >= rate.0.div_ceil(2)),
            Err(_) => u64::try_from((self.0 + u128::from(rate.0 / 2)) / u128::from(rate.0)).ok()?,
        };
        Some(SimDuration::from_nanos(nanos))
    }

    /// This less `other`, or nothing if `other` is more: a completion is rounded to a whole
    /// nanosecond, until which a flow could have moved a little more than it had left.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Bytes {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Bytes {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Add for BytesPerSec {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for BytesPerSec {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for BytesPerSec {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl SubAssign for BytesPerSec {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl AddAssign for Nanobytes {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Nanobytes {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finish_is_rounded_to_the_nearest_nanosecond() {
        let three_bytes = Bytes::new(3).to_nanobytes();
        for (rate, nanos) in [(1, 3), (2, 2), (4, 1), (5, 1), (6, 1), (7, 0)] {
            let rate = BytesPerSec::new(rate * 1_000_000_000);
            assert_eq!(three_bytes.time_at(rate), Some(SimDuration::from_nanos(nanos)), "{rate:?}");
        }
    }

    #[test]
    fn work_beyond_64_bits_of_nanobytes_divides_the_same_way() {
        let size = Bytes::new(40_000_000_000_000).to_nanobytes();
        assert_eq!(size.time_at(BytesPerSec::new(1_000_000_000)), Some(SimDuration::from_nanos(40_000_000_000_000)));
    }

    #[test]
    fn nothing_moves_at_rate_zero() {
        assert_eq!(Bytes::new(1).to_nanobytes().time_at(BytesPerSec::ZERO), None);
        assert_eq!(Nanobytes::ZERO.time_at(BytesPerSec::ZERO), Some(SimDuration::ZERO));
    }
}
