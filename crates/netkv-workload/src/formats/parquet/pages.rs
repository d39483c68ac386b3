//! The values of a column in a row group, page by page.

use super::encodings::{self, Cell};
use super::footer::Values;
use super::thrift::{Fault, Reader};
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use std::io::Read;

/// The longest page that is unpacked, in bytes. Chosen by us: writers make pages of about 1 MB.
const MAX_PAGE_BYTES: usize = 256 << 20;

/// Bytes that one byte of Snappy can stand for at most: a copy of 64 bytes takes three.
const SNAPPY_GAIN: usize = 22;

/// Kinds of pages.
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

/// Encodings.
const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const RUNS: i64 = 3;
const DELTAS: i64 = 5;
const RUN_DICTIONARY: i64 = 8;
const SPLIT: i64 = 9;

/// Names of encodings by their numbers.
const ENCODINGS: [&str; 10] = [
    "PLAIN",
    "GROUP_VAR_INT",
    "PLAIN_DICTIONARY",
    "RLE",
    "BIT_PACKED",
    "DELTA_BINARY_PACKED",
    "DELTA_LENGTH_BYTE_ARRAY",
    "DELTA_BYTE_ARRAY",
    "RLE_DICTIONARY",
    "BYTE_STREAM_SPLIT",
];

/// Names of ways to compress by their numbers.
const CODECS: [&str; 8] = ["no compression", "snappy", "gzip", "LZO", "brotli", "LZ4", "zstd", "LZ4_RAW"];

/// What stands before a page.
struct Header {
    kind: i64,
    packed: usize,
    unpacked: usize,
    n_values: usize,
    encoding: i64,
    /// How levels are written that stand with the values.
    level_encoding: i64,
    /// Bytes of the levels that stand before the values, as they are.
    level_bytes: usize,
    is_packed: bool,
}

/// The values of a chunk of a column, one a row.
pub(super) fn cells(chunk: &[u8], codec: i64, values: Values, n_rows: usize) -> Result<Vec<Cell>, Fault> {
    let mut reader = Reader::new(chunk);
    let mut dictionary: Option<Vec<Cell>> = None;
    let mut cells = Vec::new();
    while cells.len() < n_rows {
        let header = header(&mut reader)?;
        let body = reader.take(header.packed)?;
        match header.kind {
            DICTIONARY => {
                let body = unpack(body, codec, header.unpacked)?;
                dictionary = Some(encodings::plain(&body, values, header.n_values)?);
            }
            DATA | DATA_V2 => {
                if header.n_values > n_rows - cells.len() {
                    return Err("it has more values than rows".to_owned());
                }
                page(&header, body, codec, values, dictionary.as_deref(), &mut cells)?;
            }
            // Indexes, and what later versions may add.
            _ => {}
        }
    }
    Ok(cells)
}

