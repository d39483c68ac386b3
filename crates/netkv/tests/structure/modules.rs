//! The modules of all crates: which file each stands in, and what the names in it mean.

use super::code::{Code, Field, Import, attributes, is_test, name};
use super::workspace::{self, Package};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::Item;
use syn::visit::Visit;

/// One source file of a crate; those of its tests are left out.
pub struct Source {
    /// Which crate.
    pub package: usize,
    /// Where it is, under the crate's `src`.
    pub path: PathBuf,
    /// Every name that its code uses, those in `use` items aside.
    pub words: BTreeSet<String>,
}

/// One module.
#[derive(Default)]
pub struct Module {
    /// Which file it stands in.
    pub source: usize,
    /// The module around it.
    pub parent: Option<usize>,
    /// What each name in it may mean.
    pub names: BTreeMap<String, Vec<Meaning>>,
    /// Its imports.
    pub imports: Vec<Import>,
    /// Paths in its code.
    pub paths: Vec<Vec<String>>,
    /// Fields in it that are `pub(…)`.
    pub fields: Vec<Field>,
    /// Names in macros that make items: each may be the name of one.
    made: BTreeSet<String>,
}

/// What a name in a module is.
#[derive(Clone)]
pub enum Meaning {
    /// Something defined here.
    Item,
    /// A module in it.
    Module(usize),
    /// Brought in from this path.
    Import(Vec<String>),
}

/// All modules of some crates.
pub struct Modules {
    /// By number: the files.
    pub sources: Vec<Source>,
    /// By number: the modules.
    pub all: Vec<Module>,
    /// By number of the crate: its outermost module.
    pub roots: Vec<usize>,
    /// By name in paths: the number of a crate.
    libraries: BTreeMap<String, usize>,
    /// By number of the crate: the names in paths of the crates that it uses.
    foreign: Vec<BTreeSet<String>>,
    /// By number of the crate: the folder of its sources.
    folders: Vec<PathBuf>,
    /// Files, and folders of files, that only tests need.
    of_tests: Vec<PathBuf>,
}

impl Modules {
    /// Reads all that is under the `src` of these crates.
    ///
    /// Panics if a file is in no crate, or is written in a way that the reader does not follow: what it cannot read must
    /// not be missing silently.
    pub fn read(packages: &[Package]) -> Self {
        let in_paths = |package: &Package| package.uses.iter().map(|name| name.replace('-', "_")).collect();
        let folder = |package: &Package| package.root.parent().expect("a file is in a folder").to_owned();
        let mut modules = Self {
            sources: Vec::new(),
            all: Vec::new(),
            roots: Vec::new(),
            libraries: packages.iter().enumerate().map(|(at, package)| (package.library.clone(), at)).collect(),
            foreign: packages.iter().map(in_paths).collect(),
            folders: packages.iter().map(folder).collect(),
            of_tests: Vec::new(),
        };
        for (at, package) in packages.iter().enumerate() {
            let name = package.root.file_name().expect("a file's path");
            let root = modules.file(at, Path::new(name), None, Path::new(""));
            modules.roots.push(root);
        }
        modules.refuse_strays();
        modules
    }

    /// The outermost module of a crate, by its name in paths.
    pub fn library(&self, name: &str) -> Option<usize> {
        self.libraries.get(name).map(|at| self.roots[*at])
    }

    /// Whether a path in a module may begin with `name` as that of a crate outside the workspace.
    pub fn is_foreign(&self, module: usize, name: &str) -> bool {
        let package = self.sources[self.all[module].source].package;
        ["std", "core", "alloc"].contains(&name) || self.foreign[package].contains(name)
    }

    /// What `name` means in a module; nothing if there is no such name.
    pub fn meanings(&self, module: usize, name: &str) -> Vec<Meaning> {
        let module = &self.all[module];
        match module.names.get(name) {
            Some(meanings) => meanings.clone(),
            None if module.made.contains(name) => vec![Meaning::Item],
            None => Vec::new(),
        }
    }

