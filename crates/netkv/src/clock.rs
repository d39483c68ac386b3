//! Timing. Nothing measured here goes into a result: only to provenance, to progress, and where `--timing` asks for it.

#![expect(clippy::disallowed_types, reason = "the command line may time things")]

use cpu_time::ThreadTime;
use std::time::Instant;

/// A moment of wall time.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Instant);

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Seconds since then.
    pub fn elapsed_s(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// What `work` returns, and the CPU seconds that this thread spent on it.
pub fn cpu_timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = ThreadTime::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}
