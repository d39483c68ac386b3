//! The arguments of `netkv telemetry`.

use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// What `netkv telemetry import` does.
const IMPORT_HELP: &str = "\
Examples:
  curl -sG http://prometheus:9090/api/v1/query_range -d 'query={__name__=~\"vllm:nixl_.*\"}' -d start=... -d end=... \\
    -d step=60 > nixl.json
  netkv telemetry import nixl.json -o my-network.toml --nic-gbps 400
  netkv telemetry import nixl.json ports.json -o my-network.toml --nic-gbps 400 --links links.csv --record busy.csv
An experiment takes it by extends = [\"my-cluster.toml\", \"my-network.toml\"]. docs/cluster.md has the rules.";

/// `netkv telemetry`.
#[derive(Debug, Subcommand)]
pub enum TelemetryCommand {
    /// Fit what transfers cost, and record how busy links are, from Prometheus' metrics
    #[command(after_help = IMPORT_HELP)]
    Import(TelemetryImportArgs),
}

/// `netkv telemetry import`.
#[derive(Debug, Args)]
pub struct TelemetryImportArgs {
    /// Answers to range queries (JSON), or text dumps of /metrics in order of time
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub inputs: Vec<PathBuf>,
    /// The file to write, for others to extend
    #[arg(long, short, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// Replace files that are there
    #[arg(long)]
    pub force: bool,
    /// Line rate of a worker's network interface, Gb/s; without it transfers are not fitted
    #[arg(long, value_name = "GBPS", required_unless_present = "links")]
    pub nic_gbps: Option<f64>,
    /// What a worker moves, where transfers do not tell it apart from their descriptors
    #[arg(long, value_name = "GB/S", requires = "nic_gbps")]
    pub rate_gbytes_per_s: Option<f64>,
    /// Which link of the fabric each counter of a switch or host is
    #[arg(long, value_name = "LINKS.csv", value_hint = ValueHint::FilePath, requires = "record")]
    pub links: Option<PathBuf>,
    /// Write the shares of links over time here, for background.kind = "recorded"
    #[arg(long, value_name = "RECORD.csv", value_hint = ValueHint::FilePath, requires = "links")]
    pub record: Option<PathBuf>,
}
