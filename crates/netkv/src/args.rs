//! The command line.

mod cell;
mod changes;
mod cluster;
mod conform;
mod decide;
mod figures;
mod oracle;
mod place;
mod profile;
mod sweeps;
mod telemetry;
mod trace;

pub use cell::{CellArgs, WatchArgs};
pub use changes::Changes;
pub use cluster::{ClusterCommand, ClusterImportArgs, NvLinkArg};
pub use conform::{ConformArgs, ConformCommand};
pub use decide::DecideArgs;
pub use figures::{CLAIMS, FiguresArgs, ReportArgs};
pub use oracle::{OracleCommand, ServeArgs};
pub use place::{Place, RunOptions};
pub use profile::{ProfileCommand, ProfileFitArgs};
pub use sweeps::{EmitArgs, EmitCommand, GatherArgs, PackArgs, Shard, StatusArgs, VerifyArgs};
pub use telemetry::TelemetryCommand;
pub use trace::{FetchArgs, KnobArgs, ReadingArgs, TraceCommand};

use crate::cells::{Which, parse_which};
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use std::path::PathBuf;

/// What every help text ends with.
const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 some cells failed; 3 cells are missing (gather); 4 a cell came out otherwise (verify); 64 usage;
65 bad input; 70 a bug of netkv; 73 no place to write to; 75 temporary, such as a full disk; 130 interrupted.
The Mooncake trace is looked for in traces/, then in $NETKV_TRACE_DIR; without it a generated trace is used, and said so.";

/// Deterministic parameter sweeps of network-aware decode selection in disaggregated LLM inference.
#[derive(Debug, Parser)]
#[command(name = "netkv", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write an experiment file to begin with: your cluster, three loads, the usual policies
    #[command(after_help = "\
Examples:
  netkv new my-cluster.toml && netkv run my-cluster.toml
The file extends netkv's own base experiment (builtin:base), so it works in any folder.")]
    New(NewArgs),
    /// Run the cells of experiments that are missing or failed
    #[command(after_help = "\
Examples:
  netkv run experiments/smoke.toml
  netkv run experiments/load.toml --jobs 8
  netkv run experiments/load.toml --filter regime=congested --filter policy.name=netkv --filter policy.name=round_robin
  netkv run experiments/load.toml --set telemetry.interval_s=5 --set oracle.granularity=zone --seeds 10
  netkv run experiments/load.toml --all-points
  netkv run experiments/load.toml --json | jq '.points[].coordinates'
  netkv run experiments/load.toml --shard 3/8
Ends with the answer: what each policy does where, what pays, what harms, what is open. The same command twice runs
nothing the second time and answers again. Ctrl-C loses no finished cell. Several processes in one folder share the
cells; a shard writes no tables, netkv gather does.")]
    Run(RunArgs),
    /// Put the finished cells of shards together and write their tables
    #[command(after_help = sweeps::GATHER_HELP)]
    Gather(GatherArgs),
    /// Pack results with all that makes them again into one archive
    #[command(after_help = sweeps::PACK_HELP)]
    Pack(PackArgs),
    /// Show how far an experiment is, whoever runs it
    #[command(after_help = sweeps::STATUS_HELP)]
    Status(StatusArgs),
    /// Run stored cells again and compare every bit
    #[command(after_help = sweeps::VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Print the lines that run an experiment in shards: Slurm, GNU parallel, Kubernetes
    #[command(subcommand)]
    Emit(EmitCommand),
    /// Compare two policies of an experiment, or two results, point by point and seed by seed
    #[command(after_help = "\
Examples:
  netkv compare results/load --values cache_load_aware netkv
  netkv compare results/my-cluster results/my-cluster-400g
The second against the first. Two results are compared where they have the same values on the axes that both have.")]
    Compare(CompareArgs),
    /// Hold rules of ours against the products that they say they are, decision by decision
    #[command(subcommand)]
    Conform(ConformCommand),
    /// Find the largest rate at which each policy keeps what is promised
    #[command(after_help = "\
Examples:
  netkv capacity my-cluster.toml
  netkv capacity my-cluster.toml --attained 0.99 --ttft-p99 2 --filter policy.name=round_robin --filter policy.name=netkv
