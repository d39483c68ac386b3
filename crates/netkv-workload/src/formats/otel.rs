//! Spans of OpenTelemetry that say how many tokens a model was asked with, and how many it answered.
//!
//! A line is what the file exporter of the collector writes (`resourceSpans`), or one span with its attributes, as many
//! SDKs log it. Counts are `gen_ai.usage.input_tokens` and `output_tokens`, or `prompt_tokens` and `completion_tokens` as
//! the conventions called them before. The arrival is the start of the span. Left out: spans without counts, and spans of
//! agents and tools, which repeat the counts of the calls below them.

use super::collect::{Collector, tokens};
use super::json_lines::{field, lines, malformed, text_of};
use super::stamp::{Wrong, stamp_ns};
use super::table::{Clock, NANOSECOND};
use crate::trace::TraceError;
use serde_json::{Map, Value};

const INPUT: [&str; 2] = ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"];
const OUTPUT: [&str; 2] = ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"];
const OPERATION: &str = "gen_ai.operation.name";

/// Operations whose counts are sums over other spans, or that call no model.
const NOT_CALLS: [&str; 3] = ["invoke_agent", "create_agent", "execute_tool"];

/// Names that the start of a span has.
const STARTS: [&str; 4] = ["startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime"];

/// Names of lists of spans, from the outside in.
const LISTS: [&str; 6] =
    ["resourceSpans", "resource_spans", "scopeSpans", "scope_spans", "instrumentationLibrarySpans", "spans"];

/// Reads all spans; how many there were that are no calls of a model.
pub(super) fn read(bytes: &[u8], rows: &mut Collector) -> usize {
    let mut n_others = 0;
    for (line, text) in lines(bytes) {
        match serde_json::from_slice::<Value>(text) {
            Ok(Value::Object(object)) => read_object(line, &object, rows, &mut n_others),
            Ok(other) => {
                rows.error(TraceError::line(line, &other.to_string(), "not an object", "a span, or resourceSpans"));
            }
            Err(error) => rows.error(malformed(line, text, &error)),
        }
    }
    n_others
}

/// Whether the object of a first line is one of these.
pub(super) fn is_it(object: &Map<String, Value>) -> bool {
    LISTS.iter().any(|list| object.contains_key(*list))
        || (object.contains_key("attributes") && STARTS.iter().any(|start| object.contains_key(*start)))
}

/// The nesting is as deep as the parser of JSON allows, 128, so that this ends.
fn read_object(line: usize, object: &Map<String, Value>, rows: &mut Collector, n_others: &mut usize) {
    let mut is_list = false;
    for list in LISTS.iter().filter_map(|name| object.get(*name)?.as_array()) {
        is_list = true;
        list.iter().filter_map(Value::as_object).for_each(|inner| read_object(line, inner, rows, n_others));
    }
    if !is_list {
        read_span(line, object, rows, n_others);
    }
}

fn read_span(line: usize, span: &Map<String, Value>, rows: &mut Collector, n_others: &mut usize) {
    let attribute = |names: &[&str]| names.iter().find_map(|name| attribute(span.get("attributes")?, name));
    let is_call =
        !attribute(&[OPERATION]).and_then(text_of).is_some_and(|operation| NOT_CALLS.contains(&operation.as_ref()));
    let (Some(input), Some(output), true) = (attribute(&INPUT), attribute(&OUTPUT), is_call) else {
        *n_others += 1;
        return;
    };
    let start = STARTS.iter().find_map(|name| Some((*name, span.get(*name)?)));
    let (name, start) = start.map_or((STARTS[0], None), |(name, start)| (name, Some(start)));
    let at_ns = field(line, name, start, start_ns);
    let lengths = [(INPUT[0], input), (OUTPUT[0], output)].map(|(name, value)| field(line, name, Some(value), tokens));
    match (at_ns, lengths) {
        (Ok(at_ns), [Ok(input), Ok(output)]) => rows.add(line, at_ns, [input, output], &[]),
        (at_ns, lengths) => {
            let errors = at_ns.err().into_iter().chain(lengths.into_iter().filter_map(Result::err));
            errors.for_each(|error| rows.error(error));
        }
    }
}

/// Nanoseconds since 1970, or a date.
fn start_ns(text: &str) -> Result<i64, Wrong> {
    stamp_ns(text, if text.contains(['-', ':']) { Clock::Date } else { NANOSECOND })
}

/// An attribute's value: of a list of keys with typed values, or of an object.
fn attribute<'a>(attributes: &'a Value, name: &str) -> Option<&'a Value> {
    match attributes {
        Value::Object(object) => object.get(name),
        Value::Array(list) => {
            let entry = list.iter().find(|entry| entry.get("key").and_then(Value::as_str) == Some(name))?;
            entry.get("value")?.as_object()?.values().next()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
