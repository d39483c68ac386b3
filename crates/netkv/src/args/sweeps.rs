//! Arguments of the commands about sweeps on several machines.

use super::{Changes, Place, RunOptions};
use clap::{Args, Subcommand, ValueHint};
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub const GATHER_HELP: &str = "\
Examples:
  netkv gather results/load                        shards that ran in one folder
  netkv gather node1/load node2/load --experiment experiments/load.toml
Puts the finished cells of all folders together, in the folder of the experiment's results, and writes the tables. It does
nothing, and says which, while cells are missing or were run by another netkv, model or trace. Exit code 3 while cells are
missing.";

pub const PACK_HELP: &str = "\
Examples:
  netkv pack experiments/load.toml -o load.tar.zst
  netkv pack experiments/load.toml experiments/scale.toml -o paper.tar.gz
Tables, manifests, experiment files, checksums, and a README with the commands that make all of it again. Tables must be
complete and of the files as they are. The same results give the same bytes.";

pub const STATUS_HELP: &str = "\
Examples:
  netkv status experiments/load.toml
  netkv status experiments/load.toml --json | jq .remaining
Counts what every process on any machine has stored in the folder, and what they run now.";

pub const VERIFY_HELP: &str = "\
Examples:
  netkv verify experiments/load.toml --sample 24
  netkv verify experiments/load.toml
Runs stored cells again and compares every bit. A difference is a model that changed without a new epoch, a machine that
computes otherwise, or a changed store. Exit code 4 if there is one.";

pub const EMIT_HELP: &str = "\
Examples:
  netkv emit slurm experiments/load.toml --shards 8 > load.sbatch && sbatch load.sbatch
  netkv emit parallel experiments/load.toml --shards 4 | sh
  netkv emit k8s experiments/load.toml --shards 16 --image registry.example/netkv > load.yaml
Prints a few lines to read, change and run; it submits nothing.";

/// A part of an experiment's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 1.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

/// Most shards. Chosen by us: a scheduler takes no more tasks, and a shard should take minutes.
pub const MAX_SHARDS: usize = 100_000;

/// `k/n`.
pub fn parse_shard(text: &str) -> Result<Shard, String> {
    let how = "a shard is K/N, the K-th of N from 1, such as 3/8";
    let (number, of) = text.split_once('/').ok_or(how)?;
    let (Ok(number), Ok(of)) = (number.trim().parse(), of.trim().parse()) else { return Err(how.to_owned()) };
    if of > MAX_SHARDS {
        return Err(format!("{how}; N is at most {MAX_SHARDS}"));
    }
    if (1..=of).contains(&number) {
        Ok(Shard { number, of })
    } else {
        Err(format!("{how}; {number} is not from 1 to {of}"))
    }
}

/// A number of shards.
fn parse_shards(text: &str) -> Result<NonZeroUsize, String> {
    let shards = text.parse().ok().filter(|n: &NonZeroUsize| n.get() <= MAX_SHARDS);
    shards.ok_or_else(|| format!("a number of shards is 1 to {MAX_SHARDS}"))
}

/// A time above nothing, in seconds.
pub fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0);
    seconds.ok_or_else(|| "seconds are a number above 0, such as 600".to_owned())
}

/// `netkv gather`.
#[derive(Debug, Args)]
pub struct GatherArgs {
    /// Folders of results of the experiment
    #[arg(required = true, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub folders: Vec<PathBuf>,
    /// The experiment file [default: that which the first folder names]
    #[arg(long, value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiment: Option<PathBuf>,
    /// Take cells of several versions, commits, compilers or targets; let `netkv verify` run some of them again then
    #[arg(long)]
    pub mixed: bool,
    /// What is changed.
    #[command(flatten)]
    pub changes: Changes,
    /// Where.
    #[command(flatten)]
    pub place: Place,
}

/// `netkv pack`.
#[derive(Debug, Args)]
pub struct PackArgs {
    /// Experiment files
    #[arg(required = true, value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiments: Vec<PathBuf>,
    /// The archive to write
    #[arg(long, short, value_name = "FILE.tar.zst|FILE.tar.gz|FILE.tar", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// What is changed.
    #[command(flatten)]
    pub changes: Changes,
    /// Where.
    #[command(flatten)]
    pub place: Place,
}

/// `netkv status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Experiment file
    #[arg(value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiment: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// What is changed.
    #[command(flatten)]
    pub changes: Changes,
    /// Where.
    #[command(flatten)]
    pub place: Place,
}

/// `netkv verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Experiment file
    #[arg(value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiment: PathBuf,
    /// Only N of the stored cells, spread over all; the same ones every time [default: all]
    #[arg(long, value_name = "N")]
    pub sample: Option<NonZeroUsize>,
    /// How.
    #[command(flatten)]
    pub options: RunOptions,
    /// What is changed.
    #[command(flatten)]
    pub changes: Changes,
    /// Where.
    #[command(flatten)]
    pub place: Place,
}

/// `netkv emit`.
#[derive(Debug, Subcommand)]
pub enum EmitCommand {
    /// A batch script with a job array, for Slurm
    #[command(after_help = EMIT_HELP)]
    Slurm(EmitArgs),
    /// A line for GNU parallel, on one host or on many
    #[command(after_help = EMIT_HELP)]
    Parallel(EmitArgs),
    /// The manifest of an indexed job, for Kubernetes
    #[command(after_help = EMIT_HELP)]
    K8s(EmitArgs),
}

/// Arguments of `netkv emit`.
#[derive(Debug, Args)]
pub struct EmitArgs {
    /// Experiment file
    #[arg(value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiment: PathBuf,
    /// Parts that the cells are run in
    #[arg(long, value_name = "N", default_value = "8", value_parser = parse_shards)]
    pub shards: NonZeroUsize,
    /// Cells that each part runs at once
    #[arg(long, value_name = "N", default_value = "1")]
    pub jobs: NonZeroUsize,
    /// Image that has netkv in it; for Kubernetes
    #[arg(long, value_name = "IMAGE", default_value = "netkv")]
    pub image: String,
    /// What is changed.
    #[command(flatten)]
    pub changes: Changes,
    /// Where.
    #[command(flatten)]
    pub place: Place,
}
