//! The rows of a trace and their blocks, and the file that they make.

use super::limits::{BLOCK_TOKENS, n_blocks_of};
use netkv_units::BlockId;
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};

/// A checked trace. It has at least one row.
///
/// Block ids are dense: they are numbered in order of first appearance, whatever numbers the file used (the published
/// traces use these already). Two traces are equal if their rows and blocks are, whatever their files looked like
/// and whatever they name chats.
#[derive(Clone, Debug)]
pub struct Trace {
    rows: Vec<TraceRow>,
    blocks: Vec<BlockId>,
    n_blocks_distinct: usize,
    block_tokens: u32,
    /// By row: the chat that it is of, numbered in order of first appearance; none if the file names no chats.
    chats: Option<Vec<u32>>,
    /// Digest of the file, for a trace that was read; a generated one is hashed as it would be written.
    file_sha256: Option<[u8; 32]>,
}

/// A row of a trace: one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// Arrival, in ms since the start of the trace.
    pub timestamp_ms: u64,
    /// Tokens of the prompt, at least 1.
    pub input_tokens: u32,
    /// Tokens of the answer, at least 1.
    pub output_tokens: u32,
    /// Where the row's blocks begin in the trace's flat list.
    first_block: u32,
    /// How many there are: as `input_tokens` say, or none if the trace records no prefixes.
    n_blocks: u32,
}

impl TraceRow {
    /// A row of a trace with blocks of [`BLOCK_TOKENS`].
    pub(crate) fn new(timestamp_ms: u64, input_tokens: u32, output_tokens: u32, first_block: usize) -> Self {
        Self::with_blocks(
            timestamp_ms,
            input_tokens,
            output_tokens,
            first_block,
            n_blocks_of(input_tokens, BLOCK_TOKENS),
        )
    }

    /// A row with so many blocks, from `first_block` on.
    pub(crate) fn with_blocks(
        timestamp_ms: u64,
        input_tokens: u32,
        output_tokens: u32,
        first_block: usize,
        n_blocks: usize,
    ) -> Self {
        let [first_block, n_blocks] = [first_block, n_blocks]
            .map(|number| u32::try_from(number).expect("a trace has fewer than 2^32 block references"));
        Self { timestamp_ms, input_tokens, output_tokens, first_block, n_blocks }
    }

    /// How many blocks the prompt has: full ones, and a partial one for the rest; none if none are recorded.
    pub fn n_blocks(&self) -> usize {
        self.n_blocks as usize
    }

    pub(crate) fn block_range(&self) -> std::ops::Range<usize> {
        let first = self.first_block as usize;
        first..first + self.n_blocks()
    }
}

impl Trace {
    /// A trace of rows whose blocks, of [`BLOCK_TOKENS`], are dense, in order of first appearance.
    pub(crate) fn from_parts(rows: Vec<TraceRow>, blocks: Vec<BlockId>, file_sha256: Option<[u8; 32]>) -> Self {
        Self::in_blocks(BLOCK_TOKENS, rows, blocks, file_sha256)
    }

    /// A trace with blocks of `block_tokens`, or without any.
    pub(crate) fn in_blocks(
        block_tokens: u32,
        rows: Vec<TraceRow>,
        blocks: Vec<BlockId>,
        file_sha256: Option<[u8; 32]>,
    ) -> Self {
        assert!(!rows.is_empty(), "a trace has at least one row");
        assert_eq!(rows.iter().map(TraceRow::n_blocks).sum::<usize>(), blocks.len(), "every block belongs to a row");
        let n_blocks_distinct = blocks.iter().map(|block| block.index() + 1).max().unwrap_or(0);
        Self { rows, blocks, n_blocks_distinct, block_tokens, chats: None, file_sha256 }
    }

    /// The same trace with the chat of each row, numbered in order of first appearance.
    pub(crate) fn with_chats(self, chats: Vec<u32>) -> Self {
        assert_eq!(chats.len(), self.rows.len(), "every row is of a chat");
        Self { chats: Some(chats), ..self }
    }

    /// By row: the chat that it is of, numbered in order of first appearance; none if the file names no chats, and no
    /// generator knows them.
    pub fn chats(&self) -> Option<&[u32]> {
        self.chats.as_deref()
    }

