//! Every key of an experiment file: what the reader says that it may hold, its value in the base experiment, its meaning.
//!
//! What keys there are and what they may hold is noted while the base experiment is read, so it is what any file is read by.
//! Meanings stand in `meanings.toml`, which a test holds to these keys.

use crate::builtin;
use crate::header::{self, Header};
use crate::issue::Origin;
use crate::library::Library;
use crate::reader::Reader;
use crate::source;
use crate::spec::CellSpec;
use crate::tree::{self, Content, Node, Table};
use netkv_units::unit_of_key;
use std::collections::BTreeMap;
use std::path::Path;

/// Meanings of keys; what `about` says is of the section.
const MEANINGS: &str = include_str!("meanings.toml");

/// The word in it for what a section is about.
const ABOUT: &str = "about";

/// A key of an experiment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// The key, dotted.
    pub key: String,
    /// Its unit, "-" if it has none.
    pub unit: &'static str,
    /// What it may hold, as errors say it.
    pub allowed: String,
    /// Its value in the base experiment, as TOML.
    pub base: String,
    /// What it means.
    pub meaning: String,
}

/// A section of an experiment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionDoc {
    /// Its name; empty for the keys at the top.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Its keys.
    pub keys: Vec<KeyDoc>,
}

/// Every key that is read of an experiment file, by section, in the order of the base experiment. Axes, what is excluded and
/// what figures say are no such keys.
pub fn keys() -> Vec<SectionDoc> {
    let path = builtin::path("builtin:base").expect("it is a name of netkv's own");
    let base = source::load(&path).expect("netkv's own files are valid");
    let meanings = meanings();
    let place = |key: &String| tree::get(&base, key).and_then(|node| node.key_origin.position);
    let mut read: Vec<(String, String)> = asked(&base, &path).into_iter().collect();
    read.sort_by_key(|(key, _)| place(key));
    let mut sections: Vec<SectionDoc> = Vec::new();
    for (key, allowed) in read {
        let section = key.rsplit_once('.').map_or("", |(section, _)| section).to_owned();
        let doc = KeyDoc {
            unit: unit_of_key(&key),
            allowed,
            base: tree::get(&base, &key).map(|node| tree::toml_value(&node.content)).unwrap_or_default(),
            meaning: meanings.get(&key).cloned().unwrap_or_default(),
            key,
        };
        match sections.last_mut().filter(|last| last.name == section) {
            Some(last) => last.keys.push(doc),
            None => {
                let about = meanings.get(&format!("{section}.{ABOUT}")).cloned().unwrap_or_default();
                sections.push(SectionDoc { name: section, about, keys: vec![doc] });
            }
        }
    }
    sections
}

/// Every key that the readers ask for, with what it may hold.
fn asked(base: &Table, path: &Path) -> BTreeMap<String, String> {
    let file = Origin::file(path);
    let mut tree = base.clone();
    // Keys are read whatever the trace is; this one is there at once.
    if let Some(node) = tree::get(base, "workload.trace") {
        let content = Content::Text("endless:conversation:1".to_owned());
        tree::set(&mut tree, "workload.trace", Node { content, ..node.clone() });
    }
    let mut reader = Reader::new(&tree, &file, header::NO_DEFAULTS);
    reader.take_notes();
    // What is wrong with it does not matter here.
    let _ = Header::read_keys(&mut reader);
    let _ = CellSpec::read_keys(&mut reader, &Library::new(None));
    reader.notes()
}

/// Meanings by key, those of sections included.
fn meanings() -> BTreeMap<String, String> {
    let tree = tree::parse(Path::new("meanings.toml"), MEANINGS).expect("netkv's own file is valid");
    let text = |node: &Node| match &node.content {
        Content::Text(text) => text.clone(),
        Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => {
            unreachable!("meanings are words")
        }
    };
    tree::leaves(&tree).into_iter().map(|(key, node)| (key, text(node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_that_is_read_has_a_meaning_and_a_value_and_there_are_no_others() {
        let sections = keys();
        let keys: Vec<&KeyDoc> = sections.iter().flat_map(|section| &section.keys).collect();
        for key in &keys {
            let KeyDoc { key, allowed, base, meaning, .. } = key;
            assert!(!allowed.is_empty() && !base.is_empty(), "{key} is not in experiments/base.toml");
            assert!(!meaning.is_empty(), "{key} has no meaning: say it in meanings.toml");
        }
        let read: BTreeSet<&str> = keys.iter().map(|key| key.key.as_str()).collect();
        assert_eq!(read.len(), keys.len(), "each once");
        let about = |key: &str| key.strip_suffix(ABOUT).and_then(|key| key.strip_suffix('.')).map(str::to_owned);
        let sections: BTreeSet<&str> = sections.iter().map(|section| section.name.as_str()).collect();
        for key in meanings().keys() {
            let is_known = about(key).map_or(read.contains(key.as_str()), |own| sections.contains(own.as_str()));
            assert!(is_known, "meanings.toml has {key}, which nobody reads");
        }
        let base = source::load(&builtin::path("builtin:base").unwrap()).unwrap();
        for (key, _) in tree::leaves(&base) {
            let is_shown = key.starts_with("words.") || key.starts_with("report.");
            assert!(is_shown || read.contains(key.as_str()), "base.toml has {key}, which nobody notes");
        }
        let lacks =
            sections.iter().find(|name| !name.is_empty() && !meanings().contains_key(&format!("{name}.{ABOUT}")));
        assert_eq!(lacks, None, "a section without words");
    }

    #[test]
    fn what_is_allowed_is_said_as_errors_say_it() {
        let sections = keys();
        let find = |key: &str| sections.iter().flat_map(|section| &section.keys).find(|doc| doc.key == key).unwrap();
        assert_eq!(find("fabric.nic_gbps").allowed, "a number, above 0 and at most 1000000");
        assert_eq!(find("fabric.nic_gbps").unit, "Gbit/s");
        assert_eq!(find("fabric.uplinks").allowed, "\"pooled\", \"per_link\"");
        assert_eq!(find("cluster.tp").base, "4");
        assert!(find("cluster.placement").allowed.ends_with("or a list of instance numbers"));
        assert!(find("workload.trace").allowed.contains("endless:conversation:SEED"));
        let degraded = &find("fabric.degraded").meaning;
        assert!(crate::spec::DEGRADED_FIELDS.iter().all(|field| degraded.contains(field)), "{degraded}");
    }
}
