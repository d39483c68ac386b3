//! Axes: where a value stands, and the ticks that a person would choose.

use crate::numbers::trimmed;
use serde::Deserialize;

/// A value axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) log: bool,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Scale {
    /// An axis that holds `values`, with a margin, and zero if `from_zero` (a logarithm has none).
    pub(crate) fn holding(values: impl Iterator<Item = f64>, log: bool, from_zero: bool) -> Option<Self> {
        let values: Vec<f64> = values.filter(|value| value.is_finite() && (!log || *value > 0.0)).collect();
        let low = values.iter().copied().min_by(f64::total_cmp)?;
        let high = values.iter().copied().max_by(f64::total_cmp)?;
        if log {
            let pad = libm::exp2((libm::log2(high / low) * 0.06).max(0.06));
            return Some(Self { log, low: low / pad, high: high * pad });
        }
        let pad = ((high - low) * 0.07).max(high.abs() * 0.01).max(1e-12);
        let low = if from_zero { low.min(0.0) } else { low - pad };
        Some(Self { log, low, high: high + pad })
    }

    /// The same, but no further than `low` and `high`.
    pub(crate) fn within(self, low: f64, high: f64) -> Self {
        Self { low: self.low.max(low), high: self.high.min(high), ..self }
    }

    /// The axis that holds both.
    pub(crate) fn joined(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high), ..self }
    }

    /// Makes room for intervals, but never more than 60 % of its length, on either side; a linear axis without negative
    /// values gets none.
    pub(crate) fn widened(self, ends: impl Iterator<Item = (f64, f64)>) -> Self {
        // On a logarithmic axis there is no room that an interval which reaches below zero could have.
        let ends = ends.filter(|ends| !self.log || ends.0 > 0.0);
        let wide = ends.fold(self, |wide, (low, high)| wide.joined(Self { low, high, ..self }));
        let (low, high) = if self.log {
            let most = libm::exp2(self.span() * 0.6);
            (wide.low.max(self.low / most), wide.high.min(self.high * most))
        } else {
            (wide.low.max(self.low - 0.6 * self.span()), wide.high.min(self.high + 0.6 * self.span()))
        };
        let low = if self.low >= 0.0 && !self.log { low.max(0.0) } else { low };
        Self { low, high, ..self }
    }

    /// Length, in the axis' own measure.
    pub(crate) fn span(self) -> f64 {
        if self.log { libm::log2(self.high / self.low) } else { self.high - self.low }
    }

    /// Where a value stands: 0 at the low end, 1 at the high end. What lies outside is put at the end.
    pub(crate) fn place(self, value: f64) -> f64 {
        self.place_beyond(value.clamp(self.low, self.high))
    }

    /// Where a value stands, below 0 or above 1 if it lies outside.
    pub(crate) fn place_beyond(self, value: f64) -> f64 {
        if self.log { libm::log2(value / self.low) / self.span() } else { (value - self.low) / self.span() }
    }

    /// Ticks with their labels, about `wanted` of them.
    pub(crate) fn ticks(self, wanted: usize) -> Vec<(f64, String)> {
        if self.log && self.high / self.low > 4.0 { self.decades(wanted) } else { self.even(wanted) }
    }

    fn even(self, wanted: usize) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / wanted as f64;
        let power = libm::floor(libm::log10(rough));
        let mantissa = rough / libm::exp10(power);
        let (nice, carry) = match mantissa {
            m if m <= 1.2 => (1.0, 0.0),
            m if m <= 2.5 => (2.0, 0.0),
            m if m <= 6.5 => (5.0, 0.0),
            _ => (1.0, 1.0),
        };
        let power = power + carry;
        let decimals = (-power).max(0.0) as usize;
        let step = nice * libm::exp10(power);
        let slack = 1e-9 * (self.high - self.low);
        let (first, last) =
            (libm::ceil((self.low - slack) / step) as i64, libm::floor((self.high + slack) / step) as i64);
        (first..=last).map(|index| (index as f64 * step, format!("{:.decimals$}", index as f64 * step))).collect()
    }

    fn decades(self, wanted: usize) -> Vec<(f64, String)> {
        let (first, last) = (libm::floor(libm::log10(self.low)) as i32, libm::ceil(libm::log10(self.high)) as i32);
        let sets: [&[f64]; 4] = [&[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0], &[1.0]];
        for (set, mantissas) in sets.into_iter().enumerate() {
            let every = if set == 3 { 2 } else { 1 };
            let ticks: Vec<(f64, String)> = (first..=last)
                .filter(|decade| decade % every == 0)
                .flat_map(|decade| mantissas.iter().map(move |mantissa| mantissa * libm::exp10(f64::from(decade))))
                .filter(|&value| value >= self.low * 0.999_999 && value <= self.high * 1.000_001)
                .map(|value| (value, trimmed(value)))
                .collect();
            if ticks.len() <= wanted + 3 || set == 3 {
                return ticks;
            }
        }
        Vec::new()
    }
}

