//! Flows by the time they will be done: a binary heap that knows where each flow is, so that a changed time moves
//! its entry instead of leaving a dead one behind.

use netkv_units::SimTime;

/// A slot's place when it is not in the heap.
const NOWHERE: u32 = u32::MAX;

/// The heap: (time, slot), least first; equal times in order of slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Completions {
    heap: Vec<(SimTime, u32)>,
    /// Where each slot is in `heap`.
    place: Vec<u32>,
}

impl Completions {
    /// The first entry.
    pub(crate) fn first(&self) -> Option<(SimTime, u32)> {
        self.heap.first().copied()
    }

    /// Enters a slot, or moves it to another time.
    pub(crate) fn set(&mut self, slot: u32, time: SimTime) {
        if self.place.len() <= slot as usize {
            self.place.resize(slot as usize + 1, NOWHERE);
        }
        let mut at = self.place[slot as usize] as usize;
        if at == NOWHERE as usize {
            at = self.heap.len();
            self.heap.push((time, slot));
        } else {
            self.heap[at].0 = time;
        }
        let at = self.rise(at);
        self.sink(at);
    }

    /// Takes the first entry if its time has come.
    pub(crate) fn pop_until(&mut self, now: SimTime) -> Option<(SimTime, u32)> {
        let first = self.first().filter(|&(time, _)| time <= now)?;
        self.place[first.1 as usize] = NOWHERE;
        let last = self.heap.pop().expect("the heap has an entry");
        if !self.heap.is_empty() {
            self.put(0, last);
            self.sink(0);
        }
        Some(first)
    }

    /// Takes a slot out, wherever it is; nothing if it is not in.
    pub(crate) fn remove(&mut self, slot: u32) {
        let at = self.place.get(slot as usize).map_or(NOWHERE, |&at| at) as usize;
        if at == NOWHERE as usize {
            return;
        }
        self.place[slot as usize] = NOWHERE;
        let last = self.heap.pop().expect("the heap has an entry");
        if at < self.heap.len() {
            self.put(at, last);
            let at = self.rise(at);
            self.sink(at);
        }
    }

    fn put(&mut self, at: usize, entry: (SimTime, u32)) {
        self.heap[at] = entry;
        self.place[entry.1 as usize] = at as u32;
    }

    /// Moves the entry at `at` towards the front as far as it belongs; returns its place.
    fn rise(&mut self, mut at: usize) -> usize {
        let entry = self.heap[at];
        while at > 0 && entry < self.heap[(at - 1) / 2] {
            self.put(at, self.heap[(at - 1) / 2]);
            at = (at - 1) / 2;
        }
        self.put(at, entry);
        at
    }

    /// Moves the entry at `at` towards the back as far as it belongs.
    fn sink(&mut self, mut at: usize) {
        let entry = self.heap[at];
        loop {
            let mut child = 2 * at + 1;
            if child + 1 < self.heap.len() && self.heap[child + 1] < self.heap[child] {
                child += 1;
            }
            if child >= self.heap.len() || entry <= self.heap[child] {
                break;
            }
            self.put(at, self.heap[child]);
            at = child;
        }
        self.put(at, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::Stream;

    #[test]
    fn entries_come_out_in_order_whatever_was_moved() {
        let mut stream = Stream::new(1, "completions");
        for _ in 0..200 {
            let mut completions = Completions::default();
            let mut times = vec![0; 40];
            for _ in 0..200 {
                let slot = stream.below(40) as u32;
                times[slot as usize] = 1 + stream.below(50);
                completions.set(slot, SimTime::from_nanos(times[slot as usize]));
            }
            let mut expected: Vec<_> = (0..40_u32)
                .filter(|&slot| times[slot as usize] > 0)
                .map(|slot| (SimTime::from_nanos(times[slot as usize]), slot))
                .collect();
            expected.sort_unstable();
            let drained: Vec<_> = std::iter::from_fn(|| completions.pop_until(SimTime::NEVER)).collect();
            assert_eq!(drained, expected);
        }
    }
}
