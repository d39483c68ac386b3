//! Outcomes on disk, so that a sweep can be stopped, repeated and extended and runs only what is missing or failed.
//!
//! A folder of append-only segments, JSON lines with a checksum each. Every process that runs cells writes a segment
//! of its own, so that no two writers ever share a file; readers take the union. A line that was torn by a crash is
//! dropped. Two results of one cell that differ are an error that names both: the same cell has the same bits.

use crate::execute::Status;
use crate::experiment::Cell;
use netkv_sim::{METRICS, SIM_EPOCH, Value};
use netkv_units::{Digest, Digester};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The format of a segment, in its first line.
const FORMAT: &str = "netkv-cells/1";

/// What a segment says about all its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentHeader {
    format: String,
    epoch: u32,
    columns: Vec<String>,
    /// Where and with what its cells were run: host, version, commit. Never part of a result.
    pub provenance: BTreeMap<String, String>,
}

impl SegmentHeader {
    /// The header of a segment of this version.
    pub fn new(provenance: BTreeMap<String, String>) -> Self {
        let columns = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
        Self { format: FORMAT.to_owned(), epoch: SIM_EPOCH, columns, provenance }
    }

    /// Whether its lines can be used by this version.
    fn is_current(&self) -> bool {
        *self == Self::new(self.provenance.clone())
    }
}

/// A cell's line.
#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    wall_s: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<serde_json::Value>,
}

/// A cell's outcome as stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What became of it.
    pub status: Status,
    /// How long it took, in seconds of wall time; never part of a result.
    pub wall_s: f64,
    /// The segment that it stands in.
    pub segment: Arc<SegmentHeader>,
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
    stored: BTreeMap<String, Stored>,
    n_damaged_lines: usize,
    n_outdated_segments: usize,
}

