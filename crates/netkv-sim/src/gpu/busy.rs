//! How long an instance computed, up to the last arrival: what utilisation counts.

use netkv_units::{SimDuration, SimTime};

/// Time spent computing before some instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct BusyTime {
    /// What comes later does not count.
    until: SimTime,
    total: SimDuration,
    /// When the present spell began, if it goes on.
    since: Option<SimTime>,
}

impl BusyTime {
    /// None yet; only what lies before `until` will count.
    pub(super) const fn new(until: SimTime) -> Self {
        Self { until, total: SimDuration::ZERO, since: None }
    }

    /// Computes from one instant to another.
    pub(super) fn add(&mut self, from: SimTime, to: SimTime) {
        self.total += to.min(self.until).since(from.min(self.until));
    }

    /// Computes from now on, or does not.
    pub(super) fn set(&mut self, now: SimTime, is_busy: bool) {
        match (self.since, is_busy) {
            (None, true) => self.since = Some(now),
            (Some(since), false) => {
                self.add(since, now);
                self.since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// All spells that are over.
    pub(super) const fn total(&self) -> SimDuration {
        self.total
    }
}

/// Mean share of time before the last arrival that instances computed, given how long each did.
pub(super) fn mean_share(busy: impl ExactSizeIterator<Item = SimDuration>, last_arrival: SimTime) -> f64 {
    let n = busy.len();
    let total = busy.fold(SimDuration::ZERO, |sum, one| sum + one);
    total.as_secs_f64() / last_arrival.as_secs_f64().max(1e-9) / n as f64
}
