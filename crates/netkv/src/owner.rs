//! Whose results a folder holds: two experiments of one name would hide each other's tables.
//!
//! Beside the cells stands the path of the experiment's file, as seen from there. It is no part of a result: tables and
//! manifest are the same wherever the file is.

use crate::failure::{Failure, Writing};
use crate::kept::CELLS;
use crate::output::write_file;
use netkv_grid::Experiment;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The file that says whose results these are.
const OWNER: &str = "experiment";

/// Refuses a folder that holds the results of another file. That file may be edited at will, and when it is gone, it was
/// moved here.
pub fn check(experiment: &Experiment, folder: &Path) -> Result<(), Failure> {
    let cells = folder.join(CELLS);
    let Ok(recorded) = fs::read_to_string(cells.join(OWNER)) else { return Ok(()) };
    let (Ok(owner), Ok(own)) = (cells.join(recorded.trim()).canonicalize(), experiment.path().canonicalize()) else {
        return Ok(());
    };
    if owner == own {
        return Ok(());
    }
    let (folder, file) = (folder.display(), experiment.path().display());
    let name = experiment.name();
    Err(Failure::input(format_args!(
        "{folder} holds the results of {}; {file} has the same name, {name}, and would replace their tables: give it a name of \
         its own (name = \"...\" at its top) or its results another folder (--out DIR)",
        shown(&owner).display()
    )))
}

/// The experiment file whose results a folder holds, if that was noted and is there.
pub fn file_of(folder: &Path) -> Option<PathBuf> {
    let cells = folder.join(CELLS);
    let recorded = fs::read_to_string(cells.join(OWNER)).ok()?;
    cells.join(recorded.trim()).canonicalize().ok().map(|file| shown(&file))
}

/// Notes that the folder holds the results of this experiment.
pub fn claim(experiment: &Experiment, folder: &Path) -> Result<(), Failure> {
    let cells = folder.join(CELLS);
    fs::create_dir_all(&cells).writing(cells.display())?;
    let (Ok(from), Ok(to)) = (cells.canonicalize(), experiment.path().canonicalize()) else { return Ok(()) };
    let text = format!("{}\n", relative(&from, &to).display());
    let file = cells.join(OWNER);
    if fs::read_to_string(&file).is_ok_and(|recorded| recorded == text) {
        return Ok(());
    }
    write_file(&file, text.as_bytes())
}

/// The path of a file as seen from a folder, both absolute.
fn relative(folder: &Path, file: &Path) -> PathBuf {
    let common = folder.components().zip(file.components()).take_while(|(one, two)| one == two).count();
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    up.chain(file.components().skip(common)).collect()
}

/// A file as one would name it here.
fn shown(file: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    here.map_or_else(|_| file.to_owned(), |here| file.strip_prefix(here).unwrap_or(file).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_from_a_folder() {
        let relative = |folder: &str, file: &str| relative(Path::new(folder), Path::new(file));
        assert_eq!(relative("/a/results/x/cells", "/a/experiments/x.toml"), Path::new("../../../experiments/x.toml"));
        assert_eq!(relative("/a", "/a/x.toml"), Path::new("x.toml"));
    }
}
