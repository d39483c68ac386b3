//! Typed reading of a tree: each call says what a key may hold, and everything that is wrong is collected, so that
//! the user sees it all at once. A key that no call asked for is unknown.

use crate::issue::{Issue, Origin, nearest, with_suggestion};
use crate::tree::{self, Content, Node, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Words that are listed beside a suggestion. Chosen by us: what is read at a glance.
const MOST_WORDS: usize = 8;

/// Numbers that a key may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    low: f64,
    includes_low: bool,
    high: f64,
    includes_high: bool,
}

impl Range {
    /// low <= x <= high.
    pub(crate) const fn closed(low: f64, high: f64) -> Self {
        Self { low, includes_low: true, high, includes_high: true }
    }

    /// low < x <= high.
    pub(crate) const fn above(low: f64, high: f64) -> Self {
        Self { includes_low: false, ..Self::closed(low, high) }
    }

    /// low <= x < high.
    pub(crate) const fn below(low: f64, high: f64) -> Self {
        Self { includes_high: false, ..Self::closed(low, high) }
    }

    /// low < x < high.
    pub(crate) const fn between(low: f64, high: f64) -> Self {
        Self { includes_low: false, ..Self::below(low, high) }
    }

    /// Whether a key may hold `value`.
    pub(crate) fn contains(self, value: f64) -> bool {
        let above = if self.includes_low { value >= self.low } else { value > self.low };
        let below = if self.includes_high { value <= self.high } else { value < self.high };
        above && below
    }

    /// Whether it is one of shares, and `value` would be allowed if it were a percentage.
    fn takes_percent(self, value: f64) -> bool {
        self.high <= 1.0 && value > 1.0 && value <= 100.0 && self.contains(percent(value))
    }
}

/// A percentage as a share, in as many digits as one would write.
fn percent(value: f64) -> f64 {
    format!("{:.12}", value / 100.0).parse().expect("a number reads back")
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = if self.includes_low { "at least" } else { "above" };
        let high = if self.includes_high { "at most" } else { "below" };
        write!(formatter, "{low} {} and {high} {}", self.low, self.high)
    }
}

/// Reads one tree.
pub(crate) struct Reader<'a> {
    tree: &'a Table,
    file: Origin,
    advice: &'static str,
    /// Keys that were asked for; none if it is known that all are.
    known: Option<BTreeSet<String>>,
    issues: Vec<Issue>,
    /// What each key may hold, if somebody wants to know.
    noted: Option<BTreeMap<String, String>>,
    /// The section that was looked into last, with its dotted name: the next key is mostly of the same.
    section: Option<(String, &'a Table)>,
}

impl<'a> Reader<'a> {
    /// A reader of `tree`, whose missing keys are reported for the file `file`, followed by `advice`.
    pub(crate) fn new(tree: &'a Table, file: &Origin, advice: &'static str) -> Self {
        Self {
            tree,
            file: file.clone(),
            advice,
            known: Some(BTreeSet::new()),
            issues: Vec::new(),
            noted: None,
            section: None,
        }
    }

    /// A reader of a tree that has just the keys of one in which all were known: none is looked for.
    pub(crate) fn trusting(tree: &'a Table, file: &Origin, advice: &'static str) -> Self {
        Self { known: None, ..Self::new(tree, file, advice) }
    }

    /// Notes from now on what each key that is asked for may hold.
    pub(crate) fn take_notes(&mut self) {
        self.noted = Some(BTreeMap::new());
    }

    /// What was noted, by key.
    pub(crate) fn notes(self) -> BTreeMap<String, String> {
        self.noted.unwrap_or_default()
    }

    /// Notes what a key may hold, in words; a later note stands instead of an earlier one.
    pub(crate) fn note(&mut self, key: &str, allowed: impl FnOnce() -> String) {
        if let Some(noted) = &mut self.noted {
            noted.insert(key.to_owned(), allowed());
        }
    }

    /// Keys that others read: `key` itself and everything below it.
    pub(crate) fn accept(&mut self, key: &str) {
        if let Some(known) = &mut self.known {
            known.insert(key.to_owned());
        }
    }

