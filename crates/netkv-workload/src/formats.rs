//! Traces as others write them: Azure's, BurstGPT's, Bailian's, those of simulators, logs of servers.
//!
//! [`FORMATS`] is the table of formats with the source of each; a file is told by its first line, or by a name. Rules for
//! all but Mooncake's own, whose reader refuses what is not as it should be:
//!
//! - Arrivals are kept in whole ms, rounded down. Dates count from the earliest row; other stamps from the file's own 0.
//! - Rows out of order are sorted by time; rows of one stamp stay in the order of the file.
//! - Rows without prompt or answer tokens, which are failures, are left out.
//! - A prompt or answer over [`MAX_TOKENS`](crate::MAX_TOKENS) is an error, and so is a cell that is no number.
//! - The names of columns that tell a CSV file tell a parquet file as well.
//! - A file without arrivals gets a Poisson process; a file without block ids records no prefixes.
//!
//! All that was guessed, sorted or left out is told in [`ReadTrace::notes`].

mod chain;
mod collect;
mod count;
mod detect;
mod json_lines;
mod mooncake;
mod otel;
mod pack;
#[cfg(feature = "parquet")]
mod parquet;
mod separated;
mod sharegpt;
mod stamp;
mod table;
mod unpack;
mod vllm_log;

use crate::trace::{Trace, TraceError, TraceErrors};
use collect::Collector;
pub use count::TokenCount;
pub use pack::Packed;
use separated::Wanted;
use sha2::{Digest as _, Sha256};
pub use table::{CLOCKS, Clock, Columns, FORMATS, Format, Layout, Zero};

/// How a file is to be read.
#[derive(Clone, Debug, Default)]
pub enum Reading {
    /// In the format that its first line tells.
    #[default]
    Detected,
    /// In this format.
    As(&'static Format),
    /// As comma-separated values, or parquet, with these columns.
    Columns(Columns),
}

/// A trace that was read.
#[derive(Clone, Debug)]
pub struct ReadTrace {
    /// The trace.
    pub trace: Trace,
    /// The name of its format; `columns` where these were given.
    pub format: &'static str,
    /// The format in words.
    pub title: String,
    /// All that was guessed, sorted or left out.
    pub notes: Vec<String>,
}

impl ReadTrace {
    /// What the file was read as, in a few words; nothing for a trace of Mooncake's own kind, which needs none.
    pub fn told(&self) -> Option<String> {
        let prefixes = if self.trace.has_prefixes() { "" } else { ", no prefixes recorded" };
        let is_own = self.format == "mooncake" && self.notes.is_empty();
        (!is_own).then(|| format!("{}{prefixes}", self.title))
    }
}

/// Reads and checks a trace from the bytes of a file, which may be packed with gzip or zstd.
///
/// # Errors
/// All that is wrong with the file, row by row, with line (in a parquet file: row) and column.
pub fn read_trace(bytes: &[u8], reading: &Reading) -> Result<ReadTrace, TraceErrors> {
    read_trace_counting(bytes, reading, None)
}

/// The same with something that counts the tokens of texts, for formats that have texts instead of counts.
///
/// Parquet is read by a library, which may panic at bytes that no writer of parquet would write. Who reads files that may be
/// damaged catches that, as netkv-grid does.
///
/// # Errors
/// The same, and a format that has counts.
pub fn read_trace_counting(
    bytes: &[u8],
    reading: &Reading,
    counter: Option<&dyn TokenCount>,
) -> Result<ReadTrace, TraceErrors> {
    let sha256: [u8; 32] = Sha256::digest(bytes).into();
    let (unpacked, packing) = unpack::unpacked(bytes)?;
    if is_parquet(&unpacked) {
        refuse_counter(counter, None)?;
        return read_parquet(&unpacked, packing, reading, sha256);
    }
    let text = unpacked.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&unpacked);
    let format = match reading {
        Reading::Detected => Some(detect::detect(text)?),
        Reading::As(format) => Some(*format),
        Reading::Columns(_) => None,
    };
    refuse_counter(counter, format)?;
    let (trace, mut notes) = match (format, reading) {
        (Some(format), _) if format.layout == Layout::Mooncake => mooncake::read(text, sha256)?,
        (Some(format), _) => read_format(text, format, counter, sha256)?,
        (None, Reading::Columns(columns)) => read_columns(text, columns, sha256)?,
        (None, Reading::Detected | Reading::As(_)) => unreachable!("both name a format"),
    };
    if matches!(reading, Reading::Detected) && format.is_some_and(|format| format.name != "mooncake") {
        notes.insert(0, "format told by the first line".to_owned());
    }
    let title = format.map_or("CSV by workload.columns", |format| format.title);
    let title = packing.map_or(title.to_owned(), |packing| format!("{title}, {packing}"));
    Ok(ReadTrace { trace, format: format.map_or("columns", |format| format.name), title, notes })
}

/// Something to count texts by is of no use where there are counts: it is refused rather than passed over.
fn refuse_counter(counter: Option<&dyn TokenCount>, format: Option<&Format>) -> Result<(), TraceError> {
    let has_texts = |format: &Format| matches!(format.layout, Layout::ShareGpt | Layout::VllmLog);
    if counter.is_none() || format.is_some_and(has_texts) {
        return Ok(());
    }
    let title = format.map_or("a file of columns", |format| format.title);
    let problem = format!("a tokenizer has nothing to count: {title} has counts of tokens, and no texts");
    let allowed: Vec<&str> = FORMATS.iter().filter(|format| has_texts(format)).map(|format| format.name).collect();
    Err(TraceError::file("", &problem, &format!("no tokenizer, or one of the formats {}", allowed.join(", "))))
}

