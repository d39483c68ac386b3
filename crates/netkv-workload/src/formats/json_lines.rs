//! Rows of one JSON object a line, of which some fields are read and the others passed over.

use super::collect::{Chat, Collector, tokens};
use super::stamp::{Wrong, stamp_ns};
use super::table::{Clock, Format};
use crate::trace::TraceError;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// What stands for no parent of a chat.
const NO_PARENT: i64 = -1;

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
    chat: Option<Value>,
    parent: Option<Value>,
    has_lacking: bool,
}

/// What to look for in a line.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    arrival: Option<(&'a str, Clock)>,
    input: &'a str,
    output: &'a str,
    ids: Option<&'a str>,
    chats: Option<(&'a str, &'a str)>,
    lacks: Option<&'a str>,
}

/// Reads all rows of a format.
pub(super) fn read(bytes: &[u8], format: &Format, rows: &mut Collector) {
    let wanted = Wanted {
        arrival: format.arrival.map(|(name, clock, _)| (name, clock)),
        input: format.input,
        output: format.output,
        ids: format.blocks.map(|(name, _)| name),
        chats: format.chats,
        lacks: format.lacks,
    };
    let mut first_without = None;
    for (line, text) in lines(bytes) {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let found = wanted.deserialize(&mut deserializer).and_then(|found| deserializer.end().map(|()| found));
        match found {
            Ok(found) => {
                if !found.has_lacking {
                    first_without.get_or_insert(line);
                }
                read_row(line, &wanted, &found, first_without, rows);
            }
            Err(error) => rows.error(malformed(line, text, &error)),
        }
    }
}

fn read_row(line: usize, wanted: &Wanted<'_>, found: &Found, first_without: Option<usize>, rows: &mut Collector) {
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
    let chat = read_chat(line, wanted, found);
    let lacking = wanted.lacks.filter(|_| found.has_lacking).map(|name| lacking(line, name, first_without));
    match (at_ns, input, output, ids, chat, lacking) {
        (Ok(at_ns), Ok(input), Ok(output), Ok(ids), Ok(chat), None) => {
            rows.add_of_chat(line, at_ns, [input, output], ids, chat);
        }
        (at_ns, input, output, ids, chat, lacking) => {
            let errors = [at_ns.err(), input.err(), output.err(), ids.err(), chat.err(), lacking];
            errors.into_iter().flatten().for_each(|error| rows.error(error));
        }
    }
}

/// The chat of a row and the one that it goes on with, where the file names chats.
fn read_chat(line: usize, wanted: &Wanted<'_>, found: &Found) -> Result<Option<Chat>, TraceError> {
    let Some((chat, parent)) = wanted.chats else { return Ok(None) };
    let number = |text: &str| {
        text.parse::<i64>().map_err(|_| ("not a whole number", "the number of a chat, -1 for none".to_owned()))
    };
    let id = field(line, chat, found.chat.as_ref(), number)?;
    let parent = match &found.parent {
        None | Some(Value::Null) => NO_PARENT,
        Some(value) => field(line, parent, Some(value), number)?,
    };
    Ok(Some(Chat { id, parent: (parent != NO_PARENT).then_some(parent) }))
}

/// A row has a field that the format lacks: what it says would be lost.
fn lacking(line: usize, name: &str, first_without: Option<usize>) -> TraceError {
    let without = first_without.map_or_else(String::new, |first| format!(", and line {first} has none"));
    let allowed = format!("{name} on every line, or on none{without}");
    TraceError::field(line, name, "[..]", "recorded in a file that is read as one without", &allowed)
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
            } else if self.chats.is_some_and(|(chat, _)| chat == name) {
                found.chat = Some(map.next_value()?);
            } else if self.chats.is_some_and(|(_, parent)| parent == name) {
                found.parent = Some(map.next_value()?);
            } else {
                found.has_lacking |= self.lacks == Some(&name);
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A name, borrowed from the line where it can be.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
