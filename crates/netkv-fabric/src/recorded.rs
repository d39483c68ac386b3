//! Traffic of others as it was recorded: shares of links over time, played again from the start when the record ends.
//!
//! A share is for every link that it describes, from its time on until the next one for that link. Of several at one time
//! the last counts. Before its first share a link is all ours. Leaves out any reaction of others to our transfers: what they
//! took is what they take.

use crate::background_change::BackgroundChange;
use crate::fat_tree::{FatTree, LinkKind};
use crate::place::{Direction, LinkPlace};
use netkv_units::{LinkId, SimDuration, SimTime};
use std::collections::{BTreeMap, BTreeSet};

/// A share that others take from a time on. Where a field is none, every link matches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecordedShare {
    /// From this time of the record on.
    pub from: SimDuration,
    /// Links of this kind.
    pub kind: LinkKind,
    /// And this direction.
    pub direction: Option<Direction>,
    /// Of this pod.
    pub pod: Option<u32>,
    /// Of this leaf switch (rack or rail), counted through all pods.
    pub rack: Option<u32>,
    /// To this spine, counted within the pod, or this core.
    pub switch: Option<u32>,
    /// The share, in [0, 1).
    pub ratio: f64,
}

impl RecordedShare {
    /// Whether a link is meant.
    pub fn matches(&self, place: &LinkPlace) -> bool {
        let meant = |wanted: Option<u32>, has: Option<u32>| wanted.is_none() || wanted == has;
        self.kind == place.kind
            && self.direction.is_none_or(|direction| direction == place.direction)
            && meant(self.pod, Some(place.pod))
            && meant(self.rack, place.rack)
            && meant(self.switch, place.switch)
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The shares.
    pub shares: Vec<RecordedShare>,
    /// When it is played from the start again, later than all shares; zero: what is taken at the start is taken for good.
    pub end: SimDuration,
    /// What it is known by: the digest of the file that it was read from.
    pub known_by: String,
}

/// A record on the links of a run: a state machine that says when a share changes next, and how.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    /// The changes of one round, in order of time and link; those at its start first.
    changes: Vec<(SimDuration, BackgroundChange)>,
    end: SimDuration,
    /// When the present round began, and the change that comes next.
    began: SimTime,
    at: usize,
}

impl Replay {
    /// The record on the links of `tree`, with the shares at its start.
    pub(crate) fn new(recording: &Recording, tree: &FatTree) -> (Self, Vec<BackgroundChange>) {
        let kinds: BTreeSet<LinkKind> = recording.shares.iter().map(|share| share.kind).collect();
        let mut at_times: BTreeMap<(SimDuration, LinkId), f64> = BTreeMap::new();
        for link in kinds.into_iter().flat_map(|kind| tree.links_of(kind)) {
            let place = tree.place(link);
            let mut own = recording.shares.iter().filter(|share| share.matches(&place)).peekable();
            if own.peek().is_some() {
                at_times.insert((SimDuration::ZERO, link), 0.0);
            }
            at_times.extend(own.map(|share| ((share.from, link), share.ratio)));
        }
        let changes: Vec<(SimDuration, BackgroundChange)> =
            at_times.into_iter().map(|((from, link), ratio)| (from, BackgroundChange { link, ratio })).collect();
        let at = changes.partition_point(|(from, _)| *from == SimDuration::ZERO);
        let initial = changes[..at].iter().map(|(_, change)| *change).collect();
        let mut replay = Self { changes, end: recording.end, began: SimTime::ZERO, at };
        replay.begin_round();
        (replay, initial)
    }

    /// Begins the next round if this one has no change left.
    fn begin_round(&mut self) {
        if self.at == self.changes.len() && self.end > SimDuration::ZERO {
            self.began = self.began + self.end;
            self.at = 0;
        }
    }

    /// When the next change comes; never if none does.
    pub(crate) fn next_change(&self) -> SimTime {
        self.changes.get(self.at).map_or(SimTime::NEVER, |(from, _)| self.began + *from)
    }

    /// The change that is due at `now`.
    ///
    /// # Panics
    /// If the next change is at another time.
    pub(crate) fn advance(&mut self, now: SimTime) -> BackgroundChange {
        assert_eq!(self.next_change(), now, "a recorded change is due at its own time");
        let (_, change) = self.changes[self.at];
        self.at += 1;
        self.begin_round();
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(from_s: f64, ratio: f64) -> RecordedShare {
        let from = SimDuration::from_secs_f64(from_s);
        RecordedShare { from, kind: LinkKind::Rack, direction: None, pod: None, rack: None, switch: None, ratio }
    }

    #[test]
    fn a_record_is_played_as_it_was_and_from_the_start_again() {
        let tree = crate::fat_tree::tests::tree();
        let one = |from_s: f64, ratio: f64| RecordedShare {
            rack: Some(0),
            switch: Some(0),
            direction: Some(Direction::Up),
            ..share(from_s, ratio)
        };
        // The second at time 1 is of one link alone, and counts there.
        let shares = vec![one(0.5, 0.3), share(1.0, 0.1), one(1.0, 0.2)];
        let recording = Recording { shares, end: SimDuration::from_secs_f64(2.0), known_by: String::new() };
        let (mut replay, initial) = Replay::new(&recording, &tree);
        let n_links = tree.links_of(LinkKind::Rack).count();
        assert_eq!(initial.len(), n_links);
        assert!(initial.iter().all(|change| change.ratio.total_cmp(&0.0).is_eq()), "all ours before the first share");
        let mut seen: Vec<(f64, usize, f64)> = Vec::new();
        while replay.next_change() <= SimTime::from_secs_f64(4.5) {
            let now = replay.next_change();
            let ratio = replay.advance(now).ratio;
            match seen.last_mut() {
                Some((time, n, most)) if time.total_cmp(&now.as_secs_f64()).is_eq() => {
                    *n += 1;
                    *most = most.max(ratio);
                }
                Some(_) | None => seen.push((now.as_secs_f64(), 1, ratio)),
            }
        }
        let round = |start: f64| [(start, n_links, 0.0), (start + 0.5, 1, 0.3), (start + 1.0, n_links, 0.2)];
        assert_eq!(seen, [&round(0.0)[1..], &round(2.0), &round(4.0)[..2]].concat());
    }

    #[test]
    fn a_record_without_an_end_stays() {
        let tree = crate::fat_tree::tests::tree();
        let recording = Recording { shares: vec![share(0.0, 0.4)], end: SimDuration::ZERO, known_by: String::new() };
        let (replay, initial) = Replay::new(&recording, &tree);
        assert_eq!(replay.next_change(), SimTime::NEVER);
        assert!(initial.iter().all(|change| change.ratio.total_cmp(&0.4).is_eq()));
    }
}
