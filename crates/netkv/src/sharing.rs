//! Several processes in one folder of results, on one machine or on many: each cell is run by one of them.
//!
//! Every process has a lease, a file that it holds by a lock of the system and touches now and then. To take a cell it
//! links its lease to the cell's key: that succeeds for one process alone, on network file systems too, and whoever finds
//! the name taken finds in it who took it and whether that one still runs ([`leftovers`]). What a process that no longer
//! runs took is free again: at once on its machine, after [`STALE_S`](leftovers::STALE_S) seconds from another. So is, after
//! that time, what a process took that was stopped (SIGSTOP, a machine that sleeps); it keeps its lease for when it goes on.
//!
//! Claims save work, and nothing else: if two processes ran one cell after all, both would store the same bits.

use crate::failure::{Blame, Failure, Writing};
use crate::leftovers::{self, left_over, machine};
use crate::output::tell;
use crate::provenance::host;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tempfile::{Builder, NamedTempFile};

/// Folder of leases and claims, beside the segments.
const CLAIMS: &str = "claims";
/// How the names of leases begin.
const LEASE: &str = "run-";
/// What is claimed to write the tables.
const TABLES: &str = "tables";
/// Seconds between two touches of a lease. Chosen by us: several may be late before it is stale.
const TOUCH: Duration = Duration::from_secs(15);
/// How long to wait before a claim of another process is looked at again.
pub const PAUSE: Duration = Duration::from_millis(200);

/// Who took something: the first lines of a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Holder {
    /// The name of the lease.
    lease: String,
    machine: String,
    /// For people.
    process: String,
}

impl Holder {
    /// Of a claim.
    fn of(claim: &Path) -> io::Result<Self> {
        Self::read(&File::open(claim)?)
    }

    fn read(mut file: &File) -> io::Result<Self> {
        let mut text = String::new();
        file.rewind()?;
        file.read_to_string(&mut text)?;
        let mut lines = text.lines().map(str::to_owned);
        let mut line = || lines.next().unwrap_or_default();
        Ok(Self { lease: line(), machine: line(), process: line() })
    }

    /// Its machine, as it says in the file at `path`, or as the name of its lease does as long as nothing is written there.
    fn on(self, path: &Path) -> String {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let named = || name.strip_prefix(LEASE)?.split_once('-').map(|(machine, _)| machine.to_owned());
        if self.lease.is_empty() { named().unwrap_or_default() } else { self.machine }
    }
}

/// This process among those that share a folder; it leaves when this is dropped.
#[derive(Debug)]
pub struct Sharing {
    folder: PathBuf,
    lease: PathBuf,
    name: String,
    /// Held as long as this lives.
    file: Option<NamedTempFile>,
    /// Claims that this process has.
    taken: Mutex<BTreeSet<PathBuf>>,
    /// Whether this file system links.
    links: AtomicBool,
    end: Option<Sender<()>>,
    touching: Option<JoinHandle<()>>,
}

