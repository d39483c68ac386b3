//! The smallest and the largest of some values.

/// The smallest and the largest of some values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The smallest.
    pub low: u64,
    /// The largest.
    pub high: u64,
}

impl Span {
    /// The span of both.
    pub(crate) fn joined(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// Whether all of `other` is in it.
    pub(crate) fn holds(self, other: Self) -> bool {
        self.low <= other.low && other.high <= self.high
    }
}
