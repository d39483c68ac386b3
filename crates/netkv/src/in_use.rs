//! One run at a time in a folder of results: two would run the same cells twice, and each replace the other's tables.
//!
//! The mark is a lock of the system on a file beside the cells, so it goes with the process that holds it, however that
//! ends. What the file says, process and host, is for people.

use crate::failure::{Blame, Failure, Writing};
use crate::kept::CELLS;
use crate::output::tell;
use crate::provenance::host;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

/// The file that is locked.
const MARK: &str = "in-use";

/// A folder of results is this process's own as long as this lives.
#[derive(Debug)]
pub struct InUse {
    _mark: File,
}

impl InUse {
    /// Takes a folder of results, or says who has it.
    pub fn claim(folder: &Path) -> Result<Self, Failure> {
        let cells = folder.join(CELLS);
        fs::create_dir_all(&cells).writing(cells.display())?;
        let path = cells.join(MARK);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut mark = file.writing(path.display())?;
        match mark.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(folder, &fs::read_to_string(&path).unwrap_or_default())),
            Err(TryLockError::Error(error)) => {
                // Some network file systems have no locks; a run is not refused for that.
                tell(&format!("note: {} cannot be locked ({error}): do not run it twice at once", folder.display()));
            }
        }
        mark.set_len(0).writing(path.display())?;
        writeln!(mark, "process {} on {}", std::process::id(), host()).writing(path.display())?;
        Ok(Self { _mark: mark })
    }
}

fn busy(folder: &Path, who: &str) -> Failure {
    let who = if who.trim().is_empty() { "another process" } else { who.trim() };
    Failure::new(
        Blame::Machine,
        anyhow::Error::msg(format!(
            "{who} runs in {} now: wait until it has ended, and the same command takes over all that it finished; or give this \
             run a folder of its own (--out DIR)",
            folder.display()
        )),
    )
}