A bisection on each seed, to about 1 %; axes that say how much arrives are left out. The objective is the file's [slo].")]
    Capacity(CapacityArgs),
    /// Show which cells of an experiment are done, and why the others are not
    #[command(after_help = "\
Examples:
  netkv plan experiments/load.toml
  netkv plan experiments/load.toml --set telemetry.interval_s=5 --seeds 10
  netkv plan experiments/load.toml --list --filter policy.name=netkv    the cells with their numbers
  netkv plan experiments/load.toml --explain 137    every key of cell 137, its value and the file that sets it
  netkv plan experiments/load.toml --json | jq .to_run")]
    Plan(PlanArgs),
    /// Run one cell again, bit for bit
    #[command(after_help = "\
Examples:
  netkv cell experiments/load.toml 137
  netkv cell experiments/load.toml 137 --json | jq .metrics.ttft_mean_ns
  netkv cell experiments/load.toml 137 --timing
  netkv cell experiments/load.toml 137 --set telemetry.interval_s=5
  netkv cell experiments/load.toml 137 --requests requests.csv    or requests.parquet
  netkv cell experiments/load.toml 137 --timeline timeline.json    for ui.perfetto.dev
  netkv cell experiments/load.toml 137 --links links.parquet --every 0.1
  netkv cell experiments/load.toml 137 --heatmap fabric.png
  netkv cell experiments/load.toml 137 --transfers transfers.csv    or transfers.parquet: every flow with its links
Watching a run changes nothing in it: its digest is the same.")]
    Cell(CellArgs),
    /// Show why a request was decoded where it was, and what every other choice would have brought
    #[command(after_help = "\
Examples:
  netkv explain experiments/load.toml 340 4711
  netkv explain experiments/load.toml regime=base,workload.prefill_utilisation_ratio=0.75,policy.name=netkv 4711
  netkv explain experiments/load.toml 340 4711 --json | jq '.candidates[].hindsight.ttft_ns'
Each candidate with what was known of it, the policy's rule term by term, and the whole cell run again once for each of
them. The number of a request is that of the tables and of `netkv cell --requests`.")]
    Explain(ExplainArgs),
    /// Draw figures from results alone
    #[command(after_help = "\
Examples:
  netkv figures
  netkv figures ttft_vs_load --results results --out figures")]
    Figures(FiguresArgs),
    /// Write one page about experiments: their answer, every point, maps and figures
    #[command(after_help = figures::REPORT_HELP)]
    Report(ReportArgs),
    /// Print every column of every result table: name, type, unit, meaning
    #[command(after_help = "\
Examples:
  netkv schema
  netkv schema --json | jq '.[].name'
  netkv schema --markdown    docs/results.md")]
    Schema(SchemaArgs),
    /// Print every key of an experiment file: what it may hold, its value in the base experiment, its meaning
    #[command(after_help = "\
Examples:
  netkv keys
  netkv keys fabric
  netkv keys nic_gbps
  netkv keys --json | jq '.[].key'
  netkv keys --markdown    docs/experiments.md")]
    Keys(KeysArgs),
    /// Run every experiment of the paper and draw its figures
    #[command(after_help = "\
Examples:
  netkv reproduce --quick    a reduced version, in about a minute
  netkv reproduce
To be called where experiments/ is: in the root of the project.")]
    Reproduce(ReproduceArgs),
    /// Describe, convert, fetch or generate a trace
    #[command(subcommand)]
    Trace(TraceCommand),
    /// Fit a latency profile to measurements, or show one
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Fit what transfers cost on your network, and record how busy it is, from Prometheus' metrics
    #[command(subcommand)]
    Telemetry(TelemetryCommand),
    /// Serve the network cost oracle: tier, bandwidth, latency and live congestion, over HTTP
    #[command(subcommand)]
    Oracle(OracleCommand),
    /// Choose the decode instance of one request, and show what each costs
    #[command(after_help = decide::DECIDE_HELP)]
    Decide(Box<DecideArgs>),
    /// Write an experiment file of your cluster, from what Kubernetes, Topograph or Slurm tell of it
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Run a flowref/1 flow set through the fabric model
    #[command(after_help = "\
Examples:
  netkv flows case.json
  netkv flows case.json --timing
