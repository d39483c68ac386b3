//! HTTP/1.1 over the standard input and output of a process: requests may be sent before earlier ones are answered, and
//! answers come in their order.

use crate::fault::{Fault, shown};
use crate::process::Process;
use std::collections::VecDeque;

/// The largest answer that is read, in bytes: Dynamo's service repeats the hashes of a prompt's blocks.
const ANSWER_LIMIT: usize = 16 << 20;

/// The largest head of one.
const HEAD_LIMIT: usize = 1 << 14;

/// Header fields that an answer may have.
const FIELDS: usize = 32;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// A server that a process leads to.
pub(crate) struct Http {
    process: Process,
    /// What was sent and is not answered yet, in words.
    unanswered: VecDeque<String>,
}

impl Http {
    /// That at the other end of a process.
    pub(crate) fn new(process: Process) -> Self {
        Self { process, unanswered: VecDeque::new() }
    }

    /// Sends a request, at the latest when an answer is wanted.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(), Fault> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        self.unanswered.push_back(format!("{method} {path}"));
        self.process.tell(head.as_bytes())?;
        self.process.tell(body)
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        self.process.flush()
    }

    /// How many answers are due.
    pub(crate) fn due(&self) -> usize {
        self.unanswered.len()
    }

    /// The next answer, and what it answers.
    pub(crate) fn next(&mut self) -> Result<(String, Answer), Fault> {
        let what = self.unanswered.pop_front().ok_or_else(|| Fault::new("no answer is due"))?;
        let mut head = None;
        let complete = |bytes: &[u8]| {
            if head.is_none() {
                head = read_head(bytes).map_err(|why| Fault::new(format!("the router's answer to {what} {why}")))?;
            }
            Ok(head.and_then(|(_, start, length)| (bytes.len() >= start + length).then_some(start + length)))
        };
        let bytes = self.process.answer(ANSWER_LIMIT, complete)?;
        let (status, start, _) = head.ok_or_else(|| Fault::new("an answer without a head"))?;
        Ok((what, Answer { status, body: bytes[start..].to_vec() }))
    }

    /// The answers that are due but the last, each of which has to be a success.
    pub(crate) fn settle(&mut self, keep: usize) -> Result<(), Fault> {
        while self.due() > keep {
            let (what, answer) = self.next()?;
            if !(200..300).contains(&answer.status) {
                return Err(self.refused(&what, &answer));
            }
        }
        Ok(())
    }

    /// What is wrong with an answer that is no success.
    pub(crate) fn refused(&mut self, what: &str, answer: &Answer) -> Fault {
        let body = shown(&answer.body, 400);
        self.process.fault(&format!("answered {what} with status {}: {body}", answer.status))
    }

    /// Something that is wrong with it.
    pub(crate) fn fault(&mut self, what: &str) -> Fault {
        self.process.fault(what)
    }
}

/// The status of an answer, where its body begins, and how long that is; none if the head is not whole yet.
fn read_head(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>, String> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut answer = httparse::Response::new(&mut fields);
    let start = match answer.parse(bytes).map_err(|error| format!("is no HTTP ({error}): {}", shown(bytes, 80)))? {
        httparse::Status::Complete(start) => start,
        httparse::Status::Partial if bytes.len() > HEAD_LIMIT => return Err("has an endless head".to_owned()),
        httparse::Status::Partial => return Ok(None),
    };
    let field = |name: &str| answer.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    if field("transfer-encoding").is_some() {
        return Err("comes in chunks, which netkv does not read".to_owned());
    }
    let length = field("content-length").map(|field| String::from_utf8_lossy(field.value).trim().parse::<usize>());
    match length {
        Some(Ok(length)) if length <= ANSWER_LIMIT => Ok(Some((answer.code.unwrap_or(0), start, length))),
        Some(Ok(length)) => Err(format!("has {length} bytes; no more than {ANSWER_LIMIT} are read")),
        Some(Err(_)) => Err("has a length that is no number".to_owned()),
        None => Err("does not say how long it is".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for end in 0..whole.len() - 5 {
            assert_eq!(read_head(&whole[..end]), Ok(None), "{end}");
        }
        assert_eq!(read_head(whole), Ok(Some((200, 38, 5))));
    }

    #[test]
    fn answers_that_cannot_be_told_apart_are_refused() {
        for (head, why) in [
            ("HTTP/1.1 200 OK\r\n\r\n", "does not say how long"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "in chunks"),
            ("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "no number"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "no more than"),
            ("\x01\x02\x03\x04", "no HTTP"),
        ] {
            let refused = read_head(head.as_bytes()).expect_err(head);
            assert!(refused.contains(why), "{head:?}: {refused}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_LIMIT));
        assert!(read_head(endless.as_bytes()).is_err());
    }
}
