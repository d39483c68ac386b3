//! Bytes to rows. A good line takes the typed path; a bad one is looked at again to say what is wrong with it.

use super::diagnose::{FIELDS, HASH_IDS, INPUT_LENGTH, OUTPUT_LENGTH, TIMESTAMP, diagnose};
use super::error::{TraceError, TraceErrors};
use super::limits::{BLOCK_TOKENS, MAX_TIMESTAMP_MS, MAX_TOKENS, n_blocks_of};
use super::rows::{Trace, TraceRow};
use netkv_units::BlockId;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// A line whose fields have the right types.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRow {
    timestamp: u64,
    input_length: u64,
    output_length: u64,
    hash_ids: Vec<u64>,
}

impl Trace {
    /// Reads and checks a trace from the bytes of a file.
    ///
    /// # Errors
    /// All that is wrong with the file, row by row: malformed JSON, missing or unknown fields, numbers out of range,
    /// timestamps that run back, a number of blocks that does not fit the input length, block ids that are no tree.
    pub fn parse(bytes: &[u8]) -> Result<Self, TraceErrors> {
        Self::parse_in_blocks(bytes, BLOCK_TOKENS, Sha256::digest(bytes).into())
    }

    /// The same with blocks of `block_tokens`, from a file of this digest.
    pub(crate) fn parse_in_blocks(bytes: &[u8], block_tokens: u32, sha256: [u8; 32]) -> Result<Self, TraceErrors> {
        let mut reader = Reader::new(bytes.len(), block_tokens);
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if bytes.is_empty() {
            let allowed = format!("one JSON object a line, with the fields {FIELDS}");
            reader.errors.push(TraceError::line(1, "", "the file is empty", &allowed));
        } else {
            for (line_idx, line) in body.split(|&byte| byte == b'\n').enumerate() {
                reader.read_line(line_idx + 1, line);
            }
        }
        if !reader.errors.is_empty() {
            return Err(reader.errors);
        }
        Ok(Self::in_blocks(block_tokens, reader.rows, reader.blocks, Some(sha256)))
    }
}

/// What has been read so far.
struct Reader {
    rows: Vec<TraceRow>,
    blocks: Vec<BlockId>,
    tree: BlockTree,
    block_tokens: u32,
    /// Timestamp of the line before, believable or not, so that one wrong stamp is one error.
    previous_ms: u64,
    errors: TraceErrors,
}

impl Reader {
    fn new(n_bytes: usize, block_tokens: u32) -> Self {
        Self {
            rows: Vec::new(),
            blocks: Vec::new(),
            tree: BlockTree::new(n_bytes),
            block_tokens,
            previous_ms: 0,
            errors: TraceErrors::default(),
        }
    }

    fn read_line(&mut self, line: usize, text: &[u8]) {
        match serde_json::from_slice::<RawRow>(text) {
            Ok(raw) => self.read_row(line, &raw),
            Err(error) => diagnose(line, text, &error).into_iter().for_each(|error| self.errors.push(error)),
        }
    }

    /// Adds a row, or says what is wrong with it.
    fn read_row(&mut self, line: usize, raw: &RawRow) {
        let time_error = check_timestamp(line, raw.timestamp, self.previous_ms);
        self.previous_ms = raw.timestamp;
        let input_tokens = check_tokens(line, INPUT_LENGTH, raw.input_length);
        let output_tokens = check_tokens(line, OUTPUT_LENGTH, raw.output_length);
        let first_block = self.blocks.len();
        let mut errors = Vec::from_iter(time_error);
        match (input_tokens, output_tokens) {
            (Ok(input_tokens), Ok(output_tokens)) => {
                let n_ids = raw.hash_ids.len();
                let block_error = check_block_count(line, input_tokens, self.block_tokens, n_ids);
                match block_error.map_or_else(|| self.tree.insert(line, &raw.hash_ids, &mut self.blocks), Err) {
                    Ok(()) => {
                        let at_ms = raw.timestamp;
                        self.rows.push(TraceRow::with_blocks(at_ms, input_tokens, output_tokens, first_block, n_ids));
                    }
                    Err(error) => errors.push(error),
                }
            }
            (input_tokens, output_tokens) => errors.extend(input_tokens.err().into_iter().chain(output_tokens.err())),
        }
        errors.into_iter().for_each(|error| self.errors.push(error));
    }
}

