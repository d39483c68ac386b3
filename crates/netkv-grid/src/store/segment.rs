//! A segment: the file that one process puts the outcomes of its cells into.

use super::line::{Finished, Line, checked_line};
use netkv_sim::{METRICS, SIM_EPOCH};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The format of a segment, in its first line.
const FORMAT: &str = "netkv-cells/1";

/// What a segment says about all its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentHeader {
    format: String,
    /// The version of the model.
    pub epoch: u32,
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
    pub fn is_current(&self) -> bool {
        *self == Self::new(self.provenance.clone())
    }
}

/// A segment that is being written. Its file belongs to this process alone.
#[derive(Debug)]
pub struct Segment {
    file: File,
    path: PathBuf,
}

impl Segment {
    /// Creates the next segment of a folder, and the folder if need be, with the outcomes of cells in it. When this
    /// returns they are on the disk.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn create(folder: &Path, header: &SegmentHeader, batch: &[Finished]) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Self::start(folder, header, batch)
    }

    /// The same in a folder that must be there.
    ///
    /// # Errors
    /// If it is not, or the system does not let us.
    pub fn start(folder: &Path, header: &SegmentHeader, batch: &[Finished]) -> io::Result<Self> {
        Self::with(folder, &format!("{}{}", checked_line(header), lines(batch)))
    }

    /// A segment that is a copy of another one.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn copy(folder: &Path, original: &[u8]) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Self::with(folder, &String::from_utf8_lossy(original))
    }

    fn with(folder: &Path, text: &str) -> io::Result<Self> {
        for number in 1_u32.. {
            let path = folder.join(format!("segment-{number:06}.jsonl"));
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => {
                    let mut segment = Self { file, path };
                    segment.write(text)?;
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

    /// Adds cells. When this returns they are on the disk, in a file that others find.
    ///
    /// # Errors
    /// If they may not be; also if the file was removed or renamed, so that nobody would find them.
    pub fn append(&mut self, batch: &[Finished]) -> io::Result<()> {
        self.write(&lines(batch))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        let here = fs::metadata(&self.path)?.len();
        if here == self.file.metadata()?.len() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "another file stands there now"))
    }
}

fn lines(batch: &[Finished]) -> String {
    batch.iter().map(|cell| checked_line(&Line::of(cell))).collect()
}
