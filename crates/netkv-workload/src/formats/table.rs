//! The formats that are read besides Mooncake's, as data: what their fields are called, and what tells them.
//!
//! Each names its source: where the format is written down, or the file that it was seen in.

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One JSON object a line in the Mooncake format, checked as such.
    Mooncake,
    /// Comma-separated values with a line of names.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Spans of OpenTelemetry, one JSON object a line.
    OtelSpans,
    /// Conversations in one JSON list.
    ShareGpt,
    /// The log of a vLLM server.
    VllmLog,
}

/// How a stamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// A number of units of so many nanoseconds.
    Units(i64),
    /// A date with a time, in UTC if it names no zone.
    Date,
}

/// Where a trace's time 0 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zero {
    /// At the file's own 0.
    File,
    /// At the earliest row.
    FirstRow,
}

/// A format.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// What `workload.format` calls it.
    pub name: &'static str,
    /// What it is called in words.
    pub title: &'static str,
    /// How the file is laid out.
    pub layout: Layout,
    /// The field of the arrival, if there is one, and how it is written.
    pub arrival: Option<(&'static str, Clock, Zero)>,
    /// The field of the prompt's tokens.
    pub input: &'static str,
    /// The field of the answer's tokens.
    pub output: &'static str,
    /// The field of the block ids, and how many tokens a block is.
    pub blocks: Option<(&'static str, u32)>,
    /// The fields of the chat and of the one that it goes on with, -1 for none, if the file names chats.
    pub chats: Option<(&'static str, &'static str)>,
    /// A field that no row has: one that does is an error, since what it says would be lost.
    pub lacks: Option<&'static str>,
    /// A file is of this format if its first line has all of these names; the first such format counts.
    pub told_by: &'static [&'static str],
    /// Where the format was found.
    pub source: &'static str,
}

pub(super) const SECOND: Clock = Clock::Units(1_000_000_000);
pub(super) const MILLISECOND: Clock = Clock::Units(1_000_000);
pub(super) const MICROSECOND: Clock = Clock::Units(1_000);
pub(super) const NANOSECOND: Clock = Clock::Units(1);

/// The fields of Bailian's chats.
const BAILIAN_CHATS: Option<(&str, &str)> = Some(("chat_id", "parent_chat_id"));

/// What a format has that says nothing more.
const NOTHING: Format = Format {
    name: "",
    title: "",
    layout: Layout::Csv,
    arrival: None,
    input: "",
    output: "",
    blocks: None,
    chats: None,
    lacks: None,
    told_by: &[],
    source: "",
};

