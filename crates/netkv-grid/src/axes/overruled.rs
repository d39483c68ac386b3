//! Keys that an axis overrules: who wrote one beside the axis or above it meant something, and it does nothing.
//!
//! A file that the axis's own file extends says what the axis is meant to replace; that is no mistake.

use super::axis::Axis;
use crate::issue::{Issue, Origin};
use crate::reader::list;
use crate::source::Layers;
use crate::tree::{self, Node, Table};

/// Adds an issue for each key that does nothing, or nothing at some values of an axis of files.
pub(super) fn check(tree: &Table, axes: &[Axis], layers: &Layers, issues: &mut Vec<Issue>) {
    let Some(declared) = tree.get("axis").map(|node| &node.key_origin.file) else { return };
    for axis in axes.iter().filter(|axis| !axis.is_of_files()) {
        // One element of a list is varied in the list that says the others.
        let Some(node) = tree::get(tree, &axis.key).filter(|node| !is_element(tree, &axis.key, node)) else { continue };
        if !layers.lies_below(&node.key_origin.file, declared) {
            issues.push(Issue::new(&node.key_origin, message_of_values(axis, node)));
        }
    }
    for axis in axes.iter().filter(|axis| axis.is_of_files()) {
        let files = axis.files();
        for (key, node) in tree::leaves(tree) {
            // The axes themselves and what belongs to the experiment as a whole is in no file of an axis.
            if layers.lies_below(&node.origin.file, declared) {
                continue;
            }
            let places: Vec<(&str, &Origin)> = files
                .iter()
                .filter_map(|(stem, table)| Some((stem.as_str(), &tree::get(table, &key)?.key_origin)))
                .collect();
            if let Some((_, place)) = places.first() {
                issues.push(Issue::new(&node.key_origin, message(&key, &node.content, axis, &places, place)));
            }
        }
    }
}

/// Whether the node at a key is an element of a list.
fn is_element(tree: &Table, key: &str, node: &Node) -> bool {
    let parent = key.rsplit_once('.').and_then(|(parent, _)| tree::get(tree, parent));
    parent.and_then(list).is_some_and(|items| items.iter().any(|item| std::ptr::eq(item, node)))
}

fn message_of_values(axis: &Axis, node: &Node) -> String {
    let key = &axis.key;
    let n = axis.values.len();
    format!(
        "{key} = {} does nothing: the axis of {key} at {} sets it to each of its {n} values; remove it, or add it to the axis",
        node.content.canonical(),
        axis.key_origin
    )
}

fn message(key: &str, content: &tree::Content, axis: &Axis, places: &[(&str, &Origin)], first: &Origin) -> String {
    let at = if places.len() == axis.values.len() {
        String::new()
    } else {
        let stems: Vec<&str> = places.iter().map(|(stem, _)| *stem).collect();
        format!(" where {} = {}", axis.key, stems.join(" or "))
    };
    let more = match places.len() {
        1 => String::new(),
        n => format!(" and {} more of its files", n - 1),
    };
    format!(
        "{key} = {} does nothing{at}: axis {} sets it by {first}{more}; remove it, or put it into the files of the axis",
        content.canonical(),
        axis.key
    )
}
