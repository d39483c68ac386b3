//! Tables made from a recorded trace, where a generated one stands in for it now: they are not replaced unasked.

use netkv_grid::Experiment;
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// Folder of results, beside those of recorded traces, of runs in which a generated trace stands in.
pub const STAND_IN: &str = "stand-in";

/// The recorded trace that the tables in `folder` were made from, if it is not found now and a generated one stands in.
pub fn lost_trace(experiment: &Experiment, folder: &Path) -> Option<String> {
    let origins = experiment.trace_origins();
    if !origins.iter().any(|origin| origin.fallback) {
        return None;
    }
    let manifest: Table = toml::from_str(&fs::read_to_string(folder.join("manifest.toml")).ok()?).ok()?;
    let traces = manifest.get("trace")?.as_array()?.iter().filter_map(Value::as_table);
    let mut recorded = traces.filter(|trace| trace.get("fallback").and_then(Value::as_bool) == Some(false));
    let text = |trace: &Table, key: &str| Some(trace.get(key)?.as_str()?.to_owned());
    let is_there = |trace: &Table| {
        origins.iter().any(|origin| !origin.fallback && Some(&origin.sha256) == text(trace, "sha256").as_ref())
    };
    recorded.find(|trace| !is_there(trace)).and_then(|trace| text(trace, "label"))
}

/// What to tell of results that go to another folder for that.
pub fn note(trace: &str, kept: &Path, folder: &Path) -> String {
    format!(
        "note: the tables in {} are of the {trace}, which was not found: they stay, and results of the generated trace go to {}. \
         For the same tables put the trace into traces/ (traces/SOURCES.toml says where it is from) or name its folder in \
         NETKV_TRACE_DIR; to replace them say --stand-in",
        kept.display(),
        folder.display()
    )
}
