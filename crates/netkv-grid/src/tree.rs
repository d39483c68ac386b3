//! A TOML file as a tree in which every key and value knows the file, line and column that it comes from, so that
//! an error can point there after files and axes have been laid over each other.
//!
//! Leaves out dates: no key of ours takes one.

use crate::issue::{InputErrors, Issue, Origin};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A key of a table and its value.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where its key stands; for an element of a list, where it stands itself.
    pub key_origin: Origin,
    /// Where its value stands.
    pub origin: Origin,
    /// Its value.
    pub content: Content,
}

/// A table: keys in alphabetical order.
pub type Table = BTreeMap<String, Node>;

/// A value of a TOML file.
#[derive(Clone, Debug)]
pub enum Content {
    /// Keys and values.
    Table(Table),
    /// A list.
    List(Vec<Node>),
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// True or false.
    Flag(bool),
}

impl Content {
    /// What it is, in words.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::List(_) => "a list",
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Flag(_) => "true or false",
        }
    }

    /// On one line, with sorted keys: equal exactly when the values are. 2.0 is written as 2, so that writing a
    /// number in another way does not make it another number.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.write_canonical(&mut text);
        text
    }

    /// Appends it to a text.
    pub(crate) fn write_canonical(&self, text: &mut String) {
        let written = match self {
            Self::Table(table) => {
                text.push('{');
                for (index, (key, node)) in table.iter().enumerate() {
                    text.push_str(if index == 0 { " " } else { ", " });
                    push_toml_key(text, key);
                    text.push_str(" = ");
                    node.content.write_canonical(text);
                }
                text.push_str(" }");
                Ok(())
            }
            Self::List(items) => {
                text.push('[');
                for (index, node) in items.iter().enumerate() {
                    text.push_str(if index == 0 { "" } else { ", " });
                    node.content.write_canonical(text);
                }
                text.push(']');
                Ok(())
            }
            Self::Text(value) => write!(text, "{}", toml::Value::from(value.as_str())),
            Self::Integer(value) => write!(text, "{value}"),
            Self::Float(value) if is_whole(*value) => write!(text, "{}", *value as i64),
            Self::Float(value) => write!(text, "{value:?}"),
            Self::Flag(value) => write!(text, "{value}"),
        };
        written.expect("a string takes any text");
    }
}

/// Whether a float is an integer that a float holds exactly.
fn is_whole(value: f64) -> bool {
    value.trunc().total_cmp(&value).is_eq() && value.abs() < 9_007_199_254_740_992.0
}

/// A key as TOML writes it: bare where it can be.
fn toml_key(key: &str) -> String {
    let mut text = String::new();
    push_toml_key(&mut text, key);
    text
}

/// Appends a key as TOML writes it.
pub(crate) fn push_toml_key(text: &mut String, key: &str) {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if bare { text.push_str(key) } else { text.push_str(&toml::Value::from(key).to_string()) }
}

/// The tree of a TOML file's text.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Table, InputErrors> {
    let whole = Origin::file(path);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut issues: Vec<Issue> = errors
        .iter()
        .map(|error| {
            let origin = error.span().map_or_else(|| whole.clone(), |span| whole.at(text, span.start));
            Issue::new(&origin, format!("not valid TOML: {}", error.message().replace('\n', ", ")))
        })
        .collect();
    let tree = Converter { text, whole, issues: &mut issues }.table(table.get_ref());
    if issues.is_empty() { Ok(tree) } else { Err(InputErrors::new(issues)) }
}

struct Converter<'a> {
    text: &'a str,
    whole: Origin,
    issues: &'a mut Vec<Issue>,
}

impl Converter<'_> {
    fn origin<T>(&self, spanned: &Spanned<T>) -> Origin {
        self.whole.at(self.text, spanned.span().start)
    }

    fn table(&mut self, table: &DeTable<'_>) -> Table {
        let mut tree = Table::new();
        for (key, value) in table {
            let key_origin = self.origin(key);
            if let Some(node) = self.node(key_origin, value) {
                tree.insert(key.get_ref().to_string(), node);
            }
        }
        tree
    }

    fn node(&mut self, key_origin: Origin, value: &Spanned<DeValue<'_>>) -> Option<Node> {
        let origin = self.origin(value);
        let content = match value.get_ref() {
            DeValue::String(text) => Content::Text(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(value) => Content::Integer(value),
                Err(_) => return self.refuse(&origin, format!("{number} is too large for an integer")),
            },
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(value) if value.is_finite() => Content::Float(value),
                Ok(_) | Err(_) => {
                    return self.refuse(&origin, format!("{} is not a finite number", number.as_str()));
                }
            },
            DeValue::Boolean(value) => Content::Flag(*value),
            DeValue::Datetime(date) => return self.refuse(&origin, format!("{date} is a date; no key takes one")),
            DeValue::Array(items) => {
                Content::List(items.iter().filter_map(|item| self.node(self.origin(item), item)).collect())
            }
            DeValue::Table(table) => Content::Table(self.table(table)),
        };
        Some(Node { key_origin, origin, content })
    }

    fn refuse(&mut self, origin: &Origin, message: String) -> Option<Node> {
        self.issues.push(Issue::new(origin, message));
        None
    }
}

