//! The report: one HTML file with tables, figures and where they come from.

use crate::catalog::{LOAD, MIDDLE_LOAD, experiments, heading};
use crate::data::{Estimate, Results, View, summary_path};
use crate::figure::Figure;
use crate::lines::EQUIVALENCE;
use crate::markup::escaped;
use crate::sources::Sources;
use crate::{style, tables, words};
use anyhow::Result;
use netkv_claims::Claims;
use std::fmt::Write as _;
use std::path::Path;

const STYLE: &str = include_str!("report.css");

/// The page, with `figures` in their order.
pub(crate) fn page(sources: Sources<'_>, figures: &[&Figure], claims: Option<&Claims>) -> Result<String> {
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
    warning(&mut html, results, figures)?;
    if summary_path(results, "load").is_file() {
        let load = Results::read(results, "load", View::policies_against(LOAD.axis))?;
        tables(&mut html, &load)?;
    }
    if let Some(claims) = claims {
        html.push_str(&netkv_claims::html(&claims.fitted, &netkv_claims::judge(claims, results)?));
    }
    html.push_str(&tables::html(sources)?);
    let mut above = "";
    for figure in figures {
        if above != heading(figure) {
            above = heading(figure);
            writeln!(html, "<h2>{above}</h2>")?;
        }
        let svg = figure.svg(sources)?;
        writeln!(
            html,
            "<figure id=\"{}\">\n<div class=\"drawing\">\n{svg}</div>\n<figcaption>{} \
             <span class=\"quiet\">Experiment <code>{}</code>.</span></figcaption>\n</figure>",
            figure.name,
            escaped(figure.shows),
            figure.experiment
        )?;
    }
    provenance(&mut html, results, figures)?;
    html.push_str("</main>\n</body>\n</html>\n");
    Ok(html)
}

