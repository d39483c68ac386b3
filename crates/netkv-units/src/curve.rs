//! A time that grows with a number: a base, and what one more costs, which may change where the number does.

/// A piecewise-linear time in whole femtoseconds, so that sums of it have closed forms and are exact.
///
/// A step (n, s) says that each unit beyond n, up to the next step, costs s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyCurve {
    base_fs: u64,
    steps: [(u32, u64); Self::MAX_STEPS],
    n_steps: usize,
}

impl LatencyCurve {
    /// Most steps of a curve: measured latencies have a few bends, not many.
    pub const MAX_STEPS: usize = 8;

    /// A straight line.
    pub const fn linear(base_fs: u64, slope_fs: u64) -> Self {
        let mut steps = [(0, 0); Self::MAX_STEPS];
        steps[0].1 = slope_fs;
        Self { base_fs, steps, n_steps: 1 }
    }

    /// A curve of the given steps.
    ///
    /// # Panics
    /// If there is none or more than [`Self::MAX_STEPS`], the first is not from 0, or they do not ascend.
    pub fn new(base_fs: u64, steps: &[(u32, u64)]) -> Self {
        assert!((1..=Self::MAX_STEPS).contains(&steps.len()), "{} steps", steps.len());
        assert!(steps[0].0 == 0 && steps.is_sorted_by(|one, two| one.0 < two.0), "steps ascend from 0: {steps:?}");
        let mut curve = Self::linear(base_fs, 0);
        curve.steps[..steps.len()].copy_from_slice(steps);
        curve.n_steps = steps.len();
        curve
    }

    /// Femtoseconds at 0.
    pub const fn base_fs(&self) -> u64 {
        self.base_fs
    }

    /// Where each slope begins, and what a unit costs there in femtoseconds.
    pub fn steps(&self) -> &[(u32, u64)] {
        &self.steps[..self.n_steps]
    }

    /// Femtoseconds at `n`.
    #[inline]
    pub fn at(&self, n: u64) -> u64 {
        if self.n_steps == 1 {
            return self.base_fs + self.steps[0].1 * n;
        }
        let mut femtos = self.base_fs;
        let mut upper = n;
        for &(from, slope_fs) in self.steps().iter().rev() {
            let from = u64::from(from);
            if upper > from {
                femtos += slope_fs * (upper - from);
                upper = from;
            }
        }
        femtos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_is_base_and_slope() {
        let line = LatencyCurve::linear(5, 3);
        assert_eq!([0, 1, 100].map(|n| line.at(n)), [5, 8, 305]);
        assert_eq!(line, LatencyCurve::new(5, &[(0, 3)]));
    }

    #[test]
    fn each_unit_costs_what_the_step_below_it_says() {
        let curve = LatencyCurve::new(7, &[(0, 10), (4, 1), (6, 100)]);
        let slope = |unit: u64| {
            if unit <= 4 {
                10
            } else if unit <= 6 {
                1
            } else {
                100
            }
        };
        let mut expected = 7;
        for n in 0..20 {
            assert_eq!(curve.at(n), expected, "at {n}");
            expected += slope(n + 1);
        }
    }

    #[test]
    #[should_panic(expected = "steps ascend from 0")]
    fn steps_that_do_not_ascend_are_refused() {
        let _ = LatencyCurve::new(0, &[(0, 1), (8, 1), (8, 2)]);
    }

    #[test]
    #[should_panic(expected = "9 steps")]
    fn too_many_steps_are_refused() {
        let _ = LatencyCurve::new(0, &[(0, 1); 9]);
    }
}
