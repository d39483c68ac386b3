//! What one policy does at all points of a grid: where it pays, harms, makes no difference; what is open.

use crate::effect::{Effect, INDIFFERENCE, Ratio};
use crate::points::{Answer, OVERLOAD_WAIT_RATIO, Point};
use crate::words::{change, counted, percent};

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
    /// Points with a ratio at which one of the two may be overloaded, but runs are too short to tell.
    pub n_unsure: usize,
    /// Lowest and highest that it adds to TBT, in milliseconds.
    pub tbt_added_ms: Option<(f64, f64)>,
    /// And to SLO attainment, in points, where nobody is overloaded.
    pub slo_added_points: Vec<(&'a Point, f64)>,
    /// Points at which it is overloaded and yet attains the objectives most often, with the share.
    pub best_slo_though_overloaded: Vec<(&'a Point, f64)>,
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
            if self.is_in_question(standing, asks) && !names.contains(&standing.name.as_str()) {
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

    /// Points at which a policy is overloaded and yet attains the objectives most often.
    pub(crate) fn best_slo_though_overloaded(&self, name: &str) -> Vec<(&Point, f64)> {
        let own = |point: &Point| {
            let one = point.standings.iter().find(|one| one.name == name)?;
            one.slo_ratio.filter(|_| one.is_overloaded() && one.has_best_slo)
        };
        self.points.iter().filter_map(|point| Some((point, own(point)?))).collect()
    }

    fn finding<'a>(&'a self, name: &'a str, asks: bool) -> Finding<'a> {
        let mut finding = Finding {
            name,
            ratios: Vec::new(),
            overloaded: Vec::new(),
            alone_keeps_up: 0,
            alone_is_overloaded: 0,
            n_unsure: 0,
            tbt_added_ms: None,
            slo_added_points: Vec::new(),
            best_slo_though_overloaded: self.best_slo_though_overloaded(name),
        };
        let widen = |range: Option<(f64, f64)>, value: f64| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        };
        for point in &self.points {
            let Some(own) = point.standings.iter().find(|one| one.name == name) else { continue };
            let Some(other) = self.compared_with(point, asks) else { continue };
            let ratio = if asks { own.against_blind } else { own.against_baseline };
            if own.is_overloaded() || other.is_overloaded() {
                finding.overloaded.push(point);
                finding.alone_keeps_up += usize::from(!own.is_overloaded());
                finding.alone_is_overloaded += usize::from(!other.is_overloaded());
                continue;
            }
            let Some(ratio) = ratio else { continue };
            finding.ratios.push((point, ratio));
            finding.n_unsure += usize::from(own.may_be_overloaded() || other.may_be_overloaded());
            if let Some((own, other)) = own.tbt_s.zip(other.tbt_s) {
                finding.tbt_added_ms = widen(finding.tbt_added_ms, (own - other) * 1e3);
            }
            if let Some((own, other)) = own.slo_ratio.zip(other.slo_ratio) {
                finding.slo_added_points.push((point, (own - other) * 100.0));
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
                (n, 0) => format!(", it alone keeps up at {n} of them"),
                (0, n) => format!(", what it is compared with keeps up at {n} of them"),
                (n, other) => format!(", it alone keeps up at {n} of them, what it is compared with at {other}"),
            };
            let n_points = self.overloaded.len();
            let words = format!("overloaded at {}{keeps_up}", counted(n_points, "point"));
            said.push(Said { about: About::Overload, n_points, words, more: Vec::new() });
        }
        let mut other = |words: String| said.push(Said { about: About::Else, n_points: 0, words, more: Vec::new() });
        if self.ratios.is_empty() && self.overloaded.is_empty() {
            other("nothing measured".to_owned());
        }
        if self.n_unsure > 0 {
            let n = counted(self.n_unsure, "point");
            other(format!("of these, {n} may be overloaded: too short to tell"));
        }
        if !self.best_slo_though_overloaded.is_empty() {
            other(format!("though overloaded it has {}", best_slo_words(&self.best_slo_though_overloaded)));
        }
        if let Some(words) = slo_words(&self.slo_added_points) {
            other(words);
        }
        if let Some((low, high)) = self.tbt_added_ms {
            other(format!("TBT (time between tokens) {} ms", range(low, high, 2)));
        }
        said
    }
}

/// "SLO attainment -4.0 to +68.0 points, most where load = 1, least where load = 2"; places only if they differ.
fn slo_words(added: &[(&Point, f64)]) -> Option<String> {
    let least = added.iter().min_by(|one, two| one.1.total_cmp(&two.1))?;
    // Of equals the first, as everywhere.
    let most = added.iter().rev().max_by(|one, two| one.1.total_cmp(&two.1))?;
    let points = range(least.1, most.1, 1);
    let places = if points.contains(" to ") {
        format!(", most where {}, least where {}", most.0.place(), least.0.place())
    } else {
        String::new()
    };
    Some(format!("SLO attainment {points} points{places}"))
}

/// "the best SLO attainment at 2 points: 80.0 % where load = 1".
pub(crate) fn best_slo_words(best: &[(&Point, f64)]) -> String {
    let most = best.iter().rev().max_by(|one, two| one.1.total_cmp(&two.1));
    let most = most.map(|(point, share)| format!("{} where {}", percent(*share), point.place())).unwrap_or_default();
    let up_to = if best.len() > 1 { "up to " } else { "" };
    format!("the best SLO attainment at {}: {up_to}{most}", counted(best.len(), "point"))
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
    let by_size =
        |one: &&(&Point, Ratio), two: &&(&Point, Ratio)| (one.1.mean - 1.0).abs().total_cmp(&(two.1.mean - 1.0).abs());
    // Of equals the first.
    let (least, most) = (ratios.iter().min_by(by_size), ratios.iter().rev().max_by(by_size));
    let (Some(least), Some(most)) = (least, most) else { return String::new() };
    if ratios.len() == 1 {
        return format!("{} where {}", change(most.1.mean), most.0.place());
    }
    if change(least.1.mean) == change(most.1.mean) {
        return format!("{} at each", change(most.1.mean));
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
