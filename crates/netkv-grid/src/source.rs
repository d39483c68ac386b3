//! Reading an experiment file with all that it extends.

use crate::builtin;
use crate::issue::{InputErrors, Issue, Origin, nearest, with_suggestion};
use crate::tree::{self, Content, Node, Table};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The files that a tree was laid together from, the lowest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers(Vec<Arc<Path>>);

impl Layers {
    /// Whether `file` was laid before `other`, which then could say something else. What is no file lies above all.
    pub(crate) fn lies_below(&self, file: &Path, other: &Path) -> bool {
        let place = |path: &Path| self.0.iter().position(|layer| **layer == *path);
        place(file).is_some_and(|own| place(other).is_some_and(|other| own < other))
    }

    /// The files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.0.iter().map(|layer| layer.to_path_buf()).collect()
    }

    /// How many files there are.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }
}

/// The tree of a file laid over the files that it extends, without the key `extends` itself and without their figures and
/// tables.
pub(crate) fn load(path: &Path) -> Result<Table, InputErrors> {
    load_layers(path).map(|(tree, _)| tree)
}

/// The same with the files that it was laid together from.
pub(crate) fn load_layers(path: &Path) -> Result<(Table, Layers), InputErrors> {
    let mut layers = Layers::default();
    let tree = load_below(path, &Origin::file(path), &mut Vec::new(), &mut layers)?;
    Ok((tree, layers))
}

/// `open` holds the files that are being read: one that extends itself through others is refused.
fn load_below(
    path: &Path,
    asked_at: &Origin,
    open: &mut Vec<PathBuf>,
    layers: &mut Layers,
) -> Result<Table, InputErrors> {
    let identity = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if open.contains(&identity) {
        return Err(Issue::new(asked_at, format!("extends goes in a circle: {} extends itself", path.display())).into());
    }
    let text = read(path, asked_at)?;
    let mut own = tree::parse(path, &text)?;
    open.push(identity);
    let mut merged = Table::new();
    let mut issues = Vec::new();
    for parent in parents(own.remove("extends"), &mut issues) {
        match load_below(&beside(path, &parent.0), &parent.1, open, layers) {
            Ok(mut tree) => {
                // They are of the axes of the file that they stand in.
                tree.retain(|key, _| !["figure", "table"].contains(&key.as_str()));
                tree::overlay(&mut merged, &tree);
            }
            Err(errors) => issues.extend_from_slice(errors.issues()),
        }
    }
    open.pop();
    if !layers.0.iter().any(|layer| **layer == *path) {
        layers.0.push(Arc::from(path));
    }
    tree::overlay(&mut merged, &own);
    if issues.is_empty() { Ok(merged) } else { Err(InputErrors::new(issues)) }
}

