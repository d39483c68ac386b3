//! What is wrong with a trace, said so that the user can mend the file in one go.

use std::fmt;

/// How many errors are kept and printed; the rest is counted. Chosen by us: what fits a terminal.
const N_SHOWN: usize = 20;

/// How much of an offending value is repeated, in characters. Chosen by us: one line of a terminal holds the error.
const VALUE_CHARS: usize = 48;

/// What an error counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Lines of a text.
    Line,
    /// Rows of a file that has no lines.
    Row,
    /// Nothing: the file as a whole is wrong.
    File,
}

/// One thing that is wrong in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceError {
    /// The line or row, counted from 1.
    pub line: usize,
    /// Which of both it is, if it is either.
    pub place: Place,
    /// The column, counted from 1, where the line has columns.
    pub column: Option<u32>,
    /// The field, or nothing if the line as a whole is wrong.
    pub field: Option<String>,
    /// The value found, shortened if it is long.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub allowed: String,
}

/// All that is wrong in a trace: the first errors, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TraceErrors {
    shown: Vec<TraceError>,
    n_more: usize,
}

impl TraceError {
    /// An error about one field.
    pub(crate) fn field(line: usize, field: &str, value: &str, problem: &str, allowed: &str) -> Self {
        Self { field: Some(shorten(field)), ..Self::line(line, value, problem, allowed) }
    }

    /// An error about the field in one column.
    pub(crate) fn column(line: usize, column: usize, field: &str, value: &str, problem: &str, allowed: &str) -> Self {
        let column = u32::try_from(column).unwrap_or(u32::MAX);
        Self { column: Some(column), ..Self::field(line, field, value, problem, allowed) }
    }

    /// An error about a field of a file, or about all of it.
    pub(crate) fn file(field: &str, problem: &str, allowed: &str) -> Self {
        let field = (!field.is_empty()).then(|| shorten(field));
        Self { place: Place::File, field, ..Self::line(1, "", problem, allowed) }
    }

    /// An error about a line as a whole.
    pub(crate) fn line(line: usize, value: &str, problem: &str, allowed: &str) -> Self {
        Self {
            line,
            place: Place::Line,
            column: None,
            field: None,
            value: shorten(value),
            problem: problem.to_owned(),
            allowed: allowed.to_owned(),
        }
    }
}

impl Place {
    /// Its name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Row => "row",
            Self::File => "file",
        }
    }
}

impl TraceErrors {
    /// A file at which its reader gave up, with the last words of it.
    pub fn unreadable(last_words: &str) -> Self {
        TraceError::file("", &format!("cannot be read: {last_words}"), "a whole file, as its writer left it").into()
    }

    /// The first errors, in order of lines.
    pub fn shown(&self) -> &[TraceError] {
        &self.shown
    }

    /// How many errors there are, shown or not.
    pub fn count(&self) -> usize {
        self.shown.len() + self.n_more
    }

    pub(crate) fn push(&mut self, error: TraceError) {
        if self.shown.len() < N_SHOWN {
            self.shown.push(error);
        } else {
            self.n_more += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }
}

impl From<TraceError> for TraceErrors {
    fn from(error: TraceError) -> Self {
        Self { shown: vec![error], n_more: 0 }
    }
}

/// The value without control characters, and at most as long as an error can show.
fn shorten(value: &str) -> String {
    let mut chars = value.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char });
    let mut short: String = chars.by_ref().take(VALUE_CHARS).collect();
    if chars.next().is_some() {
        short.push_str("...");
    }
    short
}

impl fmt::Display for TraceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, place) = (self.line, self.place.word());
        match (self.place, self.column) {
            (Place::File, _) if self.field.is_some() => write!(formatter, "the file: ")?,
            (Place::File, _) => {}
            (Place::Line | Place::Row, Some(column)) => write!(formatter, "{place} {line}, column {column}: ")?,
            (Place::Line | Place::Row, None) => write!(formatter, "{place} {line}: ")?,
        }
        match &self.field {
            Some(field) if self.value.is_empty() => write!(formatter, "{field}")?,
            Some(field) => write!(formatter, "{field} = {}", self.value)?,
            None if self.value.is_empty() => write!(formatter, "the {place}")?,
            None => write!(formatter, "`{}`", self.value)?,
        }
        write!(formatter, ": {}; allowed: {}", self.problem, self.allowed)
    }
}

impl fmt::Display for TraceErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, error) in self.shown.iter().enumerate() {
            let separator = if idx == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{error}")?;
        }
        if self.n_more > 0 {
            write!(formatter, "\nand {} more", self.n_more)?;
        }
        Ok(())
    }
}

impl std::error::Error for TraceErrors {}
