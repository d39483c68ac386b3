//! Tables of measured latencies, as CSV: what was run, and how long it took. Everything that is wrong with them is
//! collected, each with its line.

use crate::issue::{InputErrors, Issue, Origin, nearest, with_suggestion};
use crate::reader::Range;
use crate::source;
use std::fmt;
use std::path::Path;

/// What a measurement is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// A batch of prompts.
    Prefill,
    /// An iteration of decoding.
    Decode,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Prefill => "prefill",
            Self::Decode => "decode",
        })
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) phase: Phase,
    pub(super) tp: u32,
    /// Prompts or requests, all alike.
    pub(super) batch: u32,
    /// Tokens of each, those that are cached included.
    pub(super) context: u32,
    /// Tokens of each prompt that are there before.
    pub(super) cached: u32,
    /// Prompt tokens that were computed in the same iteration of decoding, on average.
    pub(super) prefill_tokens: f64,
    /// How long it took.
    pub(super) ms: f64,
}

impl Point {
    /// Tokens computed in a prefill batch.
    pub(super) fn computed(&self) -> u64 {
        u64::from(self.batch) * u64::from(self.context - self.cached)
    }
}

/// The columns of a table: name, and whether a table may do without it.
const COLUMNS: [(&str, bool); 7] = [
    ("phase", false),
    ("tp", false),
    ("batch", false),
    ("ctx", false),
    ("cached", true),
    ("prefill_tokens", true),
    ("ms", false),
];

/// Longest context, and largest batch. Chosen by us: a hundred times what is served.
const MAX_CONTEXT: f64 = 1e8;
const MAX_BATCH: f64 = 1e5;

/// Longest time, in milliseconds. Chosen by us: three hours; beyond it lies a wrong unit.
const MAX_MS: f64 = 1e7;

/// All measurements of some tables, in order.
pub(super) fn read_all(paths: &[&Path]) -> Result<Vec<Point>, InputErrors> {
    let (mut points, mut issues) = (Vec::new(), Vec::new());
    for path in paths {
        let file = Origin::file(path);
        match source::read(path, &file) {
            Ok(text) => points.extend(Table { file, text: &text, issues: &mut issues }.read()),
            Err(errors) => issues.extend_from_slice(errors.issues()),
        }
    }
    if issues.is_empty() { Ok(points) } else { Err(InputErrors::new(issues)) }
}

struct Table<'a> {
    file: Origin,
    text: &'a str,
    issues: &'a mut Vec<Issue>,
}

impl<'a> Table<'a> {
    fn read(&mut self) -> Vec<Point> {
        let text = self.text;
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let Some((_, header)) = lines.next() else {
            self.issues.push(Issue::new(&self.file, format!("there is no table in it; its columns are {}", columns())));
            return Vec::new();
        };
        let Some(places) = self.places(header) else { return Vec::new() };
        let n_fields = header.split(',').count();
        lines.filter_map(|(_, line)| self.point(line, &places, n_fields)).collect()
    }

    /// Where a part of the text stands; every part is a slice of it.
    fn origin(&self, part: &str) -> Origin {
        self.file.at(self.text, part.as_ptr().addr() - self.text.as_ptr().addr())
    }

    fn fail(&mut self, part: &str, message: &str) {
        let issue = Issue::new(&self.origin(part), message);
        self.issues.push(issue);
    }

    /// The position of each of [`COLUMNS`] in a row, if the header is right.
    fn places(&mut self, header: &'a str) -> Option<[Option<usize>; COLUMNS.len()]> {
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        let n_before = self.issues.len();
        for (position, name) in names.iter().enumerate() {
            if !COLUMNS.iter().any(|(known, _)| known == name) {
                let message = format!("{name:?} is not a known column; known: {}", columns());
                let near = nearest(name, COLUMNS.iter().map(|(known, _)| *known));
                self.fail(name, &with_suggestion(&message, near));
            } else if names[..position].contains(name) {
                self.fail(name, &format!("column {name} is there twice"));
            }
        }
        let places = COLUMNS.map(|(name, _)| names.iter().position(|own| *own == name));
        for ((name, may_lack), place) in COLUMNS.iter().zip(places) {
            if place.is_none() && !may_lack {
                self.fail(header, &format!("column {name} is missing; a table has the columns {}", columns()));
            }
        }
        (self.issues.len() == n_before).then_some(places)
    }

    fn point(&mut self, line: &'a str, places: &[Option<usize>; COLUMNS.len()], n_fields: usize) -> Option<Point> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != n_fields {
            self.fail(line, &format!("a row of {} fields; allowed: {n_fields}, as in the header", fields.len()));
            return None;
        }
        let field = |index: usize| places[index].map(|place| fields[place]);
        let phase = self.phase(field(0)?);
        let tp = self.count("tp", field(1)?, Range::closed(1.0, 65_536.0));
        let batch = self.count("batch", field(2)?, Range::closed(1.0, MAX_BATCH));
        let context = self.count("ctx", field(3)?, Range::closed(1.0, MAX_CONTEXT));
        let cached = field(4).map_or(Some(0), |text| self.count("cached", text, Range::closed(0.0, MAX_CONTEXT)));
        let prefill_tokens =
            field(5).map_or(Some(0.0), |text| self.number("prefill_tokens", text, Range::closed(0.0, MAX_CONTEXT)));
        let ms = self.number("ms", field(6)?, Range::above(0.0, MAX_MS));
        let point = Point {
            phase: phase?,
            tp: tp?,
            batch: batch?,
            context: context?,
            cached: cached?,
            prefill_tokens: prefill_tokens?,
            ms: ms?,
        };
        let rule = match point.phase {
            Phase::Prefill if point.cached >= point.context => "cached is not below ctx: nothing is computed",
            Phase::Prefill if point.prefill_tokens > 0.0 => "prefill_tokens is for rows of decode; allowed here: 0",
            Phase::Decode if point.cached > 0 => "cached is for rows of prefill; allowed here: 0",
            Phase::Prefill | Phase::Decode => return Some(point),
        };
        self.fail(line, rule);
        None
    }

    fn phase(&mut self, text: &str) -> Option<Phase> {
        let phases = [Phase::Prefill, Phase::Decode];
        let found = phases.into_iter().find(|phase| phase.to_string() == text);
        if found.is_none() {
            let message = format!("phase = {text:?} is not allowed; allowed: prefill, decode");
            self.fail(text, &with_suggestion(&message, nearest(text, ["prefill", "decode"])));
        }
        found
    }

    fn number(&mut self, name: &str, text: &str, range: Range) -> Option<f64> {
        let value = text.parse::<f64>().ok().filter(|value| range.contains(*value));
        if value.is_none() {
            self.fail(text, &format!("{name} = {text:?} is not allowed; allowed: a number, {range}"));
        }
        value
    }

    fn count(&mut self, name: &str, text: &str, range: Range) -> Option<u32> {
        let value = text.parse::<u32>().ok().filter(|value| range.contains(f64::from(*value)));
        if value.is_none() {
            self.fail(text, &format!("{name} = {text:?} is not allowed; allowed: an integer, {range}"));
        }
        value
    }
}

/// The names of the columns, optional ones in brackets.
fn columns() -> String {
    COLUMNS.map(|(name, may_lack)| if may_lack { format!("[{name}]") } else { name.to_owned() }).join(", ")
}
