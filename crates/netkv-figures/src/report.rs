//! The report: one HTML file with answers, maps, tables, figures and where they come from. It asks for no other file and
//! forbids itself to; what moves on it is a script of a page, for tips, sorting and hints.

use crate::catalog::{Catalog, Chapter, TableKind};
use crate::classes::Classes;
use crate::contrast::Contrasts;
use crate::data::Loaded;
use crate::figure::Figure;
use crate::markup::escaped;
use crate::sources::Sources;
use crate::stamps::Stamps;
use crate::terms::explained;
use crate::{fields, report_answer, report_map, report_points, tables, words};
use anyhow::{Context, Result};
use netkv_claims::Claims;
use std::fmt::Write as _;
use std::path::{Component, Path};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");
/// Where the rules of what is drawn go.
const RULES: &str = "/* what is drawn */\n";
/// Nothing is fetched, from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'";

const LEAD: &str = "Simulated runs of disaggregated LLM inference: prompts are computed on prefill instances, their KV caches \
                    cross a shared network, tokens are generated on decode instances. The question is which decode instance \
                    each request should go to, and whether it pays to look at the network when choosing.";

/// Where tables are, as seen from the page, and how commands name the folder of results.
pub(crate) struct Links {
    results: String,
    option: String,
}

impl Links {
    /// Those of a page at `path`.
    pub(crate) fn from(path: &Path, results: &Path) -> Result<Self> {
        let place = |path: &Path| std::path::absolute(path).with_context(|| format!("cannot place {}", path.display()));
        let (mut page, tables) = (place(path)?, place(results)?);
        page.pop();
        let common = page.components().zip(tables.components()).take_while(|(one, two)| one == two).count();
        let up = page.components().skip(common).map(|_| Component::ParentDir);
        let way: Vec<String> = up
            .chain(tables.components().skip(common))
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let is_usual = results.is_absolute() || results == Path::new("results");
        let option = if is_usual { String::new() } else { format!(" --results {}", results.display()) };
        Ok(Self { results: if way.is_empty() { ".".to_owned() } else { way.join("/") }, option })
    }
}

/// The page.
pub(crate) fn page(sources: Sources<'_>, catalog: &Catalog, claims: Option<&Claims>, links: &Links) -> Result<String> {
    let chapters = catalog.chapters();
    let names: Vec<&str> = chapters.iter().flat_map(|chapter| chapter.experiments.iter().copied()).collect();
    let (mut overview, mut body) = (String::new(), String::new());
    let mut fed: Vec<(String, Vec<&str>)> = Vec::new();
    for Chapter { title, experiments } in &chapters {
        if names.len() > 1 {
            writeln!(body, "<h2 id=\"{}\">{}</h2>", anchor(title), escaped(title))?;
        }
        for experiment in experiments {
            let loaded = Loaded::read(sources.results, experiment)?;
            let contrasts = Contrasts::read(&loaded, sources.results)?;
            report_answer::overview_rows(&mut overview, &contrasts.answer, &loaded.labels)?;
            warned(&mut fed, &loaded, experiment);
            let is_alone = names.len() == 1;
            Block { loaded: &loaded, contrasts: &contrasts, catalog, sources, links, is_alone }.write(&mut body)?;
        }
    }
    let only = if let [one] = names[..] { Some(one) } else { None };
    let title = format!("NetKV: {}", only.unwrap_or("results"));
    let mut html = head(&title, &Stamps::of(sources.results).attribute(names.iter().copied()))?;
    contents(&mut html, catalog, &chapters, claims.is_some() && only.is_none())?;
    writeln!(html, "<main>\n<h1>{}</h1>", escaped(&title))?;
    if only.is_none() {
        write!(html, "<p class=\"lead\">{}</p>\n<h2 id=\"answers\">Answers</h2>\n{OVERVIEW}", explained(LEAD))?;
        write!(html, "{overview}</tbody>\n</table>\n</div>\n")?;
    }
    for (sentence, experiments) in fed {
        let noun = if experiments.len() == 1 { "Experiment" } else { "Experiments" };
        writeln!(html, "<p class=\"warning\"><b>{noun} {}.</b> {}</p>", experiments.join(", "), escaped(&sentence))?;
    }
    if let Some(claims) = claims.filter(|_| only.is_none()) {
        let judged = netkv_claims::judge(claims, sources.results)?;
        html.push_str(&netkv_claims::html(&claims.fitted, &judged).replacen("<h2>", "<h2 id=\"claims\">", 1));
    }
    html.push_str(&tables::html(sources, catalog)?.replacen("<h2>", "<h2 id=\"paper-tables\">", 1));
    html.push_str(&body);
    if only.is_some() {
        writeln!(html, "<p class=\"lead\">{}</p>", explained(LEAD))?;
    }
    writeln!(
        html,
        "</main>\n<div id=\"tip\" role=\"tooltip\" hidden></div>\n<script>\n{SCRIPT}</script>\n</body>\n</html>"
    )?;
    let mut classes = Classes::default();
    let html = classes.page(&html);
    Ok(html.replacen(RULES, &classes.css(), 1))
}