fn check_timestamp(line: usize, timestamp_ms: u64, previous_ms: u64) -> Option<TraceError> {
    let error = |problem: &str, allowed: &str| {
        Some(TraceError::field(line, TIMESTAMP, &timestamp_ms.to_string(), problem, allowed))
    };
    if timestamp_ms > MAX_TIMESTAMP_MS {
        return error("too large", &format!("a whole number of ms, at most {MAX_TIMESTAMP_MS}"));
    }
    if timestamp_ms < previous_ms {
        return error("runs back", &format!("at least {previous_ms}, the timestamp of the line before"));
    }
    None
}

fn check_tokens(line: usize, field: &str, tokens: u64) -> Result<u32, TraceError> {
    let problem = if tokens == 0 { "no tokens" } else { "too many tokens" };
    match u32::try_from(tokens) {
        Ok(count) if (1..=MAX_TOKENS).contains(&count) => Ok(count),
        _ => {
            let allowed = format!("a whole number from 1 to {MAX_TOKENS}");
            Err(TraceError::field(line, field, &tokens.to_string(), problem, &allowed))
        }
    }
}

fn check_block_count(line: usize, input_tokens: u32, block_tokens: u32, n_found: usize) -> Option<TraceError> {
    let n_expected = n_blocks_of(input_tokens, block_tokens);
    (n_found != n_expected).then(|| {
        let problem = format!("does not fit {INPUT_LENGTH} = {input_tokens}");
        let allowed = format!("{n_expected} ids, one for each {block_tokens} tokens begun");
        TraceError::field(line, HASH_IDS, &format!("{n_found} ids"), &problem, &allowed)
    })
}

/// A block's place in the tree: its parent's number, and the line that said so.
#[derive(Clone, Copy)]
struct Place {
    file_id: u64,
    parent: Option<BlockId>,
    line: usize,
}

/// The tree of blocks, with the file's ids on one side and ours, dense in order of first appearance, on the other.
struct BlockTree {
    places: Vec<Place>,
    /// Our id of each small file id. Ids below the file's size are small: dense ones always are, and the table then
    /// takes no more memory than a few times the file.
    small: Vec<Option<BlockId>>,
    small_limit: u64,
    large: BTreeMap<u64, BlockId>,
}

impl BlockTree {
    fn new(n_bytes: usize) -> Self {
        Self { places: Vec::new(), small: Vec::new(), small_limit: n_bytes as u64, large: BTreeMap::new() }
    }

    /// Appends our ids for the file's `ids` to `blocks`, or nothing if they contradict an earlier line.
    fn insert(&mut self, line: usize, ids: &[u64], blocks: &mut Vec<BlockId>) -> Result<(), TraceError> {
        let n_before = blocks.len();
        let mut parent = None;
        for (position, &file_id) in ids.iter().enumerate() {
            let block = self.find_or_add(line, file_id, parent);
            let place = self.places[block.index()];
            if place.parent != parent {
                blocks.truncate(n_before);
                return Err(self.conflict(line, position, place, parent));
            }
            blocks.push(block);
            parent = Some(block);
        }
        Ok(())
    }

    fn find_or_add(&mut self, line: usize, file_id: u64, parent: Option<BlockId>) -> BlockId {
        let next = BlockId::from_index(self.places.len());
        let block = if file_id < self.small_limit {
            let slot = usize::try_from(file_id).expect("it is below the size of a file in memory");
            if slot >= self.small.len() {
                self.small.resize(slot + 1, None);
            }
            *self.small[slot].get_or_insert(next)
        } else {
            *self.large.entry(file_id).or_insert(next)
        };
        if block == next {
            self.places.push(Place { file_id, parent, line });
        }
        block
    }

    fn conflict(&self, line: usize, position: usize, place: Place, parent: Option<BlockId>) -> TraceError {
        let describe = |parent: Option<BlockId>| match parent {
            Some(block) => format!("after id {}", self.places[block.index()].file_id),
            None => "first".to_owned(),
        };
        let value = format!("[.. {} ..] at position {position}", place.file_id);
        let problem = format!("id {} comes {} here", place.file_id, describe(parent));
        let allowed =
            format!("only {}, as on line {}: equal ids mean equal prefixes", describe(place.parent), place.line);
        TraceError::field(line, HASH_IDS, &value, &problem, &allowed)
    }
}
