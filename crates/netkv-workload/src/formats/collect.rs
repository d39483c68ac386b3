//! From rows in the order of a file to a trace, by rules that are told: what is left out, what is sorted, what stands in.

use super::chain::Chains;
use super::stamp::Wrong;
use super::table::Zero;
use crate::trace::{
    BLOCK_TOKENS, MAX_TIMESTAMP_MS, MAX_TOKENS, Place, Trace, TraceError, TraceErrors, TraceRow, n_blocks_of,
};
use netkv_units::Stream;
use std::collections::BTreeMap;

const NANOS_PER_MS: i64 = 1_000_000;

/// The rate of a trace that has no arrivals, in requests a second. Chosen by us: `workload.load` scales it anyway.
const STAND_IN_RPS: f64 = 1.0;

/// Seed of arrivals that the file does not have. Chosen by us: any will do.
const STAND_IN_SEED: u64 = 1;

/// A row as read.
struct Draft {
    at_ns: i64,
    input_tokens: u32,
    output_tokens: u32,
    line: u32,
    /// Where its ids are.
    first_id: u32,
    n_ids: u32,
    /// Where its chat is; [`NO_CHAT`] if it names none.
    chat: u32,
}

/// What stands for the place of no chat.
const NO_CHAT: u32 = u32::MAX;

/// A chat, and the one that it goes on with.
#[derive(Clone, Copy)]
pub(super) struct Chat {
    pub id: i64,
    pub parent: Option<i64>,
}

/// By row, in order of time: the conversation that it is of, numbered in order of first appearance. A row is of its
/// parent's; rows whose parent is not in the file are of one if it is the same. None if not every row names a chat.
fn conversations(drafts: &[Draft], chats: &[Chat]) -> Option<Vec<u32>> {
    let mut numbers: BTreeMap<i64, u32> = BTreeMap::new();
    let mut n_numbers = 0;
    let of_row = |draft: &Draft| {
        let Chat { id, parent } = *chats.get(draft.chat as usize)?;
        let known = parent.and_then(|parent| numbers.get(&parent)).or_else(|| numbers.get(&id)).copied();
        let number = known.unwrap_or(n_numbers);
        n_numbers += u32::from(known.is_none());
        for name in parent.into_iter().chain([id]) {
            numbers.entry(name).or_insert(number);
        }
        Some(number)
    };
    drafts.iter().map(of_row).collect()
}

/// Rows of a kind, the first of them by its line.
#[derive(Clone, Copy, Default)]
struct Count {
    n: usize,
    first_line: usize,
}

impl Count {
    fn add(&mut self, line: usize) {
        if self.n == 0 {
            self.first_line = line;
        }
        self.n += 1;
    }

    /// What is said of these rows, if there are any.
    fn told(self, what: &str, place: Place) -> Option<String> {
        let rows = if self.n == 1 { "row" } else { "rows" };
        let first = match place {
            Place::Line | Place::File => format!("on line {}", self.first_line),
            Place::Row => format!("is row {}", self.first_line),
        };
        (self.n > 0).then(|| format!("{} {rows} {what} (the first {first})", self.n))
    }
}

/// Rows that are being read.
pub(super) struct Collector {
    drafts: Vec<Draft>,
    ids: Vec<u64>,
    chats: Vec<Chat>,
    /// Blocks so far, which must have numbers.
    n_blocks: u64,
    /// Tokens of a block, where ids are read.
    block_tokens: Option<u32>,
    /// What its errors count in.
    place: Place,
    previous_ns: i64,
    empty: Count,
    unsorted: Count,
    short_of_ids: Count,
    many_ids: Count,
    /// What was found wrong.
    errors: TraceErrors,
}

