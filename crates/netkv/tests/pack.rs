//! One archive with results and all that makes them again.

mod command;

use command::{check, experiments, netkv};
use std::fs;
use std::io::Read;
use std::path::Path;
use tempfile::TempDir;

/// A small experiment with files in several folders, none of which is named from the root.
fn project() -> TempDir {
    let here = tempfile::tempdir().expect("a temporary folder");
    for name in ["regimes", "profiles"] {
        fs::create_dir_all(here.path().join("files").join(name)).expect("a folder");
    }
    for name in ["base.toml", "smoke.toml", "regimes/null.toml", "regimes/congested.toml"] {
        fs::copy(experiments().join(name), here.path().join("files").join(name)).expect("copied");
    }
    for profile in fs::read_dir(experiments().join("profiles")).expect("profiles").flatten() {
        if profile.path().is_file() {
            fs::copy(profile.path(), here.path().join("files/profiles").join(profile.file_name())).expect("copied");
        }
    }
    fs::create_dir(here.path().join("own")).expect("a folder");
    let text = "extends = '../files/smoke.toml'\nname = 'x'\nrecord = 'requests'\n";
    fs::write(here.path().join("own/x.toml"), text).expect("written");
    here
}

/// Names and contents of an archive, in its order.
fn unpacked(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = fs::read(archive).expect("an archive");
    let mut archive = tar::Archive::new(&bytes[..]);
    let entry = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.expect("an entry");
        assert_eq!((entry.header().mtime().ok(), entry.header().uid().ok()), (Some(0), Some(0)));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("it can be read");
        (entry.path().expect("a name").display().to_string(), bytes)
    };
    archive.entries().expect("entries").map(entry).collect()
}

#[test]
fn an_archive_has_what_makes_its_results_again_and_is_the_same_each_time() {
    let here = project();
    let refused = check(here.path(), &["pack", "own/x.toml", "-o", "x.tar"], 65).stderr;
    assert!(
        refused.contains("there are no tables in results/x") && refused.contains("netkv run own/x.toml"),
        "{refused}"
    );
    check(here.path(), &["run", "own/x.toml", "--filter", "regime=null", "--quiet"], 0);
    let refused = check(here.path(), &["pack", "own/x.toml", "-o", "x.tar"], 65).stderr;
    assert!(refused.contains("6 cells are missing in the tables in results/x"), "{refused}");
    check(here.path(), &["run", "own/x.toml", "--quiet"], 0);
    for name in ["x.zip", "x", ".tar", "x.tar.xz"] {
        let refused = check(here.path(), &["pack", "own/x.toml", "-o", name], 64).stderr;
        assert!(refused.contains("an archive ends in .tar.zst, .tar.gz or .tar"), "{refused}");
    }
    for (name, magic) in [("x.tar.zst", [0x28, 0xb5]), ("x.tar.gz", [0x1f, 0x8b]), ("x.tar", *b"x/")] {
        let pack = || {
            check(here.path(), &["pack", "own/x.toml", "-o", name], 0);
            fs::read(here.path().join(name)).expect("an archive")
        };
        let first = pack();
        assert!(first.starts_with(&magic), "{name}");
        assert!(first == pack(), "{name}: the same bytes");
    }
    let files = unpacked(&here.path().join("x.tar"));
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "x/README.md",
        "x/SHA256SUMS",
        "x/experiments/files/base.toml",
        "x/experiments/files/profiles/llama-3.1-70b-bf16-h100-tp4.toml",
        "x/experiments/files/regimes/congested.toml",
        "x/experiments/own/x.toml",
        "x/results/x/cells.parquet",
        "x/results/x/manifest.toml",
        "x/results/x/provenance.parquet",
        "x/results/x/requests.parquet",
        "x/results/x/summary.parquet",
    ] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert!(
        !names.iter().any(|name| name.contains("tp8") || name.contains("segment")),
        "only what is needed: {names:?}"
    );
    // Elsewhere, with nothing but the archive.
    let there = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in &files {
        let path = there.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }
    let there = there.path().join("x");
    let read = |name: &str| fs::read(there.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let readme = String::from_utf8(read("README.md")).expect("text");
    assert!(readme.contains("| x | experiments/own/x.toml | 12 done, 0 failed | 2 |"), "{readme}");
    let run = readme.lines().find(|line| line.starts_with("netkv run ")).expect("a command");
    let arguments: Vec<&str> = run.split(' ').skip(1).collect();
    let ended = netkv(&there, &arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut n_compared = 0;
    for line in String::from_utf8(read("SHA256SUMS")).expect("text").lines() {
        let (sum, name) = line.split_once("  ").expect("a sum and a name");
        assert_eq!(netkv_units::sha256_hex(&read(name)), sum, "{name}");
        if name.starts_with("results/") && !name.ends_with("provenance.parquet") {
            assert_eq!(netkv_units::sha256_hex(&read(&name.replacen("results", "again", 1))), sum, "{name} made again");
            n_compared += 1;
        }
    }
    assert_eq!(n_compared, 4);
}

#[test]
fn what_does_not_belong_together_is_not_packed() {
    let here = project();
    check(here.path(), &["run", "own/x.toml", "--quiet"], 0);
    let table = here.path().join("results/x/summary.parquet");
    let whole = fs::read(&table).expect("a table");
    let mut flipped = whole.clone();
    flipped[100] ^= 1;
    fs::write(&table, flipped).expect("written");
    let refused = check(here.path(), &["pack", "own/x.toml", "-o", "x.tar"], 65).stderr;
    assert!(refused.contains("results/x/summary.parquet is not the table that its manifest describes"), "{refused}");
    fs::write(&table, whole).expect("written");
    let file = here.path().join("own/x.toml");
    let text = fs::read_to_string(&file).expect("the experiment");
    fs::write(&file, format!("{text}[decode]\nmax_batch = 64\n")).expect("written");
    let refused = check(here.path(), &["pack", "own/x.toml", "-o", "x.tar"], 65).stderr;
    assert!(
        refused.contains("are of another version of the file (decode.max_batch): netkv run own/x.toml"),
        "{refused}"
    );
    let root = here.path().canonicalize().expect("a folder");
    fs::write(&file, text.replace("../files", &root.join("files").display().to_string())).expect("written");
    let refused = check(here.path(), &["pack", "own/x.toml", "-o", "x.tar"], 65).stderr;
    assert!(refused.contains("own/x.toml names files by where they are on this machine"), "{refused}");
}
