//! The answer in words, for a terminal.

use crate::effect::{Effect, INDIFFERENCE, Ratio};
use crate::points::{Answer, OVERLOAD_WAIT_RATIO, Point, Standing};
use crate::words::{change, counted, digits, percent, time};
use netkv_policy::NetworkView;
use std::fmt::Write as _;

/// Points up to this many are all shown; of more, the best and the worst. Chosen by us: what fits a screen.
const ALL_SHOWN: usize = 4;

/// Columns of the table of a point, and that of the cost among them, which is left out where nobody named a price.
const N_COLUMNS: usize = 9;
const COST: usize = 6;

/// Points that a sentence names.
const NAMED: usize = 3;

/// What one policy does at all points against something else.
struct Tally<'a> {
    name: &'a str,
    /// By point, where there is a ratio and nobody is overloaded.
    ratios: Vec<(&'a Point, Ratio)>,
    /// Points at which it, or what it is compared with, is overloaded; and those of them at which just one of the two is.
    overloaded: Vec<&'a Point>,
    alone_keeps_up: usize,
    alone_is_overloaded: usize,
    /// Lowest and highest: milliseconds of TBT and points of SLO attainment that it adds.
    tbt_added_ms: Option<(f64, f64)>,
    slo_added_points: Option<(f64, f64)>,
}

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
        text
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
        let tallies = self.tallies();
        let ratios =
            tallies.iter().flat_map(|tally| tally.ratios.iter().map(move |&(point, ratio)| (ratio.mean, tally, point)));
        let by_mean: Vec<_> = ratios.collect();
        let best = by_mean.iter().min_by(|one, two| one.0.total_cmp(&two.0));
        let worst = by_mean.iter().max_by(|one, two| one.0.total_cmp(&two.0));
        let (Some(best), Some(worst)) = (best, worst) else {
            return self.points.iter().take(ALL_SHOWN).map(|point| (point, String::new())).collect();
        };
        let n = self.points.len();
        let why =
            |kind: &str, place: &(f64, &Tally<'_>, &Point)| format!("the {kind} of {n} points for {}", place.1.name);
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
            or_none(standing.against_baseline.as_ref().map(interval))
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
            remarks(standing, is_best_blind && self.asks_for_network()).join("; "),
        ]
    }

    /// What each policy in question does against what it is compared with.
    fn tallies(&self) -> Vec<Tally<'_>> {
        let asks = self.asks_for_network();
        let mut names: Vec<&str> = Vec::new();
        for standing in self.points.iter().flat_map(|point| &point.standings) {
            let in_question =
                if asks { standing.view() == Some(NetworkView::Aware) } else { standing.name != self.options.baseline };
            if in_question && !names.contains(&standing.name.as_str()) {
                names.push(&standing.name);
            }
        }
        names.into_iter().map(|name| self.tally(name, asks)).collect()
    }

    fn tally<'a>(&'a self, name: &'a str, asks: bool) -> Tally<'a> {
        let mut tally = Tally {
            name,
            ratios: Vec::new(),
            overloaded: Vec::new(),
            alone_keeps_up: 0,
            alone_is_overloaded: 0,
            tbt_added_ms: None,
            slo_added_points: None,
        };
        let widen = |range: Option<(f64, f64)>, value: f64| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        };
        for point in &self.points {
            let Some(own) = point.standings.iter().find(|one| one.name == name) else { continue };
            let other = if asks {
                point.best_blind.map(|index| &point.standings[index])
            } else {
                point.standings.iter().find(|one| one.name == self.options.baseline)
            };
            let Some(other) = other else { continue };
            let ratio = if asks { own.against_blind } else { own.against_baseline };
            if own.is_overloaded() || other.is_overloaded() {
                tally.overloaded.push(point);
                tally.alone_keeps_up += usize::from(!own.is_overloaded());
                tally.alone_is_overloaded += usize::from(!other.is_overloaded());
                continue;
            }
            let Some(ratio) = ratio else { continue };
            tally.ratios.push((point, ratio));
            if let Some((own, other)) = own.tbt_s.zip(other.tbt_s) {
                tally.tbt_added_ms = widen(tally.tbt_added_ms, (own - other) * 1e3);
            }
            if let Some((own, other)) = own.slo_ratio.zip(other.slo_ratio) {
                tally.slo_added_points = widen(tally.slo_added_points, (own - other) * 100.0);
            }
        }
        tally
    }

    fn conclusion(&self, text: &mut String) {
        let tallies = self.tallies();
        if tallies.is_empty() {
            return line(text, &format!("Nothing to compare: {} has a single value.", self.options.compared));
        }
        let other = if self.asks_for_network() {
            "the best policy that ignores the network".to_owned()
        } else {
            self.options.baseline.clone()
        };
        let margin = format!("less than {:.0} % is no difference", INDIFFERENCE * 100.0);
        line(text, &format!("Does it pay? Mean TTFT against {other}, seed by seed; {margin}."));
        for tally in &tallies {
            tally.sentences(text);
        }
        if tallies.iter().any(|tally| !tally.overloaded.is_empty()) {
            let share = percent(OVERLOAD_WAIT_RATIO);
            line(text, "Overloaded: TTFT grew threefold or more over the run, or the mean wait is longer than");
            line(text, &format!("{share} of it; it then tells how long the trace is, and is compared with nobody."));
        }
    }
}

