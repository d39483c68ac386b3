//! The fit of one phase: its columns, its coefficients, and how far it is from the measurements.

use super::coefficient::{Coefficient, round_to_written};
use super::errors::{Errors, FitErrors};
use super::least_squares::{is_determined, non_negative};
use super::points::{Phase, Point};
use crate::span::Span;
use std::collections::BTreeSet;

/// A measurement and what the fit makes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedPoint {
    /// Prompts or requests in the batch.
    pub batch: u32,
    /// Tokens of each, those that are cached included.
    pub context: u32,
    /// Tokens of each prompt that are there before.
    pub cached: u32,
    /// As measured, in milliseconds, without what prompts computed beside it added by the fit.
    pub measured_ms: f64,
    /// As the profile has it, in milliseconds.
    pub fitted_ms: f64,
    /// How far the fit is off, in percent of what was measured, prompts beside it included.
    pub error_percent: f64,
}

/// The fit of one phase.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseFit {
    /// Which.
    pub phase: Phase,
    /// The base in milliseconds; microseconds of each step of the curve; nanoseconds for each pair or token of context.
    pub coefficients: Vec<Coefficient>,
    /// Where each slope of the curve begins: 0 and the bends.
    pub steps: Vec<u32>,
    /// Microseconds that a prompt token computed beside an iteration adds to it, where that was measured.
    pub interference_us: Option<f64>,
    /// The measurements.
    pub points: Vec<FittedPoint>,
    /// How well they are fitted.
    pub errors: FitErrors,
    /// Tokens computed in a batch (prefill), or requests in it (decode).
    pub levels: Span,
    /// Tokens of a prompt or of a request's context.
    pub contexts: Span,
}

impl PhaseFit {
    /// The base in milliseconds.
    pub fn base_ms(&self) -> f64 {
        self.coefficients[0].value
    }

    /// The curve: where each slope begins, and the slope in microseconds.
    pub fn curve(&self) -> impl Iterator<Item = (u32, f64)> {
        self.steps.iter().zip(&self.coefficients[1..]).map(|(&from, slope)| (from, slope.value))
    }

    /// Nanoseconds for each pair (prefill) or each token of context (decode).
    pub fn slope_ns(&self) -> f64 {
        self.coefficients[self.steps.len() + 1].value
    }
}

/// Fits the points of one phase.
pub(super) fn fit(phase: Phase, points: Vec<Point>, bends: &[u32]) -> Result<PhaseFit, String> {
    let steps: Vec<u32> = [0].into_iter().chain(bends.iter().copied()).collect();
    let has_interference = points.iter().any(|point| point.prefill_tokens > 0.0);
    let columns = |point: &Point| columns(point, &steps, has_interference);
    let rows: Vec<Vec<f64>> =
        points.iter().map(|point| columns(point).iter().map(|column| column / point.ms).collect()).collect();
    let names = names(phase, &steps, has_interference);
    check_points(&points, &steps, names.len())?;
    if !is_determined(&rows) {
        return Err(format!("its points do not tell {} apart: they differ in too few ways", names.join(", ")));
    }
    let values: Vec<f64> = non_negative(&rows).into_iter().map(round_to_written).collect();
    let errors = FitErrors {
        n_points: u32::try_from(points.len()).expect("a table of measurements is not that long"),
        in_sample: Errors::of(rows.iter().map(|row| relative_error(row, &values))),
        left_out: cross_validated(&rows, |index| index as u64),
        level_out: cross_validated(&rows, |index| level(&points[index])),
    };
    let interference_us = has_interference.then(|| values[names.len() - 1]);
    let fitted = |(point, row): (&Point, &Vec<f64>)| {
        let error = relative_error(row, &values);
        let beside = interference_us.map_or(0.0, |us| us * point.prefill_tokens * 1e-3);
        FittedPoint {
            batch: point.batch,
            context: point.context,
            cached: point.cached,
            measured_ms: point.ms - beside,
            fitted_ms: (1.0 + error) * point.ms - beside,
            error_percent: 100.0 * error,
        }
    };
    Ok(PhaseFit {
        phase,
        steps: steps.clone(),
        interference_us,
        points: points.iter().zip(&rows).map(fitted).collect(),
        errors,
        levels: span(points.iter().map(level)),
        contexts: span(points.iter().map(|point| u64::from(point.context))),
        coefficients: names
            .into_iter()
            .zip(values)
            .map(|(name, value)| Coefficient { name, value, is_dropped: value == 0.0 })
            .collect(),
    })
}

