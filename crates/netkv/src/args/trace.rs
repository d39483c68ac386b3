//! The arguments of `netkv trace`.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueHint};
use netkv_workload::{CLOCKS, FORMATS};
use std::path::PathBuf;

/// `netkv trace`.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Describe a trace in numbers
    #[command(after_help = "\
Examples:
  netkv trace inspect traces/conversation_trace.jsonl
  netkv trace inspect azure.csv.gz --json
  netkv trace inspect log.csv --column arrival=t --column input=prompt --column output=answer --unit ms
  netkv trace inspect log.parquet --column arrival=t --column input=prompt --column output=answer --unit date
  netkv trace inspect ShareGPT_V3_unfiltered_cleaned_split.json --tokenizer tokenizer.json")]
    Inspect {
        /// A trace in any format of docs/traces.md, plain or packed with gzip or zstd
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// How it is to be read.
        #[command(flatten)]
        reading: ReadingArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a trace in the Mooncake format
    #[command(after_help = "\
Examples:
  netkv trace convert AzureLLMInferenceTrace_code.csv traces/azure_code.jsonl
  netkv trace convert qwen_coder_blksz_16.jsonl traces/coder.jsonl
  netkv trace convert qwen_coder_blksz_16.jsonl traces/coder_64.jsonl --block-tokens 64
  netkv trace convert ShareGPT_V3_unfiltered_cleaned_split.json traces/chat.jsonl --tokenizer tokenizer.json
Without --tokenizer a token of a text is four characters. A tokenizer.json is beside each model at
Hugging Face; texts are counted without chat template and special tokens.")]
    Convert {
        /// A trace in any format of docs/traces.md
        #[arg(value_name = "IN", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The file to write
        #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
        out: PathBuf,
        /// Tokens of the blocks to write: finer ones are gathered, coarser ones cut [default: those that the trace has]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        block_tokens: Option<u32>,
        /// How it is to be read.
        #[command(flatten)]
        reading: ReadingArgs,
    },
    /// Fetch a published trace from where it is published
    #[command(after_help = FETCH_HELP)]
    Fetch(FetchArgs),
    /// Generate a trace like the Mooncake ones
    #[command(after_help = GENERATE_HELP)]
    Generate {
        /// Which trace it is to be like
        #[arg(value_parser = PossibleValuesParser::new(["conversation", "synthetic", "toolagent_approx"]))]
        kind: String,
        /// Seed of the generator
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Write here instead of to standard output
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
        /// What is to be different from the published trace.
        #[command(flatten)]
        knobs: KnobArgs,
    },
}

/// What `netkv trace generate` does.
const GENERATE_HELP: &str = "\
Examples:
  netkv trace generate conversation --seed 5 --out traces/generated.jsonl
  netkv trace generate synthetic | head
  netkv trace generate conversation --rate 10 --out busy.jsonl
  netkv trace generate conversation --turns 3 --out long.jsonl
  netkv trace generate conversation --shared-blocks 0.6 --out shared.jsonl
  netkv trace generate conversation --burst-ratio 8 --burst-s 30 --out bursts.jsonl
Without knobs a trace is that of an experiment's \"synthetic:KIND:SEED\". Seed and knobs are said on
standard error, as the format has no place for them. netkv trace inspect shows what they set;
docs/traces.md says what they mean.";

/// The knobs of the generator.
#[derive(Debug, Args)]
#[command(next_help_heading = "Knobs")]
pub struct KnobArgs {
    /// Requests per second, 0.1 to 100, by the number of sessions [default: as the seed has it, about 3.4; conversation only]
    #[arg(long, value_name = "PER_SECOND", allow_negative_numbers = true)]
    pub rate: Option<f64>,
    /// Mean requests of a session, 1 to 4; the rate stays [default: as the seed has it, about 1.6; conversation only]
    #[arg(long, value_name = "MEAN", allow_negative_numbers = true)]
    pub turns: Option<f64>,
    /// Share of blocks that an infinite cache hits, 0 to 1 [default: as the seed has it, about 0.37; conversation only]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    pub shared_blocks: Option<f64>,
    /// Rate in bursts over the rate outside, 1 to 100 [default: 1, no bursts]
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true)]
    pub burst_ratio: Option<f64>,
    /// Share of time in bursts, 0.001 to 0.9 [default: 0.1]
    #[arg(long, value_name = "SHARE", requires = "burst_ratio", allow_negative_numbers = true)]
    pub burst_share: Option<f64>,
    /// Mean length of a burst in seconds [default: 10]
    #[arg(long, value_name = "SECONDS", requires = "burst_ratio", allow_negative_numbers = true)]
    pub burst_s: Option<f64>,
}

/// What `netkv trace fetch` does.
const FETCH_HELP: &str = "\
Examples:
  netkv trace fetch                    (lists the names)
  netkv trace fetch azure_2023_code
  netkv trace fetch burstgpt_1 --to /data/traces
A file is kept if its checksum is right. A fetch that broke off goes on where it ended. Proxies are
those of HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.";

/// What to fetch.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Which trace; without it the names are listed
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// The folder to put it in [default: $NETKV_TRACE_DIR, else traces]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub to: Option<PathBuf>,
    /// Address of another server that has the same paths
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// How often to try
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: u32,
    /// How long the server may say nothing, in seconds
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS", value_parser = parse_timeout)]
    pub timeout_s: f64,
}

fn parse_timeout(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.01..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "allowed: a number of seconds from 0.01 to 86400".to_owned())
}

/// How a trace's file is to be read.
#[derive(Debug, Args)]
pub struct ReadingArgs {
    /// Its format, if it is not to be told by its first line
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(FORMATS.map(|format| format.name)))]
    pub format: Option<String>,
    /// A column of a CSV or parquet file of no known format: arrival=NAME, input=NAME or output=NAME
    #[arg(long, value_name = "WHAT=NAME", conflicts_with = "format")]
    pub column: Vec<String>,
    /// What the arrival of such a file is counted in
    #[arg(long, default_value = "s", requires = "column", value_parser = PossibleValuesParser::new(CLOCKS.map(|(name, _)| name)))]
    pub unit: String,
    /// Count tokens of texts by this tokenizer.json of Hugging Face; for formats that have texts: sharegpt, vllm_log
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "column")]
    pub tokenizer: Option<PathBuf>,
}