/// Heads of the table of all answers.
const OVERVIEW: &str = "<p class=\"quiet\">Points of each experiment's grid, by what a policy does there to mean TTFT: against \
                        the best policy that ignores the network, or against the baseline where there is none. A click on a \
                        head sorts.</p>\n<div class=\"scroll\">\n<table class=\"sort answers\">\n<thead><tr><th>Experiment</th>\
                        <th>What is judged</th><th>Pays</th><th>No difference</th><th>Harms</th><th>Open</th>\
                        <th>Overloaded</th><th>At best</th></tr></thead>\n<tbody>\n";

fn head(title: &str, tables: &str) -> Result<String> {
    let mut html = format!("<!doctype html>\n<html lang=\"en\" {tables}>\n<head>\n<meta charset=\"utf-8\">\n");
    writeln!(html, "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">")?;
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    write!(
        html,
        "<title>{}</title>\n<style>\n{STYLE}{}{RULES}</style>\n</head>\n<body>\n",
        escaped(title),
        fields::css()
    )?;
    Ok(html)
}

fn anchor(title: &str) -> String {
    let letter = |letter: char| if letter.is_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    title.chars().map(letter).collect()
}

/// The one list of contents.
fn contents(html: &mut String, catalog: &Catalog, chapters: &[Chapter<'_>], has_claims: bool) -> Result<()> {
    html.push_str("<nav><details><summary>Contents</summary>\n<ul>\n");
    let is_one = chapters.iter().map(|chapter| chapter.experiments.len()).sum::<usize>() == 1;
    if !is_one {
        html.push_str("<li><a href=\"#answers\">Answers</a></li>\n");
    }
    if has_claims {
        html.push_str("<li><a href=\"#claims\">What became of the paper's claims</a></li>\n");
    }
    if catalog.paper_tables().next().is_some() {
        html.push_str("<li><a href=\"#paper-tables\">The paper's tables</a></li>\n");
    }
    for Chapter { title, experiments } in chapters {
        if !is_one {
            writeln!(html, "<li><a href=\"#{}\">{}</a>\n<ul>", anchor(title), escaped(title))?;
        }
        for experiment in experiments {
            writeln!(html, "<li><a href=\"#x-{experiment}\">{experiment}</a>\n<ul>")?;
            for figure in catalog.figures.iter().filter(|figure| figure.experiment == *experiment) {
                writeln!(html, "<li><a href=\"#{0}\">{0}</a></li>", figure.name)?;
            }
            html.push_str("</ul></li>\n");
        }
        html.push_str(if is_one { "" } else { "</ul></li>\n" });
    }
    html.push_str("</ul>\n</details></nav>\n");
    Ok(())
}

/// Notes an experiment that is reduced, or was not fed with the recorded trace; those that share a sentence share a paragraph.
fn warned<'a>(fed: &mut Vec<(String, Vec<&'a str>)>, loaded: &Loaded, experiment: &'a str) {
    for sentence in words::reduced(&loaded.metadata).into_iter().chain(words::generated(&loaded.metadata)) {
        match fed.iter_mut().find(|(other, _)| *other == sentence) {
            Some((_, names)) => names.push(experiment),
            None => fed.push((sentence, vec![experiment])),
        }
    }
}

/// Whether parameters were chosen on an experiment, by its name: `tune`, `tune_joint`, `paper_tune`.
fn is_tuning(experiment: &str) -> bool {
    experiment.split(['_', '+']).any(|part| part == "tune")
}

/// A map of more axes than these is a list of points that nobody reads: only the page about that experiment alone has it.
const MOST_MAPPED: usize = 5;

/// What the report has of one experiment.
struct Block<'a> {
    loaded: &'a Loaded,
    contrasts: &'a Contrasts,
    catalog: &'a Catalog,
    sources: Sources<'a>,
    links: &'a Links,
    /// Whether the page has no other.
    is_alone: bool,
}