/// Lays `over` on `base`: tables key by key, anything else replaces what was there.
pub(crate) fn overlay(base: &mut Table, over: &Table) {
    for (key, node) in over {
        match (base.get_mut(key).map(|node| &mut node.content), &node.content) {
            (Some(Content::Table(below)), Content::Table(above)) => overlay(below, above),
            (Some(_) | None, _) => {
                base.insert(key.clone(), node.clone());
            }
        }
    }
}

/// A dotted key's first name, and what follows it.
fn split(key: &str) -> (&str, Option<&str>) {
    key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)))
}

/// The node at a dotted key; elements of a list are named by their numbers, from 0.
pub fn get<'a>(tree: &'a Table, key: &str) -> Option<&'a Node> {
    let (first, rest) = split(key);
    get_below(tree.get(first)?, rest)
}

fn get_below<'a>(node: &'a Node, key: Option<&str>) -> Option<&'a Node> {
    let Some(key) = key else { return Some(node) };
    match &node.content {
        Content::Table(table) => get(table, key),
        Content::List(items) => {
            let (index, rest) = split(key);
            get_below(items.get(index.parse::<usize>().ok()?)?, rest)
        }
        Content::Text(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
    }
}

/// Replaces the value at a dotted key; tables on the way are made where there are none.
pub(crate) fn set(tree: &mut Table, key: &str, node: Node) {
    let (first, Some(rest)) = split(key) else {
        tree.insert(key.to_owned(), node);
        return;
    };
    let section = tree.entry(first.to_owned()).or_insert_with(|| Node {
        key_origin: node.key_origin.clone(),
        origin: node.key_origin.clone(),
        content: Content::Table(Table::new()),
    });
    set_below(section, rest, node);
}

fn set_below(section: &mut Node, key: &str, node: Node) {
    let (first, rest) = split(key);
    if let Content::List(items) = &mut section.content
        && let Some(item) = first.parse::<usize>().ok().and_then(|index| items.get_mut(index))
    {
        match rest {
            None => *item = node,
            Some(rest) => set_below(item, rest, node),
        }
        return;
    }
    // What is no table cannot hold the key: whoever reads it says so.
    if !matches!(section.content, Content::Table(_)) {
        section.content = Content::Table(Table::new());
    }
    if let Content::Table(table) = &mut section.content {
        set(table, key, node);
    }
}

/// Why a key that ends with a number names no element of a list of the tree; none if it does, or ends with a name, or if
/// there is nothing where the list should be.
pub(crate) fn misplaced_element(tree: &Table, key: &str) -> Option<String> {
    let (list, index) = key.rsplit_once('.')?;
    let index = index.parse::<usize>().ok()?;
    match &get(tree, list)?.content {
        Content::List(items) if index < items.len() => None,
        Content::List(items) if items.is_empty() => Some(format!("{list} is an empty list")),
        Content::List(items) => {
            Some(format!("{list} has {} elements; allowed: {list}.0 to {list}.{}", items.len(), items.len() - 1))
        }
        Content::Table(_) => None,
        other @ (Content::Text(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_)) => {
            Some(format!("{list} is {}, not a list with elements", other.kind()))
        }
    }
}

/// Removes the value at a dotted key, if there is one.
pub(crate) fn remove(tree: &mut Table, key: &str) {
    match key.split_once('.') {
        None => {
            tree.remove(key);
        }
        Some((first, rest)) => {
            if let Some(Content::Table(table)) = tree.get_mut(first).map(|node| &mut node.content) {
                remove(table, rest);
            }
        }
    }
}

/// Every value that is not a table, by its dotted key, in alphabetical order.
pub fn leaves(tree: &Table) -> Vec<(String, &Node)> {
    let mut found = Vec::new();
    collect_leaves(tree, "", &mut found);
    found
}

