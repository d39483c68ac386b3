//! Conversations of ShareGPT: texts without arrivals and without counts of tokens.
//!
//! As vLLM's benchmarks do, a conversation becomes one request: its first turn is the prompt, its second the answer. Tokens
//! are counted by a tokenizer where the caller has one, else by characters, [`CHARS_PER_TOKEN`] each, rounded up.
//! Conversations of fewer turns are left out.

use super::collect::Collector;
use super::count::{TokenCount, tokens_of};
use crate::trace::{MAX_TOKENS, TraceError};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Conversations that are counted at once, so that whoever counts can do it in parallel. Chosen by us: enough for any machine.
const AT_ONCE: usize = 1_024;

#[derive(Deserialize)]
struct Conversation<'a> {
    #[serde(borrow, default)]
    conversations: Vec<Turn<'a>>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    value: Text<'a>,
}

/// A text, borrowed from the file where nothing in it is escaped.
struct Text<'a>(Cow<'a, str>);

/// Reads all conversations; how many there were of fewer than two turns.
pub(super) fn read(bytes: &[u8], counter: Option<&dyn TokenCount>, rows: &mut Collector) -> usize {
    let mut list = List { rows, counter, waiting: Vec::new(), n_others: 0 };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = deserializer.deserialize_seq(&mut list).and_then(|()| deserializer.end());
    list.count();
    if let Err(error) = read {
        let message = error.to_string();
        let what = message.split(" at line ").next().unwrap_or(&message);
        let allowed = "a list of objects with conversations, each a list of turns with a value";
        let (line, column) = (error.line(), error.column());
        list.rows.error(TraceError::column(line, column, "JSON", "", &format!("malformed ({what})"), allowed));
    }
    list.n_others
}

/// Conversations as they are read, so that no more are in memory than are counted at once.
struct List<'a, 'de> {
    rows: &'a mut Collector,
    counter: Option<&'a dyn TokenCount>,
    /// Number, prompt and answer of those that are not counted yet.
    waiting: Vec<(usize, [Text<'de>; 2])>,
    n_others: usize,
}

impl List<'_, '_> {
    /// Counts those that wait.
    fn count(&mut self) {
        let texts: Vec<&str> = self.waiting.iter().flat_map(|(_, texts)| texts.iter().map(|text| &*text.0)).collect();
        let counted = match self.counter {
            None => Ok(texts.iter().map(|text| tokens_of(text.chars().count() as u64)).collect()),
            Some(counter) => counter.count(&texts),
        };
        match counted {
            Ok(lengths) => {
                for ((number, _), lengths) in self.waiting.iter().zip(lengths.as_chunks::<2>().0) {
                    add(self.rows, *number, *lengths);
                }
            }
            Err((idx, problem)) => {
                let number = self.waiting.get(idx / 2).map_or(1, |(number, _)| *number);
                let problem = format!("the tokenizer cannot count it: {problem}");
                self.rows.error(TraceError::field(number, "conversations", "", &problem, "texts that it knows"));
            }
        }
        self.waiting.clear();
    }
}

fn add(rows: &mut Collector, number: usize, lengths: [u64; 2]) {
    if lengths.into_iter().any(|length| length > u64::from(MAX_TOKENS)) {
        let allowed = format!("a text of up to {MAX_TOKENS} tokens");
        return rows.error(TraceError::field(number, "conversations", "", "too many tokens", &allowed));
    }
    rows.add(number, 0, lengths, &[]);
}

impl<'de> Visitor<'de> for &mut List<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of conversations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(Conversation { conversations }) = list.next_element()? {
            number += 1;
            let mut turns = conversations.into_iter();
            let (Some(prompt), Some(answer)) = (turns.next(), turns.next()) else {
                self.n_others += 1;
                continue;
            };
            self.waiting.push((number, [prompt.value, answer.value]));
            if self.waiting.len() == AT_ONCE {
                self.count();
            }
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Expected;
        impl<'de> Visitor<'de> for Expected {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Expected)
    }
}
