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
    /// Keeps every fourth row of a sample, or every second value if one of its axes is numeric.
    pub(super) fn thin(&mut self, axes: &[Axis]) {
        if !self.is_sample && !self.axes.iter().any(|&axis| axes[axis].is_numeric()) {
            return;
        }
        let step = if self.is_sample { 4 } else { 2 };
        let mut index = 0..;
        self.rows.retain(|_| index.next().is_some_and(|index: usize| index.is_multiple_of(step)));
    }
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
