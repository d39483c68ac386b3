//! An experiment that lacks most keys is told so once, not once for each key.

use crate::builtin;
use crate::header::{self, NO_DEFAULTS};
use crate::issue::{Issue, Origin};
use crate::source::{self, Layers};
use crate::tree::{self, Table};
use std::path::Path;

/// Fewest missing keys that are told as one. Chosen by us: fewer were left out of a file that was meant to have all.
const MANY: usize = 8;

/// The same issues, with one instead of those about missing keys if there are many.
pub(crate) fn as_one(issues: Vec<Issue>, tree: &Table, layers: &Layers, file: &Origin) -> Vec<Issue> {
    let is_missing = |issue: &Issue| issue.message.contains(NO_DEFAULTS);
    if issues.iter().filter(|issue| is_missing(issue)).count() < MANY {
        return issues;
    }
    let mut base = base();
    // What figures say is nothing that an experiment lacks.
    base.retain(|key, _| !header::is_own(key) || ["name", "seeds", "record"].contains(&key.as_str()));
    let all: Vec<String> = tree::leaves(&base).into_iter().map(|(key, _)| key).collect();
    // A name that was made from the file's is not set in it.
    let is_set = |key: &&String| tree::get(tree, key).is_some_and(|node| node.origin.position.is_some());
    let n_set = all.iter().filter(is_set).count();
    let who = if layers.len() > 1 { "with all that it extends it sets" } else { "it extends no file and sets" };
    let message = format!(
        "{who} {n_set} of the {} keys of an experiment, and there are no default values; write extends = \"{}\" at its top, \
         which sets all",
        all.len(),
        base_beside(&file.file)
    );
    issues.into_iter().filter(|issue| !is_missing(issue)).chain([Issue::new(file, message)]).collect()
}

/// The tree of the base experiment, as netkv has it.
fn base() -> Table {
    let path = builtin::path("builtin:base").expect("it is a name of netkv's own");
    source::load(&path).expect("netkv's own files are valid")
}

/// What a file extends to have every key: the base file nearby, or netkv's own.
fn base_beside(file: &Path) -> &'static str {
    let near = ["base.toml", "../base.toml"].into_iter().find(|name| {
        let path = source::beside(file, name);
        path != *file && source::load(&path).is_ok_and(|tree| tree::get(&tree, "workload.arrivals").is_some())
    });
    near.unwrap_or("builtin:base")
}
