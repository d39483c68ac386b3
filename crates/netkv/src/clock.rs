//! Timing. Nothing measured here goes into a result: only to provenance, to progress, and where `--timing` asks for it.

#![expect(clippy::disallowed_types, reason = "the command line may time things")]

use cpu_time::ThreadTime;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Instant, SystemTime};

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

/// Seconds since a file was changed, by this machine's clock.
pub fn local_age_s(file: &File) -> io::Result<f64> {
    let age = SystemTime::now().duration_since(file.metadata()?.modified()?);
    Ok(age.map_or(0.0, |age| age.as_secs_f64()))
}

/// Seconds since a file was changed, by the clock of the file system it is on, which need not be this machine's.
pub fn file_age_s(file: &File, path: &Path) -> io::Result<f64> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let now = tempfile::tempfile_in(folder)?;
    (&now).write_all(b"now")?;
    now.sync_all()?;
    let age = now.metadata()?.modified()?.duration_since(file.metadata()?.modified()?);
    Ok(age.map_or(0.0, |age| age.as_secs_f64()))
}
