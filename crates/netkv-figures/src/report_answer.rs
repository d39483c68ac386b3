//! The answer of an experiment in the report: what each policy does where, as sentences and as a strip of points.

use crate::classes::SWATCH;
use crate::data::Loaded;
use crate::labels::{Labels, POLICY_AXIS};
use crate::markup::escaped;
use crate::style;
use crate::terms::explained;
use anyhow::Result;
use netkv_frames::read_table;
use netkv_verdict::{About, Answer, Effect, Finding, Options, Said, overload_words};
use std::fmt::Write as _;

/// The answer of an experiment, from its cells.
pub(crate) fn answer(loaded: &Loaded) -> Result<Answer> {
    let (cells, mut metadata) = read_table(&loaded.folder.join("cells.parquet"))?;
    let measured = |key: &str| loaded.said()?.get("measure")?.get(key)?.as_str();
    for (key, usual) in [("baseline_axis", Some(POLICY_AXIS)), ("baseline", None)] {
        if let Some(said) = measured(key).or(usual) {
            metadata.entry(key.to_owned()).or_insert_with(|| said.to_owned());
        }
    }
    Answer::of(&cells, Options::of(&cells, &metadata, Vec::new()))
}

/// The class of what a sentence is about.
const fn class(about: About) -> &'static str {
    match about {
        About::Effect(effect) => effect_class(effect),
        About::Overload => "overloaded",
        About::Else => "else",
    }
}

/// The class of an effect.
pub(crate) const fn effect_class(effect: Effect) -> &'static str {
    match effect {
        Effect::Pays => "pays",
        Effect::Same => "same",
        Effect::Harms => "harms",
        Effect::Open => "open",
    }
}

/// A swatch and the name of what is compared, with its key.
fn named(labels: &Labels, axis: &str, name: &str) -> String {
    let is_key = labels.value(axis, name).0 == name;
    let key = if is_key { String::new() } else { format!(" <code>{}</code>", escaped(name)) };
    format!("{}{key}", labelled(labels, axis, name))
}

/// A swatch and the name of what is compared.
pub(crate) fn labelled(labels: &Labels, axis: &str, name: &str) -> String {
    let label = labels.value(axis, name).0;
    let swatch = if axis == POLICY_AXIS {
        let colour = style::policy(name).colour;
        format!("{SWATCH}{};--d:{}\"></i>", colour.light(), colour.dark())
    } else {
        String::new()
    };
    format!("{swatch}{}", escaped(&label))
}

/// The question and what each policy does, as a section's content.
pub(crate) fn write(html: &mut String, answer: &Answer, labels: &Labels) -> Result<()> {
    let findings = answer.findings();
    if findings.is_empty() {
        let compared = escaped(&answer.options.compared);
        return Ok(writeln!(html, "<p>Nothing to compare: {compared} has a single value.</p>")?);
    }
    writeln!(html, "<p class=\"question\">{}</p>\n<div class=\"findings\">", explained(&answer.question()))?;
    for finding in &findings {
        writeln!(html, "<article>\n<h4>{}</h4>", named(labels, &answer.options.compared, finding.name))?;
        strip(html, &finding.said())?;
        html.push_str("<ul>\n");
        for said in finding.said() {
            let words = if said.about == About::Else { explained(&said.words) } else { escaped(&said.words) };
            write!(html, "<li class=\"{}\">{words}", class(said.about))?;
            if !said.more.is_empty() {
                write!(html, "<details><summary>which, and how many seeds would settle it</summary><ul>")?;
                said.more.iter().try_for_each(|more| write!(html, "<li>{}</li>", escaped(more)))?;
                html.push_str("</ul></details>");
            }
            html.push_str("</li>\n");
        }
        html.push_str("</ul>\n</article>\n");
    }
    html.push_str("</div>\n");
    for words in answer.holm_words().into_iter().chain(answer.warmup_words()) {
        writeln!(html, "<p class=\"quiet\">{}</p>", explained(&words))?;
    }
    if findings.iter().any(|finding| !finding.overloaded.is_empty()) {
        writeln!(html, "<p class=\"quiet\">{}</p>", explained(&overload_words().replace('\n', " ")))?;
    }
    Ok(())
}

/// How many points have which effect, as parts of a bar.
fn strip(html: &mut String, said: &[Said]) -> Result<()> {
    let parts = || said.iter().filter(|one| one.n_points > 0);
    let words: Vec<String> = parts().map(|one| format!("{} {}", class(one.about), one.n_points)).collect();
    write!(html, "<div class=\"strip\" role=\"img\" aria-label=\"{}\">", words.join(", "))?;
    for one in parts() {
        let (class, n) = (class(one.about), one.n_points);
        let head = one.words.split(':').next().unwrap_or_default();
        let tip = escaped(head);
        write!(html, "<span class=\"{class}\" style=\"flex:{n}\" data-tip=\"{tip}\">{n}</span>")?;
    }
    Ok(writeln!(html, "</div>")?)
}

/// A row for each policy in question: how many points have which effect.
pub(crate) fn overview_rows(html: &mut String, answer: &Answer, labels: &Labels) -> Result<()> {
    let experiment = escaped(&answer.options.experiment);
    for finding in answer.findings().iter().filter(|one| !one.ratios.is_empty() || !one.overloaded.is_empty()) {
        let said = finding.said();
        let count = |about: About| {
            let n: usize = said.iter().filter(|one| one.about == about).map(|one| one.n_points).sum();
            if n == 0 {
                "<td class=\"none\">0</td>".to_owned()
            } else {
                format!("<td class=\"{}\">{n}</td>", class(about))
            }
        };
        writeln!(
            html,
            "<tr><th><a href=\"#x-{experiment}\">{experiment}</a></th><td>{}</td>{}{}{}{}{}<td>{}</td></tr>",
            named(labels, &answer.options.compared, finding.name),
            count(About::Effect(Effect::Pays)),
            count(About::Effect(Effect::Same)),
            count(About::Effect(Effect::Harms)),
            count(About::Effect(Effect::Open)),
            count(About::Overload),
            best(finding),
        )?;
    }
    Ok(())
}

/// The largest gain that is one.
fn best(finding: &Finding<'_>) -> String {
    let paying = finding.ratios.iter().filter(|(_, ratio)| ratio.effect() == Effect::Pays);
    let least = paying.map(|(_, ratio)| ratio.mean).min_by(f64::total_cmp);
    least.map_or_else(|| "–".to_owned(), |ratio| format!("−{:.1} %", 100.0 * (1.0 - ratio)))
}
