//! Prices for the links, and the bound that they give.
//!
//! For any prices of at least zero, what the jobs pay and wait if each does what is best for itself, less what the links
//! could take in if they were full, is at most the sum of the ends of any schedule that keeps to the capacities: such a
//! schedule is one of each job's possibilities, and pays no more than full links would take in. (Weak duality; M. Held
//! and R. M. Karp, *The traveling-salesman problem and minimum spanning trees: part II*, Mathematical Programming 1,
//! 1971; M. L. Fisher, *The Lagrangian relaxation method for solving integer programming problems*, Management Science
//! 27, 1981.) So every step of the search is a bound, however the search goes, and the best one is kept.
//!
//! The search raises prices where links are used beyond their capacity, lowers them where they are not: a subgradient
//! ascent with the step of B. T. Polyak (*Minimization of unsmooth functionals*, USSR Computational Mathematics and
//! Mathematical Physics 9, 1969), each price in proportion to the share by which its link is beyond.

use crate::cheapest::{Answer, Prices, add_use, answer};
use crate::relaxed::{Job, Links};

/// Steps at most. Chosen by us: later ones add less than a thousandth.
const MAX_STEPS: usize = 600;

/// Steps without a better bound before the steps become shorter.
const PATIENCE: usize = 12;

/// The search ends when its steps are this share of the first one.
const LEAST_STEP: f64 = 0.002;

/// How much of the last direction is kept: a zigzag is smoothed.
const MEMORY: f64 = 0.7;

/// A lower bound on the sum of the times at which jobs are done.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The bound without prices: each job by itself, in seconds.
    pub alone: f64,
    /// The best bound, in seconds.
    pub shared: f64,
    /// Steps that the search took.
    pub steps: usize,
}

/// The search for prices.
struct Search<'a> {
    links: &'a Links,
    jobs: &'a [Job],
    prices: Prices,
    used: Vec<Vec<f64>>,
    /// By job: the way of its last answer, which is tried first.
    last: Vec<usize>,
    direction: Vec<Vec<f64>>,
}

/// A lower bound on the sum of the times at which `jobs` are done, in seconds; `target` is a sum that some schedule
/// reaches, to which the steps are fitted.
pub fn bound(links: &Links, jobs: &[Job], target: f64) -> Found {
    let zero = || vec![vec![0.0; links.pieces.len()]; links.capacity.len()];
    let mut search = Search { links, jobs, prices: zero(), used: zero(), last: vec![0; jobs.len()], direction: zero() };
    let alone = search.value();
    let mut found = Found { alone, shared: alone, steps: 0 };
    let (mut value, mut step, mut since) = (alone, 1.0, 0);
    while found.steps < MAX_STEPS && step > LEAST_STEP && search.turn() > 0.0 {
        let gap = (target - value).max(0.001 * (target - found.alone)).max(1e-9);
        search.go(step * gap);
        value = search.value();
        found.steps += 1;
        since += 1;
        if value > found.shared {
            if value - found.shared > 1e-4 * (target - found.shared) {
                since = 0;
            }
            found.shared = value;
        }
        if since >= PATIENCE {
            (step, since) = (step / 2.0, 0);
        }
    }
    found
}

