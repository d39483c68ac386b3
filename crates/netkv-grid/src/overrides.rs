//! What a command line changes in an experiment: `--set key=value` and `--seeds N`.
//!
//! Both act on the tree of the file with all that it extends, before any axis does. What was changed stands in the name of
//! the results' folder, so that results of one experiment are never taken for those of another.

use crate::header;
use crate::issue::{InputErrors, Issue, Origin, nearest, with_suggestion};
use crate::reader::list;
use crate::tree::{self, Content, Node, Table};
use netkv_units::Digester;
use std::path::Path;

/// Longest part of a folder's name that tells changes in words. Chosen by us: file systems take 255 bytes.
const MAX_LABEL: usize = 120;

/// What is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Keys with their values: TOML, or a bare word that is a string.
    pub set: Vec<(String, String)>,
    /// So many seeds, from 1.
    pub seeds: Option<u32>,
}

impl Overrides {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.seeds.is_none()
    }

    /// The changes as arguments of a command, each with a space before it.
    pub fn arguments(&self) -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-=/:".contains(&byte);
        let shown = |text: String| {
            if text.bytes().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
        };
        let set = self.set.iter().map(|(key, value)| format!(" --set {}", shown(format!("{key}={value}"))));
        let seeds = self.seeds.map(|seeds| format!(" --seeds {seeds}"));
        set.chain(seeds).collect()
    }

    /// The changes as a part of a folder's name: "+fabric.nic_gbps=50+seeds=10".
    pub fn label(&self) -> String {
        let set = self.set.iter().map(|(key, value)| format!("+{key}={value}"));
        let seeds = self.seeds.map(|seeds| format!("+seeds={seeds}"));
        let whole: String = set.chain(seeds).collect();
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-=+".contains(letter);
        let plain: String = whole.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
        if plain == whole && plain.len() <= MAX_LABEL {
            return plain;
        }
        // Two changes must not share a folder because their names were made plain or short.
        let digest = Digester::new().bytes(whole.as_bytes()).finish().to_string();
        let short: String = plain.chars().take(MAX_LABEL).collect();
        format!("{short}+{}", &digest[..8])
    }

    /// Makes the changes.
    pub(crate) fn apply(&self, tree: &mut Table) -> Result<(), InputErrors> {
        let mut issues = Vec::new();
        for (position, (key, text)) in self.set.iter().enumerate() {
            let origin = Origin::file(Path::new("--set"));
            let is_twice = self.set[..position].iter().any(|(other, _)| other == key);
            let refusal = if is_twice { Some(format!("{key} is set twice")) } else { refusal(tree, key) };
            match refusal {
                Some(message) => issues.push(Issue::new(&origin, message)),
                None => match content(&origin, text) {
                    Some(content) => tree::set(tree, key, Node { key_origin: origin.clone(), origin, content }),
                    None => issues.push(Issue::new(&origin, format!("{key} = {text} is no value"))),
                },
            }
        }
        if let Some(seeds) = self.seeds {
            let origin = Origin::file(Path::new("--seeds"));
            let content = Content::Integer(i64::from(seeds));
            tree::set(tree, "seeds", Node { key_origin: origin.clone(), origin, content });
        }
        if issues.is_empty() { Ok(()) } else { Err(InputErrors::new(issues)) }
    }
}

/// Why a key cannot be set.
fn refusal(tree: &Table, key: &str) -> Option<String> {
    match key {
        "seeds" => return Some("seeds: write --seeds N for the seeds 1 to N".to_owned()),
        "name" => return Some("name cannot be set: the folder of the results tells what was; or use --out".to_owned()),
        _ => {}
    }
    let top = key.split('.').next().unwrap_or(key);
    // `record` and keys of sections, such as cost.per_gpu_hour, say what is kept, compared and run, and may be changed for once.
    if top == "extends" || header::is_own(top) && key != "record" {
        return Some(format!("{key} is no key of a cell: change it in the file"));
    }
    if let Some(axis) = axis_at(tree, key) {
        return Some(format!(
            "{key} is an axis of the experiment ({axis}), whose values would overrule it; run some of them with \
             `netkv run --filter {key}=VALUE`, or change the axis"
        ));
    }
    if tree::get(tree, key).is_some_and(|node| matches!(node.content, Content::Table(_))) {
        return Some(format!("{key} is a section; set one of its keys, such as {key}.{}", first_key(tree, key)));
    }
    if let Some(message) = tree::misplaced_element(tree, key) {
        return Some(message);
    }
    if tree::get(tree, key).is_none() {
        let known: Vec<String> = tree::leaves(tree).into_iter().map(|(known, _)| known).collect();
        let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
        let elsewhere = known.iter().find(|known| last(known) == last(key)).map(String::as_str);
        let near = nearest(key, known.iter().map(String::as_str)).or(elsewhere);
        return Some(with_suggestion(&format!("{key} is not a known key"), near));
    }
    None
}

