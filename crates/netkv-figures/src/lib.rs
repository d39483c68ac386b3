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
mod fit;
mod heat;
mod intervals;
mod lines;
mod load;
mod page;
mod report;
mod style;
mod words;

pub use canvas::png;
pub use catalog::{Figure, catalog, missing};
pub use fit::{FitColumn, FitPoint, FitSeries, fit_figure};
pub use heat::heat_map;

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// Draws the figures called `names` into `out`, as SVG and PNG; all whose results are there if none is named (see
/// [`missing`] for the others). Returns what was written.
///
/// # Errors
/// If a name is unknown, a named figure's results are not there, a summary cannot be read or drawn, nothing at all
/// could be drawn, or a file cannot be written.
pub fn draw(results: &Path, out: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
    let figures = chosen(results, names)?;
    let mut written = Vec::new();
    for figure in figures {
        let svg = figure.svg(results)?;
        let png = canvas::png(&svg).with_context(|| format!("cannot draw {}", figure.name))?;
        for (extension, bytes) in [("svg", svg.as_bytes()), ("png", png.as_slice())] {
            let path = out.join(format!("{}.{extension}", figure.name));
            write_atomically(&path, bytes)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Writes `report.html` into `out`: tables, all figures whose results are there, and where they come from, in one file.
///
/// # Errors
/// If there are no results at all, a summary cannot be read or drawn, or the file cannot be written.
pub fn report(results: &Path, out: &Path) -> Result<PathBuf> {
    let page = report::page(results, &chosen(results, &[])?)?;
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

/// The figures of these names, or all that can be drawn.
fn chosen(results: &Path, names: &[String]) -> Result<Vec<&'static Figure>> {
    let known = || catalog().iter().map(|figure| figure.name).collect::<Vec<_>>().join(", ");
    for name in names {
        let found = catalog().iter().any(|figure| figure.name == name);
        ensure!(found, "there is no figure {name:?}; there are {}", known());
    }
    let absent = missing(results);
    let here = |figure: &&Figure| !absent.iter().any(|other| other.name == figure.name);
    if names.is_empty() {
        let figures: Vec<_> = catalog().iter().filter(here).collect();
        ensure!(
            !figures.is_empty(),
            "there is nothing to draw in {}: no summary of {}",
            results.display(),
            catalog::experiments().join(", ")
        );
        return Ok(figures);
    }
    let figures: Vec<_> = catalog().iter().filter(|figure| names.iter().any(|name| name == figure.name)).collect();
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
