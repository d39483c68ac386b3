//! What no lint checks: module length, and what the simulation may touch. `structure/` has the crates, rooms and imports.

use std::fs;
use std::path::{Path, PathBuf};

/// The crates that make up the simulation.
const SIMULATION: [&str; 5] = ["netkv-units", "netkv-fabric", "netkv-workload", "netkv-policy", "netkv-sim"];

/// Longest module, in lines.
const MAX_LINES: usize = 500;

/// Longest function, in lines.
const MAX_FUNCTION_LINES: i64 = 70;

/// The lint that counts them.
const LINT: &str = "too_many_lines";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file under `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "there are sources in {}", folder.display());
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a readable file of the project")
}

#[test]
fn no_module_is_longer_than_one_can_keep_in_mind() {
    let too_long: Vec<_> = sources(&root().join("crates"))
        .into_iter()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .collect();
    assert!(too_long.is_empty(), "over {MAX_LINES} lines: {too_long:?}");
}

/// Clippy counts the lines of functions; that it is asked to, and told no otherwise anywhere, is seen to here.
#[test]
fn no_function_is_longer_than_a_page() {
    let toml = |path: PathBuf| read(&path).parse::<toml::Table>().expect("TOML of the project");
    let threshold = toml(root().join("clippy.toml"))["too-many-lines-threshold"].as_integer();
    assert_eq!(threshold, Some(MAX_FUNCTION_LINES));
    let workspace = toml(root().join("Cargo.toml"));
    assert_eq!(workspace["workspace"]["lints"]["clippy"][LINT].as_str(), Some("deny"));
    for path in sources(&root().join("crates")) {
        assert!(!read(&path).contains(&format!("clippy::{LINT}")), "{} sets {LINT}", path.display());
    }
    for package in fs::read_dir(root().join("crates")).expect("the crates") {
        let manifest = package.expect("a crate").path().join("Cargo.toml");
        let follows = toml(manifest.clone())["lints"]["workspace"].as_bool();
        assert_eq!(follows, Some(true), "{} has the workspace's lints", manifest.display());
    }
}

#[test]
fn the_simulation_touches_nothing_outside_itself() {
    let banned =
        ["std::fs", "std::env", "std::thread", "std::net", "std::process", "println!", "Instant", "Rc<RefCell"];
    for name in SIMULATION {
        for path in sources(&root().join("crates").join(name).join("src")) {
            let text = read(&path);
            let code = text.split("#[cfg(test)]").next().expect("a first part");
            for word in banned {
                assert!(!code.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn events_are_matched_one_by_one() {
    let simulation = read(&root().join("crates/netkv-sim/src/simulation.rs"));
    assert!(simulation.contains("match event {"), "the dispatch is there");
    assert!(!simulation.contains("_ =>"), "an event without its own arm");
}

#[test]
fn no_axis_can_take_the_name_of_a_column() {
    let is_metric = |name: &str| netkv_sim::METRICS.iter().any(|metric| metric.name == name);
    // The table of provenance has no axes.
    for column in netkv_frames::schema().into_iter().filter(|column| column.table != "provenance") {
        let name = column.name.as_str();
        let reserved = netkv_grid::RESERVED_COLUMNS.contains(&name) || is_metric(name) || name == "<axis>";
        assert!(reserved, "{name} of table {} can be taken by an axis", column.table);
    }
}
