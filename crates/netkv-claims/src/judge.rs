//! Ours beside what is printed.

use crate::file::{Claim, Claims, FileError, Measure};
use crate::summary::{Cell, Summary, same};
use std::collections::BTreeMap;
use std::path::Path;

/// Our number, in the claim's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ours {
    /// The number.
    pub value: f64,
    /// Its interval over seeds, if it has one: seed noise only, not the model's error.
    pub interval: Option<(f64, f64)>,
}

/// What comes of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Within the tolerance.
    Holds,
    /// Beyond it by so much of the claim's unit, and our interval lies beyond it as well, or there is none.
    Off(f64),
    /// Beyond it, but our interval reaches into it: the seeds do not decide.
    Open,
    /// A free coefficient was fitted to it; within its tolerance or not.
    Fitted(bool),
    /// It cannot be reproduced here; why.
    NotReproducible(String),
    /// There are no results; the command that makes them.
    NotMeasured(String),
}

/// A claim, ours, and the verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The claim.
    pub claim: Claim,
    /// Ours, where there is one.
    pub ours: Option<Ours>,
    /// The verdict.
    pub verdict: Verdict,
}

/// Judges every claim by the summaries in `results`.
///
/// # Errors
/// If a claim names an axis, a value, a policy or a metric that its experiment does not have: with file, line and what
/// there is.
pub fn judge(claims: &Claims, results: &Path) -> Result<Vec<Judged>, FileError> {
    let mut summaries: BTreeMap<&str, Option<Summary>> = BTreeMap::new();
    let mut judged = Vec::new();
    for claim in &claims.claims {
        if let Some(why) = &claim.not_reproducible {
            let verdict = Verdict::NotReproducible(why.clone());
            judged.push(Judged { claim: claim.clone(), ours: None, verdict });
            continue;
        }
        let summary = summaries.entry(&claim.experiment).or_insert_with(|| {
            let path = results.join(&claim.experiment).join("summary.parquet");
            path.is_file().then(|| Summary::read(&path)).and_then(Result::ok)
        });
        let Some(summary) = summary else {
            let verdict = Verdict::NotMeasured("netkv reproduce".to_owned());
            judged.push(Judged { claim: claim.clone(), ours: None, verdict });
            continue;
        };
        let place = || format!("{}:{}", claims.path.display(), claim.line);
        check(claim, summary).map_err(|message| FileError::at(&place(), &message))?;
        let ours = measure(claim, summary);
        let verdict =
            ours.map_or_else(|| Verdict::NotMeasured("netkv reproduce".to_owned()), |ours| verdict(claim, ours));
        judged.push(Judged { claim: claim.clone(), ours, verdict });
    }
    Ok(judged)
}

/// Whether the cells of a claim exist.
fn check(claim: &Claim, summary: &Summary) -> Result<(), String> {
    for (axis, value) in &claim.at {
        let Some(values) = summary.values.get(axis) else {
            return Err(format!("{} has no axis {axis}; it has {}", claim.experiment, summary.axes.join(", ")));
        };
        if !values.iter().any(|own| same(own, value)) {
            return Err(format!(
                "axis {axis} of {} has no value {value}; it has {}",
                claim.experiment,
                values.join(", ")
            ));
        }
    }
    for metric in terms(&claim.metric) {
        if !summary.metrics.iter().any(|own| own == metric) {
            return Err(format!("there is no metric {metric}; `netkv schema` lists them"));
        }
    }
    let policies = summary.values.get("policy.name");
    if !claim.against.is_empty() && policies.is_none_or(|policies| !policies.contains(&claim.against)) {
        return Err(format!("{} has no policy {} to compare with", claim.experiment, claim.against));
    }
    let n = summary.places(&claim.at).len();
    let takes_many = matches!(claim.measure, Measure::SpreadPercent | Measure::LowestPercent);
    if !takes_many && n != 1 {
        let given: Vec<_> = claim.at.keys().map(String::as_str).collect();
        return Err(format!(
            "{n} points of {} fit; a claim is at one: it gives {}, the axes are {}",
            claim.experiment,
            given.join(", "),
            summary.axes.join(", ")
        ));
    }
    Ok(())
}

/// The metrics of an expression: one, or "a - b".
fn terms(metric: &str) -> Vec<&str> {
    metric.split(" - ").map(str::trim).collect()
}

/// How many of the claim's unit one of the metric's is.
fn factor(claim: &Claim) -> f64 {
    let in_nanoseconds = claim.metric.ends_with("_ns");
    match claim.unit.as_str() {
        "ms" if in_nanoseconds => 1e-6,
        "s" if in_nanoseconds => 1e-9,
        "us" if in_nanoseconds => 1e-3,
        "%" | "points" if claim.metric.ends_with("_ratio") => 100.0,
        _ => 1.0,
    }
}

