//! What one job does if links have prices: the cheapest way and time to end.
//!
//! A job pays for each unit that it moves over a link what the link costs at that time, and one for each second until it
//! is done. Given when it is done, each of its flows moves in the cheapest times up to then, as fast as its links carry:
//! a later end never makes that dearer. What a flow pays falls along a line while the dearest time that it uses is
//! replaced by the present one, so the least of sum and end is where one of these lines begins or ends.

use crate::relaxed::{Flow, Job, Links, Way};

/// By link and piece of time: what moving a unit costs, in seconds.
pub type Prices = Vec<Vec<f64>>;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// End and payments, in seconds.
    pub value: f64,
    /// The way, by number.
    pub way: usize,
    /// When it is done, in seconds.
    pub end: f64,
}

/// A part of what a flow moves.
#[derive(Clone, Copy, Debug)]
struct Part {
    price: f64,
    piece: usize,
    amount: f64,
}

/// What a flow pays if it is done at a time.
type Line = Vec<(f64, f64)>;

fn price(prices: &Prices, flow: &Flow, piece: usize) -> f64 {
    flow.links.iter().map(|&link| prices[link as usize][piece]).sum()
}

/// What `flow` moves when, at the least cost, between `release` and `end`: cheapest first.
fn fill(links: &Links, prices: &Prices, flow: &Flow, (release, end): (f64, f64)) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut piece, mut now) = (links.pieces.at(release), release);
    while now < end {
        let until = links.pieces.end(piece).min(end);
        let amount = links.rate(flow, piece) * (until - now);
        parts.push(Part { price: price(prices, flow, piece), piece, amount });
        (piece, now) = (piece + 1, until);
    }
    // Pieces of one price stay in order of time.
    if parts.iter().any(|part| part.price > 0.0) {
        parts.sort_by(|one, other| one.price.total_cmp(&other.price));
    }
    let mut left = flow.amount;
    for part in &mut parts {
        part.amount = part.amount.min(left);
        left -= part.amount;
    }
    parts.retain(|part| part.amount > 0.0);
    parts
}

fn cost(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.price * part.amount).sum()
}

/// What `flow`, which moves `parts` if it is done at `from`, pays if it is done later, up to `until`.
fn falling(links: &Links, prices: &Prices, flow: &Flow, mut parts: Vec<Part>, (from, until): (f64, f64)) -> Line {
    let mut paid = cost(&parts);
    let mut line = vec![(from, paid)];
    let (mut piece, mut now) = (links.pieces.at(from), from);
    while now < until && parts.last().is_some_and(|dearest| dearest.price > 0.0) {
        let (own, rate, end) = (price(prices, flow, piece), links.rate(flow, piece), links.pieces.end(piece));
        let mut moved = 0.0;
        while now < end {
            let Some(dearest) = parts.last_mut().filter(|dearest| dearest.price > own) else { break };
            let amount = dearest.amount.min(rate * (end - now));
            paid -= amount * (dearest.price - own);
            now = if amount < dearest.amount { end } else { now + amount / rate };
            dearest.amount -= amount;
            moved += amount;
            if dearest.amount <= 0.0 {
                parts.pop();
            }
            line.push((now, paid));
        }
        if moved > 0.0 {
            let place = parts.partition_point(|part| part.price <= own);
            parts.insert(place, Part { price: own, piece, amount: moved });
        }
        if end.is_infinite() {
            break;
        }
        // Nothing cheaper is left in this piece.
        if now < end {
            line.push((end, paid));
        }
        (piece, now) = (piece + 1, end);
    }
    line
}

/// What is paid along `line` at `time`: between two points in proportion, after the last one as much as there.
fn along(line: &Line, time: f64) -> f64 {
    let after = line.partition_point(|&(at, _)| at <= time);
    let (from, paid) = line[after.saturating_sub(1)];
    line.get(after).map_or(paid, |&(to, then)| paid + (then - paid) * (time - from) / (to - from))
}

/// The least end and payments of a way, and the end with it; none if that is not below `best`.
fn least(links: &Links, prices: &Prices, way: &Way, best: f64) -> Option<(f64, f64)> {
    let span = (way.release, way.soonest);
    let filled: Vec<_> = way.flows.iter().map(|flow| fill(links, prices, flow, span)).collect();
    let first = way.soonest + filled.iter().map(|parts| cost(parts)).sum::<f64>();
    let mut found = (first, way.soonest);
    // Who ends later than this pays more by that alone.
    let until = first.min(best);
    let flows = way.flows.iter().zip(filled);
    let lines: Vec<Line> =
        flows.map(|(flow, parts)| falling(links, prices, flow, parts, (way.soonest, until))).collect();
    for &(end, _) in lines.iter().flatten() {
        let value = end + lines.iter().map(|line| along(line, end)).sum::<f64>();
        if value < found.0 {
            found = (value, end);
        }
    }
    (found.0 < best).then_some(found)
}

