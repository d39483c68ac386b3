//! Maps: what one policy changes against what it is compared with, by two axes, with a number in every field; a panel for
//! each value of the panels' axis. Reference, sign, colours and marks are those of the page's maps. Below ours stands what the
//! paper prints.

use crate::canvas::{Align, Canvas, Font, Point, text_width};
use crate::contrast::{Against, Contrasts, Found, Measure, more_is_better};
use crate::data::{Estimate, Results};
use crate::fields::{self, Mark};
use crate::numbers::{self, signed};
use crate::page::{Head, Key, LABEL, NOTE, Page, Panel, TICK, widest};
use crate::printed::Printed;
use crate::style::{self, Colour, GRID, INK, WHITE};
use crate::unit::{Unit, named};
use crate::{tips, words};
use anyhow::{Result, ensure};
use netkv_verdict::Effect;
use serde::Deserialize;

/// Height of a field.
const FIELD: f64 = 52.0;
/// Between fields.
const GAP: f64 = 1.5;

/// A map: its series are rows, what is across are columns.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grid {
    pub(crate) metric: String,
    /// What is compared with; if it is not said, what the page compares with.
    pub(crate) against: Option<Against>,
    /// What the colours are.
    pub(crate) value_title: Option<String>,
    /// A sentence of the caption.
    #[serde(default)]
    pub(crate) says: String,
}

/// What a map is drawn from.
struct Drawn<'a> {
    results: &'a Results,
    contrasts: &'a Contrasts,
    printed: Printed<'a>,
    against: Against,
}

