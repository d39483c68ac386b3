//! Outcomes on disk, so that a sweep can be stopped, repeated and extended and runs only what is missing or failed.
//!
//! A folder of append-only segments, JSON lines with a checksum each. Every process that runs cells writes a segment
//! of its own, so that no two writers ever share a file; readers take the union. A line that was torn by a crash, or
//! changed, or that no run can have left, is dropped. Two results of one cell that differ are an error that names both:
//! the same cell has the same bits.

mod line;
mod segment;

pub use line::Finished;
pub use segment::{Segment, SegmentHeader};

use crate::execute::Status;
use crate::experiment::Cell;
use line::{Line, read_line};
use netkv_units::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A cell's outcome as stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What became of it.
    pub status: Status,
    /// How long it took, in seconds of wall time; never part of a result.
    pub wall_s: f64,
    /// The segment that it stands in.
    pub segment: Arc<SegmentHeader>,
    /// SHA-256 of every file of its requests that was kept, in hexadecimal.
    pub requests: BTreeSet<String>,
    place: Place,
}

/// File and line, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    file: Arc<Path>,
    line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.line)
    }
}

/// Why a store cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The machine's fault.
    #[error("cannot read {path}")]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// Two results of one cell.
    #[error(
        "cell {key} has two different results, at {first} and at {second}: a run is not deterministic, or the model \
         changed without a new SIM_EPOCH; remove the wrong file"
    )]
    Conflict {
        /// The cell's key.
        key: String,
        /// Where one result stands.
        first: String,
        /// Where the other stands.
        second: String,
    },
}

/// The outcomes in a folder.
#[derive(Debug, Default)]
pub struct Store {
    folder: PathBuf,
    max_events: Option<u64>,
    stored: BTreeMap<Digest, Stored>,
    segments: BTreeMap<PathBuf, Known>,
}

/// What is known of a segment.
#[derive(Debug, Default)]
struct Known {
    /// None until it was read.
    header: Option<Arc<SegmentHeader>>,
    /// Whether its lines are of another version, or its header is damaged.
    is_unusable: bool,
    /// Bytes and lines that were read.
    n_bytes: u64,
    n_lines: usize,
    n_damaged_lines: usize,
    /// Whether it ends within a line.
    is_torn: bool,
}

