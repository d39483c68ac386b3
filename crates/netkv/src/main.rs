//! The `netkv` command: arguments, progress, printing and exit codes. What it does is done by the other crates.

mod answer;
mod args;
mod catalogue;
mod cells;
mod changed;
mod clock;
mod commands;
mod costs;
mod download;
mod earlier;
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
mod sharing;
mod sweep;
mod table_file;
mod tables;
mod timeline;
mod watch;
mod watched;

use args::{Cli, Command};
use clap::Parser;
use clap::error::ErrorKind;
use failure::{Blame, Ending, Failure};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

fn main() -> ExitCode {
    panic::set_hook(Box::new(report_bug));
    interrupt::survive_file_limit();
    interrupt::listen();
    match panic::catch_unwind(run) {
        Ok(Ok(ending)) => ending.into(),
        Ok(Err(failure)) => {
            output::tell(&failure.to_string());
            failure.exit_code()
        }
        // The hook has said what there is to say.
        Err(_) if REFUSED.load(Ordering::Relaxed) => {
            Failure::new(Blame::Machine, anyhow::Error::msg("no thread")).exit_code()
        }
        Err(_) => Failure::new(Blame::Bug, anyhow::Error::msg("a bug")).exit_code(),
    }
}

fn run() -> Result<Ending, Failure> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain_usage(&error),
    };
    netkv_grid::start_threads().map_err(sharing::no_thread)?;
    match cli.command {
        Command::New(args) => commands::new::new(&args),
        Command::Run(args) => commands::run::run(&args),
        Command::Gather(args) => commands::gather::gather(&args),
        Command::Pack(args) => commands::pack::pack(&args),
        Command::Status(args) => commands::status::status(&args),
        Command::Verify(args) => commands::verify::verify(&args),
        Command::Emit(command) => commands::emit::emit(&command),
        Command::Capacity(args) => commands::capacity::capacity(&args),
        Command::Cluster(args) => commands::cluster::cluster(&args),
        Command::Oracle(command) => commands::oracle::oracle(&command),
        Command::Decide(args) => commands::decide::decide(&args),
        Command::Compare(args) => commands::compare::compare(&args),
        Command::Plan(args) => commands::plan::plan(&args),
        Command::Cell(args) => commands::cell::cell(&args),
        Command::Explain(args) => commands::explain::explain(&args),
        Command::Claims(args) => commands::claims::claims(&args),
        Command::Fit(args) => commands::fit::fit(&args),
        Command::Figures(args) => commands::figures::figures(&args),
        Command::Keys(args) => commands::keys::keys(&args),
        Command::Report(args) => commands::report::report(&args),
        Command::Schema(args) => commands::schema::schema(&args),
        Command::Reproduce(args) => commands::reproduce::reproduce(&args),
        Command::Profile(args) => commands::profile::profile(&args),
        Command::Telemetry(args) => commands::telemetry::telemetry(&args),
        Command::Trace(args) => commands::trace::trace(&args),
        Command::Flows(args) => commands::flows::flows(&args),
        Command::Tune(args) => commands::tune::tune(&args),
        Command::Completions { shell } => commands::completions(shell),
    }
}

/// Help and version are what was asked for; anything else is a usage error.
fn explain_usage(error: &clap::Error) -> Result<Ending, Failure> {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        output::print(&text)?;
        return Ok(Ending::Done);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        output::tell(text.trim_end());
        return Err(Failure::usage("a command is needed"));
    }
    Err(Failure::usage(text.trim_end().trim_start_matches("error: ")))
}

/// Set once the system refused a thread to a library, which panics then.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// What panics say that the system's refusal of a thread causes.
const REFUSALS: [&str; 4] =
    ["failed to spawn", "could not spawn", "ThreadPoolBuildError", "Resource temporarily unavailable"];

fn report_bug(panic: &PanicHookInfo<'_>) {
    let said = panic.payload_as_str().unwrap_or_default();
    if REFUSALS.iter().any(|words| said.contains(words)) {
        REFUSED.store(true, Ordering::Relaxed);
        let refused = sharing::no_thread(std::io::Error::other(said.to_owned()));
        output::tell(&refused.to_string());
        return;
    }

    let place = panic.location().map_or_else(String::new, |place| format!(" ({}:{})", place.file(), place.line()));
    let said = panic.payload_as_str().unwrap_or("a panic without a message");
    let command: Vec<String> = std::env::args().collect();
    output::tell(&format!(
        "This is a bug of netkv {}, not a mistake of yours: {said}{place}\n\
         Please report it with the experiment and the command: {}",
        env!("CARGO_PKG_VERSION"),
        command.join(" ")
    ));
}
