//! Results that are not where somebody looks for them, but near: of a reduced version, or of a run in which the command line
//! changed the experiment, whose folder is named by the changes (`my-cluster+seeds=4`).

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of results of an experiment under `results` and beside it: of any changes, reduced or not.
pub fn folders(results: &Path, name: &str) -> Vec<PathBuf> {
    let (whole, quick) = if results.ends_with("quick") {
        (results.parent().unwrap_or(Path::new("")).to_owned(), results.to_owned())
    } else {
        (results.to_owned(), results.join("quick"))
    };
    let (name, changed) = (own_name(name), format!("{}+", own_name(name)));
    let mut found = Vec::new();
    for place in [whole, quick] {
        let folders = fs::read_dir(&place).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_kin = |folder: &PathBuf| {
            let own = folder.file_name().unwrap_or_default().to_string_lossy();
            (own == name || own.starts_with(&changed)) && folder.join("manifest.toml").is_file()
        };
        let mut of_place: Vec<PathBuf> = folders.filter(is_kin).collect();
        of_place.sort();
        found.extend(of_place);
    }
    found
}

/// A name without what a command line changed.
fn own_name(name: &str) -> &str {
    name.split('+').next().unwrap_or(name)
}

/// "; there are results in results/quick/x+seeds=4: netkv report results/quick/x+seeds=4": what to say of them to `command`,
/// which takes folders; nothing if there are none.
pub fn hint(found: &[PathBuf], command: &str) -> String {
    let Some(first) = found.first() else { return String::new() };
    let shown: Vec<String> = found.iter().map(|folder| folder.display().to_string()).collect();
    format!("; there are results in {}: {command} {}", shown.join(" and "), quoted(&first.display().to_string()))
}

/// As a shell takes it.
pub fn quoted(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-=/+:".contains(&byte);
    if path.bytes().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}
