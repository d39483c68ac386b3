//! YAML into types, with lines and within limits.

use crate::fault::Fault;
use serde::de::DeserializeOwned;
use serde_saphyr::options::DuplicateKeyPolicy;

/// Most scalars, lists and maps of a document, and bytes of its texts. Chosen by us: a million servers named one by one.
const MAX_NODES: usize = 4_000_000;
const MAX_TEXT: usize = 64 << 20;

/// Deepest nesting. Topograph's models have five levels.
const MAX_DEPTH: usize = 32;

/// Reads one document.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    let mut budget = serde_saphyr::Budget::default();
    budget.max_nodes = MAX_NODES;
    budget.max_events = 2 * MAX_NODES;
    budget.max_total_scalar_bytes = MAX_TEXT;
    budget.max_depth = MAX_DEPTH;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
        let said = error.without_snippet().to_string();
        let first = said.lines().next().unwrap_or("no YAML").to_owned();
        Fault::at(line, first)
    })
}
