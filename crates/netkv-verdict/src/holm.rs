//! Many comparisons at once: what stays said when all of them together may be wrong as seldom as one.
//!
//! At 95 % one of twenty comparisons says something by chance. Holm's step-down (Holm 1979) holds the probability that any is
//! wrong: the smallest of *m* p-values counts *m* times, the next one *m* - 1 times, and none less than one before it.

use crate::effect::Effect;
use crate::points::{Answer, Point, Standing};
use crate::words::counted;
use netkv_policy::NetworkView;

/// Comparisons that are named. Chosen by us: what fits a line.
const NAMED: usize = 3;

/// Holm's correction of p-values, in their order.
pub(crate) fn adjusted(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&one, &two| p[one].total_cmp(&p[two]));
    let mut adjusted = vec![1.0; p.len()];
    let mut so_far = 0.0_f64;
    for (rank, at) in order.into_iter().enumerate() {
        so_far = so_far.max(p[at] * (p.len() - rank) as f64).min(1.0);
        adjusted[at] = so_far;
    }
    adjusted
}

impl Answer {
    /// Whether the conclusion is about this one: `asks` if it is about what the network is worth.
    pub(crate) fn is_in_question(&self, standing: &Standing, asks: bool) -> bool {
        if asks { standing.view() == Some(NetworkView::Aware) } else { standing.name != self.options.baseline }
    }

    /// The one that it is compared with at a point.
    pub(crate) fn compared_with<'a>(&self, point: &'a Point, asks: bool) -> Option<&'a Standing> {
        if asks {
            point.best_blind.map(|index| &point.standings[index])
        } else {
            point.standings.iter().find(|one| one.name == self.options.baseline)
        }
    }

    /// Corrects the comparisons of the conclusion for their number. They are one family; what is overloaded is not compared.
    pub(crate) fn correct(&mut self) {
        let asks = self.asks_for_network();
        let mut places = Vec::new();
        for (at, point) in self.points.iter().enumerate() {
            let Some(other) = self.compared_with(point, asks).filter(|other| !other.is_overloaded()) else { continue };
            for (index, own) in point.standings.iter().enumerate() {
                let in_question = self.is_in_question(own, asks) && own.name != other.name && !own.is_overloaded();
                let ratio = if asks { own.against_blind } else { own.against_baseline };
                if let Some(p) = ratio.filter(|_| in_question).and_then(|ratio| ratio.p()) {
                    places.push((at, index, p));
                }
            }
        }
        let p: Vec<f64> = places.iter().map(|&(.., p)| p).collect();
        for (&(at, index, _), p_holm) in places.iter().zip(adjusted(&p)) {
            let own = &mut self.points[at].standings[index];
            let ratio = if asks { &mut own.against_blind } else { &mut own.against_baseline };
            if let Some(ratio) = ratio {
                ratio.p_holm = Some(p_holm);
            }
        }
    }

    /// What stays said after the correction, in one sentence; none of a single comparison.
    pub fn holm_words(&self) -> Option<String> {
        let asks = self.asks_for_network();
        let standings = self.points.iter().flat_map(|point| point.standings.iter().map(move |own| (point, own)));
        let corrected = standings.filter_map(|(point, own)| {
            let ratio = if asks { own.against_blind } else { own.against_baseline };
            ratio.filter(|ratio| ratio.p_holm.is_some()).map(|ratio| (point, own, ratio))
        });
        let all: Vec<_> = corrected.collect();
        let settled: Vec<_> = all.iter().filter(|(.., ratio)| ratio.effect() != Effect::Open).collect();
        if all.len() < 2 || settled.is_empty() {
            return None;
        }
        let lost: Vec<_> = settled.iter().filter(|(.., ratio)| ratio.effect_after_holm() == Effect::Open).collect();
        let error = (1.0 - self.options.confidence_ratio) * 100.0;
        let head = format!(
            "Many comparisons: Holm's correction over {}, {error:.4} % for all together:",
            counted(all.len(), "comparison"),
        )
        .replace(".0000 %", " %");
        let n = settled.len();
        if lost.is_empty() {
            let all = if n == 1 { "there".to_owned() } else { format!("at all {n}") };
            return Some(format!("{head} what pays, harms or makes no difference stays so {all}."));
        }
        let mut named: Vec<String> =
            lost.iter().take(NAMED).map(|(point, own, _)| format!("{} where {}", own.name, point.place())).collect();
        if lost.len() > NAMED {
            named.push(format!("and {} more", lost.len() - NAMED));
        }
        Some(format!("{head} {} of {n} stay settled; open after it: {}.", n - lost.len(), named.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand: 0.01 x 4, 0.02 x 3, then 0.03 x 2 is as large, and 0.9.
    #[test]
    fn the_smallest_counts_as_often_as_there_are() {
        let near = |p: &[f64], expected: &[f64]| {
            let all = adjusted(p);
            assert!(all.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-12), "{all:?}");
        };
        near(&[0.03, 0.01, 0.9, 0.02], &[0.06, 0.04, 0.9, 0.06]);
        near(&[0.04, 0.03], &[0.06, 0.06]);
        near(&[0.6, 0.7], &[1.0, 1.0]);
        near(&[], &[]);
    }
}