impl Store {
    /// Reads every segment of a folder; a folder that is not there is empty.
    ///
    /// # Errors
    /// If a file cannot be read, or two results of a cell differ.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_within(folder, None)
    }

    /// The same; a cell that took more events than this has failed, as if it had been stopped there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_within(folder: &Path, max_events: Option<u64>) -> Result<Self, StoreError> {
        let mut store = Self { folder: folder.to_owned(), max_events, ..Self::default() };
        store.refresh()?;
        Ok(store)
    }

    /// Reads what came since, from whatever process; says of which cells.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn refresh(&mut self) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        for path in segments(&self.folder)? {
            let mut known = self.segments.remove(&path).unwrap_or_default();
            let read = read_from(&path, known.n_bytes).map_err(|source| StoreError::Io { path: path.clone(), source });
            let added = read.and_then(|bytes| self.add_lines(&path, &mut known, &bytes, &mut keys));
            self.segments.insert(path, known);
            added?;
        }
        Ok(keys)
    }

    fn add_lines(
        &mut self,
        path: &Path,
        known: &mut Known,
        bytes: &[u8],
        keys: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        // What does not end in a newline is torn, or still being written.
        let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        known.n_bytes += end as u64;
        known.is_torn = end < bytes.len();
        let file: Arc<Path> = Arc::from(path);
        for bytes in bytes[..end].split_inclusive(|&byte| byte == b'\n') {
            known.n_lines += 1;
            let line = &bytes[..bytes.len() - 1];
            let Some(segment) = &known.header else {
                match read_line::<SegmentHeader>(line) {
                    Some(header) => {
                        known.is_unusable = !header.is_current();
                        known.header = Some(Arc::new(header));
                    }
                    None => known.n_damaged_lines += 1,
                }
                continue;
            };
            if known.is_unusable || line.is_empty() {
                continue;
            }
            let within = |status| Status::within(status, self.max_events);
            let read = read_line::<Line>(line).and_then(|line| line.into_parts());
            let Some((key, status, line)) = read.map(|(key, status, line)| (key, within(status), line)) else {
                known.n_damaged_lines += 1;
                continue;
            };
            let place = Place { file: file.clone(), line: known.n_lines };
            let requests = line.requests.into_iter().collect();
            keys.push(line.key);
            self.add(key, Stored { status, wall_s: line.wall_s, segment: segment.clone(), requests, place })?;
        }
        Ok(())
    }

    fn add(&mut self, key: Digest, mut new: Stored) -> Result<(), StoreError> {
        let Some(old) = self.stored.get_mut(&key) else {
            self.stored.insert(key, new);
            return Ok(());
        };
        match (&old.status, &new.status) {
            (Status::Done { .. }, Status::Done { .. }) if old.status != new.status => {
                let (first, second) = (old.place.to_string(), new.place.to_string());
                return Err(StoreError::Conflict { key: key.to_string(), first, second });
            }
            // The first result stays, and any result is better than a failure.
            (Status::Done { .. }, Status::Done { .. } | Status::Failed { .. }) => {
                old.requests.append(&mut new.requests)
            }
            (Status::Failed { .. }, Status::Done { .. } | Status::Failed { .. }) => *old = new,
        }
        Ok(())
    }

    /// What became of the cell with this key, if it was ever run.
    pub fn get(&self, key: Digest) -> Option<&Stored> {
        self.stored.get(&key)
    }

    /// The same by the key's name.
    pub fn get_by_name(&self, key: &str) -> Option<&Stored> {
        self.stored.get(&Digest::parse(key)?)
    }

    /// Lines that were torn or changed, and are ignored.
    pub fn n_damaged_lines(&self) -> usize {
        self.segments.values().map(|known| known.n_damaged_lines + usize::from(known.is_torn)).sum()
    }

    /// Segments of another version of the model or its metrics; they are ignored.
    pub fn n_outdated_segments(&self) -> usize {
        self.segments.values().filter(|known| known.is_unusable).count()
    }

    /// The segments whose first line could be read, of any version.
    pub fn segments(&self) -> impl Iterator<Item = (&Path, &SegmentHeader)> {
        self.segments.iter().filter_map(|(path, known)| Some((path.as_path(), known.header.as_deref()?)))
    }

    /// Mean wall time of the finished cells, in seconds.
    pub fn mean_wall_s(&self) -> Option<f64> {
        let done = || self.stored.values().filter(|stored| matches!(stored.status, Status::Done { .. }));
        let sum: f64 = done().map(|stored| stored.wall_s).sum();
        Some(done().count()).filter(|&n| n > 0).map(|n| sum / n as f64)
    }

    /// Which of `cells` must be run, and why.
    pub fn plan(&self, cells: impl IntoIterator<Item = Cell>) -> Plan {
        let mut plan = Plan::default();
        let mut planned = BTreeSet::new();
        for cell in cells {
            let reason = match self.get(cell.key).map(|stored| &stored.status) {
                Some(Status::Done { .. }) => {
                    plan.n_cached += 1;
                    continue;
                }
                Some(Status::Failed { message }) => Reason::Failed { message: message.clone() },
                None => Reason::New,
            };
            if planned.insert(cell.key) {
                plan.missing.push((cell, reason));
            } else {
                plan.n_shared += 1;
            }
        }
        plan
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Cells whose result is stored.
    pub n_cached: usize,
    /// Cells that are equal to another missing one in everything, and get its result.
    pub n_shared: usize,
    /// Cells to run, in order, and why.
    pub missing: Vec<(Cell, Reason)>,
}

/// Why a cell must be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It never was.
    New,
    /// It failed.
    Failed {
        /// What it said.
        message: String,
    },
    /// It has a result, but the requests that are wanted of it now were not kept.
    RequestsNotKept,
}

/// The segments of a folder, by name: files, whatever else is called like one.
fn segments(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |source| StoreError::Io { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// What a file holds from there on.
fn read_from(path: &Path, start: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if fs::metadata(path)?.len() > start {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(start))?;
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
