//! The claims as people read them: on a terminal, as Markdown, in the report.

use crate::agreement::agreements;
use crate::file::{Bound, Claim, Fitted, Measure, Take};
use crate::judge::{Judged, Verdict};
use crate::wording::{of_difference, short, shown, signed};
use std::fmt::Write as _;

/// How many claims of an area came out how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The area; "all" for the sum.
    pub area: String,
    /// Within their tolerance.
    pub holds: usize,
    /// Those of them whose whole interval is within.
    pub firmly: usize,
    /// Beyond it.
    pub off: usize,
    /// Left open by the seeds.
    pub open: usize,
    /// Fitted, not reproduced.
    pub fitted: usize,
    /// Not reproducible here.
    pub not_reproducible: usize,
    /// Without results.
    pub not_measured: usize,
}

/// The totals by area, in the order of the file, and of all.
pub fn tally(judged: &[Judged]) -> Vec<Tally> {
    let mut tallies: Vec<Tally> = Vec::new();
    for one in judged {
        let area = &one.claim.area;
        let known = tallies.iter().position(|tally| tally.area == *area);
        let position = known.unwrap_or_else(|| {
            tallies.push(Tally { area: area.clone(), ..Tally::default() });
            tallies.len() - 1
        });
        count(&mut tallies[position], one);
    }
    let mut all = Tally { area: "all".to_owned(), ..Tally::default() };
    judged.iter().for_each(|one| count(&mut all, one));
    tallies.push(all);
    tallies
}

fn count(tally: &mut Tally, one: &Judged) {
    tally.firmly += usize::from(one.verdict == Verdict::Holds && one.is_firm());
    *match &one.verdict {
        Verdict::Holds => &mut tally.holds,
        Verdict::Off(_) => &mut tally.off,
        Verdict::Open => &mut tally.open,
        Verdict::Fitted(_) => &mut tally.fitted,
        Verdict::NotReproducible(_) => &mut tally.not_reproducible,
        Verdict::NotMeasured(_) => &mut tally.not_measured,
    } += 1;
}

impl Verdict {
    /// In words, for a number of this unit.
    pub fn words(&self, unit: &str) -> String {
        let unit = of_difference(unit);
        let space = if unit.is_empty() { "" } else { " " };
        match self {
            Self::Holds => "holds".to_owned(),
            Self::Off(by) => format!("off by {}{space}{unit}", signed(*by)),
            Self::Open => "cannot be told: the seeds leave it open".to_owned(),
            Self::Fitted(true) => "fitted".to_owned(),
            Self::Fitted(false) => "fitted, and still off".to_owned(),
            Self::NotReproducible(why) => format!("not reproducible: {why}"),
            Self::NotMeasured(command) => format!("not measured: {command}"),
        }
    }
}

/// What a claim is of, with where it is.
fn subject(claim: &Claim) -> String {
    let at: Vec<_> = claim.at.iter().map(|(axis, value)| format!("{} {value}", short(axis))).collect();
    let against = if claim.against.is_empty() { String::new() } else { format!(" against {}", claim.against) };
    let at = if at.is_empty() { String::new() } else { format!(" ({})", at.join(", ")) };
    let measure = match claim.measure {
        Measure::Value | Measure::ChangePercent | Measure::Difference => "",
        Measure::Sd => ", sd over seeds",
        Measure::SharePercent => ", share of the gain",
        Measure::SpreadPercent => ", largest less least",
        Measure::LowestPercent => ", points at which it is the lowest",
    };
    let take = match claim.take {
        None => "",
        Some(Take::Least) => ", the least",
        Some(Take::Most) => ", the most",
        Some(Take::WhereLeast) => ", where it is least",
    };
    format!("{}{measure}{take}{against}{at}", claim.says)
}

/// Paper's and ours as words.
fn numbers(one: &Judged) -> (String, String) {
    let unit = &one.claim.unit;
    let space = if unit.is_empty() { "" } else { " " };
    let ours = one.ours.map_or_else(String::new, |ours| {
        let interval = ours.interval.map(|(low, high)| format!(" [{}, {}]", shown(low), shown(high)));
        format!("{}{}", shown(ours.value), interval.unwrap_or_default())
    });
    let bound = match one.claim.bound {
        Bound::Equal => "",
        Bound::AtMost => "at most ",
        Bound::AtLeast => "at least ",
    };
    (format!("{bound}{}{space}{unit}", shown(one.claim.printed)), ours)
}

/// For a terminal: the fitted coefficients, every claim on a line, the totals.
pub fn text(fitted: &[Fitted], judged: &[Judged]) -> String {
    let mut out = String::new();
    for one in fitted {
        writeln!(out, "fitted: {} = {}, to {}", one.coefficient, one.value, one.to).expect("a string takes any text");
    }
    let mut place = String::new();
    for one in judged {
        let claim = &one.claim;
        let head = format!("{} / {}", claim.area, claim.place);
        if head != place {
            writeln!(out, "\n{head}").expect("a string takes any text");
            place = head;
        }
        let (paper, ours) = numbers(one);
        let verdict = one.verdict.words(&claim.unit);
        writeln!(
            out,
            "  {}: paper {paper}, ours {}; {verdict}",
            subject(claim),
            if ours.is_empty() { "-" } else { &ours }
        )
        .expect("a string takes any text");
    }
    out.push('\n');
    for one in agreements(judged) {
        writeln!(out, "{}", one.words()).expect("a string takes any text");
    }
    out.push('\n');
    out.push_str(&totals(&tally(judged)));
    out
}

