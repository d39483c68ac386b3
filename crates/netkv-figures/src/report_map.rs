//! The maps of the report: a row for each policy and combination of axes, a column for each value of one more axis, and in
//! every field what the policy changes against what it is compared with: mean TTFT, or, if the reader wants it, SLO
//! attainment. Which one is seen is up to two buttons that need no script.

use crate::contrast::{Contrasts, Found, INDIFFERENT_POINTS};
use crate::data::Estimate;
use crate::fields;
use crate::labels::Labels;
use crate::markup::escaped;
use crate::numbers::signed;
use crate::report_answer::{effect_class, labelled};
use anyhow::Result;
use netkv_frames::distinct;
use netkv_verdict::{Answer, Effect, Finding, Point, Ratio};
use std::fmt::Write as _;

/// More rows than these are folded.
const MANY_ROWS: usize = 60;
/// If fewer than one in so many fields are filled, as of a sample of a grid, a point has a row of its own.
const LEAST_FILLED: usize = 2;

/// Values of axes, as words.
type Place = Vec<(String, String)>;

/// What a map shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Ttft,
    Slo,
}

impl Shown {
    const fn class(self) -> &'static str {
        match self {
            Self::Ttft => "of-ttft",
            Self::Slo => "of-slo",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ttft => "mean TTFT",
            Self::Slo => "SLO attainment",
        }
    }

    /// What its colours and marks are.
    fn legend(self) -> String {
        let ([pays, harms, open], margin) = match self {
            Self::Ttft => (["−40", "+40", "−9?"], format!("{} %", 100.0 * netkv_verdict::INDIFFERENCE)),
            Self::Slo => (["+40", "−40", "+9?"], format!("{INDIFFERENT_POINTS} point")),
        };
        format!(
            "<p class=\"legend\"><span class=p7>{pays}</span> pays <span class=\"same\">0</span> no gain: less than \
             {margin} <span class=h7>{harms}</span> harms <span class=\"open\">{open}</span> open \
             <span class=\"overloaded\">–</span> overloaded <span class=\"overloaded\">✓</span> it alone keeps up</p>"
        )
    }
}

/// What the maps of an experiment are made of.
struct Map<'a> {
    contrasts: &'a Contrasts,
    labels: &'a Labels,
    findings: Vec<Finding<'a>>,
    /// The axis across, and its values; none where so few combinations are there that policies stand across.
    across: Option<(String, Vec<String>)>,
    places: Vec<Place>,
}

/// Writes the maps; nothing if there are no two points to tell apart.
pub(crate) fn write(html: &mut String, contrasts: &Contrasts, labels: &Labels) -> Result<()> {
    let answer = &contrasts.answer;
    let findings = answer.findings();
    let Some(across) = axis_across(answer).filter(|_| !findings.is_empty()) else { return Ok(()) };
    let (across, places) = if fills(answer, &across) {
        let values = distinct(answer.points.iter().filter_map(|point| value(point, &across)));
        let places = distinct(answer.points.iter().map(|point| others(point, &across)));
        (Some((across, values)), places)
    } else {
        (None, answer.points.iter().map(|point| point.coordinates.clone()).collect())
    };
    let map = Map { contrasts, labels, findings, across, places };
    let name = escaped(&answer.options.experiment);
    writeln!(html, "<div class=\"maps\">\n<h4>Map: change against {}, by</h4>", escaped(&map.other()))?;
    for (shown, checked) in [(Shown::Ttft, " checked"), (Shown::Slo, "")] {
        let (class, words) = (shown.class(), shown.name());
        write!(
            html,
            "<input type=\"radio\" name=\"map-{name}\" id=\"{class}-{name}\" class=\"{class}\"{checked}>\
             <label for=\"{class}-{name}\">{words}</label>"
        )?;
    }
    for shown in [Shown::Ttft, Shown::Slo] {
        map.write(html, shown)?;
    }
    Ok(writeln!(html, "</div>")?)
}

