//! Ctrl-C: cells that are under way end, no other begins, and what is finished is written. A second one ends at once.

use crate::failure::INTERRUPTED;
use crate::output::tell;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// Set once somebody asked to stop. The first call begins to listen.
pub fn stop() -> &'static AtomicBool {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let listening = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(INTERRUPTED));
            }
            tell("stopping: cells under way end, finished ones are kept (again: stop at once)");
        });
        if let Err(error) = listening {
            tell(&format!("note: Ctrl-C will end netkv at once: {error}"));
        }
    });
    &STOP
}

/// Whether somebody asked to stop.
pub fn is_asked() -> bool {
    STOP.load(Ordering::Relaxed)
}
