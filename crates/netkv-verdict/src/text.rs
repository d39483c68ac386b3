//! The answer in words, for a terminal.

use crate::effect::{TOO_WIDE, WIDEST};
use crate::finding::{Finding, best_slo_words, overload_words};
use crate::points::{Answer, Point, Standing};
use crate::words::{counted, digits, percent, time};
use std::fmt::Write as _;

/// Points up to this many are all shown; of more, the best and the worst. Chosen by us: what fits a screen.
const ALL_SHOWN: usize = 4;

/// Columns of the table of a point, and that of the cost among them, which is left out where nobody named a price.
const N_COLUMNS: usize = 9;
const COST: usize = 6;

impl Answer {
    /// All of it; every point if `whole`, else the best and the worst of many.
    pub fn text(&self, whole: bool) -> String {
        let mut text = self.heading();
        for (point, why) in self.shown(whole) {
            text.push('\n');
            self.table(&mut text, point, &why);
        }
        text.push('\n');
        self.conclusion(&mut text);
        self.notes(&mut text);
        text
    }

    /// What is explained once, and what a reduced version is worth.
    fn notes(&self, text: &mut String) {
        if text.contains(TOO_WIDE) {
            line(
                text,
                &format!(
                    "{TOO_WIDE}: the interval is wider than a factor of {WIDEST} either way; it takes more seeds."
                ),
            );
        }
        let Some(reduced) = &self.options.reduced else { return };
        if self.points.iter().flat_map(|point| &point.standings).any(Standing::may_be_overloaded) {
            line(
                text,
                "Overloaded? TTFT grows or waits are long, but the runs of a reduced version are too short to tell.",
            );
        }
        let whole = if reduced.command.is_empty() {
            "a run without --quick".to_owned()
        } else {
            format!("`{}`", reduced.command)
        };
        line(
            text,
            &format!("reduced version ({}): a first look, do not decide on it; {whole} runs all of it", reduced.lacks),
        );
    }

    fn heading(&self) -> String {
        let options = &self.options;
        let n_compared = self.points.iter().map(|point| point.standings.len()).max().unwrap_or(0);
        let n = self.points.iter().flat_map(|point| &point.standings).map(|one| one.n + one.n_failed).max();
        let mut text = format!(
            "{}: {} x {} of {}, {}\n",
            options.experiment,
            counted(self.points.len(), "point"),
            counted(n_compared, "value"),
            options.compared,
            counted(n.unwrap_or(0), "seed"),
        );
        for fact in &options.facts {
            line(&mut text, &format!("  {fact}"));
        }
        line(
            &mut text,
            &format!(
                "  ratio: mean TTFT (time to first token) against {} on the same seeds, with its {:.0} % interval",
                options.baseline,
                options.confidence_ratio * 100.0
            ),
        );
        let mut standings = self.points.iter().flat_map(|point| &point.standings);
        if standings.any(|one| one.cost_per_mtoken.is_some()) {
            line(
                &mut text,
                "  cost: of a million output tokens within the objective, at the file's price of a GPU hour",
            );
        }
        text
    }

