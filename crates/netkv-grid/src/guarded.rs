//! Traces, read so that a file at which a library panics is a wrong file, and no bug.

use crate::caught::catch;
use netkv_workload::{ReadTrace, Reading, TokenCount, TraceErrors, is_parquet, read_trace_counting};

/// Reads and checks a trace from the bytes of a file, as [`netkv_workload::read_trace_counting`] does. The library that reads
/// parquet may panic at bytes that no writer of parquet would write: then they are an error with its last words.
///
/// # Errors
/// All that is wrong with the file.
pub fn read_trace(bytes: &[u8], reading: &Reading, counter: Option<&dyn TokenCount>) -> Result<ReadTrace, TraceErrors> {
    if !is_parquet(bytes) {
        return read_trace_counting(bytes, reading, counter);
    }
    catch(|| read_trace_counting(bytes, reading, counter)).unwrap_or_else(|said| Err(TraceErrors::unreadable(&said)))
}
