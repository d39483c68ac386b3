//! The arguments of `netkv oracle`.

use super::changes::parse_setting;
use clap::{Args, Subcommand, ValueHint};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What `netkv oracle serve` does.
const SERVE_HELP: &str = "\
Examples:
  netkv oracle serve --prometheus http://127.0.0.1:9090 --topology my-cluster.toml --links links.csv
  netkv oracle serve --prometheus https://metrics.example/prometheus --authorization-file token --topology my-cluster.toml \\
    --links links.csv --every 5s --window 2m --set oracle.granularity=zone
  curl -s http://127.0.0.1:9464/v1/congestion | jq .tiers
The topology is what `netkv cluster import` writes; the links are those of `netkv telemetry import`. docs/oracle.md has every
page, what its figures mean, and what happens while Prometheus is away. SIGINT and SIGTERM end it with exit code 0.";

/// `netkv oracle`.
#[derive(Debug, Subcommand)]
pub enum OracleCommand {
    /// Answer over HTTP how far instances are apart, what each tier carries, and how busy it is now
    #[command(after_help = SERVE_HELP)]
    Serve(Box<ServeArgs>),
}

/// `netkv oracle serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where Prometheus is, such as http://127.0.0.1:9090, with a path if it has one
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub prometheus: String,
    /// The cluster: an experiment file, such as netkv cluster import writes
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub topology: PathBuf,
    /// Which link of the fabric each counter of a switch or host is
    #[arg(long, value_name = "LINKS.csv", value_hint = ValueHint::FilePath)]
    pub links: PathBuf,
    /// A key of the cluster, such as fabric.nic_gbps=400 or oracle.granularity=zone; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub set: Vec<(String, String)>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9464")]
    pub listen: SocketAddr,
    /// Listen on an address that other machines reach: whoever reaches it can read how busy the network is
    #[arg(long)]
    pub allow_remote: bool,
    /// Time between readings of Prometheus
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    pub every: Duration,
    /// A reading that takes longer has failed
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_time)]
    pub timeout: Duration,
    /// What rates are means over; at least twice the scrape interval. No effect with --query
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_time)]
    pub window: Duration,
    /// Older figures are said to be stale
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    pub stale_after: Duration,
    /// PromQL for the bytes per second of each link, in the place of rate() over the known counters
    #[arg(long, value_name = "PROMQL")]
    pub query: Option<String>,
    /// PromQL for the time of each link's last sample; without it, figures of --query count from the moment of the query
    #[arg(long, value_name = "PROMQL", requires = "query")]
    pub stamps: Option<String>,
    /// A file with the content of the header Authorization for Prometheus, such as "Bearer ..."
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub authorization_file: Option<PathBuf>,
    /// Connections at once; further ones are closed
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections: u32,
}

/// A time with its unit, from a millisecond to a day.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let allowed = || format!("{text:?}; allowed: a time such as 500ms, 1s or 2m, up to 24h");
    let at = text.find(|letter: char| letter.is_ascii_alphabetic()).ok_or_else(allowed)?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(allowed()),
    };
    let seconds = number.parse::<f64>().map_err(|_| allowed())? * seconds;
    if (1e-3..=86_400.0).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(allowed()) }
}
