//! The files that an experiment is made of, so that they can be kept beside its results.

use crate::reader::list;
use crate::source::{self, Layers};
use crate::tree::{Content, Table};
use std::path::{Path, PathBuf};

/// The files of a tree that was laid together from these layers, with those of its axes and those that it `names`; sorted, each once, without
/// those that are part of the program.
pub(crate) fn named(tree: &Table, layers: &Layers, names: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut files = layers.files();
    for (from, name) in axis_files(tree) {
        if let Ok((_, layers)) = source::load_layers(&source::beside(&from, &name)) {
            files.extend(layers.files());
        }
    }
    files.extend(names);
    files.retain(|path| path.is_file());
    files.sort();
    files.dedup();
    files
}

/// Names of files of axes, with the file that names each.
fn axis_files(tree: &Table) -> Vec<(PathBuf, String)> {
    let axes = tree.get("axis").and_then(list).into_iter().flatten();
    let of_axis = axes.filter_map(|axis| match &axis.content {
        Content::Table(table) => table.get("files").and_then(list),
        Content::List(_) | Content::Text(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
    });
    let named = of_axis.flatten().filter_map(|node| match &node.content {
        Content::Text(name) => Some((Path::to_owned(&node.origin.file), name.clone())),
        Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
    });
    named.collect()
}
