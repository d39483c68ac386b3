//! How and where experiments are run.

use crate::kin::quoted;
use clap::{Args, ValueHint};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// How experiments are run.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// Cells run at once [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Show errors and the last line only
    #[arg(long)]
    pub quiet: bool,
    /// Wall seconds that a cell may take; the command says it where it applies.
    #[arg(skip)]
    pub max_cell_s: Option<f64>,
}

/// Where results are, and whether they are of the reduced kind.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// Folder of all results; those of an experiment are in a folder of its name [default: results, or results/quick]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// A reduced version: two seeds, at most 1200 requests, half the values of
    /// numeric axes with the first and the last; `run` and `plan` say what is left out
    #[arg(long)]
    pub quick: bool,
    /// Replace tables made from a recorded trace that is not found now, instead of writing beside them (DIR/stand-in)
    #[arg(long)]
    pub stand_in: bool,
}

impl Place {
    /// What commands are to be told so that they mean the same results: " --quick --out DIR", or nothing.
    pub fn arguments(&self) -> String {
        let quick = if self.quick { " --quick" } else { "" };
        let out = self.out.as_ref().map(|out| format!(" --out {}", quoted(&out.display().to_string())));
        format!("{quick}{}", out.unwrap_or_default())
    }
}