impl Store {
    /// Reads every segment of a folder; a folder that is not there is empty.
    ///
    /// # Errors
    /// If a file cannot be read, or two results of a cell differ.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let mut store = Self::default();
        for path in segments(folder)? {
            let bytes = fs::read(&path).map_err(|source| StoreError::Io { path: path.clone(), source })?;
            store.add_segment(&Arc::from(path), &bytes)?;
        }
        Ok(store)
    }

    fn add_segment(&mut self, file: &Arc<Path>, bytes: &[u8]) -> Result<(), StoreError> {
        let mut lines = bytes.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let Some(header) = lines.next().and_then(|(_, line)| read_line::<SegmentHeader>(line)) else {
            self.n_damaged_lines += usize::from(!bytes.is_empty());
            return Ok(());
        };
        if !header.is_current() {
            self.n_outdated_segments += 1;
            return Ok(());
        }
        let segment = Arc::new(header);
        for (index, bytes) in lines {
            let place = Place { file: file.clone(), line: index + 1 };
            match read_line::<Line>(bytes).and_then(|line| Some((status_of(&line)?, line))) {
                Some((status, line)) => {
                    self.add(line.key, Stored { status, wall_s: line.wall_s, segment: segment.clone(), place })?;
                }
                None => self.n_damaged_lines += 1,
            }
        }
        Ok(())
    }

    fn add(&mut self, key: String, new: Stored) -> Result<(), StoreError> {
        let Some(old) = self.stored.get(&key) else {
            self.stored.insert(key, new);
            return Ok(());
        };
        match (&old.status, &new.status) {
            (Status::Done { .. }, Status::Done { .. }) if old.status != new.status => {
                let (first, second) = (old.place.to_string(), new.place.to_string());
                return Err(StoreError::Conflict { key, first, second });
            }
            // The first result stays, and any result is better than a failure.
            (Status::Done { .. }, Status::Done { .. } | Status::Failed { .. }) => {}
            (Status::Failed { .. }, Status::Done { .. } | Status::Failed { .. }) => {
                self.stored.insert(key, new);
            }
        }
        Ok(())
    }

    /// What became of the cell with this key, if it was ever run.
    pub fn get(&self, key: Digest) -> Option<&Stored> {
        if self.stored.is_empty() { None } else { self.stored.get(&key.to_string()) }
    }

    /// Lines that were torn or changed, and are ignored.
    pub const fn n_damaged_lines(&self) -> usize {
        self.n_damaged_lines
    }

    /// Segments of another version of the model or its metrics; they are ignored.
    pub const fn n_outdated_segments(&self) -> usize {
        self.n_outdated_segments
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

/// A segment that is being written. Its file belongs to this process alone.
#[derive(Debug)]
pub struct Segment {
    file: File,
    path: PathBuf,
}

impl Segment {
    /// Creates the next segment of a folder, and the folder if need be.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn create(folder: &Path, header: &SegmentHeader) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        for number in 1_u32.. {
            let path = folder.join(format!("segment-{number:06}.jsonl"));
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => {
                    let mut segment = Self { file, path };
                    segment.write(&checked_line(header))?;
                    // The name must survive a crash as well as the content.
                    File::open(folder)?.sync_all()?;
                    return Ok(segment);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("every segment number is taken"))
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds cells: key, outcome and wall time in seconds. When this returns they are on the disk.
    ///
    /// # Errors
    /// If they may not be.
    pub fn append(&mut self, batch: &[(Digest, Status, f64)]) -> io::Result<()> {
        let lines: String =
            batch.iter().map(|(key, status, wall_s)| checked_line(&line_of(*key, status, *wall_s))).collect();
        self.write(&lines)
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()
    }
}

/// The segments of a folder, by name.
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
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn line_of(key: Digest, status: &Status, wall_s: f64) -> Line {
    let key = key.to_string();
    match status {
        Status::Done { digest, metrics } => {
            let metrics = metrics.iter().map(to_json).collect();
            Line { key, wall_s, failed: None, digest: Some(digest.clone()), metrics }
        }
        Status::Failed { message } => {
            Line { key, wall_s, failed: Some(message.clone()), digest: None, metrics: Vec::new() }
        }
    }
}

fn status_of(line: &Line) -> Option<Status> {
    if let Some(message) = &line.failed {
        return Some(Status::Failed { message: message.clone() });
    }
    let metrics: Vec<Value> = line.metrics.iter().map(from_json).collect::<Option<_>>()?;
    Some(Status::Done { digest: line.digest.clone()?, metrics })
}

/// Floats are written as text: it reads back to the same bits, which serde_json's own numbers need not.
fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Integer(number) => serde_json::Value::from(*number),
        Value::Float(number) => serde_json::Value::from(format!("{number:?}")),
        Value::Missing => serde_json::Value::Null,
    }
}

fn from_json(json: &serde_json::Value) -> Option<Value> {
    if json.is_null() {
        return Some(Value::Missing);
    }
    json.as_u64().map(Value::Integer).or_else(|| json.as_str()?.parse().ok().map(Value::Float))
}

/// Start of every line, up to the checksum.
const BEFORE_CHECK: &str = r#"{"check":""#;
/// Between checksum and record.
const BEFORE_RECORD: &str = r#"","record":"#;

/// A record with its checksum, as one JSON object on a line.
fn checked_line(record: &impl Serialize) -> String {
    let record = serde_json::to_string(record).expect("records have string keys and finite numbers");
    let check = checksum(record.as_bytes());
    format!("{BEFORE_CHECK}{check}{BEFORE_RECORD}{record}}}\n")
}

/// The record of a line, if its checksum agrees.
fn read_line<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Option<T> {
    let line = std::str::from_utf8(line).ok()?;
    let (check, record) = line.strip_prefix(BEFORE_CHECK)?.strip_suffix('}')?.split_once(BEFORE_RECORD)?;
    if check != checksum(record.as_bytes()) {
        return None;
    }
    serde_json::from_str(record).ok()
}

fn checksum(bytes: &[u8]) -> String {
    let digest = Digester::new().bytes(bytes).finish().to_string();
    digest[..16].to_owned()
}