/// The totals as a table for a terminal.
pub fn totals(tallies: &[Tally]) -> String {
    let mut out = format!(
        "{:16} {:>6} {:>6} {:>6} {:>6} {:>7} {:>17} {:>13}\n",
        "area", "holds", "firmly", "off", "open", "fitted", "not reproducible", "not measured"
    );
    for one in tallies {
        let Tally { area, holds, firmly, off, open, fitted, not_reproducible, not_measured } = one;
        writeln!(
            out,
            "{area:16} {holds:>6} {firmly:>6} {off:>6} {open:>6} {fitted:>7} {not_reproducible:>17} {not_measured:>13}"
        )
        .expect("a string takes any text");
    }
    out
}

/// As a page.
pub fn markdown(fitted: &[Fitted], judged: &[Judged]) -> String {
    let mut out = String::from(
        "# What the paper claims, and what we find\n\nWritten by `netkv claims`. Tolerances follow \
         the rules at the head of the claims file; intervals are over seeds, comparisons seed by seed: seed noise only, not the model's error. \
         \"Holds\": within the tolerance, and firmly if our whole interval is. \"Cannot be told\": beyond the \
         tolerance, but our interval reaches into it. Numbers that a free coefficient was fitted to count as fitted, not as \
         reproduced.\n\n## Fitted coefficients\n\n| coefficient | value | fitted to |\n|---|---|---|\n",
    );
    for one in fitted {
        writeln!(out, "| {} | {} | {} |", one.coefficient, one.value, one.to).expect("a string takes any text");
    }
    out.push_str("\n## Totals\n\n| area | holds | firmly | off | open | fitted | not reproducible | not measured |\n");
    out.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for one in tally(judged) {
        let Tally { area, holds, firmly, off, open, fitted, not_reproducible, not_measured } = one;
        writeln!(
            out,
            "| {area} | {holds} | {firmly} | {off} | {open} | {fitted} | {not_reproducible} | {not_measured} |"
        )
        .expect("a string takes any text");
    }
    out.push_str("\n## Whole tables\n\n");
    for one in agreements(judged) {
        writeln!(out, "- {}", one.words()).expect("a string takes any text");
    }
    let mut place = String::new();
    for one in judged {
        let head = format!("{}: {}", one.claim.area, one.claim.place);
        if head != place {
            writeln!(out, "\n## {head}\n\n| | paper | ours | tolerance | verdict |\n|---|--:|--:|--:|---|")
                .expect("a string takes any text");
            place = head;
        }
        let (paper, ours) = numbers(one);
        let verdict = one.verdict.words(&one.claim.unit);
        let tolerance = shown(one.claim.tolerance);
        writeln!(out, "| {} | {paper} | {ours} | {tolerance} | {verdict} |", subject(&one.claim))
            .expect("a string takes any text");
    }
    out
}

/// As a section of a page.
pub fn html(fitted: &[Fitted], judged: &[Judged]) -> String {
    let escaped =
        |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut out = String::from("<h2 id=\"claims\">What the paper claims, and what we find</h2>\n<ul>\n");
    for one in fitted {
        let line = format!("{} = {}, fitted to {}", one.coefficient, one.value, one.to);
        writeln!(out, "<li>{}</li>", escaped(&line)).expect("a string takes any text");
    }
    out.push_str(
        "</ul>\n<div class=\"scroll\">\n<table class=\"counts\">\n<thead><tr><th>Area</th><th>Holds</th><th>Firmly</th><th>Off</th><th>Open</th>",
    );
    out.push_str("<th>Fitted</th><th>Not reproducible</th><th>Not measured</th></tr></thead>\n<tbody>\n");
    for one in tally(judged) {
        let Tally { area, holds, firmly, off, open, fitted, not_reproducible, not_measured } = one;
        writeln!(
            out,
            "<tr><th>{}</th><td>{holds}</td><td>{firmly}</td><td>{off}</td><td>{open}</td><td>{fitted}</td><td>{not_reproducible}</td>\
             <td>{not_measured}</td></tr>",
            escaped(&area)
        )
        .expect("a string takes any text");
    }
    out.push_str(
        "</tbody>\n</table>\n</div>\n<details><summary>Every number</summary>\n<div class=\"scroll\">\n<table class=\"list\">\n",
    );
    out.push_str(
        "<thead><tr><th>Where</th><th>What</th><th>Paper</th><th>Ours</th><th>Verdict</th></tr></thead>\n<tbody>\n",
    );
    for one in judged {
        let (paper, ours) = numbers(one);
        let verdict = one.verdict.words(&one.claim.unit);
        let cells = [&one.claim.place, &subject(&one.claim), &paper, &ours, &verdict].map(|cell| escaped(cell));
        writeln!(out, "<tr><td>{}</td></tr>", cells.join("</td><td>")).expect("a string takes any text");
    }
    out.push_str("</tbody>\n</table>\n</div>\n</details>\n");
    out
}
