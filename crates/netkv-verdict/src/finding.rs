//! What one policy does at all points of a grid: where it pays, harms, makes no difference; what is open.

use crate::effect::{Effect, INDIFFERENCE, Ratio};
use crate::points::{Answer, OVERLOAD_WAIT_RATIO, Point};
use crate::words::{change, counted, percent};
use netkv_policy::NetworkView;

/// Points that a sentence names.
const NAMED: usize = 3;

/// What one policy does at all points against something else.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    /// Its name.
    pub name: &'a str,
    /// By point, where there is a ratio and nobody is overloaded.
    pub ratios: Vec<(&'a Point, Ratio)>,
    /// Points at which it, or what it is compared with, is overloaded.
    pub overloaded: Vec<&'a Point>,
    /// Of these, those at which just the other is.
    pub alone_keeps_up: usize,
    /// And those at which it alone is.
    pub alone_is_overloaded: usize,
    /// Lowest and highest that it adds to TBT, in milliseconds.
    pub tbt_added_ms: Option<(f64, f64)>,
    /// And to SLO attainment, in points.
    pub slo_added_points: Option<(f64, f64)>,
}

/// What a sentence of a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Points at which it has this effect.
    Effect(Effect),
    /// Points at which somebody is overloaded.
    Overload,
    /// What else it changes, or that nothing was measured.
    Else,
}

/// A sentence of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it is about.
    pub about: About,
    /// Points that it is about.
    pub n_points: usize,
    /// The sentence.
    pub words: String,
    /// What belongs to it.
    pub more: Vec<String>,
}

impl Answer {
    /// What each policy in question does against what it is compared with.
    pub fn findings(&self) -> Vec<Finding<'_>> {
        let asks = self.asks_for_network();
        let mut names: Vec<&str> = Vec::new();
        for standing in self.points.iter().flat_map(|point| &point.standings) {
            let in_question =
                if asks { standing.view() == Some(NetworkView::Aware) } else { standing.name != self.options.baseline };
            if in_question && !names.contains(&standing.name.as_str()) {
                names.push(&standing.name);
            }
        }
        names.into_iter().map(|name| self.finding(name, asks)).collect()
    }

    /// What is asked, and how it is measured.
    pub fn question(&self) -> String {
        let margin = format!("less than {:.0} % is no difference", INDIFFERENCE * 100.0);
        format!("Does it pay? Mean TTFT against {}, seed by seed; {margin}.", self.other())
    }

    /// What policies are compared with, in words.
    pub fn other(&self) -> String {
        if self.asks_for_network() {
            "the best policy that ignores the network".to_owned()
        } else {
            self.options.baseline.clone()
        }
    }

    fn finding<'a>(&'a self, name: &'a str, asks: bool) -> Finding<'a> {
        let mut finding = Finding {
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
                finding.overloaded.push(point);
                finding.alone_keeps_up += usize::from(!own.is_overloaded());
                finding.alone_is_overloaded += usize::from(!other.is_overloaded());
                continue;
            }
            let Some(ratio) = ratio else { continue };
            finding.ratios.push((point, ratio));
            if let Some((own, other)) = own.tbt_s.zip(other.tbt_s) {
                finding.tbt_added_ms = widen(finding.tbt_added_ms, (own - other) * 1e3);
            }
            if let Some((own, other)) = own.slo_ratio.zip(other.slo_ratio) {
                finding.slo_added_points = widen(finding.slo_added_points, (own - other) * 100.0);
            }
        }
        finding
    }
}

/// From how many points, and these, to a sentence and what belongs to it.
type Words = dyn Fn(&str, &[(&Point, Ratio)]) -> (String, Vec<String>);

impl Finding<'_> {
    /// The sentences, in the order in which they are told.
    pub fn said(&self) -> Vec<Said> {
        let mut said = Vec::new();
        let mut of = |effect: Effect, words: &Words| {
            let found: Vec<_> = self.ratios.iter().filter(|(_, ratio)| ratio.effect() == effect).copied().collect();
            if !found.is_empty() {
                let (words, more) = words(&counted(found.len(), "point"), &found);
                said.push(Said { about: About::Effect(effect), n_points: found.len(), words, more });
            }
        };
        of(Effect::Pays, &|n, found| (format!("pays at {n}: {}", span(found)), Vec::new()));
        of(Effect::Same, &|n, _| (format!("no difference at {n}"), Vec::new()));
        of(Effect::Harms, &|n, found| (format!("HARMS at {n}: {}", span(found)), Vec::new()));
        of(Effect::Open, &|n, found| (format!("open at {n}:"), open_words(found)));
        if !self.overloaded.is_empty() {
            let keeps_up = match (self.alone_keeps_up, self.alone_is_overloaded) {
                (0, 0) => String::new(),
                (n, 0) => format!(", it alone keeps up at {n}"),
                (0, n) => format!(", the other keeps up at {n}"),
                (n, other) => format!(", it alone keeps up at {n}, the other at {other}"),
            };
            let n_points = self.overloaded.len();
            let words = format!("overloaded at {}{keeps_up}", counted(n_points, "point"));
            said.push(Said { about: About::Overload, n_points, words, more: Vec::new() });
        }
        let mut other = |words: String| said.push(Said { about: About::Else, n_points: 0, words, more: Vec::new() });
        if self.ratios.is_empty() && self.overloaded.is_empty() {
            other("nothing measured".to_owned());
        }
        if let Some((low, high)) = self.slo_added_points {
            other(format!("SLO attainment {} points", range(low, high, 1)));
        }
        if let Some((low, high)) = self.tbt_added_ms {
            other(format!("TBT (time between tokens) {} ms", range(low, high, 2)));
        }
        said
    }
}

/// What overloaded means, in two lines.
pub fn overload_words() -> String {
    format!(
        "Overloaded: TTFT grew threefold or more over the run, or the mean wait is longer than\n{} of it; it then tells how \
         long the trace is, and is compared with nobody.",
        percent(OVERLOAD_WAIT_RATIO)
    )
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
        format!("{} where {}: {seeds} would settle it", ratio.words(), point.place())
    });
    let mut words: Vec<String> = words.collect();
    if sorted.len() > NAMED {
        words.push(format!("and at {} that take as many seeds or more", counted(sorted.len() - NAMED, "point")));
    }
    words
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
