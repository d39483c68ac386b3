//! Packed files: gzip and zstd, told by the file's name.

use flate2::{Compression, GzBuilder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::{self, Write};
use std::path::Path;

/// A way to pack the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// As they are.
    Plain,
    /// As gzip, without name and time: the same bytes whenever it is done.
    Gzip,
    /// As zstd.
    Zstd,
}

/// Endings of formats that are not written.
const OTHERS: [&str; 8] = ["bz2", "xz", "lzma", "lz4", "br", "zip", "7z", "sz"];

impl Packed {
    /// What a file's name asks for.
    ///
    /// # Errors
    /// In words, if it is of a format that is not written.
    pub fn of(path: &Path) -> Result<Self, String> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        match &*ending {
            "gz" | "gzip" => Ok(Self::Gzip),
            "zst" | "zstd" => Ok(Self::Zstd),
            other if OTHERS.contains(&other) => Err(format!(
                "{}: .{other} is not written; allowed: .gz and .zst, and any other ending for a plain file",
                path.display()
            )),
            _ => Ok(Self::Plain),
        }
    }

    /// Packs what `fill` writes, into `out`. As zstd it is all in memory first.
    ///
    /// # Errors
    /// What `out` or `fill` say.
    pub fn write(self, out: &mut dyn Write, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Plain => fill(out),
            Self::Gzip => {
                let mut encoder = GzBuilder::new().write(out, Compression::default());
                fill(&mut encoder)?;
                encoder.finish().map(drop)
            }
            Self::Zstd => {
                let mut bytes = Vec::new();
                fill(&mut bytes)?;
                out.write_all(&self.pack(bytes))
            }
        }
    }

    /// Packs them.
    ///
    /// # Panics
    /// If the memory is not enough.
    pub fn pack(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Plain => bytes,
            Self::Gzip => {
                let mut encoder = GzBuilder::new().write(Vec::new(), Compression::default());
                let written = encoder.write_all(&bytes).and_then(|()| encoder.finish());
                written.expect("writing to memory does not fail")
            }
            Self::Zstd => compress_to_vec(&bytes[..], CompressionLevel::Fastest),
        }
    }
}
