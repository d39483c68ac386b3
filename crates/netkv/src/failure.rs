//! How a command ends, and the exit code that says so to scripts.

use anyhow::Error;
use netkv_grid::{InputErrors, StoreError};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// Exit code of a command that was interrupted, as shells have it: 128 and the number of SIGINT.
pub const INTERRUPTED: u8 = 130;

/// What does not go by itself: to try again is useless.
const LASTING: [ErrorKind; 7] = [
    ErrorKind::PermissionDenied,
    ErrorKind::ReadOnlyFilesystem,
    ErrorKind::NotADirectory,
    ErrorKind::IsADirectory,
    ErrorKind::AlreadyExists,
    ErrorKind::InvalidFilename,
    ErrorKind::InvalidInput,
];

/// How a command that did what it was asked for ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything is done.
    Done,
    /// Some cells failed; the others are done.
    SomeCellsFailed,
    /// Cells are missing, so nothing was written.
    Incomplete,
    /// A cell came out otherwise than it is stored.
    Mismatch,
    /// Somebody stopped it; what was finished is kept.
    Interrupted,
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    /// How it ended.
    pub ending: Ending,
    /// The folders of results that a run wrote or found, one for each of its experiments that came to that.
    pub folders: Vec<PathBuf>,
}

impl From<Ending> for Done {
    fn from(ending: Ending) -> Self {
        Self { ending, folders: Vec::new() }
    }
}

/// Whose fault it is that a command could not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The command line makes no sense.
    Usage,
    /// A file of the user's makes no sense. To try again is useless.
    Input,
    /// A bug.
    Bug,
    /// The machine. To try again may help if a disk was full, and does not if there is no permission.
    Machine,
}

/// Why a command could not do what it was asked for.
#[derive(Debug)]
pub struct Failure {
    blame: Blame,
    error: Error,
}

impl Failure {
    /// A failure of the user's, the machine's or our own.
    pub fn new(blame: Blame, error: impl Into<Error>) -> Self {
        Self { blame, error: error.into() }
    }

    /// The user's command line makes no sense.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Blame::Usage, Error::msg(message.to_string()))
    }

    /// A file of the user's makes no sense.
    pub fn input(message: impl fmt::Display) -> Self {
        Self::new(Blame::Input, Error::msg(message.to_string()))
    }

    /// The exit code, after `sysexits.h`.
    pub fn code(&self) -> u8 {
        match self.blame {
            Blame::Usage => 64,
            Blame::Input => 65,
            Blame::Bug => 70,
            Blame::Machine if self.is_lasting() => 73,
            Blame::Machine => 75,
        }
    }

    /// Whether the system refused what it will refuse again, whenever it is asked: no permission, a file where a folder must be.
    fn is_lasting(&self) -> bool {
        let kinds = self.error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        kinds.into_iter().any(|kind| LASTING.contains(&kind))
    }
}

/// The error and what led to it, one line each.
impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error: {}", self.error)?;
        self.error.chain().skip(1).try_for_each(|cause| write!(formatter, "\n  because: {cause}"))
    }
}

impl From<InputErrors> for Failure {
    fn from(errors: InputErrors) -> Self {
        let count = errors.issues().len();
        let plural = if count == 1 { "error" } else { "errors" };
        Self::input(format_args!("{count} {plural} in the input\n{errors}"))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let blame = match error {
            StoreError::Io { .. } => Blame::Machine,
            StoreError::Conflict { .. } => Blame::Bug,
        };
        Self::new(blame, error)
    }
}

impl Ending {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::SomeCellsFailed => 1,
            Self::Incomplete => 3,
            Self::Mismatch => 4,
            Self::Interrupted => INTERRUPTED,
        }
    }
}

/// Words for a failure to write: the machine is to blame.
pub trait Writing<T> {
    /// Blames the machine, and says what was to be written.
    fn writing(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<Error>> Writing<T> for Result<T, E> {
    fn writing(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(Blame::Machine, error.into().context(format!("cannot write {what}"))))
    }
}
