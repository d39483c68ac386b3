//! Ours beside what is printed.
//!
//! A claim holds if our number is in its band: the printed one give or take the tolerance, or all on one side of that for
//! a claim of "at most" or "at least". It is off if both our number and its interval are beyond the band, and cannot be
//! told if the interval reaches in. A claim that holds holds firmly if the whole interval is in the band: the seeds leave
//! no doubt either way.

use crate::file::{Claim, Claims, FileError};
use crate::measure::measure;
use crate::ours::Ours;
use crate::samples::{POLICY_AXIS, Samples};
use netkv_frames::same;
use netkv_units::nearest;
use std::collections::BTreeMap;
use std::path::Path;

/// What decimal fractions in binary may be off by.
const ROUNDING: f64 = 1e-9;

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

impl Judged {
    /// Whether all of our interval counts as the printed number.
    pub fn is_firm(&self) -> bool {
        let (low, high) = self.claim.band();
        let inside = |value: f64| (low - ROUNDING..=high + ROUNDING).contains(&value);
        self.ours.and_then(|ours| ours.interval).is_some_and(|(low, high)| inside(low) && inside(high))
    }
}

/// Judges every claim by the tables of cells in `results`.
///
/// # Errors
/// If a claim names an experiment that there is not, or an axis, a value, a policy or a metric that its experiment does
/// not have, with file, line and what there is; if a table cannot be read.
pub fn judge(claims: &Claims, results: &Path) -> Result<Vec<Judged>, FileError> {
    let mut tables: BTreeMap<&str, Option<Samples>> = BTreeMap::new();
    let mut judged = Vec::new();
    for claim in &claims.claims {
        let at = |message: &str| FileError::at(&format!("{}:{}", claims.path.display(), claim.line), message);
        let mut add = |ours, verdict| judged.push(Judged { claim: claim.clone(), ours, verdict });
        if let Some(why) = &claim.not_reproducible {
            add(None, Verdict::NotReproducible(why.clone()));
            continue;
        }
        if !tables.contains_key(claim.experiment.as_str()) {
            let path = results.join(&claim.experiment).join("cells.parquet");
            let samples = path.is_file().then(|| Samples::read(&path)).transpose();
            tables.insert(&claim.experiment, samples.map_err(|error| at(&format!("{error:#}; run it again")))?);
        }
        let command = claims.experiments.get(&claim.experiment).map(|file| format!("netkv run {}", file.display()));
        let Some(samples) = &tables[claim.experiment.as_str()] else {
            let command = command.ok_or_else(|| at(&no_experiment(claims, &claim.experiment)))?;
            add(None, Verdict::NotMeasured(command));
            continue;
        };
        let ours = match check(claim, samples) {
            Ok(()) => measure(claim, samples),
            // Of an experiment that is not run to its end a place may be missing that is to come.
            Err(_) if !samples.is_complete => None,
            Err(message) => return Err(at(&message)),
        };
        let command = command.unwrap_or_else(|| "netkv reproduce".to_owned());
        let verdict = ours.map_or_else(|| Verdict::NotMeasured(command), |ours| verdict(claim, ours));
        add(ours, verdict);
    }
    Ok(judged)
}

fn no_experiment(claims: &Claims, name: &str) -> String {
    let names = claims.experiments.keys().map(String::as_str);
    let known: Vec<&str> = names.clone().collect();
    let beside = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("there is no experiment {name}: beside this file there are {beside}{}", meant(name, names))
}

/// "; did you mean X?", if there is a near name.
fn meant<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, names).map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

/// Whether the cells of a claim exist.
fn check(claim: &Claim, samples: &Samples) -> Result<(), String> {
    for (axis, value) in &claim.at {
        let Some(values) = samples.values.get(axis) else {
            let meant = meant(axis, samples.axes.iter().map(String::as_str));
            return Err(format!("{} has no axis {axis}; it has {}{meant}", claim.experiment, samples.axes.join(", ")));
        };
        if !values.iter().any(|own| same(own, value)) {
            let (own, meant) = (values.join(", "), meant(value, values.iter().map(String::as_str)));
            return Err(format!("axis {axis} of {} has no value {value}; it has {own}{meant}", claim.experiment));
        }
    }
    for metric in claim.metrics() {
        if !samples.metrics.contains_key(metric) {
            let meant = meant(metric, samples.metrics.keys().map(String::as_str));
            return Err(format!("there is no metric {metric}; `netkv schema` lists them{meant}"));
        }
    }
    let policies = samples.values.get(POLICY_AXIS).map(Vec::as_slice).unwrap_or_default();
    for policy in [&claim.against, &claim.of].into_iter().chain(&claim.among).filter(|name| !name.is_empty()) {
        if !policies.contains(policy) {
            let meant = meant(policy, policies.iter().map(String::as_str));
            return Err(format!("{} has no policy {policy} to compare with{meant}", claim.experiment));
        }
    }
    let n = samples.places(&claim.at).len();
    if !claim.is_over_many() && n != 1 {
        let given: Vec<_> = claim.at.keys().map(String::as_str).collect();
        return Err(format!(
            "{n} points of {} fit; a claim is at one: it gives {}, the axes are {}",
            claim.experiment,
            given.join(", "),
            samples.axes.join(", ")
        ));
    }
    Ok(())
}

fn verdict(claim: &Claim, ours: Ours) -> Verdict {
    let (low, high) = claim.band();
    let is_inside = (low - ROUNDING..=high + ROUNDING).contains(&ours.value);
    if claim.fitted {
        return Verdict::Fitted(is_inside);
    }
    if is_inside {
        return Verdict::Holds;
    }
    match ours.interval {
        Some((own_low, own_high)) if own_low <= high && own_high >= low => Verdict::Open,
        _ => Verdict::Off(ours.value - claim.printed),
    }
}
