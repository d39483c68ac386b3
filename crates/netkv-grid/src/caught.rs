//! Panics that are somebody's result: of a cell, which failed, or of a library that reads a damaged file.

use netkv_policy::PolicyFault;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// Set while this thread does what may panic: what its panic said.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What `work` returns, or what its panic said and where.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    CAUGHT.with_borrow_mut(|caught| *caught = Some(String::new()));
    // State that a panic leaves half changed is dropped with it.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    let said = CAUGHT.take().unwrap_or_default();
    result.map_err(|payload| match payload.downcast::<PolicyFault>() {
        Ok(fault) => fault.0,
        Err(_) => said,
    })
}

/// Panics that are caught here are kept for whoever caught them; all others go to the hook that was there before.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let is_caught = CAUGHT.with_borrow_mut(|caught| caught.as_mut().map(|said| *said = describe(panic)));
            if is_caught.is_none() {
                previous(panic);
            }
        }));
    });
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let said = panic.payload_as_str().unwrap_or("a panic without a message").replace('\n', " ");
    panic.location().map_or_else(|| said.clone(), |place| format!("{said} ({}:{})", place.file(), place.line()))
}