    /// Reads a file as a module whose own modules are in `folder`; paths are those under the crate's `src`.
    fn file(&mut self, package: usize, path: &Path, parent: Option<usize>, folder: &Path) -> usize {
        let full = self.folders[package].join(path);
        let text = fs::read_to_string(&full).unwrap_or_else(|error| panic!("{}: {error}", full.display()));
        let code = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", full.display()));
        self.sources.push(Source { package, path: path.to_owned(), words: BTreeSet::new() });
        self.module(self.sources.len() - 1, parent, &code.items, folder)
    }

    /// Reads the items of a module.
    fn module(&mut self, source: usize, parent: Option<usize>, items: &[Item], folder: &Path) -> usize {
        let number = self.all.len();
        self.all.push(Module { source, parent, ..Module::default() });
        let mut code = Code::default();
        self.refuse_macros_by_order(source, items);
        for item in items {
            if let Item::Mod(inner) = item {
                self.inner(number, inner, folder);
                continue;
            }
            code.visit_item(item);
            if is_test(attributes(item)) {
                continue;
            }
            if let Some(name) = name(item) {
                self.name(number, &name, Meaning::Item);
            }
            if let Item::Macro(found) = item {
                let path = self.display(source);
                let reaches_out = found.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
                assert!(!reaches_out, "{path}: the reader does not follow #[macro_export]");
                if found.ident.is_none() {
                    let mut inside = Code::default();
                    inside.visit_item(item);
                    self.all[number].made.extend(inside.words);
                }
            }
        }
        for import in &code.imports {
            if !import.glob {
                self.name(number, &import.name, Meaning::Import(import.path.clone()));
            }
        }
        self.sources[source].words.extend(code.words);
        self.all[number].imports = code.imports;
        self.all[number].paths = code.paths;
        self.all[number].fields = code.fields;
        number
    }

    /// Panics if a macro could be used in another file without an import, because it stands before a `mod`.
    fn refuse_macros_by_order(&self, source: usize, items: &[Item]) {
        let defines = items.iter().any(|item| matches!(item, Item::Macro(found) if found.ident.is_some()));
        let files = items
            .iter()
            .any(|item| matches!(item, Item::Mod(inner) if inner.content.is_none() && !is_test(&inner.attrs)));
        assert!(!defines || !files, "{}: a macro that other files could use without an import", self.display(source));
    }

    /// Reads the module `inner` of the module `parent`, whose modules are in `folder`.
    fn inner(&mut self, parent: usize, inner: &syn::ItemMod, folder: &Path) {
        let source = self.all[parent].source;
        let package = self.sources[source].package;
        let name = inner.ident.to_string();
        let moved =
            inner.attrs.iter().any(|attribute| ["path", "macro_use"].iter().any(|is| attribute.path().is_ident(is)));
        assert!(!moved, "{}: the reader does not follow this attribute of mod {name}", self.display(source));
        let own = folder.join(&name);
        let face = folder.join(format!("{name}.rs"));
        if is_test(&inner.attrs) {
            self.of_tests.extend([self.folders[package].join(own), self.folders[package].join(face)]);
            return;
        }
        let module = match &inner.content {
            Some((_, items)) => self.module(source, Some(parent), items, &own),
            None if self.folders[package].join(&face).exists() => self.file(package, &face, Some(parent), &own),
            None => self.file(package, &own.join("mod.rs"), Some(parent), &own),
        };
        self.name(parent, &name, Meaning::Module(module));
    }

    fn name(&mut self, module: usize, name: &str, meaning: Meaning) {
        self.all[module].names.entry(name.to_owned()).or_default().push(meaning);
    }

    /// Where a file is, for messages.
    pub fn display(&self, source: usize) -> String {
        let source = &self.sources[source];
        let path = self.folders[source.package].join(&source.path);
        path.strip_prefix(workspace::folder()).unwrap_or(&path).display().to_string()
    }

    /// Panics if there is a file that no `mod` leads to.
    fn refuse_strays(&self) {
        let known: BTreeSet<PathBuf> =
            self.sources.iter().map(|source| self.folders[source.package].join(&source.path)).collect();
        let mut folders = self.folders.clone();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder of sources") {
                let path = entry.expect("an entry of a folder").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let of_tests = self.of_tests.iter().any(|tests| path.starts_with(tests));
                    assert!(known.contains(&path) || of_tests, "{}: no mod leads here", path.display());
                }
            }
        }
    }
}
