//! The terms of the glossary, for pages that explain them to who points at them.

use crate::markup::escaped;
use std::sync::LazyLock;

/// The page that says what they mean.
const GLOSSARY: &str = include_str!("../../../docs/glossary.md");

/// A term and its meaning; the longest first, so that the one that says most is found.
static TERMS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let mut terms: Vec<(String, String)> = GLOSSARY.lines().filter_map(entry).flatten().collect();
    terms.sort_by(|one, two| two.0.len().cmp(&one.0.len()).then_with(|| one.0.cmp(&two.0)));
    terms
});

/// The terms of a line of the glossary, which may name two.
fn entry(line: &str) -> Option<Vec<(String, String)>> {
    let (terms, meaning) = line.strip_prefix("| **")?.strip_suffix(" |")?.split_once("** | ")?;
    let meaning = meaning.replace(['`', '*'], "");
    Some(terms.split(", ").map(|term| (term.to_owned(), meaning.clone())).collect())
}

/// Words as HTML, in which each term of the glossary is explained where it stands first.
pub(crate) fn explained(words: &str) -> String {
    let mut html = String::new();
    let mut known: Vec<&str> = Vec::new();
    let mut rest = words;
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        let term = if before.is_alphanumeric() { None } else { TERMS.iter().find(|term| begins(rest, &term.0)) };
        match term {
            Some((term, meaning)) => {
                let (found, after) = rest.split_at(term.len());
                if known.contains(&term.as_str()) {
                    html.push_str(&escaped(found));
                } else {
                    html.push_str(&abbreviation(found, meaning));
                    known.push(term);
                }
                before = 'x';
                rest = after;
            }
            None => {
                html.push_str(&escaped(&rest[..letter.len_utf8()]));
                before = letter;
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    html
}

fn abbreviation(found: &str, meaning: &str) -> String {
    format!("<abbr tabindex=\"0\" data-tip=\"{}\">{}</abbr>", escaped(meaning), escaped(found))
}

/// Whether a text begins with a term, as a word or its plural. Capitals count in terms that are all capitals.
fn begins(text: &str, term: &str) -> bool {
    let Some(found) = text.get(..term.len()) else { return false };
    let is_name = term.chars().any(char::is_uppercase);
    let same = found == term || (!is_name && found.to_lowercase() == term);
    let mut after = text[term.len()..].chars();
    let next = after.next();
    let ends = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_');
    same && (ends(next) || (next == Some('s') && ends(after.next())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_explained_once_where_they_are_words() {
        let html = explained("Mean TTFT of policies < TTFT; policy.name");
        assert_eq!(html.matches("<abbr").count(), 2, "{html}");
        assert!(html.starts_with("Mean <abbr tabindex=\"0\" data-tip=\"time to first token: from arrival"), "{html}");
        assert!(html.contains("of policies &lt; TTFT"), "{html}");
        assert!(TERMS.len() > 30 && TERMS.iter().any(|term| term.0 == "aware"), "{}", TERMS.len());
    }
}
