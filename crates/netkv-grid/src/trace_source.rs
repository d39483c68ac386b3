//! Where a trace comes from: the published file if it is at hand, the generator, or a file of the user's.

use crate::guarded::read_trace;
use crate::issue::{InputErrors, Issue, Origin};
use crate::source;
use netkv_units::sha256_hex;
use netkv_workload::{BLOCK_TOKENS, ReadTrace, Reading, StampGaps, SyntheticKind, Trace, generate};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A published trace, by the name that stands for it; the generator stands in where its file is not at hand.
struct Published {
    /// What experiment files call it.
    name: &'static str,
    /// Names that its file may have.
    files: &'static [&'static str],
    /// What captions call it.
    label: &'static str,
    /// How its file is known.
    known_by: KnownBy,
    /// Kind of the generated trace that stands in for it, of seed [`FALLBACK_SEED`].
    stand_in: &'static str,
}

/// How a published file is told from others.
enum KnownBy {
    /// Its SHA-256.
    Sha256(&'static str),
    /// Its number of rows alone: its checksum was never seen here.
    Rows(usize),
}

/// The published traces that experiments may name.
const PUBLISHED: [Published; 2] = [
    Published {
        name: "mooncake_conversation",
        files: &["conversation_trace.jsonl"],
        label: "Mooncake conversation trace",
        // kvcache-ai/Mooncake, FAST25-release/traces, commit 3cca71d.
        known_by: KnownBy::Sha256("b8cbb061a85206d729d91cdc2981f43c9e0d99209dce588d3af5f7934408b9df"),
        stand_in: "conversation",
    },
    Published {
        // Its 23,608 rows are the "23K requests" of the NetKV paper (arXiv 2606.03910, section VI); those of the arXiv
        // release of Mooncake are as many.
        name: "mooncake_toolagent",
        files: &["toolagent_trace.jsonl", "mooncake_trace.jsonl"],
        label: "Mooncake tool and agent trace",
        known_by: KnownBy::Rows(23_608),
        stand_in: "toolagent_approx",
    },
];

/// Seed of the generated trace that stands in for a published one.
const FALLBACK_SEED: u64 = 1;

/// Kinds of generated traces by name.
const KINDS: [(&str, SyntheticKind); 3] = [
    ("conversation", SyntheticKind::Conversation),
    ("synthetic", SyntheticKind::Synthetic),
    ("toolagent_approx", SyntheticKind::ToolagentApprox),
];

/// Where requests came from, for manifests and captions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceOrigin {
    /// In words: "Mooncake conversation trace", "mooncake-like generator, seed 1", or the path in the experiment file, with
    /// what it was read as if that is not Mooncake's format.
    pub label: String,
    /// SHA-256 of the file, or of what the generator would write; of their name if the requests have no end.
    pub sha256: String,
    /// Whether the generator stands in for the published trace because that was not found.
    pub fallback: bool,
}

/// A trace and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct LoadedTrace {
    pub origin: TraceOrigin,
    pub requests: LoadedRequests,
    /// How the file was to be read, if it is no trace of Mooncake's: one file read in two ways is two traces.
    pub read_by: Option<String>,
    /// What the user should be told.
    pub notice: Option<String>,
}

/// The requests themselves.
#[derive(Clone, Debug)]
pub(crate) enum LoadedRequests {
    /// A trace in memory.
    Trace {
        /// Its rows.
        trace: Arc<Trace>,
        /// How its timestamps follow each other.
        gaps: Arc<StampGaps>,
    },
    /// Conversations without end, of a seed.
    Endless(u64),
}

impl LoadedRequests {
    fn of(trace: Arc<Trace>) -> Self {
        let gaps = Arc::new(StampGaps::of(&trace));
        Self::Trace { trace, gaps }
    }

    /// Tokens of a block of their prompts.
    pub(crate) fn block_tokens(&self) -> u32 {
        match self {
            Self::Trace { trace, .. } => trace.block_tokens(),
            Self::Endless(_) => BLOCK_TOKENS,
        }
    }
}

