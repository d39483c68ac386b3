//! `netkv figures`: figures from result tables alone.

use crate::args::FiguresArgs;
use crate::failure::{Ending, Failure};

/// Draws the figures that were asked for.
pub fn figures(args: &FiguresArgs) -> Result<Ending, Failure> {
    Err(Failure::input(format_args!(
        "no figures for {} yet: {:?} to {}",
        args.results.display(),
        args.names,
        args.out.display()
    )))
}