impl Search<'_> {
    /// What a price counts: what the link carries in the piece.
    fn weight(&self, link: usize, piece: usize) -> f64 {
        let length = self.links.pieces.end(piece) - self.links.pieces.start(piece);
        self.links.capacity[link][piece] * length
    }

    /// The bound that the present prices give; notes what the jobs use.
    fn value(&mut self) -> f64 {
        self.used.iter_mut().for_each(|own| own.fill(0.0));
        let mut sum = 0.0;
        for (job, last) in self.jobs.iter().zip(&mut self.last) {
            let done: Answer = answer(self.links, &self.prices, job, *last);
            *last = done.way;
            add_use(self.links, &self.prices, job, done, &mut self.used);
            sum += done.value;
        }
        for (link, own) in self.prices.iter().enumerate() {
            for (piece, price) in own.iter().enumerate().filter(|(_, price)| **price > 0.0) {
                sum -= price * self.weight(link, piece);
            }
        }
        sum
    }

    /// Turns the direction to where prices should go, in shares of capacity; returns its squared length, zero if no price
    /// should change.
    fn turn(&mut self) -> f64 {
        let (mut length, mut any) = (0.0, false);
        for link in 0..self.prices.len() {
            // The last piece never ends: what it carries has no price.
            for piece in 0..self.links.pieces.len() - 1 {
                let weight = self.weight(link, piece);
                let beyond = self.used[link][piece] / weight - 1.0;
                let is_free = self.prices[link][piece] <= 0.0;
                any |= beyond > 1e-9 || (!is_free && beyond < -1e-9);
                let kept = beyond + MEMORY * self.direction[link][piece];
                let own = if is_free && kept < 0.0 { 0.0 } else { kept };
                self.direction[link][piece] = own;
                length += own * own * weight;
            }
        }
        if any { length } else { 0.0 }
    }

    /// Goes along the direction so far that a straight rise would gain `gap`.
    fn go(&mut self, gap: f64) {
        let mut length = 0.0;
        for (link, own) in self.direction.iter().enumerate() {
            for (piece, share) in own.iter().enumerate().filter(|(_, share)| **share != 0.0) {
                length += share * share * self.weight(link, piece);
            }
        }
        let step = if length > 0.0 { gap / length } else { 0.0 };
        for (prices, own) in self.prices.iter_mut().zip(&self.direction) {
            for (price, share) in prices.iter_mut().zip(own) {
                *price = (*price + step * share).max(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relaxed::{Flow, Pieces};
    use netkv_units::Stream;

    /// The least sum of ends on one link that carries 1 a second: always the job with the least left, which is best if jobs
    /// may be interrupted (L. Schrage, *A proof of the optimality of the shortest remaining processing time discipline*,
    /// Operations Research 16, 1968). Jobs are release and size.
    fn shortest_first(jobs: &[(f64, f64)]) -> f64 {
        let mut left: Vec<(f64, f64)> = jobs.to_vec();
        let (mut now, mut sum) = (0.0, 0.0);
        while !left.is_empty() {
            let next = left.iter().map(|job| job.0).filter(|&release| release > now).fold(f64::INFINITY, f64::min);
            let there = (0..left.len()).filter(|&job| left[job].0 <= now);
            let Some(job) = there.min_by(|&one, &other| left[one].1.total_cmp(&left[other].1)) else {
                now = next;
                continue;
            };
            let until = next.min(now + left[job].1);
            left[job].1 -= until - now;
            now = until;
            if left[job].1 <= 1e-12 {
                left.remove(job);
                sum += now;
            }
        }
        sum
    }

    #[test]
    fn on_one_link_the_bound_is_just_below_shortest_first() {
        let mut stream = Stream::new(1, "one link");
        for case in 0..20 {
            let links = Links {
                pieces: Pieces::new((0..200).map(|piece| f64::from(piece) * 0.1).collect()),
                capacity: vec![vec![1.0; 200]],
            };
            let n = 2 + stream.below(9);
            let parts: Vec<(f64, f64)> = (0..n).map(|_| (stream.uniform(0.0, 5.0), stream.uniform(0.2, 2.0))).collect();
            let flow = |amount| vec![Flow { links: vec![0], fastest: f64::INFINITY, amount }];
            let job = |&(release, size): &(f64, f64)| Job::new(vec![links.way(release, 0.0, flow(size))]);
            let jobs: Vec<Job> = parts.iter().map(job).collect();
            let best = shortest_first(&parts);
            let found = bound(&links, &jobs, best * 1.1);
            assert!(found.shared <= best + 1e-9, "case {case}: {} above {best}", found.shared);
            // What sharing costs is nearly all found: the rest is the length of a piece, and that the search ends.
            let part = (found.shared - found.alone) / (best - found.alone).max(1e-9);
            assert!(part > 0.9 || best - found.alone < 0.05, "case {case}: {found:?} of {best}");
        }
    }
}
