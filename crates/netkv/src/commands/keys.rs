//! `netkv keys`: what an experiment file may say.

use crate::args::KeysArgs;
use crate::failure::{Ending, Failure};
use crate::output::print;
use netkv_grid::{KeyDoc, SectionDoc, keys as sections, nearest};
use std::fmt::Write as _;

/// The page about experiment files, with a place for the keys.
const PAGE: &str = include_str!("experiments.md");

/// The place in it.
const PLACE: &str = "{{keys}}";

/// Prints every key, or those that were asked for.
pub fn keys(args: &KeysArgs) -> Result<Ending, Failure> {
    let mut sections = sections();
    if let Some(asked) = &args.key {
        select(&mut sections, asked)?;
    }
    let text = match (args.json, args.markdown) {
        (true, _) => json(&sections),
        (false, true) => PAGE.replace(PLACE, &tables(&sections)),
        (false, false) => words(&sections),
    };
    print(&text)?;
    Ok(Ending::Done)
}

/// Keeps the keys of a section of this name, or else those that are called or end so.
fn select(sections: &mut Vec<SectionDoc>, asked: &str) -> Result<(), Failure> {
    let is_below = |name: &str| name == asked || name.starts_with(&format!("{asked}."));
    if sections.iter().any(|section| is_below(&section.name)) {
        sections.retain(|section| is_below(&section.name));
        return Ok(());
    }
    let names = |key: &KeyDoc| [key.key.clone(), key.key.rsplit('.').next().unwrap_or_default().to_owned()];
    let all: Vec<String> = sections.iter().flat_map(|section| &section.keys).flat_map(names).collect();
    for section in &mut *sections {
        section.keys.retain(|key| key.key == asked || key.key.ends_with(&format!(".{asked}")));
    }
    sections.retain(|section| !section.keys.is_empty());
    if !sections.is_empty() {
        return Ok(());
    }
    let hint = nearest(asked, all.iter().map(String::as_str)).map(|near| format!("; did you mean {near}?"));
    Err(Failure::usage(format_args!("there is no key {asked}{}", hint.unwrap_or_default())))
}

fn json(sections: &[SectionDoc]) -> String {
    let row = |key: &KeyDoc| {
        serde_json::json!({
            "key": key.key,
            "unit": key.unit,
            "allowed": key.allowed,
            "base": key.base,
            "meaning": key.meaning,
        })
    };
    let rows: Vec<_> = sections.iter().flat_map(|section| &section.keys).map(row).collect();
    format!("{}\n", serde_json::to_string_pretty(&rows).expect("keys are words"))
}

/// A heading and a table for each section.
fn tables(sections: &[SectionDoc]) -> String {
    let mut text = String::new();
    for section in sections {
        let heading =
            if section.name.is_empty() { "### At the top".to_owned() } else { format!("### `[{}]`", section.name) };
        let about = if section.about.is_empty() { String::new() } else { format!("{}\n\n", section.about) };
        line(&mut text, &format!("{heading}\n\n{about}| key | unit | allowed | in base.toml | meaning |"));
        line(&mut text, "|---|---|---|---|---|");
        for key in &section.keys {
            let name = key.key.rsplit('.').next().unwrap_or_default();
            let KeyDoc { unit, allowed, base, meaning, .. } = key;
            line(&mut text, &format!("| `{name}` | {unit} | {allowed} | `{base}` | {meaning} |"));
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn words(sections: &[SectionDoc]) -> String {
    let mut text = String::new();
    for section in sections {
        if !text.is_empty() {
            text.push('\n');
        }
        if !section.name.is_empty() {
            line(&mut text, &format!("[{}]  {}", section.name, section.about));
        }
        for key in &section.keys {
            let unit = if key.unit == "-" { String::new() } else { format!("  ({})", key.unit) };
            line(&mut text, &format!("{} = {}{unit}", key.key, key.base));
            line(&mut text, &format!("    {}", key.meaning));
            line(&mut text, &format!("    allowed: {}", key.allowed));
        }
    }
    text
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("a string takes any text");
}
