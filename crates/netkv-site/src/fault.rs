//! What is wrong with an input, or missing from it.

use std::fmt;

/// Names that a message lists before it counts the rest.
const LISTED: usize = 6;

/// One thing that is wrong, with what is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of the input, from 1; none if it is about all of it.
    pub line: Option<u64>,
    /// The sentence.
    pub message: String,
}

impl Fault {
    /// A fault of the whole input.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    /// A fault at a line.
    pub fn at(line: impl Into<Option<u64>>, message: impl Into<String>) -> Self {
        Self { line: line.into(), message: message.into() }
    }
}

/// `LINE: message`, so that the name of a file and a colon can stand before it.
impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "{line}: ")?;
        } else {
            write!(formatter, " ")?;
        }
        write!(formatter, "{}", self.message)
    }
}

/// The first names, and how many more there are: "a, b, c and 7 more".
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
