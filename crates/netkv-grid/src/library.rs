//! Files that cells share: each trace and each profile is read once for an experiment.

use crate::issue::{InputErrors, Issue, Origin};
use crate::profile::Profile;
use crate::reader::Reader;
use crate::recorded;
use crate::source;
use crate::topology::Topology;
use crate::trace_source::{self, LoadedTrace};
use netkv_fabric::Recording;
use netkv_script::{Script, ScriptConfig};
use netkv_workload::{Lengths, Reading, WorkloadSpec};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Checked workloads that are remembered. Chosen by us: neighbouring points differ in few of them.
const MAX_CHECKED: usize = 16;

/// What has been read so far; points are read on all cores.
#[derive(Debug, Default)]
pub(crate) struct Library {
    trace_dir: Option<PathBuf>,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    /// By the folder of the file that names it, by name, and by how it is to be read.
    traces: BTreeMap<(PathBuf, String, String), Result<Arc<LoadedTrace>, InputErrors>>,
    profiles: BTreeMap<PathBuf, Result<Arc<Profile>, InputErrors>>,
    topologies: BTreeMap<PathBuf, Result<Arc<Topology>, InputErrors>>,
    recordings: BTreeMap<PathBuf, Result<Arc<Recording>, InputErrors>>,
    /// By file, with what the experiment says beside it.
    scripts: Vec<(PathBuf, ScriptConfig, Result<Script, InputErrors>)>,
    /// What routers' commands are known by.
    commands: BTreeMap<Vec<String>, String>,
    /// Workloads without errors, with whether time is scaled and their lengths; the oldest first.
    checked: VecDeque<(Arc<LoadedTrace>, WorkloadSpec, bool, Lengths)>,
}

