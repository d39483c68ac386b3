//! Axes: the keys that a sweep varies, and the grid that they span.
//!
//! An axis of `values` replaces one key of the tree before it is typed, so every parameter can be swept and a slip
//! fails like any other. An axis of `files` lays each file over the tree. Files go first, so a value always wins over
//! a file. Axes of equal `zip` advance together; the rest is a product whose first axis is the slowest.

use crate::header::OWN_KEYS;
use crate::issue::{Issue, Origin, nearest, with_suggestion};
use crate::reader::list;
use crate::source;
use crate::tree::{self, Content, Node, Table};
use netkv_sim::METRICS;
use std::cmp::Ordering;
use std::fmt;

/// Columns of the result tables beside the metrics: no axis of files may be called so.
pub const RESERVED_COLUMNS: &[&str] = &[
    "cell",
    "key",
    "seed",
    "status",
    "message",
    "digest",
    "trace_origin",
    "metric",
    "unit",
    "n",
    "n_failed",
    "mean",
    "sd",
    "ci_low",
    "ci_high",
    "min",
    "max",
    "baseline",
    "diff_mean",
    "diff_ci_low",
    "diff_ci_high",
    "ratio_mean",
    "ratio_ci_low",
    "ratio_ci_high",
    "variance_reduction_factor",
    "request",
    "arrival_ns",
    "input_tokens",
    "output_tokens",
    "prefill_instance",
    "decode_instance",
    "tier",
    "prefill_hit_tokens",
    "decode_hit_tokens",
    "transfer_bytes",
    "prefill_queue_ns",
    "prefill_compute_ns",
    "selection_ns",
    "admission_wait_ns",
    "transfer_ns",
    "decode_wait_ns",
    "first_iteration_ns",
    "ttft_ns",
    "ttft_limit_ns",
    "decoding_ns",
    "tbt_max_ns",
    "finish_ns",
    "preemptions",
    "slo_attained",
    "counted",
    "time_s",
    "window_s",
    "link",
    "kind",
    "direction",
    "pod",
    "rack",
    "switch",
    "gpu",
    "capacity_bytes_per_s",
    "kv_ratio",
    "background_ratio",
];

/// One value of an axis, as result tables show it.
#[derive(Clone, Debug)]
pub enum AxisValue {
    /// A string, the stem of a file, or a list on one line.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Flag(bool),
}

impl fmt::Display for AxisValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Integer(value) => write!(formatter, "{value}"),
            Self::Float(value) => write!(formatter, "{value:?}"),
            Self::Flag(value) => write!(formatter, "{value}"),
        }
    }
}

impl PartialEq for AxisValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::Integer(one), Self::Integer(two)) => one == two,
            (Self::Float(one), Self::Float(two)) => one.total_cmp(two) == Ordering::Equal,
            (Self::Flag(one), Self::Flag(two)) => one == two,
            (Self::Text(_) | Self::Integer(_) | Self::Float(_) | Self::Flag(_), _) => false,
        }
    }
}

impl Eq for AxisValue {}

/// A swept key with its values, all of one kind.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The key, which is also the name of its column.
    pub key: String,
    /// Its values, in the order of the file.
    pub values: Vec<AxisValue>,
    key_origin: Origin,
    zip: Option<String>,
    settings: Vec<Setting>,
}

/// What a value of an axis does to the tree.
#[derive(Clone, Debug)]
enum Setting {
    /// Replaces the axis's key.
    Value(Node),
    /// Is laid over the tree.
    File(Table),
}

impl Axis {
    /// Whether its values are numbers.
    pub(crate) fn is_numeric(&self) -> bool {
        self.values.iter().all(|value| matches!(value, AxisValue::Integer(_) | AxisValue::Float(_)))
    }

    /// The trees that its files lay over the base, by stem; nothing for an axis of values.
    pub(crate) fn files(&self) -> Vec<(String, &Table)> {
        let stems = self.values.iter().map(ToString::to_string);
        let named = stems.zip(&self.settings).filter_map(|(stem, setting)| match setting {
            Setting::File(table) => Some((stem, table)),
            Setting::Value(_) => None,
        });
        named.collect()
    }

    /// Its zip group, if it has one.
    pub(crate) fn zip(&self) -> Option<&str> {
        self.zip.as_deref()
    }

    /// Keeps every second value, starting with the first.
    fn thin(&mut self) {
        let keep = |index: usize| index.is_multiple_of(2);
        let mut index = 0..;
        self.values.retain(|_| index.next().is_some_and(keep));
        let mut index = 0..;
        self.settings.retain(|_| index.next().is_some_and(keep));
    }
}

/// The grid that the axes span: its points are numbered from 0, the first axis slowest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    axes: Vec<Axis>,
    /// Positions of axes that advance together, in the order of their first members.
    groups: Vec<Vec<usize>>,
}

