//! The table of all points and policies of an experiment, which sorts by every column.

use crate::labels::Labels;
use crate::markup::escaped;
use crate::numbers::three_digits;
use crate::report_answer::{effect_class, labelled};
use crate::terms::explained;
use anyhow::Result;
use netkv_verdict::{Answer, Point, Ratio, Standing};
use std::fmt::Write as _;

/// More rows than these are folded.
const MANY_ROWS: usize = 40;

/// Heads of the columns after those of the axes.
const HEADS: [&str; 5] = ["Mean TTFT (s)", "p99 TTFT (s)", "Transfer (% of TTFT)", "SLO attainment (%)", "TBT (ms)"];
/// That of the cost, which is there if the experiment names a price.
const COST_HEAD: &str = "Cost of a million tokens";

fn is_priced(answer: &Answer) -> bool {
    answer.points.iter().flat_map(|point| &point.standings).any(|one| one.cost_per_mtoken.is_some())
}

/// Beside other experiments a table of more rows is left out: every page of it would be megabytes that hardly anybody opens.
const MOST_ROWS: usize = 500;

/// How many rows it has.
fn n_rows(answer: &Answer) -> usize {
    answer.points.iter().map(|point| point.standings.len()).sum()
}

/// Whether it is too long for a page of several experiments.
pub(crate) fn is_long(answer: &Answer) -> bool {
    n_rows(answer) > MOST_ROWS
}

/// Writes the table.
pub(crate) fn write(html: &mut String, answer: &Answer, labels: &Labels) -> Result<()> {
    let asks = answer.asks_for_network();
    let options = &answer.options;
    let n_rows = n_rows(answer);
    let baseline = escaped(&labels.value(&options.compared, &options.baseline).0);
    writeln!(
        html,
        "<h4>All points</h4>\n<p class=\"quiet\">Means over seeds. The ratio is that of mean TTFT to {baseline} on the same \
         seeds{}, in brackets its {:.0} % interval (seed noise only, not model error). A click on a head sorts.</p>",
        if asks { "; the last one to the best policy of the point that ignores the network" } else { "" },
        options.confidence_ratio * 100.0
    )?;
    let is_folded = n_rows > MANY_ROWS;
    if is_folded {
        writeln!(html, "<details><summary>{n_rows} rows</summary>")?;
    }
    html.push_str("<div class=\"scroll\">\n<table class=\"sort points\">\n<thead><tr>");
    let axes = answer.points.first().map_or(&[][..], |point| &point.coordinates);
    axes.iter().try_for_each(|(axis, _)| write!(html, "<th>{}</th>", escaped(&labels.title(axis))))?;
    write!(html, "<th class=\"l\">{}</th>", escaped(&labels.title(&options.compared)))?;
    let priced = is_priced(answer).then_some(COST_HEAD);
    HEADS.iter().chain(&priced).try_for_each(|head| write!(html, "<th>{}</th>", explained(head)))?;
    write!(html, "<th>Ratio</th>")?;
    let against = if asks { "<th>Against the best that ignores the network</th>" } else { "" };
    writeln!(html, "{against}<th></th></tr></thead>\n<tbody>")?;
    for point in &answer.points {
        for (index, standing) in point.standings.iter().enumerate() {
            row(html, answer, point, (standing, asks && point.best_blind == Some(index)), labels)?;
        }
    }
    html.push_str("</tbody>\n</table>\n</div>\n");
    if is_folded {
        html.push_str("</details>\n");
    }
    Ok(())
}

fn row(
    html: &mut String,
    answer: &Answer,
    point: &Point,
    (one, is_best_blind): (&Standing, bool),
    labels: &Labels,
) -> Result<()> {
    let options = &answer.options;
    let class = if one.is_overloaded() { " class=\"overloaded\"" } else { "" };
    write!(html, "<tr{class}>")?;
    for (axis, value) in &point.coordinates {
        let words = labels.value(axis, value).0;
        // What is read as another number than it stands for says it.
        let number = value.parse::<f64>().ok().filter(|_| words != *value);
        let sort = number.map_or_else(String::new, |number| format!(" data-v={number}"));
        write!(html, "<td{sort}>{}", escaped(&words))?;
    }
    write!(html, "<td class=l>{}", labelled(labels, &options.compared, &one.name))?;
    let seconds = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), three_digits);
    let percent = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |share| format!("{:.1}", share * 100.0));
    let share = one.transfer_s.zip(one.ttft_s).map(|(transfer_s, ttft_s)| transfer_s / ttft_s);
    let tbt_ms = one.tbt_s.map(|tbt_s| tbt_s * 1e3);
    let cells = [seconds(one.ttft_s), seconds(one.ttft_p99_s), percent(share), percent(one.slo_ratio), seconds(tbt_ms)];
    let cost = is_priced(answer).then(|| seconds(one.cost_per_mtoken));
    cells.iter().chain(&cost).try_for_each(|cell| write!(html, "<td>{cell}"))?;
    if one.name == options.baseline {
        html.push_str("<td data-v=1>baseline");
    } else {
        html.push_str(&ratio(one.against_baseline.as_ref()));
    }
    if answer.asks_for_network() {
        html.push_str(&ratio(one.against_blind.as_ref().filter(|_| !is_best_blind)));
    }
    Ok(writeln!(html, "<td>{}", escaped(&one.remarks(is_best_blind).join("; ")))?)
}

/// A ratio in the colour of what it says.
fn ratio(ratio: Option<&Ratio>) -> String {
    ratio.map_or_else(
        || "<td>–".to_owned(),
        |ratio| {
            let (class, words) = (effect_class(ratio.effect()), ratio.words());
            let (mean, interval) = words.split_once(' ').unwrap_or((&words, ""));
            let class = if ["pays", "harms"].contains(&class) { format!(" class=is-{class}") } else { String::new() };
            format!("<td{class}>{mean} <i>{interval}</i>")
        },
    )
}
