//! What pages and figures say of the tables that they show, so that one can tell when they are older than these.
//!
//! The manifest of an experiment has the checksums of its tables, its figures and its words: its own checksum is theirs.

use crate::catalog::Catalog;
use crate::markup::escaped;
use netkv_units::sha256_hex;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Digits of a checksum that tell two apart.
const DIGITS: usize = 16;
/// What a page or a figure says stands within so many bytes of its beginning, twice over.
const HEAD: u64 = 16_384;
/// Before what is said.
const MARK: &str = "netkv-tables=\"";

/// What the results in a folder are at present, by experiment.
pub(crate) struct Stamps<'a> {
    results: &'a Path,
}

impl<'a> Stamps<'a> {
    pub(crate) const fn of(results: &'a Path) -> Self {
        Self { results }
    }

    /// That of an experiment; none if it has no manifest.
    fn one(&self, experiment: &str) -> Option<String> {
        let manifest = std::fs::read(self.results.join(experiment).join("manifest.toml")).ok()?;
        Some(sha256_hex(&manifest)[..DIGITS].to_owned())
    }

    /// An attribute with those of some experiments.
    pub(crate) fn attribute<'b>(&self, experiments: impl IntoIterator<Item = &'b str>) -> String {
        let mut said = String::new();
        for experiment in experiments {
            if let Some(stamp) = self.one(experiment) {
                let space = if said.is_empty() { "" } else { " " };
                write!(said, "{space}{}={stamp}", escaped(experiment)).expect("a string takes what is written to it");
            }
        }
        format!("data-{MARK}{said}\"")
    }

    /// A figure as it is written to a file: it says which tables it shows.
    pub(crate) fn stamped(&self, svg: &str, experiment: &str) -> String {
        svg.replacen("<svg ", &format!("<svg {} ", self.attribute([experiment])), 1)
    }

    /// Whether a file shows other tables of an experiment than those that are there; nothing if it shows none of it, or is
    /// not there. What says of no tables is of an earlier version: it is held to be older.
    fn is_older(&self, file: &Path, experiment: &str) -> Option<bool> {
        let said = said(file)?;
        let now = self.one(experiment)?;
        match &said {
            None => Some(true),
            Some(said) => said.get(experiment).map(|stamp| *stamp != now),
        }
    }
}

/// What a file says of its tables; nothing if it is not there, and nothing within if it says nothing.
fn said(file: &Path) -> Option<Option<BTreeMap<String, String>>> {
    let mut head = Vec::new();
    File::open(file).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head);
    let Some((_, rest)) = head.split_once(MARK) else { return Some(None) };
    let pairs = rest.split('"').next().unwrap_or_default().split(' ');
    let pairs = pairs.filter_map(|pair| pair.rsplit_once('=')).map(|(name, stamp)| (name.to_owned(), stamp.to_owned()));
    Some(Some(pairs.collect()))
}

/// What shows tables of before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Older {
    /// Pages that show one experiment alone, which is named.
    pub alone: Vec<(PathBuf, String)>,
    /// Pages that show several.
    pub pages: Vec<PathBuf>,
    /// Figures.
    pub figures: Vec<PathBuf>,
}

/// The pages beside `experiments` in the folder `results` and in the folder `figures`, and the figures in that, which show other
/// tables of these experiments than are there now.
pub fn older(results: &Path, experiments: &[String], figures: Option<&Path>) -> Older {
    let stamps = Stamps::of(results);
    let is_older = |file: &Path, name: &str| stamps.is_older(file, name) == Some(true);
    let mut older = Older::default();
    for name in experiments {
        let page = results.join(name).join("report.html");
        if is_older(&page, name) {
            older.alone.push((page, name.clone()));
        }
    }
    let shared = [Some(results), figures].into_iter().flatten().map(|folder| folder.join("report.html"));
    older.pages = shared.filter(|page| experiments.iter().any(|name| is_older(page, name))).collect();
    if let (Some(folder), Ok(catalog)) = (figures, Catalog::of(results, experiments)) {
        let files =
            catalog.figures.iter().map(|figure| (folder.join(format!("{}.svg", figure.name)), &figure.experiment));
        older.figures = files.filter(|(file, name)| is_older(file, name)).map(|(file, _)| file).collect();
    }
    older
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_shows_other_tables_than_are_there_is_older() {
        let here = tempfile::tempdir().unwrap();
        let (results, page) = (here.path(), here.path().join("page.html"));
        let manifest = |name: &str, text: &str| {
            fs::create_dir_all(results.join(name)).unwrap();
            fs::write(results.join(name).join("manifest.toml"), text).unwrap();
        };
        manifest("one", "format = 'a'");
        manifest("two", "format = 'b'");
        let stamps = Stamps::of(results);
        assert_eq!(stamps.is_older(&page, "one"), None, "it is not there");
        fs::write(&page, format!("<html {}>", stamps.attribute(["one", "two"]))).unwrap();
        assert_eq!((stamps.is_older(&page, "one"), stamps.is_older(&page, "three")), (Some(false), None));
        manifest("two", "format = 'c'");
        assert_eq!((stamps.is_older(&page, "one"), stamps.is_older(&page, "two")), (Some(false), Some(true)));
        fs::write(&page, stamps.stamped("<svg xmlns=\"x\"><svg /></svg>", "two")).unwrap();
        assert_eq!((stamps.is_older(&page, "one"), stamps.is_older(&page, "two")), (None, Some(false)));
        fs::write(&page, "<html>").unwrap();
        assert_eq!(stamps.is_older(&page, "one"), Some(true), "it says nothing");
    }
}
