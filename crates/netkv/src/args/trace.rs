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
  netkv trace inspect log.csv --column arrival=t --column input=prompt --column output=answer --unit ms")]
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
  netkv trace convert qwen_coder_blksz_16.jsonl traces/coder.jsonl")]
    Convert {
        /// A trace in any format of docs/traces.md
        #[arg(value_name = "IN", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The file to write
        #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
        out: PathBuf,
        /// How it is to be read.
        #[command(flatten)]
        reading: ReadingArgs,
    },
    /// Fetch a published trace from where it is published
    #[command(after_help = FETCH_HELP)]
    Fetch(FetchArgs),
    /// Generate a trace like the Mooncake ones
    #[command(after_help = "\
Examples:
  netkv trace generate conversation --seed 5 --out traces/generated.jsonl
  netkv trace generate synthetic | head")]
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
    },
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
    /// A column of a CSV file of no known format: arrival=NAME, input=NAME or output=NAME
    #[arg(long, value_name = "WHAT=NAME", conflicts_with = "format")]
    pub column: Vec<String>,
    /// What the arrival of such a file is counted in
    #[arg(long, default_value = "s", requires = "column", value_parser = PossibleValuesParser::new(CLOCKS.map(|(name, _)| name)))]
    pub unit: String,
}
