//! Axes that advance together.

use super::axis::Axis;
use crate::issue::Issue;

/// Axes that advance together; they must be of equal length.
pub(super) fn group(axes: &[Axis], issues: &mut Vec<Issue>) -> Vec<Vec<usize>> {
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
    groups
}