    /// Whether it says which prompts have a prefix in common. Where it does not, its rows have no blocks.
    pub fn has_prefixes(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Tokens of one of its blocks.
    pub fn block_tokens(&self) -> u32 {
        self.block_tokens
    }

    /// The same requests with prefixes in blocks of `new` tokens. Smaller blocks are gathered: a block is told by the last of
    /// those in it, so prompts share what they did, down to whole blocks of the new size. Larger ones are cut. Nothing if
    /// neither size divides the other, or there would be 2^32 blocks.
    pub fn reblocked(&self, new: u32) -> Option<Self> {
        let own = self.block_tokens;
        if own == new || !self.has_prefixes() {
            return Some(Self { block_tokens: new, ..self.clone() });
        }
        if new == 0 || !(new.is_multiple_of(own) || own.is_multiple_of(new)) {
            return None;
        }
        let (per_new, per_own) = (new / own, own / new);
        let n_blocks: usize = self.rows.iter().map(|row| n_blocks_of(row.input_tokens, new)).sum();
        u32::try_from(n_blocks).ok()?;
        let mut numbers = vec![None; self.n_blocks_distinct * per_own.max(1) as usize];
        let (mut rows, mut blocks, mut n_distinct) = (Vec::with_capacity(self.rows.len()), Vec::new(), 0);
        let mut number = |name: usize| {
            *numbers[name].get_or_insert_with(|| {
                n_distinct += 1;
                BlockId::from_index(n_distinct - 1)
            })
        };
        for row in &self.rows {
            let (first_block, n_new) = (blocks.len(), n_blocks_of(row.input_tokens, new));
            if per_own <= 1 {
                let chunks = self.blocks(row).chunks(per_new as usize);
                blocks.extend(chunks.filter_map(|chunk| chunk.last()).map(|last| number(last.index())));
            } else {
                let parts = self.blocks(row).iter();
                let names =
                    parts.flat_map(|block| (0..per_own as usize).map(|part| block.index() * per_own as usize + part));
                blocks.extend(names.take(n_new).map(&mut number));
            }
            let TraceRow { timestamp_ms, input_tokens, output_tokens, .. } = *row;
            rows.push(TraceRow::with_blocks(timestamp_ms, input_tokens, output_tokens, first_block, n_new));
        }
        Some(Self { chats: self.chats.clone(), ..Self::in_blocks(new, rows, blocks, self.file_sha256) })
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no row, which no checked trace is.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Its rows, in order of time.
    pub fn rows(&self) -> &[TraceRow] {
        &self.rows
    }

    /// The blocks of one of its rows, from the root on.
    pub fn blocks(&self, row: &TraceRow) -> &[BlockId] {
        &self.blocks[row.block_range()]
    }

    /// How many block references all rows have together.
    pub fn n_blocks_total(&self) -> usize {
        self.blocks.len()
    }

    /// How many blocks there are; ids are below this number.
    pub fn n_blocks_distinct(&self) -> usize {
        self.n_blocks_distinct
    }

    /// SHA-256 of the file that was read, or of [`Trace::to_jsonl`] for a generated trace, in hexadecimal.
    pub fn sha256(&self) -> String {
        let hash = self.file_sha256.unwrap_or_else(|| {
            let mut hasher = Sha256::new();
            self.write_lines(|line| hasher.update(line));
            hasher.finalize().into()
        });
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The trace as a file, in the published format: one object a line, with ", " and ": " between its parts; without
    /// `hash_ids` where no prefixes are recorded.
    pub fn to_jsonl(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(8 * self.blocks.len() + 96 * self.rows.len());
        self.write_lines(|line| file.extend_from_slice(line));
        file
    }

    /// Writes the same to `out`, line by line: a long trace need not be in memory once more as text.
    ///
    /// # Errors
    /// What `out` says; nothing is written after it.
    pub fn write_jsonl(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut written = Ok(());
        self.write_lines(|line| {
            if written.is_ok() {
                written = out.write_all(line);
            }
        });
        written
    }

    /// Hands each line to `sink`, in one buffer that is used again.
    fn write_lines(&self, mut sink: impl FnMut(&[u8])) {
        let mut line = Vec::new();
        for row in &self.rows {
            line.clear();
            for (key, value) in [
                ("{\"timestamp\": ", row.timestamp_ms),
                (", \"input_length\": ", u64::from(row.input_tokens)),
                (", \"output_length\": ", u64::from(row.output_tokens)),
            ] {
                line.extend_from_slice(key.as_bytes());
                push_decimal(&mut line, value);
            }
            let mut separator: &[u8] = b", \"hash_ids\": [";
            for block in self.blocks(row) {
                line.extend_from_slice(separator);
                push_decimal(&mut line, u64::from(block.get()));
                separator = b", ";
            }
            line.extend_from_slice(if self.has_prefixes() { b"]}\n" } else { b"}\n" });
            sink(&line);
        }
    }
}

impl PartialEq for Trace {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows && self.blocks == other.blocks && self.block_tokens == other.block_tokens
    }
}

impl Eq for Trace {}

/// Appends a number; formatting by `write!` costs several times more over the 300,000 numbers of a trace.
fn push_decimal(line: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_ROWS: &str = "\
{\"timestamp\": 0, \"input_length\": 700, \"output_length\": 5, \"hash_ids\": [0, 1]}
{\"timestamp\": 3000, \"input_length\": 513, \"output_length\": 1, \"hash_ids\": [0, 2]}
";

    #[test]
    fn a_canonical_file_is_written_as_it_was_read() {
        let trace = Trace::parse(TWO_ROWS.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(trace.to_jsonl()).unwrap(), TWO_ROWS);
        assert_eq!((trace.len(), trace.n_blocks_total(), trace.n_blocks_distinct()), (2, 4, 3));
        assert_eq!(trace.blocks(&trace.rows()[1]), [BlockId::new(0), BlockId::new(2)]);
    }

    #[test]
    fn the_checksum_of_a_read_trace_is_that_of_its_bytes() {
        let trace = Trace::parse(TWO_ROWS.as_bytes()).unwrap();
        let spaced = Trace::parse(TWO_ROWS.replace(": ", " : ").as_bytes()).unwrap();
        assert_eq!(trace, spaced);
        assert_ne!(trace.sha256(), spaced.sha256());
        let unread = Trace { file_sha256: None, ..spaced };
        assert_eq!(unread.sha256(), trace.sha256());
    }

    #[test]
    fn decimals_are_what_display_prints() {
        for number in [0, 7, 10, 4_294_967_295, u64::MAX] {
            let mut line = Vec::new();
            push_decimal(&mut line, number);
            assert_eq!(String::from_utf8(line).unwrap(), number.to_string());
        }
    }
}
