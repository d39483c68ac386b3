//! The command as tests call it.

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The project's experiments.
pub fn experiments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments").canonicalize().expect("the experiments are there")
}

/// The beginning of an experiment that extends the smoke test.
pub fn text(body: &str) -> String {
    format!("extends = '{}'\nname = 'x'\n{body}", experiments().join("smoke.toml").display())
}

/// A folder with an experiment that extends the smoke test.
pub fn folder(body: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("x.toml"), text(body)).expect("the experiment is written");
    folder
}

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub fn netkv(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netkv"));
    let output = command.current_dir(folder).args(arguments).output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Runs a command that must end with this code.
#[track_caller]
pub fn check(folder: &Path, arguments: &[&str], code: i32) -> Ended {
    let ended = netkv(folder, arguments);
    assert_eq!(ended.code, Some(code), "{arguments:?} said:\n{}{}", ended.stdout, ended.stderr);
    ended
}

/// The same; what it said, to standard output and to standard error.
#[track_caller]
pub fn said(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let Ended { stdout, stderr, .. } = check(folder, arguments, code);
    (stdout, stderr)
}
