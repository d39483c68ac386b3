//! The report: one HTML file with tables, figures and where they come from.

use crate::catalog::{Catalog, TableKind};
use crate::data::Results;
use crate::markup::escaped;
use crate::sources::Sources;
use crate::{tables, words};
use anyhow::Result;
use netkv_claims::Claims;
use std::fmt::Write as _;
use std::path::Path;

const STYLE: &str = include_str!("report.css");

/// The page.
pub(crate) fn page(sources: Sources<'_>, catalog: &Catalog, claims: Option<&Claims>) -> Result<String> {
    let results = sources.results;
    let mut html = String::new();
    html.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n<title>NetKV: results</title>\n");
    write!(html, "<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>NetKV: results</h1>\n")?;
    html.push_str(
        "<p class=\"lead\">Simulated runs of disaggregated LLM inference: prompts are computed on prefill instances, \
         their KV caches cross a shared network, tokens are generated on decode instances. The question is which \
         decode instance each request should go to, and whether it pays to look at the network when choosing. \
         Everything on this page is computed from the result tables, but for what the paper prints; nothing of ours is \
         typed in by hand.</p>\n",
    );
    warning(&mut html, results, catalog)?;
    for spec in &catalog.tables {
        match &spec.kind {
            TableKind::Report(table) => table.write(&mut html, results, &spec.experiment, &spec.view)?,
            TableKind::PolicyPage(_) | TableKind::Paper(_) => {}
        }
    }
    if let Some(claims) = claims {
        html.push_str(&netkv_claims::html(&claims.fitted, &netkv_claims::judge(claims, results)?));
    }
    html.push_str(&tables::html(sources, catalog)?);
    let mut above = "";
    for figure in &catalog.figures {
        if above != figure.section {
            above = &figure.section;
            writeln!(html, "<h2>{}</h2>", escaped(above))?;
        }
        let svg = figure.svg(sources)?;
        writeln!(
            html,
            "<figure id=\"{}\">\n<div class=\"drawing\">\n{svg}</div>\n<figcaption>{} \
             <span class=\"quiet\">Experiment <code>{}</code>.</span></figcaption>\n</figure>",
            figure.name,
            escaped(&figure.shows),
            figure.experiment
        )?;
    }
    provenance(&mut html, results, catalog)?;
    html.push_str("</main>\n</body>\n</html>\n");
    Ok(html)
}

/// Says on top which experiments were not fed with the recorded trace; those that share a sentence share a paragraph.
fn warning(html: &mut String, results: &Path, catalog: &Catalog) -> Result<()> {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for experiment in catalog.experiments() {
        let Some(figure) = catalog.figures.iter().find(|figure| figure.experiment == experiment) else { continue };
        if let Some(sentence) = words::generated(&Results::read(results, experiment, &figure.view)?.metadata) {
            match told.iter_mut().find(|(other, _)| *other == sentence) {
                Some((_, fed)) => fed.push(experiment),
                None => told.push((sentence, vec![experiment])),
            }
        }
    }
    for (sentence, fed) in told {
        let noun = if fed.len() == 1 { "Experiment" } else { "Experiments" };
        writeln!(html, "<p class=\"warning\"><b>{noun} {}.</b> {}</p>", fed.join(", "), escaped(&sentence))?;
    }
    Ok(())
}

fn provenance(html: &mut String, results: &Path, catalog: &Catalog) -> Result<()> {
    html.push_str("<h2>Where this comes from</h2>\n<div class=\"scroll\">\n<table class=\"facts\">\n<tbody>\n");
    for experiment in catalog.experiments() {
        let Some(figure) = catalog.figures.iter().find(|figure| figure.experiment == experiment) else { continue };
        let summary = Results::read(results, experiment, &figure.view)?;
        let format = summary.metadata.get("results_format");
        let format = format.map_or_else(String::new, |format| format!(" Results format {}.", escaped(format)));
        let (failed, all) = summary.failures("ttft_mean_ns", None);
        writeln!(
            html,
            "<tr><th>{experiment}</th><td>{}{format} {all} runs, {failed} failed.</td></tr>",
            escaped(&words::provenance(&summary, None))
        )?;
    }
    html.push_str("</tbody>\n</table>\n</div>\n");
    Ok(())
}
