//! Printing, and writing of files that are either whole or not there.

use crate::failure::{Failure, Writing};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Prints to standard output. A reader that has seen enough (`netkv schema | head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Ok(()) | Err(_) => written.writing("to standard output"),
    }
}

/// Prints a message to standard error, where nobody may be listening.
pub fn tell(message: &str) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{message}");
}

/// The folder of a file; "." for a bare name.
fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Writes a file through a temporary one beside it: after a crash it is the old one or the new one, never a part.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_with(path, |temporary| fs::write(temporary, bytes))
}

/// Writes a file by a function that is given the path of a temporary one. If the result equals the file that is
/// there, that stays as it is.
pub fn write_with<E: Into<anyhow::Error>>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), Failure> {
    let folder = folder_of(path);
    let what = || path.display();
    fs::create_dir_all(&folder).writing(what())?;
    let temporary = NamedTempFile::with_suffix_in(".tmp", &folder).writing(what())?;
    write(temporary.path()).writing(what())?;
    if is_same(temporary.path(), path) {
        return Ok(());
    }
    make_readable(temporary.path()).writing(what())?;
    File::open(temporary.path()).and_then(|file| file.sync_all()).writing(what())?;
    temporary.persist(path).writing(what())?;
    File::open(&folder).and_then(|folder| folder.sync_all()).writing(what())
}

fn is_same(one: &Path, two: &Path) -> bool {
    match (fs::read(one), fs::read(two)) {
        (Ok(one), Ok(two)) => one == two,
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    }
}

/// A temporary file is for its owner alone; a result is for all that the folder is for.
#[cfg(unix)]
fn make_readable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &Path) -> io::Result<()> {
    Ok(())
}
