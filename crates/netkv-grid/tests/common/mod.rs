//! A folder with an experiment that extends the real base file.

use netkv_grid::{Experiment, InputErrors, LoadOptions};
use std::fs;
use std::path::{Path, PathBuf};

/// What every experiment of these tests begins with.
const HEADER: &str = "name = \"x\"\nseeds = [1, 2]\n";

/// The folder of the project's experiments.
pub fn experiments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments")
}

/// A folder with the given files and common.toml: the real base file with a generated trace, so that tests do not
/// depend on which traces are at hand.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let base = experiments().canonicalize().unwrap();
    let mut common = format!("extends = '{}'\n", base.join("base.toml").display());
    common.push_str("[workload]\ntrace = 'synthetic:conversation:1'\n");
    fs::write(folder.path().join("common.toml"), common).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Loads `body` as an experiment over the base file.
pub fn load(body: &str) -> Result<Experiment, InputErrors> {
    load_beside(body, &[])
}

/// Loads `body` as an experiment over the base file, with other files beside it.
pub fn load_beside(body: &str, files: &[(&str, &str)]) -> Result<Experiment, InputErrors> {
    let folder = folder(files);
    let path = folder.path().join("x.toml");
    fs::write(&path, format!("extends = 'common.toml'\n{HEADER}{body}")).unwrap();
    Experiment::load(&path, &LoadOptions::default())
}