impl Map<'_> {
    /// What is compared with, in words.
    fn other(&self) -> String {
        self.labels.value(&self.contrasts.answer.options.compared, &self.contrasts.answer.other()).0
    }

    fn write(&self, html: &mut String, shown: Shown) -> Result<()> {
        let n_rows = self.places.len() * if self.across.is_some() { self.findings.len() } else { 1 };
        let what = match shown {
            Shown::Ttft => "Change of mean TTFT, in percent; minus is better.",
            Shown::Slo => "Points of SLO attainment gained; plus is better.",
        };
        writeln!(html, "<div class=\"{}\">\n<p class=\"quiet\">{what}</p>\n{}", shown.class(), shown.legend())?;
        if n_rows > MANY_ROWS {
            writeln!(html, "<details><summary>{n_rows} rows</summary>")?;
        }
        html.push_str("<div class=\"scroll\">\n<table class=\"map\">\n");
        self.head(html)?;
        match &self.across {
            Some((axis, values)) => self.blocks(html, shown, (axis, values))?,
            None => self.sample(html, shown)?,
        }
        html.push_str("</table>\n</div>\n");
        if n_rows > MANY_ROWS {
            html.push_str("</details>\n");
        }
        Ok(writeln!(html, "</div>")?)
    }

    /// A block of rows for each policy.
    fn blocks(&self, html: &mut String, shown: Shown, (axis, values): (&str, &[String])) -> Result<()> {
        for finding in &self.findings {
            html.push_str("<tbody>\n");
            for (at, place) in self.places.iter().enumerate() {
                write!(html, "<tr data-p=\"{}\">", escaped(&self.words(place)))?;
                if at == 0 {
                    write!(html, "<th rowspan=\"{}\">{}", self.places.len(), self.labelled(finding))?;
                }
                self.row_heads(html, at)?;
                for value in values {
                    let is_here = |point: &&Point| {
                        self::value(point, axis).is_some_and(|own| own == *value) && others(point, axis) == *place
                    };
                    self.field(html, shown, finding, self.contrasts.answer.points.iter().find(is_here))?;
                }
                html.push('\n');
            }
            html.push_str("</tbody>\n");
        }
        Ok(())
    }

    /// A row for each point.
    fn sample(&self, html: &mut String, shown: Shown) -> Result<()> {
        html.push_str("<tbody>\n");
        for point in &self.contrasts.answer.points {
            html.push_str("<tr>");
            let words = point.coordinates.iter().map(|(axis, word)| escaped(&self.labels.value(axis, word).0));
            words.into_iter().try_for_each(|word| write!(html, "<th>{word}"))?;
            self.findings.iter().try_for_each(|finding| self.field(html, shown, finding, Some(point)))?;
            html.push('\n');
        }
        html.push_str("</tbody>\n");
        Ok(())
    }

    fn labelled(&self, finding: &Finding<'_>) -> String {
        labelled(self.labels, &self.contrasts.answer.options.compared, finding.name)
    }

    fn head(&self, html: &mut String) -> Result<()> {
        html.push_str(if self.across.is_some() { "<thead><tr><th>" } else { "<thead><tr>" });
        let rows = self.places.first().map_or(&[][..], Vec::as_slice);
        rows.iter().try_for_each(|(axis, _)| write!(html, "<th>{}", escaped(&self.labels.title(axis))))?;
        let Some((axis, values)) = &self.across else {
            for finding in &self.findings {
                let name = escaped(&self.labels.value(&self.contrasts.answer.options.compared, finding.name).0);
                write!(html, "<th data-p=\"{name}\">{}", self.labelled(finding))?;
            }
            html.push_str("</thead>\n");
            return Ok(());
        };
        let title = escaped(&self.labels.title(axis));
        for (at, value) in values.iter().enumerate() {
            let head = if at == 0 { format!("<span class=\"axis\">{title}</span>") } else { String::new() };
            let label = escaped(&self.labels.value(axis, value).0);
            write!(html, "<th data-p=\"{title}: {label}\">{head}{label}")?;
        }
        html.push_str("</thead>\n");
        Ok(())
    }

    /// "Cross-pod: 1:1", a line for each axis.
    fn words(&self, place: &Place) -> String {
        let words = place
            .iter()
            .map(|(axis, word)| format!("{}: {}", self.labels.title(axis), self.labels.value(axis, word).0));
        words.collect::<Vec<_>>().join("\n")
    }

    /// The values of a row's axes, each where it changes.
    fn row_heads(&self, html: &mut String, at: usize) -> Result<()> {
        let places = &self.places;
        for (position, (axis, word)) in places[at].iter().enumerate() {
            let is_new = |row: usize| row == 0 || places[row][..=position] != places[row - 1][..=position];
            if is_new(at) {
                let span = (at + 1..places.len()).take_while(|&row| !is_new(row)).count() + 1;
                let span = if span > 1 { format!(" rowspan=\"{span}\"") } else { String::new() };
                write!(html, "<th{span}>{}", escaped(&self.labels.value(axis, word).0))?;
            }
        }
        Ok(())
    }

    /// What is found at a point, if anything. Where it is, the script takes from the heads.
    fn found(&self, shown: Shown, finding: &Finding<'_>, point: Option<&Point>) -> Result<Option<String>> {
        let answer = &self.contrasts.answer;
        let Some(point) = point else { return Ok(None) };
        let of = |name: &str| point.standings.iter().find(|one| one.name == name);
        let best = || point.best_blind.map(|index| &point.standings[index]);
        let other = if answer.asks_for_network() { best() } else { of(&answer.options.baseline) };
        let Some((own, other)) = of(finding.name).zip(other) else { return Ok(None) };
        if own.is_overloaded() || other.is_overloaded() {
            let sign = if own.is_overloaded() { "–" } else { "✓" };
            return Ok(Some(format!("<td class=overloaded>{sign}")));
        }
        let ratio = if answer.asks_for_network() { own.against_blind } else { own.against_baseline };
        if shown == Shown::Ttft {
            return Ok(ratio.as_ref().map(of_ratio));
        }
        let found = self.contrasts.between(point, own, Some(other), "slo_attainment_ratio")?;
        Ok(if let Some(Found::Change { change, effect, .. }) = found { Some(of_slo(change, effect)) } else { None })
    }

    fn field(&self, html: &mut String, shown: Shown, finding: &Finding<'_>, point: Option<&Point>) -> Result<()> {
        html.push_str(self.found(shown, finding, point)?.as_deref().unwrap_or("<td>"));
        Ok(())
    }
}

