//! The command in this process, beside an interpreter that stays alive: it hears messages, and Ctrl-C.

use netkv::{Called, Said, Stop};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How often the interpreter is asked for signals. Chosen by us: nobody feels it, and it costs nothing.
const LOOK: Duration = Duration::from_millis(20);

/// How a call ended, for Python: exit code, error, output, folders of results.
type Ended = (u8, Option<String>, String, Vec<PathBuf>);

/// Runs a command on a thread of its own; `hear` is called with each message, here.
///
/// On Ctrl-C cells under way end, and `KeyboardInterrupt` is raised then; at a second one, or if the command runs no cells, at
/// once: it then ends behind the interpreter's back, and the next call waits for it.
#[pyfunction]
pub fn call(py: Python<'_>, arguments: Vec<OsString>, hear: &Bound<'_, PyAny>) -> PyResult<Ended> {
    let (ear, mut said) = channel();
    let stop = Stop::default();
    let its_stop = stop.clone();
    let running = thread::Builder::new().name("netkv".to_owned()).spawn(move || netkv::call(arguments, ear, &its_stop));
    let running = running.map_err(|error| PyRuntimeError::new_err(format!("the system starts no thread: {error}")))?;
    let mut output = String::new();
    let mut interrupt: Option<PyErr> = None;
    loop {
        let next = &mut said;
        match py.detach(move || next.recv_timeout(LOOK)) {
            Ok(Said::Output(text)) => output += &text,
            Ok(Said::Message(text)) => {
                hear.call1((text,))?;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Err(signal) = py.check_signals() {
            if interrupt.is_some() || !stop.ask() {
                return Err(signal);
            }
            hear.call1(("stopping: cells under way end, finished ones are kept (again: leave at once)",))?;
            interrupt = Some(signal);
        }
    }
    let ended = py.detach(|| running.join());
    let Called { code, error, folders } =
        ended.map_err(|_| PyRuntimeError::new_err("a bug of netkv: its command ended without a word"))?;
    match interrupt {
        Some(signal) => Err(signal),
        None => Ok((code, error, output, folders)),
    }
}

/// The program itself, for the script of its name: prints, listens for Ctrl-C from then on, and returns the exit code.
#[pyfunction]
pub fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| netkv::command_line(arguments))
}
