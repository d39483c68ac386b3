//! Which file uses which: every path followed to the file that defines what it names.

use super::code::Import;
use super::graph::Graph;
use super::modules::{Meaning, Modules};
use std::collections::{BTreeMap, BTreeSet};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// An item of a module, by name.
    Item(usize, String),
    /// A module.
    Module(usize),
    /// Something outside the workspace, or no path to an item at all.
    Outside,
}

/// By user and used: the names that tie them.
pub type Ties<N> = BTreeMap<(N, N), BTreeSet<String>>;

/// The imports of all files, by their numbers.
pub struct Imports(Ties<usize>);

impl Imports {
    /// Follows every path of these modules.
    ///
    /// Panics at a path that leads into the workspace and to nothing there.
    pub fn of(modules: &Modules) -> Self {
        let mut imports = Self(Ties::new());
        for (number, module) in modules.all.iter().enumerate() {
            for import in &module.imports {
                imports.import(modules, number, import);
            }
            for path in &module.paths {
                imports.add(module.source, modules, &follow(modules, number, path));
            }
        }
        imports
    }

    /// A `use` item. One that hands a name on is an import only if the file itself says that name. Bringing in a module
    /// is none: what is then named in it is.
    fn import(&mut self, modules: &Modules, number: usize, import: &Import) {
        let source = modules.all[number].source;
        let targets = follow(modules, number, &import.path);
        let hides = import.glob && targets.iter().any(|target| matches!(target, Target::Module(_)));
        assert!(!hides, "{}: `{}::*` hides what is imported", modules.display(source), import.path.join("::"));
        if !import.handed_on || modules.sources[source].words.contains(&import.name) {
            self.add(source, modules, &targets);
        }
    }

    fn add(&mut self, user: usize, modules: &Modules, targets: &BTreeSet<Target>) {
        for target in targets {
            if let Target::Item(module, name) = target {
                let used = modules.all[*module].source;
                if used != user {
                    self.0.entry((user, used)).or_default().insert(name.clone());
                }
            }
        }
    }

    /// Who uses whom, among the files that `group` puts somewhere: the groups, and the names that tie two of them.
    pub fn grouped<N: Ord + Clone>(&self, group: impl Fn(usize) -> Option<N>) -> (Graph<N>, Ties<N>) {
        let mut graph = Graph::new([]);
        let mut ties = Ties::new();
        for ((user, used), names) in &self.0 {
            let (Some(user), Some(used)) = (group(*user), group(*used)) else { continue };
            graph.add(&user, &used);
            ties.entry((user, used)).or_default().extend(names.iter().cloned());
        }
        (graph, ties)
    }
}

/// All that `path` may lead to, seen from a module.
fn follow(modules: &Modules, from: usize, path: &[String]) -> BTreeSet<Target> {
    let found = resolve(modules, from, path, &mut Vec::new());
    let place = || modules.display(modules.all[from].source);
    assert!(!found.is_empty(), "{}: nothing is found at `{}`", place(), path.join("::"));
    found
}

/// Imports that are being followed: module, name, and which of its meanings.
type Open = Vec<(usize, String, usize)>;

/// As [`follow`], but empty if there is nothing.
fn resolve(modules: &Modules, from: usize, path: &[String], open: &mut Open) -> BTreeSet<Target> {
    let (first, rest) = path.split_first().expect("a path has a name");
    let parent = || modules.all[from].parent.expect("`super` has a module around it");
    match first.as_str() {
        "crate" => walk(modules, modules.roots[modules.sources[modules.all[from].source].package], rest, open),
        "self" => walk(modules, from, rest, open),
        "super" if rest.first().is_some_and(|next| next == "super") => resolve(modules, parent(), rest, open),
        "super" => walk(modules, parent(), rest, open),
        name => {
            let here = walk(modules, from, path, open);
            let is_said_here = !modules.meanings(from, name).is_empty();
            match modules.library(name) {
                _ if !here.is_empty() => here,
                Some(root) => walk(modules, root, rest, open),
                None if is_said_here && !modules.is_foreign(from, name) => here,
                None => BTreeSet::from([Target::Outside]),
            }
        }
    }
}

/// All that `path` may lead to from within a module; empty if there is nothing. With more names to come, a module is meant
/// rather than an item that is called the same.
fn walk(modules: &Modules, module: usize, path: &[String], open: &mut Open) -> BTreeSet<Target> {
    let Some((name, rest)) = path.split_first() else { return BTreeSet::from([Target::Module(module)]) };
    let mut found = BTreeSet::new();
    for (at, meaning) in modules.meanings(module, name).into_iter().enumerate() {
        match meaning {
            Meaning::Item => {
                found.insert(Target::Item(module, name.clone()));
            }
            Meaning::Module(inner) => {
                found.insert(Target::Module(inner));
            }
            // The import that asks for this very name is no answer to it.
            Meaning::Import(_) if open.contains(&(module, name.clone(), at)) => {}
            Meaning::Import(path) => {
                open.push((module, name.clone(), at));
                found.extend(resolve(modules, module, &path, open));
                open.pop();
            }
        }
    }
    if rest.is_empty() {
        return found;
    }
    let inner = |target: &Target| if let Target::Module(inner) = target { Some(*inner) } else { None };
    let within: BTreeSet<Target> =
        found.iter().filter_map(inner).flat_map(|inner| walk(modules, inner, rest, &mut open.clone())).collect();
    if within.is_empty() { found.into_iter().filter(|target| inner(target).is_none()).collect() } else { within }
}
