//! Files that must not outlive what they are for: temporary ones, and the marks of a process that runs.
//!
//! A process that is stopped at once removes its own on its way out. One that is killed cannot: the next run in a folder
//! removes what a process left there that no longer runs. Whether it runs is told by a lock of the system on the file,
//! which goes with the process however that ends; of a file that another machine made, and that may be on a file system
//! without locks, also by its age.

use crate::clock::{file_age_s, local_age_s};
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use tempfile::{Builder, NamedTempFile};

/// Seconds after which a file of another machine that nobody holds or touched is taken to be left over. Chosen by us:
/// twice the time for which network file systems may show an old state.
pub const STALE_S: f64 = 120.0;

/// How the names of temporary files begin and end; between them is the machine.
const BEGIN: &str = ".netkv-";
const END: &str = ".tmp";
/// How those of earlier versions began.
const EARLIER: &str = ".tmp";

/// This machine, as long as it is not started anew, in few characters.
static MACHINE: LazyLock<String> = LazyLock::new(|| {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_else(|_| crate::provenance::host());
    netkv_units::sha256_hex(id.as_bytes())[..8].to_owned()
});

/// This machine, as long as it is not started anew, in few characters.
pub fn machine() -> &'static str {
    &MACHINE
}

static OWN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Notes a file that goes when this process is stopped at once.
pub fn add(path: &Path) {
    OWN.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
}

/// A file that is gone, or stays.
pub fn forget(path: &Path) {
    OWN.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
}

/// Removes every noted file.
pub fn remove_own() {
    for path in OWN.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // It may be gone already.
        let _ = fs::remove_file(path);
    }
}

/// A temporary file that goes with its process.
#[derive(Debug)]
pub struct Temporary {
    file: Option<NamedTempFile>,
}

impl Temporary {
    /// Makes one in a folder.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let prefix = format!("{BEGIN}{}-", machine());
        let file = held(|| Builder::new().prefix(&prefix).suffix(END).tempfile_in(folder))?;
        add(file.path());
        Ok(Self { file: Some(file) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.as_ref().expect("it is there until it is kept").path()
    }

    /// Gives it its name for good.
    pub fn keep(mut self, path: &Path) -> io::Result<()> {
        let file = self.file.take().expect("it is kept once");
        forget(file.path());
        file.persist(path).map(|_| ()).map_err(|error| error.error)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            forget(file.path());
        }
    }
}

/// A new file that others see to be held. Between its making and its lock it looks left over: if somebody removed it then,
/// another is made.
pub fn held(make: impl Fn() -> io::Result<NamedTempFile>) -> io::Result<NamedTempFile> {
    loop {
        let file = make()?;
        let is_held = match file.as_file().try_lock() {
            // Some network file systems have no locks; there the age counts.
            Ok(()) | Err(TryLockError::Error(_)) => true,
            Err(TryLockError::WouldBlock) => false,
        };
        if is_held && fs::symlink_metadata(file.path()).is_ok() {
            return Ok(file);
        }
    }
}

/// Whether a file that is held was not touched for so long that its process must have been stopped.
pub fn is_stopped(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    // A look at this machine's clock is cheap, and mostly enough.
    Ok(local_age_s(&file)? > STALE_S && file_age_s(&file, path)? > STALE_S)
}

/// A file whose process no longer runs, held so that nobody else removes it at the same time; none if it runs.
pub fn left_over(path: &Path, made_by: impl Fn(&File) -> Option<String>) -> io::Result<Option<File>> {
    let file = File::options().read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) if made_by(&file).as_deref() == Some(machine()) => return Ok(Some(file)),
        Ok(()) | Err(TryLockError::Error(_)) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
    }
    Ok((file_age_s(&file, path)? > STALE_S).then_some(file))
}

/// Removes the temporary files in a folder whose processes no longer run.
pub fn clean(folder: &Path) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_temporary = name.ends_with(END) && (name.starts_with(BEGIN) || name.starts_with(EARLIER));
        let made_by = |_: &File| name.strip_prefix(BEGIN)?.split('-').next().map(str::to_owned);
        if is_temporary && left_over(&path, made_by).is_ok_and(|file| file.is_some()) {
            // If that fails it stays, and does no harm.
            let _ = fs::remove_file(&path);
        }
    }
}