fn first_key(tree: &Table, section: &str) -> String {
    let Some(Content::Table(table)) = tree::get(tree, section).map(|node| &node.content) else { return String::new() };
    table.keys().next().cloned().unwrap_or_default()
}

/// Where an axis stands that sets this key, or a part of it, by values.
fn axis_at(tree: &Table, key: &str) -> Option<Origin> {
    let axes = list(tree.get("axis")?)?;
    axes.iter().find_map(|axis| {
        let Content::Table(axis) = &axis.content else { return None };
        let own = axis.get("key")?;
        let Content::Text(name) = &own.content else { return None };
        (name == key || name.starts_with(&format!("{key}."))).then(|| own.origin.clone())
    })
}

/// A value as TOML has it; a word that TOML does not take is a string.
fn content(origin: &Origin, text: &str) -> Option<Content> {
    let mut parsed = tree::parse(&origin.file, &format!("value = {text}")).unwrap_or_default();
    if parsed.len() == 1
        && let Some(mut node) = parsed.remove("value")
    {
        move_to(&mut node, origin);
        return Some(node.content);
    }
    (!text.trim().is_empty()).then(|| Content::Text(text.to_owned()))
}

/// All of a value stands on the command line, which has no lines.
fn move_to(node: &mut Node, origin: &Origin) {
    node.key_origin = origin.clone();
    node.origin = origin.clone();
    match &mut node.content {
        Content::Table(table) => table.values_mut().for_each(|node| move_to(node, origin)),
        Content::List(items) => items.iter_mut().for_each(|node| move_to(node, origin)),
        Content::Text(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(set: &[(&str, &str)], seeds: Option<u32>) -> Overrides {
        let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Overrides { set, seeds }
    }

    #[test]
    fn a_folder_is_named_by_what_was_changed() {
        let label = |set: &[(&str, &str)], seeds| overrides(set, seeds).label();
        assert_eq!(label(&[("fabric.nic_gbps", "50")], Some(10)), "+fabric.nic_gbps=50+seeds=10");
        let (one, two) = (label(&[("a", "x y")], None), label(&[("a", "x_y")], None));
        assert!(one.starts_with("+a=x_y+") && two == "+a=x_y", "{one} {two}");
        assert!(label(&[("a", &"9".repeat(500))], None).len() < 140);
    }

    #[test]
    fn changes_are_told_as_the_shell_takes_them() {
        let text = overrides(&[("a.b", "[1, 2]"), ("c", "d")], Some(3)).arguments();
        assert_eq!(text, " --set 'a.b=[1, 2]' --set c=d --seeds 3");
    }

    #[test]
    fn a_value_is_toml_or_a_word() {
        let value = |text: &str| content(&Origin::file(Path::new("--set")), text).map(|content| content.canonical());
        assert_eq!(value("0.5").as_deref(), Some("0.5"));
        assert_eq!(value("netkv").as_deref(), Some("\"netkv\""));
        assert_eq!(value("'netkv'").as_deref(), Some("\"netkv\""));
        assert_eq!(value("[1, 2]").as_deref(), Some("[1, 2]"));
        assert!(matches!(
            content(&Origin::file(Path::new("--set")), "1\nb = 2"),
            Some(Content::Text(text)) if text == "1\nb = 2"
        ));
        assert_eq!(value(" "), None);
    }
}
