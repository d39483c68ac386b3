//! The least of several costs, with equals drawn from uniformly: the tie rule of several routers.

use netkv_units::Stream;

/// Who wins among equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieRule {
    /// The first one. Where near instances have low ids, a rule that knows no network then favours them by accident.
    LowestId,
    /// Any of them.
    Random,
}

impl TieRule {
    /// The rule, with the draws of `seed` if it needs any.
    pub fn breaker(self, seed: u64) -> Breaker {
        match self {
            Self::LowestId => Breaker::LowestId,
            Self::Random => Breaker::Random(Ties::new(seed)),
        }
    }
}

/// Finds the least of several costs.
#[derive(Clone, Debug)]
pub enum Breaker {
    /// The first of equals.
    LowestId,
    /// Any of them.
    Random(Ties),
}

impl Breaker {
    /// The position with the least cost.
    pub fn least(&mut self, costs: impl IntoIterator<Item = (usize, f64)>) -> Option<usize> {
        match self {
            Self::LowestId => {
                let least = costs.into_iter().min_by(|one, two| one.1.total_cmp(&two.1));
                least.map(|(position, _)| position)
            }
            Self::Random(ties) => ties.least(0.0, costs),
        }
    }
}

/// Draws among equals, from a stream of the seed's own.
#[derive(Clone, Debug)]
pub struct Ties(Stream);

impl Ties {
    /// The draws of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Stream::new(seed, "policy"))
    }

    /// The position with the least cost; costs within `tolerance` of the least are equals.
    ///
    /// One pass (reservoir sampling): the j-th of the equals takes the place of the one before with probability 1/j.
    pub(crate) fn least(&mut self, tolerance: f64, costs: impl IntoIterator<Item = (usize, f64)>) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        let mut tied = 1;
        for (position, cost) in costs {
            match best {
                Some((chosen, least)) if (cost - least).abs() <= tolerance => {
                    tied += 1;
                    let chosen = if self.0.below(tied) == 0 { position } else { chosen };
                    best = Some((chosen, cost.min(least)));
                }
                Some((_, least)) if cost >= least => {}
                _ => {
                    best = Some((position, cost));
                    tied = 1;
                }
            }
        }
        best.map(|(position, _)| position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tolerance: f64, costs: &[f64]) -> Vec<u32> {
        let mut ties = Ties::new(1);
        let mut counts = vec![0; costs.len()];
        for _ in 0..30_000 {
            let chosen = ties.least(tolerance, costs.iter().copied().enumerate());
            counts[chosen.expect("there are costs")] += 1;
        }
        counts
    }

    #[test]
    fn equals_are_chosen_equally_often_and_others_never() {
        let counts = counts(0.0, &[2.0, 1.0, 1.0, 3.0, 1.0]);
        assert_eq!((counts[0], counts[3]), (0, 0));
        // Binomial with p = 1/3: 10,000 expected, standard deviation 82.
        assert!([1, 2, 4].iter().all(|&tied: &usize| counts[tied].abs_diff(10_000) < 400), "{counts:?}");
    }

    #[test]
    fn nearly_equal_is_equal_within_the_tolerance() {
        let counts = counts(1e-6, &[1.0, 1.0 + 9e-7, 1.0 + 2e-6]);
        assert!(counts[0].abs_diff(15_000) < 500 && counts[2] == 0, "{counts:?}");
    }

    #[test]
    fn one_cost_needs_no_draw_and_none_has_no_answer() {
        let mut ties = Ties::new(1);
        assert_eq!(ties.least(0.0, [(7, f64::INFINITY)]), Some(7));
        assert_eq!(ties.least(0.0, []), None);
        assert_eq!(ties.0.bits(), Ties::new(1).0.bits());
    }
}
