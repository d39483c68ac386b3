//! Decode iterations with one batch: how long they take together, when each ends, and the gaps between their ends.
//!
//! Times are counted in femtoseconds, in integers, so that many iterations are added up in closed form and give to the
//! last bit what one at a time gives.

use crate::profile::FEMTOS_PER_NANO;
use hdrhistogram::Histogram;
use netkv_units::{SimDuration, SimTime};

/// An empty histogram of times between tokens: 1 ns to 1 h, three significant digits.
pub fn tbt_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("the bounds are valid")
}

/// A running stretch: `planned` iterations, the first of which began at `start` plus `fraction_fs`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) start: SimTime,
    pub(super) fraction_fs: u64,
    /// Of the first iteration.
    pub(super) first_fs: u64,
    /// By which each is longer than the one before.
    pub(super) growth_fs: u64,
    pub(super) planned: u32,
}

impl Stretch {
    /// Femtoseconds from `start` to the end of the `n`-th iteration.
    fn elapsed_fs(&self, n: u32) -> u64 {
        let n = u64::from(n);
        self.fraction_fs + n * self.first_fs + self.growth_fs * (n * n.saturating_sub(1) / 2)
    }

    /// When the `n`-th iteration ends; the nanosecond in which it does.
    pub(super) fn end_of(&self, n: u32) -> SimTime {
        self.start + SimDuration::from_nanos(self.elapsed_fs(n) / FEMTOS_PER_NANO)
    }

    /// How many iterations end before `now`.
    pub(super) fn ended_before(&self, now: SimTime) -> u32 {
        let (mut ended, mut beyond) = (0, self.planned + 1);
        while beyond - ended > 1 {
            let middle = ended + (beyond - ended) / 2;
            if self.end_of(middle) < now { ended = middle } else { beyond = middle }
        }
        ended
    }

    /// The rest of the stretch after its first `n` iterations.
    pub(super) fn after(&self, n: u32) -> Self {
        let elapsed = self.elapsed_fs(n);
        Self {
            start: self.start + SimDuration::from_nanos(elapsed / FEMTOS_PER_NANO),
            fraction_fs: elapsed % FEMTOS_PER_NANO,
            first_fs: self.first_fs + self.growth_fs * u64::from(n),
            growth_fs: self.growth_fs,
            planned: self.planned - n,
        }
    }

    /// The gap between the ends of an iteration, not the first, and of the one before.
    fn gap(&self, iteration: u32) -> u64 {
        self.end_of(iteration).since(self.end_of(iteration - 1)).as_nanos()
    }

    /// Whole nanoseconds of an iteration. Its gap is that, or one more.
    fn floor(&self, iteration: u32) -> u64 {
        (self.first_fs + self.growth_fs * u64::from(iteration - 1)) / FEMTOS_PER_NANO
    }

    /// Records the gaps before the second to the `n`-th iteration, `count` times each, and returns the longest; zero if
    /// there is none.
    ///
    /// Gaps one after the other that fall into one bucket of the histogram are recorded together. Iterations do not get
    /// shorter, so those that do follow from where the first of them is and how iterations grow; and the shortest and the
    /// longest, which the histogram keeps exactly, are near the ends.
    pub(super) fn record_gaps(&self, n: u32, count: u64, tbt: &mut Histogram<u64>) -> u64 {
        let (mut first, mut longest_of_all) = (2, 0);
        while first <= n {
            let last = self.last_alike(first, n, tbt);
            let (shortest, longest) = self.extremes(first, last);
            record(tbt, shortest, u64::from(last - first) * count);
            record(tbt, longest, count);
            longest_of_all = longest.max(longest_of_all);
            first = last + 1;
        }
        longest_of_all
    }

    /// The last iteration up to `n` before which all gaps from that of `first` on are sure to be in one bucket with it.
    fn last_alike(&self, first: u32, n: u32, tbt: &Histogram<u64>) -> u32 {
        let nanos = self.gap(first);
        // A gap is at most a nanosecond more than its iteration's whole ones, so these must stay below the last value.
        let beyond_fs = tbt.highest_equivalent(nanos).saturating_mul(FEMTOS_PER_NANO);
        if self.floor(first) < tbt.lowest_equivalent(nanos) || beyond_fs <= self.first_fs {
            return first;
        }
        let last =
            (beyond_fs - 1 - self.first_fs).checked_div(self.growth_fs).map_or(u64::from(n), |growths| growths + 1);
        last.clamp(u64::from(first), u64::from(n)) as u32
    }

    /// The shortest and the longest gap before the iterations `first` to `last`.
    fn extremes(&self, first: u32, last: u32) -> (u64, u64) {
        let (mut shortest, mut longest) = (self.gap(first), self.gap(last));
        let (mut next, mut previous) = (first + 1, last - 1);
        while next <= last && self.floor(next) < shortest {
            shortest = shortest.min(self.gap(next));
            next += 1;
        }
        while previous >= first && self.floor(previous) + 1 > longest {
            longest = longest.max(self.gap(previous));
            previous -= 1;
        }
        (shortest, longest)
    }
}

/// Records `count` gaps of `nanos`; gaps of an hour and more count as an hour.
pub(super) fn record(tbt: &mut Histogram<u64>, nanos: u64, count: u64) {
    if count > 0 {
        tbt.saturating_record_n(nanos.max(1), count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::Stream;

    #[test]
    fn gaps_recorded_by_the_bucket_are_those_recorded_one_by_one() {
        let mut stream = Stream::new(1, "stretches");
        for _ in 0..3000 {
            let magnitude = |stream: &mut Stream, most: u64| {
                let bits = stream.below(most);
                stream.below(1 << bits)
            };
            let stretch = Stretch {
                start: SimTime::from_nanos(stream.below(1_000_000)),
                fraction_fs: stream.below(FEMTOS_PER_NANO),
                first_fs: magnitude(&mut stream, 44),
                growth_fs: magnitude(&mut stream, 33),
                planned: 1 + stream.below(400) as u32,
            };
            let (mut together, mut one_by_one) = (tbt_histogram(), tbt_histogram());
            let longest = stretch.record_gaps(stretch.planned, 3, &mut together);
            let gaps: Vec<u64> = (2..=stretch.planned).map(|iteration| stretch.gap(iteration)).collect();
            gaps.iter().for_each(|&nanos| record(&mut one_by_one, nanos, 3));
            assert_eq!(longest, gaps.iter().copied().max().unwrap_or(0), "{stretch:?}");
            assert!(together == one_by_one, "{stretch:?}");
            assert_eq!((together.min_nz(), together.max()), (one_by_one.min_nz(), one_by_one.max()), "{stretch:?}");
        }
    }
}
