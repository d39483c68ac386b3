//! What an experiment file says about the experiment as a whole, rather than about its cells.

use crate::issue::{Issue, Origin};
use crate::reader::{Range, Reader, list};
use crate::replications::{self, Replications};
use crate::tree::{self, Content, Node, Table};
use netkv_policy::PolicyConfig;
use std::path::Path;

/// Keys of the experiment as a whole: no axis may set them, and no cell's key depends on them.
pub(crate) const OWN_KEYS: [&str; 19] = [
    "name",
    "seeds",
    "record",
    "axis",
    "exclude",
    "sample",
    "figure",
    "table",
    "words",
    "report",
    "measure.baseline_axis",
    "measure.baseline",
    "measure.confidence_ratio",
    "cost.per_gpu_hour",
    "run.max_cell_s",
    "run.max_events",
    "replications.max",
    "replications.until.metric",
    "replications.until.rel_half_width",
];

/// Sections of such keys alone: no cell's key has any of them.
pub(crate) const OWN_SECTIONS: [&str; 3] = ["cost", "run", "replications"];

/// What figures call the value of an axis whose file has it: nothing of a cell depends on it.
pub(crate) const WORD: &str = "word";

/// Whether a key, or a section, belongs to the experiment as a whole.
pub(crate) fn is_own(key: &str) -> bool {
    OWN_KEYS.contains(&key) || key == WORD
}

/// The axis of the policies, which is one even where there is only one of them.
pub(crate) const POLICY_AXIS: &str = "policy.name";

/// What a missing key is told.
pub(crate) const NO_DEFAULTS: &str = "there are no default values: extend experiments/base.toml, which has every key";

/// Most seeds that can be asked for by their number: as many as an experiment has cells at most.
const MAX_SEEDS: i64 = 1_000_000;

/// What is kept of each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// One row for each cell.
    Cells,
    /// One row for each request as well.
    Requests,
}

/// What a cell may take: one that comes to a limit is a failed row. No cell that ends has another result for them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Wall seconds; a matter of the machine.
    pub max_cell_s: Option<f64>,
    /// Events of the simulation: the same on every machine.
    pub max_events: Option<u64>,
}

/// What an experiment file says about the experiment as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub name: String,
    /// All that may be run.
    pub seeds: Vec<u64>,
    pub replications: Replications,
    pub limits: Limits,
    pub record: Record,
    pub baseline_axis: String,
    pub baseline: String,
    pub confidence_ratio: f64,
    pub cost_per_gpu_hour: f64,
}

impl Header {
    /// Keeps the first so many seeds.
    pub(crate) fn keep_seeds(&mut self, n: usize) {
        self.seeds.truncate(n);
        self.replications = Replications::fixed(self.seeds.len());
    }

    /// Reads the keys of the experiment as a whole; the others are left to the cells.
    pub(crate) fn read(tree: &Table, file: &Origin) -> Result<Self, Vec<Issue>> {
        let mut reader = Reader::new(tree, file, NO_DEFAULTS);
        let header = Self::read_keys(&mut reader);
        let issues = reader.found();
        if issues.is_empty() { Ok(header.expect("a header without errors is complete")) } else { Err(issues) }
    }

    /// Reads the keys, and reports to the reader what is wrong with them.
    pub(crate) fn read_keys(reader: &mut Reader<'_>) -> Option<Self> {
        let name = read_name(reader);
        let seeds = read_seeds(reader);
        let replicated = replications::read(reader, seeds.as_deref());
        let record = reader.choice("record", &[("cells", Record::Cells), ("requests", Record::Requests)]);
        let baseline_axis = reader.text("measure.baseline_axis");
        let baseline = if baseline_axis.is_none_or(|axis| axis == POLICY_AXIS) {
            let names: Vec<_> = PolicyConfig::all_names().map(|name| (name, name)).collect();
            reader.choice("measure.baseline", &names)
        } else {
            reader.text("measure.baseline")
        };
        let limits = read_limits(reader);
        let confidence_ratio = reader.float("measure.confidence_ratio", Range::between(0.0, 1.0));
        let cost_per_gpu_hour = reader.float("cost.per_gpu_hour", Range::closed(0.0, 1e6));
        let (seeds, replications) = replicated?;
        Some(Self {
            name: name?,
            seeds,
            replications,
            limits: limits?,
            record: record?,
            baseline_axis: baseline_axis?.to_owned(),
            baseline: baseline?.to_owned(),
            confidence_ratio: confidence_ratio?,
            cost_per_gpu_hour: cost_per_gpu_hour?,
        })
    }
}

/// A file without a name of its own is called like itself: the name of the file that it extends is another's.
pub(crate) fn name_by_file(tree: &mut Table, file: &Path) {
    if tree.get("name").is_some_and(|node| *node.key_origin.file == *file) {
        return;
    }
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let origin = Origin::file(file);
    let content = Content::Text(stem.chars().map(letter).collect());
    tree.insert("name".to_owned(), Node { key_origin: origin.clone(), origin, content });
}

/// `seeds = 3` is `seeds = [1, 2, 3]`.
pub(crate) fn spread_seeds(tree: &mut Table) {
    let Some(node) = tree.get_mut("seeds") else { return };
    let Content::Integer(n @ 1..=MAX_SEEDS) = node.content else { return };
    let seed = |seed| Node { content: Content::Integer(seed), ..node.clone() };
    node.content = Content::List((1..=n).map(seed).collect());
}

/// 0 is no limit.
fn read_limits(reader: &mut Reader<'_>) -> Option<Limits> {
    let max_cell_s = reader.float("run.max_cell_s", Range::closed(0.0, 1e9));
    let max_events = reader.integer("run.max_events", 0, i64::MAX as u64);
    let (max_cell_s, max_events) = (max_cell_s?, max_events?);
    Some(Limits { max_cell_s: Some(max_cell_s).filter(|&s| s > 0.0), max_events: Some(max_events).filter(|&n| n > 0) })
}

/// Leaves out that more seeds may be run than were given; false if that was not so.
pub(crate) fn fix_seeds(tree: &mut Table) -> bool {
    const MAX: &str = "replications.max";
    let Some(node) = tree::get(tree, MAX).filter(|node| !matches!(node.content, Content::Integer(0))).cloned() else {
        return false;
    };
    tree::set(tree, MAX, Node { content: Content::Integer(0), ..node });
    true
}

fn read_seeds(reader: &mut Reader<'_>) -> Option<Vec<u64>> {
    let allowed = || format!("a number of seeds, 1 to {MAX_SEEDS}, or a list of integers");
    reader.note("seeds", allowed);
    let node = reader.node("seeds")?;
    if list(node).is_some_and(|items| !items.is_empty()) {
        return reader.integers("seeds", 0, u64::from(u32::MAX));
    }
    reader.refuse("seeds", node, &allowed())
}

/// The name is also the folder of the results.
fn read_name(reader: &mut Reader<'_>) -> Option<String> {
    let allowed = "a-z, 0-9, _ and -";
    let name = reader.text("name");
    reader.note("name", || allowed.to_owned());
    let name = name?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if !name.is_empty() && name.bytes().all(plain) {
        return Some(name.to_owned());
    }
    let message = format!("name = \"{name}\" names the folder of the results; allowed: {allowed}");
    reader.fail("name", &message);
    None
}
