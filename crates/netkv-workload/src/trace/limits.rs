//! How long a block is, and what is believed of a row.

/// Tokens of a block, where a trace does not say otherwise; the last block of a request may be partial. Origin: the FAST'25
/// release of the Mooncake traces.
pub const BLOCK_TOKENS: u32 = 512;

/// The longest input or output that is believed, in tokens. Chosen by us: ten times the longest context window in
/// service, so that beyond it lies a typing error rather than a request.
pub const MAX_TOKENS: u32 = 10_000_000;

/// The last timestamp that is believed, in ms. Chosen by us: ten years after the start of the trace, which catches stamps
/// that count from 1970.
pub const MAX_TIMESTAMP_MS: u64 = 315_360_000_000;

/// Blocks of `block_tokens` in a prompt of this length.
pub(crate) const fn n_blocks_of(input_tokens: u32, block_tokens: u32) -> usize {
    input_tokens.div_ceil(block_tokens) as usize
}
