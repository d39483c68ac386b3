//! A second look at a line that is no row: which field is wrong, and what it should be.

use super::error::TraceError;
use super::limits::{MAX_TIMESTAMP_MS, MAX_TOKENS};
use serde_json::Value;

pub(super) const TIMESTAMP: &str = "timestamp";
pub(super) const INPUT_LENGTH: &str = "input_length";
pub(super) const OUTPUT_LENGTH: &str = "output_length";
pub(super) const HASH_IDS: &str = "hash_ids";
/// The fields as an error lists them.
pub(super) const FIELDS: &str = "timestamp, input_length, output_length, hash_ids";

const NAMES: [&str; 4] = [TIMESTAMP, INPUT_LENGTH, OUTPUT_LENGTH, HASH_IDS];

/// All that is wrong with the line that made serde say `error`; never nothing.
pub(super) fn diagnose(line: usize, text: &[u8], error: &serde_json::Error) -> Vec<TraceError> {
    let object = format!("a JSON object with the fields {FIELDS}");
    let Ok(text) = std::str::from_utf8(text) else {
        let lossy = String::from_utf8_lossy(text);
        return vec![TraceError::line(line, &lossy, "not UTF-8", &object)];
    };
    if text.trim().is_empty() {
        return vec![TraceError::line(line, "", "empty", &object)];
    }
    let fields = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(other) => return vec![TraceError::line(line, &other.to_string(), "not an object", &object)],
        Err(error) => return vec![TraceError::line(line, text, &malformed(&error), &object)],
    };
    let mut errors = Vec::new();
    for name in NAMES {
        match fields.get(name) {
            None => errors.push(TraceError::field(line, name, "", "missing", &allowed(name))),
            Some(value) => errors.extend(wrong_value(line, name, value)),
        }
    }
    for (name, value) in &fields {
        if !NAMES.contains(&name.as_str()) {
            let problem = format!("unknown field (nearest: {})", nearest_name(name));
            errors.push(TraceError::field(line, name, &value.to_string(), &problem, FIELDS));
        }
    }
    if errors.is_empty() {
        // A field given twice: the values are fine one by one.
        errors.push(TraceError::line(line, text, &malformed(error), &object));
    }
    errors
}

/// What serde says, with the place in the line but without its own count of lines, which is always 1.
fn malformed(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or(&message);
    format!("malformed JSON at column {} ({what})", error.column())
}

fn allowed(name: &str) -> String {
    match name {
        TIMESTAMP => format!("a whole number of ms from 0 to {MAX_TIMESTAMP_MS}"),
        HASH_IDS => "a list of whole numbers from 0 on".to_owned(),
        _ => format!("a whole number from 1 to {MAX_TOKENS}"),
    }
}

fn wrong_value(line: usize, name: &str, value: &Value) -> Option<TraceError> {
    let found = match value.as_array() {
        Some(items) if name == HASH_IDS => items.iter().find(|item| !item.is_u64())?,
        None if name == HASH_IDS => {
            return Some(TraceError::field(line, name, &value.to_string(), "not a list", &allowed(name)));
        }
        Some(_) | None if value.is_u64() => return None,
        Some(_) | None => value,
    };
    let problem = match found {
        Value::Number(number) if number.as_f64().is_some_and(|number| number < 0.0) => "negative",
        Value::Number(_) => "not a whole number, or too large",
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => "not a number",
    };
    Some(TraceError::field(line, name, &found.to_string(), problem, &allowed(name)))
}

/// The field whose name takes the fewest changes of a letter to get from `name`.
fn nearest_name(name: &str) -> &'static str {
    // A name far longer than any field is nearest to all of them alike; its start decides, in bounded time.
    let name: Vec<char> = name.chars().take(64).collect();
    NAMES.into_iter().min_by_key(|candidate| edit_distance(&name, candidate)).expect("there are four fields")
}

