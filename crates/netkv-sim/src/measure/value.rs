//! One number of a result table.

/// A number in a result table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count, a size, or a time in whole nanoseconds.
    Integer(u64),
    /// A ratio or a rate.
    Float(f64),
    /// There is no such number in this run: the mean of nothing, say.
    Missing,
}

impl Value {
    /// As a number; none if there is none.
    pub const fn number(self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            Self::Missing => None,
        }
    }
}

/// A mean of whole numbers, rounded down.
pub(super) fn mean(sum: u128, n: u64) -> Value {
    sum.checked_div(u128::from(n)).map_or(Value::Missing, |mean| Value::Integer(mean as u64))
}

/// A share of a whole that may be nothing.
pub(super) fn ratio(part: u64, whole: u64) -> Value {
    if whole == 0 { Value::Missing } else { Value::Float(part as f64 / whole as f64) }
}