fn collect_leaves<'a>(tree: &'a Table, prefix: &str, found: &mut Vec<(String, &'a Node)>) {
    for (key, node) in tree {
        let key = format!("{prefix}{}", toml_key(key));
        match &node.content {
            Content::Table(table) if !table.is_empty() => collect_leaves(table, &format!("{key}."), found),
            Content::Table(_)
            | Content::List(_)
            | Content::Text(_)
            | Content::Integer(_)
            | Content::Float(_)
            | Content::Flag(_) => found.push((key, node)),
        }
    }
}

/// The tree as TOML text: plain values first, then one section for each table.
pub fn to_toml(tree: &Table) -> String {
    let mut text = String::new();
    write_section(tree, "", &mut text);
    text
}

fn write_section(tree: &Table, prefix: &str, text: &mut String) {
    for (key, node) in tree {
        if !matches!(node.content, Content::Table(_)) {
            text.push_str(&format!("{} = {}\n", toml_key(key), toml_value(&node.content)));
        }
    }
    for (key, node) in tree {
        if let Content::Table(table) = &node.content {
            let section = format!("{prefix}{}", toml_key(key));
            text.push_str(&format!("\n[{section}]\n"));
            write_section(table, &format!("{section}."), text);
        }
    }
}

/// A value as TOML writes it; unlike [`Content::canonical`], a float keeps its point.
pub(crate) fn toml_value(content: &Content) -> String {
    match content {
        Content::Float(value) => format!("{value:?}"),
        Content::List(items) => {
            let items: Vec<_> = items.iter().map(|item| toml_value(&item.content)).collect();
            format!("[{}]", items.join(", "))
        }
        Content::Table(_) | Content::Text(_) | Content::Integer(_) | Content::Flag(_) => content.canonical(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Table {
        parse(Path::new("x.toml"), text).unwrap()
    }

    fn canonical(tree: &Table) -> String {
        Content::Table(tree.clone()).canonical()
    }

    #[test]
    fn every_value_knows_where_it_stands() {
        let tree = tree("a = 1\n[b]\nc = [1.5,\n  'x']\n");
        let list = get(&tree, "b.c").unwrap();
        assert_eq!(list.key_origin.to_string(), "x.toml:3:1");
        assert_eq!(list.origin.to_string(), "x.toml:3:5");
        let Content::List(items) = &list.content else { panic!("{list:?}") };
        assert_eq!(items[1].origin.to_string(), "x.toml:4:3");
    }

    #[test]
    fn an_overlay_replaces_values_and_keeps_the_other_keys_of_a_table() {
        let mut base = tree("a = 1\n[b]\nc = 1\nd = [1, 2]\n");
        overlay(&mut base, &tree("[b]\nd = [3]\ne = 'new'\n"));
        assert_eq!(canonical(&base), r#"{ a = 1, b = { c = 1, d = [3], e = "new" } }"#);
    }

    #[test]
    fn an_element_of_a_list_is_named_by_its_number() {
        let mut tree = tree("[b]\nc = [1, 2]\n");
        assert_eq!(get(&tree, "b.c.1").map(|node| node.content.canonical()), Some("2".to_owned()));
        assert!(get(&tree, "b.c.2").is_none() && get(&tree, "b.c.x").is_none());
        let node = get(&tree, "b.c.0").unwrap().clone();
        set(&mut tree, "b.c.1", node);
        assert_eq!(canonical(&tree), "{ b = { c = [1, 1] } }");
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        assert_eq!(canonical(&tree("a = 100.0\nb = 0x10\nc = 1e-3")), canonical(&tree("a = 100\nb = 16\nc = 0.001")));
    }

    #[test]
    fn text_made_from_a_tree_reads_back_as_the_tree() {
        let original = tree("name = 'a \"b\"'\nx = 2.0\n[s]\ny = [1.0, 2]\n[s.t]\n'odd key' = true\n");
        let again = tree(&to_toml(&original));
        assert_eq!(canonical(&original), canonical(&again));
    }

    #[test]
    fn every_syntax_error_is_reported_with_its_place() {
        let errors = parse(Path::new("x.toml"), "a = \nb = 1979-05-27\nc = inf\n").unwrap_err().to_string();
        assert!(errors.contains("x.toml:1:"), "{errors}");
        assert!(errors.contains("x.toml:2:5: 1979-05-27 is a date; no key takes one"), "{errors}");
        assert!(errors.contains("x.toml:3:5: inf is not a finite number"), "{errors}");
    }
}