    /// The node at `key`; it is an error if there is none.
    pub(crate) fn node(&mut self, key: &str) -> Option<&'a Node> {
        self.accept(key);
        let node = self.find(key);
        if node.is_none() {
            self.issues.push(Issue::new(&self.file, format!("{key} is missing; {}", self.advice)));
        }
        node
    }

    /// The node at `key`, by way of the section that was looked into last if it is of that.
    fn find(&mut self, key: &str) -> Option<&'a Node> {
        let Some((section, name)) = key.rsplit_once('.') else { return self.tree.get(key) };
        match &self.section {
            Some((last, table)) if last == section => table.get(name),
            Some(_) | None => {
                let node = tree::get(self.tree, key);
                if let Some(Content::Table(table)) = tree::get(self.tree, section).map(|node| &node.content) {
                    self.section = Some((section.to_owned(), table));
                }
                node
            }
        }
    }

    /// A number in `range`; an integer is one as well.
    pub(crate) fn float(&mut self, key: &str, range: Range) -> Option<f64> {
        self.note(key, || format!("a number, {range}"));
        let node = self.node(key)?;
        self.float_of(key, node, range)
    }

    /// A number in `range` at `node`, a part of the value of `key`.
    pub(crate) fn float_of(&mut self, key: &str, node: &Node, range: Range) -> Option<f64> {
        let value = match node.content {
            Content::Float(value) => value,
            Content::Integer(value) => value as f64,
            Content::Table(_) | Content::List(_) | Content::Text(_) | Content::Flag(_) => {
                return self.refuse(key, node, &format!("a number, {range}"));
            }
        };
        if range.contains(value) {
            return Some(value);
        }
        if key.ends_with("_ratio") && range.takes_percent(value) {
            let message = format!(
                "{key} = {} is not allowed; allowed: {range}; did you mean {}? It is a ratio, not a percentage",
                node.content.canonical(),
                percent(value)
            );
            self.issues.push(Issue::new(&node.origin, message));
            return None;
        }
        self.refuse(key, node, &range.to_string())
    }

    /// A list of exactly `N` numbers in `range`.
    pub(crate) fn floats<const N: usize>(&mut self, key: &str, range: Range) -> Option<[f64; N]> {
        let allowed = || format!("a list of {N} numbers, {range}");
        self.note(key, allowed);
        let node = self.node(key)?;
        let Some(items) = list(node).filter(|items| items.len() == N) else {
            return self.refuse(key, node, &allowed());
        };
        let values: Vec<f64> = items.iter().filter_map(|item| self.float_of(key, item, range)).collect();
        values.try_into().ok()
    }

    /// An integer from `low` to `high`.
    pub(crate) fn integer(&mut self, key: &str, low: u64, high: u64) -> Option<u64> {
        self.note(key, || format!("an integer, {low} to {high}"));
        let node = self.node(key)?;
        self.integer_of(key, node, low, high)
    }

    /// An integer from `low` to `high`, both of 32 bits.
    pub(crate) fn count(&mut self, key: &str, low: u32, high: u32) -> Option<u32> {
        let value = self.integer(key, u64::from(low), u64::from(high))?;
        Some(u32::try_from(value).expect("it is at most a number of 32 bits"))
    }

    /// An integer from `low` to `high` at `node`, a part of the value of `key`.
    pub(crate) fn integer_of(&mut self, key: &str, node: &Node, low: u64, high: u64) -> Option<u64> {
        let value = match node.content {
            Content::Integer(value) => u64::try_from(value).ok(),
            Content::Float(_) | Content::Table(_) | Content::List(_) | Content::Text(_) | Content::Flag(_) => None,
        };
        let allowed = value.filter(|value| (low..=high).contains(value));
        allowed.or_else(|| self.refuse(key, node, &format!("an integer, {low} to {high}")))
    }

    /// A list of integers from `low` to `high`, at least one and no two the same.
    pub(crate) fn integers(&mut self, key: &str, low: u64, high: u64) -> Option<Vec<u64>> {
        let node = self.node(key)?;
        let Some(items) = list(node).filter(|items| !items.is_empty()) else {
            return self.refuse(key, node, &format!("a list of integers, {low} to {high}"));
        };
        let values: Vec<u64> = items.iter().filter_map(|item| self.integer_of(key, item, low, high)).collect();
        let mut seen = BTreeSet::new();
        if let Some(item) = values.iter().find(|item| !seen.insert(**item)) {
            self.fail(key, &format!("{key} has {item} twice"));
            return None;
        }
        (values.len() == items.len()).then_some(values)
    }

    /// One of the given words.
    pub(crate) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&'static str, T)]) -> Option<T> {
        let allowed = || one_of(&choices.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        self.note(key, allowed);
        let node = self.node(key)?;
        if let Content::Text(text) = &node.content
            && let Some((_, value)) = choices.iter().find(|(name, _)| name == text)
        {
            return Some(*value);
        }
        self.refuse(key, node, &allowed())
    }

    /// A string.
    pub(crate) fn text(&mut self, key: &str) -> Option<&'a str> {
        self.note(key, || "a string".to_owned());
        let node = self.node(key)?;
        match &node.content {
            Content::Text(text) => Some(text),
            Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => {
                self.refuse(key, node, "a string")
            }
        }
    }

    /// True or false.
    pub(crate) fn flag(&mut self, key: &str) -> Option<bool> {
        self.note(key, || "true or false".to_owned());
        let node = self.node(key)?;
        match node.content {
            Content::Flag(value) => Some(value),
            Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Text(_) => {
                self.refuse(key, node, "true or false")
            }
        }
    }

    /// Reports a value of `key` that is not what is `allowed`, with the nearest word where both are words.
    pub(crate) fn refuse<T>(&mut self, key: &str, node: &Node, allowed: &str) -> Option<T> {
        let message = format!("{key} = {} is not allowed", node.content.canonical());
        let near = match &node.content {
            Content::Text(text) => nearest(text, allowed.split(", ").map(|word| word.trim_matches('"'))),
            Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
        };
        let n = allowed.split(", ").count();
        let message = match near {
            // Nobody looks for the suggestion behind a long list.
            Some(name) if n > MOST_WORDS => {
                format!("{message}; did you mean \"{name}\"? (`netkv keys {key}` lists all {n})")
            }
            Some(name) => with_suggestion(&format!("{message}; allowed: {allowed}"), Some(&format!("\"{name}\""))),
            None => format!("{message}; allowed: {allowed}"),
        };
        self.issues.push(Issue::new(&node.origin, message));
        None
    }

    /// Reports a rule over several keys, at the place of `key`.
    pub(crate) fn fail(&mut self, key: &str, message: &str) {
        let origin = tree::get(self.tree, key).map_or(&self.file, |node| &node.origin);
        self.issues.push(Issue::new(origin, message));
    }

    /// Reports what is wrong with a node that is a part of a value.
    pub(crate) fn fail_at(&mut self, node: &Node, message: &str) {
        self.issues.push(Issue::new(&node.origin, message));
    }

    /// Adds what another reader found.
    pub(crate) fn extend(&mut self, issues: &[Issue]) {
        self.issues.extend_from_slice(issues);
    }

    /// Reads keys whose errors another reading reports.
    pub(crate) fn quietly<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<T> {
        let n_before = self.issues.len();
        let value = read(self);
        let is_good = self.issues.len() == n_before;
        self.issues.truncate(n_before);
        value.filter(|_| is_good)
    }

    /// Everything that is wrong with the keys that were read.
    pub(crate) fn found(self) -> Vec<Issue> {
        self.issues
    }

    /// Everything that is wrong, keys that nothing asked for included.
    pub(crate) fn finish(mut self) -> Vec<Issue> {
        if let Some(known) = self.known.take() {
            self.find_unknown(&known, self.tree, "");
        }
        self.issues
    }

    fn find_unknown(&mut self, all: &BTreeSet<String>, table: &Table, prefix: &str) {
        for (name, node) in table {
            let key = format!("{prefix}{name}");
            if all.contains(&key) {
                continue;
            }
            let below = format!("{key}.");
            let is_section = all.range(below.clone()..).next().is_some_and(|known| known.starts_with(&below));
            match &node.content {
                Content::Table(table) if is_section => self.find_unknown(all, table, &below),
                Content::Table(_)
                | Content::List(_)
                | Content::Text(_)
                | Content::Integer(_)
                | Content::Float(_)
                | Content::Flag(_) => self.report_unknown(all, (&key, name), is_section, &node.key_origin),
            }
        }
    }

    fn report_unknown(&mut self, all: &BTreeSet<String>, (key, name): (&str, &str), is_section: bool, origin: &Origin) {
        let message = if is_section {
            format!("{key} is a section; write [{key}]")
        } else {
            let sections = all.iter().filter_map(|known| known.split_once('.')).map(|(section, _)| section);
            let names: BTreeSet<&str> = all.iter().map(String::as_str).chain(sections).collect();
            // The right name in the wrong section is as likely as a typo.
            let elsewhere = names.iter().copied().find(|known| known.rsplit('.').next() == Some(name));
            with_suggestion(&format!("{key} is not a known key"), nearest(key, names.iter().copied()).or(elsewhere))
        };
        self.issues.push(Issue::new(origin, message));
    }
}

