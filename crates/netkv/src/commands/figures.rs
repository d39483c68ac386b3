//! `netkv figures`: figures, the report page, the table of policies and the paper's tables, from result tables alone.

use super::QUICK;
use super::report::{blame, tell_older};
use crate::args::{CLAIMS, FiguresArgs};
use crate::failure::{Ending, Failure};
use crate::outdated;
use crate::output::tell;
use netkv_claims::Claims;
use netkv_figures::{comparison, draw, paper_tables, report};
use netkv_grid::nearest;
use std::path::{Path, PathBuf};

/// Draws the figures that were asked for; all of them, the report page and the tables if none was named.
pub fn figures(args: &FiguresArgs) -> Result<Ending, Failure> {
    let usual = |folder: &str| if args.quick { Path::new(folder).join("quick") } else { PathBuf::from(folder) };
    let results = args.results.clone().unwrap_or_else(|| usual("results"));
    let out = args.out.clone().unwrap_or_else(|| usual("figures"));
    outdated::notes(&results, QUICK).iter().for_each(|note| tell(note));
    check_names(&args.names, &results)?;
    let claims = if args.quick { None } else { read_claims(&args.claims)? };
    let claims = claims.as_ref();
    let mut written = draw(&results, &out, &args.names, claims).map_err(|error| elsewhere(error, &results))?;
    if args.names.is_empty() {
        let page = out.join("report.html");
        report(&results, &[], &page, claims).map_err(blame)?;
        written.push(page);
        written.extend(comparison(&results, &out).map_err(blame)?);
        written.extend(paper_tables(&results, &out, claims).map_err(blame)?);
    }
    tell(&format!("{} files in {}", written.len(), out.display()));
    tell_older(&results, &netkv_figures::experiments(&results));
    Ok(Ending::Done)
}

/// The printed numbers; none outside the project, where they are not: who asks about a cluster did not ask for them.
fn read_claims(path: &Path) -> Result<Option<Claims>, Failure> {
    let is_outside = path == Path::new(CLAIMS) && !path.is_file();
    if is_outside {
        return Ok(None);
    }
    Claims::read(path).map(Some).map_err(Failure::input)
}

/// With the command for the reduced version, if that alone has results.
fn elsewhere(error: anyhow::Error, results: &Path) -> Failure {
    let quick = results.join("quick");
    if !netkv_figures::experiments(results).is_empty() || netkv_figures::experiments(&quick).is_empty() {
        return blame(error);
    }
    let (results, quick) = (results.display(), quick.display());
    blame(error.context(format!(
        "{results} has no results; those of the reduced version are in {quick}: netkv figures --quick"
    )))
}

/// Which figures there are is said by the manifests of the results.
fn check_names(asked: &[String], results: &Path) -> Result<(), Failure> {
    let figures = netkv_figures::figures(results).map_err(blame)?;
    let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    let Some(name) = asked.iter().find(|name| !names.contains(&name.as_str())) else { return Ok(()) };
    let hint = nearest(name, names.iter().copied()).map_or_else(String::new, |near| format!("; did you mean {near}?"));
    let there = if names.is_empty() {
        "there are none: run an experiment first".to_owned()
    } else {
        format!("there are {}", names.join(", "))
    };
    Err(Failure::usage(format_args!("there is no figure {name} in {}; {there}{hint}", results.display())))
}
