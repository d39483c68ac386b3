//! What a ratio of two means, measured on the same seeds, says.

use netkv_frames::{Estimate, log_ratios, two_sided_p, two_sided_quantile};

/// Ratios that are nearer to 1 than this make no difference that matters: the margin of the project's figures.
pub const INDIFFERENCE: f64 = 0.02;

/// More seeds than this are not worth a number.
const MOST_SEEDS: u64 = 1000;

/// An interval with an end further from its estimate than this factor says nothing, and is not shown.
pub const WIDEST: f64 = 10.0;

/// What stands for such an interval.
pub(crate) const TOO_WIDE: &str = "[too wide]";

/// What a ratio of mean TTFT says, at the confidence of its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The whole interval is below the margin: it pays.
    Pays,
    /// All of it is within the margin: no difference that matters.
    Same,
    /// All of it is above the margin: it harms.
    Harms,
    /// The interval holds an end of the margin, or there is none.
    Open,
}

/// A ratio to something else, with its interval over seeds: the exponential of a mean of logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Pairs of seeds.
    pub n: usize,
    /// Its estimate.
    pub mean: f64,
    /// Ends of its interval; none for a single pair.
    pub interval: Option<(f64, f64)>,
    /// Standard deviation of the logarithms.
    sd: f64,
    confidence: f64,
    /// Of what it says, after Holm's correction for the number of comparisons; none of what the conclusion is not about.
    pub p_holm: Option<f64>,
}

impl Ratio {
    /// That of pairs of positive numbers, one of each seed; none if there is none, or one that is not positive.
    pub fn of(pairs: &[(f64, f64)], confidence: f64) -> Option<Self> {
        let logs = log_ratios(pairs)?;
        let estimate = Estimate::of(&logs, two_sided_quantile(confidence, logs.len()))?;
        let interval = estimate.interval().map(|(low, high)| (libm::exp(low), libm::exp(high)));
        let sd = estimate.sd.unwrap_or(f64::NAN);
        Some(Self { n: logs.len(), mean: libm::exp(estimate.mean), interval, sd, confidence, p_holm: None })
    }

    /// How often seeds would say what it says, pays, harms or makes no difference, were it on the margin's other side: below one
    /// minus the coverage if and only if its [`effect`](Self::effect) is not open. None of a single seed.
    pub fn p(&self) -> Option<f64> {
        if self.n < 2 || !self.sd.is_finite() {
            return None;
        }
        let (low, high) = (libm::log(1.0 - INDIFFERENCE), libm::log(1.0 + INDIFFERENCE));
        let mean = libm::log(self.mean);
        let pays_or_harms = (low - mean).max(mean - high);
        let same = (mean - low).min(high - mean);
        let distance = pays_or_harms.max(same);
        let error = self.sd / (self.n as f64).sqrt();
        Some(if error == 0.0 { f64::from(u8::from(distance <= 0.0)) } else { two_sided_p(distance / error, self.n) })
    }

    /// What it says after the correction; open if the conclusion is not about it.
    pub fn effect_after_holm(&self) -> Effect {
        let stays = self.p_holm.is_some_and(|p_holm| p_holm < 1.0 - self.confidence);
        if stays { self.effect() } else { Effect::Open }
    }

    /// `0.910 [0.880, 0.950]`; `0.910 [too wide]` if the interval is too wide to say anything.
    pub fn words(&self) -> String {
        let mean = format!("{:.3}", self.mean);
        match self.interval {
            None => mean,
            Some(_) if self.is_too_wide() => format!("{mean} {TOO_WIDE}"),
            Some((low, high)) => format!("{mean} [{low:.3}, {high:.3}]"),
        }
    }

    /// Whether an end of its interval is more than a factor of ten from its estimate.
    pub fn is_too_wide(&self) -> bool {
        self.interval.is_some_and(|(low, high)| low * WIDEST < self.mean || high > self.mean * WIDEST)
    }

    /// What it says.
    pub fn effect(&self) -> Effect {
        match self.interval {
            Some((_, high)) if high < 1.0 - INDIFFERENCE => Effect::Pays,
            Some((low, _)) if low > 1.0 + INDIFFERENCE => Effect::Harms,
            Some((low, high)) if low >= 1.0 - INDIFFERENCE && high <= 1.0 + INDIFFERENCE => Effect::Same,
            Some(_) | None => Effect::Open,
        }
    }

