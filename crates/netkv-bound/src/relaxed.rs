//! The relaxed problem: jobs that must each move something over shared links, one by one free to choose how.
//!
//! What is kept of the model: nothing moves before its release, every link carries at most its capacity, a flow no more
//! than its slowest link. What is given up: max-min fairness, the order in which flows share, all that decides beside
//! the links. Each of these only adds schedules.

/// Time in pieces, in each of which every capacity is constant. Seconds; the last piece has no end.
#[derive(Clone, Debug, PartialEq)]
pub struct Pieces {
    starts: Vec<f64>,
}

impl Pieces {
    /// Pieces that begin at these times, of which 0 is the first.
    ///
    /// # Panics
    /// If they do not ascend from 0.
    pub fn new(starts: Vec<f64>) -> Self {
        assert!(starts.first().is_some_and(|&first| first <= 0.0), "time begins at 0");
        assert!(starts.is_sorted_by(|one, other| one < other), "pieces ascend");
        Self { starts }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.starts.len()
    }

    /// When a piece begins.
    pub fn start(&self, piece: usize) -> f64 {
        self.starts[piece]
    }

    /// When it ends; never, for the last one.
    pub fn end(&self, piece: usize) -> f64 {
        self.starts.get(piece + 1).copied().unwrap_or(f64::INFINITY)
    }

    /// The piece that a time is in.
    pub fn at(&self, time: f64) -> usize {
        self.starts.partition_point(|&start| start <= time).saturating_sub(1)
    }
}

/// Something that moves over links.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// The links, by number.
    pub links: Vec<u32>,
    /// The most that it moves in a second, whatever the links carry.
    pub fastest: f64,
    /// How much there is to move.
    pub amount: f64,
}

/// One way to do a job: all its flows, of which the last decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Nothing moves before, in seconds.
    pub release: f64,
    /// It is done no sooner, even if nobody else moves anything, in seconds.
    pub soonest: f64,
    /// What moves.
    pub flows: Vec<Flow>,
}

/// A job: it is done in one of these ways, by the job's own choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    ways: Vec<Way>,
}

impl Job {
    /// A job with these ways.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(mut ways: Vec<Way>) -> Self {
        assert!(!ways.is_empty(), "a job can be done");
        ways.sort_by(|one, other| one.soonest.total_cmp(&other.soonest));
        Self { ways }
    }

    /// Its ways, the one that can end soonest first.
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// It is done no sooner than this.
    pub fn soonest(&self) -> f64 {
        self.ways[0].soonest
    }
}

/// Links, and what they carry in each piece of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Links {
    /// When.
    pub pieces: Pieces,
    /// By link and piece: the most that it carries in a second.
    pub capacity: Vec<Vec<f64>>,
}

impl Links {
    /// The most that a flow moves in a second of this piece.
    pub fn rate(&self, flow: &Flow, piece: usize) -> f64 {
        flow.links.iter().map(|&link| self.capacity[link as usize][piece]).fold(flow.fastest, f64::min)
    }

    /// The same links as they are in the last piece, for ever.
    pub fn alone_at_last(&self) -> Self {
        let last = |own: &Vec<f64>| own.last().copied().into_iter().collect();
        Self { pieces: Pieces::new(vec![0.0]), capacity: self.capacity.iter().map(last).collect() }
    }

    /// A way to do a job; it is done no sooner than at `least`, nor than the links alone allow.
    pub fn way(&self, release: f64, least: f64, flows: Vec<Flow>) -> Way {
        let mut soonest = least.max(release);
        let mut links: Vec<u32> = flows.iter().flat_map(|flow| flow.links.iter().copied()).collect();
        links.sort_unstable();
        links.dedup();
        for link in links {
            // What all flows of the way move over one link, together.
            let over = flows.iter().filter(|flow| flow.links.contains(&link));
            let amount: f64 = over.map(|flow| flow.amount).sum();
            let alone = Flow { links: vec![link], fastest: f64::INFINITY, amount };
            soonest = soonest.max(self.alone(release, &alone));
        }
        for flow in &flows {
            soonest = soonest.max(self.alone(release, flow));
        }
        Way { release, soonest, flows }
    }

    /// When a flow would be over if it had its links to itself from `release` on.
    fn alone(&self, release: f64, flow: &Flow) -> f64 {
        let (mut piece, mut now, mut left) = (self.pieces.at(release), release, flow.amount);
        loop {
            let (rate, end) = (self.rate(flow, piece), self.pieces.end(piece));
            if left <= rate * (end - now) {
                return if left > 0.0 { now + left / rate } else { now };
            }
            left -= rate * (end - now);
            (piece, now) = (piece + 1, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        Links { pieces: Pieces::new(vec![0.0, 1.0, 3.0]), capacity: vec![vec![2.0, 1.0, 4.0], vec![3.0, 0.5, 8.0]] }
    }

    #[test]
    fn a_time_is_in_the_piece_that_it_begins() {
        let pieces = links().pieces;
        assert_eq!([0.0, 0.5, 1.0, 2.9, 3.0, 99.0].map(|time| pieces.at(time)), [0, 0, 1, 1, 2, 2]);
        assert_eq!((pieces.end(0), pieces.end(2)), (1.0, f64::INFINITY));
    }

    /// 1 in the first second, of both; then 0.5 a second for 2 s; then 4 a second.
    #[test]
    fn alone_a_flow_takes_what_its_slowest_link_gives_it() {
        let flow = |amount| Flow { links: vec![0, 1], fastest: f64::INFINITY, amount };
        assert!((links().alone(0.5, &flow(1.0)) - 1.0).abs() < 1e-12);
        assert!((links().alone(0.5, &flow(1.5)) - 2.0).abs() < 1e-12);
        assert!((links().alone(0.5, &flow(6.0)) - 4.0).abs() < 1e-12);
        assert!((links().alone(0.5, &flow(0.0)) - 0.5).abs() < 1e-12);
    }

    /// Two flows of 1 over link 0 take a second of it together, one alone half a second.
    #[test]
    fn flows_of_one_way_share_their_links() {
        let flow = |link| Flow { links: vec![link], fastest: f64::INFINITY, amount: 1.0 };
        let soonest = |flows| links().way(0.0, 0.0, flows).soonest;
        assert!((soonest(vec![flow(0), flow(1)]) - 0.5).abs() < 1e-12);
        assert!((soonest(vec![flow(0), flow(0)]) - 1.0).abs() < 1e-12);
        assert!((links().way(0.0, 7.0, vec![flow(0)]).soonest - 7.0).abs() < 1e-12);
    }
}
