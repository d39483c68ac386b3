//! The rooms of the crates: the folders under `src`, each with its face, the file of the same name beside it.

use super::graph::Graph;
use super::imports::{Imports, Ties};
use super::modules::{Meaning, Modules};
use super::workspace::{self, Package};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The workspace with all its imports.
pub struct Structure {
    /// The crates by name.
    pub packages: Vec<Package>,
    /// Their modules.
    pub modules: Modules,
    /// Who imports what.
    pub imports: Imports,
}

/// The structure of this workspace, read once.
pub static STRUCTURE: LazyLock<Structure> = LazyLock::new(|| Structure::of(workspace::packages()));

impl Structure {
    /// Reads the sources of these crates.
    pub fn of(packages: Vec<Package>) -> Self {
        let modules = Modules::read(&packages);
        let imports = Imports::of(&modules);
        Self { packages, modules, imports }
    }

    /// The number of a crate.
    pub fn package(&self, name: &str) -> usize {
        self.packages.iter().position(|package| package.name == name).expect("a crate of the workspace")
    }

    /// The files of a crate, by number.
    pub fn files(&self, package: usize) -> impl Iterator<Item = usize> {
        (0..self.modules.sources.len()).filter(move |source| self.modules.sources[*source].package == package)
    }

    /// A file's path under its crate's `src`.
    pub fn path(&self, source: usize) -> String {
        let parts: Vec<_> = self.modules.sources[source].path.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }

    /// The rooms of a crate.
    pub fn rooms(&self, package: usize) -> BTreeSet<String> {
        self.files(package)
            .filter_map(|source| self.path(source).split_once('/').map(|(room, _)| room.to_owned()))
            .collect()
    }

    /// The room that a file is in, unless it is one of the crate's top files.
    pub fn room(&self, source: usize) -> Option<String> {
        let path = self.path(source);
        let room = path.split_once('/').map_or_else(|| path.trim_end_matches(".rs"), |(room, _)| room);
        self.rooms(self.modules.sources[source].package).take(room)
    }

    /// Who uses whom among the files of a crate, by their paths.
    pub fn graph_of_files(&self, package: usize) -> (Graph<String>, Ties<String>) {
        self.imports.grouped(|source| self.in_package(package, source).then(|| self.path(source)))
    }

    /// Who uses whom among the rooms of a crate. Its top files are left out: some are used by rooms, others use them.
    pub fn graph_of_rooms(&self, package: usize) -> (Graph<String>, Ties<String>) {
        self.imports.grouped(|source| if self.in_package(package, source) { self.room(source) } else { None })
    }

    /// Who uses whom among the crates.
    pub fn graph_of_crates(&self) -> Graph<String> {
        let mut graph = Graph::new(self.packages.iter().map(|package| package.name.clone()));
        for package in &self.packages {
            for used in self.packages.iter().filter(|used| package.uses.contains(&used.name)) {
                graph.add(&package.name, &used.name);
            }
        }
        graph
    }

    /// Fields that a whole crate sees though it has rooms, by file and line. In a file above the rooms `pub(super)` says
    /// the same as `pub(crate)`.
    pub fn open_fields(&self) -> Vec<String> {
        let mut open = Vec::new();
        for module in &self.modules.all {
            let package = self.modules.sources[module.source].package;
            for field in module.fields.iter().filter(|_| !self.rooms(package).is_empty()) {
                if self.seen_in(module.parent, self.modules.roots[package], &field.seen_in) {
                    open.push(format!("{}:{}", self.modules.display(module.source), field.line));
                }
            }
        }
        open.sort();
        open
    }

    /// Whether `pub(in path)`, in a module whose parent is `parent`, means the whole crate.
    fn seen_in(&self, parent: Option<usize>, root: usize, path: &[String]) -> bool {
        match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["crate"] => true,
            ["self"] => parent.is_none(),
            ["super"] => parent == Some(root),
            ["super", "super"] => parent.and_then(|parent| self.modules.all[parent].parent) == Some(root),
            ["crate", room, ..] => {
                let is_room = self.modules.meanings(root, room).iter().any(|is| matches!(is, Meaning::Module(_)));
                assert!(is_room, "pub(in {}) names no module", path.join("::"));
                false
            }
            _ => panic!("pub(in {}): the reader does not follow it", path.join("::")),
        }
    }

    fn in_package(&self, package: usize, source: usize) -> bool {
        self.modules.sources[source].package == package
    }
}
