//! Axes: the keys that a sweep varies, and the grid that they span.
//!
//! An axis of `values` replaces one key of the tree before it is typed, so every parameter can be swept and a slip
//! fails like any other; `range` says its values by a rule. An axis of `files` lays each file over the tree. Files go
//! first, so a value always wins over a file. Axes of equal `zip` advance together; the rest is a product whose first
//! axis is the slowest, or a `sample` of it, less the points that an `exclude` leaves out.

mod axis;
mod columns;
mod exclude;
mod group;
mod overruled;
mod range;
mod read;
mod sample;
mod value;

pub use axis::Axis;
pub use columns::RESERVED_COLUMNS;
pub use group::Factor;
pub use value::AxisValue;

use crate::issue::{Issue, Origin, nearest};
use crate::source::Layers;
use crate::tree::{self, Node, Table};
use axis::Setting;
use exclude::Exclude;

/// Most points before some are left out. Chosen by us: they are counted one by one.
const MAX_PRODUCT: usize = 10_000_000;

/// Reports axes of keys that the tree does not have, where it has one of nearly that name: what else names the axis (a sample,
/// an exclusion, a figure) is then not reported as well. Other unknown keys are found when they are read.
fn misspelt(tree: &Table, axes: &[Axis], issues: &mut Vec<Issue>) {
    let keys: Vec<String> = tree::leaves(tree).into_iter().map(|(key, _)| key).collect();
    for axis in axes.iter().filter(|axis| !is_known(axis, &keys)) {
        if let Some(near) = nearest(&axis.key, keys.iter().map(String::as_str)) {
            let message = format!("{} is not a known key; did you mean {near}?", axis.key);
            issues.push(Issue::new(&axis.key_origin, message));
        }
    }
}

/// Whether an axis is of files, or of one of these keys.
fn is_known(axis: &Axis, keys: &[String]) -> bool {
    // A list has elements: `fabric.latency_us.2` is of `fabric.latency_us`.
    let is_of = |key: &String| axis.key.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    axis.is_of_files() || keys.iter().any(is_of)
}

/// The grid that the axes span: its points are numbered from 0, the first axis slowest, those that are left out not
/// counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    axes: Vec<Axis>,
    /// What the product is of, in the order of their first axes.
    factors: Vec<Factor>,
    excludes: Vec<Exclude>,
    /// Positions in the product of the points that are left; none if that is all of them.
    kept: Option<Vec<usize>>,
    /// Whether its points are no points of the experiment: see [`Grid::each_value_once`].
    is_for_errors: bool,
}