Prints {\"finish_s\":[...]} in flow order; null is a flow that never ends.")]
    Flows(FlowsArgs),
    /// Find the policy parameters that do best in a sweep of them
    #[command(after_help = "\
Examples:
  netkv tune experiments/tune.toml
  netkv tune experiments/tune.toml --metric ttft_p99_ns
  netkv tune experiments/tune.toml --set workload.prefill_utilisation_ratio=0.8 --seeds 10
The experiment has axes such as policy.cache_weight; the best values are printed for each point of its other axes.")]
    Tune(TuneArgs),
    /// Compare every number that the paper claims with ours
    #[command(after_help = "\
Examples:
  netkv claims                      every number, its verdict, and totals by area
  netkv claims --area load --area scale
  netkv claims --json | jq '.claims[] | select(.verdict == \"off\")'
  netkv claims --page figures/claims.md
Reads the tables in results/ alone: netkv reproduce makes them. Exit code 0 only if every number was measured.")]
    Claims(ClaimsArgs),
    /// Fit the coefficients that the paper does not print to what it does
    #[command(after_help = "\
Examples:
  netkv fit
  netkv fit --profile experiments/paper/profile.toml
The [fit] of the claims file names the experiment and the printed numbers. What was fitted to a number is not claimed as
reproduced by it: netkv claims lists both.")]
    Fit(FitArgs),
    /// Print the completions of a shell
    #[command(after_help = "\
Examples:
  netkv completions bash > /etc/bash_completion.d/netkv
  netkv completions zsh > ~/.zfunc/_netkv")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// `netkv new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The file to write
    #[arg(value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Replace it if it is there
    #[arg(long)]
    pub force: bool,
}

/// `netkv compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A folder of results, such as results/load
    #[arg(value_name = "RESULTS", value_hint = ValueHint::DirPath)]
    pub one: PathBuf,
    /// Another one
    #[arg(value_name = "OTHER", value_hint = ValueHint::DirPath)]
    pub other: Option<PathBuf>,
    /// Two values of the axis that the experiment compares, mostly policies
    #[arg(long, value_name = "VALUE", num_args = 2)]
    pub values: Vec<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `netkv capacity`.
#[derive(Debug, Args)]
pub struct CapacityArgs {
    /// Experiment file
    #[arg(value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiment: PathBuf,
    /// Share of requests that are to be within their objective
    #[arg(long, value_name = "RATIO", default_value_t = 0.95)]
    pub attained: f64,
    /// What the 99th percentile of TTFT is to be within as well, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub ttft_p99: Option<f64>,
    /// Only cells with this value on this axis; several values of one axis may be given, and several axes
    #[arg(long, value_name = "AXIS=VALUE", value_parser = parse_filter)]
    pub filter: Vec<(String, String)>,
    /// The reduced version: two seeds unless --seeds says how many, at most 1200 requests, half the values of
    /// numeric axes with the first and the last; `run` and `plan` say what is left out
    #[arg(long)]
    pub quick: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// What differs from the file.
    #[command(flatten)]
    pub changes: Changes,
    /// How.
    #[command(flatten)]
    pub options: RunOptions,
}

/// Arguments of `netkv claims`.
#[derive(Debug, Args)]
pub struct ClaimsArgs {
    /// The file with the printed numbers
    #[arg(long, value_name = "CLAIMS.toml", default_value = CLAIMS, value_hint = ValueHint::FilePath)]
    pub claims: PathBuf,
    /// Where the results are
    #[arg(long, value_name = "DIR", default_value = "results", value_hint = ValueHint::DirPath)]
    pub results: PathBuf,
    /// Only claims of this area; may be given several times
    #[arg(long, value_name = "NAME")]
    pub area: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Write the page as Markdown as well
    #[arg(long, value_name = "FILE.md", value_hint = ValueHint::FilePath)]
    pub page: Option<PathBuf>,
}

/// Arguments of `netkv fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// The file with the printed numbers
    #[arg(long, value_name = "CLAIMS.toml", default_value = CLAIMS, value_hint = ValueHint::FilePath)]
    pub claims: PathBuf,
    /// Write the latency profile as well
    #[arg(long, value_name = "PROFILE.toml", value_hint = ValueHint::FilePath)]
    pub profile: Option<PathBuf>,
    #[command(flatten)]
    pub options: RunOptions,
}