    /// How many seeds, these included, would settle it if mean and deviation stay as they are; none if more than a
    /// thousand, or nothing is known of the deviation.
    pub fn seeds_to_settle(&self) -> Option<u64> {
        let log = libm::log(self.mean);
        let ends = [1.0 - INDIFFERENCE, 1.0 + INDIFFERENCE].map(libm::log);
        let distance = ends.iter().map(|end| (log - end).abs()).fold(f64::INFINITY, f64::min);
        let half = |n: u64| two_sided_quantile(self.confidence, n as usize) * self.sd / (n as f64).sqrt();
        (2..=MOST_SEEDS).find(|&n| half(n) < distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(pairs: &[(f64, f64)]) -> Ratio {
        Ratio::of(pairs, 0.95).expect("positive numbers")
    }

    #[test]
    fn an_effect_is_what_the_whole_interval_says() {
        let seeds = |ratios: [f64; 4]| ratio(&ratios.map(|ratio| (ratio, 1.0))).effect();
        assert_eq!(seeds([0.90, 0.91, 0.92, 0.90]), Effect::Pays);
        assert_eq!(seeds([1.10, 1.11, 1.12, 1.10]), Effect::Harms);
        assert_eq!(seeds([1.000, 1.001, 0.999, 1.000]), Effect::Same);
        assert_eq!(seeds([0.8, 1.1, 0.9, 1.0]), Effect::Open);
        assert_eq!(ratio(&[(0.5, 1.0)]).effect(), Effect::Open, "one seed says nothing");
        assert_eq!(Ratio::of(&[(0.0, 1.0)], 0.95), None);
    }

    #[test]
    fn a_p_value_is_below_the_error_where_the_effect_is_not_open() {
        for ratios in
            [[0.90, 0.91, 0.92, 0.90], [1.10, 1.11, 1.12, 1.10], [1.0, 1.001, 0.999, 1.0], [0.8, 1.1, 0.9, 1.0]]
        {
            for confidence in [0.5, 0.9, 0.95, 0.99, 0.999, 0.99999] {
                let ratio = Ratio::of(&ratios.map(|ratio| (ratio, 1.0)), confidence).expect("positive numbers");
                let p = ratio.p().expect("several seeds");
                assert_eq!(p < 1.0 - confidence, ratio.effect() != Effect::Open, "{ratios:?} at {confidence}: {p}");
            }
        }
        assert_eq!(ratio(&[(0.5, 1.0)]).p(), None);
        assert_eq!(ratio(&[(0.5, 1.0), (0.5, 1.0)]).p(), Some(0.0), "no spread at all");
    }

    /// Two seeds: 12.7 standard errors either way.
    #[test]
    fn an_interval_of_more_than_a_factor_of_ten_either_way_is_open() {
        assert_eq!(ratio(&[(0.5, 1.0), (1.0, 1.0)]).words(), "0.707 [too wide]");
        assert_eq!(ratio(&[(0.9, 1.0), (1.0, 1.0)]).words(), "0.949 [0.486, 1.853]");
        assert_eq!(ratio(&[(0.5, 1.0)]).words(), "0.500");
        assert!(ratio(&[(0.5, 1.0), (1.0, 1.0)]).is_too_wide() && !ratio(&[(0.5, 1.0)]).is_too_wide());
    }

    /// Logs of -0.1 +- 0.1: with deviation 0.1155 and 0.0798 to the margin, t(n) 0.1155 / sqrt(n) < 0.0798 from n = 11 on.
    #[test]
    fn more_seeds_settle_what_fewer_leave_open() {
        let pairs = [-0.2, 0.0, -0.2, 0.0].map(|log| (libm::exp(log), 1.0));
        let open = ratio(&pairs);
        assert_eq!(open.effect(), Effect::Open);
        assert_eq!(open.seeds_to_settle(), Some(11));
        let at_the_margin = [-0.1, 0.1].map(|log| ((1.0 - INDIFFERENCE) * libm::exp(log), 1.0));
        assert_eq!(ratio(&at_the_margin).seeds_to_settle(), None, "it is on neither side");
    }
}
