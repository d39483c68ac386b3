//! The log of a vLLM server that logs its requests, and perhaps its answers.
//!
//! Lines that count, whatever stands before them (`RequestLogger` of vLLM; wordings of 2024 to 2026):
//!
//! - `Received request ID: prompt: '...', params: SamplingParams(... max_tokens=16 ...), prompt_token_ids: [1, 2], ...`, or
//!   without prompt and ids, which a line `Request ID details: prompt: '...', prompt_token_ids: [...], ...` has then;
//! - `Generated response ID: output: '...', output_token_ids: [3, 4], ...`, at once or as `(streaming delta)`s and perhaps
//!   `(streaming complete)`.
//!
//! The arrival is the stamp of the first line, `MM-DD HH:MM:SS` with or without a year, to the second. Lengths are the ids
//! that are listed; where none are, the characters of the text over [`CHARS_PER_TOKEN`]; for an answer that is not logged,
//! `max_tokens`. Which of these it was is told. Lists that `--max-log-len` cut short cannot be told from whole ones.

use super::collect::{Collector, tokens};
use super::sharegpt::{CHARS_PER_TOKEN, tokens_of};
use super::stamp::stamp_ns;
use super::table::Clock;
use crate::trace::TraceError;
use std::collections::BTreeMap;

const RECEIVED: &str = "Received request ";
const DETAILS: &str = " details: ";
const REQUEST: &str = "Request ";
const GENERATED: &str = "Generated response ";
const COMPLETE: &str = "(streaming complete)";

/// The year of stamps that name none. Chosen by us: it has a 29th of February.
const SOME_YEAR: i32 = 2000;

/// A stamp without a year that runs back by more than this is of the next year: 300 days.
const NEW_YEAR_NS: i64 = 300 * 86_400 * 1_000_000_000;

/// What is known of a request.
#[derive(Default)]
struct Request {
    line: usize,
    at_ns: Option<i64>,
    prompt_ids: Option<u64>,
    prompt_chars: Option<u64>,
    output_ids: u64,
    output_chars: u64,
    max_tokens: Option<u64>,
}

/// What is known of the log.
#[derive(Default)]
struct Log {
    requests: Vec<Request>,
    by_id: BTreeMap<String, usize>,
    year: i32,
    previous_ns: i64,
}

/// How lengths were come by.
#[derive(Default)]
struct Guesses {
    unknown: usize,
    prompts_by_chars: usize,
    answers_by_chars: usize,
    answers_by_limit: usize,
}

/// Whether a line is one of those that count.
pub(super) fn is_it(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    line.contains(RECEIVED) || line.contains(GENERATED)
}

/// Reads all requests; what is to be told of them.
pub(super) fn read(bytes: &[u8], rows: &mut Collector) -> Vec<String> {
    let mut log = Log { year: SOME_YEAR, previous_ns: i64::MIN, ..Log::default() };
    for (idx, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line_text = String::from_utf8_lossy(line);
        if let Err(error) = log.read_line(idx + 1, &line_text) {
            rows.error(error);
        }
    }
    let mut guesses = Guesses::default();
    for request in &log.requests {
        request.add_to(rows, &mut guesses);
    }
    guesses.notes()
}

impl Log {
    fn read_line(&mut self, number: usize, line: &str) -> Result<(), TraceError> {
        let markers = [RECEIVED, GENERATED, REQUEST];
        // A prompt may hold any of these: the first in the line is the log's own.
        let first = markers.iter().filter_map(|marker| Some((line.find(marker)?, *marker))).min();
        let Some((place, marker)) = first else { return Ok(()) };
        let (before, rest) = (&line[..place], &line[place + marker.len()..]);
        match marker {
            RECEIVED => {
                let Some((id, what)) = rest.split_once(": ") else { return Ok(()) };
                let at_ns = self.stamp(number, before)?;
                let request = self.request(id);
                (request.line, request.at_ns) = (number, Some(at_ns));
                request.read_prompt(what.rsplit_once(", params: ").map_or(what, |(prompt, _)| prompt), what);
                request.max_tokens = request.max_tokens.or_else(|| number_after(what, "max_tokens="));
            }
            GENERATED => {
                let Some((id, what)) = rest.split_once(": output: ") else { return Ok(()) };
                let (id, kind) = id.split_once(' ').unwrap_or((id, ""));
                self.request(id).read_output(what, kind == COMPLETE);
            }
            _ => {
                let Some((id, what)) = rest.split_once(DETAILS) else { return Ok(()) };
                let prompt = what.rsplit_once(", prompt_token_ids: ").map_or(what, |(prompt, _)| prompt);
                self.request(id).read_prompt(prompt, what);
            }
        }
        Ok(())
    }