impl Collector {
    pub(super) fn new(block_tokens: Option<u32>) -> Self {
        Self {
            drafts: Vec::new(),
            ids: Vec::new(),
            chats: Vec::new(),
            n_blocks: 0,
            block_tokens,
            place: Place::Line,
            previous_ns: i64::MIN,
            empty: Count::default(),
            unsorted: Count::default(),
            short_of_ids: Count::default(),
            many_ids: Count::default(),
            errors: TraceErrors::default(),
        }
    }

    /// One of a file that has rows and no lines, nor ids.
    #[cfg(feature = "parquet")]
    pub(super) fn of_rows() -> Self {
        Self { place: Place::Row, ..Self::new(None) }
    }

    pub(super) fn error(&mut self, error: TraceError) {
        let place = if error.place == Place::Line { self.place } else { error.place };
        self.errors.push(TraceError { place, ..error });
    }

    /// Adds a row: its arrival, the tokens of prompt and answer, and its ids.
    pub(super) fn add(&mut self, line: usize, at_ns: i64, lengths: [u64; 2], ids: &[u64]) {
        self.add_of_chat(line, at_ns, lengths, ids, None);
    }

    /// The same of a row of a chat.
    pub(super) fn add_of_chat(
        &mut self,
        line: usize,
        at_ns: i64,
        [input, output]: [u64; 2],
        ids: &[u64],
        chat: Option<Chat>,
    ) {
        if input == 0 || output == 0 {
            return self.empty.add(line);
        }
        // INVARIANT: both are at most `MAX_TOKENS`, which `tokens` of the readers' cells holds them to.
        let [input_tokens, output_tokens] =
            [input, output].map(|tokens| u32::try_from(tokens).expect("readers check the limit"));
        self.n_blocks += n_blocks_of(input_tokens, self.block_tokens.unwrap_or(BLOCK_TOKENS)) as u64;
        let n_all_ids = self.ids.len() + ids.len();
        let (Ok(line_number), Ok(_), true) =
            (u32::try_from(line), u32::try_from(n_all_ids), self.n_blocks <= u64::from(u32::MAX))
        else {
            let allowed = "at most 4294967295 lines, and as many blocks of all prompts together";
            return self.error(TraceError::line(line, "", "the trace is too large", allowed));
        };
        if at_ns < self.previous_ns {
            self.unsorted.add(line);
        }
        self.previous_ns = self.previous_ns.max(at_ns);
        let first_id = self.ids.len() as u32;
        let ids = &ids[..ids.len().min(self.n_expected(line, input_tokens, ids.len()))];
        self.ids.extend_from_slice(ids);
        let n_ids = ids.len() as u32;
        // INVARIANT: there are fewer chats than lines, whose number fits.
        let place = if chat.is_some() { self.chats.len() as u32 } else { NO_CHAT };
        self.chats.extend(chat);
        let chat = place;
        self.drafts.push(Draft { at_ns, input_tokens, output_tokens, line: line_number, first_id, n_ids, chat });
    }

    /// How many ids the prompt has room for; a number of ids that is not as expected is counted.
    fn n_expected(&mut self, line: usize, input_tokens: u32, n_ids: usize) -> usize {
        let Some(block_tokens) = self.block_tokens else { return 0 };
        let n_expected = n_blocks_of(input_tokens, block_tokens);
        match n_ids.cmp(&n_expected) {
            std::cmp::Ordering::Less => self.short_of_ids.add(line),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => self.many_ids.add(line),
        }
        n_expected
    }

    /// The trace, and what is to be told of it.
    pub(super) fn finish(
        mut self,
        zero: Option<Zero>,
        sha256: [u8; 32],
        kept: &str,
    ) -> Result<(Trace, Vec<String>), TraceErrors> {
        let notes = self.notes(zero);
        if zero.is_none() {
            self.draw_arrivals();
        }
        self.drafts.sort_by_key(|draft| draft.at_ns);
        let first_ns = match zero {
            Some(Zero::FirstRow) => self.drafts.first().map_or(0, |draft| draft.at_ns),
            Some(Zero::File) | None => 0,
        };
        self.check_last(first_ns);
        if self.errors.is_empty() && self.drafts.is_empty() {
            let problem = "the file has no request that can be used";
            let problem = self
                .empty
                .told("without tokens", self.place)
                .map_or(problem.to_owned(), |told| format!("{problem}: {told}"));
            self.errors.push(match self.place {
                Place::Line => TraceError::line(1, "", &problem, kept),
                Place::Row | Place::File => TraceError::file("", &problem, kept),
            });
        }
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        Ok((self.build(first_ns, sha256), notes))
    }

