//! Files that cells share: each trace and each profile is read once for an experiment.

use crate::issue::InputErrors;
use crate::profile::Profile;
use crate::reader::Reader;
use crate::source;
use crate::trace_source::{self, LoadedTrace};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What has been read so far.
#[derive(Debug, Default)]
pub(crate) struct Library {
    trace_dir: Option<PathBuf>,
    /// By the folder of the file that names it, and by name.
    traces: BTreeMap<(PathBuf, String), Result<Arc<LoadedTrace>, InputErrors>>,
    profiles: BTreeMap<PathBuf, Result<Arc<Profile>, InputErrors>>,
}

impl Library {
    /// An empty library that looks for published traces in `trace_dir` as well.
    pub(crate) fn new(trace_dir: Option<PathBuf>) -> Self {
        Self { trace_dir, ..Self::default() }
    }

    /// The trace that `workload.trace` names.
    pub(crate) fn trace(&mut self, reader: &mut Reader<'_>) -> Option<Arc<LoadedTrace>> {
        let name = reader.text("workload.trace")?;
        let named_at = &reader.node("workload.trace")?.origin;
        let load = || trace_source::load(name, named_at, self.trace_dir.as_deref()).map(Arc::new);
        let folder = named_at.file.parent().map(Path::to_owned).unwrap_or_default();
        let loaded = self.traces.entry((folder, name.to_owned())).or_insert_with(load);
        loaded.as_ref().map_err(|errors| reader.extend(errors.issues())).ok().cloned()
    }

    /// The profile that `model.profile` names, from the folder of the file that says so.
    pub(crate) fn profile(&mut self, reader: &mut Reader<'_>) -> Option<Arc<Profile>> {
        let label = reader.text("model.profile")?;
        let named_at = &reader.node("model.profile")?.origin;
        let path = source::beside(&named_at.file, label);
        let load = || {
            let text = source::read(&path, named_at)?;
            Profile::read(&path, label, &text).map(Arc::new)
        };
        let loaded = self.profiles.entry(path.clone()).or_insert_with(load);
        loaded.as_ref().map_err(|errors| reader.extend(errors.issues())).ok().cloned()
    }

    /// Every trace that was loaded.
    pub(crate) fn traces(&self) -> impl Iterator<Item = &LoadedTrace> {
        self.traces.values().filter_map(|loaded| loaded.as_ref().ok()).map(Arc::as_ref)
    }
}
