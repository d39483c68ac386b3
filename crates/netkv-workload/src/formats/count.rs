//! Lengths of texts in tokens: by whatever the caller counts with, or by characters.

/// Characters of a token. Origin: the rule of thumb for English that OpenAI gives for its tokenizers.
pub(super) const CHARS_PER_TOKEN: u64 = 4;

/// Counts tokens of texts, as a tokenizer does.
///
/// What it says is a function of the text alone, so that a trace is the same whenever it is read.
pub trait TokenCount {
    /// Tokens of each text, in their order.
    ///
    /// # Errors
    /// The first text that it cannot count, by its place, and why.
    fn count(&self, texts: &[&str]) -> Result<Vec<u64>, (usize, String)>;

    /// What it counts by, as the end of a sentence that begins "tokens counted by".
    fn told(&self) -> String;
}

/// Tokens of a text of so many characters.
pub(super) fn tokens_of(n_chars: u64) -> u64 {
    n_chars.div_ceil(CHARS_PER_TOKEN)
}

/// What lengths were counted by, in words.
pub(super) fn told_by(counter: Option<&dyn TokenCount>) -> String {
    counter.map_or_else(|| format!("characters, {CHARS_PER_TOKEN} to a token"), TokenCount::told)
}
