//! How long the times may be that keys hold, and the one that several policies have.

use crate::reader::{Range, Reader};
use netkv_units::SimDuration;

/// The longest time that a key may hold, in seconds. Chosen by us: 31 years, far within the range of simulated time.
pub(super) const MAX_SECONDS: f64 = 1e9;

/// A number of seconds, zero included.
pub(super) const SECONDS: Range = Range::closed(0.0, MAX_SECONDS);

/// Seconds between recurring events: more often than a thousand times a second a run would do nothing else.
pub(super) const PERIOD: Range = Range::closed(1e-3, MAX_SECONDS);

/// A number of seconds, zero excluded.
pub(super) const POSITIVE_SECONDS: Range = Range::above(0.0, MAX_SECONDS);

/// Time between reports of an instance; zero: the present is seen.
pub(super) fn read_poll_interval(reader: &mut Reader<'_>, key: &str) -> Option<SimDuration> {
    let seconds = reader.float(key, SECONDS)?;
    if seconds > 0.0 && !PERIOD.contains(seconds) {
        reader.fail(key, &format!("{key} is too short; allowed: 0, or {PERIOD}"));
        return None;
    }
    Some(SimDuration::from_secs_f64(seconds))
}
