//! Columns of numbers, dates or texts of a parquet file, read by the crate `parquet`.
//!
//! Read are columns of whole numbers, floats, timestamps, dates and texts, as they are or packed with snappy, gzip or zstd. Other
//! columns may be beside them. All else is an error that says what it is.

mod cells;
mod columns;

use super::collect::{Collector, tokens};
use super::separated::Wanted;
use super::stamp::{Wrong, date_allowed, stamp_ns};
use super::table::Clock;
use crate::trace::{MAX_TOKENS, TraceError};
use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use bytes::Bytes;
use cells::{Cell, cells, said};
use columns::{Column, Meaning, columns};

/// What a whole file is, in the words of an error.
const WHOLE: &str = "a whole parquet file, as pandas, polars or Spark write them";

/// Rows that a byte of a file may stand for. Chosen by us: runs of one value take no room, so that small files can be made to
/// have any number of rows. Those that pyarrow writes have below 200, even of constants alone.
const ROWS_PER_BYTE: u64 = 1_000;

/// What a file begins or ends with whose footer is encrypted.
const ENCRYPTED: &[u8] = b"PARE";

/// Nanoseconds of a day.
const DAY_NS: i64 = 86_400_000_000_000;

/// A file whose footer was read.
pub(super) struct File {
    reader: SerializedFileReader<Bytes>,
    columns: Vec<Column>,
}

/// A column that is read: what it is called, its place from 1, and how its cells become numbers.
struct Read<'a> {
    column: &'a Column,
    place: usize,
    meaning: Meaning,
    target: Target,
}

/// What a cell is to be.
#[derive(Clone, Copy)]
enum Target {
    /// A number of tokens.
    Tokens,
    /// A stamp in nanoseconds.
    Stamp(Clock),
    /// The same, of a column that says itself how it counts.
    Dated(i64),
}

impl File {
    /// Reads the footer.
    pub(super) fn open(bytes: &[u8]) -> Result<Self, TraceError> {
        let fault = |fault: &str| TraceError::file("", &damaged(fault), WHOLE);
        if bytes.starts_with(ENCRYPTED) || bytes.ends_with(ENCRYPTED) {
            return Err(fault("it is encrypted"));
        }
        let reader = SerializedFileReader::new(Bytes::copy_from_slice(bytes));
        let reader = reader.map_err(|error| fault(&said(&error)))?;
        let metadata = reader.metadata();
        let n_rows = metadata.row_groups().iter().map(|group| group.num_rows());
        let n_rows = n_rows.map(|n| u64::try_from(n).ok()).try_fold(0_u64, |sum, n| sum.checked_add(n?));
        let Some(n_rows) = n_rows else { return Err(fault("a row group has a number of rows that none can have")) };
        if n_rows > (bytes.len() as u64).saturating_mul(ROWS_PER_BYTE) {
            return Err(fault(&format!("{n_rows} rows in {} bytes are not believed", bytes.len())));
        }
        let columns = columns(metadata.file_metadata().schema_descr());
        Ok(Self { reader, columns })
    }

    /// The names of the columns, those of groups by that of the group.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Whether the arrivals are timestamps or dates by type, which say themselves how they count.
    pub(super) fn is_dated(&self, wanted: &Wanted<'_>) -> bool {
        let Some((name, _)) = wanted.arrival else { return false };
        self.columns
            .iter()
            .any(|column| column.name == name && matches!(column.meaning, Ok(Meaning::Stamp(_) | Meaning::Day)))
    }

    /// Reads all rows.
    pub(super) fn read(&self, wanted: &Wanted<'_>, rows: &mut Collector) {
        let mut find = |name, clock| self.find(name, clock).map_err(|error| rows.error(error)).ok();
        let arrival = wanted.arrival.map(|(name, clock)| find(name, Some(clock)));
        let [input, output] = [wanted.input, wanted.output].map(|name| find(name, None));
        let (Some(input), Some(output), None | Some(Some(_))) = (input, output, &arrival) else { return };
        let arrival = arrival.flatten();
        let mut first_row = 1;
        for group in 0..self.reader.num_row_groups() {
            let cells = |read: &Read<'_>| {
                let is_unsigned = read.meaning == (Meaning::Int { is_unsigned: true });
                let found = cells(&self.reader, group, read.column.leaf, is_unsigned);
                found.map_err(|fault| read.damaged(group + 1, &fault))
            };
            match (arrival.as_ref().map(cells).transpose(), cells(&input), cells(&output)) {
                (Ok(arrivals), Ok(inputs), Ok(outputs)) => {
                    let stamps = arrival.as_ref().zip(arrivals.as_deref());
                    add_rows(first_row, stamps, (&input, &inputs), (&output, &outputs), rows);
                    first_row += inputs.len();
                }
                (arrivals, inputs, outputs) => {
                    let errors = [arrivals.err(), inputs.err(), outputs.err()];
                    return errors.into_iter().flatten().for_each(|error| rows.error(error));
                }
            }
        }
    }

    /// The column of this name, to be read as tokens, or as stamps of this clock.
    fn find(&self, name: &str, clock: Option<Clock>) -> Result<Read<'_>, TraceError> {
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| column.name == name);
        let Some((idx, column)) = found.next() else {
            let names: Vec<&str> = self.names().collect();
            let allowed = format!("one of the names of the file's columns: {}", names.join(", "));
            return Err(TraceError::file(name, "no column has this name", &allowed));
        };
        if found.next().is_some() {
            return Err(TraceError::file(name, "several columns have this name", "one of each name that is read"));
        }
        let wrong = |what: &str, allowed: &str| TraceError::file(name, &format!("a column of {what}"), allowed);
        let numbers = "whole numbers, floats, or numbers as texts";
        let meaning = match &column.meaning {
            Ok(meaning) => *meaning,
            Err(what) if clock.is_some() => return Err(wrong(what, &format!("timestamps, dates, {numbers}"))),
            Err(what) => return Err(wrong(what, numbers)),
        };
        let target = match (meaning, clock) {
            (Meaning::Int { .. } | Meaning::Float | Meaning::Text, None) => Target::Tokens,
            (Meaning::Stamp(_), None) => return Err(wrong("timestamps", numbers)),
            (Meaning::Day, None) => return Err(wrong("dates", numbers)),
            (Meaning::Stamp(unit_ns), Some(_)) => Target::Dated(unit_ns),
            (Meaning::Day, Some(_)) => Target::Dated(DAY_NS),
            (Meaning::Int { .. } | Meaning::Float, Some(Clock::Date)) => {
                return Err(wrong(
                    "numbers",
                    "timestamps, dates, or dates as texts; numbers have a unit: s, ms, us, ns",
                ));
            }
            (Meaning::Text, Some(clock)) | (Meaning::Int { .. } | Meaning::Float, Some(clock @ Clock::Units(_))) => {
                Target::Stamp(clock)
            }
        };
        Ok(Read { column, place: idx + 1, meaning, target })
    }
}

