//! Ctrl-C. Cells that are under way end, no other begins, and what is finished is written; a second one ends at once. A
//! command that runs no cells ends at once. However it ends, it leaves no temporary file.

use crate::failure::INTERRUPTED;
use crate::leftovers;
use crate::output::tell;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// Whether somebody looks at `STOP`.
static IS_MINDED: AtomicBool = AtomicBool::new(false);

/// Whether what is to be stopped answers others, and runs no cells.
static IS_SERVICE: AtomicBool = AtomicBool::new(false);

/// Begins to listen.
pub fn listen() {
    let listening = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) || !IS_MINDED.load(Ordering::Relaxed) {
            leftovers::remove_own();
            std::process::exit(i32::from(INTERRUPTED));
        }
        tell(if IS_SERVICE.load(Ordering::Relaxed) {
            "stopping: answers under way are finished (again: stop at once)"
        } else {
            "stopping: cells under way end, finished ones are kept (again: stop at once)"
        });
    });
    if let Err(error) = listening {
        tell(&format!("note: Ctrl-C will end netkv at once: {error}"));
    }
}

/// Set once somebody asked to stop. Whoever asks for this minds it from then on.
pub fn stop() -> &'static AtomicBool {
    IS_MINDED.store(true, Ordering::Relaxed);
    &STOP
}

/// Asks the command that runs to stop, as Ctrl-C does in the program.
pub fn ask() {
    STOP.store(true, Ordering::Relaxed);
}

/// Forgets that somebody asked: for the next command of a process that goes on.
pub fn forget() {
    STOP.store(false, Ordering::Relaxed);
    IS_MINDED.store(false, Ordering::Relaxed);
    IS_SERVICE.store(false, Ordering::Relaxed);
}

/// Whether the command that runs looks at what is asked.
pub fn is_minded() -> bool {
    IS_MINDED.load(Ordering::Relaxed)
}

/// The same for a service, to which stopping is no interruption.
pub fn stop_of_service() -> &'static AtomicBool {
    IS_SERVICE.store(true, Ordering::Relaxed);
    stop()
}

/// Whether somebody asked to stop.
pub fn is_asked() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// A write beyond the limit on the size of files kills a process without a word, unless it listens; then it fails like any
/// other, and is told.
#[cfg(unix)]
pub fn survive_file_limit() {
    let heard = std::sync::Arc::new(AtomicBool::new(false));
    // If that is refused, the limit kills as it always did.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, heard);
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn survive_file_limit() {}