impl Grid {
    /// Reads the axes of an experiment's tree, which was made of these layers.
    pub(crate) fn read(tree: &Table, layers: &Layers, file: &Origin) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        let axes = read::read(tree, &mut issues);
        let mut factors = group::group(&axes, &mut issues);
        overruled::check(tree, &axes, layers, &mut issues);
        if !issues.is_empty() {
            return Err(issues);
        }
        misspelt(tree, &axes, &mut issues);
        let is_misspelt = !issues.is_empty();
        read::check_values(&axes, &mut issues);
        if is_misspelt {
            return Err(issues);
        }
        sample::apply(tree, &axes, &mut factors, file, &mut issues);
        let excludes = exclude::read(tree, &axes, &mut issues);
        let mut grid = Self { axes, factors, excludes, kept: None, is_for_errors: false };
        if issues.is_empty() {
            grid.leave_out(file, &mut issues);
        }
        if issues.is_empty() { Ok(grid) } else { Err(issues) }
    }

    /// The axes of a tree by key, and whether they lay files over it.
    pub(crate) fn named(tree: &Table) -> Vec<(String, bool)> {
        let axes = read::read(tree, &mut Vec::new());
        axes.into_iter().map(|axis| (axis.key.clone(), axis.is_of_files())).collect()
    }

    /// A grid with an axis of an unknown key or with a value twice, so that what is wrong with the values of the others is told as well: these axes,
    /// each value at one point at least. None of them if more is wrong with them, or if points are to be left out, since which
    /// ones cannot be told.
    pub(crate) fn each_value_once(tree: &Table) -> Self {
        let keys: Vec<String> = tree::leaves(tree).into_iter().map(|(key, _)| key).collect();
        let mut issues = Vec::new();
        let mut axes = read::read(tree, &mut issues);
        group::group(&axes, &mut issues);
        axes.retain(|axis| is_known(axis, &keys));
        let longest = axes.iter().map(|axis| axis.values.len()).max().unwrap_or(0);
        if longest == 0 || !issues.is_empty() || tree.contains_key("exclude") {
            return Self::default();
        }
        let rows = (0..longest).map(|at| axes.iter().map(|axis| at % axis.values.len()).collect()).collect();
        let factors = vec![Factor { axes: (0..axes.len()).collect(), rows, is_sample: false }];
        Self { axes, factors, is_for_errors: true, ..Self::default() }
    }

    /// Leaves out what is excluded; each table must leave out something, and all together not everything.
    fn leave_out(&mut self, file: &Origin, issues: &mut Vec<Issue>) {
        let Some(last) = self.excludes.last().map(|exclude| exclude.origin.clone()) else { return };
        let Some(n) = self.product().filter(|&n| n <= MAX_PRODUCT) else {
            let message = format!("too many points to leave some of them out; allowed: at most {MAX_PRODUCT}");
            issues.push(Issue::new(file, message));
            return;
        };
        let mut is_used = vec![false; self.excludes.len()];
        for point in 0..n {
            let coordinates = self.place(point);
            for (exclude, is_used) in self.excludes.iter().zip(&mut is_used) {
                *is_used |= exclude.matches(&self.axes, &coordinates);
            }
        }
        self.keep(n);
        for (exclude, _) in self.excludes.iter().zip(is_used).filter(|(_, is_used)| !is_used) {
            let message = "exclude leaves out nothing: no point has all of its values, since axes that advance together \
                           (zip) do not meet there";
            issues.push(Issue::new(&exclude.origin, message));
        }
        if self.kept.as_ref().is_some_and(Vec::is_empty) {
            issues.push(Issue::new(&last, "exclude leaves out every point; nothing would be run"));
        }
    }

    /// Finds the points that are left of a product of `n`.
    fn keep(&mut self, n: usize) {
        if self.excludes.is_empty() {
            return;
        }
        let is_kept = |&point: &usize| {
            let coordinates = self.place(point);
            !self.excludes.iter().any(|exclude| exclude.matches(&self.axes, &coordinates))
        };
        self.kept = Some((0..n).filter(is_kept).collect());
    }

    /// The axes, in the order of the file.
    pub(crate) fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// What the product is of, in the order of their first axes.
    pub(crate) fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// Number of points; none if it is beyond any use.
    pub(crate) fn n_points(&self) -> Option<usize> {
        self.kept.as_ref().map_or_else(|| self.product(), |kept| Some(kept.len()))
    }

    /// Number of points that are left out.
    pub(crate) fn n_excluded(&self) -> usize {
        let all = self.product().unwrap_or_default();
        self.kept.as_ref().map_or(0, |kept| all - kept.len())
    }

    /// Number of points before any is left out.
    fn product(&self) -> Option<usize> {
        let lengths = self.factors.iter().map(|factor| factor.rows.len());
        lengths.into_iter().try_fold(1_usize, usize::checked_mul)
    }

    /// Half of the values of each numeric axis, and of those that advance with one; a quarter of the points of a sample.
    pub(crate) fn thin(&mut self) {
        for factor in &mut self.factors {
            factor.thin(&self.axes);
            for (at, &axis) in factor.axes.iter().enumerate() {
                let mut used: Vec<usize> = factor.rows.iter().map(|row| row[at]).collect();
                used.sort_unstable();
                used.dedup();
                self.axes[axis].keep(&used);
                for row in &mut factor.rows {
                    row[at] = used.binary_search(&row[at]).expect("it is one of them");
                }
            }
        }
        self.keep(self.product().expect("a grid with less values is no larger"));
    }

    /// The position on each axis of a point of the product.
    fn place(&self, point: usize) -> Vec<usize> {
        let mut rest = point;
        let mut coordinates = vec![0; self.axes.len()];
        for Factor { axes, rows, .. } in self.factors.iter().rev() {
            let row = &rows[rest % rows.len()];
            axes.iter().zip(row).for_each(|(&axis, &position)| coordinates[axis] = position);
            rest /= rows.len();
        }
        coordinates
    }

    /// The position on each axis of a point.
    pub(crate) fn coordinates(&self, point: usize) -> Vec<usize> {
        self.place(self.kept.as_ref().map_or(point, |kept| kept[point]))
    }

    /// The values of a point, one for each axis.
    pub(crate) fn values(&self, point: usize) -> Vec<AxisValue> {
        let coordinates = self.coordinates(point);
        self.axes.iter().zip(coordinates).map(|(axis, position)| axis.values[position].clone()).collect()
    }

    /// `base` as it is at a point: files first, then values.
    pub(crate) fn apply(&self, base: &Table, point: usize) -> Table {
        let mut tree = base.clone();
        tree.remove("axis");
        tree.remove("exclude");
        tree.remove("sample");
        let coordinates = self.coordinates(point);
        self.lay_files(&mut tree, &coordinates);
        self.set_values(&mut tree, &coordinates);
        tree
    }

    /// Lays the files of these positions over a tree.
    pub(crate) fn lay_files(&self, tree: &mut Table, coordinates: &[usize]) {
        for (axis, &position) in self.axes.iter().zip(coordinates) {
            match &axis.settings[position] {
                Setting::File(over) => tree::overlay(tree, over),
                Setting::Value(_) => {}
            }
        }
    }

    /// Sets the values of these positions in a tree: the same keys at every point.
    pub(crate) fn set_values(&self, tree: &mut Table, coordinates: &[usize]) {
        for (axis, &position) in self.axes.iter().zip(coordinates) {
            match &axis.settings[position] {
                Setting::Value(node) => {
                    // A mistyped key is reported where the axis names it.
                    let key_origin = axis.key_origin.clone();
                    tree::set(tree, &axis.key, Node { key_origin, ..node.clone() });
                }
                Setting::File(_) => {}
            }
        }
    }

    /// The positions on axes of files alone: points where they are equal differ in values.
    pub(crate) fn files_at(&self, coordinates: &[usize]) -> Vec<usize> {
        let axes = self.axes.iter().zip(coordinates).filter(|(axis, _)| axis.is_of_files());
        axes.map(|(_, &position)| position).collect()
    }

    /// The sections that axes of values set keys of, or the keys themselves where they are in none.
    pub(crate) fn sections_of_values(&self) -> Vec<&str> {
        let keys = self.axes.iter().filter(|axis| !axis.is_of_files()).map(|axis| axis.key.as_str());
        let mut sections: Vec<&str> = keys.filter_map(|key| key.split('.').next()).collect();
        sections.sort_unstable();
        sections.dedup();
        sections
    }

    /// The axis values that set `points` apart from the others: " (only where regime = null)" or nothing.
    pub(crate) fn circumstances(&self, points: &[usize]) -> String {
        let mut words = Vec::new();
        for (index, axis) in self.axes.iter().enumerate() {
            let mut met: Vec<usize> = points.iter().map(|&point| self.coordinates(point)[index]).collect();
            met.sort_unstable();
            met.dedup();
            if met.len() < axis.values.len() {
                let values: Vec<_> = met.iter().map(|&position| axis.values[position].to_string()).collect();
                words.push(format!("{} = {}", axis.key, values.join(" or ")));
            }
        }
        if words.is_empty() || self.is_for_errors { String::new() } else { format!(" (where {})", words.join(", ")) }
    }
}
