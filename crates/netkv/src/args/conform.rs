//! The command line of `netkv conform`.

use super::Changes;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// The products that rules of ours can be held against.
#[derive(Debug, Subcommand)]
pub enum ConformCommand {
    /// NVIDIA Dynamo's selection service against dynamo_decode and dynamo_topology_*
    #[command(after_help = "\
Examples:
  python3 -m venv dynamo && dynamo/bin/pip install -r validation/dynamo/requirements.txt
  netkv conform dynamo experiments/conform.toml --command dynamo/bin/python -m dynamo.select_service
  netkv conform dynamo experiments/load.toml --set policy.name=dynamo_decode --cell 3 --command python3 -m dynamo.select_service
The product decides, and beside it the policy of each cell rates the same candidates. A tie counts as equal if the product
chose one of those that are rated best alike. Exit code 4 if any decision differs. docs/external.md")]
    Dynamo(ConformArgs),
}

/// `netkv conform dynamo`.
#[derive(Debug, Args)]
pub struct ConformArgs {
    /// Experiment file whose policies are compared
    #[arg(value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiment: PathBuf,
    /// How the product is started: the rest of the line
    #[arg(long, value_name = "COMMAND", required = true, num_args = 1.., allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// The release that it has to be
    #[arg(long, value_name = "VERSION", default_value = "1.6.1")]
    pub release: String,
    /// This cell alone
    #[arg(long, value_name = "N")]
    pub cell: Option<usize>,
    /// Seconds that one answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub timeout: u32,
    /// Start the service where every host that reaches this machine reaches it, not in a network namespace of its own
    #[arg(long)]
    pub host_network: bool,
    /// A reduced version: at most 1200 requests
    #[arg(long)]
    pub quick: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// What is changed.
    #[command(flatten)]
    pub changes: Changes,
}