impl Tally<'_> {
    fn sentences(&self, text: &mut String) {
        let mut said = Vec::new();
        let of = |effect: Effect| {
            self.ratios.iter().filter(|(_, ratio)| ratio.effect() == effect).copied().collect::<Vec<_>>()
        };
        let (pays, harms, same, open) = (of(Effect::Pays), of(Effect::Harms), of(Effect::Same), of(Effect::Open));
        if !pays.is_empty() {
            said.push(format!("pays at {}: {}", counted(pays.len(), "point"), span(&pays)));
        }
        if !same.is_empty() {
            said.push(format!("no difference at {}", counted(same.len(), "point")));
        }
        if !harms.is_empty() {
            said.push(format!("HARMS at {}: {}", counted(harms.len(), "point"), span(&harms)));
        }
        if !open.is_empty() {
            said.push(format!("open at {}:", counted(open.len(), "point")));
            said.extend(open_words(&open).into_iter().map(|words| format!("  {words}")));
        }
        if !self.overloaded.is_empty() {
            let keeps_up = match (self.alone_keeps_up, self.alone_is_overloaded) {
                (0, 0) => String::new(),
                (n, 0) => format!(", it alone keeps up at {n}"),
                (0, n) => format!(", the other keeps up at {n}"),
                (n, other) => format!(", it alone keeps up at {n}, the other at {other}"),
            };
            said.push(format!("overloaded at {}{keeps_up}", counted(self.overloaded.len(), "point")));
        }
        if said.is_empty() {
            said.push("nothing measured".to_owned());
        }
        if let Some((low, high)) = self.slo_added_points {
            said.push(format!("SLO attainment {} points", range(low, high, 1)));
        }
        if let Some((low, high)) = self.tbt_added_ms {
            said.push(format!("TBT (time between tokens) {} ms", range(low, high, 2)));
        }
        line(text, &format!("  {}", self.name));
        said.iter().for_each(|sentence| line(text, &format!("    {sentence}")));
    }
}

/// From the smallest change to the largest, and where that is.
fn span(ratios: &[(&Point, Ratio)]) -> String {
    let mut sorted: Vec<_> = ratios.to_vec();
    sorted.sort_by(|one, two| (one.1.mean - 1.0).abs().total_cmp(&(two.1.mean - 1.0).abs()));
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else { return String::new() };
    if sorted.len() == 1 {
        return format!("{} where {}", change(most.1.mean), most.0.place());
    }
    format!("{} to {}, most where {}", change(least.1.mean), change(most.1.mean), most.0.place())
}

/// What is open, and how many seeds would settle it, a line each.
fn open_words(ratios: &[(&Point, Ratio)]) -> Vec<String> {
    if ratios.iter().all(|(_, ratio)| ratio.n == 1) {
        return vec!["a single seed gives no interval: give the experiment several (seeds)".to_owned()];
    }
    let mut sorted: Vec<_> = ratios.iter().map(|(point, ratio)| (ratio.seeds_to_settle(), *point, *ratio)).collect();
    sorted.sort_by_key(|(seeds, ..)| seeds.unwrap_or(u64::MAX));
    let words = sorted.iter().take(NAMED).map(|(seeds, point, ratio)| {
        let seeds = seeds.map_or_else(|| "over 1000 seeds".to_owned(), |seeds| format!("some {seeds} seeds in all"));
        format!("{} where {}: {seeds} would settle it", interval(ratio), point.place())
    });
    let mut words: Vec<String> = words.collect();
    if sorted.len() > NAMED {
        words.push(format!("and at {} that take as many seeds or more", counted(sorted.len() - NAMED, "point")));
    }
    words
}

/// "0.91 [0.88, 0.95]".
fn interval(ratio: &Ratio) -> String {
    let mean = format!("{:.3}", ratio.mean);
    ratio.interval.map_or_else(|| mean.clone(), |(low, high)| format!("{mean} [{low:.3}, {high:.3}]"))
}

/// "+0.1 to +3.1"; one number if both are the same.
fn range(low: f64, high: f64, decimals: usize) -> String {
    let signed = |value: f64| {
        let plain = format!("{value:+.decimals$}");
        if plain.bytes().all(|byte| b"+-0.".contains(&byte)) { format!("{:.decimals$}", 0.0) } else { plain }
    };
    let (low, high) = (signed(low), signed(high));
    if low == high { low } else { format!("{low} to {high}") }
}

/// What else there is to say of a policy at a point.
fn remarks(standing: &Standing, is_best_blind: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    if standing.n_failed > 0 {
        remarks.push(format!("{} of {} cells FAILED", standing.n_failed, standing.n + standing.n_failed));
    }
    if standing.n_empty > 0 {
        remarks.push(format!("{} counted no request", counted(standing.n_empty, "cell")));
    }
    if standing.is_overloaded() {
        remarks.push("overloaded".to_owned());
    }
    if standing.refused > 0.5 {
        remarks.push(format!("{} requests refused", digits(standing.refused)));
    }
    if is_best_blind {
        remarks.push("best that ignores the network".to_owned());
    }
    if standing.view() == Some(NetworkView::Truth) {
        remarks.push("a yardstick, no router".to_owned());
    }
    remarks
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
