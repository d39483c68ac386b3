//! Which format a file is of, by its first lines.

use super::json_lines::lines;
use super::table::{FORMATS, Format, Layout, named};
use super::{otel, separated, vllm_log};
use crate::trace::TraceError;
use serde_json::Value;

/// Lines of a log that are looked at before it is taken for something else. Chosen by us: a server says a lot when it
/// starts.
const N_LOG_LINES: usize = 2_000;

/// What a file in Git's large-file storage is where only its pointer was fetched.
const POINTER: &[u8] = b"version https://git-lfs";

/// The format of these bytes.
pub(super) fn detect(bytes: &[u8]) -> Result<&'static Format, TraceError> {
    let Some((number, line)) = lines(bytes).next() else {
        return Err(TraceError::line(1, "", "the file is empty", &allowed()));
    };
    if line.starts_with(POINTER) {
        let allowed = "the file itself: `git lfs pull`, or `netkv trace fetch`";
        return Err(TraceError::line(number, "", "a pointer of Git LFS, not the file", allowed));
    }
    match line[0] {
        b'{' => return Ok(json(line)),
        b'[' => return Ok(named("sharegpt")),
        _ => {}
    }
    let names = separated::names(line);
    let csv = FORMATS
        .iter()
        .find(|format| format.layout == Layout::Csv && told_by(format, |name| names.iter().any(|own| own == name)));
    if let Some(format) = csv {
        return Ok(format);
    }
    if lines(bytes).take(N_LOG_LINES).any(|(_, line)| vllm_log::is_it(line)) {
        return Ok(named("vllm_log"));
    }
    let text = String::from_utf8_lossy(line);
    Err(TraceError::line(number, &text, "the first line of no known format", &allowed()))
}

/// The format of a file of these columns, which is no text.
#[cfg(feature = "parquet")]
pub(super) fn detect_columns(names: &[&str]) -> Result<&'static Format, TraceError> {
    let mut known = FORMATS.iter().filter(|format| format.layout == Layout::Csv);
    known.find(|format| told_by(format, |name| names.contains(&name))).ok_or_else(|| {
        let problem = format!("columns of no known format: {}", names.join(", "));
        TraceError::file("", &problem, &allowed_columns())
    })
}

/// What a file of columns may be, in words.
#[cfg(feature = "parquet")]
pub(super) fn allowed_columns() -> String {
    let known = FORMATS.iter().filter(|format| format.layout == Layout::Csv);
    let known: Vec<String> = known.map(|format| format!("{} ({})", format.told_by.join(", "), format.name)).collect();
    format!("any columns, with workload.format = \"columns\"; or those of {}", known.join("; "))
}

/// A line that is no JSON is called Mooncake's, whose reader says what is wrong with it.
fn json(line: &[u8]) -> &'static Format {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return named("mooncake") };
    if otel::is_it(&object) {
        return named("otel");
    }
    let lines = FORMATS.iter().filter(|format| format.layout == Layout::JsonLines);
    let mut lines = lines.filter(|format| told_by(format, |name| object.contains_key(name)));
    // A row with ids is Mooncake's own unless something else tells it.
    lines
        .find(|format| format.blocks.is_some() || !object.contains_key("hash_ids"))
        .unwrap_or_else(|| named("mooncake"))
}

fn told_by(format: &Format, has: impl Fn(&str) -> bool) -> bool {
    format.told_by.iter().all(|name| has(name))
}

/// What a file may be, in words.
fn allowed() -> String {
    let known: Vec<String> = FORMATS.iter().map(|format| format!("{} ({})", format.title, format.name)).collect();
    format!("{}; or any CSV or parquet file, with workload.format = \"columns\"", known.join(", "))
}