impl Grid {
    /// Reads the axes of an experiment's tree.
    pub(crate) fn read(tree: &Table) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        let mut axes = Vec::new();
        if let Some(node) = tree.get("axis") {
            let tables = list(node).map_or(&[][..], Vec::as_slice);
            if tables.is_empty() {
                issues.push(Issue::new(&node.key_origin, "axis is a list of tables; write [[axis]]"));
            }
            axes.extend(tables.iter().filter_map(|table| read_axis(table, tree, &mut issues)));
        }
        check_keys(&axes, &mut issues);
        let groups = group(&axes, &mut issues);
        if issues.is_empty() { Ok(Self { axes, groups }) } else { Err(issues) }
    }

    /// The axes, in the order of the file.
    pub(crate) fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Number of points; none if it is beyond any use.
    pub(crate) fn n_points(&self) -> Option<usize> {
        let lengths = self.groups.iter().map(|group| self.axes[group[0]].values.len());
        lengths.into_iter().try_fold(1_usize, usize::checked_mul)
    }

    /// Every second value of each numeric axis, and of those that advance with one.
    pub(crate) fn thin(&mut self) {
        for group in &self.groups {
            if group.iter().any(|&axis| self.axes[axis].is_numeric()) {
                group.iter().for_each(|&axis| self.axes[axis].thin());
            }
        }
    }

    /// The position on each axis of a point.
    pub(crate) fn coordinates(&self, point: usize) -> Vec<usize> {
        let mut rest = point;
        let mut coordinates = vec![0; self.axes.len()];
        for group in self.groups.iter().rev() {
            let length = self.axes[group[0]].values.len();
            group.iter().for_each(|&axis| coordinates[axis] = rest % length);
            rest /= length;
        }
        coordinates
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
        let coordinates = self.coordinates(point);
        let settings = || self.axes.iter().zip(&coordinates).map(|(axis, &position)| (axis, &axis.settings[position]));
        for (_, setting) in settings() {
            match setting {
                Setting::File(over) => tree::overlay(&mut tree, over),
                Setting::Value(_) => {}
            }
        }
        for (axis, setting) in settings() {
            match setting {
                Setting::Value(node) => {
                    // A mistyped key is reported where the axis names it.
                    let key_origin = axis.key_origin.clone();
                    tree::set(&mut tree, &axis.key, Node { key_origin, ..node.clone() });
                }
                Setting::File(_) => {}
            }
        }
        tree
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
        if words.is_empty() { String::new() } else { format!(" (where {})", words.join(", ")) }
    }
}

fn read_axis(node: &Node, tree: &Table, issues: &mut Vec<Issue>) -> Option<Axis> {
    const KEYS: [&str; 4] = ["key", "values", "files", "zip"];
    let Content::Table(table) = &node.content else {
        issues.push(Issue::new(&node.origin, "axis is a list of tables; write [[axis]]"));
        return None;
    };
    for (name, node) in table.iter().filter(|(name, _)| !KEYS.contains(&name.as_str())) {
        let message = with_suggestion(&format!("{name} is not a known key of an axis"), nearest(name, KEYS));
        issues.push(Issue::new(&node.key_origin, message));
    }
    let mut text = |name: &str| match &table.get(name)?.content {
        Content::Text(text) => Some((text.clone(), table[name].origin.clone())),
        other @ (Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_)) => {
            let message = format!("{name} = {} of an axis is {}; allowed: a string", other.canonical(), other.kind());
            issues.push(Issue::new(&table[name].origin, message));
            None
        }
    };
    let (key, zip) = (text("key"), text("zip").map(|(zip, _)| zip));
    let Some((key, key_origin)) = key else {
        if !table.contains_key("key") {
            issues.push(Issue::new(&node.origin, "an axis needs a key, such as key = \"policy.name\""));
        }
        return None;
    };
    let settings = match (table.get("values"), table.get("files")) {
        (Some(values), None) => read_values(&key, values, issues)?,
        (None, Some(files)) => read_files(&key, files, issues)?,
        (Some(_), Some(_)) | (None, None) => {
            let message = format!("axis {key} needs either values = [...] or files = [...]");
            issues.push(Issue::new(&key_origin, message));
            return None;
        }
    };
    let is_files = table.contains_key("files");
    if let Some(message) = misplaced_key(&key, tree::get(tree, &key), is_files) {
        issues.push(Issue::new(&key_origin, message));
        return None;
    }
    let (values, settings): (Vec<_>, Vec<_>) = settings.into_iter().unzip();
    let values = same_kind(values);
    for (position, value) in values.iter().enumerate() {
        if values[..position].contains(value) {
            issues.push(Issue::new(&key_origin, format!("axis {key} has the value {value} twice")));
            return None;
        }
    }
    Some(Axis { key, values, key_origin, zip, settings })
}

