//! `netkv reproduce`: every experiment of the paper, then the figures.

use super::run::run_experiment;
use super::{figures, load_all};
use crate::args::{FiguresArgs, Place, ReproduceArgs};
use crate::clock::Moment;
use crate::failure::{Ending, Failure};
use crate::output::tell;
use std::path::{Path, PathBuf};

/// The experiments of the paper, in the order in which they are run.
const PAPER: [&str; 8] =
    ["context", "load", "staleness", "theory_context", "theory_staleness", "policies", "ablation", "oracle"];

/// Runs all, reading all of them first, and draws the figures.
pub fn reproduce(args: &ReproduceArgs) -> Result<Ending, Failure> {
    let folder = Path::new("experiments");
    if !folder.is_dir() {
        return Err(Failure::input("there is no folder experiments/ here; call netkv reproduce in the project's root"));
    }
    let start = Moment::now();
    let place = Place { out: None, quick: args.quick };
    let paths = PAPER.map(|name| folder.join(format!("{name}.toml")));
    let experiments = load_all(&paths, args.quick)?;
    let n_steps = experiments.len() + 1;
    let mut n_failed = 0;
    for (step, experiment) in experiments.iter().enumerate() {
        let path = experiment.path().display();
        tell(&format!("step {} of {n_steps}: {path}, {} cells", step + 1, experiment.n_cells()));
        let all: Vec<usize> = (0..experiment.n_cells()).collect();
        n_failed += run_experiment(experiment, &all, &place, &args.options)?.1.n_failed;
    }
    let (results, out) = if args.quick { ("results/quick", "figures/quick") } else { ("results", "figures") };
    tell(&format!("step {n_steps} of {n_steps}: figures in {out}"));
    let figures = FiguresArgs { names: Vec::new(), results: PathBuf::from(results), out: PathBuf::from(out) };
    figures::figures(&figures)?;
    tell(&format!("reproduced in {:.0} s; the figures are in {out}, the tables in {results}", start.elapsed_s()));
    Ok(if n_failed > 0 { Ending::SomeCellsFailed } else { Ending::Done })
}
