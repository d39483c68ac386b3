//! What changed in an experiment since its tables were written: the reason why finished cells are not those that it has now.

use netkv_grid::Experiment;
use netkv_sim::SIM_EPOCH;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// Keys and sections that no cell depends on.
const NO_CELL: [&str; 15] = [
    "name",
    "record",
    "measure.baseline_axis",
    "measure.baseline",
    "measure.confidence_ratio",
    "axis",
    "exclude",
    "figure",
    "table",
    "report",
    "words",
    "word",
    "cost",
    "run",
    "replications",
];

/// Keys that manifests of older tables lack, with the values that do nothing.
const LATER: [(&str, &str); 3] = [("cost.per_gpu_hour", "0"), ("run.max_cell_s", "0"), ("run.max_events", "0")];

/// Every key in which what a manifest says of an experiment and what its file says now differ, figures and words included. A
/// key that came later with the value that does nothing is no difference.
pub fn differing(old: &Table, new: &Table) -> Vec<String> {
    let flat = |table: &Table| {
        let mut found = BTreeMap::new();
        collect(table, "", &mut found);
        let is_off = found.get("replications.max").is_none_or(|value| value == "0");
        found.retain(|key, value| {
            let does_nothing = LATER.iter().any(|(later, nothing)| key == later && value == nothing);
            !(does_nothing || is_off && key.starts_with("replications."))
        });
        found
    };
    let (old, new) = (flat(old), flat(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|&key| old.get(key) != new.get(key)).cloned().collect()
}

/// Changes by what the manifest in `folder` says and what the experiment says now, in words; none without a manifest.
pub fn since(experiment: &Experiment, folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("manifest.toml")).unwrap_or_default();
    let manifest: Table = toml::from_str(&text).unwrap_or_default();
    let Some(old) = manifest.get("experiment").and_then(Value::as_table) else { return Vec::new() };
    let new: Table = toml::from_str(&experiment.resolved_toml()).expect("a resolved experiment is valid TOML");
    let mut changes = Vec::new();
    if let Some(epoch) = manifest.get("sim_epoch").and_then(Value::as_integer)
        && epoch != i64::from(SIM_EPOCH)
    {
        changes.push(format!("the model: version {epoch} -> {SIM_EPOCH} (sim_epoch)"));
    }
    let (mut old_keys, mut new_keys) = (keys(old), keys(&new));
    let (old_axes, new_axes) = (axes(old), axes(&new));
    // What an axis sets, it says itself.
    old_keys.retain(|key, _| !old_axes.contains_key(key) && !new_axes.contains_key(key));
    new_keys.retain(|key, _| !old_axes.contains_key(key) && !new_axes.contains_key(key));
    let names: BTreeSet<&String> = old_keys.keys().chain(new_keys.keys()).collect();
    let none = "none".to_owned();
    for key in names {
        let (old, new) = (old_keys.get(key).unwrap_or(&none), new_keys.get(key).unwrap_or(&none));
        if old != new {
            changes.push(format!("{key}: {old} -> {new}{}", place(experiment, key)));
        }
    }
    changes.extend(changed_axes(&old_axes, &new_axes));
    changes.extend(changed_files(&manifest, experiment));
    changes
}

/// Where a key is set now.
fn place(experiment: &Experiment, key: &str) -> String {
    let rows = experiment.cell(0).map(|cell| experiment.resolved(&cell)).unwrap_or_default();
    let row = rows.into_iter().find(|(own, _, _)| own == key);
    row.map_or_else(String::new, |(_, _, origin)| format!(" ({origin})"))
}

/// Every key that a cell depends on, dotted, with its value: 2.0 is 2.
fn keys(table: &Table) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(table, "", &mut found);
    let section = |key: &str| key.split('.').next().unwrap_or_default().to_owned();
    found.retain(|key, _| !NO_CELL.contains(&key.as_str()) && !NO_CELL.contains(&section(key).as_str()));
    found
}

fn collect(table: &Table, prefix: &str, found: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value.as_table() {
            Some(below) => collect(below, &format!("{key}."), found),
            None => {
                found.insert(key, shown(value));
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Float(number) => number.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::String(_) | Value::Integer(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => {
            value.to_string()
        }
    }
}

/// An axis: its values, and what its files set.
type Axis = (Vec<String>, BTreeMap<String, String>);

/// Axes by their keys.
fn axes(experiment: &Table) -> BTreeMap<String, Axis> {
    let axes = experiment.get("axis").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table);
    let read = |axis: &Table| {
        let values = axis.get("values")?.as_array()?.iter().map(shown).collect();
        let overlay = axis.get("overlay").and_then(Value::as_table).map(keys).unwrap_or_default();
        Some((axis.get("key")?.as_str()?.to_owned(), (values, overlay)))
    };
    axes.filter_map(read).collect()
}

fn changed_axes(old: &BTreeMap<String, Axis>, new: &BTreeMap<String, Axis>) -> Vec<String> {
    let mut changes = Vec::new();
    for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (Some(before), Some(now)) = (old.get(key), new.get(key)) else {
            changes.push(format!("axis {key} is {}", if old.contains_key(key) { "gone" } else { "new" }));
            continue;
        };
        let lacks = |all: &Axis, some: &Axis| -> Vec<String> {
            some.0.iter().filter(|value| !all.0.contains(value)).cloned().collect()
        };
        for (values, word) in [(lacks(before, now), "new"), (lacks(now, before), "gone")] {
            if !values.is_empty() {
                changes.push(format!("axis {key}: {} {word}", values.join(", ")));
            }
        }
        for (name, value) in &now.1 {
            if let Some(old) = before.1.get(name).filter(|old| *old != value) {
                changes.push(format!("axis {key}, {name}: {old} -> {value}"));
            }
        }
    }
    changes
}

/// Traces and profiles of the same name with another content.
fn changed_files(manifest: &Table, experiment: &Experiment) -> Vec<String> {
    let sums = |list: &str, name: &str| -> BTreeMap<String, String> {
        let entries = manifest.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table);
        let text = |entry: &Table, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        entries.filter_map(|entry| Some((text(entry, name)?, text(entry, "sha256")?))).collect()
    };
    let (traces, profiles) = (sums("trace", "label"), sums("profile", "name"));
    let origins = experiment.trace_origins();
    let now = origins.iter().map(|origin| ("trace", &origin.label, &origin.sha256, &traces));
    let used = experiment.profiles().iter().map(|used| ("profile", &used.label, &used.sha256, &profiles));
    let mut changes = Vec::new();
    for (kind, name, sum, before) in now.chain(used) {
        match before.get(name) {
            Some(old) if old != sum => changes.push(format!("{kind} {name}: another content (sha256)")),
            Some(_) => {}
            None => changes.push(format!("{kind} {name} is new")),
        }
    }
    changes
}