/// What a job does: the least of end and payments, over its ways and times. The way `first` is tried first: if it is good,
/// little of the others has to be looked at.
pub fn answer(links: &Links, prices: &Prices, job: &Job, first: usize) -> Answer {
    let mut best = Answer { value: f64::INFINITY, way: first, end: f64::INFINITY };
    for number in std::iter::once(first).chain((0..job.ways().len()).filter(|&number| number != first)) {
        let way = &job.ways()[number];
        if way.soonest >= best.value {
            continue;
        }
        if let Some((value, end)) = least(links, prices, way, best.value) {
            best = Answer { value, way: number, end };
        }
    }
    best
}

/// Adds what a job that does this moves, by link and piece.
pub fn add_use(links: &Links, prices: &Prices, job: &Job, done: Answer, used: &mut [Vec<f64>]) {
    let way = &job.ways()[done.way];
    for flow in &way.flows {
        for part in fill(links, prices, flow, (way.release, done.end)) {
            flow.links.iter().for_each(|&link| used[link as usize][part.piece] += part.amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relaxed::Pieces;

    /// Two links, five pieces of a second, and the rest.
    fn links() -> Links {
        let starts = (0..6).map(f64::from).collect();
        Links { pieces: Pieces::new(starts), capacity: vec![vec![2.0; 6], vec![3.0, 1.0, 3.0, 1.0, 3.0, 3.0]] }
    }

    fn flow(links: &[u32], amount: f64) -> Flow {
        Flow { links: links.to_vec(), fastest: f64::INFINITY, amount }
    }

    #[test]
    fn without_prices_a_job_ends_as_soon_as_it_can() {
        let links = links();
        let job =
            Job::new(vec![links.way(0.5, 0.0, vec![flow(&[0, 1], 2.0)]), links.way(0.0, 0.0, vec![flow(&[1], 1.5)])]);
        let found = answer(&links, &vec![vec![0.0; 6]; 2], &job, 0);
        assert_eq!((found.value, found.end, found.way), (0.5, 0.5, 0));
    }

    /// 2 units, of 1 each a second, while the first two seconds cost 3 a unit and later ones nothing.
    #[test]
    fn a_job_waits_for_cheaper_times_as_long_as_that_pays() {
        let links = Links { pieces: Pieces::new(vec![0.0, 1.0, 2.0, 3.0]), capacity: vec![vec![1.0; 4]] };
        let prices = vec![vec![3.0, 3.0, 0.0, 0.0]];
        let job = Job::new(vec![links.way(0.0, 0.0, vec![flow(&[0], 2.0)])]);
        let found = answer(&links, &prices, &job, 0);
        assert!((found.value - 4.0).abs() < 1e-12 && (found.end - 4.0).abs() < 1e-12, "{found:?}");
        // At half a second a unit it does not.
        let found = answer(&links, &vec![vec![0.5, 0.5, 0.0, 0.0]], &job, 0);
        assert!((found.value - 3.0).abs() < 1e-12 && (found.end - 2.0).abs() < 1e-12, "{found:?}");
    }

    /// Every end on a fine grid, and every flow filled from nothing: none is better, and the best one nearly as good.
    #[test]
    fn no_other_time_to_end_is_better() {
        let links = links();
        let mut stream = netkv_units::Stream::new(1, "prices");
        for _ in 0..200 {
            let mut prices: Prices = (0..2).map(|_| (0..6).map(|_| stream.uniform(0.0, 1.5)).collect()).collect();
            prices.iter_mut().for_each(|own| own[5] = 0.0);
            let flows = vec![flow(&[0], stream.uniform(0.1, 3.0)), flow(&[0, 1], stream.uniform(0.1, 3.0))];
            let job = Job::new(vec![links.way(stream.uniform(0.0, 2.0), 0.0, flows)]);
            let way = &job.ways()[0];
            let found = answer(&links, &prices, &job, 0);
            let value = |end: f64| {
                let paid = way.flows.iter().map(|flow| cost(&fill(&links, &prices, flow, (way.release, end))));
                end + paid.sum::<f64>()
            };
            assert!((value(found.end) - found.value).abs() < 1e-9, "{found:?}");
            let ends = (0..2000).map(|step| way.soonest + f64::from(step) * 0.005);
            let best = ends.map(value).fold(f64::INFINITY, f64::min);
            assert!(found.value <= best + 1e-9 && best <= found.value + 0.05, "{found:?} against {best}");
        }
    }
}