/// The files named by `extends`, each with the place where it is named.
fn parents(extends: Option<Node>, issues: &mut Vec<Issue>) -> Vec<(String, Origin)> {
    let Some(node) = extends else { return Vec::new() };
    let named = match node.content {
        Content::List(items) => items,
        Content::Text(_) | Content::Table(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => vec![node],
    };
    let mut parents = Vec::new();
    for node in named {
        match node.content {
            Content::Text(name) => parents.push((name, node.origin)),
            Content::List(_) | Content::Table(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => {
                let message = format!("extends is {}; allowed: a file name or a list of them", node.content.kind());
                issues.push(Issue::new(&node.origin, message));
            }
        }
    }
    parents
}

/// The text of a file; the error stands at the place that names the file.
pub(crate) fn read(path: &Path, asked_at: &Origin) -> Result<String, InputErrors> {
    let text =
        builtin::text(path).unwrap_or_else(|| std::fs::read_to_string(path).map_err(|error| reason(path, &error)));
    text.map_err(|error| {
        let message = if *asked_at.file == *path {
            format!("cannot read it: {error}")
        } else {
            format!("cannot read {}: {error}", path.display())
        };
        Issue::new(asked_at, message).into()
    })
}

/// Why a file cannot be read, with the file that was meant if there is one of a name like it.
pub(crate) fn reason(path: &Path, error: &io::Error) -> String {
    let near = if error.kind() == io::ErrorKind::NotFound { meant(path) } else { None };
    with_suggestion(&error.to_string(), near.map(|near| near.display().to_string()).as_deref())
}

/// The file that is there and was probably meant: with the ending that was left out, of a name like it in the same folder,
/// or of this name in the project's folder of experiments.
fn meant(path: &Path) -> Option<PathBuf> {
    let with_ending = path.with_extension("toml");
    if with_ending.is_file() {
        return Some(with_ending);
    }
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let own = if folder == Path::new("") { Path::new(".") } else { folder };
    let near = nearest_in(own, name).map(|near| folder.join(near));
    let project = || nearest_in(Path::new("experiments"), name).map(|near| Path::new("experiments").join(near));
    near.or_else(|| if folder == Path::new("") { project() } else { None })
}

/// The name in a folder that is nearest to `name`.
fn nearest_in(folder: &Path, name: &str) -> Option<String> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let files = entries.filter(|entry| entry.path().is_file());
    let names: Vec<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}

/// `name` as seen from the folder of `file`, with "." and ".." resolved in the text; a file of netkv's own is where it is.
pub(crate) fn beside(file: &Path, name: &str) -> PathBuf {
    if let Some(path) = builtin::path(name) {
        return path;
    }
    let joined = file.parent().unwrap_or_else(|| Path::new("")).join(name);
    let mut path = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(path.components().next_back(), Some(Component::Normal(_))) => {
                path.pop();
            }
            Component::ParentDir | Component::Normal(_) | Component::RootDir | Component::Prefix(_) => {
                path.push(component);
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn check(files: &[(&str, &str)], expect: &str) {
        let folder = folder(files);
        let tree = load(&folder.path().join(files[0].0)).unwrap();
        assert_eq!(Content::Table(tree).canonical(), expect);
    }

    #[test]
    fn a_file_overrides_what_it_extends_key_by_key() {
        check(
            &[("x.toml", "extends = 'y.toml'\n[a]\nb = 2\n"), ("y.toml", "[a]\nb = 1\nc = 1\n")],
            "{ a = { b = 2, c = 1 } }",
        );
    }

    #[test]
    fn of_several_extended_files_the_later_wins() {
        check(
            &[("x.toml", "extends = ['y.toml', 'z.toml']\n"), ("y.toml", "a = 1\nb = 1"), ("z.toml", "b = 2")],
            "{ a = 1, b = 2 }",
        );
    }

    #[test]
    fn a_circle_of_extends_is_refused() {
        let folder = folder(&[("x.toml", "extends = 'y.toml'"), ("y.toml", "extends = 'x.toml'")]);
        let errors = load(&folder.path().join("x.toml")).unwrap_err().to_string();
        assert!(errors.contains("y.toml:1:11: extends goes in a circle"), "{errors}");
    }

    #[test]
    fn a_missing_parent_is_reported_where_it_is_named() {
        let folder = folder(&[("x.toml", "\nextends = ['none.toml', 3]")]);
        let errors = load(&folder.path().join("x.toml")).unwrap_err().to_string();
        assert!(errors.contains("x.toml:2:12: cannot read"), "{errors}");
        assert!(errors.contains("extends is an integer"), "{errors}");
    }

    #[test]
    fn a_name_is_resolved_against_the_folder_of_its_file() {
        assert_eq!(beside(Path::new("experiments/sub/x.toml"), "../base.toml"), Path::new("experiments/base.toml"));
        assert_eq!(beside(Path::new("x.toml"), "../base.toml"), Path::new("../base.toml"));
        assert_eq!(beside(Path::new("a/x.toml"), "/abs/y"), Path::new("/abs/y"));
    }
}
