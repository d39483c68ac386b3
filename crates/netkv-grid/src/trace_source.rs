//! Where a trace comes from: the published file if it is at hand, the generator, or a file of the user's.

use crate::issue::{InputErrors, Issue, Origin};
use crate::library::sha256_hex;
use crate::source;
use netkv_workload::{SyntheticKind, Trace, generate};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// SHA-256 of the published `conversation_trace.jsonl`: kvcache-ai/Mooncake, FAST25-release/traces, commit 3cca71d.
const MOONCAKE_CONVERSATION_SHA256: &str = "b8cbb061a85206d729d91cdc2981f43c9e0d99209dce588d3af5f7934408b9df";

/// The name that stands for the published trace, and for the generator where there is no such file.
const MOONCAKE_CONVERSATION: &str = "mooncake_conversation";

/// Its file name.
const MOONCAKE_CONVERSATION_FILE: &str = "conversation_trace.jsonl";

/// Seed of the generated trace that stands in for the published one.
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
    /// In words: "Mooncake conversation trace", "mooncake-like generator, seed 1", or the path in the experiment file.
    pub label: String,
    /// SHA-256 of the file, or of what the generator would write; of their name if the requests have no end.
    pub sha256: String,
    /// Whether the generator stands in for the published trace because that was not found.
    pub fallback: bool,
}

/// A trace and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct LoadedTrace {
    pub(crate) origin: TraceOrigin,
    pub(crate) requests: LoadedRequests,
    /// What the user should be told.
    pub(crate) notice: Option<String>,
}

/// The requests themselves.
#[derive(Clone, Debug)]
pub(crate) enum LoadedRequests {
    /// A trace in memory.
    Trace(Arc<Trace>),
    /// Conversations without end, of a seed.
    Endless(u64),
}

/// Loads what `workload.trace = name` stands for; `named_at` is where it stands.
pub(crate) fn load(name: &str, named_at: &Origin, trace_dir: Option<&Path>) -> Result<LoadedTrace, InputErrors> {
    if name == MOONCAKE_CONVERSATION {
        return match find_published(&named_at.file, trace_dir) {
            Some(path) => published(&path, named_at),
            None => Ok(stand_in()),
        };
    }
    if let Some(generated) = name.strip_prefix("synthetic:") {
        return synthetic(generated).ok_or_else(|| Issue::new(named_at, unknown_generator(name)).into());
    }
    if let Some(generated) = name.strip_prefix("endless:") {
        return endless(generated).ok_or_else(|| Issue::new(named_at, unknown_generator(name)).into());
    }
    let path = source::beside(&named_at.file, name);
    let (trace, sha256) = parse_file(&path, named_at)?;
    let origin = TraceOrigin { label: name.to_owned(), sha256, fallback: false };
    Ok(LoadedTrace { origin, requests: LoadedRequests::Trace(trace), notice: None })
}

fn unknown_generator(name: &str) -> String {
    let kinds: Vec<_> = KINDS.iter().map(|(kind, _)| format!("\"synthetic:{kind}:SEED\"")).collect();
    format!(
        "workload.trace = \"{name}\" is not a trace; allowed: \"{MOONCAKE_CONVERSATION}\", {}, \
         \"endless:conversation:SEED\", or a path",
        kinds.join(", ")
    )
}

/// The published file in the nearest `traces` folder above the experiment file, in ./traces, or in `trace_dir`.
fn find_published(experiment: &Path, trace_dir: Option<&Path>) -> Option<PathBuf> {
    let absolute = std::path::absolute(experiment).ok();
    let above = absolute.iter().flat_map(|path| path.ancestors().skip(1)).map(|folder| folder.join("traces"));
    let places = above.chain([PathBuf::from("traces")]).chain(trace_dir.map(Path::to_owned));
    places.map(|folder| folder.join(MOONCAKE_CONVERSATION_FILE)).find(|path| path.is_file())
}

fn published(path: &Path, named_at: &Origin) -> Result<LoadedTrace, InputErrors> {
    let (trace, sha256) = parse_file(path, named_at)?;
    let is_published = sha256 == MOONCAKE_CONVERSATION_SHA256;
    let notice = (!is_published).then(|| {
        format!(
            "{} is not the published Mooncake file: its sha256 is {sha256}, not {MOONCAKE_CONVERSATION_SHA256}",
            path.display()
        )
    });
    let label = if is_published {
        "Mooncake conversation trace".to_owned()
    } else {
        format!("{MOONCAKE_CONVERSATION_FILE}, not the published file")
    };
    let origin = TraceOrigin { label, sha256, fallback: false };
    Ok(LoadedTrace { origin, requests: LoadedRequests::Trace(trace), notice })
}

fn parse_file(path: &Path, named_at: &Origin) -> Result<(Arc<Trace>, String), InputErrors> {
    let bytes = std::fs::read(path)
        .map_err(|error| Issue::new(named_at, format!("cannot read the trace {}: {error}", path.display())))?;
    let trace = Trace::parse(&bytes)
        .map_err(|errors| Issue::new(named_at, format!("the trace {} is not valid:\n{errors}", path.display())))?;
    Ok((Arc::new(trace), sha256_hex(&bytes)))
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
    Some(LoadedTrace { origin, requests: LoadedRequests::Trace(Arc::new(trace)), notice: None })
}

fn endless(kind_and_seed: &str) -> Option<LoadedTrace> {
    let seed: u64 = kind_and_seed.strip_prefix("conversation:")?.parse().ok()?;
    let label = format!("mooncake-like conversations without end, seed {seed}");
    let sha256 = sha256_hex(format!("endless:conversation:{seed}").as_bytes());
    let origin = TraceOrigin { label, sha256, fallback: false };
    Some(LoadedTrace { origin, requests: LoadedRequests::Endless(seed), notice: None })
}

fn stand_in() -> LoadedTrace {
    let generated = synthetic(&format!("conversation:{FALLBACK_SEED}")).expect("the generator knows conversations");
    let notice = format!(
        "the Mooncake conversation trace was not found (traces/{MOONCAKE_CONVERSATION_FILE}, then $NETKV_TRACE_DIR): \
         using the {}",
        generated.origin.label
    );
    LoadedTrace {
        origin: TraceOrigin { fallback: true, ..generated.origin },
        notice: Some(notice),
        requests: generated.requests,
    }
}
