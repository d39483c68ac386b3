//! Assignments that are good, or the best: by trying.

use crate::instance::Freedom;
use crate::scripted::{Choice, Pools, mean_ttft, replay};
use netkv_sim::Scenario;

/// An assignment and what comes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Where requests go, in order of arrival.
    pub choices: Vec<Choice>,
    /// Mean TTFT, in seconds.
    pub mean: f64,
    /// Runs that it took to find it.
    pub runs: u64,
}

fn value(scenario: &Scenario, choices: &[Choice]) -> f64 {
    mean_ttft(&replay(scenario, choices)).unwrap_or(f64::INFINITY)
}

/// What a request may be given instead of `now`: all pairs, or all decode instances.
fn others(pools: &Pools, freedom: Freedom, now: Choice) -> Vec<Choice> {
    let prefill = match freedom {
        Freedom::Decode => now.prefill..now.prefill + 1,
        Freedom::Both => 0..pools.prefill.len(),
    };
    let pairs = prefill.flat_map(|prefill| (0..pools.decode.len()).map(move |decode| Choice { prefill, decode }));
    pairs.collect()
}

/// The best of all assignments with this freedom, prefill instances as in `given` if those are not free; none if there
/// are more than `most`.
///
/// # Panics
/// As [`netkv_sim::run`].
pub fn exhaustive(scenario: &Scenario, pools: &Pools, freedom: Freedom, given: &[Choice], most: u64) -> Option<Best> {
    let options: Vec<Vec<Choice>> = given.iter().map(|&now| others(pools, freedom, now)).collect();
    let counted = options.iter().try_fold(1_u64, |all, own| all.checked_mul(own.len() as u64));
    let all = counted.filter(|&all| all <= most)?;
    let mut best = Best { choices: given.to_vec(), mean: f64::INFINITY, runs: all };
    let mut choices = given.to_vec();
    for number in 0..all {
        let mut rest = number;
        for (choice, own) in choices.iter_mut().zip(&options) {
            *choice = own[(rest % own.len() as u64) as usize];
            rest /= own.len() as u64;
        }
        let mean = value(scenario, &choices);
        if mean < best.mean {
            best = Best { choices: choices.clone(), mean, runs: all };
        }
    }
    Some(best)
}

/// Changes the choice for one request after the other to the best there is as long as that gains anything, in at most so
/// many runs: a good assignment, and often not the best.
///
/// # Panics
/// As [`netkv_sim::run`].
pub fn improve(scenario: &Scenario, pools: &Pools, freedom: Freedom, start: &[Choice], most_runs: u64) -> Best {
    let mut best = Best { choices: start.to_vec(), mean: value(scenario, start), runs: 1 };
    let (mut request, mut unchanged) = (0, 0);
    while unchanged < start.len() && best.runs < most_runs {
        let now = best.choices[request];
        let before = best.mean;
        for other in others(pools, freedom, now).into_iter().filter(|&other| other != now) {
            let kept = std::mem::replace(&mut best.choices[request], other);
            let mean = value(scenario, &best.choices);
            best.runs += 1;
            if mean < best.mean {
                best.mean = mean;
            } else {
                best.choices[request] = kept;
            }
        }
        unchanged = if best.mean < before { 0 } else { unchanged + 1 };
        request = (request + 1) % start.len();
    }
    best
}