/// How the values of a grid stand across.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Spacing {
    /// As far apart as their logarithms.
    Log,
    /// As far apart as they are.
    Linear,
    /// Evenly.
    #[serde(rename = "even")]
    Ordinal,
}

/// Where each of the ascending `values` stands between 0 and 1.
pub(crate) fn places(values: &[f64], spacing: Spacing, margin: f64) -> Vec<f64> {
    let measure = |index: usize, value: f64| match spacing {
        Spacing::Log => libm::log2(value),
        Spacing::Linear => value,
        Spacing::Ordinal => index as f64,
    };
    let raw: Vec<f64> = values.iter().enumerate().map(|(index, &value)| measure(index, value)).collect();
    let (low, high) = (raw.first().copied().unwrap_or_default(), raw.last().copied().unwrap_or_default());
    let place = |value: f64| if high > low { (value - low) / (high - low) } else { 0.5 };
    raw.into_iter().map(|value| margin + (1.0 - 2.0 * margin) * place(value)).collect()
}

/// Between marks that stand beside each other, in pixels, and the most of a gap that they take.
const BESIDE: f64 = 11.0;
const OF_GAP: f64 = 0.74;
/// Least room at the sides.
const SIDE: f64 = 0.05;

/// The margin of an axis `width` pixels wide with `n` marks beside each other at each place, and how far these are from each
/// other, both as shares of it.
pub(crate) fn dodge(values: &[f64], spacing: Spacing, n: usize, width: f64) -> (f64, f64) {
    let between = (n - 1) as f64;
    if n < 2 {
        return (SIDE, 0.0);
    }
    let (step, margin) = (BESIDE / width, |step: f64| (between * step / 2.0 + SIDE * 0.6).max(SIDE));
    let across = places(values, spacing, margin(step));
    let gap = across.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    let step = step.min(OF_GAP * gap / between);
    (margin(step), step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, log: bool) -> Vec<String> {
        Scale { log, low, high }.ticks(5).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(0.0, 1.05, false), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(0.8, 1.12, true), ["0.80", "0.85", "0.90", "0.95", "1.00", "1.05", "1.10"]);
        assert_eq!(labels(0.04, 12.0, true), ["0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10"]);
        assert_eq!(labels(0.04, 1200.0, true), ["0.1", "1", "10", "100", "1000"]);
    }

    #[test]
    fn marks_beside_each_other_stay_close_and_within_their_gap() {
        let (margin, step) = dodge(&[1.0, 2.0], Spacing::Linear, 3, 400.0);
        assert_eq!(step * 400.0, BESIDE, "two values have room");
        assert!(margin >= step, "and the outer ones stay within the panel");
        let many: Vec<f64> = (0..20).map(f64::from).collect();
        let (margin, step) = dodge(&many, Spacing::Linear, 5, 400.0);
        let gap = (1.0 - 2.0 * margin) / 19.0;
        assert!(4.0 * step < gap * 0.95 && step > 0.0, "{step} in {gap}");
        assert_eq!(dodge(&many, Spacing::Linear, 1, 400.0), (SIDE, 0.0));
    }

    #[test]
    fn places_run_from_margin_to_margin() {
        assert_eq!(places(&[1.0, 4.0, 16.0], Spacing::Log, 0.0), [0.0, 0.5, 1.0]);
        assert_eq!(places(&[0.0, 0.1, 60.0], Spacing::Ordinal, 0.1), [0.1, 0.5, 0.9]);
        assert_eq!(places(&[3.0], Spacing::Linear, 0.1), [0.5]);
    }
}
