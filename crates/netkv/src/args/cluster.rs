//! The arguments of `netkv cluster`.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use netkv_site::FORMATS;
use std::path::PathBuf;

/// What `netkv cluster import` does.
const IMPORT_HELP: &str = "\
Examples:
  kubectl get nodes -o json | netkv cluster import - -o my-cluster.toml --set cluster.tp=8 --role-label role \\
    --set fabric.nic_gbps=400 --assume-base
  netkv cluster import /etc/slurm/topology.conf -o my-cluster.toml --gpus-per-node 8 --set cluster.tp=4 \\
    --set cluster.prefill_instances=8 --assume-base
  netkv cluster import model.yaml -o my-cluster.toml --gpus-per-node 4 --nvlink domain --take equal-part ...
What the input does not tell is asked for, with the option that says it. docs/cluster.md has the rules.";

/// `netkv cluster`.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Read where servers stand, and write it as an experiment file
    #[command(after_help = IMPORT_HELP)]
    Import(Box<ClusterImportArgs>),
}

/// What a node of the fabric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NvLinkArg {
    /// A server
    Node,
    /// A part of an NVLink domain that the input calls a sub-domain
    SubDomain,
    /// An NVLink domain of several servers
    Domain,
}

/// What is taken of a cluster whose parts are not equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TakeArg {
    /// The largest part with equal pods, racks and nodes
    EqualPart,
}

/// `netkv cluster import`.
#[derive(Debug, Args)]
pub struct ClusterImportArgs {
    /// kubectl get nodes -o json, a Topograph model, or Slurm's topology.conf or topology.yaml; - is standard input
    #[arg(value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub input: PathBuf,
    /// The experiment file to write
    #[arg(long, short, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// Replace it if it is there
    #[arg(long)]
    pub force: bool,
    /// What the input is, if its text is not to tell
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(FORMATS.map(|(name, _)| name)))]
    pub format: Option<String>,
    /// GPUs of each server
    #[arg(long, value_name = "N")]
    pub gpus_per_node: Option<u32>,
    /// What is joined by NVLink, and so a node of the fabric
    #[arg(long, value_enum)]
    pub nvlink: Option<NvLinkArg>,
    /// What to take if pods, racks or nodes are not of equal size
    #[arg(long, value_enum)]
    pub take: Option<TakeArg>,
    /// The topmost switches are joined by a layer that the input leaves out
    #[arg(long)]
    pub joined: bool,
    /// Only what is below this switch
    #[arg(long, value_name = "SWITCH")]
    pub under: Option<String>,
    /// Which tier of switches is that of pods, counted from the servers; asked for if there are more than three
    #[arg(long, value_name = "N")]
    pub pod_tier: Option<usize>,
    /// Servers that are no part of it: names, or lists such as gpu[01-04]; may be given several times
    #[arg(long, value_name = "SERVERS")]
    pub leave_out: Vec<String>,
    /// The label whose value says what a server does: prefill or decode
    #[arg(long, value_name = "LABEL", conflicts_with = "prefill_servers")]
    pub role_label: Option<String>,
    /// Servers that prefill, the others decode; may be given several times
    #[arg(long, value_name = "SERVERS")]
    pub prefill_servers: Vec<String>,
    /// A label that names the switch above a node: the nearest tier first, once for each tier
    #[arg(long, value_name = "LABEL")]
    pub tier_label: Vec<String>,
    /// The label that names the NVLink domain of a node
    #[arg(long, value_name = "LABEL")]
    pub domain_label: Option<String>,
    /// Which topology of a topology.yaml
    #[arg(long, value_name = "NAME")]
    pub topology: Option<String>,
    /// A key of the experiment file, such as fabric.nic_gbps=400; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Take keys that the input does not tell from netkv's base experiment, and say so in the file
    #[arg(long)]
    pub assume_base: bool,
}