/// Adds the rows of a group, whose first has this number.
fn add_rows(
    first_row: usize,
    stamps: Option<(&Read<'_>, &[Cell])>,
    (input, prompts): (&Read<'_>, &[Cell]),
    (output, answers): (&Read<'_>, &[Cell]),
    rows: &mut Collector,
) {
    for (idx, (prompt, answer)) in prompts.iter().zip(answers).enumerate() {
        let row = first_row + idx;
        let at_ns = stamps.map_or(Ok(0), |(arrival, cells)| arrival.number(row, &cells[idx]));
        match (at_ns, input.number(row, prompt), output.number(row, answer)) {
            (Ok(at_ns), Ok(prompt), Ok(answer)) => {
                rows.add(row, at_ns, [prompt, answer].map(i64::unsigned_abs), &[]);
            }
            (at_ns, prompt, answer) => {
                let errors = [at_ns.err(), prompt.err(), answer.err()];
                errors.into_iter().flatten().for_each(|error| rows.error(error));
            }
        }
    }
}

/// What is said of a fault that the bytes have.
fn damaged(fault: &str) -> String {
    format!("a parquet file that cannot be read: {fault}")
}

impl Read<'_> {
    /// The column cannot be read in a row group.
    fn damaged(&self, group: usize, fault: &str) -> TraceError {
        TraceError::file(&self.column.name, &format!("row group {group}: {}", damaged(fault)), WHOLE)
    }

    /// The number that a cell is: tokens, or nanoseconds.
    fn number(&self, row: usize, cell: &Cell) -> Result<i64, TraceError> {
        let wrong = |value: &str, problem: &str, allowed: &str| {
            TraceError::column(row, self.place, &self.column.name, value, problem, allowed)
        };
        if let Some(number) = self.quick(cell) {
            return Ok(number);
        }
        let text = match cell {
            Cell::Null => return Err(wrong("null", "no value", &self.allowed())),
            Cell::Int(value) if self.meaning == (Meaning::Int { is_unsigned: true }) => (*value as u64).to_string(),
            Cell::Int(value) => value.to_string(),
            // As other writers would put them in CSV: the shortest text that is this number.
            Cell::Single(value) => value.to_string(),
            Cell::Double(value) => value.to_string(),
            Cell::Text(bytes) => match std::str::from_utf8(bytes.data().trim_ascii()) {
                Ok(text) => text.to_owned(),
                Err(_) => return Err(wrong(&String::from_utf8_lossy(bytes.data()), "not UTF-8", "a number or a date")),
            },
        };
        self.of_text(&text).map_err(|(problem, allowed)| wrong(&text, problem, &allowed))
    }

    /// The number of a cell that is a whole one already and in its limits.
    fn quick(&self, cell: &Cell) -> Option<i64> {
        let &Cell::Int(value) = cell else { return None };
        match self.target {
            Target::Tokens => (0..=i64::from(MAX_TOKENS)).contains(&value).then_some(value),
            Target::Stamp(Clock::Units(unit_ns)) if value >= 0 => value.checked_mul(unit_ns),
            Target::Stamp(Clock::Units(_) | Clock::Date) => None,
            Target::Dated(unit_ns) => value.checked_mul(unit_ns),
        }
    }

    /// As a cell of CSV is read.
    fn of_text(&self, text: &str) -> Result<i64, Wrong> {
        match self.target {
            // INVARIANT: at most `MAX_TOKENS`.
            Target::Tokens => tokens(text).map(|count| count as i64),
            Target::Stamp(clock) => stamp_ns(text, clock),
            // One that fits was read before.
            Target::Dated(_) => Err(("too early or too late", date_allowed())),
        }
    }

    /// What a cell may be, in words.
    fn allowed(&self) -> String {
        match self.target {
            Target::Tokens => "a whole number of tokens".to_owned(),
            Target::Stamp(Clock::Units(_)) => "a number, at least 0".to_owned(),
            Target::Stamp(Clock::Date) | Target::Dated(_) => date_allowed(),
        }
    }
}