fn read_format(
    bytes: &[u8],
    format: &Format,
    counter: Option<&dyn TokenCount>,
    sha256: [u8; 32],
) -> Result<(Trace, Vec<String>), TraceErrors> {
    let mut rows = Collector::new(format.blocks.map(|(_, block_tokens)| block_tokens));
    let mut zero = format.arrival.map(|(_, _, zero)| zero);
    let mut told = Vec::new();
    match format.layout {
        Layout::Mooncake => unreachable!("it has a reader of its own"),
        Layout::Csv => separated::read(bytes, &Wanted::of(format), &mut rows),
        Layout::JsonLines => json_lines::read(bytes, format, &mut rows),
        Layout::OtelSpans => {
            let n_others = otel::read(bytes, &mut rows);
            if n_others > 0 {
                told.push(format!("{n_others} spans left out that are no calls of a model with counts of tokens"));
            }
        }
        Layout::ShareGpt => {
            let n_others = sharegpt::read(bytes, counter, &mut rows);
            let better =
                if counter.is_none() { ": `netkv trace convert --tokenizer` counts by a model's own" } else { "" };
            told.push(format!("tokens counted by {}{better}", count::told_by(counter)));
            if n_others > 0 {
                told.push(format!("{n_others} conversations of fewer than two turns left out"));
            }
        }
        Layout::VllmLog => {
            told = vllm_log::read(bytes, counter, &mut rows);
            zero = Some(Zero::FirstRow);
        }
    }
    let (trace, notes) = rows.finish(zero, sha256, "at least one request with prompt and answer")?;
    told.extend(notes);
    if trace.has_prefixes() {
        told.push(format!("prefixes in blocks of {} tokens", trace.block_tokens()));
    }
    Ok((trace, told))
}

/// Whether these are the bytes of a parquet file, its footer encrypted or not.
pub fn is_parquet(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PAR1") || bytes.starts_with(b"PARE")
}

/// A build without the feature.
#[cfg(not(feature = "parquet"))]
fn read_parquet(_: &[u8], _: Option<&str>, _: &Reading, _: [u8; 32]) -> Result<ReadTrace, TraceErrors> {
    Err(TraceError::file("", "a parquet file, and this build reads none", "a build with the feature `parquet`").into())
}

#[cfg(feature = "parquet")]
fn read_parquet(
    bytes: &[u8],
    packing: Option<&str>,
    reading: &Reading,
    sha256: [u8; 32],
) -> Result<ReadTrace, TraceErrors> {
    if let Some(packing) = packing {
        let problem = format!("a parquet file packed with {packing}");
        return Err(TraceError::file("", &problem, "a parquet file as it is: its columns are packed already").into());
    }
    let file = parquet::File::open(bytes)?;
    let format = match reading {
        Reading::Detected => Some(detect::detect_columns(&file.names().collect::<Vec<_>>())?),
        Reading::As(format) if format.layout == Layout::Csv => Some(*format),
        Reading::As(format) => {
            let problem = format!("a parquet file, which {} is not read from", format.name);
            return Err(TraceError::file("", &problem, &detect::allowed_columns()).into());
        }
        Reading::Columns(_) => None,
    };
    let (wanted, zero) = match (format, reading) {
        (Some(format), _) => (Wanted::of(format), format.arrival.map(|(_, _, zero)| zero)),
        (None, Reading::Columns(columns)) => {
            (Wanted::of_columns(columns), columns.arrival.as_ref().map(|_| Zero::FirstRow))
        }
        (None, Reading::Detected | Reading::As(_)) => unreachable!("both name a format"),
    };
    let mut rows = Collector::of_rows();
    file.read(&wanted, &mut rows);
    let is_dated = file.is_dated(&wanted);
    let zero = zero.map(|zero| if is_dated { Zero::FirstRow } else { zero });
    let (trace, mut notes) = rows.finish(zero, sha256, "at least one row with prompt and answer")?;
    if let (true, Some((name, Clock::Units(_)))) = (is_dated, wanted.arrival) {
        notes.insert(0, format!("{name} is a column of timestamps: read as such, whatever its unit is said to be"));
    }
    if matches!(reading, Reading::Detected) {
        notes.insert(0, "format told by the names of the columns".to_owned());
    }
    let title =
        format.map_or("parquet by workload.columns".to_owned(), |format| format!("{}, as parquet", format.title));
    Ok(ReadTrace { trace, format: format.map_or("columns", |format| format.name), title, notes })
}

fn read_columns(bytes: &[u8], columns: &Columns, sha256: [u8; 32]) -> Result<(Trace, Vec<String>), TraceErrors> {
    let mut rows = Collector::new(None);
    separated::read(bytes, &Wanted::of_columns(columns), &mut rows);
    let zero = columns.arrival.as_ref().map(|_| Zero::FirstRow);
    rows.finish(zero, sha256, "at least one row with prompt and answer")
}