/// `netkv run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Experiment files
    #[arg(required = true, value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiments: Vec<PathBuf>,
    /// Only cells with this value on this axis; several values of one axis may be given, and several axes
    #[arg(long, value_name = "AXIS=VALUE", value_parser = parse_filter)]
    pub filter: Vec<(String, String)>,
    /// Print the answer as JSON, with every point
    #[arg(long)]
    pub json: bool,
    /// Print a table for every point, not only for the best and the worst of many
    #[arg(long, conflicts_with = "json")]
    pub all_points: bool,
    /// Only the K-th of N parts of the cells, and no tables; N may be another one each time
    #[arg(long, value_name = "K/N", value_parser = sweeps::parse_shard, conflicts_with_all = ["json", "all_points"])]
    pub shard: Option<Shard>,
    /// Stop a cell that takes longer, and count it as failed: the next run begins it again [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = sweeps::parse_seconds)]
    pub max_cell_s: Option<f64>,
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

/// `netkv plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Experiment file
    #[arg(value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiment: PathBuf,
    /// Show every key of one cell, its value and where it is set
    #[arg(long, value_name = "CELL", value_parser = parse_which)]
    pub explain: Option<Which>,
    /// List the cells: number, values, seed, and whether they are done
    #[arg(long, conflicts_with = "explain")]
    pub list: bool,
    /// With --list: only cells with this value on this axis; several values of one axis may be given, and several axes
    #[arg(long, value_name = "AXIS=VALUE", value_parser = parse_filter, requires = "list")]
    pub filter: Vec<(String, String)>,
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

/// `netkv explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Experiment file
    #[arg(value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiment: PathBuf,
    /// The cell: its number, as in the tables and in `netkv plan --list`, or what it has: policy.name=netkv,seed=2
    #[arg(value_name = "CELL", value_parser = parse_which)]
    pub cell: Which,
    /// Number of the request, in order of arrival
    #[arg(value_name = "REQUEST")]
    pub request: u32,
    /// As JSON, with every figure in full
    #[arg(long)]
    pub json: bool,
    /// What is changed.
    #[command(flatten)]
    pub changes: Changes,
    /// The reduced version: two seeds unless --seeds says how many, at most 1200 requests, half the values of
    /// numeric axes with the first and the last; `run` and `plan` say what is left out
    #[arg(long)]
    pub quick: bool,
}

/// `netkv schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// As a page about results and how to read them: docs/results.md
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

/// `netkv keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// A key, the last part of one, or a section [default: all]
    #[arg(value_name = "KEY")]
    pub key: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// As a page about experiment files: docs/experiments.md
    #[arg(long, conflicts_with_all = ["json", "key"])]
    pub markdown: bool,
}

/// `netkv reproduce`.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// A reduced version that ends within a minute; results go to results/quick, figures to figures/quick
    #[arg(long)]
    pub quick: bool,
    /// Replace tables made from a recorded trace that is not found now, instead of writing beside them (stand-in folders)
    #[arg(long)]
    pub stand_in: bool,
    /// How.
    #[command(flatten)]
    pub options: RunOptions,
}

/// `netkv flows`.
#[derive(Debug, Args)]
pub struct FlowsArgs {
    /// A flowref/1 case
    #[arg(value_name = "CASE.json", value_hint = ValueHint::FilePath)]
    pub case: PathBuf,
    /// Add run_cpu_s, the CPU seconds of the simulation alone
    #[arg(long)]
    pub timing: bool,
}

/// `netkv tune`.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// Experiment file
    #[arg(value_name = "EXPERIMENT.toml", value_hint = ValueHint::FilePath)]
    pub experiment: PathBuf,
    /// The metric whose mean over seeds is to be least
    #[arg(long, default_value = "ttft_mean_ns")]
    pub metric: String,
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

/// `axis=value`.
fn parse_filter(text: &str) -> Result<(String, String), String> {
    let (axis, value) = text.split_once('=').ok_or("a filter is AXIS=VALUE, such as policy.name=netkv")?;
    Ok((axis.trim().to_owned(), value.trim().to_owned()))
}