/// Loads what `workload.trace = name` stands for; `named_at` is where it stands, `reading` how a file is to be read.
pub(crate) fn load(
    name: &str,
    named_at: &Origin,
    trace_dir: Option<&Path>,
    reading: &Reading,
) -> Result<LoadedTrace, InputErrors> {
    if let Some(known) = PUBLISHED.iter().find(|known| known.name == name) {
        return match find_published(known, &named_at.file, trace_dir) {
            Some(path) => published(known, &path, named_at, reading),
            None => Ok(stand_in(known, trace_dir)),
        };
    }
    let is_generated = name.starts_with("synthetic:") || name.starts_with("endless:");
    if is_generated && !matches!(reading, Reading::Detected) {
        let message = format!("workload.format is of a file, and \"{name}\" is none; allowed with it: \"auto\"");
        return Err(Issue::new(named_at, message).into());
    }
    if let Some(generated) = name.strip_prefix("synthetic:") {
        return synthetic(generated).ok_or_else(|| Issue::new(named_at, unknown_generator(name)).into());
    }
    if let Some(generated) = name.strip_prefix("endless:") {
        return endless(generated).ok_or_else(|| Issue::new(named_at, unknown_generator(name)).into());
    }
    let path = source::beside(&named_at.file, name);
    let file = parse_file(&path, named_at, reading)?;
    let label = file.read_as.as_ref().map_or(name.to_owned(), |read_as| format!("{name} ({read_as})"));
    let (notice, read_by) = (file.told(name), file.read_by(reading));
    let origin = TraceOrigin { label, sha256: file.sha256, fallback: false };
    Ok(LoadedTrace { origin, requests: LoadedRequests::of(file.trace), read_by, notice })
}

fn unknown_generator(name: &str) -> String {
    format!("workload.trace = \"{name}\" is not a trace; allowed: {}", allowed())
}

/// What `workload.trace` may be, in words.
pub(crate) fn allowed() -> String {
    let kinds: Vec<_> = KINDS.iter().map(|(kind, _)| format!("\"synthetic:{kind}:SEED\"")).collect();
    let published = PUBLISHED.map(|known| format!("\"{}\"", known.name));
    format!("{}, {}, \"endless:conversation:SEED\", or a path", published.join(", "), kinds.join(", "))
}

/// The published file in the nearest `traces` folder above the experiment file, in ./traces, or in `trace_dir`.
fn find_published(known: &Published, experiment: &Path, trace_dir: Option<&Path>) -> Option<PathBuf> {
    let absolute = std::path::absolute(experiment).ok();
    let above = absolute.iter().flat_map(|path| path.ancestors().skip(1)).map(|folder| folder.join("traces"));
    // The variable may name the file itself.
    let is_named = |path: &&Path| path.is_file() && known.files.iter().any(|file| path.ends_with(file));
    let named = trace_dir.filter(is_named).map(Path::to_owned);
    let places = above.chain([PathBuf::from("traces")]).chain(trace_dir.map(Path::to_owned));
    let paths = places.flat_map(|folder| known.files.iter().map(move |file| folder.join(file)));
    paths.into_iter().chain(named).find(|path| path.is_file())
}

fn published(known: &Published, path: &Path, named_at: &Origin, reading: &Reading) -> Result<LoadedTrace, InputErrors> {
    let file = parse_file(path, named_at, reading)?;
    let told = file.told(&path.display().to_string());
    let read_by = file.read_by(reading);
    let File { trace, sha256, .. } = file;
    let label = known.label;
    let (label, notice) = match known.known_by {
        KnownBy::Sha256(expect) if sha256 == expect => (label.to_owned(), None),
        KnownBy::Sha256(expect) => {
            let told = format!("its sha256 is {sha256}, not {expect}");
            (not_published(path), Some(format!("{} is not the published {label}: {told}", path.display())))
        }
        KnownBy::Rows(rows) if trace.len() == rows => {
            let told = format!("{} has the {rows} rows of the {label}; its checksum is not known here", path.display());
            (format!("{label} (by its number of rows; checksum not verified)"), Some(told))
        }
        KnownBy::Rows(rows) => {
            let told = format!("it has {} rows, not {rows}", trace.len());
            (not_published(path), Some(format!("{} is not the published {label}: {told}", path.display())))
        }
    };
    let notice = [notice, told].into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
    let origin = TraceOrigin { label, sha256, fallback: false };
    Ok(LoadedTrace { origin, requests: LoadedRequests::of(trace), read_by, notice })
}

