//! A table of the report: every policy at one place across, for each panel.

use crate::classes::SWATCH;
use crate::data::{Estimate, Loaded, Results, View};
use crate::markup::escaped;
use crate::strokes::EQUIVALENCE;
use crate::{numbers, style, words};
use anyhow::Result;
use serde::Deserialize;
use std::fmt::Write as _;

/// A table of the report.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportTable {
    /// Stands above it: "{x}" is the place across.
    title: String,
    /// The place across, or else the middle one.
    at: Option<f64>,
}

impl ReportTable {
    /// Adds the table.
    pub(crate) fn write(&self, html: &mut String, loaded: &Loaded, view: &View) -> Result<()> {
        let results = Results::of(loaded, view)?;
        tables(html, &results, self.at, &self.title)
    }
}

fn tables(html: &mut String, results: &Results, at: Option<f64>, title: &str) -> Result<()> {
    let x = results.x_near(at.unwrap_or(f64::NAN));
    let baseline = results.baseline_label();
    writeln!(html, "<h4>{}</h4>", escaped(&title.replace("{x}", &results.x_label(x))))?;
    writeln!(
        html,
        "<p>Means over {} seeds. The ratio compares mean TTFT with {} on the same requests, seed by seed, with its {}\
         interval over seeds (seed noise only, not model error): below 1 is better. “Equal” means that the whole \
         interval lies within ±{} of 1, “faster” and “slower” that it lies beyond that, “a little” that it reaches in, \
         “open” that it holds 1 and more: the seeds do not decide.</p>",
        results.n_seeds(),
        escaped(&baseline),
        words::confidence(results),
        numbers::percent(EQUIVALENCE)
    )?;
    for regime in &results.regimes {
        let (name, description) = results.panel_title(regime);
        if !name.is_empty() {
            writeln!(html, "<h5>{} <span class=\"quiet\">{}</span></h5>", escaped(&name), escaped(&description))?;
        }
        html.push_str("<div class=\"scroll\">\n<table class=\"sort\">\n<thead><tr><th>Policy</th><th>Mean TTFT</th><th>p99 TTFT</th>");
        html.push_str("<th>SLO attainment</th><th>Mean TBT</th><th>Decode hits</th>");
        html.push_str("<th>Node / rack / pod / core</th><th>TTFT ratio</th><th></th></tr></thead>\n<tbody>\n");
        for policy in &results.policies {
            table_row(html, results, regime, policy, x)?;
        }
        html.push_str("</tbody>\n</table>\n</div>\n");
    }
    Ok(())
}

fn table_row(html: &mut String, results: &Results, regime: &str, policy: &str, x: f64) -> Result<()> {
    let mean = |metric: &str| results.row(regime, policy, x, metric).and_then(|row| row.value.mean);
    let cell = |value: Option<f64>, print: &dyn Fn(f64) -> String| value.map_or_else(|| "–".to_owned(), print);
    let seconds = |value: f64| format!("{} s", numbers::three_digits(value * 1e-9));
    let share = |value: f64| format!("{:.1} %", value * 100.0);
    let tiers: Vec<String> =
        style::TIERS.iter().map(|tier| cell(mean(tier), &|value| format!("{:.0}", value * 100.0))).collect();
    let row = results.row(regime, policy, x, "ttft_mean_ns");
    let failed = row.map_or(0, |row| row.n_failed);
    let look = results.look(policy);
    let mut note = if failed > 0 { format!(" <span class=\"bad\">× {failed} failed</span>") } else { String::new() };
    if results.is_overloaded(regime, policy, x) {
        note.push_str(" <span class=\"bad\">overloaded</span>");
    }
    let (ratio, verdict) = match row.map(|row| row.ratio) {
        _ if policy == results.baseline() => ("1".to_owned(), "<span class=\"quiet\">baseline</span>".to_owned()),
        Some(ratio) => (ratio_words(ratio), verdict(ratio).to_owned()),
        None => ("–".to_owned(), String::new()),
    };
    let class = if style::is_netkv(policy) { " class=\"ours\"" } else { "" };
    let colour = look.colour;
    writeln!(
        html,
        "<tr{class}><th>{SWATCH}{};--d:{}\"></i>{}{note}</th><td>{}</td><td>{}</td><td>{}</td>\
         <td>{}</td><td>{}</td><td>{} %</td><td>{ratio}</td><td>{verdict}</td></tr>",
        colour.light(),
        colour.dark(),
        escaped(&look.label),
        cell(mean("ttft_mean_ns"), &seconds),
        cell(mean("ttft_p99_ns"), &seconds),
        cell(mean("slo_attainment_ratio"), &share),
        cell(mean("tbt_mean_ns"), &|value| format!("{} ms", numbers::three_digits(value * 1e-6))),
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
