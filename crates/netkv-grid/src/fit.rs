//! Fitting a latency profile to measurements: least squares on relative error, no coefficient negative.
//!
//! Prefill, of a batch that computes n tokens of each prompt after h cached ones:
//! base + curve(sum of n) + per_pair x sum of (n h + n^2 / 2).
//! Decode, of an iteration over B requests with S tokens of context in all: base + curve(B) + per_token x S.
//!
//! A curve is a straight line, or bends where it is told to. Iterations that were measured while prompts were computed
//! beside them (aggregated serving) get one more coefficient, for each of those prompt tokens: it is what the disaggregated
//! system of the simulation does not pay, and is reported, not kept.

mod coefficient;
mod errors;
mod least_squares;
mod phase;
mod points;

pub use coefficient::Coefficient;
pub use errors::{Errors, FitErrors};
pub use phase::{FittedPoint, PhaseFit};
pub use points::Phase;

use crate::issue::{InputErrors, Issue, Origin};
use netkv_units::LatencyCurve;
use points::Point;
use std::collections::BTreeSet;
use std::path::Path;

/// What is fitted, and how.
#[derive(Clone, Debug, Default)]
pub struct FitOptions {
    /// The degree of tensor parallelism; may be left open where the tables have only one.
    pub tp: Option<u32>,
    /// Tokens computed at which the curve of prefill bends.
    pub prefill_bends: Vec<u32>,
    /// Batch sizes at which the curve of decode bends.
    pub decode_bends: Vec<u32>,
}

/// The fit of a profile.
#[derive(Clone, Debug)]
pub struct Fit {
    /// GPUs of the instances that were measured.
    pub tp: u32,
    /// The fit of prefill.
    pub prefill: PhaseFit,
    /// The fit of decode.
    pub decode: PhaseFit,
}

/// Fits the measurements in the given tables.
///
/// # Errors
/// Everything that is wrong with the tables; or that they do not have what the fit needs: one degree of tensor
/// parallelism, enough points, and enough different ones.
pub fn fit(tables: &[&Path], options: &FitOptions) -> Result<Fit, InputErrors> {
    let points = points::read_all(tables)?;
    let file = Origin::file(tables.first().copied().unwrap_or(Path::new("")));
    let tp = choose_tp(&points, options.tp, &file)?;
    let fit_phase = |phase: Phase, bends: &[u32]| {
        let own = points.iter().filter(|point| point.phase == phase && point.tp == tp).cloned().collect();
        check_bends(bends).and_then(|()| phase::fit(phase, own, bends)).map_err(|message| {
            let message = format!("{phase} at tp = {tp}: {message}");
            Issue::new(&file, message)
        })
    };
    match (fit_phase(Phase::Prefill, &options.prefill_bends), fit_phase(Phase::Decode, &options.decode_bends)) {
        (Ok(prefill), Ok(decode)) => Ok(Fit { tp, prefill, decode }),
        (prefill, decode) => Err(InputErrors::new(prefill.err().into_iter().chain(decode.err()).collect())),
    }
}

/// The only degree of tensor parallelism, or the one that is asked for.
fn choose_tp(points: &[Point], asked: Option<u32>, file: &Origin) -> Result<u32, InputErrors> {
    let degrees: BTreeSet<u32> = points.iter().map(|point| point.tp).collect();
    let listed: Vec<String> = degrees.iter().map(u32::to_string).collect();
    let message = match (asked, degrees.first()) {
        (_, None) => "there is no measurement in it".to_owned(),
        (Some(tp), _) if degrees.contains(&tp) => return Ok(tp),
        (Some(tp), _) => format!("there is no row with tp = {tp}; there are {}", listed.join(", ")),
        (None, Some(&tp)) if degrees.len() == 1 => return Ok(tp),
        (None, Some(_)) => format!("there are rows with tp = {}: choose one with --tp", listed.join(", ")),
    };
    Err(Issue::new(file, message).into())
}

fn check_bends(bends: &[u32]) -> Result<(), String> {
    let most = LatencyCurve::MAX_STEPS - 1;
    if bends.len() > most || bends.first() == Some(&0) || !bends.is_sorted_by(|one, two| one < two) {
        return Err(format!("bends at {bends:?}; allowed: at most {most}, ascending, from 1"));
    }
    Ok(())
}
