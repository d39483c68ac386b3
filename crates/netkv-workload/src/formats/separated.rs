//! Rows of comma-separated values.

use super::collect::{Collector, tokens};
use super::stamp::{Wrong, stamp_ns};
use super::table::{Clock, Columns, Format};
use crate::trace::TraceError;
use csv::{ByteRecord, ReaderBuilder, Trim};

/// The columns to read, by their names in the file.
pub(super) struct Wanted<'a> {
    pub(super) arrival: Option<(&'a str, Clock)>,
    pub(super) input: &'a str,
    pub(super) output: &'a str,
}

impl<'a> Wanted<'a> {
    /// Those of a format.
    pub(super) fn of(format: &Format) -> Self {
        let arrival = format.arrival.map(|(name, clock, _)| (name, clock));
        Self { arrival, input: format.input, output: format.output }
    }

    /// Those that the user names.
    pub(super) fn of_columns(columns: &'a Columns) -> Self {
        let arrival = columns.arrival.as_ref().map(|(name, clock)| (name.as_str(), *clock));
        Self { arrival, input: &columns.input, output: &columns.output }
    }
}

/// A column: its name and its place, counted from 0.
#[derive(Clone, Copy)]
struct Column<'a> {
    name: &'a str,
    idx: usize,
}

/// The names in a file's first line.
pub(super) fn names(line: &[u8]) -> Vec<String> {
    let mut record = ByteRecord::new();
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(line);
    // A line without a name is of no format, whatever is wrong with it.
    let _ = reader.read_byte_record(&mut record);
    record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Reads all rows.
pub(super) fn read(bytes: &[u8], wanted: &Wanted<'_>, rows: &mut Collector) {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(bytes);
    let mut record = ByteRecord::new();
    let mut next = |rows: &mut Collector, record: &mut ByteRecord| match reader.read_byte_record(record) {
        Ok(is_there) => is_there,
        Err(error) => {
            let line = error.position().map_or(1, |position| position.line() as usize);
            rows.error(TraceError::line(line, "", &error.to_string(), "rows of comma-separated values"));
            false
        }
    };
    if !next(rows, &mut record) {
        return rows.error(TraceError::line(1, "", "the file is empty", "a line with the names of the columns"));
    }
    let header: Vec<String> = record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let mut find = |name| find(&header, name, rows);
    let arrival = wanted.arrival.map(|(name, clock)| (find(name), clock));
    let (Some(input), Some(output)) = (find(wanted.input), find(wanted.output)) else { return };
    let arrival = match arrival {
        Some((None, _)) => return,
        Some((Some(column), clock)) => Some((column, clock)),
        None => None,
    };
    let mut lines = Lines { bytes, start: 0, line: 1 };
    while next(rows, &mut record) {
        let line = lines.line_of(&record);
        if record.len() == 1 && record[0].is_empty() {
            continue;
        }
        if let Some(error) = misshapen(&record, line, header.len()) {
            rows.error(error);
            continue;
        }
        let at_ns = arrival.map_or(Ok(0), |(column, clock)| cell(&record, line, column, |text| stamp_ns(text, clock)));
        let lengths = [input, output].map(|column| cell(&record, line, column, tokens));
        match (at_ns, lengths) {
            (Ok(at_ns), [Ok(input), Ok(output)]) => rows.add(line, at_ns, [input, output], &[]),
            (at_ns, lengths) => {
                at_ns.err().into_iter().chain(lengths.into_iter().filter_map(Result::err)).for_each(|error| {
                    rows.error(error);
                });
            }
        }
    }
}

/// What is wrong with a row as a whole: more values than columns, or a value over several lines, as an unclosed quote makes it.
fn misshapen(record: &ByteRecord, line: usize, n_columns: usize) -> Option<TraceError> {
    if let Some(idx) = record.iter().position(|value| value.contains(&b'\n')) {
        let problem = "a quoted value goes over several lines";
        return Some(TraceError::column(
            line,
            idx + 1,
            "row",
            "",
            problem,
            "values on one line; is a quote not closed?",
        ));
    }
    let last = record.len();
    (last > n_columns).then(|| {
        let problem = format!("the line has {last} values");
        TraceError::column(
            line,
            last,
            "row",
            "",
            &problem,
            &format!("at most {n_columns}, as the first line has names"),
        )
    })
}

/// Numbers of lines. The reader of CSV counts the end of a line, where that is two bytes, to the line after it.
struct Lines<'a> {
    bytes: &'a [u8],
    start: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line on which a record begins; records are asked for in order.
    fn line_of(&mut self, record: &ByteRecord) -> usize {
        let start = record.position().map_or(self.start, |position| position.byte() as usize);
        let is_end = |byte: &&u8| matches!(**byte, b'\r' | b'\n');
        let start = start + self.bytes[start..].iter().take_while(is_end).count();
        self.line += self.bytes[self.start..start].iter().filter(|&&byte| byte == b'\n').count();
        self.start = start;
        self.line
    }
}

fn find<'a>(header: &[String], name: &'a str, rows: &mut Collector) -> Option<Column<'a>> {
    let idx = header.iter().position(|own| own == name);
    if header.iter().filter(|own| *own == name).count() > 1 {
        rows.error(TraceError::field(1, name, "", "several columns have this name", "one of each name that is read"));
    }
    if idx.is_none() {
        let allowed = format!("one of the names of the line: {}", header.join(", "));
        rows.error(TraceError::field(1, name, "", "no column has this name", &allowed));
    }
    idx.map(|idx| Column { name, idx })
}

/// What `read` makes of the text in a column.
fn cell<T>(
    record: &ByteRecord,
    line: usize,
    column: Column<'_>,
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> Result<T, TraceError> {
    let wrong = |value: &str, problem: &str, allowed: &str| {
        TraceError::column(line, column.idx + 1, column.name, value, problem, allowed)
    };
    let Some(bytes) = record.get(column.idx) else {
        let allowed = format!("at least {} values", column.idx + 1);
        return Err(wrong("", &format!("missing: the line has {} values", record.len()), &allowed));
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(wrong(&String::from_utf8_lossy(bytes), "not UTF-8", "a number or a date"));
    };
    read(text).map_err(|(problem, allowed)| wrong(text, problem, &allowed))
}
