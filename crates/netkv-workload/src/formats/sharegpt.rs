//! Conversations of ShareGPT: texts without arrivals and without counts of tokens.
//!
//! As vLLM's benchmarks do, a conversation becomes one request: its first turn is the prompt, its second the answer. Tokens
//! are counted by characters, [`CHARS_PER_TOKEN`] each, rounded up; a tokenizer would say otherwise, and is not asked.
//! Conversations of fewer turns are left out.

use super::collect::Collector;
use crate::trace::{MAX_TOKENS, TraceError};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::fmt;

/// Characters of a token. Origin: the rule of thumb for English that OpenAI gives for its tokenizers.
pub(super) const CHARS_PER_TOKEN: u64 = 4;

/// Tokens of a text.
pub(super) fn tokens_of(n_chars: u64) -> u64 {
    n_chars.div_ceil(CHARS_PER_TOKEN)
}

#[derive(Deserialize)]
struct Conversation {
    #[serde(default)]
    conversations: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    value: Characters,
}

/// A text that is counted, not kept.
struct Characters(u64);

/// Reads all conversations; how many there were of fewer than two turns.
pub(super) fn read(bytes: &[u8], rows: &mut Collector) -> usize {
    let mut list = List { rows, n_others: 0 };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = deserializer.deserialize_seq(&mut list).and_then(|()| deserializer.end());
    if let Err(error) = read {
        let message = error.to_string();
        let what = message.split(" at line ").next().unwrap_or(&message);
        let allowed = "a list of objects with conversations, each a list of turns with a value";
        let (line, column) = (error.line(), error.column());
        list.rows.error(TraceError::column(line, column, "JSON", "", &format!("malformed ({what})"), allowed));
    }
    list.n_others
}

/// Conversations as they are read, so that no two are in memory.
struct List<'a> {
    rows: &'a mut Collector,
    n_others: usize,
}

impl<'de> Visitor<'de> for &mut List<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of conversations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(Conversation { conversations }) = list.next_element()? {
            number += 1;
            let [prompt, answer, ..] = conversations.as_slice() else {
                self.n_others += 1;
                continue;
            };
            let [input, output] = [prompt, answer].map(|turn| tokens_of(turn.value.0));
            if input.max(output) > u64::from(MAX_TOKENS) {
                let allowed = format!("a text of up to {MAX_TOKENS} tokens");
                self.rows.error(TraceError::field(number, "conversations", "", "too many tokens", &allowed));
                continue;
            }
            self.rows.add(number, 0, [input, output], &[]);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Characters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Characters;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Characters, E> {
                Ok(Characters(text.chars().count() as u64))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
