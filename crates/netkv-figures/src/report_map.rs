//! The regime map of the report: a row for each policy and combination of axes, a column for each value of one more axis,
//! and in every field what the policy gains on what it is compared with.

use crate::labels::Labels;
use crate::markup::escaped;
use crate::report_answer::{effect_class, labelled};
use anyhow::Result;
use netkv_frames::distinct;
use netkv_verdict::{Answer, Effect, Finding, Point, Ratio};
use std::fmt::Write as _;

/// More rows than these are folded.
const MANY_ROWS: usize = 60;
/// Steps of a colour.
const STEPS: f64 = 8.0;
/// The gain, in percent, that has the full colour. Chosen by us: half is much.
const FULL: f64 = 50.0;

/// Values of axes, as words.
type Place = Vec<(String, String)>;

/// Writes the map; nothing if there are no two points to tell apart.
pub(crate) fn write(html: &mut String, answer: &Answer, labels: &Labels) -> Result<()> {
    let findings = answer.findings();
    let Some(across) = axis_across(answer).filter(|_| !findings.is_empty()) else { return Ok(()) };
    let values = distinct(answer.points.iter().filter_map(|point| value(point, &across)));
    let places = distinct(answer.points.iter().map(|point| others(point, &across)));
    let n_rows = places.len() * findings.len();
    let title = format!(
        "<h4>Map: change of mean TTFT against {}, in percent</h4>",
        escaped(&labels.value(&answer.options.compared, &answer.other()).0)
    );
    writeln!(html, "{title}\n{LEGEND}")?;
    if n_rows > MANY_ROWS {
        writeln!(html, "<details><summary>{n_rows} rows</summary>")?;
    }
    html.push_str("<div class=\"scroll\">\n<table class=\"map\">\n<thead><tr><th></th>");
    let rows = places.first().map_or(&[][..], Vec::as_slice);
    rows.iter().try_for_each(|(axis, _)| write!(html, "<th>{}</th>", escaped(&labels.title(axis))))?;
    let title = escaped(&labels.title(&across));
    for (at, value) in values.iter().enumerate() {
        let axis = if at == 0 { format!("<span class=\"axis\">{title}</span>") } else { String::new() };
        write!(html, "<th>{axis}{}</th>", escaped(&labels.value(&across, value).0))?;
    }
    html.push_str("</tr></thead>\n");
    for finding in &findings {
        html.push_str("<tbody>\n");
        for (at, place) in places.iter().enumerate() {
            html.push_str("<tr>");
            if at == 0 {
                let name = labelled(labels, &answer.options.compared, finding.name);
                write!(html, "<th rowspan=\"{}\">{name}</th>", places.len())?;
            }
            row_heads(html, (at, &places), labels)?;
            for value in &values {
                field(html, finding, place, (&across, value), labels)?;
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n");
    }
    html.push_str("</table>\n</div>\n");
    if n_rows > MANY_ROWS {
        html.push_str("</details>\n");
    }
    Ok(())
}

const LEGEND: &str = "<p class=\"legend\"><span class=\"pays s8\">−40</span> pays <span class=\"same\">0</span> no gain: \
                      less than 2 % <span class=\"harms s8\">+40</span> harms <span class=\"open\">−9?</span> open \
                      <span class=\"overloaded\">–</span> overloaded</p>";

/// The values of a row's axes, each where it changes.
fn row_heads(html: &mut String, (at, places): (usize, &[Place]), labels: &Labels) -> Result<()> {
    for (position, (axis, word)) in places[at].iter().enumerate() {
        let is_new = |row: usize| row == 0 || places[row][..=position] != places[row - 1][..=position];
        if is_new(at) {
            let span = (at + 1..places.len()).take_while(|&row| !is_new(row)).count() + 1;
            write!(html, "<th rowspan=\"{span}\">{}</th>", escaped(&labels.value(axis, word).0))?;
        }
    }
    Ok(())
}

/// What is found at a point.
fn field(
    html: &mut String,
    finding: &Finding<'_>,
    place: &Place,
    (across, value): (&str, &str),
    labels: &Labels,
) -> Result<()> {
    let is_here =
        |point: &Point| self::value(point, across).is_some_and(|own| own == value) && others(point, across) == *place;
    let words = place.iter().map(|(axis, word)| (axis.as_str(), word.as_str())).chain([(across, value)]);
    let words = words.map(|(axis, word)| format!("{}: {}", labels.title(axis), labels.value(axis, word).0));
    let place = words.collect::<Vec<_>>().join("\n");
    if let Some((_, ratio)) = finding.ratios.iter().find(|(point, _)| is_here(point)) {
        let tip = escaped(&format!("{place}\n{}", said(ratio)));
        return Ok(write!(html, "<td class=\"{}\" data-tip=\"{tip}\">{}</td>", look(ratio), change(ratio))?);
    }
    if let Some(point) = finding.overloaded.iter().find(|point| is_here(point)) {
        let own = point.standings.iter().any(|one| one.name == finding.name && one.is_overloaded());
        let who = if own { "it is overloaded" } else { "what it is compared with is overloaded, it is not" };
        let sign = if own { "–" } else { "✓" };
        return Ok(write!(
            html,
            "<td class=\"overloaded\" data-tip=\"{}\">{sign}</td>",
            escaped(&format!("{place}\n{who}"))
        )?);
    }
    Ok(write!(html, "<td></td>")?)
}

/// "ratio 0.910 [0.880, 0.950]: pays".
fn said(ratio: &Ratio) -> String {
    let effect = match ratio.effect() {
        Effect::Pays => "pays".to_owned(),
        Effect::Same => "no difference".to_owned(),
        Effect::Harms => "harms".to_owned(),
        Effect::Open => {
            let seeds = ratio.seeds_to_settle().map_or_else(|| "over 1000".to_owned(), |seeds| format!("some {seeds}"));
            format!("open; {seeds} seeds in all would settle it")
        }
    };
    format!("ratio {}: {effect}", ratio.words())
}

/// "−23", or "−3?" if it is open.
fn change(ratio: &Ratio) -> String {
    let percent = 100.0 * (ratio.mean - 1.0);
    let open = if ratio.effect() == Effect::Open { "?" } else { "" };
    let decimals = usize::from(percent.abs() < 9.95);
    format!("{}{open}", crate::numbers::signed(percent, decimals))
}

/// The class of a field, with a step of its colour.
fn look(ratio: &Ratio) -> String {
    let class = effect_class(ratio.effect());
    let size = (100.0 * (ratio.mean - 1.0)).abs() / FULL;
    let step = (libm::ceil(size * STEPS)).clamp(1.0, STEPS);
    match ratio.effect() {
        Effect::Pays | Effect::Harms => format!("{class} s{step}"),
        Effect::Same | Effect::Open => class.to_owned(),
    }
}

/// The axis whose values are columns: that of numbers with most values, else that with most values.
fn axis_across(answer: &Answer) -> Option<String> {
    let first = answer.points.first().filter(|_| answer.points.len() > 1)?;
    let rank = |axis: &str| {
        let values = distinct(answer.points.iter().filter_map(|point| value(point, axis)));
        (values.iter().all(|word| word.parse::<f64>().is_ok()), values.len())
    };
    let axes = first.coordinates.iter().map(|(axis, _)| axis);
    // Of equals the first.
    axes.rev().max_by_key(|axis| rank(axis)).cloned()
}

fn value(point: &Point, axis: &str) -> Option<String> {
    point.coordinates.iter().find(|(own, _)| own == axis).map(|(_, value)| value.clone())
}

/// The other axes of a point.
fn others(point: &Point, axis: &str) -> Place {
    point.coordinates.iter().filter(|(own, _)| own != axis).cloned().collect()
}
