//! The clock of this process. It tells how old figures are, and nothing else.

#![expect(
    clippy::disallowed_types,
    reason = "a service tells the age of what it knows; no result of a simulation depends on it"
)]

use std::time::Instant;

/// A moment of this process.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Moment(Instant);

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Seconds from it until now.
    pub fn elapsed_s(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// Seconds from an earlier moment to it; zero if that is later.
    #[cfg(feature = "serve")]
    pub fn since_s(&self, earlier: &Self) -> f64 {
        self.0.saturating_duration_since(earlier.0).as_secs_f64()
    }
}
