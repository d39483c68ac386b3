//! How long is left of what somebody was given. The only clock here: it decides when to give up, and nothing else.

#![expect(
    clippy::disallowed_types,
    reason = "a router that hangs must be given up; no result holds a time of this clock"
)]

use std::time::{Duration, Instant};

/// The moment until which something has to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub(crate) fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// What is left; none once it is over.
    pub(crate) fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}
