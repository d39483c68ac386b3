//! The arguments of the commands that draw from results alone.

use super::Changes;
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// The printed numbers, where the project has them.
pub const CLAIMS: &str = "experiments/paper/claims.toml";

/// What the help of `netkv report` ends with.
pub(super) const REPORT_HELP: &str = "\
Examples:
  netkv report my-cluster.toml       results/my-cluster/report.html, beside the tables that it is made from
  netkv report my-cluster.toml --quick    of the reduced run
  netkv report my-cluster.toml --seeds 10    of the run that was told so too: name what was changed as netkv run was told it
  netkv report load context          two of results/ in results/report.html
  netkv report results/load+telemetry.interval_s=5
  netkv report                       all that have results, in figures/report.html, as netkv figures writes it
A single file that needs no network: where each policy pays, by how much, where it does not, and what is open; tables
that sort, maps, figures that tell their numbers. An experiment needs results (netkv run), but no figures of its own.";

/// `netkv figures`.
#[derive(Debug, Args)]
pub struct FiguresArgs {
    /// Which figures [default: all whose results are there]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Folder of all results [default: results, or results/quick]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub results: Option<PathBuf>,
    /// Folder of the figures [default: figures, or figures/quick]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Of the reduced version, which is not compared with the paper
    #[arg(long)]
    pub quick: bool,
    /// The file with the paper's printed numbers, which are drawn beside ours
    #[arg(long, value_name = "CLAIMS.toml", default_value = CLAIMS, value_hint = ValueHint::FilePath)]
    pub claims: PathBuf,
}

/// `netkv report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Experiment files, or names or folders of results [default: all that have results]
    #[arg(value_name = "EXPERIMENT", value_hint = ValueHint::AnyPath)]
    pub experiments: Vec<PathBuf>,
    /// The page [default: beside the tables of one experiment, in the folder of all results for several]
    #[arg(long, value_name = "FILE.html", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Folder of all results [default: results, or results/quick]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub results: Option<PathBuf>,
    /// Of the reduced version
    #[arg(long)]
    pub quick: bool,
    /// What was changed when it ran.
    #[command(flatten)]
    pub changes: Changes,
    /// The file with the paper's printed numbers, which are drawn beside ours if it is there
    #[arg(long, value_name = "CLAIMS.toml", default_value = CLAIMS, value_hint = ValueHint::FilePath)]
    pub claims: PathBuf,
}
