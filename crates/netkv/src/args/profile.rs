//! The command line of `netkv profile`.

use clap::{Args, Subcommand, ValueHint};
use netkv_workload::KvLayout;
use std::path::PathBuf;

/// What `netkv profile fit` reads and fits.
const FIT_HELP: &str = "\
Examples:
  netkv profile fit measured.csv --figure fit.svg
  netkv profile fit measured.csv --tp 4 --prefill-bends 256,2048,8192 --out my-gpu.toml \\
    --model Llama-3.1-70B --precision bf16 --gpu H100-SXM-80GB --kv heads:80,8,128,2 \\
    --weights-gb 141.2 --source 'vLLM 0.24, measured by us' --licence ours
A table has the columns phase (prefill or decode), tp, batch, ctx (tokens of each prompt, or of
each request's context) and ms, and may have cached (tokens of each prompt that are there before)
and prefill_tokens (prompt tokens computed beside an iteration of decoding, on average: what they
add is fitted apart and left out of the profile). Without --out the fit is printed and no more.";

/// `netkv profile`.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Fit a latency profile to tables of measurements
    #[command(after_help = FIT_HELP)]
    Fit(Box<ProfileFitArgs>),
    /// Print what a profile says
    #[command(after_help = "\
Examples:
  netkv profile show experiments/profiles/llama-3.1-70b-bf16-h100-tp4.toml")]
    Show {
        /// A profile file
        #[arg(value_name = "PROFILE.toml", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

/// `netkv profile fit`.
#[derive(Debug, Args)]
pub struct ProfileFitArgs {
    /// Tables of measurements
    #[arg(required = true, value_name = "DATA.csv", value_hint = ValueHint::FilePath)]
    pub tables: Vec<PathBuf>,
    /// Use the rows of this degree of tensor parallelism [default: the only one there is]
    #[arg(long, value_name = "N")]
    pub tp: Option<u32>,
    /// Computed tokens at which the time of prefill may bend
    #[arg(long, value_name = "TOKENS,...", value_delimiter = ',')]
    pub prefill_bends: Vec<u32>,
    /// Batch sizes at which the time of decode may bend
    #[arg(long, value_name = "REQUESTS,...", value_delimiter = ',')]
    pub decode_bends: Vec<u32>,
    /// Write the profile file; it needs all that follows
    #[arg(
        long, value_name = "PROFILE.toml", value_hint = ValueHint::FilePath,
        requires_all = ["model", "precision", "gpu", "kv", "weights_gb", "source", "licence"]
    )]
    pub out: Option<PathBuf>,
    /// Draw the fit against the measurements
    #[arg(long, value_name = "FILE.png|FILE.svg", value_hint = ValueHint::FilePath)]
    pub figure: Option<PathBuf>,
    /// Name of the model
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Precision of its weights
    #[arg(long, value_name = "NAME")]
    pub precision: Option<String>,
    /// Kind of GPU
    #[arg(long, value_name = "NAME")]
    pub gpu: Option<String>,
    /// KV cache of a token: heads:LAYERS,KV_HEADS,HEAD_DIM,BYTES or latent:LAYERS,LATENT_DIM,ROPE_DIM,BYTES
    #[arg(long, value_name = "LAYOUT", value_parser = parse_kv)]
    pub kv: Option<KvLayout>,
    /// How often an instance holds the KV cache of a token: 1 if its GPUs share it out, --tp if each has all of it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub kv_copies: u32,
    /// Memory of the weights, all GPUs of an instance together
    #[arg(long, value_name = "GB")]
    pub weights_gb: Option<f64>,
    /// Who measured what, with versions
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,
    /// The terms that the measurements are under
    #[arg(long, value_name = "TEXT")]
    pub licence: Option<String>,
}

/// `heads:80,8,128,2` or `latent:61,512,64,2`.
fn parse_kv(text: &str) -> Result<KvLayout, String> {
    let numbers = |list: &str| -> Option<[u32; 4]> {
        let numbers: Option<Vec<u32>> = list.split(',').map(|number| number.parse().ok().filter(|n| *n > 0)).collect();
        numbers?.try_into().ok()
    };
    let layout =
        match text.split_once(':') {
            Some(("heads", list)) => numbers(list).map(|[layers, kv_heads, head_dim, dtype_bytes]| KvLayout::Heads {
                layers,
                kv_heads,
                head_dim,
                dtype_bytes,
            }),
            Some(("latent", list)) => numbers(list).map(|[layers, latent_dim, rope_dim, dtype_bytes]| {
                KvLayout::Latent { layers, latent_dim, rope_dim, dtype_bytes }
            }),
            Some(_) | None => None,
        };
    layout.ok_or_else(|| {
        "a KV cache is heads:LAYERS,KV_HEADS,HEAD_DIM,BYTES or latent:LAYERS,LATENT_DIM,ROPE_DIM,BYTES".to_owned()
    })
}