/// The elements of a list.
pub(crate) const fn list(node: &Node) -> Option<&Vec<Node>> {
    match &node.content {
        Content::List(items) => Some(items),
        Content::Table(_) | Content::Text(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
    }
}

/// Words in quotes, separated by commas.
pub(crate) fn one_of(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn issues(text: &str, read: impl Fn(&mut Reader<'_>)) -> Vec<String> {
        let path = Path::new("x.toml");
        let tree = tree::parse(path, text).unwrap();
        let mut reader = Reader::new(&tree, &Origin::file(path), "every key is needed");
        read(&mut reader);
        reader.finish().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_errors_are_found_in_one_reading() {
        let found = issues("[a]\nx = 'one'\ny = -1\nz = 3.5\n", |reader| {
            assert_eq!(reader.float("a.x", Range::above(0.0, 1.0)), None);
            assert_eq!(reader.float("a.y", Range::below(0.0, 1.0)), None);
            assert_eq!(reader.integer("a.z", 1, 9), None);
            assert_eq!(reader.flag("a.w"), None);
        });
        assert_eq!(
            found,
            [
                r#"x.toml:2:5: a.x = "one" is not allowed; allowed: a number, above 0 and at most 1"#,
                "x.toml:3:5: a.y = -1 is not allowed; allowed: at least 0 and below 1",
                "x.toml:4:5: a.z = 3.5 is not allowed; allowed: an integer, 1 to 9",
                "x.toml: a.w is missing; every key is needed",
            ]
        );
    }

    #[test]
    fn an_unknown_key_comes_with_the_nearest_known_one() {
        let found = issues("[fabric]\nnic_gpbs = 1\n[rabbit]\nx = 1\n", |reader| {
            reader.accept("fabric.nic_gbps");
            reader.accept("rabbit");
        });
        assert_eq!(found, ["x.toml:2:1: fabric.nic_gpbs is not a known key; did you mean fabric.nic_gbps?"]);
    }

    #[test]
    fn a_key_in_the_wrong_section_is_found_where_it_belongs() {
        let found = issues("tp = 4\n[cluster]\n", |reader| reader.accept("cluster.tp"));
        assert_eq!(found, ["x.toml:1:1: tp is not a known key; did you mean cluster.tp?"]);
    }

    #[test]
    fn a_wrong_word_comes_with_the_right_ones() {
        let found = issues("k = 'teir'", |reader| {
            assert_eq!(reader.choice("k", &[("static", 1), ("tier", 2)]), None);
        });
        assert_eq!(
            found,
            [r#"x.toml:1:5: k = "teir" is not allowed; allowed: "static", "tier"; did you mean "tier"?"#]
        );
    }

    #[test]
    fn lists_are_checked_element_by_element() {
        let found = issues("a = [1.0, 2.0]\nb = [3, 3]\nc = [0, 5]\n", |reader| {
            assert_eq!(reader.floats::<4>("a", Range::closed(0.0, 9.0)), None);
            assert_eq!(reader.integers("b", 1, 9), None);
            assert_eq!(reader.integers("c", 1, 9), None);
        });
        assert_eq!(
            found,
            [
                "x.toml:1:5: a = [1, 2] is not allowed; allowed: a list of 4 numbers, at least 0 and at most 9",
                "x.toml:2:5: b has 3 twice",
                "x.toml:3:6: c = 0 is not allowed; allowed: an integer, 1 to 9",
            ]
        );
    }
}
