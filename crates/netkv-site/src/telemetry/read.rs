//! Which format metrics are in.

use super::series::Series;
use super::{range_json, text};
use crate::MAX_INPUT_BYTES;
use crate::fault::Fault;

/// Reads a text dump or the answer to a range query; `at` is the time of samples without one.
///
/// # Errors
/// What is wrong with the text.
pub fn read_series(bytes: &[u8], at: f64) -> Result<Vec<Series>, Fault> {
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        return Err(Fault::whole(format!("larger than {} MiB, the most that is read", MAX_INPUT_BYTES >> 20)));
    }
    let text = utf8(bytes)?;
    if text.trim_start().starts_with('{') && !text.trim_start().starts_with("{__") {
        range_json::read(text)
    } else {
        text::read(text, at)
    }
}

/// Reads the answer to an instant query (`/api/v1/query`), whose series need no name: each has one point, the time of the query
/// with the value.
///
/// # Errors
/// What is wrong with the text; or what Prometheus says.
pub fn read_instant(bytes: &[u8]) -> Result<Vec<Series>, Fault> {
    range_json::read_any(utf8(bytes)?)
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        Fault::at(1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() as u64, "not UTF-8")
    })
}