fn measure(claim: &Claim, summary: &Summary) -> Option<Ours> {
    let factor = factor(claim);
    match claim.measure {
        Measure::Value => {
            let cell = at(claim, summary, None)?;
            let half = cell.half.map(|half| half * factor);
            let value = cell.mean * factor;
            Some(Ours { value, interval: half.map(|half| (value - half, value + half)) })
        }
        Measure::Sd => Some(Ours { value: at(claim, summary, None)?.sd? * factor, interval: None }),
        Measure::ChangePercent => change(claim, summary),
        Measure::Difference => difference(claim, summary, factor),
        Measure::SpreadPercent => {
            let means: Vec<f64> = summary
                .places(&claim.at)
                .into_iter()
                .filter_map(|place| expression(claim, summary, &place).map(|cell| cell.mean))
                .collect();
            let most = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let least = means.iter().copied().fold(f64::INFINITY, f64::min);
            let mean = means.iter().sum::<f64>() / means.len() as f64;
            (!means.is_empty()).then(|| Ours { value: 100.0 * (most - least) / mean, interval: None })
        }
        Measure::LowestPercent => lowest(claim, summary),
    }
}

/// The claim's metric at its point, or at that of another policy.
fn at(claim: &Claim, summary: &Summary, policy: Option<&str>) -> Option<Cell> {
    let mut at = claim.at.clone();
    if let Some(policy) = policy {
        at.insert("policy.name".to_owned(), policy.to_owned());
    }
    expression(claim, summary, summary.places(&at).first()?)
}

/// A metric, or the difference of two: that one has no interval, since a summary does not say how they move together.
fn expression(claim: &Claim, summary: &Summary, place: &[String]) -> Option<Cell> {
    let mut cells =
        terms(&claim.metric).into_iter().map(|name| summary.cells.get(&(place.to_vec(), name.to_owned())).copied());
    let first = cells.next()??;
    cells.try_fold(first, |sum, cell| {
        let cell = cell?;
        Some(Cell { mean: sum.mean - cell.mean, ..Cell::default() })
    })
}

/// In percent of the other policy: paired where that is the experiment's baseline, else from the two means.
fn change(claim: &Claim, summary: &Summary) -> Option<Ours> {
    let (own, other) = (at(claim, summary, None)?, at(claim, summary, Some(&claim.against))?);
    Some(change_percent(own, other, claim.against == summary.baseline))
}

/// How much a mean is above another, in percent of that; `paired`: the other is the experiment's baseline, and the
/// interval that of the ratios seed by seed. Else the interval takes the two as independent, which is wider.
pub fn change_percent(own: Cell, other: Cell, paired: bool) -> Ours {
    let value = 100.0 * (own.mean / other.mean - 1.0);
    let percent = |ratio: f64| 100.0 * (ratio - 1.0);
    let interval = match own.ratio.filter(|_| paired) {
        Some([_, low, high]) => Some((percent(low), percent(high))),
        None => own.half.zip(other.half).map(|(one, two)| {
            let (one, two) = (one / own.mean, two / other.mean);
            let relative = (one * one + two * two).sqrt();
            let half = 100.0 * own.mean / other.mean * relative;
            (value - half, value + half)
        }),
    };
    Ours { value, interval }
}

fn difference(claim: &Claim, summary: &Summary, factor: f64) -> Option<Ours> {
    let (own, other) = (at(claim, summary, None)?, at(claim, summary, Some(&claim.against))?);
    let value = (own.mean - other.mean) * factor;
    let interval = match own.difference.filter(|_| claim.against == summary.baseline) {
        Some([_, low, high]) => Some((low * factor, high * factor)),
        None => own.half.zip(other.half).map(|(one, two)| {
            let half = (one * one + two * two).sqrt() * factor;
            (value - half, value + half)
        }),
    };
    Some(Ours { value, interval })
}

/// At how many of the points, policies apart, that of the claim has the least mean.
fn lowest(claim: &Claim, summary: &Summary) -> Option<Ours> {
    let policy_axis = summary.axes.iter().position(|axis| axis == "policy.name")?;
    let policy = claim.at.get("policy.name")?;
    let (mut points, mut won) = (0.0, 0.0);
    for place in summary.places(&claim.at) {
        let own = expression(claim, summary, &place)?.mean;
        let beaten = summary.values["policy.name"].iter().filter(|other| *other != policy).all(|other| {
            let mut place = place.clone();
            place[policy_axis].clone_from(other);
            expression(claim, summary, &place).is_none_or(|cell| own <= cell.mean)
        });
        (points, won) = (points + 1.0, won + f64::from(u8::from(beaten)));
    }
    (points > 0.0).then(|| Ours { value: 100.0 * won / points, interval: None })
}

fn verdict(claim: &Claim, ours: Ours) -> Verdict {
    let off = (ours.value - claim.printed).abs();
    let within = off <= claim.tolerance + 1e-9;
    if claim.fitted {
        return Verdict::Fitted(within);
    }
    if within {
        return Verdict::Holds;
    }
    let (low, high) = (claim.printed - claim.tolerance, claim.printed + claim.tolerance);
    match ours.interval {
        Some((own_low, own_high)) if own_low <= high && own_high >= low => Verdict::Open,
        _ => Verdict::Off(ours.value - claim.printed),
    }
}
