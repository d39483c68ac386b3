//! `[[exclude]]`: points of the product that are no points of the grid.

use super::axis::Axis;
use super::value::AxisValue;
use crate::issue::{Issue, Origin, nearest, with_suggestion};
use crate::reader::list;
use crate::tree::{Content, Node, Table};

/// One table: a point that has one of the values on each of its axes is left out.
#[derive(Clone, Debug)]
pub(super) struct Exclude {
    /// Where it stands.
    pub(super) origin: Origin,
    /// Axes by position, with the values that are left out.
    conditions: Vec<(usize, Vec<AxisValue>)>,
}

impl Exclude {
    /// Whether it leaves out a point with these positions on the axes.
    pub(super) fn matches(&self, axes: &[Axis], coordinates: &[usize]) -> bool {
        self.conditions.iter().all(|(axis, values)| values.contains(&axes[*axis].values[coordinates[*axis]]))
    }
}

/// The tables of an experiment's tree.
pub(super) fn read(tree: &Table, axes: &[Axis], issues: &mut Vec<Issue>) -> Vec<Exclude> {
    let Some(node) = tree.get("exclude") else { return Vec::new() };
    let Some(tables) = list(node) else {
        issues.push(Issue::new(&node.key_origin, "exclude is a list of tables; write [[exclude]]"));
        return Vec::new();
    };
    let mut excludes = Vec::new();
    for table in tables {
        let Content::Table(keys) = &table.content else {
            issues.push(Issue::new(&table.origin, "exclude is a list of tables; write [[exclude]]"));
            continue;
        };
        let mut conditions = Vec::new();
        let n_before = issues.len();
        for (key, node) in flat(keys, "") {
            conditions.extend(read_condition(&key, node, axes, issues));
        }
        if conditions.is_empty() && issues.len() == n_before {
            issues.push(Issue::new(&table.origin, "exclude without a key would leave out every point"));
        }
        excludes.push(Exclude { origin: table.origin.clone(), conditions });
    }
    excludes
}

/// Keys with their values, dotted, whether their table was written `policy.name = ...` or `"policy.name" = ...`.
fn flat<'a>(table: &'a Table, prefix: &str) -> Vec<(String, &'a Node)> {
    let mut found = Vec::new();
    for (name, node) in table {
        let key = format!("{prefix}{name}");
        match &node.content {
            Content::Table(below) => found.extend(flat(below, &format!("{key}."))),
            Content::List(_) | Content::Text(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => {
                found.push((key, node));
            }
        }
    }
    found
}

fn read_condition(key: &str, node: &Node, axes: &[Axis], issues: &mut Vec<Issue>) -> Option<(usize, Vec<AxisValue>)> {
    let Some(position) = axes.iter().position(|axis| axis.key == key) else {
        let names: Vec<&str> = axes.iter().map(|axis| axis.key.as_str()).collect();
        let there_are = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let message = format!("exclude names {key}, which is no axis; the axes: {there_are}");
        issues.push(Issue::new(&node.key_origin, with_suggestion(&message, nearest(key, names))));
        return None;
    };
    let axis = &axes[position];
    // A value that is itself a list is one of the axis's; else a list holds several.
    let known = |node: &Node| axis.values.iter().find(|own| own.is(&AxisValue::of(node))).cloned();
    if let Some(value) = known(node) {
        return Some((position, vec![value]));
    }
    let nodes = list(node).map_or_else(|| vec![node], |items| items.iter().collect());
    let mut values = Vec::new();
    for node in &nodes {
        match known(node) {
            Some(value) => values.push(value),
            None => {
                let asked = AxisValue::of(node).to_string();
                let names: Vec<String> = axis.values.iter().map(ToString::to_string).collect();
                let message = format!(
                    "exclude has {key} = {asked}, which is no value of that axis; its values: {}",
                    names.join(", ")
                );
                let near = nearest(&asked, names.iter().map(String::as_str));
                issues.push(Issue::new(&node.origin, with_suggestion(&message, near)));
            }
        }
    }
    if nodes.is_empty() {
        issues.push(Issue::new(&node.origin, format!("exclude has no value of {key}")));
    }
    (values.len() == nodes.len()).then_some((position, values))
}
