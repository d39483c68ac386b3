//! The command line of `netkv cell`.

use super::{Changes, Place};
use crate::cells::{Which, parse_which};
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// `netkv cell`.
#[derive(Debug, Args)]
pub struct CellArgs {
    /// Experiment file
    #[arg(value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiment: PathBuf,
    /// The cell: its number, as in the tables and in `netkv plan --list`, or what it has: policy.name=netkv,seed=2
    #[arg(value_name = "CELL", value_parser = parse_which)]
    pub cell: Which,
    /// As JSON
    #[arg(long, conflicts_with = "timing")]
    pub json: bool,
    /// Print one line of JSON: CPU seconds of the simulation alone, requests, output tokens, events
    #[arg(long)]
    pub timing: bool,
    /// Write one row for each request, with the columns of requests.parquet
    #[arg(long, value_name = "FILE.csv|FILE.parquet", conflicts_with = "timing", value_hint = ValueHint::FilePath)]
    pub requests: Option<PathBuf>,
    /// What is watched.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// What is changed.
    #[command(flatten)]
    pub changes: Changes,
    /// Where.
    #[command(flatten)]
    pub place: Place,
}

/// What is watched while a cell runs.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Write what each request did when, and the load of the fabric, as a Chrome trace (Perfetto, chrome://tracing)
    #[arg(long, value_name = "FILE.json", conflicts_with = "timing", value_hint = ValueHint::FilePath)]
    pub timeline: Option<PathBuf>,
    /// Write one row for each link and window of time: which share of it KV transfers and background used
    #[arg(long, value_name = "FILE.parquet", conflicts_with = "timing", value_hint = ValueHint::FilePath)]
    pub links: Option<PathBuf>,
    /// Write one row for each flow of each KV transfer: from where to where, how much, when, over which links
    #[arg(long, value_name = "FILE.csv|FILE.parquet", conflicts_with = "timing", value_hint = ValueHint::FilePath)]
    pub transfers: Option<PathBuf>,
    /// Draw the links' load over time
    #[arg(long, value_name = "FILE.png|FILE.svg", conflicts_with = "timing", value_hint = ValueHint::FilePath)]
    pub heatmap: Option<PathBuf>,
    /// Length of a window of simulated time, for each of these [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = parse_every)]
    pub every: Option<f64>,
    /// NVLink and NIC links too, not only those of racks and pods
    #[arg(long)]
    pub all_links: bool,
}

/// A length of simulated time: a microsecond to a year.
fn parse_every(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (1e-6..=3.2e7).contains(seconds));
    seconds.ok_or_else(|| "a window takes 0.000001 to 32000000 s of simulated time".to_owned())
}