    fn request(&mut self, id: &str) -> &mut Request {
        let idx = *self.by_id.entry(id.to_owned()).or_insert(self.requests.len());
        if idx == self.requests.len() {
            self.requests.push(Request::default());
        }
        &mut self.requests[idx]
    }

    /// The stamp that stands before a line's message.
    fn stamp(&mut self, number: usize, before: &str) -> Result<i64, TraceError> {
        let allowed = "a stamp such as 06-15 12:00:00 or 2026-06-15 12:00:00 before the message";
        let words: Vec<&str> = before.split_ascii_whitespace().collect();
        let is_stamp = |pair: &&[&str]| pair[0].contains('-') && pair[1].matches(':').count() == 2;
        let Some(&[date, time]) = words.windows(2).find(is_stamp) else {
            return Err(TraceError::line(number, before, "no stamp", allowed));
        };
        let time = time.replace(',', ".");
        let at = |year: Option<i32>| {
            let date = year.map_or(date.to_owned(), |year| format!("{year}-{date}"));
            let wrong = |_| TraceError::field(number, "stamp", &format!("{date} {time}"), "not a date", allowed);
            stamp_ns(&format!("{date} {time}"), Clock::Date).map_err(wrong)
        };
        if date.matches('-').count() != 1 {
            return at(None);
        }
        let mut at_ns = at(Some(self.year))?;
        if at_ns < self.previous_ns.saturating_sub(NEW_YEAR_NS) {
            self.year += 1;
            at_ns = at(Some(self.year))?;
        }
        self.previous_ns = at_ns;
        Ok(at_ns)
    }
}

impl Request {
    fn read_prompt(&mut self, prompt: &str, what: &str) {
        self.prompt_ids = self.prompt_ids.or_else(|| n_listed(what, "prompt_token_ids: ["));
        let text = prompt.strip_prefix("prompt: ").filter(|text| !text.starts_with("None"));
        self.prompt_chars = self.prompt_chars.or_else(|| text.map(n_quoted));
    }

    fn read_output(&mut self, what: &str, is_complete: bool) {
        let ids = n_listed(what, "output_token_ids: [").unwrap_or(0);
        let text = what.rsplit_once(", output_token_ids: ").or_else(|| what.rsplit_once(", finish_reason: "));
        let chars = text.map_or(0, |(text, _)| n_quoted(text));
        // All that streamed before is said once more in the end.
        (self.output_ids, self.output_chars) = match is_complete {
            true => (self.output_ids.max(ids), self.output_chars.max(chars)),
            false => (self.output_ids + ids, self.output_chars + chars),
        };
    }

    fn add_to(&self, rows: &mut Collector, guesses: &mut Guesses) {
        let by_chars = self.prompt_chars.map(tokens_of);
        let (Some(at_ns), Some(input)) = (self.at_ns, self.prompt_ids.or(by_chars)) else {
            guesses.unknown += 1;
            return;
        };
        guesses.prompts_by_chars += usize::from(self.prompt_ids.is_none());
        let output = match (self.output_ids, self.output_chars, self.max_tokens) {
            (0, 0, None) => {
                guesses.unknown += 1;
                return;
            }
            (0, 0, Some(max_tokens)) => {
                guesses.answers_by_limit += 1;
                max_tokens
            }
            (0, chars, _) => {
                guesses.answers_by_chars += 1;
                tokens_of(chars)
            }
            (ids, ..) => ids,
        };
        let checked = [input, output].map(|count| tokens(&count.to_string()));
        match checked {
            [Ok(input), Ok(output)] => rows.add(self.line, at_ns, [input, output], &[]),
            checked => checked.into_iter().filter_map(Result::err).for_each(|(problem, allowed)| {
                rows.error(TraceError::line(self.line, "", problem, &allowed));
            }),
        }
    }
}

impl Guesses {
    fn notes(&self) -> Vec<String> {
        let told = [
            (self.unknown, "left out: the log says too little of them".to_owned()),
            (self.prompts_by_chars, format!("with prompts counted by characters, {CHARS_PER_TOKEN} to a token")),
            (self.answers_by_chars, format!("with answers counted by characters, {CHARS_PER_TOKEN} to a token")),
            (self.answers_by_limit, "whose answer is not logged: max_tokens stands in for its length".to_owned()),
        ];
        told.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} requests {what}")).collect()
    }
}

/// How many items the last list after `name` has.
fn n_listed(text: &str, name: &str) -> Option<u64> {
    let list = text.rsplit_once(name)?.1.split(']').next()?;
    Some(if list.trim().is_empty() { 0 } else { list.split(',').count() as u64 })
}

/// Characters of a text in quotes, escapes as they are written.
fn n_quoted(text: &str) -> u64 {
    (text.chars().count() as u64).saturating_sub(2)
}

/// The whole number after the last `name`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let rest = text.rsplit_once(name)?.1;
    rest[..rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}
