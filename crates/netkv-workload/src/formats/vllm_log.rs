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
//! that are listed; where none are, the text's tokens by a tokenizer if the caller has one, else its characters over
//! [`CHARS_PER_TOKEN`](super::count::CHARS_PER_TOKEN); for an answer that is not logged, `max_tokens`. Which of these it was is told. Lists that `--max-log-len` cut short cannot be told from whole ones.

use super::collect::{Collector, tokens};
use super::count::{TokenCount, tokens_of, told_by};
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
    /// Texts as they stand between their quotes.
    prompt: Option<String>,
    output_ids: u64,
    output: String,
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
    prompts_by_text: usize,
    answers_by_text: usize,
    answers_by_limit: usize,
}

/// Whether a line is one of those that count.
pub(super) fn is_it(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    line.contains(RECEIVED) || line.contains(GENERATED)
}

/// Reads all requests; what is to be told of them.
pub(super) fn read(bytes: &[u8], counter: Option<&dyn TokenCount>, rows: &mut Collector) -> Vec<String> {
    let mut log = Log { year: SOME_YEAR, previous_ns: i64::MIN, ..Log::default() };
    for (idx, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line_text = String::from_utf8_lossy(line);
        if let Err(error) = log.read_line(idx + 1, &line_text) {
            rows.error(error);
        }
    }
    let mut guesses = Guesses::default();
    for request in &log.requests {
        request.add_to(rows, counter, &mut guesses);
    }
    guesses.notes(counter)
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
        if self.prompt.is_none() {
            self.prompt = text.map(|text| unquoted(text).to_owned());
        }
    }

    fn read_output(&mut self, what: &str, is_complete: bool) {
        let ids = n_listed(what, "output_token_ids: [").unwrap_or(0);
        let text = what.rsplit_once(", output_token_ids: ").or_else(|| what.rsplit_once(", finish_reason: "));
        let text = text.map_or("", |(text, _)| unquoted(text));
        if !is_complete {
            self.output_ids += ids;
            return self.output.push_str(text);
        }
        // All that streamed before is said once more in the end.
        self.output_ids = self.output_ids.max(ids);
        if text.chars().count() > self.output.chars().count() {
            text.clone_into(&mut self.output);
        }
    }

    fn add_to(&self, rows: &mut Collector, counter: Option<&dyn TokenCount>, guesses: &mut Guesses) {
        let Some(at_ns) = self.at_ns else {
            guesses.unknown += 1;
            return;
        };
        let lengths = match self.lengths(counter, guesses) {
            Ok(Some(lengths)) => lengths,
            Ok(None) => {
                guesses.unknown += 1;
                return;
            }
            Err(problem) => {
                let problem = format!("the tokenizer cannot count it: {problem}");
                return rows.error(TraceError::line(self.line, "", &problem, "texts that it knows"));
            }
        };
        match lengths.map(|count| tokens(&count.to_string())) {
            [Ok(input), Ok(output)] => rows.add(self.line, at_ns, [input, output], &[]),
            checked => checked.into_iter().filter_map(Result::err).for_each(|(problem, allowed)| {
                rows.error(TraceError::line(self.line, "", problem, &allowed));
            }),
        }
    }

    /// Tokens of prompt and answer, if the log says enough of them.
    fn lengths(&self, counter: Option<&dyn TokenCount>, guesses: &mut Guesses) -> Result<Option<[u64; 2]>, String> {
        let input = match (self.prompt_ids, &self.prompt) {
            (Some(ids), _) => ids,
            (None, Some(text)) => {
                guesses.prompts_by_text += 1;
                length(text, counter)?
            }
            (None, None) => return Ok(None),
        };
        let output = match (self.output_ids, self.output.as_str(), self.max_tokens) {
            (0, "", None) => return Ok(None),
            (0, "", Some(max_tokens)) => {
                guesses.answers_by_limit += 1;
                max_tokens
            }
            (0, text, _) => {
                guesses.answers_by_text += 1;
                length(text, counter)?
            }
            (ids, ..) => ids,
        };
        Ok(Some([input, output]))
    }
}

impl Guesses {
    fn notes(&self, counter: Option<&dyn TokenCount>) -> Vec<String> {
        let by = told_by(counter);
        let told = [
            (self.unknown, "left out: the log says too little of them".to_owned()),
            (self.prompts_by_text, format!("with prompts counted by {by}")),
            (self.answers_by_text, format!("with answers counted by {by}")),
            (self.answers_by_limit, "whose answer is not logged: max_tokens stands in for its length".to_owned()),
        ];
        let told = told.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} requests {what}"));
        let is_asked = self.prompts_by_text + self.answers_by_text > 0;
        let unasked =
            (counter.is_some() && !is_asked).then(|| "no text to count: the log lists ids of tokens".to_owned());
        told.chain(unasked).collect()
    }
}

/// How many items the last list after `name` has.
fn n_listed(text: &str, name: &str) -> Option<u64> {
    let list = text.rsplit_once(name)?.1.split(']').next()?;
    Some(if list.trim().is_empty() { 0 } else { list.split(',').count() as u64 })
}

/// A text without its quotes, escapes as they are written.
fn unquoted(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.next_back();
    chars.as_str()
}

/// Tokens of a text of the log.
fn length(text: &str, counter: Option<&dyn TokenCount>) -> Result<u64, String> {
    let Some(counter) = counter else { return Ok(tokens_of(text.chars().count() as u64)) };
    let counted = counter.count(&[&unescaped(text)]).map_err(|(_, problem)| problem)?;
    Ok(counted.into_iter().sum())
}

/// The text that Python writes so between quotes.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            plain.push(char);
            continue;
        }
        let n_digits = match chars.next() {
            Some('n') => {
                plain.push('\n');
                continue;
            }
            Some('t') => {
                plain.push('\t');
                continue;
            }
            Some('r') => {
                plain.push('\r');
                continue;
            }
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            char => {
                plain.push(char.unwrap_or('\\'));
                continue;
            }
        };
        let digits: String = chars.by_ref().take(n_digits).collect();
        match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
            Some(char) => plain.push(char),
            None => plain.push_str(&digits),
        }
    }
    plain
}

/// The whole number after the last `name`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let rest = text.rsplit_once(name)?.1;
    rest[..rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_python() {
        let written = r"a\nb\t\'c\'\\n\x41\u00e4\U0001f600\xzz\";
        assert_eq!(unescaped(written), "a\nb\t'c'\\nA\u{e4}\u{1f600}zz\\");
        assert_eq!((unquoted("'ab'"), unquoted("''"), unquoted("x"), unquoted("")), ("ab", "", "", ""));
    }
}