impl Block<'_> {
    fn write(&self, html: &mut String) -> Result<()> {
        let (name, labels, answer) = (&self.loaded.experiment, &self.loaded.labels, &self.contrasts.answer);
        let heading = if self.is_alone { String::new() } else { format!("\n<h3>{name}</h3>") };
        writeln!(html, "<section id=\"x-{name}\">{heading}")?;
        self.facts(html)?;
        report_answer::write(html, answer, labels)?;
        let n_axes = answer.points.first().map_or(0, |point| point.coordinates.len());
        if self.is_alone || n_axes <= MOST_MAPPED {
            report_map::write(html, self.contrasts, labels)?;
        }
        if self.is_alone || !(is_tuning(name) || report_points::is_long(answer)) {
            report_points::write(html, answer, labels)?;
        } else {
            self.points_elsewhere(html)?;
        }
        for spec in self.catalog.tables.iter().filter(|spec| spec.experiment == *name) {
            if let TableKind::Report(table) = &spec.kind {
                table.write(html, self.loaded, &spec.view)?;
            }
        }
        for figure in self.catalog.figures.iter().filter(|figure| figure.experiment == *name) {
            self.figure(html, figure)?;
        }
        self.files(html)?;
        Ok(writeln!(html, "</section>")?)
    }

    /// Where the table of all points is.
    fn points_elsewhere(&self, html: &mut String) -> Result<()> {
        let name = &self.loaded.experiment;
        let (folder, option) = (escaped(&format!("{}/{name}", self.links.results)), escaped(&self.links.option));
        let why =
            if is_tuning(name) { "Parameters were chosen on these runs, which nothing is compared on. " } else { "" };
        Ok(writeln!(
            html,
            "<h4>All points</h4>\n<p class=\"quiet\">{why}The points are in <a href=\"{folder}/cells.parquet\">cells.parquet</a>; as a \
             table on the page of this experiment alone: <code>netkv report {name}{option}</code>.</p>"
        )?)
    }

    /// What there is to know before a number is read: the objective, points, seeds, trace.
    fn facts(&self, html: &mut String) -> Result<()> {
        let promised = words::promised(&self.loaded.manifest, &self.loaded.labels, true);
        let (options, points) = (&self.contrasts.answer.options, &self.contrasts.answer.points);
        let (n, compared) = (points.len(), self.loaded.labels.title(&options.compared));
        let values = points.iter().map(|point| point.standings.len()).max().unwrap_or_default();
        let seeds = self.loaded.metadata.get("seeds").map_or("?", String::as_str);
        let points = if n == 1 { "point" } else { "points" };
        let said = format!("{n} {points} × {values} values of {compared}; seeds {seeds}.");
        let trace = words::trace(&self.loaded.metadata);
        Ok(writeln!(html, "<p class=\"facts\">{} {}</p>", explained(&format!("{promised} {said}")), escaped(&trace))?)
    }

    fn figure(&self, html: &mut String, figure: &Figure) -> Result<()> {
        let svg = figure.svg(self.loaded, self.sources)?;
        writeln!(
            html,
            "<figure id=\"{0}\">\n<div class=\"drawing scroll\">\n{svg}</div>\n<figcaption>{1} <span class=\"quiet\">Made by \
             <code>netkv figures {0}{2}</code>.</span></figcaption>\n</figure>",
            figure.name,
            explained(&figure.shows),
            escaped(&self.links.option),
        )?;
        Ok(())
    }

    /// The tables behind it, and how to make it again.
    fn files(&self, html: &mut String) -> Result<()> {
        let (name, option) = (&self.loaded.experiment, escaped(&self.links.option));
        let folder = escaped(&format!("{}/{name}", self.links.results));
        let links = ["summary.parquet", "cells.parquet", "manifest.toml"]
            .map(|file| format!("<a href=\"{folder}/{file}\">{file}</a>"));
        let said = |key: &str| self.loaded.metadata.get(key).map_or("?", String::as_str);
        let (failed, all) = self
            .contrasts
            .answer
            .points
            .iter()
            .flat_map(|point| &point.standings)
            .fold((0, 0), |sum, one| (sum.0 + one.n_failed, sum.1 + one.n + one.n_failed));
        Ok(writeln!(
            html,
            "<p class=\"files quiet\">Tables: {}. {all} runs, {failed} failed; simulation epoch {}, results format {}. This \
             part alone: <code>netkv report {name}{option}</code>.</p>",
            links.join(", "),
            escaped(said("sim_epoch")),
            escaped(said("results_format")),
        )?)
    }
}
