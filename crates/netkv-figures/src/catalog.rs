//! The figures and tables that there are: what the manifests of all results say, or what follows from their axes.

use crate::comparison::PolicyTable;
use crate::data::{View, read_manifest, summary_path};
use crate::defaults;
use crate::figure::{Figure, taken_rank, taken_view};
use crate::labels::Labels;
use crate::paper_tables::PaperTable;
use crate::report_table::ReportTable;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::Path;
use toml::{Table, Value};

/// What stands above the figures of an experiment that does not say it.
const SECTION: &str = "Figures";

/// What stands above experiments that ask for no figure.
const WITHOUT: &str = "Without figures";

/// A table, and what it is made from.
#[derive(Clone, Debug)]
pub(crate) struct TableSpec {
    pub(crate) experiment: String,
    pub(crate) labels: Labels,
    pub(crate) view: View,
    pub(crate) kind: TableKind,
    rank: f64,
}

/// A kind of table.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum TableKind {
    /// In the report, a row for each policy.
    Report(ReportTable),
    /// A page of its own, a row for each policy.
    PolicyPage(PolicyTable),
    /// A table of the paper in its own form.
    Paper(PaperTable),
}

/// Figures and tables, each in the order of the report.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) figures: Vec<Figure>,
    pub(crate) tables: Vec<TableSpec>,
    /// By name.
    experiments: Vec<String>,
}

/// Experiments that stand together in the report.
pub(crate) struct Chapter<'a> {
    pub(crate) title: &'a str,
    pub(crate) experiments: Vec<&'a str>,
}

impl Catalog {
    /// All that the results in a folder say.
    pub(crate) fn read(results: &Path) -> Result<Self> {
        Self::of(results, &experiments(results))
    }

    /// What the results of some experiments say.
    pub(crate) fn of(results: &Path, experiments: &[String]) -> Result<Self> {
        let mut catalog = Self::default();
        for experiment in experiments {
            let manifest = read_manifest(&results.join(experiment).join("manifest.toml"))?;
            let said = manifest.get("experiment").and_then(Value::as_table).cloned().unwrap_or_default();
            catalog.add(experiment, &said).with_context(|| format!("the manifest of {experiment}"))?;
            catalog.experiments.push(experiment.clone());
        }
        for (position, figure) in catalog.figures.iter().enumerate() {
            let same = catalog.figures[..position].iter().find(|other| other.name == figure.name);
            ensure!(
                same.is_none(),
                "two figures are called {}: of experiment {} and of {}; call one of them otherwise",
                figure.name,
                same.map_or("", |same| &same.experiment),
                figure.experiment
            );
        }
        let ranks: Vec<(String, f64)> = catalog.figures.iter().map(|one| (one.section.clone(), one.rank)).collect();
        let least = |section: &str| {
            let of_section = ranks.iter().filter(|rank| rank.0 == section).map(|rank| rank.1);
            of_section.min_by(f64::total_cmp).unwrap_or_default()
        };
        // Sections stay together. Figures of the same rank are in the order of experiments and of their files.
        catalog.figures.sort_by(|one, two| {
            let sections = least(&one.section).total_cmp(&least(&two.section)).then(one.section.cmp(&two.section));
            sections.then(one.rank.total_cmp(&two.rank))
        });
        catalog.tables.sort_by(|one, two| one.rank.total_cmp(&two.rank));
        Ok(catalog)
    }

    /// Adds what an experiment says.
    fn add(&mut self, experiment: &str, said: &Table) -> Result<()> {
        let section = said.get("report").and_then(|report| report.get("section")?.as_str()).unwrap_or(SECTION);
        let figures = match said.get("figure") {
            Some(figures) => tables_of(figures).context("figure")?,
            None => defaults::figures(experiment, said),
        };
        let change = change_of(experiment);
        for figure in figures {
            self.figures.push(Figure::read(figure, experiment, section)?.of_change(change));
        }
        let labels = Labels::of(said).context("words")?;
        for mut table in said.get("table").map_or_else(|| Ok(Vec::new()), tables_of).context("table")? {
            let (rank, view) = (taken_rank(&mut table)?, taken_view(&mut table)?);
            let kind = table.try_into().context("table")?;
            if change.is_some() && !matches!(kind, TableKind::Report(_)) {
                continue; // A page of its own is the experiment's, not a change's.
            }
            let (experiment, labels) = (experiment.to_owned(), labels.clone());
            self.tables.push(TableSpec { experiment, labels, view, kind, rank });
        }
        Ok(())
    }

    /// The chapters of the report, and the experiments of each: in the order of their figures, then those without any.
    pub(crate) fn chapters(&self) -> Vec<Chapter<'_>> {
        let mut chapters: Vec<Chapter<'_>> = Vec::new();
        let without = self.experiments.iter().filter(|name| self.figures.iter().all(|one| one.experiment != **name));
        let placed = self.figures.iter().map(|figure| (figure.section.as_str(), figure.experiment.as_str()));
        for (title, experiment) in placed.chain(without.map(|name| (WITHOUT, name.as_str()))) {
            let known = chapters.iter().position(|chapter| chapter.title == title);
            let at = known.unwrap_or_else(|| {
                chapters.push(Chapter { title, experiments: Vec::new() });
                chapters.len() - 1
            });
            if !chapters[at].experiments.contains(&experiment) {
                chapters[at].experiments.push(experiment);
            }
        }
        chapters
    }

    /// The tables of the paper.
    pub(crate) fn paper_tables(&self) -> impl Iterator<Item = (&TableSpec, &PaperTable)> {
        self.tables.iter().filter_map(|spec| match &spec.kind {
            TableKind::Paper(table) => Some((spec, table)),
            TableKind::Report(_) | TableKind::PolicyPage(_) => None,
        })
    }
}

/// What `--set` or `--seeds` changed of an experiment, as the name of its folder says it after the first `+`.
fn change_of(experiment: &str) -> Option<&str> {
    experiment.split_once('+').map(|(_, change)| change)
}

fn tables_of(list: &Value) -> Result<Vec<Table>> {
    list.clone().try_into().context("it is a list of tables")
}

/// The folders of results that hold a manifest and a summary, by name.
pub(crate) fn experiments(results: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(results) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_there = |name: &String| {
        let summary = summary_path(results, name);
        summary.is_file() && summary.with_file_name("manifest.toml").is_file()
    };
    let mut names: Vec<String> = names.filter(is_there).collect();
    names.sort_unstable();
    names
}
