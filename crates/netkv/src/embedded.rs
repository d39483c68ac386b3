//! A command inside a process that goes on: no signal is listened to, nothing is printed, nothing exits.
//!
//! It is the program's own path, from the same arguments to the same files. One command runs at a time: what a command keeps for
//! itself (who asked it to stop, which temporary files are its own) is kept once for the process.

use crate::dispatch::guarded;
use crate::failure::INTERRUPTED;
use crate::interrupt;
use crate::output::{Said, divert};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// The exit code of the program.
    pub code: u8,
    /// Why it could not do what it was asked for, as the program says it.
    pub error: Option<String>,
    /// After `run`: the folders of results, one for each experiment.
    pub folders: Vec<PathBuf>,
}

impl Called {
    fn stopped() -> Self {
        Self { code: INTERRUPTED, ..Self::default() }
    }
}

/// The means to stop one call.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

/// Whose turn it is.
static TURN: Mutex<()> = Mutex::new(());
/// The call that runs.
static RUNNING: Mutex<Option<Stop>> = Mutex::new(None);

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stop {
    /// Asks the call to stop: one that waits for its turn does not begin, and of one that runs, cells under way end and what is
    /// finished is kept. False if it runs and does not look, since it runs no cells: it will end by itself.
    pub fn ask(&self) -> bool {
        let running = lock(&RUNNING);
        self.0.store(true, Ordering::Relaxed);
        match &*running {
            Some(stop) if Arc::ptr_eq(&stop.0, &self.0) => {
                interrupt::ask();
                interrupt::is_minded()
            }
            Some(_) | None => true,
        }
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs the command that `arguments` name, without the name of a program before them, and tells `ear` what it says. Waits for
/// other calls to end.
pub fn call(arguments: Vec<OsString>, ear: Sender<Said>, stop: &Stop) -> Called {
    let _turn = lock(&TURN);
    {
        let mut running = lock(&RUNNING);
        if stop.is_asked() {
            return Called::stopped();
        }
        interrupt::forget();
        *running = Some(stop.clone());
    }
    divert(Some(ear));
    let done = guarded(std::iter::once(OsString::from("netkv")).chain(arguments).collect());
    divert(None);
    *lock(&RUNNING) = None;
    match done {
        Ok(done) => Called { code: done.ending.code(), error: None, folders: done.folders },
        Err(broken) => {
            let error = broken.failure.to_string();
            let error = error.trim_start_matches("error: ").to_owned();
            Called { code: broken.failure.code(), error: Some(error), folders: Vec::new() }
        }
    }
}
