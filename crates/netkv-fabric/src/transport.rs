//! How soon a flow has its share of the links: at once, or as a congestion control lets it.
//!
//! Flows share the links max-min fairly either way. What packets do beside that (docs/validation.md, "A calibrated
//! transport") is that a flow begins with a small window and doubles it every round trip, and that those which hold a
//! window on a busy link give it up slowly. Both are told here as a wait before the flow enters: what a newcomer lacks, those
//! that are there have. So no byte is lost or made, and every link carries what it can.

use crate::network::FlowNetwork;
use netkv_units::{Bytes, BytesPerSec, LinkId, SimDuration};

/// How soon a flow has its share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transport {
    /// At once.
    Fluid,
    /// After a wait.
    Calibrated(Calibration),
}

/// The coefficients of the wait, fitted to packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// What a flow loses until its window fills its way, in round trips of the idle way.
    pub ramp_round_trips: f64,
    /// What it loses beside others until it has its share of the narrowest link, in round trips of the busy way.
    pub share_round_trips: f64,
    /// What the queue of a busy link adds to a round trip.
    pub queue: SimDuration,
}

impl Transport {
    /// Whether flows may have to wait.
    pub const fn waits(&self) -> bool {
        matches!(self, Self::Calibrated(_))
    }

    /// How long a flow of `size` over `path`, whose first byte takes `latency`, waits before it enters, by what is on its
    /// links now.
    ///
    /// The ramp takes its round trips of 2 x `latency`. If others are on the narrowest link, the one with the least even
    /// share, those of 2 x `latency` plus the queue come on top, but never more than the flow takes at that share: a short
    /// one has a part of it from its first window on.
    pub fn wait(&self, links: &FlowNetwork, path: &[LinkId], latency: SimDuration, size: Bytes) -> SimDuration {
        let Self::Calibrated(calibration) = self else { return SimDuration::ZERO };
        let idle_ns = 2 * latency.as_nanos();
        let ramp = round_trips(calibration.ramp_round_trips, idle_ns);
        let narrowest = path.iter().map(|&link| (links.even_share(link), !links.is_idle(link))).reduce(narrower);
        let Some((share, true)) = narrowest else { return ramp };
        let sharing = round_trips(calibration.share_round_trips, idle_ns + calibration.queue.as_nanos());
        let whole = size.to_nanobytes().time_at(BytesPerSec::new(share));
        ramp + whole.map_or(sharing, |whole| sharing.min(whole))
    }
}

/// The narrower of two links, by share and whether others are on it; of two with equal shares, the one with others.
fn narrower(one: (u64, bool), other: (u64, bool)) -> (u64, bool) {
    match one.0.cmp(&other.0) {
        std::cmp::Ordering::Less => one,
        std::cmp::Ordering::Equal => (one.0, one.1 || other.1),
        std::cmp::Ordering::Greater => other,
    }
}

/// So many round trips, to the nearest nanosecond.
fn round_trips(n: f64, nanos: u64) -> SimDuration {
    SimDuration::from_nanos((n * nanos as f64 + 0.5) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::SimTime;

    const CALIBRATED: Transport = Transport::Calibrated(Calibration {
        ramp_round_trips: 2.0,
        share_round_trips: 4.0,
        queue: SimDuration::from_nanos(30_000),
    });
    const LATENCY: SimDuration = SimDuration::from_nanos(8_000);

    /// Links of 10, 4 and 10 GB/s.
    fn links() -> FlowNetwork {
        FlowNetwork::new(&[10, 4, 10].map(|rate| BytesPerSec::new(rate * 1_000_000_000)), 3)
    }

    fn path(numbers: &[u32]) -> Vec<LinkId> {
        numbers.iter().map(|&link| LinkId::new(link)).collect()
    }

    #[track_caller]
    fn check_wait(links: &FlowNetwork, way: &[u32], bytes: u64, wanted_ns: u64) {
        let wait = CALIBRATED.wait(links, &path(way), LATENCY, Bytes::new(bytes));
        assert_eq!(wait.as_nanos(), wanted_ns);
    }

    #[test]
    fn alone_a_flow_waits_for_its_window_alone() {
        check_wait(&links(), &[0, 1, 2], 1_000_000_000, 2 * 16_000);
        assert_eq!(Transport::Fluid.wait(&links(), &path(&[0]), LATENCY, Bytes::new(1)), SimDuration::ZERO);
    }

    #[test]
    fn beside_others_it_waits_for_its_share_of_the_narrowest_link_too() {
        let mut links = links();
        links.start_flow(SimTime::ZERO, &path(&[0]), Bytes::new(1_000_000), None);
        // The narrowest link is idle: 4 GB/s against half of 10.
        check_wait(&links, &[0, 1, 2], 1_000_000_000, 2 * 16_000);
        links.start_flow(SimTime::ZERO, &path(&[1]), Bytes::new(1_000_000), None);
        check_wait(&links, &[0, 1, 2], 1_000_000_000, 2 * 16_000 + 4 * 46_000);
        // With three on it the first link is the narrowest: 2.5 GB/s. And with four both links have shares of 2.
        links.start_flow(SimTime::ZERO, &path(&[0]), Bytes::new(1_000_000), None);
        links.start_flow(SimTime::ZERO, &path(&[0]), Bytes::new(1_000_000), None);
        check_wait(&links, &[0, 2], 1_000_000_000, 2 * 16_000 + 4 * 46_000);
    }

    #[test]
    fn a_short_flow_waits_no_longer_than_it_takes() {
        let mut links = links();
        links.start_flow(SimTime::ZERO, &path(&[1]), Bytes::new(1_000_000), None);
        // 200 kB at 2 GB/s: 100 us.
        check_wait(&links, &[1], 200_000, 2 * 16_000 + 100_000);
        check_wait(&links, &[1], 0, 2 * 16_000);
    }

    #[test]
    fn where_nothing_is_given_the_wait_is_bounded() {
        let mut links = links();
        links.set_capacity(SimTime::ZERO, LinkId::new(1), BytesPerSec::ZERO);
        links.start_flow(SimTime::ZERO, &path(&[1]), Bytes::new(1), None);
        check_wait(&links, &[1], 200_000, 2 * 16_000 + 4 * 46_000);
    }
}
