//! What is wrong with a knob.

use std::fmt;
use std::ops::RangeInclusive;

/// A knob that cannot be set so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnobError {
    /// Which one, by its name on the command line.
    pub knob: &'static str,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl fmt::Display for KnobError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.knob, self.message)
    }
}

impl std::error::Error for KnobError {}

impl KnobError {
    pub(super) fn new(knob: &'static str, message: String) -> Self {
        Self { knob, message }
    }

    /// That a value is out of its range, if it is.
    pub(super) fn unless_in(
        knob: &'static str,
        value: f64,
        allowed: &RangeInclusive<f64>,
        what: &str,
    ) -> Result<(), Self> {
        if allowed.contains(&value) {
            return Ok(());
        }
        let (low, high) = (allowed.start(), allowed.end());
        Err(Self::new(knob, format!("{value}: allowed: {what} from {low} to {high}")))
    }
}
