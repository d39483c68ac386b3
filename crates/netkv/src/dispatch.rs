//! From arguments to a command that ends, one way or another: what the program and its embedding have in common.

use crate::args::{Cli, Command};
use crate::commands;
use crate::failure::{Blame, Done, Ending, Failure};
use crate::output;
use crate::sharing;
use clap::Parser;
use clap::error::ErrorKind;
use netkv_policy::PolicyFault;
use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};

/// Why a command did nothing, or not all.
#[derive(Debug)]
pub struct Broken {
    /// Why.
    pub failure: Failure,
    /// Whether it was said where it happened: panics are.
    pub is_told: bool,
}

/// What was running, and the first panic since.
#[derive(Default)]
struct Panics {
    command: Vec<String>,
    first: Option<(Blame, String)>,
}

static PANICS: Mutex<Panics> = Mutex::new(Panics { command: Vec::new(), first: None });

fn panics() -> MutexGuard<'static, Panics> {
    PANICS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the command that `arguments` name, the first of them the name of the program. A panic becomes a failure.
pub fn guarded(arguments: Vec<OsString>) -> Result<Done, Broken> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| panic::set_hook(Box::new(report_bug)));
    let command = arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    *panics() = Panics { command, first: None };
    match panic::catch_unwind(AssertUnwindSafe(|| run(arguments))) {
        Ok(ended) => ended.map_err(|failure| Broken { failure, is_told: false }),
        // A policy from outside that cannot go on is no bug of ours, and the hook has said nothing.
        Err(payload) if payload.is::<PolicyFault>() => {
            let fault = payload.downcast::<PolicyFault>().map_or_else(|_| String::new(), |fault| fault.0);
            Err(Broken { failure: Failure::input(fault), is_told: false })
        }
        Err(_) => {
            let (blame, said) = panics().first.take().unwrap_or((Blame::Bug, "a bug".to_owned()));
            let said = said.trim_start_matches("error: ").to_owned();
            Err(Broken { failure: Failure::new(blame, anyhow::Error::msg(said)), is_told: true })
        }
    }
}

fn run(arguments: Vec<OsString>) -> Result<Done, Failure> {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return explain_usage(&error).map(Done::from),
    };
    start_threads()?;
    let ending = match cli.command {
        Command::Run(args) => return commands::run::run(&args),
        Command::New(args) => commands::new::new(&args),
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
        Command::Conform(command) => commands::conform::conform(&command),
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
    };
    ending.map(Done::from)
}

/// Starts the threads that grids are read with: once, however many commands this process runs.
fn start_threads() -> Result<(), Failure> {
    static STARTED: OnceLock<()> = OnceLock::new();
    if STARTED.get().is_none() {
        netkv_grid::start_threads().map_err(sharing::no_thread)?;
        STARTED.get_or_init(|| ());
    }
    Ok(())
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

/// What panics say that the system's refusal of a thread causes.
const REFUSALS: [&str; 4] =
    ["failed to spawn", "could not spawn", "ThreadPoolBuildError", "Resource temporarily unavailable"];

/// Says what a panic is, and keeps the first of a command: those that follow are mostly of threads that waited for it.
fn report_bug(panic: &PanicHookInfo<'_>) {
    let said = panic.payload_as_str().unwrap_or("a panic without a message");
    let (blame, text) = if REFUSALS.iter().any(|words| said.contains(words)) {
        (Blame::Machine, sharing::no_thread(std::io::Error::other(said.to_owned())).to_string())
    } else {
        let place = panic.location().map_or_else(String::new, |place| format!(" ({}:{})", place.file(), place.line()));
        let text = format!(
            "This is a bug of netkv {}, not a mistake of yours: {said}{place}\n\
             Please report it with the experiment and the command: {}",
            env!("CARGO_PKG_VERSION"),
            panics().command.join(" ")
        );
        (Blame::Bug, text)
    };
    output::tell(&text);
    panics().first.get_or_insert((blame, text));
}