impl Sharing {
    /// Joins those that run in a folder of cells, and clears away what processes left that no longer run.
    pub fn join(cells: &Path) -> Result<Self, Failure> {
        let folder = cells.join(CLAIMS);
        let make = || {
            // Whoever leaves as the last one removes the folder.
            fs::create_dir_all(&folder)?;
            // Who is killed before it has written the machine into it has it in the name.
            Builder::new().prefix(&format!("{LEASE}{}-", machine())).tempfile_in(&folder)
        };
        let mut file = leftovers::held(|| make().or_else(|_| make())).writing(folder.display())?;
        let lease = file.path().to_owned();
        leftovers::add(&lease);
        let name = lease.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = format!("{name}\n{}\nprocess {} on {}\n", machine(), std::process::id(), host());
        let written = file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all());
        written.writing(lease.display())?;
        let (end, ended) = channel();
        let touched = file.as_file().try_clone().writing(lease.display())?;
        let touching = thread::Builder::new().name("lease".to_owned()).spawn(move || {
            while ended.recv_timeout(TOUCH) == Err(RecvTimeoutError::Timeout) {
                touch(&touched, &text);
            }
        });
        let touching = Some(touching.map_err(no_thread)?);
        let links = AtomicBool::new(true);
        let sharing =
            Self { folder, lease, name, file: Some(file), taken: Mutex::default(), links, end: Some(end), touching };
        sharing.clear();
        Ok(sharing)
    }

    /// Takes a cell, or whatever has a name: true if this process has it now, false if another one does.
    pub fn take(&self, name: &str) -> Result<bool, Failure> {
        let claim = self.folder.join(name);
        while self.links.load(Ordering::Relaxed) {
            match fs::hard_link(&self.lease, &claim) {
                Ok(()) => {
                    leftovers::add(&claim);
                    self.taken().insert(claim);
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => match self.is_free(&claim) {
                    Ok(true) => {}
                    Ok(false) => return Ok(false),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error).writing(claim.display()),
                },
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let gone = "the folder was removed or renamed while cells of it were run";
                    return Err(anyhow::Error::new(error).context(gone)).writing(claim.display());
                }
                Err(error) if error.kind() == ErrorKind::StorageFull => return Err(error).writing(claim.display()),
                Err(error) => {
                    let folder = self.folder.display();
                    tell(&format!(
                        "note: cells cannot be claimed in {folder} ({error}): run one process there at a time"
                    ));
                    self.links.store(false, Ordering::Relaxed);
                }
            }
        }
        Ok(true)
    }

    /// Gives back what [`take`](Self::take) gave.
    pub fn release(&self, name: &str) {
        self.give_back(name);
    }

    /// The same; false if another process took it meanwhile, since this one had been stopped.
    fn give_back(&self, name: &str) -> bool {
        let claim = self.folder.join(name);
        leftovers::forget(&claim);
        if !self.taken().remove(&claim) {
            return true;
        }
        let is_own = Holder::of(&claim).is_ok_and(|holder| holder.lease == self.name);
        if is_own {
            // If it stays, the next who wants it finds that nobody holds it.
            let _ = fs::remove_file(claim);
        }
        is_own
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` while no other process does so in this folder; again if one did, since this one had been stopped.
    pub fn alone<T>(&self, mut work: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
        loop {
            while !self.take(TABLES)? {
                thread::sleep(PAUSE);
            }
            let done = work();
            let was_alone = self.give_back(TABLES) || !self.links.load(Ordering::Relaxed);
            if was_alone || done.is_err() {
                return done;
            }
        }
    }

    /// Whether a claim is free now, after what its holder left was cleared away.
    fn is_free(&self, claim: &Path) -> io::Result<bool> {
        let own = || Holder::of(claim);
        // A link can be made although the system says otherwise, if the answer of a network file system was lost.
        if own()?.lease == self.name {
            return Ok(false);
        }
        let Some(file) = left_over(claim, |file| Holder::read(file).ok().map(|holder| holder.on(claim)))? else {
            let is_stopped = leftovers::is_stopped(claim)?;
            if is_stopped {
                self.clear_of(&own()?, None);
            }
            return Ok(is_stopped);
        };
        let holder = Holder::read(&file)?;
        if holder.lease.is_empty() {
            // Killed before it wrote its lease: it claimed nothing.
            fs::remove_file(claim)?;
            return Ok(true);
        }
        // INVARIANT: who holds the lock of a lease clears it away alone, so what is read now stays.
        if own()? == holder {
            self.clear_of(&holder, Some(claim));
        }
        Ok(true)
    }

    /// Removes all claims of a holder; if one is named that it no longer runs for, that one too, and its lease last.
    fn clear_of(&self, holder: &Holder, claim: Option<&Path>) {
        let is_theirs = |path: &PathBuf| Holder::of(path).is_ok_and(|own| own == *holder);
        let lease = self.folder.join(&holder.lease);
        let claims = self.entries().filter(|path| *path != lease).filter(is_theirs);
        let last = claim.into_iter().flat_map(|claim| [claim.to_owned(), lease.clone()]);
        for path in claims.chain(last) {
            // Somebody may have been quicker; then it is gone as well.
            let _ = fs::remove_file(path);
        }
    }

    /// Clears away what processes left that no longer run.
    fn clear(&self) {
        for path in self.entries().filter(|path| *path != self.lease) {
            // What cannot be looked at now is looked at again when it is wanted.
            let _ = self.is_free(&path);
        }
    }

    fn entries(&self) -> impl Iterator<Item = PathBuf> + use<> {
        fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path())
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(touching) = self.touching.take() {
            touching.join().expect("the thread that touches a lease does not panic");
        }
        // What was not finished, others may take.
        for claim in std::mem::take(&mut *self.taken()) {
            leftovers::forget(&claim);
            let _ = fs::remove_file(claim);
        }
        drop(self.file.take());
        leftovers::forget(&self.lease);
        // Not if others are there.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// What is being run in a folder of cells now: names that are taken, and who took each.
pub fn taken(cells: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in fs::read_dir(cells.join(CLAIMS)).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(LEASE) || name == TABLES {
            continue;
        }
        let runs = left_over(&path, |file| Holder::read(file).ok().map(|holder| holder.machine));
        let is_stopped = leftovers::is_stopped(&path).unwrap_or(false);
        if let (Ok(None), Ok(holder), false) = (runs, Holder::of(&path), is_stopped) {
            found.push((name, holder.process));
        }
    }
    found.sort();
    found
}

/// Says that the system refused a thread.
pub fn no_thread(error: io::Error) -> Failure {
    let message = "the system starts no more threads: try --jobs 1, or raise the limit (ulimit -u, ulimit -v)";
    Failure::new(Blame::Machine, anyhow::Error::new(error).context(message))
}

/// Changes the time of a file by writing into it what it holds: that is the clock of the file system.
fn touch(mut file: &File, text: &str) {
    let touched = file.rewind().and_then(|()| file.write_all(text.as_bytes())).and_then(|()| file.sync_all());
    if let Err(error) = touched {
        tell(&format!(
            "note: a lease could not be touched ({error}): another machine may run cells again that run here"
        ));
    }
}