/// What captions call a file that is not what its name says.
fn not_published(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}, not the published file")
}

/// A file that was read.
struct File {
    trace: Arc<Trace>,
    sha256: String,
    read_as: Option<String>,
    notes: Vec<String>,
}

impl File {
    fn read_by(&self, reading: &Reading) -> Option<String> {
        let block_tokens = self.trace.block_tokens();
        let blocks = if block_tokens == BLOCK_TOKENS { String::new() } else { format!(" blocks of {block_tokens}") };
        self.read_as.is_some().then(|| format!("{reading:?}{blocks}"))
    }

    /// What the user should be told of it.
    fn told(&self, name: &str) -> Option<String> {
        let read_as = self.read_as.as_ref()?;
        let notes: String = self.notes.iter().map(|note| format!("; {note}")).collect();
        Some(format!("{name} was read as {read_as}{notes}"))
    }
}

fn parse_file(path: &Path, named_at: &Origin, reading: &Reading) -> Result<File, InputErrors> {
    let bytes = std::fs::read(path).map_err(|error| {
        let reason = source::reason(path, &error);
        Issue::new(named_at, format!("cannot read the trace {}: {reason}", path.display()))
    })?;
    let read = read_trace(&bytes, reading, None)
        .map_err(|errors| Issue::new(named_at, format!("the trace {} is not valid:\n{errors}", path.display())))?;
    let read_as = read.told();
    let ReadTrace { trace, notes, .. } = read;
    Ok(File { trace: Arc::new(trace), sha256: sha256_hex(&bytes), read_as, notes })
}

fn synthetic(kind_and_seed: &str) -> Option<LoadedTrace> {
    let (kind_name, seed) = kind_and_seed.split_once(':')?;
    let &(_, kind) = KINDS.iter().find(|(name, _)| *name == kind_name)?;
    let seed: u64 = seed.parse().ok()?;
    let trace = generate(kind, seed);
    let label = match kind {
        SyntheticKind::Conversation => format!("mooncake-like generator, seed {seed}"),
        SyntheticKind::Synthetic | SyntheticKind::ToolagentApprox => {
            format!("mooncake-like generator ({kind_name}), seed {seed}")
        }
    };
    let origin = TraceOrigin { label, sha256: trace.sha256(), fallback: false };
    Some(LoadedTrace { origin, requests: LoadedRequests::of(Arc::new(trace)), read_by: None, notice: None })
}

fn endless(kind_and_seed: &str) -> Option<LoadedTrace> {
    let seed: u64 = kind_and_seed.strip_prefix("conversation:")?.parse().ok()?;
    let label = format!("mooncake-like conversations without end, seed {seed}");
    let sha256 = sha256_hex(format!("endless:conversation:{seed}").as_bytes());
    let origin = TraceOrigin { label, sha256, fallback: false };
    Some(LoadedTrace { origin, requests: LoadedRequests::Endless(seed), read_by: None, notice: None })
}

fn stand_in(known: &Published, trace_dir: Option<&Path>) -> LoadedTrace {
    let generated = synthetic(&format!("{}:{FALLBACK_SEED}", known.stand_in)).expect("the generator knows its kinds");
    let other = trace_dir.filter(|path| path.is_file()).map_or_else(String::new, |path| {
        format!("; $NETKV_TRACE_DIR names the file {}, which is none of these, and no folder", path.display())
    });
    let notice = format!(
        "the {} was not found (traces/{}, then $NETKV_TRACE_DIR{other}): using the {}",
        known.label,
        known.files.join(" or "),
        generated.origin.label
    );
    LoadedTrace {
        origin: TraceOrigin { fallback: true, ..generated.origin },
        notice: Some(notice),
        read_by: None,
        requests: generated.requests,
    }
}
