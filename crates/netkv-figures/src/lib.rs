//! Figures and the report page, drawn from the summaries in parquet and their manifests alone; the heat map of one run's
//! links; the table of all policies; and the figure of a latency profile's fit.
//!
//! Each figure is written as SVG and as PNG of twice its size. Every byte depends on the tables only: no time, no
//! host, no font of the machine. A mark says its number to who points at it. The report is one page with its own style and
//! script: it asks for nothing else.

mod axis;
mod bars;
mod canvas;
mod catalog;
mod cdf;
mod classes;
mod closed_form;
mod colour;
mod comparison;
mod contrast;
mod curves;
mod data;
mod defaults;
mod fields;
mod figure;
mod fit;
mod grid;
mod heat;
mod intervals;
mod labels;
mod lines;
mod load;
mod markup;
mod multiples;
mod numbers;
mod page;
mod pairs;
mod paper_tables;
mod pen;
mod printed;
mod report;
mod report_answer;
mod report_map;
mod report_points;
mod report_table;
mod sheet;
mod sources;
mod spread;
mod stamps;
mod steps;
mod strokes;
mod style;
mod tables;
mod terms;
mod tips;
mod unit;
mod waterfall;
mod words;

pub use canvas::png;
pub use fit::{FitColumn, FitPoint, FitSeries, fit_figure};
pub use heat::heat_map;
pub use stamps::{Older, older};

use anyhow::{Context, Result, anyhow, ensure};
use catalog::{Catalog, TableKind};
use data::Loaded;
use figure::Figure;
use netkv_claims::Claims;
use netkv_frames::distinct;
use sources::Sources;
use stamps::Stamps;
use std::path::{Path, PathBuf};

/// A figure's name, and the experiment that it is drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name, which is also that of its files.
    pub name: String,
    /// The experiment.
    pub experiment: String,
}

/// Every figure that there are results for, in the order of the report. Which they are is said in the manifests of the
/// results, which have it from the experiment files.
///
/// # Errors
/// If a manifest cannot be read, says what no figure is, or two figures have one name.
pub fn figures(results: &Path) -> Result<Vec<Named>> {
    let named = |figure: Figure| Named { name: figure.name, experiment: figure.experiment };
    Ok(Catalog::read(results)?.figures.into_iter().map(named).collect())
}

/// Draws the figures called `names` into `out`, as SVG and PNG; all whose results are there if none is named. The
/// paper's printed numbers come from `claims`. Returns what was written.
///
/// # Errors
/// If a name is unknown, a manifest cannot be read, there is nothing to draw, or a file cannot be written; and for each
/// figure that cannot be drawn, after all others are.
pub fn draw(results: &Path, out: &Path, names: &[String], claims: Option<&Claims>) -> Result<Vec<PathBuf>> {
    let sources = Sources::new(results, claims);
    let catalog = Catalog::read(results)?;
    let figures = chosen(&catalog, results, names)?;
    let (mut written, mut wrong) = (Vec::new(), Vec::new());
    for experiment in distinct(figures.iter().map(|figure| figure.experiment.as_str())) {
        let loaded = Loaded::read(results, experiment)?;
        for figure in figures.iter().filter(|figure| figure.experiment == experiment) {
            match figure.svg(&loaded, sources) {
                Ok(svg) => {
                    let png = canvas::png(&svg).with_context(|| format!("cannot draw {}", figure.name))?;
                    let svg = Stamps::of(results).stamped(&svg, experiment);
                    for (extension, bytes) in [("svg", svg.as_bytes()), ("png", png.as_slice())] {
                        let path = out.join(format!("{}.{extension}", figure.name));
                        write_atomically(&path, bytes)?;
                        written.push(path);
                    }
                }
                Err(error) => wrong.push(error),
            }
        }
    }
    // The others are drawn; what is wrong is told all at once.
    let others: Vec<String> = wrong.iter().skip(1).map(|error| format!("{error:#}")).collect();
    match wrong.into_iter().next() {
        Some(first) if others.is_empty() => Err(first),
        Some(first) => Err(anyhow!("{first:#}\n{}", others.join("\n"))),
        None => Ok(written),
    }
}

/// The experiments that have results in a folder, by name.
pub fn experiments(results: &Path) -> Vec<String> {
    catalog::experiments(results)
}

/// Writes the report of some experiments, or of all that have results if none is named, to `path`: answers, tables, maps,
/// figures, what became of `claims`, and where all of it comes from, in one file that asks for no other.
///
/// # Errors
/// If there are no results, a table cannot be read or drawn, a claim names cells that there are not, or the file cannot be
/// written.
pub fn report(results: &Path, names: &[String], path: &Path, claims: Option<&Claims>) -> Result<()> {
    let all = experiments(results);
    let names = if names.is_empty() { &all } else { names };
    ensure!(!names.is_empty(), "there is nothing to report on in {}: run an experiment first", results.display());
    let catalog = Catalog::of(results, names)?;
    let links = report::Links::from(path, results)?;
    let page = report::page(Sources::new(results, claims), &catalog, claims, &links)?;
    write_atomically(path, page.as_bytes())
}

/// Writes the pages of policies into `out` that experiments with results ask for, such as `policies.md`.
///
/// # Errors
/// If a manifest or a summary cannot be read, or a file cannot be written.
pub fn comparison(results: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for spec in Catalog::read(results)?.tables {
        let TableKind::PolicyPage(table) = &spec.kind else { continue };
        let path = out.join(&table.file);
        write_atomically(&path, table.page(&Loaded::read(results, &spec.experiment)?, &spec.view)?.as_bytes())?;
        written.push(path);
    }
    Ok(written)
}

/// Writes `paper_tables.md` into `out`, the tables of the paper with ours, if there are results of any.
///
/// # Errors
/// If a manifest or a table of cells cannot be read, or the file cannot be written.
pub fn paper_tables(results: &Path, out: &Path, claims: Option<&Claims>) -> Result<Option<PathBuf>> {
    let catalog = Catalog::read(results)?;
    let Some(page) = tables::markdown(Sources::new(results, claims), &catalog)? else { return Ok(None) };
    let path = out.join("paper_tables.md");
    write_atomically(&path, page.as_bytes())?;
    Ok(Some(path))
}

/// The figures of these names, or all.
fn chosen<'a>(catalog: &'a Catalog, results: &Path, names: &[String]) -> Result<Vec<&'a Figure>> {
    let known = || catalog.figures.iter().map(|figure| figure.name.as_str()).collect::<Vec<_>>().join(", ");
    ensure!(
        !catalog.figures.is_empty(),
        "there is nothing to draw in {}: no experiment there has tables and figures; run one first",
        results.display()
    );
    for name in names {
        let found = catalog.figures.iter().any(|figure| figure.name == *name);
        ensure!(found, "there is no figure {name:?} of results that are there; there are {}", known());
    }
    let is_asked_for = |figure: &&Figure| names.is_empty() || names.contains(&figure.name);
    Ok(catalog.figures.iter().filter(is_asked_for).collect())
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
