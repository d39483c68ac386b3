//! Counts of tokens by a tokenizer that the user names: a `tokenizer.json`, as Hugging Face has them beside models.
//!
//! A text is counted as it stands: without the template of a chat, and without the special tokens that a model's template adds.

use netkv_units::sha256_hex;
use netkv_workload::TokenCount;
use std::path::Path;
use tokenizers::{ModelWrapper, Tokenizer};

/// A tokenizer, and what is told of it.
pub(super) struct NamedTokenizer {
    tokenizer: Tokenizer,
    told: String,
}

impl NamedTokenizer {
    /// The tokenizer that the bytes of a file are.
    ///
    /// # Errors
    /// In words, if they are none, or one whose counts are no function of the text.
    pub(super) fn of(file: &Path, bytes: &[u8]) -> Result<Self, String> {
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| error.to_string())?;
        if let ModelWrapper::BPE(model) = tokenizer.get_model()
            && model.dropout.is_some_and(|dropout| dropout > 0.0)
        {
            return Err("it leaves out merges at random (dropout), so that no two counts would be the same".to_owned());
        }
        // What a model can be given is not how long a text is.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        let told = format!("the tokenizer {} (sha256 {}), without special tokens", file.display(), sha256_hex(bytes));
        Ok(Self { tokenizer, told })
    }
}

impl TokenCount for NamedTokenizer {
    fn count(&self, texts: &[&str]) -> Result<Vec<u64>, (usize, String)> {
        if let Ok(encodings) = self.tokenizer.encode_batch_fast(texts.to_vec(), false) {
            return Ok(encodings.iter().map(|encoding| encoding.len() as u64).collect());
        }
        // One by one it shows which it was.
        let count = |(idx, text): (usize, &&str)| {
            let encoding = self.tokenizer.encode_fast(*text, false).map_err(|error| (idx, error.to_string()))?;
            Ok(encoding.len() as u64)
        };
        texts.iter().enumerate().map(count).collect()
    }

    fn told(&self) -> String {
        self.told.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer(model: &str, pre_tokenizer: &str) -> Result<NamedTokenizer, String> {
        let truncation = r#"{"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}"#;
        let padding = r#"{"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "l"}"#;
        let added = r#"[{"id": 9, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}]"#;
        let template = r#"{"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<end>", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"<end>": {"id": "<end>", "ids": [9], "tokens": ["<end>"]}}}"#;
        let json = format!(
            r#"{{"version": "1.0", "truncation": {truncation}, "padding": {padding}, "added_tokens": {added}, "normalizer": null,
                "pre_tokenizer": {pre_tokenizer}, "post_processor": {template}, "decoder": null, "model": {model}}}"#
        );
        NamedTokenizer::of(Path::new("tokenizer.json"), json.as_bytes())
    }

    fn bpe(dropout: &str) -> String {
        format!(
            r#"{{"type": "BPE", "dropout": {dropout}, "unk_token": "?", "continuing_subword_prefix": null, "end_of_word_suffix": null,
                "fuse_unk": false, "byte_fallback": false,
                "vocab": {{"?": 0, "l": 1, "o": 2, "w": 3, "e": 4, "r": 5, "lo": 6, "low": 7, "er": 8}},
                "merges": [["l", "o"], ["lo", "w"], ["e", "r"]]}}"#
        )
    }

    /// low er; low low; lo er; four unknown characters; a token that is written in the text; nothing. Neither cut to two,
    /// nor filled up to nine, nor ended.
    #[test]
    fn merges_are_counted_by_hand() {
        let counter = tokenizer(&bpe("null"), "null").expect("a tokenizer");
        let texts = ["lower", "lowlow", "loer", "lo, x", "low<end>low", ""];
        assert_eq!(counter.count(&texts), Ok(vec![2, 2, 2, 4, 3, 0]));
        assert!(counter.told().starts_with("the tokenizer tokenizer.json (sha256 "), "{}", counter.told());
    }

    /// A pattern that looks ahead, as those of newer models do: spaces go with the word after them, but the last of many alone.
    #[test]
    fn words_are_split_by_patterns_that_look_ahead() {
        let words =
            r#"{"type": "WordLevel", "vocab": {"[UNK]": 0, "hello": 1, " world": 2, "  ": 3}, "unk_token": "[UNK]"}"#;
        let split = r#"{"type": "Split", "pattern": {"Regex": " ?[a-z]+|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false}"#;
        let counter = tokenizer(words, split).expect("a tokenizer");
        assert_eq!(counter.count(&["hello world", "hello   world", "hello world  "]), Ok(vec![2, 3, 3]));
    }

    #[test]
    fn what_is_no_tokenizer_says_why() {
        let of = |bytes: &[u8]| NamedTokenizer::of(Path::new("x"), bytes).err().expect("it is none");
        assert!(of(b"\x0a\x0e model").contains("expected value"), "{}", of(b"\x0a\x0e model"));
        assert!(of(b"{}").contains("Model missing"), "{}", of(b"{}"));
        assert!(tokenizer(&bpe("0.1"), "null").err().expect("it is refused").contains("dropout"));
        assert!(tokenizer("{\"type\": \"Chars\"}", "null").is_err());
        // A word that it does not know, and no token for such words.
        let words = r#"{"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}"#;
        let counter = tokenizer(words, "null").expect("a tokenizer");
        let (idx, problem) = counter.count(&["a", "b"]).expect_err("b is unknown");
        assert_eq!(idx, 1, "{problem}");
    }
}
