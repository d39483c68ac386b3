//! The factors of the product: single axes, axes that advance together, and a sample of several.

use super::axis::Axis;
use crate::issue::Issue;

/// Axes that take their values together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// By position.
    pub axes: Vec<usize>,
    /// What they take together: the position of the value on each of them.
    pub rows: Vec<Vec<usize>>,
    /// Whether the rows are a sample of a product, rather than all values of axes that advance together.
    pub is_sample: bool,
}

impl Factor {
    /// Keeps a quarter of the rows of a sample, or half of the values if one of its axes is numeric, evenly spread: the
    /// first and the last among them.
    pub(super) fn thin(&mut self, axes: &[Axis]) {
        if !self.is_sample && !self.axes.iter().any(|&axis| axes[axis].is_numeric()) {
            return;
        }
        let kept = spread(self.rows.len(), if self.is_sample { 4 } else { 2 });
        let mut index = 0..;
        self.rows.retain(|_| index.next().is_some_and(|index: usize| kept.binary_search(&index).is_ok()));
    }
}

/// A share of `n` positions, rounded up but two of them at least: evenly spread, the first and the last among them.
fn spread(n: usize, share: usize) -> Vec<usize> {
    let n_kept = n.div_ceil(share).max(2);
    if n <= n_kept { (0..n).collect() } else { (0..n_kept).map(|at| at * (n - 1) / (n_kept - 1)).collect() }
}

/// The factors: axes of one `zip` advance together; they must be of equal length.
pub(super) fn group(axes: &[Axis], issues: &mut Vec<Issue>) -> Vec<Factor> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, axis) in axes.iter().enumerate() {
        let partner = groups.iter_mut().find(|group| axis.zip.is_some() && axes[group[0]].zip == axis.zip);
        let Some(group) = partner else {
            groups.push(vec![index]);
            continue;
        };
        let first = &axes[group[0]];
        if first.values.len() != axis.values.len() {
            let message = format!(
                "axes {} and {} advance together (zip = \"{}\") but have {} and {} values",
                first.key,
                axis.key,
                axis.zip.as_deref().unwrap_or_default(),
                first.values.len(),
                axis.values.len()
            );
            issues.push(Issue::new(&axis.key_origin, message));
        }
        group.push(index);
    }
    let together = |axes_of: Vec<usize>| {
        let n = axes[axes_of[0]].values.len();
        Factor { rows: (0..n).map(|position| vec![position; axes_of.len()]).collect(), axes: axes_of, is_sample: false }
    };
    groups.into_iter().map(together).collect()
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn a_share_is_evenly_spread_and_has_both_ends() {
        let halves = (1..=7).map(|n| spread(n, 2)).collect::<Vec<_>>();
        let rest: [&[usize]; 7] = [&[0], &[0, 1], &[0, 2], &[0, 3], &[0, 2, 4], &[0, 2, 5], &[0, 2, 4, 6]];
        assert_eq!(halves, rest);
        assert_eq!(spread(12, 4), [0, 5, 11]);
    }
}