/// Why no axis of this kind can have this key.
fn misplaced_key(key: &str, present: Option<&Node>, is_files: bool) -> Option<String> {
    if key == "seed" || key == "seeds" {
        return Some("seeds are an axis already: write seeds = [1, 2, ...] at the top".to_owned());
    }
    if OWN_KEYS.contains(&key) || key == "extends" {
        return Some(format!("{key} belongs to the experiment as a whole and cannot be an axis"));
    }
    if is_files && (RESERVED_COLUMNS.contains(&key) || METRICS.iter().any(|metric| metric.name == key)) {
        return Some(format!("an axis of files cannot be called {key}: result tables have a column of that name"));
    }
    let is_section = present.is_some_and(|node| matches!(node.content, Content::Table(_)));
    if is_files && present.is_some() {
        return Some(format!("an axis of files needs a name of its own, but {key} is a key of the experiment"));
    }
    is_section.then(|| format!("{key} is a section; an axis sweeps one of its keys"))
}

fn read_values(key: &str, node: &Node, issues: &mut Vec<Issue>) -> Option<Vec<(AxisValue, Setting)>> {
    let Some(items) = list(node).filter(|items| !items.is_empty()) else {
        issues.push(Issue::new(&node.origin, format!("values of axis {key} must be a list that is not empty")));
        return None;
    };
    let value = |node: &Node| match &node.content {
        Content::Text(text) => AxisValue::Text(text.clone()),
        Content::Integer(value) => AxisValue::Integer(*value),
        Content::Float(value) => AxisValue::Float(*value),
        Content::Flag(value) => AxisValue::Flag(*value),
        list @ (Content::List(_) | Content::Table(_)) => AxisValue::Text(list.canonical()),
    };
    Some(items.iter().map(|item| (value(item), Setting::Value(item.clone()))).collect())
}

fn read_files(key: &str, node: &Node, issues: &mut Vec<Issue>) -> Option<Vec<(AxisValue, Setting)>> {
    let Some(items) = list(node).filter(|items| !items.is_empty()) else {
        issues.push(Issue::new(&node.origin, format!("files of axis {key} must be a list that is not empty")));
        return None;
    };
    let n_before = issues.len();
    let mut settings = Vec::new();
    for item in items {
        let Content::Text(name) = &item.content else {
            let message = format!("files of axis {key} holds {}; allowed: file names", item.content.kind());
            issues.push(Issue::new(&item.origin, message));
            continue;
        };
        let path = source::beside(&item.origin.file, name);
        // Read at its place in the list, so that a missing file is reported there.
        let loaded = source::read(&path, &item.origin).and_then(|_| source::load(&path));
        match loaded {
            Ok(table) => {
                refuse_own_keys(key, &table, issues);
                let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                settings.push((AxisValue::Text(stem), Setting::File(table)));
            }
            Err(errors) => issues.extend_from_slice(errors.issues()),
        }
    }
    (issues.len() == n_before).then_some(settings)
}

fn refuse_own_keys(axis: &str, table: &Table, issues: &mut Vec<Issue>) {
    for own in OWN_KEYS {
        if let Some(node) = tree::get(table, own) {
            let message = format!("{own} belongs to the experiment as a whole; a file of axis {axis} cannot set it");
            issues.push(Issue::new(&node.key_origin, message));
        }
    }
}

/// Values of one kind, so that they make a column: all numbers become floats if one is, and a mixture becomes text.
fn same_kind(values: Vec<AxisValue>) -> Vec<AxisValue> {
    let kind = |value: &AxisValue| std::mem::discriminant(value);
    if values.iter().all(|value| kind(value) == kind(&values[0])) {
        return values;
    }
    let as_float = |value: &AxisValue| match value {
        AxisValue::Integer(value) => Some(AxisValue::Float(*value as f64)),
        AxisValue::Float(value) => Some(AxisValue::Float(*value)),
        AxisValue::Text(_) | AxisValue::Flag(_) => None,
    };
    let floats: Option<Vec<_>> = values.iter().map(as_float).collect();
    floats.unwrap_or_else(|| values.iter().map(|value| AxisValue::Text(value.to_string())).collect())
}

/// No two axes may set the same key: one of them would do nothing.
fn check_keys(axes: &[Axis], issues: &mut Vec<Issue>) {
    for (index, axis) in axes.iter().enumerate() {
        for earlier in &axes[..index] {
            let (one, two) = (format!("{}.", earlier.key), format!("{}.", axis.key));
            if one.starts_with(&two) || two.starts_with(&one) {
                let message = format!("axis {} sets what axis {} sets", axis.key, earlier.key);
                issues.push(Issue::new(&axis.key_origin, message));
            }
            let keys_of = |axis: &Axis| -> Vec<String> {
                let files = axis.files();
                let keys = files.iter().flat_map(|(_, table)| tree::leaves(table)).map(|(key, _)| key);
                keys.filter(|key| !key.starts_with("word.")).collect()
            };
            let earlier_keys = keys_of(earlier);
            if let Some(key) = keys_of(axis).iter().find(|key| earlier_keys.contains(key)) {
                let message = format!("files of axis {} and of axis {} both set {key}", axis.key, earlier.key);
                issues.push(Issue::new(&axis.key_origin, message));
            }
        }
    }
}

/// Axes that advance together; they must be of equal length.
fn group(axes: &[Axis], issues: &mut Vec<Issue>) -> Vec<Vec<usize>> {
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
