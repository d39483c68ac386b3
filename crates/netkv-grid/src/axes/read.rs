//! Reading the tables `[[axis]]` of an experiment.

use super::axis::{Axis, Setting};
use super::columns::RESERVED_COLUMNS;
use super::range;
use super::value::{AxisValue, same_kind};
use crate::header::OWN_KEYS;
use crate::issue::{Issue, nearest, with_suggestion};
use crate::reader::list;
use crate::source;
use crate::tree::{self, Content, Node, Table};
use netkv_sim::METRICS;
use std::collections::BTreeSet;

/// The axes of an experiment's tree, each for itself and against the others.
pub(super) fn read(tree: &Table, issues: &mut Vec<Issue>) -> Vec<Axis> {
    let mut axes = Vec::new();
    if let Some(node) = tree.get("axis") {
        let tables = list(node).map_or(&[][..], Vec::as_slice);
        if tables.is_empty() {
            issues.push(Issue::new(&node.key_origin, "axis is a list of tables; write [[axis]]"));
        }
        axes.extend(tables.iter().filter_map(|table| read_axis(table, tree, issues)));
    }
    check_keys(&axes, issues);
    check_elements(&axes, tree, issues);
    axes
}

fn read_axis(node: &Node, tree: &Table, issues: &mut Vec<Issue>) -> Option<Axis> {
    const KEYS: [&str; 5] = ["key", "values", "range", "files", "zip"];
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
    let kinds = ["values", "range", "files"].map(|kind| table.get(kind).map(|node| (kind, node)));
    let [given] = kinds.into_iter().flatten().collect::<Vec<_>>()[..] else {
        let message = format!("axis {key} needs one of values = [...], range = {{ ... }} and files = [...]");
        issues.push(Issue::new(&key_origin, message));
        return None;
    };
    let settings = match given {
        ("values", node) => read_values(&key, node, issues)?,
        ("range", node) => match range::read(&key, node) {
            Ok(nodes) => settings_of(&nodes),
            Err(found) => {
                issues.extend(found);
                return None;
            }
        },
        (_, node) => read_files(&key, node, issues)?,
    };
    let is_files = table.contains_key("files");
    if let Some(message) = misplaced_key(&key, tree::get(tree, &key), is_files) {
        issues.push(Issue::new(&key_origin, message));
        return None;
    }
    let (values, settings): (Vec<_>, Vec<_>) = settings.into_iter().unzip();
    let values = same_kind(values);
    Some(Axis { key, values, key_origin, zip, settings })
}

/// Reports axes that have a value twice. Nothing else depends on it, so that it hides no other error.
pub(super) fn check_values(axes: &[Axis], issues: &mut Vec<Issue>) {
    for axis in axes {
        let mut seen = BTreeSet::new();
        if let Some(value) = axis.values.iter().find(|value| !seen.insert(value.to_string())) {
            issues.push(Issue::new(&axis.key_origin, format!("axis {} has the value {value} twice", axis.key)));
        }
    }
}

/// Why no axis of this kind can have this key.
fn misplaced_key(key: &str, present: Option<&Node>, is_files: bool) -> Option<String> {
    if key == "seed" || key == "seeds" {
        return Some("seeds are an axis already: write seeds = [1, 2, ...] at the top".to_owned());
    }
    if let Some((list, element)) = key.split_once('[') {
        let element = element.trim_end_matches(']');
        return Some(format!("{key}: an element of a list is written {list}.{element}; the first is {list}.0"));
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
    Some(settings_of(items))
}

fn settings_of(nodes: &[Node]) -> Vec<(AxisValue, Setting)> {
    nodes.iter().map(|node| (AxisValue::of(node), Setting::Value(node.clone()))).collect()
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

/// An axis of one element of a list needs that list, in the tree and in all files that replace it.
fn check_elements(axes: &[Axis], tree: &Table, issues: &mut Vec<Issue>) {
    for axis in axes.iter().filter(|axis| !axis.is_of_files()) {
        let files = axes.iter().flat_map(Axis::files).map(|(_, table)| table);
        let wrong = std::iter::once(tree).chain(files).find_map(|table| tree::misplaced_element(table, &axis.key));
        if let Some(message) = wrong {
            issues.push(Issue::new(&axis.key_origin, format!("axis {}: {message}", axis.key)));
        }
    }
}