impl Grid {
    fn unit(&self) -> &'static str {
        match Measure::of(&self.metric) {
            Measure::Percent => " %",
            Measure::Points => " points",
        }
    }

    /// What it is compared with. The paper prints what it has against its baseline.
    fn against(&self, contrasts: &Contrasts, printed: Printed<'_>) -> Against {
        let usual = if printed.is_wanted() { Against::Baseline } else { contrasts.usual() };
        self.against.clone().unwrap_or(usual)
    }

    /// What is found in each field, panel by panel, row by row.
    fn found(&self, drawn: &Drawn<'_>) -> Result<Vec<Option<Found>>> {
        let results = drawn.results;
        let places = results.regimes.iter().flat_map(|regime| {
            let rows = results.policies.iter();
            rows.flat_map(move |series| results.xs.iter().map(move |&x| (regime, series, x)))
        });
        let found = places.map(|(regime, series, x)| {
            let at = results.coordinates(regime, series, x);
            drawn.contrasts.found(&at, &drawn.against, &self.metric)
        });
        found.collect()
    }

    /// The figure as SVG.
    pub(crate) fn draw(
        &self,
        results: &Results,
        contrasts: &Contrasts,
        printed: Printed<'_>,
        title: &str,
    ) -> Result<String> {
        results.check_metric(&self.metric)?;
        let against = self.against(contrasts, printed);
        contrasts.check(&against)?;
        let title = title.replace("the baseline", &contrasts.named(&against, &results.labels));
        let results = &match against {
            Against::BestBlind => results.without_panels_of(&contrasts.blind()),
            Against::Baseline => results.without_panels_of(&[&results.baseline()]),
            Against::Value(ref value) => results.without_panels_of(&[value]),
        };
        let drawn = Drawn { results, contrasts, printed, against };
        let found = self.found(&drawn)?;
        ensure!(found.iter().any(Option::is_some), "there is no ratio of {} to compare", self.metric);
        let rows: Vec<String> = results.policies.iter().map(|row| results.series_label(row)).collect();
        let row_title = results.labels.title(&results.view.series);
        let mut page = Page::new(&Head {
            title,
            keys: self.keys(&found, printed),
            regimes: results.panel_titles(),
            y_title: String::new(),
            x_title: results.x_title(),
            label_room: (widest(rows.iter().map(String::as_str).chain([row_title.as_str()]), LABEL) + 14.0, 0.0),
            height: FIELD * rows.len() as f64,
        });
        let mut n_open = 0;
        let in_panel = results.policies.len() * results.xs.len();
        for (index, (panel, found)) in page.panels.clone().into_iter().zip(found.chunks(in_panel)).enumerate() {
            for (at, (series, found)) in results.policies.iter().zip(found.chunks(results.xs.len())).enumerate() {
                let y = panel.top + FIELD * (at as f64 + 0.5);
                if page.columns.first(index) {
                    page.canvas.text((panel.left - 12.0, y), &rows[at], LABEL, Align::Right);
                }
                n_open += self.draw_row(&mut page, &panel, &drawn, (&results.regimes[index], series), (y, found));
            }
            let width = (panel.right - panel.left) / results.xs.len() as f64;
            for (column, &x) in results.xs.iter().enumerate() {
                let at = (panel.left + width * (column as f64 + 0.5), panel.bottom + 17.0);
                page.canvas.text(at, &results.x_label(x), TICK, Align::Centre);
            }
            if page.columns.first(index) {
                page.canvas.text((panel.left - 12.0, panel.top - 14.0), &row_title, NOTE, Align::Right);
            }
        }
        Ok(page.finished(&self.caption(&drawn, &found, n_open)))
    }

    /// The marks that there are, and the scale of colours.
    fn keys(&self, found: &[Option<Found>], printed: Printed<'_>) -> Vec<Key> {
        let is_there = |wanted: &dyn Fn(&Found) -> bool| found.iter().flatten().any(wanted);
        let has = |effect: Effect| is_there(&|one| matches!(one, Found::Change { effect: own, .. } if *own == effect));
        let margin = numbers::trimmed(Measure::of(&self.metric).margin());
        let is_lost = is_there(&|one| matches!(one, Found::Overloaded(_)));
        let keeps_up = is_there(&|one| matches!(one, Found::KeepsUp(_)));
        // Beside the paper's number stands ours, whoever is overloaded.
        let (is_lost, lost, keeps_up) = if printed.is_there() {
            (is_lost || keeps_up, "overloaded, or the baseline is", false)
        } else {
            (is_lost, "overloaded", keeps_up)
        };
        let keys = [
            (has(Effect::Same), format!("less than {margin}{}", self.unit()), GRID, Mark::Plain),
            (has(Effect::Open), "open".to_owned(), WHITE, Mark::Open),
            (is_lost, lost.to_owned(), WHITE, Mark::Overloaded),
            (keeps_up, "it alone keeps up".to_owned(), WHITE, Mark::KeepsUp),
        ];
        let keys = keys.into_iter().filter(|key| key.0).map(|(_, label, colour, mark)| Key::Field(label, colour, mark));
        let title = self.value_title.clone();
        let unit = if Measure::of(&self.metric) == Measure::Percent { "%" } else { "points" };
        let title = title.unwrap_or_else(|| format!("Change of {} ({unit})", self.named()));
        let full = fields::FULL;
        let (falls, rises) = match (more_is_better(&self.metric), has(Effect::Pays), has(Effect::Harms)) {
            (false, pays, harms) => (pays || !harms, harms),
            (true, pays, harms) => (harms, pays || !harms),
        };
        let scale = Key::Scale(title, if falls { -full } else { 0.0 }, if rises { full } else { 0.0 });
        keys.chain([scale]).collect()
    }

    /// The metric within a sentence.
    fn named(&self) -> String {
        let named = named(&self.metric, Unit::Own);
        let mut letters = named.chars();
        let first = letters.next().unwrap_or_default();
        let is_short = letters.as_str().starts_with(char::is_uppercase);
        if is_short { named } else { format!("{}{}", first.to_lowercase(), letters.as_str()) }
    }

    /// Draws the fields of a row; returns how many printed values it has.
    fn draw_row(
        &self,
        page: &mut Page,
        panel: &Panel,
        drawn: &Drawn<'_>,
        (regime, series): (&str, &str),
        (y, found): (f64, &[Option<Found>]),
    ) -> usize {
        let (results, canvas) = (drawn.results, &mut page.canvas);
        let width = (panel.right - panel.left) / results.xs.len() as f64;
        let mut n_open = 0;
        for ((column, &x), found) in results.xs.iter().enumerate().zip(found) {
            let left = panel.left + width * column as f64;
            let (from, to) =
                ((left + GAP / 2.0, y - (FIELD - GAP) / 2.0), (left + width - GAP / 2.0, y + (FIELD - GAP) / 2.0));
            let (colour, mark, words) = look(found.as_ref());
            fields::draw(canvas, from, to, colour, mark);
            let row = results.row(regime, series, x, &self.metric);
            if let Some(row) = row {
                let value = self.told(drawn, found.as_ref());
                let says = tips::of_row(results, &results.series_label(series), row, &value, mark == Mark::Overloaded);
                canvas.tip_over(from, to, &says);
            }
            let at = results.coordinates(regime, series, x);
            let theirs = drawn.printed.ratio(&results.experiment, &at, &self.metric, &results.baseline());
            let failed = row.is_some_and(|row| row.n_failed > 0);
            let words = format!("{words}{}", if failed { " ×" } else { "" });
            let at = (left + width / 2.0, y);
            if let Some(ratio) = theirs {
                let ours = changed(found.as_ref()).map_or(words, |change| fields::words(Effect::Same, change));
                draw_both(canvas, at, (colour, mark), (&ours, &signed(100.0 * (ratio - 1.0), 1)));
                n_open += 1;
            } else {
                draw_words(canvas, at, (colour, mark), &words);
            }
        }
        n_open
    }

    /// What a field says to who points at it.
    fn told(&self, drawn: &Drawn<'_>, found: Option<&Found>) -> String {
        let Some(Found::Change { change, effect, reference }) = found else {
            return match found {
                Some(Found::Reference) => "what others are compared with".to_owned(),
                Some(Found::KeepsUp(_)) => "what it is compared with is overloaded, it is not".to_owned(),
                _ => "not compared".to_owned(),
            };
        };
        let effect = match effect {
            Effect::Pays => "pays",
            Effect::Same => "no difference",
            Effect::Harms => "harms",
            Effect::Open => "open",
        };
        let compared = &drawn.contrasts.answer.options.compared;
        let other = drawn.results.labels.value(compared, reference).0;
        format!("{}{} against {other}: {effect}", tips::value(*change, Unit::Own), self.unit())
    }

    fn caption(&self, drawn: &Drawn<'_>, found: &[Option<Found>], n_open: usize) -> String {
        let results = drawn.results;
        let mut sentences = vec![words::provenance(results, None)];
        let better = if more_is_better(&self.metric) { "more is better" } else { "minus is better" };
        sentences.push(format!(
            "Against {}, seed by seed; {better}.",
            drawn.contrasts.told(&drawn.against, &results.labels)
        ));
        let changes = found.iter().flatten().filter_map(|one| match one {
            Found::Change { change, effect, .. } => Some((change, *effect)),
            Found::Reference | Found::Overloaded(_) | Found::KeepsUp(_) => None,
        });
        let half = |change: &Estimate| Some((change.high? - change.low?) / 2.0);
        if let Some(most) = changes.clone().filter_map(|(change, _)| half(change)).max_by(f64::total_cmp) {
            sentences.push(format!(
                "{}t intervals over seeds reach at most {} points to either side.",
                words::confidence(results),
                numbers::three_digits(most)
            ));
        }
        if changes.clone().any(|(_, effect)| effect == Effect::Open) {
            let margin = format!("{}{}", numbers::trimmed(Measure::of(&self.metric).margin()), self.unit());
            sentences.push(format!("?: open, the interval holds {margin} or −{margin}."));
        }
        let small = "Small numbers: what the paper prints.";
        sentences.extend(if n_open > 0 { Some(small.to_owned()) } else { words::open_marks(drawn.printed, n_open) });
        if !self.says.is_empty() {
            sentences.push(self.says.clone());
        }
        let is_loaded = |one: &Found| matches!(one, Found::Overloaded(_) | Found::KeepsUp(_));
        sentences.extend(words::overload(found.iter().flatten().any(is_loaded), "Hatched: overloaded"));
        sentences.extend(words::failures(results, &self.metric, None, "fields with a ×"));
        sentences.join(" ")
    }
}

