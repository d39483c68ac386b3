//! Rows of one JSON object a line, of which some fields are read and the others passed over.

use super::collect::{Collector, tokens};
use super::stamp::{Wrong, stamp_ns};
use super::table::{Clock, Format};
use crate::trace::TraceError;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// The lines of a file that hold something, with their numbers.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    lines.map(|(idx, line)| (idx + 1, line.trim_ascii())).filter(|(_, line)| !line.is_empty())
}

/// What is said of a line that is no JSON.
pub(super) fn malformed(line: usize, text: &[u8], error: &serde_json::Error) -> TraceError {
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or(&message);
    let problem = format!("malformed JSON ({what})");
    TraceError::column(line, error.column(), "JSON", &String::from_utf8_lossy(text), &problem, "a JSON object")
}

/// A number or a string as its text; nothing for what is neither.
pub(super) fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The fields of a line that are read.
#[derive(Default)]
struct Found {
    arrival: Option<Value>,
    input: Option<Value>,
    output: Option<Value>,
    ids: Option<Vec<u64>>,
}

/// What to look for in a line.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    arrival: Option<(&'a str, Clock)>,
    input: &'a str,
    output: &'a str,
    ids: Option<&'a str>,
}

/// Reads all rows of a format.
pub(super) fn read(bytes: &[u8], format: &Format, rows: &mut Collector) {
    let wanted = Wanted {
        arrival: format.arrival.map(|(name, clock, _)| (name, clock)),
        input: format.input,
        output: format.output,
        ids: format.blocks.map(|(name, _)| name),
    };
    for (line, text) in lines(bytes) {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let found = wanted.deserialize(&mut deserializer).and_then(|found| deserializer.end().map(|()| found));
        match found {
            Ok(found) => read_row(line, &wanted, &found, rows),
            Err(error) => rows.error(malformed(line, text, &error)),
        }
    }
}

fn read_row(line: usize, wanted: &Wanted<'_>, found: &Found, rows: &mut Collector) {
    let at_ns = wanted
        .arrival
        .map_or(Ok(0), |(name, clock)| field(line, name, found.arrival.as_ref(), |text| stamp_ns(text, clock)));
    let input = field(line, wanted.input, found.input.as_ref(), tokens);
    let output = field(line, wanted.output, found.output.as_ref(), tokens);
    let ids = match (wanted.ids, &found.ids) {
        (Some(name), None) => Err(TraceError::field(line, name, "", "missing", "a list of whole numbers from 0 on")),
        (Some(_), Some(ids)) => Ok(ids.as_slice()),
        (None, _) => Ok(&[][..]),
    };
    match (at_ns, input, output, ids) {
        (Ok(at_ns), Ok(input), Ok(output), Ok(ids)) => rows.add(line, at_ns, [input, output], ids),
        (at_ns, input, output, ids) => {
            let errors = [at_ns.err(), input.err(), output.err(), ids.err()];
            errors.into_iter().flatten().for_each(|error| rows.error(error));
        }
    }
}

/// What `read` makes of the text of a field.
pub(super) fn field<T>(
    line: usize,
    name: &str,
    value: Option<&Value>,
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> Result<T, TraceError> {
    let Some(value) = value else {
        return Err(TraceError::field(line, name, "", "missing", "a number"));
    };
    let Some(text) = text_of(value) else {
        return Err(TraceError::field(line, name, &value.to_string(), "not a number", "a number"));
    };
    read(&text).map_err(|(problem, allowed)| TraceError::field(line, name, &text, problem, &allowed))
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Found;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Found::default();
        while let Some(Name(name)) = map.next_key()? {
            if self.arrival.is_some_and(|(arrival, _)| arrival == name) {
                found.arrival = Some(map.next_value()?);
            } else if name == self.input {
                found.input = Some(map.next_value()?);
            } else if name == self.output {
                found.output = Some(map.next_value()?);
            } else if self.ids == Some(&name) {
                found.ids = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A name, borrowed from the line where it can be.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
