//! The `netkv` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(netkv::command_line(std::env::args_os().collect()))
}
