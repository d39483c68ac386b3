//! The `netkv` command: arguments, progress, printing and exit codes. What it does is done by the other crates.
//!
//! It is a library so that whoever ships the command otherwise than as a program runs this code and no other: [`command_line`] is
//! the program, [`call`] is a command inside a process that goes on, such as a Python interpreter.

mod answer;
mod args;
mod catalogue;
mod cells;
mod changed;
mod clock;
mod commands;
mod costs;
mod dispatch;
mod download;
mod earlier;
mod embedded;
mod failure;
mod fixed;
mod interrupt;
mod keeper;
mod kept;
mod kin;
mod leftovers;
mod long_cell;
mod operator;
mod outdated;
mod output;
mod owner;
mod picture;
mod progress;
mod provenance;
mod recorded;
mod replications;
mod requests;
mod results;
mod routers;
mod sharing;
mod sweep;
mod table_file;
mod tables;
mod timeline;
mod watch;
mod watched;

pub use embedded::{Called, Stop, call};
pub use output::Said;

use std::ffi::OsString;

/// The program: runs the command that `arguments` name, the first of them its own name, and says how it ended by an exit code.
/// It listens for signals from then on.
pub fn command_line(arguments: Vec<OsString>) -> u8 {
    #[cfg(unix)]
    if let Some(ended) = gate(&arguments) {
        return ended;
    }
    interrupt::survive_file_limit();
    interrupt::listen();
    match dispatch::guarded(arguments) {
        Ok(done) => done.ending.code(),
        Err(broken) => {
            if !broken.is_told {
                output::tell(&broken.failure.to_string());
            }
            broken.failure.code()
        }
    }
}

/// Where this process is what a router runs behind: how that ended. Otherwise routers may run behind this program.
#[cfg(unix)]
fn gate(arguments: &[OsString]) -> Option<u8> {
    if arguments.get(1).is_none_or(|first| first != netkv_external::gate::COMMAND) {
        netkv_external::gate::offer();
        return None;
    }
    output::tell(&netkv_external::gate::run(&arguments[2..]));
    Some(1)
}
