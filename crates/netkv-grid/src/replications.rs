//! How many seeds an experiment has: those of its file, or more until an interval is narrow enough.
//!
//! More come in planned batches: twice as many in all, at looks that the file fixes before anything is run. To look several times
//! and stop at a narrow interval favours samples that happen to spread little, so an interval that is judged at each look covers
//! less often than it says. It is paid for: of *k* planned looks each has the share 1/*k* of the error that is allowed
//! (Bonferroni), so that all *k* intervals together, and with them whichever the rule stops at, cover as often as was asked for.

use crate::issue::{nearest, with_suggestion};
use crate::reader::{Range, Reader};
use netkv_sim::{METRICS, metric_index};

/// What more seeds are run for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Until {
    /// Position of the metric in [`METRICS`].
    pub metric: usize,
    /// Half of its interval over its mean that is narrow enough.
    pub rel_half_width: f64,
}

/// When the results are looked at, and what for.
#[derive(Clone, Debug, PartialEq)]
pub struct Replications {
    looks: Vec<usize>,
    until: Option<Until>,
}

impl Replications {
    /// So many seeds, whatever comes out.
    pub(crate) fn fixed(n_seeds: usize) -> Self {
        Self { looks: vec![n_seeds], until: None }
    }

    /// Twice as many at each look, up to a most.
    fn doubling(first: usize, most: usize, until: Until) -> Self {
        let doubled = std::iter::successors(Some(first), |&n| Some(n.saturating_mul(2)).filter(|&n| n < most));
        Self { looks: doubled.chain([most]).collect(), until: Some(until) }
    }

    /// Numbers of seeds at which the results are looked at, ascending; the last is the most.
    pub fn looks(&self) -> &[usize] {
        &self.looks
    }

    /// What more seeds are run for; none if their number is fixed.
    pub const fn until(&self) -> Option<Until> {
        self.until
    }

    /// The coverage of each interval, so that the one at which the rule stops has that of `confidence_ratio` at least.
    pub(crate) fn of_each(&self, confidence_ratio: f64) -> f64 {
        1.0 - (1.0 - confidence_ratio) / self.looks.len() as f64
    }
}

/// Reads the keys: all seeds that may be run, and when it is looked at them. Most of 0 is those of `seeds` alone.
pub(crate) fn read(reader: &mut Reader<'_>, seeds: Option<&[u64]>) -> Option<(Vec<u64>, Replications)> {
    const MAX: &str = "replications.max";
    let metric = read_metric(reader);
    let rel_half_width = reader.float("replications.until.rel_half_width", Range::between(0.0, 1.0));
    let most = reader.count(MAX, 0, 1_000_000);
    let (until, most, seeds) =
        (Until { metric: metric?, rel_half_width: rel_half_width? }, most? as usize, seeds?.to_vec());
    if most == 0 {
        let fixed = Replications::fixed(seeds.len());
        return Some((seeds, fixed));
    }
    let first = seeds.len();
    if first < 2 || most <= first {
        let what = if first < 2 {
            "has no interval to begin with; allowed: at least 2 seeds".to_owned()
        } else {
            format!("adds none to the {first} of seeds; allowed: more than {first}, or 0 for those alone")
        };
        reader.fail(MAX, &format!("{MAX} = {most} {what}"));
        return None;
    }
    let next = seeds.iter().max().map_or(1, |last| last + 1);
    let all = seeds.into_iter().chain(next..).take(most).collect();
    Some((all, Replications::doubling(first, most, until)))
}

fn read_metric(reader: &mut Reader<'_>) -> Option<usize> {
    const KEY: &str = "replications.until.metric";
    let allowed = "the name of a metric, as in cells.parquet";
    let name = reader.text(KEY);
    reader.note(KEY, || allowed.to_owned());
    let name = name?;
    let found = metric_index(name);
    if found.is_none() {
        let near = nearest(name, METRICS.iter().map(|metric| metric.name));
        reader.fail(KEY, &with_suggestion(&format!("{KEY} = \"{name}\" is not allowed; allowed: {allowed}"), near));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_double_up_to_the_most() {
        let until = Until { metric: 0, rel_half_width: 0.1 };
        assert_eq!(Replications::doubling(5, 40, until).looks(), [5, 10, 20, 40]);
        assert_eq!(Replications::doubling(5, 41, until).looks(), [5, 10, 20, 40, 41]);
        assert_eq!(Replications::doubling(5, 6, until).looks(), [5, 6]);
        let each = Replications::doubling(5, 40, until).of_each(0.95);
        assert!((each - 0.9875).abs() < 1e-15, "{each}");
        assert_eq!(Replications::fixed(5).of_each(0.95).to_bits(), 0.95_f64.to_bits());
    }
}
