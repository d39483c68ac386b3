//! A trace as read: one row for each request, in the format of the Mooncake traces.
//!
//! One JSON object a line: `timestamp` (ms), `input_length` and `output_length` (tokens) and `hash_ids`, the chained
//! ids of the input's 512-token blocks. Equal ids mean equal prefixes up to and including the block, so the ids of a
//! trace form a tree. Leaves out everything else a log could hold (models, users, text): the format has none of it.

mod diagnose;
mod error;
mod limits;
mod parse;
mod rows;

pub use error::{Place, TraceError, TraceErrors};
pub(crate) use limits::n_blocks_of;
pub use limits::{BLOCK_TOKENS, MAX_TIMESTAMP_MS, MAX_TOKENS};
pub use rows::{Trace, TraceRow};
