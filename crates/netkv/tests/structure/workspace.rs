//! The workspace as cargo tells of it.

use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One crate of the workspace.
#[derive(Debug)]
pub struct Package {
    /// Its name in manifests.
    pub name: String,
    /// Its name in paths.
    pub library: String,
    /// The file that it starts from: `lib.rs` or `main.rs`.
    pub root: PathBuf,
    /// Crates that its code names in the manifest; those of its tests left out.
    pub uses: BTreeSet<String>,
    /// Crates that only its tests name.
    pub tested_with: BTreeSet<String>,
}

/// The folder of the workspace.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the folder of the workspace")
}

/// The crates of the workspace by name, from `cargo metadata`.
pub fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(folder())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let mut packages: Vec<Package> = list(&metadata, "packages").iter().map(package).collect();
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    packages
}

fn package(package: &Value) -> Package {
    let name = text(package, "name").to_owned();
    let is_code = |target: &&Value| {
        list(target, "kind").iter().any(|kind| ["lib", "bin", "proc-macro"].iter().any(|code| kind == code))
    };
    let mut code: Vec<&Value> = list(package, "targets").iter().filter(is_code).collect();
    // A program beside a library is its outside, in a folder of its own.
    if code.len() > 1 {
        code.retain(|target| list(target, "kind").iter().any(|kind| kind == "lib"));
    }
    let [target] = code[..] else { panic!("{name} has {} targets; the reader follows one a crate", code.len()) };
    let dependencies = |tests: bool| {
        list(package, "dependencies")
            .iter()
            .filter(|dependency| (dependency["kind"] == "dev") == tests)
            .map(|dependency| text(dependency, "name").to_owned())
            .collect()
    };
    Package {
        library: text(target, "name").replace('-', "_"),
        root: PathBuf::from(text(target, "src_path")),
        uses: dependencies(false),
        tested_with: dependencies(true),
        name,
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().expect("a list in cargo's metadata")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text in cargo's metadata")
}
