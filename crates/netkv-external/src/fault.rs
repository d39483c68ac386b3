//! Why a router could not go on: one sentence that says what it did, and its last words.

use std::fmt;

/// Bytes of a router's last words that are kept. Chosen by us.
const LAST_BYTES: usize = 4096;

/// Lines of them that are told.
const LAST_LINES: usize = 12;

/// What went wrong with a router; never a fault of the simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(String);

impl Fault {
    /// One that this says.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

/// The end of what a router wrote to its standard error.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastWords(Vec<u8>);

impl LastWords {
    /// More of it.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let surplus = self.0.len().saturating_sub(LAST_BYTES);
        self.0.drain(..surplus);
    }

    /// Its last lines, each indented, or that there are none.
    pub(crate) fn told(&self) -> String {
        let text = shown(&self.0, LAST_BYTES);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.is_empty() {
            return "it wrote nothing to its standard error".to_owned();
        }
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        format!("the last that it wrote to its standard error:\n    {}", last.join("\n    "))
    }
}

/// Bytes of somebody else's as text for a terminal: no more than `limit`, control characters made visible.
pub(crate) fn shown(bytes: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(limit)]);
    let visible = |c: char| if c == '\n' || !c.is_control() { c.to_string() } else { c.escape_default().to_string() };
    let mut shown: String = text.chars().map(visible).collect();
    if bytes.len() > limit {
        shown.push_str(" ...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_told_and_no_control_character_reaches_a_terminal() {
        let mut words = LastWords::default();
        assert_eq!(words.told(), "it wrote nothing to its standard error");
        for line in 0..1000 {
            words.add(format!("line {line}\n").as_bytes());
        }
        words.add(b"\x1b[2Jend\n\n");
        let told = words.told();
        assert!(told.ends_with("line 999\n    \\u{1b}[2Jend"), "{told}");
        assert_eq!(told.lines().count(), 1 + LAST_LINES);
        assert!(words.0.len() <= LAST_BYTES);
    }
}
