//! `netkv figures`: figures, the report page and the table of policies, from result tables alone.

use crate::args::FiguresArgs;
use crate::failure::{Blame, Ending, Failure};
use crate::output::tell;
use netkv_figures::{catalog, comparison, draw, missing, report};
use netkv_grid::nearest;
use std::io;

/// Draws the figures that were asked for; all of them, the report page and the table of policies if none was named.
pub fn figures(args: &FiguresArgs) -> Result<Ending, Failure> {
    args.names.iter().try_for_each(|name| check_name(name))?;
    let mut written = draw(&args.results, &args.out, &args.names).map_err(blame)?;
    if args.names.is_empty() {
        for figure in missing(&args.results) {
            tell(&format!("note: {} is not drawn: experiment {} has no results", figure.name, figure.experiment));
        }
        written.push(report(&args.results, &args.out).map_err(blame)?);
        written.extend(comparison(&args.results, &args.out).map_err(blame)?);
    }
    tell(&format!("{} files in {}", written.len(), args.out.display()));
    Ok(Ending::Done)
}

fn check_name(name: &str) -> Result<(), Failure> {
    let names: Vec<&str> = catalog().iter().map(|figure| figure.name).collect();
    if names.contains(&name) {
        return Ok(());
    }
    let hint = nearest(name, names.iter().copied()).map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Err(Failure::usage(format_args!("there is no figure {name}; there are {}{hint}", names.join(", "))))
}

/// A disk that does not do what it should is the machine's fault; results that cannot be drawn are the input's.
fn blame(error: anyhow::Error) -> Failure {
    let of_machine = |cause: &io::Error| cause.kind() != io::ErrorKind::NotFound;
    let is_machine = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(of_machine);
    Failure::new(if is_machine { Blame::Machine } else { Blame::Input }, error)
}