    /// The points whose tables are shown, each with a word why.
    fn shown(&self, whole: bool) -> Vec<(&Point, String)> {
        if whole || self.points.len() <= ALL_SHOWN {
            return self.points.iter().map(|point| (point, String::new())).collect();
        }
        let findings = self.findings();
        let ratios = findings
            .iter()
            .flat_map(|finding| finding.ratios.iter().map(move |&(point, ratio)| (ratio.mean, finding, point)));
        let by_mean: Vec<_> = ratios.collect();
        let best = by_mean.iter().min_by(|one, two| one.0.total_cmp(&two.0));
        let worst = by_mean.iter().rev().max_by(|one, two| one.0.total_cmp(&two.0));
        let (Some(best), Some(worst)) = (best, worst) else {
            return self.points.iter().take(ALL_SHOWN).map(|point| (point, String::new())).collect();
        };
        let n = self.points.len();
        let why =
            |kind: &str, place: &(f64, &Finding<'_>, &Point)| format!("the {kind} of {n} points for {}", place.1.name);
        vec![(best.2, why("best", best)), (worst.2, why("worst", worst))]
    }

    fn table(&self, text: &mut String, point: &Point, why: &str) {
        let why = if why.is_empty() { String::new() } else { format!("  ({why})") };
        line(text, &format!("{}{why}", point.place()));
        let mut rows =
            vec![["", "mean TTFT", "p99 TTFT", "transfer", "SLO", "TBT", "cost", "ratio", ""].map(str::to_owned)];
        rows[0][0].clone_from(&self.options.compared);
        for (index, standing) in point.standings.iter().enumerate() {
            rows.push(self.row(standing, point.best_blind == Some(index)));
        }
        aligned(text, &rows);
    }

    fn row(&self, standing: &Standing, is_best_blind: bool) -> [String; N_COLUMNS] {
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let share = standing.transfer_s.zip(standing.ttft_s).map(|(transfer_s, ttft_s)| percent(transfer_s / ttft_s));
        let ratio = if standing.name == self.options.baseline {
            "baseline".to_owned()
        } else {
            or_none(standing.against_baseline.map(|ratio| ratio.words()))
        };
        [
            standing.name.clone(),
            or_none(standing.ttft_s.map(time)),
            or_none(standing.ttft_p99_s.map(time)),
            or_none(share),
            or_none(standing.slo_ratio.map(percent)),
            or_none(standing.tbt_s.map(time)),
            or_none(standing.cost_per_mtoken.map(digits)),
            ratio,
            standing.remarks(is_best_blind && self.asks_for_network()).join("; "),
        ]
    }

    fn conclusion(&self, text: &mut String) {
        let findings = self.findings();
        if findings.is_empty() {
            return line(text, &format!("Nothing to compare: {} has a single value.", self.options.compared));
        }
        line(text, &self.question());
        for finding in &findings {
            line(text, &format!("  {}", finding.name));
            for said in finding.said() {
                line(text, &format!("    {}", said.words));
                said.more.iter().for_each(|more| line(text, &format!("      {more}")));
            }
        }
        self.others_with_best_slo(text, &findings);
        for axis in self.axes_without_effect() {
            line(text, &format!("{axis} changes nothing here: everybody has the same numbers at each of its values."));
        }
        for words in self.holm_words().into_iter().chain(self.warmup_words()) {
            line(text, &words);
        }
        if findings.iter().any(|finding| !finding.overloaded.is_empty()) {
            overload_words().lines().for_each(|words| line(text, words));
        }
    }
}

impl Answer {
    /// Policies without a finding that are overloaded and yet attain the objectives most often.
    fn others_with_best_slo(&self, text: &mut String, findings: &[Finding<'_>]) {
        let mut names: Vec<&str> = Vec::new();
        for standing in self.points.iter().flat_map(|point| &point.standings) {
            let name = standing.name.as_str();
            if !names.contains(&name) && !findings.iter().any(|finding| finding.name == name) {
                names.push(name);
            }
        }
        for name in names {
            let best = self.best_slo_though_overloaded(name);
            if !best.is_empty() {
                line(text, &format!("  {name}, though overloaded, has {}", best_slo_words(&best)));
            }
        }
    }
}

/// The rows with columns as wide as their longest word: the first and the last to the left, numbers to the right.
fn aligned(text: &mut String, rows: &[[String; N_COLUMNS]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let is_priced = rows.iter().skip(1).any(|row| row[COST] != "-");
    for row in rows {
        let mut words = String::from("  ");
        for (column, word) in row.iter().enumerate().filter(|&(column, _)| is_priced || column != COST) {
            let width = width(column);
            match column {
                0 => write!(words, "{word:<width$}"),
                7 => write!(words, "  {word:<width$}"),
                8 => write!(words, "  {word}"),
                _ => write!(words, "  {word:>width$}"),
            }
            .expect("a string takes any text");
        }
        line(text, words.trim_end());
    }
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("a string takes any text");
}
