//! A line of a segment: one JSON object that holds a record and its checksum.

use crate::execute::Status;
use netkv_sim::{METRICS, Value};
use netkv_units::{Digest, Digester};
use serde::{Deserialize, Serialize};

/// A cell that ended, on its way to the disk.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The cell's key.
    pub key: Digest,
    /// What became of it.
    pub status: Status,
    /// How long it took, in seconds of wall time.
    pub wall_s: f64,
    /// SHA-256 of the file of its requests, in hexadecimal, if they were kept.
    pub requests: Option<String>,
}

/// A cell's line.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) key: String,
    pub(super) wall_s: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) requests: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<serde_json::Value>,
}

/// Digits of a key or a digest.
const DIGITS: usize = 32;
/// Digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

impl Line {
    /// The line of a cell that ended.
    pub(super) fn of(cell: &Finished) -> Self {
        let (key, wall_s, requests) = (cell.key.to_string(), cell.wall_s, cell.requests.clone());
        match &cell.status {
            Status::Done { digest, metrics } => {
                let metrics = metrics.iter().map(to_json).collect();
                Self { key, wall_s, requests, failed: None, digest: Some(digest.clone()), metrics }
            }
            Status::Failed { message } => {
                Self { key, wall_s, requests, failed: Some(message.clone()), digest: None, metrics: Vec::new() }
            }
        }
    }

    /// What became of the cell; none if that is nothing that a run can have left, whatever the checksum says.
    pub(super) fn status(&self) -> Option<Status> {
        let is_sound = is_hexadecimal(&self.key, DIGITS)
            && self.wall_s >= 0.0
            && self.requests.as_ref().is_none_or(|sum| is_hexadecimal(sum, SHA256_DIGITS));
        if !is_sound {
            return None;
        }
        if let Some(message) = &self.failed {
            return Some(Status::Failed { message: message.clone() });
        }
        let digest = self.digest.clone().filter(|digest| is_hexadecimal(digest, DIGITS))?;
        let metrics: Vec<Value> = self.metrics.iter().map(from_json).collect::<Option<_>>()?;
        are_sound(&metrics).then_some(Status::Done { digest, metrics })
    }
}

fn is_hexadecimal(text: &str, n_digits: usize) -> bool {
    text.len() == n_digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether these can be the metrics of a run: as many as there are, each of its kind, finite, and integers of 63 bits.
fn are_sound(metrics: &[Value]) -> bool {
    let is_sound = |(value, is_integer): (&Value, bool)| match value {
        Value::Integer(number) => is_integer && i64::try_from(*number).is_ok(),
        Value::Float(number) => !is_integer && number.is_finite(),
        Value::Missing => true,
    };
    metrics.len() == METRICS.len()
        && metrics.iter().zip(METRICS).all(|(value, metric)| is_sound((value, metric.integer)))
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
pub(super) fn checked_line(record: &impl Serialize) -> String {
    let record = serde_json::to_string(record).expect("records have string keys and finite numbers");
    let check = checksum(record.as_bytes());
    format!("{BEFORE_CHECK}{check}{BEFORE_RECORD}{record}}}\n")
}

/// The record of a line, if its checksum agrees.
pub(super) fn read_line<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Option<T> {
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
