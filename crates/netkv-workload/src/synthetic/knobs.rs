//! What may be set of a generated trace: rate, session length, sharing, bursts. Each moves its own figure and leaves the
//! others, as far as that is possible; without any the trace is the generator's own.

use super::bursts::Bursts;
use super::knob_error::KnobError;
use std::ops::RangeInclusive;

/// Requests per second. The ends are ours: a few hundred requests, and as many blocks as fit in memory.
const RATE_RPS: RangeInclusive<f64> = 0.1..=100.0;

/// Mean requests of a session. The upper end is ours: the warm-up before the trace is as long as some ten turns.
const TURNS: RangeInclusive<f64> = 1.0..=4.0;

/// Share of blocks. What can be reached depends on the prompts, and is told.
const SHARED_BLOCKS: RangeInclusive<f64> = 0.0..=1.0;

/// The knobs of a generated trace. Nothing, the default, leaves the figure as the generator has it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Knobs {
    /// Requests per second, by the number of sessions: think times stay. 0.1 to 100.
    pub rate_rps: Option<f64>,
    /// Mean requests of a session that the trace has, by the odds that a session goes on after a turn; the rate stays, so
    /// there are more or fewer sessions. 1 to 4.
    pub turns: Option<f64>,
    /// The share of blocks that an infinite cache hits. Above the generator's own, sessions begin as earlier ones at
    /// least as long, chosen uniformly (H. A. Simon, "On a class of skew distribution functions", 1955: so some beginnings become
    /// popular). Below it,
    /// turns keep of their session no more than its first block. Prompts keep their lengths.
    pub shared_blocks: Option<f64>,
    /// Times of more requests. They move arrivals, and nothing else.
    pub bursts: Option<Bursts>,
}

impl Knobs {
    /// Whether they go with a trace of this kind, length and tick.
    pub(super) fn check(&self, is_conversation: bool, duration_s: f64, tick_s: f64) -> Result<(), KnobError> {
        let of_sessions = [
            ("rate", self.rate_rps, RATE_RPS, "requests per second"),
            ("turns", self.turns, TURNS, "a mean number of requests"),
            ("shared-blocks", self.shared_blocks, SHARED_BLOCKS, "a share"),
        ];
        for (knob, value, allowed, what) in of_sessions {
            let Some(value) = value else { continue };
            KnobError::unless_in(knob, value, &allowed, what)?;
            if !is_conversation {
                let hint = if knob == "rate" { "; an experiment scales any trace by workload.load" } else { "" };
                let message = format!("goes with conversation alone, whose sessions are drawn one by one{hint}");
                return Err(KnobError::new(knob, message));
            }
        }
        self.bursts.map_or(Ok(()), |bursts| bursts.check(duration_s, tick_s))
    }
}