/// Says on top which experiments were not fed with the recorded trace; those that share a sentence share a paragraph.
fn warning(html: &mut String, results: &Path, figures: &[&Figure]) -> Result<()> {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for experiment in experiments() {
        let Some(figure) = figures.iter().find(|figure| figure.experiment == experiment) else { continue };
        if let Some(sentence) = words::generated(&Results::read(results, experiment, figure.view())?.metadata) {
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

fn tables(html: &mut String, load: &Results) -> Result<()> {
    let x = load.x_near(MIDDLE_LOAD);
    let baseline = words::baseline_label(load);
    writeln!(html, "<h2>At a prefill load of {}</h2>", words::percent(x))?;
    writeln!(
        html,
        "<p>Means over {} seeds. The ratio compares mean TTFT with {} on the same requests, seed by seed, with its {}\
         interval over seeds (seed noise only, not model error): below 1 is better. “Equal” means that the whole \
         interval lies within ±{} of 1, “faster” and “slower” that it lies beyond that, “a little” that it reaches in, \
         “open” that it holds 1 and more: the seeds do not decide.</p>",
        load.n_seeds(),
        escaped(&baseline),
        words::confidence(load),
        words::percent(EQUIVALENCE)
    )?;
    for regime in &load.regimes {
        let (name, description) = style::regime(regime);
        if !name.is_empty() {
            writeln!(html, "<h3>{} <span class=\"quiet\">{}</span></h3>", escaped(&name), escaped(&description))?;
        }
        html.push_str("<div class=\"scroll\">\n<table>\n<thead><tr><th>Policy</th><th>Mean TTFT</th><th>p99 TTFT</th>");
        html.push_str("<th>SLO attainment</th><th>Mean TBT</th><th>Decode hits</th>");
        html.push_str("<th>Node / rack / pod / core</th><th>TTFT ratio</th><th></th></tr></thead>\n<tbody>\n");
        for policy in &load.policies {
            table_row(html, load, regime, policy, x)?;
        }
        html.push_str("</tbody>\n</table>\n</div>\n");
    }
    Ok(())
}

fn table_row(html: &mut String, load: &Results, regime: &str, policy: &str, x: f64) -> Result<()> {
    let mean = |metric: &str| load.row(regime, policy, x, metric).and_then(|row| row.value.mean);
    let cell = |value: Option<f64>, print: &dyn Fn(f64) -> String| value.map_or_else(|| "–".to_owned(), print);
    let seconds = |value: f64| format!("{} s", words::three_digits(value * 1e-9));
    let share = |value: f64| format!("{:.1} %", value * 100.0);
    let tiers: Vec<String> =
        style::TIERS.iter().map(|tier| cell(mean(tier.0), &|value| format!("{:.0}", value * 100.0))).collect();
    let row = load.row(regime, policy, x, "ttft_mean_ns");
    let failed = row.map_or(0, |row| row.n_failed);
    let look = style::policy(policy);
    let note = if failed > 0 { format!(" <span class=\"bad\">× {failed} failed</span>") } else { String::new() };
    let (ratio, verdict) = match row.map(|row| row.ratio) {
        _ if policy == load.baseline() => ("1".to_owned(), "<span class=\"quiet\">baseline</span>".to_owned()),
        Some(ratio) => (ratio_words(ratio), verdict(ratio).to_owned()),
        None => ("–".to_owned(), String::new()),
    };
    let class = if style::is_netkv(policy) { " class=\"ours\"" } else { "" };
    let colour = look.colour;
    writeln!(
        html,
        "<tr{class}><th><i style=\"background:#{:02x}{:02x}{:02x}\"></i>{}{note}</th><td>{}</td><td>{}</td><td>{}</td>\
         <td>{}</td><td>{}</td><td>{} %</td><td>{ratio}</td><td>{verdict}</td></tr>",
        colour.0,
        colour.1,
        colour.2,
        escaped(&look.label),
        cell(mean("ttft_mean_ns"), &seconds),
        cell(mean("ttft_p99_ns"), &seconds),
        cell(mean("slo_attainment_ratio"), &share),
        cell(mean("tbt_mean_ns"), &|value| format!("{} ms", words::three_digits(value * 1e-6))),
        cell(mean("decode_hit_ratio"), &share),
        tiers.join(" / "),
    )?;
    Ok(())
}

fn ratio_words(ratio: Estimate) -> String {
    match (ratio.mean, ratio.low, ratio.high) {
        (Some(mean), Some(low), Some(high)) => {
            format!("{mean:.3} <span class=\"quiet\">[{low:.3}, {high:.3}]</span>")
        }
        (Some(mean), ..) => format!("{mean:.3}"),
        (None, ..) => "–".to_owned(),
    }
}

/// What the interval says about the ratio.
fn verdict(ratio: Estimate) -> &'static str {
    let (Some(low), Some(high)) = (ratio.low, ratio.high) else { return "" };
    if low >= 1.0 - EQUIVALENCE && high <= 1.0 + EQUIVALENCE {
        "<span class=\"quiet\">equal</span>"
    } else if high < 1.0 - EQUIVALENCE {
        "<span class=\"good\">faster</span>"
    } else if high < 1.0 {
        "<span class=\"good\">a little faster</span>"
    } else if low > 1.0 + EQUIVALENCE {
        "<span class=\"bad\">slower</span>"
    } else if low > 1.0 {
        "<span class=\"bad\">a little slower</span>"
    } else {
        "<span class=\"quiet\">open</span>"
    }
}

fn provenance(html: &mut String, results: &Path, figures: &[&Figure]) -> Result<()> {
    html.push_str("<h2>Where this comes from</h2>\n<div class=\"scroll\">\n<table class=\"facts\">\n<tbody>\n");
    for experiment in experiments() {
        let Some(figure) = figures.iter().find(|figure| figure.experiment == experiment) else {
            writeln!(html, "<tr><th>{experiment}</th><td class=\"quiet\">no results</td></tr>")?;
            continue;
        };
        let summary = Results::read(results, experiment, figure.view())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(low: f64, high: f64, expect: &str) {
        let said = verdict(Estimate { mean: Some((low + high) / 2.0), low: Some(low), high: Some(high) });
        assert!(said.contains(expect), "[{low}, {high}]: {said}");
    }

    #[test]
    fn a_verdict_needs_the_whole_interval() {
        check(0.99, 1.01, "equal");
        check(0.981, 0.99, "equal");
        check(0.8, 0.9, ">faster");
        check(0.97, 0.99, "a little faster");
        check(1.01, 1.05, "a little slower");
        check(0.9, 1.1, "open");
        check(1.03, 1.1, "slower");
    }
}
