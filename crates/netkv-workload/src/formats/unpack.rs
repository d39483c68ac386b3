//! Packed files: gzip and zstd, told by their first bytes.

use crate::trace::TraceError;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use std::borrow::Cow;
use std::io::Read;

/// The longest file that is unpacked, in bytes. Chosen by us: more than any trace, and less than a small file can be made
/// to unpack to.
const MAX_BYTES: u64 = 16 << 30;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How a file was packed.
pub(super) type Packing = Option<&'static str>;

/// The bytes of a file that may be packed.
pub(super) fn unpacked(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, Packing), TraceError> {
    let (name, read) = if bytes.starts_with(&GZIP) {
        ("gzip", gzip(bytes))
    } else if bytes.starts_with(&ZSTD) {
        ("zstd", zstd(bytes))
    } else {
        return Ok((Cow::Borrowed(bytes), None));
    };
    match read {
        Ok(bytes) if bytes.len() as u64 <= MAX_BYTES => Ok((Cow::Owned(bytes), Some(name))),
        Ok(_) => Err(damaged(name, "unpacks to more than 16 GiB")),
        Err(error) => Err(damaged(name, &error)),
    }
}

fn damaged(name: &str, problem: &str) -> TraceError {
    TraceError::line(
        1,
        name,
        &format!("a packed file that cannot be unpacked: {problem}"),
        "a whole file, or a plain one",
    )
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut read = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(MAX_BYTES + 1);
    decoder.read_to_end(&mut read).map_err(|error| error.to_string())?;
    Ok(read)
}

/// One frame after the other.
fn zstd(mut bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut read = Vec::new();
    while !bytes.is_empty() {
        let decoder = StreamingDecoder::new(&mut bytes).map_err(|error| error.to_string())?;
        let left = MAX_BYTES + 1 - read.len() as u64;
        decoder.take(left).read_to_end(&mut read).map_err(|error| error.to_string())?;
        if read.len() as u64 > MAX_BYTES {
            break;
        }
    }
    Ok(read)
}
