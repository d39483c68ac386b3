//! Figures and the report page, drawn from the summaries in parquet and their manifests alone; the heat map of one run's
//! links; the table of all policies; and the figure of a latency profile's fit.
//!
//! Each figure is written as SVG and as PNG of twice its size. Every byte depends on the tables only: no time, no
//! host, no font of the machine. Leaves out anything interactive: the tables are there for that.

mod axis;
mod bars;
mod canvas;
mod catalog;
mod closed_form;
mod comparison;
mod data;
mod figure;
mod fit;
mod grid;
mod heat;
mod intervals;
mod lines;
mod load;
mod markup;
mod multiples;
mod page;
mod pairs;
mod paper;
mod paper_tables;
mod printed;
mod report;
mod sheet;
mod sources;
mod steps;
mod style;
mod tables;
mod waterfall;
mod words;

pub use canvas::png;
pub use fit::{FitColumn, FitPoint, FitSeries, fit_figure};
pub use heat::heat_map;

use anyhow::{Context, Result, ensure};
use catalog::catalog;
use figure::Figure;
use netkv_claims::Claims;
use sources::Sources;
use std::path::{Path, PathBuf};

/// A figure's name, and the experiment that it is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name, which is also that of its files.
    pub name: &'static str,
    /// The experiment.
    pub experiment: &'static str,
}

/// Every figure, in the order of the report: the paper's first.
pub fn figures() -> Vec<Named> {
    catalog().into_iter().map(|figure| Named { name: figure.name, experiment: figure.experiment }).collect()
}

/// The figures whose experiment has no summary in `results`.
pub fn missing(results: &Path) -> Vec<Named> {
    figures().into_iter().filter(|figure| !data::summary_path(results, figure.experiment).is_file()).collect()
}

/// Draws the figures called `names` into `out`, as SVG and PNG; all whose results are there if none is named (see
/// [`missing`] for the others). The paper's printed numbers come from `claims`. Returns what was written.
///
/// # Errors
/// If a name is unknown, a named figure's results are not there, a summary cannot be read or drawn, nothing at all
/// could be drawn, or a file cannot be written.
pub fn draw(results: &Path, out: &Path, names: &[String], claims: Option<&Claims>) -> Result<Vec<PathBuf>> {
    let sources = Sources::new(results, claims);
    let figures = chosen(results, names)?;
    let mut written = Vec::new();
    for figure in figures {
        let svg = figure.svg(sources)?;
        let png = canvas::png(&svg).with_context(|| format!("cannot draw {}", figure.name))?;
        for (extension, bytes) in [("svg", svg.as_bytes()), ("png", png.as_slice())] {
            let path = out.join(format!("{}.{extension}", figure.name));
            write_atomically(&path, bytes)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Writes `report.html` into `out`: tables, all figures whose results are there, what became of `claims`, and where all of
/// it comes from, in one file.
///
/// # Errors
/// If there are no results at all, a summary cannot be read or drawn, a claim names cells that there are not, or the file
/// cannot be written.
pub fn report(results: &Path, out: &Path, claims: Option<&Claims>) -> Result<PathBuf> {
    let page = report::page(Sources::new(results, claims), &chosen(results, &[])?, claims)?;
    let path = out.join("report.html");
    write_atomically(&path, page.as_bytes())?;
    Ok(path)
}

/// Writes `policies.md` into `out`, the table of all policies, if its experiment has results.
///
/// # Errors
/// If a summary cannot be read, or the file cannot be written.
pub fn comparison(results: &Path, out: &Path) -> Result<Option<PathBuf>> {
    if !data::summary_path(results, comparison::EXPERIMENT).is_file() {
        return Ok(None);
    }
    let path = out.join("policies.md");
    write_atomically(&path, comparison::page(results)?.as_bytes())?;
    Ok(Some(path))
}

/// Writes `paper_tables.md` into `out`, the tables of the paper with ours, if there are results of any.
///
/// # Errors
/// If a table of cells cannot be read, or the file cannot be written.
pub fn paper_tables(results: &Path, out: &Path, claims: Option<&Claims>) -> Result<Option<PathBuf>> {
    let Some(page) = tables::markdown(Sources::new(results, claims))? else { return Ok(None) };
    let path = out.join("paper_tables.md");
    write_atomically(&path, page.as_bytes())?;
    Ok(Some(path))
}

/// The figures of these names, or all that can be drawn.
fn chosen(results: &Path, names: &[String]) -> Result<Vec<&'static Figure>> {
    let known = || catalog().into_iter().map(|figure| figure.name).collect::<Vec<_>>().join(", ");
    for name in names {
        let found = catalog().iter().any(|figure| figure.name == name);
        ensure!(found, "there is no figure {name:?}; there are {}", known());
    }
    let absent = missing(results);
    let here = |figure: &&Figure| !absent.iter().any(|other| other.name == figure.name);
    if names.is_empty() {
        let figures: Vec<_> = catalog().into_iter().filter(here).collect();
        ensure!(
            !figures.is_empty(),
            "there is nothing to draw in {}: no summary of {}",
            results.display(),
            catalog::experiments().join(", ")
        );
        return Ok(figures);
    }
    let figures: Vec<_> = catalog().into_iter().filter(|figure| names.iter().any(|name| name == figure.name)).collect();
    for figure in &figures {
        let path = data::summary_path(results, figure.experiment);
        ensure!(
            here(figure),
            "figure {} needs {}, which is not there: run experiment {} first",
            figure.name,
            path.display(),
            figure.experiment
        );
    }
    Ok(figures)
}

/// Writes a file beside its place and moves it there, so that nobody sees half of it.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let moved = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
        if moved.is_err() {
            // Whatever is there is of no use; that it cannot be removed either changes nothing.
            let _ = std::fs::remove_file(&temporary);
        }
        moved
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