/// The field of a change, with the numbers that it tells who points at it, and how many seeds would settle it if it is open.
fn field(effect: Effect, change: f64, (told, seeds): (&str, &str)) -> String {
    let class = match effect {
        Effect::Pays => format!("p{}", fields::step(change)),
        Effect::Harms => format!("h{}", fields::step(change)),
        Effect::Same | Effect::Open => effect_class(effect).to_owned(),
    };
    let seeds = if seeds.is_empty() { String::new() } else { format!(" data-s={seeds}") };
    format!("<td class={class} data-t=\"{}\"{seeds}>{}", escaped(told), fields::words(effect, change))
}

/// That of mean TTFT.
fn of_ratio(ratio: &Ratio) -> String {
    let seeds = ratio.seeds_to_settle().map_or_else(|| "many".to_owned(), |seeds| seeds.to_string());
    let seeds = if ratio.effect() == Effect::Open { seeds } else { String::new() };
    field(ratio.effect(), 100.0 * (ratio.mean - 1.0), (&ratio.words(), &seeds))
}

/// That of SLO attainment.
fn of_slo(change: Estimate, effect: Effect) -> String {
    let mean = change.mean.unwrap_or_default();
    let ends = change.low.zip(change.high);
    let ends = ends.map_or_else(String::new, |(low, high)| format!(" [{}, {}]", signed(low, 1), signed(high, 1)));
    field(effect, mean, (&format!("{}{ends}", signed(mean, 1)), ""))
}

/// Whether enough fields are filled if the values of an axis are columns.
fn fills(answer: &Answer, axis: &str) -> bool {
    let values = distinct(answer.points.iter().filter_map(|point| value(point, axis)));
    let places = distinct(answer.points.iter().map(|point| others(point, axis)));
    answer.points.len() * LEAST_FILLED >= values.len() * places.len()
}

/// The axis whose values are columns: one that fills the map, of these that of numbers with most values, else that with most
/// values.
fn axis_across(answer: &Answer) -> Option<String> {
    let first = answer.points.first().filter(|_| answer.points.len() > 1)?;
    let rank = |axis: &str| {
        let values = distinct(answer.points.iter().filter_map(|point| value(point, axis)));
        let is_numeric = values.iter().all(|word| word.parse::<f64>().is_ok());
        (values.len() > 1 && fills(answer, axis), is_numeric, values.len())
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