impl Library {
    /// An empty library that looks for published traces in `trace_dir` as well.
    pub(crate) fn new(trace_dir: Option<PathBuf>) -> Self {
        Self { trace_dir, ..Self::default() }
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        // A panic while the lock is held leaves entries whole.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The trace that `workload.trace` names, read as `reading` says.
    pub(crate) fn trace(&self, reader: &mut Reader<'_>, reading: &Reading) -> Option<Arc<LoadedTrace>> {
        let name = reader.text("workload.trace");
        reader.note("workload.trace", trace_source::allowed);
        let name = name?;
        let named_at = &reader.node("workload.trace")?.origin;
        let load = || trace_source::load(name, named_at, self.trace_dir.as_deref(), reading).map(Arc::new);
        let folder = named_at.file.parent().map(Path::to_owned).unwrap_or_default();
        let mut read = self.read();
        let loaded = read.traces.entry((folder, name.to_owned(), format!("{reading:?}"))).or_insert_with(load);
        loaded.as_ref().map_err(|errors| reader.extend(errors.issues())).ok().cloned()
    }

    /// The profile that `key` names, from the folder of the file that says so.
    pub(crate) fn profile(&self, reader: &mut Reader<'_>, key: &str) -> Option<Arc<Profile>> {
        let label = reader.text(key);
        reader.note(key, || "a path, seen from the file that names it, or \"builtin:profiles/...\"".to_owned());
        let label = label?;
        let named_at = &reader.node(key)?.origin;
        let path = source::beside(&named_at.file, label);
        let load = || {
            let text = source::read(&path, named_at)?;
            Profile::read(&path, label, &text).map(Arc::new)
        };
        let mut read = self.read();
        let loaded = read.profiles.entry(path.clone()).or_insert_with(load);
        loaded.as_ref().map_err(|errors| reader.extend(errors.issues())).ok().cloned()
    }

    /// The topology file that `key` names, from the folder of the file that says so.
    pub(crate) fn topology(&self, reader: &mut Reader<'_>, key: &str) -> Option<Arc<Topology>> {
        let label = reader.text(key)?;
        let named_at = &reader.node(key)?.origin;
        let path = source::beside(&named_at.file, label);
        let load = || Topology::load(&path, named_at).map(Arc::new);
        let mut read = self.read();
        let loaded = read.topologies.entry(path.clone()).or_insert_with(load);
        loaded.as_ref().map_err(|errors| reader.extend(errors.issues())).ok().cloned()
    }

    /// The record that `background.file` names, from the folder of the file that says so.
    pub(crate) fn recording(&self, reader: &mut Reader<'_>) -> Option<Arc<Recording>> {
        let label = reader.text("background.file")?;
        let named_at = &reader.node("background.file")?.origin;
        let path = source::beside(&named_at.file, label);
        let load = || {
            if std::fs::metadata(&path).is_ok_and(|file| file.len() > recorded::MAX_BYTES) {
                let most = recorded::MAX_BYTES >> 20;
                return Err(Issue::new(named_at, format!("{} is larger than {most} MiB", path.display())).into());
            }
            let text = source::read(&path, named_at)?;
            recorded::read(&path, &text).map(Arc::new)
        };
        let mut read = self.read();
        let loaded = read.recordings.entry(path.clone()).or_insert_with(load);
        loaded.as_ref().map_err(|errors| reader.extend(errors.issues())).ok().cloned()
    }

    /// The script that `key` names, from the folder of the file that says so.
    pub(crate) fn script(&self, reader: &mut Reader<'_>, key: &str, config: ScriptConfig) -> Option<Script> {
        let label = reader.text(key)?;
        let named_at = &reader.node(key)?.origin;
        let path = source::beside(&named_at.file, label);
        let load = || {
            let text = source::read(&path, named_at)?;
            Script::read(label, &text, config.clone()).map_err(|error| {
                let position = (error.line > 0).then_some((error.line as u32, error.column.max(1) as u32));
                Issue::new(&Origin { position, ..Origin::file(&path) }, error.message).into()
            })
        };
        let mut read = self.read();
        let known = read.scripts.iter().find(|(other, own, _)| (other, own) == (&path, &config));
        let loaded = match known {
            Some((_, _, loaded)) => loaded.clone(),
            None => {
                let loaded = load();
                read.scripts.push((path, config, loaded.clone()));
                loaded
            }
        };
        loaded.map_err(|errors: InputErrors| reader.extend(errors.issues())).ok()
    }

    /// What the files hold that a command names, as a digest; looked at once for an experiment.
    pub(crate) fn command(&self, command: &[String]) -> String {
        let mut read = self.read();
        let known = read.commands.entry(command.to_vec());
        known.or_insert_with(|| netkv_external::identity_of(command)).clone()
    }

    /// The lengths of a workload that was found to have no errors before.
    pub(crate) fn checked(&self, source: &Arc<LoadedTrace>, spec: &WorkloadSpec, is_scaled: bool) -> Option<Lengths> {
        let read = self.read();
        let is_it = |(own, other, scaled, _): &&(Arc<LoadedTrace>, WorkloadSpec, bool, Lengths)| {
            Arc::ptr_eq(own, source) && other == spec && *scaled == is_scaled
        };
        read.checked.iter().rev().find(is_it).map(|(_, _, _, lengths)| *lengths)
    }

    /// Remembers a workload without errors.
    pub(crate) fn remember(&self, source: &Arc<LoadedTrace>, spec: WorkloadSpec, is_scaled: bool, lengths: Lengths) {
        let mut read = self.read();
        if read.checked.len() >= MAX_CHECKED {
            read.checked.pop_front();
        }
        read.checked.push_back((source.clone(), spec, is_scaled, lengths));
    }

    /// The files that were loaded, but for traces: those of profiles, topologies, records and scripts.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let read = self.read();
        let scripts = read.scripts.iter().map(|(path, _, _)| path);
        let paths = read.profiles.keys().chain(read.topologies.keys()).chain(read.recordings.keys()).chain(scripts);
        paths.cloned().collect()
    }

    /// Every trace that was loaded.
    pub(crate) fn into_traces(self) -> Vec<Arc<LoadedTrace>> {
        let read = self.read.into_inner().unwrap_or_else(PoisonError::into_inner);
        read.traces.into_values().filter_map(Result::ok).collect()
    }
}
