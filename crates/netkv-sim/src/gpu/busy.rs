//! How long an instance computed, up to the last arrival: what utilisation counts.

use netkv_units::{SimDuration, SimTime};

/// Time spent computing before the last arrival.
#[derive(Clone, Debug)]
pub(super) struct BusyTime {
    /// The last arrival: what comes later does not count. None if it is known at the end of the run alone.
    until: Option<SimTime>,
    total: SimDuration,
    /// Spells, as long as it is not known how much of them counts.
    spells: Vec<(SimTime, SimTime)>,
    /// When the present spell began, if it goes on.
    since: Option<SimTime>,
}

impl BusyTime {
    /// None yet; only what lies before `until` will count.
    pub(super) const fn new(until: Option<SimTime>) -> Self {
        Self { until, total: SimDuration::ZERO, spells: Vec::new(), since: None }
    }

    /// Computes from one instant to another.
    pub(super) fn add(&mut self, from: SimTime, to: SimTime) {
        match self.until {
            Some(until) => self.total += before(until, from, to),
            None => self.spells.push((from, to)),
        }
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

    /// All spells that are over, as far as they lie before the last arrival.
    fn total(&self, last_arrival: SimTime) -> SimDuration {
        self.spells.iter().fold(self.total, |sum, &(from, to)| sum + before(last_arrival, from, to))
    }
}

/// How much of a spell lies before an instant.
fn before(until: SimTime, from: SimTime, to: SimTime) -> SimDuration {
    to.min(until).since(from.min(until))
}

/// Mean share of time before the last arrival that instances computed, given how long each did.
pub(super) fn mean_share<'a>(busy: impl ExactSizeIterator<Item = &'a BusyTime>, last_arrival: SimTime) -> f64 {
    let n = busy.len();
    let total = busy.fold(SimDuration::ZERO, |sum, one| sum + one.total(last_arrival));
    total.as_secs_f64() / last_arrival.as_secs_f64().max(1e-9) / n as f64
}
