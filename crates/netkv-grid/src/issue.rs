//! What is wrong with the user's files: collected, merged and printed all at once.

pub use netkv_units::nearest;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where in which file something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file, as it was reached from the command line.
    pub file: Arc<Path>,
    /// Line and column, from 1; none if it is about the whole file.
    pub position: Option<(u32, u32)>,
}

impl Origin {
    /// The whole of a file.
    pub fn file(path: &Path) -> Self {
        Self { file: Arc::from(path), position: None }
    }

    /// Byte `offset` of `text`, which is the content of this origin's file.
    pub(crate) fn at(&self, text: &str, offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Self { file: self.file.clone(), position: Some((line as u32, column as u32)) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        self.position.map_or(Ok(()), |(line, column)| write!(formatter, ":{line}:{column}"))
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Issue {
    /// Where.
    pub origin: Origin,
    /// The sentence: key, value, what is allowed.
    pub message: String,
}

impl Issue {
    /// An issue at `origin`.
    pub(crate) fn new(origin: &Origin, message: impl Into<String>) -> Self {
        Self { origin: origin.clone(), message: message.into() }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.origin, self.message)
    }
}

/// Everything that is wrong with an input, each thing once. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InputErrors(Vec<Issue>);

impl InputErrors {
    /// The issues, sorted by place, without repetitions.
    ///
    /// # Panics
    /// If there are none: then nothing is wrong.
    pub fn new(mut issues: Vec<Issue>) -> Self {
        assert!(!issues.is_empty(), "errors without an error");
        issues.sort();
        issues.dedup();
        Self(issues)
    }

    /// The issues, sorted by place.
    pub fn issues(&self) -> &[Issue] {
        &self.0
    }
}

impl From<Issue> for InputErrors {
    fn from(issue: Issue) -> Self {
        Self(vec![issue])
    }
}

impl fmt::Display for InputErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{issue}")?;
        }
        Ok(())
    }
}

/// Issues of many grid points, each kept once, with the points that it occurs at.
#[derive(Default)]
pub(crate) struct IssueTally(BTreeMap<Issue, Vec<usize>>);

impl IssueTally {
    /// Adds what is wrong at grid point `point`.
    pub(crate) fn add(&mut self, point: usize, issues: Vec<Issue>) {
        for issue in issues {
            let points = self.0.entry(issue).or_default();
            if points.last() != Some(&point) {
                points.push(point);
            }
        }
    }

    /// The issues, each with the words of `circumstances` for its points; nothing if nothing is wrong.
    pub(crate) fn finish(self, circumstances: impl Fn(&[usize]) -> String) -> Result<(), InputErrors> {
        let explained = |(issue, points): (Issue, Vec<usize>)| Issue {
            message: format!("{}{}", issue.message, circumstances(&points)),
            ..issue
        };
        let issues: Vec<Issue> = self.0.into_iter().map(explained).collect();
        if issues.is_empty() { Ok(()) } else { Err(InputErrors::new(issues)) }
    }
}

/// `message` with "; did you mean X?" where there is a near name.
pub(crate) fn with_suggestion(message: &str, suggestion: Option<&str>) -> String {
    suggestion.map_or_else(|| message.to_owned(), |name| format!("{message}; did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_counts_characters_and_not_bytes() {
        let origin = Origin::file(Path::new("x.toml")).at("a = 1\nµ = 2", 10);
        assert_eq!(origin.to_string(), "x.toml:2:4");
    }
}
