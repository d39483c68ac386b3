//! As many sessions as a rate asks for, as long as asked for.

use super::conversation::{self, Schedule};
use super::emit::{Event, Session};
use super::knob_error::KnobError;
use super::parameters::{Parameters, round};
use super::random::{KEPT_STREAM, SplitMix64};

/// How near the mean length of sessions is brought to what is asked for, as a share. Chosen by us.
const TURNS_TOLERANCE: f64 = 0.001;

/// The warm-up where the length of sessions is set, in seconds. Chosen by us: three times that of the model, as long sessions
/// need more time until as many end as begin.
const WARM_S: f64 = 4500.0;

/// Odds beyond which sessions are as long as they get: every one goes on until its prompt or the trace is full.
const MOST_ODDS: f64 = 1e6;

/// The turns of all sessions, with as many requests in the trace as the rate says, or as this seed has by itself if only
/// the length of sessions is set. Sessions are dropped at random until that is so. Without both, the seed's own.
pub(super) fn events(
    parameters: &Parameters,
    seed: u64,
    rate_rps: Option<f64>,
    turns: Option<f64>,
) -> Result<Vec<Event>, KnobError> {
    let model = &parameters.conversation;
    let draw = |n_sessions: u32, continue_odds: f64| {
        let mut schedule = Schedule::new(model, n_sessions, model.slope, 1);
        schedule.continue_odds = continue_odds;
        schedule.warm_s = turns.map_or(model.warm_s, |_| WARM_S);
        conversation::events(parameters, &schedule, seed)
    };
    let own = conversation::events(parameters, &Schedule::of_conversation(model, 1), seed);
    if rate_rps.is_none() && turns.is_none() {
        return Ok(own);
    }
    let n_own: u64 = counts(&own).iter().sum();
    let target = rate_rps.map_or(n_own, |rate| u64::try_from(round(rate * model.duration_s)).expect("it is positive"));
    let odds = turns.map_or(Ok(1.0), |turns| odds_for(turns, |odds| draw(model.n_sessions, odds)))?;
    let n_at_odds: u64 = counts(&draw(model.n_sessions, odds)).iter().sum();
    let mut n_sessions = f64::from(model.n_sessions) * target as f64 / n_at_odds as f64 * 1.05 + 50.0;
    loop {
        let events = draw(n_sessions as u32, odds);
        if let Some(kept) = keep(&counts(&events), target, seed) {
            return Ok(events.into_iter().filter(|event| kept[number(event)]).collect());
        }
        n_sessions *= 1.2;
    }
}

fn number(event: &Event) -> usize {
    match event.session {
        Session::Main(number) => number as usize,
        Session::ToolCall { .. } => unreachable!("chat sessions alone are drawn here"),
    }
}

/// How many requests of each session are in the trace.
fn counts(events: &[Event]) -> Vec<u64> {
    let mut counts = vec![0; events.iter().map(|event| number(event) + 1).max().unwrap_or(0)];
    events.iter().filter(|event| event.at_s >= 0.0).for_each(|event| counts[number(event)] += 1);
    counts
}

/// Which sessions to keep for exactly `target` requests: in random order, those that still fit. Nothing if there are too
/// few.
fn keep(counts: &[u64], target: u64, seed: u64) -> Option<Vec<bool>> {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    let mut random = SplitMix64::stream(seed, KEPT_STREAM);
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last + 1));
    }
    let (mut kept, mut total) = (vec![false; counts.len()], 0);
    for session in order {
        if total == target {
            break;
        }
        if total + counts[session] <= target {
            kept[session] = true;
            total += counts[session];
        }
    }
    (total == target).then_some(kept)
}

/// The factor of the odds with which sessions have so many requests in the trace, on average. A session that goes on more
/// readily has the same turns and then more, so the mean grows with the odds.
fn odds_for(turns: f64, draw: impl Fn(f64) -> Vec<Event>) -> Result<f64, KnobError> {
    let mean_at = |odds: f64| {
        let counts = counts(&draw(odds));
        let n_seen = counts.iter().filter(|&&count| count > 0).count();
        counts.iter().sum::<u64>() as f64 / n_seen as f64
    };
    if turns <= 1.0 {
        return Ok(0.0);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while mean_at(high) < turns {
        if high > MOST_ODDS {
            let message = format!("{turns}: this seed reaches {:.2}", mean_at(high));
            return Err(KnobError::new("turns", message));
        }
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        let mean = mean_at(middle);
        if (mean - turns).abs() <= TURNS_TOLERANCE * turns {
            return Ok(middle);
        }
        *(if mean < turns { &mut low } else { &mut high }) = middle;
    }
    Ok(f64::midpoint(low, high))
}