/// What the curve of a phase goes over.
fn level(point: &Point) -> u64 {
    match point.phase {
        Phase::Prefill => point.computed(),
        Phase::Decode => u64::from(point.batch),
    }
}

/// What each coefficient is multiplied with, for milliseconds.
fn columns(point: &Point, steps: &[u32], has_interference: bool) -> Vec<f64> {
    let level = level(point) as f64;
    let slope = |index: usize| {
        let from = f64::from(steps[index]);
        let to = steps.get(index + 1).map_or(f64::INFINITY, |&next| f64::from(next));
        (level.min(to) - from).max(0.0) * 1e-3
    };
    let (batch, context, cached) = (f64::from(point.batch), f64::from(point.context), f64::from(point.cached));
    let tokens = match point.phase {
        // n h + n^2 / 2 with n = context - cached and h = cached.
        Phase::Prefill => batch * (context - cached) * (context + cached) / 2.0,
        Phase::Decode => batch * context,
    };
    let mut columns = vec![1.0];
    columns.extend((0..steps.len()).map(slope));
    columns.push(tokens * 1e-6);
    columns.extend(has_interference.then_some(point.prefill_tokens * 1e-3));
    columns
}

fn names(phase: Phase, steps: &[u32], has_interference: bool) -> Vec<String> {
    let (slope, last) = match phase {
        Phase::Prefill => ("per_token_us", "per_pair_ns"),
        Phase::Decode => ("per_request_us", "per_token_ns"),
    };
    let curve =
        steps.iter().map(|from| if steps.len() == 1 { slope.to_owned() } else { format!("{slope} from {from}") });
    let mut names = vec!["base_ms".to_owned()];
    names.extend(curve);
    names.push(last.to_owned());
    names.extend(has_interference.then(|| "interference_us".to_owned()));
    names
}

/// Each slope of the curve needs two levels, and every fit must be possible when one point or level is left out.
fn check_points(points: &[Point], steps: &[u32], n_coefficients: usize) -> Result<(), String> {
    let needed = n_coefficients + 1;
    if points.len() < needed {
        let n = points.len();
        return Err(format!("{n} points; at least {needed} are needed for {n_coefficients} coefficients"));
    }
    let levels: BTreeSet<u64> = points.iter().map(level).collect();
    let what = match points[0].phase {
        Phase::Prefill => "numbers of computed tokens",
        Phase::Decode => "batch sizes",
    };
    if levels.len() < 3 {
        return Err(format!("{} different {what}; at least 3 are needed", levels.len()));
    }
    for (index, &from) in steps.iter().enumerate() {
        let to = steps.get(index + 1).map_or(u64::MAX, |&next| u64::from(next));
        let n_inside = levels.range(u64::from(from) + 1..=to).count();
        if n_inside < 2 {
            let until = steps.get(index + 1).map_or_else(String::new, |next| format!(" to {next}"));
            return Err(format!(
                "a slope from {from}{until} with {n_inside} different {what}; at least 2 are needed for each slope"
            ));
        }
    }
    Ok(())
}

/// (fit - measurement) / measurement.
fn relative_error(row: &[f64], coefficients: &[f64]) -> f64 {
    row.iter().zip(coefficients).map(|(column, coefficient)| column * coefficient).sum::<f64>() - 1.0
}

/// The errors on the rows of each group when all others are fitted.
fn cross_validated(rows: &[Vec<f64>], group: impl Fn(usize) -> u64) -> Errors {
    let groups: BTreeSet<u64> = (0..rows.len()).map(&group).collect();
    let left_out = groups.into_iter().flat_map(|out| {
        let (inside, outside): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&index| group(index) != out);
        let kept: Vec<Vec<f64>> = inside.into_iter().map(|index| rows[index].clone()).collect();
        let coefficients = non_negative(&kept);
        outside.into_iter().map(|index| relative_error(&rows[index], &coefficients)).collect::<Vec<_>>()
    });
    Errors::of(left_out)
}

fn span(values: impl Iterator<Item = u64> + Clone) -> Span {
    let low = values.clone().min().unwrap_or_default();
    Span { low, high: values.max().unwrap_or_default() }
}
