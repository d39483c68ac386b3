//! The Mooncake format with blocks of another size than Mooncake's.
//!
//! The file does not say how long its blocks are, and need not: a prompt has as many ids as blocks.

use super::json_lines::lines;
use crate::trace::{BLOCK_TOKENS, Trace, TraceErrors};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Sizes that are tried, in this order, where Mooncake's does not fit. Chosen by us: those of engines first.
const SIZES: [u32; 13] = [BLOCK_TOKENS, 16, 32, 64, 128, 256, 1024, 2048, 4096, 8, 4, 2, 1];

/// Rows that are looked at to find the size; all are then held to it. Chosen by us.
const N_LOOKED_AT: usize = 64;

#[derive(Deserialize)]
struct Lengths {
    input_length: u32,
    hash_ids: Vec<IgnoredAny>,
}

/// Reads a trace, and says what was found out about its blocks.
pub(super) fn read(bytes: &[u8], sha256: [u8; 32]) -> Result<(Trace, Vec<String>), TraceErrors> {
    let block_tokens = block_tokens(bytes);
    let trace = Trace::parse_in_blocks(bytes, block_tokens, sha256)?;
    let note = (block_tokens != BLOCK_TOKENS)
        .then(|| format!("blocks of {block_tokens} tokens, by the number of ids that prompts have"));
    Ok((trace, note.into_iter().collect()))
}

fn block_tokens(bytes: &[u8]) -> u32 {
    let rows = lines(bytes).take(N_LOOKED_AT).filter_map(|(_, line)| serde_json::from_slice::<Lengths>(line).ok());
    let rows: Vec<Lengths> = rows.collect();
    let fits = |size: &u32| rows.iter().all(|row| row.input_length.div_ceil(*size) as usize == row.hash_ids.len());
    SIZES.into_iter().find(fits).unwrap_or(BLOCK_TOKENS)
}
