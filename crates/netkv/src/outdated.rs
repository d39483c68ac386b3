//! Tables that are older than the experiment file: figures would show what the file no longer says.

use crate::changed::differing;
use crate::owner;
use netkv_grid::{Experiment, Reduction};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where experiment files are looked for that no store names: tables without their store are those of the project.
const EXPERIMENTS: &str = "experiments";

/// Differing keys that are named. Chosen by us: what fits a line.
const MAX_NAMED: usize = 3;

/// What to tell of the tables in the folder `results` that are of another content than their experiment file, one note for
/// each. Tables of a reduced version are held against the reduced file.
pub fn notes(results: &Path, reduction: Reduction) -> Vec<String> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(results).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let mut known: Option<BTreeMap<String, PathBuf>> = None;
    let mut notes = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(manifest) = manifest(&folder) else { continue };
        let owner = owner::file_of(&folder);
        let file = owner.or_else(|| known.get_or_insert_with(experiments).get(&name).cloned());
        let Some(file) = file else { continue };
        let differing = changes(&file, &name, &manifest, reduction).unwrap_or_default();
        if !differing.is_empty() {
            notes.push(note(&folder, &file, &differing));
        }
    }
    notes
}

fn note(folder: &Path, file: &Path, differing: &[String]) -> String {
    let named = differing.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = match differing.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let differ = if differing.len() == 1 { "differs" } else { "differ" };
    let (folder, file) = (folder.display(), file.display());
    format!(
        "note: the tables in {folder} are of an earlier {file} ({named}{more} {differ}): netkv run {file} makes them anew"
    )
}

/// The experiment that a folder's tables are of.
fn manifest(folder: &Path) -> Option<Table> {
    let manifest: Table = toml::from_str(&fs::read_to_string(folder.join("manifest.toml")).ok()?).ok()?;
    manifest.get("experiment").and_then(Value::as_table).cloned()
}

/// The keys in which a file and the tables of its name differ; none if the file is of another name, such as that of a run
/// with `--set`, or cannot be read.
fn changes(file: &Path, name: &str, manifest: &Table, reduction: Reduction) -> Option<Vec<String>> {
    let outline = |reduction| -> Option<Vec<String>> {
        let (own, text) = Experiment::outline(file, reduction).ok()?;
        let now: Table = toml::from_str(&text).ok()?;
        (own == name).then(|| differing(manifest, &now))
    };
    let whole = outline(None)?;
    let reduced = if whole.is_empty() { None } else { outline(Some(reduction)).filter(Vec::is_empty) };
    Some(reduced.unwrap_or(whole))
}

/// Every experiment file of the project, by its name.
fn experiments() -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::from(EXPERIMENTS)];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "toml")
                && let Ok((name, _)) = Experiment::outline(&path, None)
            {
                found.insert(name, path);
            }
        }
    }
    found
}
