//! The published traces that `netkv trace fetch` knows: traces/SOURCES.toml, which is part of the program.

use serde::Deserialize;
use std::collections::BTreeMap;

const SOURCES: &str = include_str!("../../../traces/SOURCES.toml");

/// A published trace.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What its file is called.
    pub file: String,
    /// Where it is published.
    pub url: String,
    /// Its licence, with whom to name.
    pub licence: String,
    /// Its SHA-256; empty if it is not known.
    pub sha256: String,
    /// Its size; 0 if it is not known.
    pub bytes: u64,
    /// How the checksum is known.
    pub from: String,
    /// What is in it.
    pub what: String,
}

/// All of them, by name.
pub fn sources() -> BTreeMap<String, Source> {
    toml::from_str(SOURCES).expect("a test reads the catalogue")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_complete_and_at_a_commit_or_said_not_to_be() {
        let sources = sources();
        assert!(sources.len() >= 10 && sources.contains_key("azure_2023_code"));
        for (name, source) in sources {
            assert!(source.url.starts_with("https://") && source.url.ends_with(&source.file), "{name}");
            assert!(!source.licence.is_empty() && !source.what.is_empty(), "{name}");
            let is_sum = source.sha256.len() == 64 && source.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_sum || source.sha256.is_empty(), "{name}: {}", source.sha256);
            assert_eq!(is_sum, !source.from.is_empty(), "{name}: how the checksum is known");
            let is_commit = |part: &str| part.len() == 40 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(source.url.split('/').any(is_commit) || source.what.ends_with("at no commit"), "{name}");
        }
    }
}