/// Levenshtein distance, by rows of the usual table.
fn edit_distance(from: &[char], to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (from_idx, from_char) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = from_idx + 1;
        for (to_idx, to_char) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(from_char != to_char);
            diagonal = row[to_idx + 1];
            row[to_idx + 1] = substituted.min(diagonal + 1).min(row[to_idx] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use crate::trace::{Trace, TraceErrors};

    const GOOD: &str = r#"{"timestamp": 5, "input_length": 700, "output_length": 5, "hash_ids": [0, 1]}"#;

    fn errors_of(file: &[u8]) -> TraceErrors {
        Trace::parse(file).expect_err("the file is wrong")
    }

    /// A good line, then `bad`: what is said about it.
    #[track_caller]
    fn check(bad: &str, expected: &[&str]) {
        let text = errors_of(format!("{GOOD}\n{bad}\n").as_bytes()).to_string();
        assert_eq!(text.lines().count(), expected.len(), "{text}");
        for (line, expected) in text.lines().zip(expected) {
            assert!(line.starts_with("line 2: ") && line.contains(expected), "{line}\nlacks: {expected}");
        }
    }

    #[test]
    fn fields_that_are_wrong_are_named_with_value_and_what_is_allowed() {
        let with = |from, to| GOOD.replace(from, to);
        check(&with("700", "-4"), &["input_length = -4: negative; allowed: a whole number from 1 to 10000000"]);
        check(&with("700", "0"), &["input_length = 0: no tokens; allowed: a whole number from 1"]);
        check(&with("700", "99999999999"), &["input_length = 99999999999: too many tokens"]);
        check(&with("700", "1e30"), &["not a whole number, or too large"]);
        check(&with("h\": 5", "h\": 5.5"), &["output_length = 5.5: not a whole number"]);
        check(&with("h\": 5", "h\": \"5\""), &["output_length = \"5\": not a number"]);
        check(&with("p\": 5", "p\": 4"), &["timestamp = 4: runs back; allowed: at least 5"]);
        check(&with("p\": 5", "p\": 315360000001"), &["timestamp = 315360000001: too large"]);
        check(&with("[0, 1]", "[0]"), &["hash_ids = 1 ids: does not fit input_length = 700; allowed: 2 ids"]);
        check(&with("[0, 1]", "[0, -1]"), &["hash_ids = -1: negative"]);
        check(&with("[0, 1]", "7"), &["hash_ids = 7: not a list"]);
    }

    #[test]
    fn ids_that_are_no_tree_are_refused_with_the_line_they_contradict() {
        let with = |to| GOOD.replace("[0, 1]", to);
        check(&with("[1, 0]"), &["id 1 comes first here; allowed: only after id 0, as on line 1"]);
        check(&with("[3, 1]"), &["id 1 comes after id 3 here; allowed: only after id 0, as on line 1"]);
        check(&with("[4, 4]"), &["id 4 comes after id 4 here; allowed: only first, as on line 2"]);
    }

    #[test]
    fn missing_unknown_and_repeated_fields_are_named() {
        check(
            &GOOD.replace("output_length", "outputlength"),
            &[
                "output_length: missing",
                "outputlength = 5: unknown field (nearest: output_length); allowed: timestamp, input_length",
            ],
        );
        check(&GOOD.replace("\"output_length\": 5, ", ""), &["output_length: missing"]);
        check(&GOOD.replace("{", "{\"timestamp\": 5, "), &["duplicate field `timestamp`"]);
    }

    #[test]
    fn lines_that_are_no_object_are_refused() {
        check("", &["the line: empty"]);
        check("[1]", &["`[1]`: not an object"]);
        check("{\"timestamp\": ", &["malformed JSON at column 14"]);
        check(&format!("{GOOD} {GOOD}"), &["malformed JSON at column"]);
    }

    #[test]
    fn an_empty_file_and_bytes_beyond_utf8_are_refused() {
        assert!(errors_of(b"").to_string().contains("line 1: the line: the file is empty"));
        assert!(errors_of(b"{\"timestamp\": \xff}").to_string().contains("line 1"));
        assert!(errors_of(b"\xff\n").to_string().contains("not UTF-8"));
    }

    #[test]
    fn twenty_errors_are_shown_and_the_rest_is_counted() {
        let errors = errors_of("x\n".repeat(25).as_bytes());
        assert_eq!((errors.shown().len(), errors.count()), (20, 25));
        assert!(errors.to_string().ends_with("\nand 5 more"));
    }

    #[test]
    fn one_wrong_stamp_is_one_error() {
        let stamps = [5, 9_000, 6, 7].map(|stamp| GOOD.replace("p\": 5", &format!("p\": {stamp}")));
        assert_eq!(errors_of(stamps.join("\n").as_bytes()).count(), 1);
    }

    #[test]
    fn ids_of_any_size_are_renumbered_in_order_of_appearance() {
        let large = GOOD.replace("[0, 1]", "[18446744073709551615, 77]");
        assert_eq!(Trace::parse(large.as_bytes()).unwrap(), Trace::parse(GOOD.as_bytes()).unwrap());
    }
}