/// The formats, in the order in which a file is held against them.
pub const FORMATS: [Format; 14] = [
    Format {
        name: "mooncake",
        title: "Mooncake JSON lines",
        layout: Layout::Mooncake,
        input: "input_length",
        output: "output_length",
        arrival: Some(("timestamp", MILLISECOND, Zero::File)),
        source: "kvcache-ai/Mooncake, FAST25-release/README.md",
        ..NOTHING
    },
    Format {
        name: "bailian",
        title: "Alibaba Bailian JSON lines",
        layout: Layout::JsonLines,
        arrival: Some(("timestamp", SECOND, Zero::File)),
        input: "input_length",
        output: "output_length",
        blocks: Some(("hash_ids", 16)),
        chats: BAILIAN_CHATS,
        told_by: &["chat_id", "timestamp", "input_length", "output_length", "hash_ids"],
        source: "alibaba-edu/qwen-bailian-usagetraces-anon, README.md, commit 03a51e3",
        ..NOTHING
    },
    Format {
        name: "bailian_lengths",
        title: "Alibaba Bailian JSON lines without hash_ids",
        layout: Layout::JsonLines,
        arrival: Some(("timestamp", SECOND, Zero::File)),
        input: "input_length",
        output: "output_length",
        chats: BAILIAN_CHATS,
        lacks: Some("hash_ids"),
        told_by: &["chat_id", "timestamp", "input_length", "output_length"],
        source: "Bailian's, less one field",
        ..NOTHING
    },
    Format {
        name: "mooncake_lengths",
        title: "Mooncake JSON lines without hash_ids",
        layout: Layout::JsonLines,
        arrival: Some(("timestamp", MILLISECOND, Zero::File)),
        input: "input_length",
        output: "output_length",
        lacks: Some("hash_ids"),
        told_by: &["timestamp", "input_length", "output_length"],
        source: "Mooncake's, less one field",
        ..NOTHING
    },
    Format {
        name: "llmservingsim",
        title: "LLMServingSim JSON lines",
        layout: Layout::JsonLines,
        arrival: Some(("arrival_time_ns", NANOSECOND, Zero::File)),
        input: "input_toks",
        output: "output_toks",
        told_by: &["input_toks", "output_toks", "arrival_time_ns"],
        source: "casys-kaist/LLMServingSim, the record format in its data-set generators",
        ..NOTHING
    },
    Format {
        name: "otel",
        title: "OpenTelemetry GenAI spans, JSON lines",
        layout: Layout::OtelSpans,
        arrival: Some(("startTimeUnixNano", NANOSECOND, Zero::FirstRow)),
        input: "gen_ai.usage.input_tokens",
        output: "gen_ai.usage.output_tokens",
        source: "OpenTelemetry: protocol file exporter (JSON lines), semantic conventions for GenAI spans",
        ..NOTHING
    },
    Format {
        name: "sharegpt",
        title: "ShareGPT JSON",
        layout: Layout::ShareGpt,
        source: "ShareGPT_V3_unfiltered_cleaned_split.json, as vLLM's benchmarks read it: the first two turns",
        ..NOTHING
    },
    Format {
        name: "vllm_log",
        title: "vLLM request log",
        layout: Layout::VllmLog,
        source: "vllm-project/vllm, vllm/entrypoints/logger.py, commits 01ff126 and 63c2b7a",
        ..NOTHING
    },
    Format {
        name: "azure",
        title: "Azure LLM inference CSV, 2023 or 2024",
        arrival: Some(("TIMESTAMP", Clock::Date, Zero::FirstRow)),
        input: "ContextTokens",
        output: "GeneratedTokens",
        told_by: &["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
        source: "Azure/AzurePublicDataset, AzureLLMInferenceDataset2023.md and 2024.md (commit 04e28b8)",
        ..NOTHING
    },
    Format {
        name: "burstgpt",
        title: "BurstGPT CSV",
        arrival: Some(("Timestamp", SECOND, Zero::File)),
        input: "Request tokens",
        output: "Response tokens",
        told_by: &["Timestamp", "Request tokens", "Response tokens"],
        source: "HPMLL/BurstGPT, README.md: seconds; failures have 0 response tokens",
        ..NOTHING
    },
    Format {
        name: "vidur",
        title: "Vidur CSV with arrivals",
        arrival: Some(("arrived_at", SECOND, Zero::File)),
        input: "num_prefill_tokens",
        output: "num_decode_tokens",
        told_by: &["arrived_at", "num_prefill_tokens", "num_decode_tokens"],
        source: "microsoft/vidur, data/processed_traces/splitwise_conv.csv, commit 8e54dd5",
        ..NOTHING
    },
    Format {
        name: "vidur_lengths",
        title: "Vidur CSV without arrivals",
        input: "num_prefill_tokens",
        output: "num_decode_tokens",
        told_by: &["num_prefill_tokens", "num_decode_tokens"],
        source: "microsoft/vidur, data/processed_traces/arxiv_summarization_stats_llama2_tokenizer_filtered_v2.csv, commit \
                 6d98aa8",
        ..NOTHING
    },
    Format {
        name: "splitwise",
        title: "splitwise-sim CSV with arrivals",
        arrival: Some(("arrival_timestamp", SECOND, Zero::File)),
        input: "prompt_size",
        output: "token_size",
        told_by: &["arrival_timestamp", "prompt_size", "token_size"],
        source: "Mutinifni/splitwise-sim, generate_trace.py, commit 3780880",
        ..NOTHING
    },
    Format {
        name: "splitwise_lengths",
        title: "splitwise-sim CSV without arrivals",
        input: "prompt_size",
        output: "token_size",
        told_by: &["prompt_size", "token_size"],
        source: "Mutinifni/splitwise-sim, generate_trace.py, commit 3780880",
        ..NOTHING
    },
];

/// The columns of a CSV or parquet file that is of no known format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The column of the arrival, if there is one, and how it is written.
    pub arrival: Option<(String, Clock)>,
    /// The column of the prompt's tokens.
    pub input: String,
    /// The column of the answer's tokens.
    pub output: String,
}

/// The units of stamps by name.
pub const CLOCKS: [(&str, Clock); 5] =
    [("s", SECOND), ("ms", MILLISECOND), ("us", MICROSECOND), ("ns", NANOSECOND), ("date", Clock::Date)];

/// The format of this name.
pub(super) fn named(name: &str) -> &'static Format {
    FORMATS.iter().find(|format| format.name == name).expect("a format of the table")
}