/// The change in a field, overloaded or not.
fn changed(found: Option<&Found>) -> Option<f64> {
    match found? {
        Found::Change { effect: Effect::Open, .. } | Found::Reference => None,
        Found::Change { change, .. } | Found::Overloaded(change) | Found::KeepsUp(change) => change.mean,
    }
}

fn font(colour: Colour, mark: Mark) -> Font {
    let is_plain = mark == Mark::Plain && colour != GRID;
    let ink = if is_plain { style::readable_on(colour) } else { style::muted_on(colour) };
    Font { size: 15.0, bold: is_plain, colour: ink }
}

/// Clears the hatching where words are to stand.
fn clear(canvas: &mut Canvas, at: Point, (width, height): (f64, f64), (colour, mark): (Colour, Mark)) {
    if matches!(mark, Mark::Overloaded | Mark::KeepsUp) {
        let half = (width / 2.0 + 4.0, height / 2.0);
        canvas.rectangle((at.0 - half.0, at.1 - half.1), (at.0 + half.0, at.1 + half.1), colour, 1.0);
    }
}

fn draw_words(canvas: &mut Canvas, at: Point, (colour, mark): (Colour, Mark), words: &str) {
    let font = font(colour, mark);
    clear(canvas, at, (text_width(words, font).max(16.0), 22.0), (colour, mark));
    if mark == Mark::KeepsUp {
        fields::draw_yes(canvas, at, 14.0, INK);
    }
    canvas.text(at, words, font, Align::Centre);
}

/// Our number above what the paper prints. It is compared with that, so it stands there even where it is overloaded.
fn draw_both(canvas: &mut Canvas, at: Point, (colour, mark): (Colour, Mark), (ours, theirs): (&str, &str)) {
    let (own, small) = (font(colour, mark), Font { size: 11.5, bold: false, colour: style::muted_on(colour) });
    let width = text_width(ours, own).max(text_width(theirs, small));
    clear(canvas, at, (width, 42.0), (colour, mark));
    canvas.text((at.0, at.1 - 8.0), ours, own, Align::Centre);
    canvas.text((at.0, at.1 + 12.0), theirs, small, Align::Centre);
}

/// Colour, mark and words of a field.
fn look(found: Option<&Found>) -> (Colour, Mark, String) {
    match found {
        None => (GRID, Mark::Plain, "–".to_owned()),
        Some(Found::Reference) => (GRID, Mark::Plain, "=".to_owned()),
        Some(Found::Overloaded(_)) => (WHITE, Mark::Overloaded, "–".to_owned()),
        Some(Found::KeepsUp(_)) => (WHITE, Mark::KeepsUp, String::new()),
        Some(Found::Change { change, effect, .. }) => {
            let mean = change.mean.unwrap_or_default();
            let mark = if *effect == Effect::Open { Mark::Open } else { Mark::Plain };
            (fields::colour(*effect, mean), mark, fields::words(*effect, mean))
        }
    }
}
