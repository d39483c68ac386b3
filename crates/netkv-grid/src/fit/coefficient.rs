//! A coefficient of a fit, as exactly as it is written down.

/// Significant digits of coefficients: a part in a million, far below any error of measurement.
const DIGITS: usize = 6;

/// A coefficient of a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficient {
    /// As in the profile file, with its unit; with where it begins, if it is a step of a curve.
    pub name: String,
    /// Its value, as exactly as profile files have it.
    pub value: f64,
    /// Whether the best fit had it below zero, so that the term was dropped.
    pub is_dropped: bool,
}

/// A coefficient as a profile file has it.
pub(super) fn round_to_written(value: f64) -> f64 {
    format!("{value:.*e}", DIGITS - 1).parse().expect("a written number can be read")
}
