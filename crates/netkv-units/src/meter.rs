//! A rate that changes at times, and what it has amounted to.

use crate::quantity::{BytesPerSec, Nanobytes};
use crate::time::SimTime;

/// A counter that runs at a rate: exact, whenever it is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    rate: BytesPerSec,
    /// Until `since`.
    moved: Nanobytes,
    since: SimTime,
}

impl Meter {
    /// A counter at zero that runs at `rate` from time zero on.
    pub const fn new(rate: BytesPerSec) -> Self {
        Self { rate, moved: Nanobytes::ZERO, since: SimTime::ZERO }
    }

    /// The rate at which it runs.
    #[inline]
    pub const fn rate(&self) -> BytesPerSec {
        self.rate
    }

    /// What it shows at `now`.
    ///
    /// # Panics
    /// If its rate changed later than that.
    pub fn until(&self, now: SimTime) -> Nanobytes {
        let mut moved = self.moved;
        moved += self.rate.over(now.since(self.since));
        moved
    }

    /// Runs at another rate from `now` on.
    ///
    /// # Panics
    /// If its rate changed later than that.
    #[inline]
    pub fn set(&mut self, now: SimTime, rate: BytesPerSec) {
        if self.since != now {
            self.moved = self.until(now);
            self.since = now;
        }
        self.rate = rate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_adds_up_its_rates_over_their_times() {
        let mut meter = Meter::new(BytesPerSec::new(3));
        meter.set(SimTime::from_nanos(10), BytesPerSec::new(5));
        meter.set(SimTime::from_nanos(10), BytesPerSec::new(7));
        meter.set(SimTime::from_nanos(12), BytesPerSec::ZERO);
        assert_eq!(meter.until(SimTime::from_nanos(11 + 1)).get(), 30 + 14);
        assert_eq!(meter.until(SimTime::from_nanos(99)).get(), 30 + 14);
    }
}
