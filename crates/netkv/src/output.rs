//! Printing, and writing of files that are either whole or not there.

use crate::failure::{Failure, Writing};
use crate::leftovers::Temporary;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};

/// What a command says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// What it was asked for: the program's standard output.
    Output(String),
    /// A message on the way, without the end of its line: the program's standard error.
    Message(String),
}

/// Who hears what is said instead of the program's streams.
static EAR: Mutex<Option<Sender<Said>>> = Mutex::new(None);

/// Lets `ear` hear what is said from now on, instead of the program's streams; none: the streams again.
pub fn divert(ear: Option<Sender<Said>>) {
    *EAR.lock().unwrap_or_else(PoisonError::into_inner) = ear;
}

/// Whether somebody else than the program's streams hears what is said.
pub fn is_diverted() -> bool {
    EAR.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Says it to the ear that there is; false if there is none.
fn is_heard(said: impl FnOnce() -> Said) -> bool {
    let ear = EAR.lock().unwrap_or_else(PoisonError::into_inner);
    // Whoever has gone does not mind.
    ear.as_ref().map(|ear| ear.send(said())).is_some()
}

/// Prints to standard output. A reader that has seen enough (`netkv schema | head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    if is_heard(|| Said::Output(text.to_owned())) {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Ok(()) | Err(_) => written.writing("to standard output"),
    }
}

/// Prints a message to standard error, where nobody may be listening.
pub fn tell(message: &str) {
    if is_heard(|| Said::Message(message.to_owned())) {
        return;
    }
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{message}");
}

/// The folder of a file; "." for a bare name.
pub fn folder_of(path: &Path) -> PathBuf {
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
    fs::create_dir_all(folder_of(path)).writing(path.display())?;
    Prepared::write(path, write)?.commit()
}

/// A file that is written, but has not yet its name.
#[derive(Debug)]
pub struct Prepared {
    temporary: Temporary,
    path: PathBuf,
}

impl Prepared {
    /// Writes one by a function that is given the path to write to, in the folder of `path`, which is there.
    pub fn write<E: Into<anyhow::Error>>(
        path: &Path,
        write: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Self, Failure> {
        let temporary = Temporary::create(&folder_of(path)).writing(path.display())?;
        write(temporary.path()).writing(path.display())?;
        Ok(Self { temporary, path: path.to_owned() })
    }

    /// What is in it.
    pub fn bytes(&self) -> Result<Vec<u8>, Failure> {
        fs::read(self.temporary.path()).writing(self.path.display())
    }

    /// Where it is as long as it has not its name.
    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// Whether a file of its name and content is there already.
    pub fn is_there(&self) -> bool {
        is_same(self.temporary.path(), &self.path)
    }

    /// Gives it its name.
    pub fn commit(self) -> Result<(), Failure> {
        if self.is_there() {
            return Ok(());
        }
        let Self { temporary, path } = self;
        let what = || path.display();
        make_readable(temporary.path()).writing(what())?;
        File::open(temporary.path()).and_then(|file| file.sync_all()).writing(what())?;
        temporary.keep(&path).writing(what())?;
        File::open(folder_of(&path)).and_then(|folder| folder.sync_all()).writing(what())
    }
}

/// Whether two files hold the same, as far as they can be read; large ones are never in memory as a whole.
fn is_same(one: &Path, two: &Path) -> bool {
    let same = || -> io::Result<bool> {
        if fs::metadata(one)?.len() != fs::metadata(two)?.len() {
            return Ok(false);
        }
        let [mut one, mut two] = [BufReader::new(File::open(one)?), BufReader::new(File::open(two)?)];
        loop {
            let (left, right) = (one.fill_buf()?, two.fill_buf()?);
            let n = left.len().min(right.len());
            if n == 0 || left[..n] != right[..n] {
                return Ok(left.is_empty() && right.is_empty());
            }
            one.consume(n);
            two.consume(n);
        }
    };
    same().unwrap_or(false)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_same_if_all_their_bytes_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            fs::write(folder.path().join(name), bytes).unwrap();
            folder.path().join(name)
        };
        let mut long = vec![7; 100_000];
        let (one, two, empty) = (file("one", &long), file("two", &long), file("empty", b""));
        long[99_999] = 8;
        let (other, short) = (file("other", &long), file("short", &long[..99_999]));
        assert!(is_same(&one, &two) && is_same(&empty, &empty));
        assert!(!is_same(&one, &other) && !is_same(&one, &short) && !is_same(&one, &empty));
        assert!(!is_same(&one, &folder.path().join("none")));
    }
}
