//! The arguments of `netkv decide`.

use super::changes::parse_setting;
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// What `netkv decide` does.
pub const DECIDE_HELP: &str = "\
Examples:
  netkv decide --oracle http://127.0.0.1:9464 --topology my-cluster.toml --request request.json
  netkv decide --topology my-cluster.toml --congestion 0,0,0.4,0.6 --request request.json --policy netkv_flow
  netkv decide --topology my-cluster.toml --request '{\"source\": 0, \"input_tokens\": 8000, \"candidates\":
    [{\"instance\": 8, \"running\": 12, \"running_tokens\": 90000}, {\"instance\": 9}]}'
  netkv decide --oracle http://127.0.0.1:9464 --request - --json < request.json | jq .chosen
The request says where its prompt was computed, and what its router knows of each candidate; what is left out is taken from the
file, or as none. docs/oracle.md has every field. Nothing is sent anywhere but the question to the oracle.";

/// `netkv decide`.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// A running netkv oracle, such as http://127.0.0.1:9464: it tells of the network
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, required_unless_present = "topology")]
    pub oracle: Option<String>,
    /// The cluster with its engines and the policies' parameters: an experiment file. Without --oracle, its network too
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub topology: Option<PathBuf>,
    /// Congestion of the four tiers (node, rack, pod, core), each in [0, 1); without it and --oracle the network is idle
    #[arg(long, value_name = "C0,C1,C2,C3", value_parser = parse_congestion, conflicts_with = "oracle")]
    pub congestion: Option<[f64; 4]>,
    /// The request: JSON, a file of it, or - for standard input
    #[arg(long, value_name = "JSON|FILE")]
    pub request: String,
    /// Who decides: a name of docs/policies.md
    #[arg(long, value_name = "NAME", default_value = "netkv")]
    pub policy: String,
    /// A key, such as policy.ledger_cap=16; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub set: Vec<(String, String)>,
    /// Seed of policies that draw
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Four shares with commas between them.
fn parse_congestion(text: &str) -> Result<[f64; 4], String> {
    let shares: Result<Vec<f64>, _> = text.split(',').map(|share| share.trim().parse()).collect();
    let four = shares.ok().and_then(|shares| <[f64; 4]>::try_from(shares).ok());
    let four = four.filter(|four| four.iter().all(|share| (0.0..1.0).contains(share)));
    four.ok_or_else(|| format!("{text:?}; allowed: four shares, each 0 to less than 1, such as 0,0,0.3,0.5"))
}