    fn notes(&self, zero: Option<Zero>) -> Vec<String> {
        let told = |count: Count, what| count.told(what, self.place);
        let counted = [
            told(self.empty, "without prompt or answer tokens left out"),
            told(self.unsorted, "out of order sorted by time").filter(|_| zero.is_some()),
            told(self.short_of_ids, "with fewer block ids than blocks: the rest of the prompt is its own"),
            told(self.many_ids, "with more block ids than blocks: those beyond the prompt left out"),
        ];
        let arrivals = zero.is_none().then(|| {
            format!(
                "no arrivals recorded: a Poisson process of {STAND_IN_RPS} request/s, seed {STAND_IN_SEED}, stands in, in \
                 the order of the file"
            )
        });
        counted.into_iter().chain([arrivals]).flatten().collect()
    }

    fn draw_arrivals(&mut self) {
        let mut stream = Stream::new(STAND_IN_SEED, "trace arrivals");
        let mut at_s = 0.0;
        for draft in &mut self.drafts {
            at_s += stream.exponential(1.0 / STAND_IN_RPS);
            draft.at_ns = (at_s * 1e9) as i64;
        }
    }

    /// Stamps that are not believed: the last one tells.
    fn check_last(&mut self, first_ns: i64) {
        let Some(last) = self.drafts.last() else { return };
        let last_ms = i128::from(last.at_ns).saturating_sub(i128::from(first_ns)) / i128::from(NANOS_PER_MS);
        if last_ms > i128::from(MAX_TIMESTAMP_MS) {
            let allowed = format!("at most {MAX_TIMESTAMP_MS} ms after the trace's time 0");
            let line = last.line as usize;
            self.error(TraceError::line(line, &format!("{last_ms} ms"), "the arrival is too late", &allowed));
        }
    }

    fn build(&self, first_ns: i64, sha256: [u8; 32]) -> Trace {
        let mut chains = Chains::default();
        let mut blocks = Vec::new();
        let rows = self.drafts.iter().map(|draft| {
            let first_block = blocks.len();
            if let Some(block_tokens) = self.block_tokens {
                let ids = &self.ids[draft.first_id as usize..][..draft.n_ids as usize];
                let n_own = n_blocks_of(draft.input_tokens, block_tokens) - ids.len();
                chains.append(ids, n_own, &mut blocks);
            }
            let at_ms = ((draft.at_ns - first_ns) / NANOS_PER_MS).unsigned_abs();
            let n_blocks = blocks.len() - first_block;
            TraceRow::with_blocks(at_ms, draft.input_tokens, draft.output_tokens, first_block, n_blocks)
        });
        let rows = rows.collect();
        let block_tokens = self.block_tokens.unwrap_or(BLOCK_TOKENS);
        let trace = Trace::in_blocks(block_tokens, rows, blocks, Some(sha256));
        match conversations(&self.drafts, &self.chats) {
            Some(chats) => trace.with_chats(chats),
            None => trace,
        }
    }
}

/// A count of tokens as a cell has it, held to what is believed.
pub(super) fn tokens(text: &str) -> Result<u64, Wrong> {
    let count = super::stamp::tokens(text)?;
    if count > u64::from(MAX_TOKENS) {
        return Err(("too many tokens", format!("a whole number up to {MAX_TOKENS}")));
    }
    Ok(count)
}