fn header(reader: &mut Reader<'_>) -> Result<Header, Fault> {
    let mut header = Header {
        kind: -1,
        packed: 0,
        unpacked: 0,
        n_values: 0,
        encoding: PLAIN,
        level_encoding: RUNS,
        level_bytes: 0,
        is_packed: true,
    };
    let mut is_there = false;
    reader.top(|reader, number, kind| {
        match number {
            1 => header.kind = reader.int(kind)?,
            2 => header.unpacked = reader.size(kind)?,
            3 => header.packed = reader.size(kind)?,
            5 | 7 | 8 => {
                is_there = true;
                let is_v2 = number == 8;
                reader.fields(kind, |reader, field, kind| {
                    match (field, is_v2) {
                        (1, _) => header.n_values = reader.size(kind)?,
                        (2, false) | (4, true) => header.encoding = reader.int(kind)?,
                        (3, false) if number == 5 => header.level_encoding = reader.int(kind)?,
                        (5 | 6, true) => {
                            let size = reader.size(kind)?;
                            header.level_bytes = header.level_bytes.saturating_add(size);
                        }
                        (7, true) => header.is_packed = reader.flag(kind)?,
                        _ => reader.skip(kind)?,
                    }
                    Ok(())
                })?;
            }
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    let needs_one = matches!(header.kind, DATA | DICTIONARY | DATA_V2);
    if needs_one && !is_there {
        return Err("a page that does not say what is in it".to_owned());
    }
    Ok(header)
}

fn page(
    header: &Header,
    body: &[u8],
    codec: i64,
    values: Values,
    dictionary: Option<&[Cell]>,
    cells: &mut Vec<Cell>,
) -> Result<(), Fault> {
    let codec = if header.is_packed { codec } else { 0 };
    let n = header.n_values;
    let (unpacked, levels);
    let mut stored: &[u8];
    if header.kind == DATA_V2 {
        let mut reader = Reader::new(body);
        levels = reader.take(header.level_bytes)?;
        let size = header.unpacked.saturating_sub(header.level_bytes);
        // A page of nulls alone may have no values, not even packed ones.
        unpacked = if reader.rest().is_empty() { Vec::new() } else { unpack(reader.rest(), codec, size)? };
        stored = &unpacked;
    } else {
        unpacked = unpack(body, codec, header.unpacked)?;
        stored = &unpacked;
        levels = if values.is_optional { levels_of(header, &mut stored)? } else { &[] };
    }
    let is_there: Option<Vec<u32>> = values.is_optional.then(|| encodings::runs(levels, 1, n)).transpose()?;
    let n_there = is_there.as_ref().map_or(n, |levels| levels.iter().filter(|level| **level == 1).count());
    let found = match header.encoding {
        PLAIN => encodings::plain(stored, values, n_there),
        PLAIN_DICTIONARY | RUN_DICTIONARY => {
            encodings::places(stored, dictionary.ok_or("a page that lacks its dictionary")?, n_there)
        }
        DELTAS => encodings::deltas(stored, values, n_there),
        SPLIT => encodings::split(stored, values, n_there),
        other => Err(format!(
            "written in the encoding {}, which is not read; allowed: PLAIN, RLE_DICTIONARY, DELTA_BINARY_PACKED, \
             BYTE_STREAM_SPLIT",
            name(&ENCODINGS, other)
        )),
    }?;
    match is_there {
        None => cells.extend(found),
        Some(levels) => {
            let mut found = found.into_iter();
            // INVARIANT: as many were read as there are levels of 1.
            let next = |level| if level == 1 { found.next().unwrap_or(Cell::Null) } else { Cell::Null };
            cells.extend(levels.into_iter().map(next));
        }
    }
    Ok(())
}

/// The levels that stand before the values, after their own length.
fn levels_of<'a>(header: &Header, stored: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    if header.level_encoding != RUNS {
        let name = name(&ENCODINGS, header.level_encoding);
        return Err(format!("nulls written in the encoding {name}, which is not read; allowed: RLE"));
    }
    let mut reader = Reader::new(stored);
    let length = reader.take(4)?.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
    let levels = reader.take(length as usize)?;
    *stored = reader.rest();
    Ok(levels)
}

/// The bytes of a page, which are to be so many.
fn unpack(bytes: &[u8], codec: i64, size: usize) -> Result<Vec<u8>, Fault> {
    if size > MAX_PAGE_BYTES {
        return Err(format!("a page of {size} bytes, where {MAX_PAGE_BYTES} are the most"));
    }
    let damaged = |error: &dyn std::fmt::Display| format!("a page that cannot be unpacked: {error}");
    let mut unpacked = Vec::new();
    let limit = size as u64 + 1;
    match codec {
        0 => unpacked.extend_from_slice(bytes),
        1 => {
            let said = snap::raw::decompress_len(bytes).map_err(|error| damaged(&error))?;
            if said != size || said > bytes.len().saturating_mul(SNAPPY_GAIN) {
                return Err(damaged(&"it is of another length"));
            }
            unpacked = snap::raw::Decoder::new().decompress_vec(bytes).map_err(|error| damaged(&error))?;
        }
        2 => {
            MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut unpacked).map_err(|error| damaged(&error))?;
        }
        6 => {
            let decoder = StreamingDecoder::new(bytes).map_err(|error| damaged(&error))?;
            decoder.take(limit).read_to_end(&mut unpacked).map_err(|error| damaged(&error))?;
        }
        other => {
            let name = name(&CODECS, other);
            return Err(format!("compressed with {name}, which is not read; allowed: snappy, gzip, zstd, or nothing"));
        }
    }
    if unpacked.len() != size {
        return Err(damaged(&"it is of another length"));
    }
    Ok(unpacked)
}

/// The name of a number.
fn name(names: &[&'static str], number: i64) -> String {
    let known = usize::try_from(number).ok().and_then(|number| names.get(number));
    known.map_or_else(|| format!("number {number}"), |name| (*name).to_owned())
}
