//! A line of a segment: one JSON object that holds a record and its checksum.

use crate::execute::Status;
use netkv_sim::{METRICS, Value};
use netkv_units::{Digest, Digester};
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use std::fmt;

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
    metrics: Vec<Metric>,
}

/// A metric as lines have it: an integer, a float in words, or null.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Metric(Value);

impl Serialize for Metric {
    /// Floats are written as text: it reads back to the same bits, which serde_json's own numbers need not.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Integer(number) => serializer.serialize_u64(number),
            Value::Float(number) => serializer.collect_str(&format_args!("{number:?}")),
            Value::Missing => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MetricVisitor)
    }
}

struct MetricVisitor;

impl Visitor<'_> for MetricVisitor {
    type Value = Metric;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an integer, a float in words, or null")
    }

    fn visit_unit<E>(self) -> Result<Metric, E> {
        Ok(Metric(Value::Missing))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Metric, E> {
        Ok(Metric(Value::Integer(number)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Metric, E> {
        text.parse().map(|number| Metric(Value::Float(number))).map_err(E::custom)
    }
}

/// Digits of a digest.
const DIGITS: usize = 32;
/// Digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

impl Line {
    /// The line of a cell that ended.
    pub(super) fn of(cell: &Finished) -> Self {
        let (key, wall_s, requests) = (cell.key.to_string(), cell.wall_s, cell.requests.clone());
        match &cell.status {
            Status::Done { digest, metrics } => {
                let metrics = metrics.iter().copied().map(Metric).collect();
                Self { key, wall_s, requests, failed: None, digest: Some(digest.clone()), metrics }
            }
            Status::Failed { message } => {
                Self { key, wall_s, requests, failed: Some(message.clone()), digest: None, metrics: Vec::new() }
            }
        }
    }

    /// The cell's key, what became of it, and the rest; none if that is nothing that a run can have left, whatever the
    /// checksum says.
    pub(super) fn into_parts(mut self) -> Option<(Digest, Status, Self)> {
        let key = Digest::parse(&self.key)?;
        let status = self.take_status()?;
        Some((key, status, self))
    }

    fn take_status(&mut self) -> Option<Status> {
        let is_sound =
            self.wall_s >= 0.0 && self.requests.as_ref().is_none_or(|sum| is_hexadecimal(sum, SHA256_DIGITS));
        if !is_sound {
            return None;
        }
        if let Some(message) = self.failed.take() {
            return Some(Status::Failed { message });
        }
        let digest = self.digest.take().filter(|digest| is_hexadecimal(digest, DIGITS))?;
        let metrics: Vec<Value> = self.metrics.iter().map(|metric| metric.0).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A metric by way of a whole JSON value, which takes longer.
    fn slowly(json: &serde_json::Value) -> Option<Value> {
        if json.is_null() {
            return Some(Value::Missing);
        }
        json.as_u64().map(Value::Integer).or_else(|| json.as_str()?.parse().ok().map(Value::Float))
    }

    #[test]
    fn metrics_are_read_as_by_way_of_json_values() {
        let texts = [
            "null",
            "0",
            "7",
            "-1",
            "1.0",
            "1e3",
            "18446744073709551615",
            "18446744073709551616",
            "true",
            "[]",
            "[1]",
            "{}",
            r#""0.1""#,
            r#""-0.0""#,
            r#""5e-324""#,
            r#""1.7976931348623157e308""#,
            r#""inf""#,
            r#""a""#,
            r#""""#,
            r#""\u0031.5""#,
        ];
        let mut n_read = 0;
        for text in texts {
            let (fast, slow) = (serde_json::from_str(text), serde_json::from_str(text).unwrap());
            let fast = fast.ok().map(|Metric(value)| value);
            n_read += usize::from(fast.is_some());
            assert_eq!(fast.map(bits), slowly(&slow).map(bits), "{text}");
        }
        assert_eq!(n_read, 10, "and nothing else is a metric");
    }

    fn bits(value: Value) -> String {
        if let Value::Float(number) = value { format!("{:x}", number.to_bits()) } else { format!("{value:?}") }
    }

    #[test]
    fn metrics_are_written_as_by_way_of_json_values() {
        for number in [0.1, -0.0, 5e-324, f64::MAX, 1e16, 3.0] {
            let written = serde_json::to_string(&Metric(Value::Float(number))).unwrap();
            assert_eq!(written, serde_json::Value::from(format!("{number:?}")).to_string());
            let Metric(read) = serde_json::from_str(&written).unwrap();
            assert_eq!(bits(read), bits(Value::Float(number)));
        }
        let others = [Metric(Value::Integer(u64::MAX)), Metric(Value::Missing)];
        assert_eq!(serde_json::to_string(&others).unwrap(), "[18446744073709551615,null]");
    }
}
