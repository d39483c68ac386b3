//! The least that a prompt takes to be computed: of its instance's time, and of the pool's.
//!
//! A prompt is cut only where its batch is full. So each of its batches but the last takes at least as long as a full one,
//! and the last at least as long as what is left: together at least as long as alone. Of the pool's time it takes at least
//! its tokens times the least that a token costs in any batch, and its pairs: a batch's time is shared out by tokens.

use netkv_sim::{PrefillMode, Scenario};

/// The least work for a prompt, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// From its first batch to the end of its last.
    pub own: f64,
    /// Of the time of all instances together.
    pub share: f64,
}

/// Seconds in a femtosecond.
const FEMTO: f64 = 1e-15;

/// Times of batches are cut to whole nanoseconds, which is at most so much for a token, in seconds.
const CUT: f64 = 1e-9;

/// The least time of a batch for each of its tokens, pairs left out, in seconds: at one token, or where the curve bends,
/// or in the largest batch, since in between it rises or falls.
fn least_of_a_token(scenario: &Scenario) -> f64 {
    let tokens = scenario.gpu.prefill.tokens;
    let most = scenario.prefill.max_batch_tokens;
    let bends = tokens.steps().iter().map(|&(from, _)| from).filter(|from| (2..most).contains(from));
    let each = |n: u32| tokens.at(u64::from(n)) as f64 * FEMTO / f64::from(n);
    bends.chain([1, most]).map(each).fold(f64::INFINITY, f64::min)
}

/// The least work for a prompt of `input_tokens`, so many of which are in the prefix cache.
pub fn work(scenario: &Scenario, input_tokens: u32, cached_tokens: u32) -> Work {
    let latency = scenario.gpu.prefill;
    // The last token is always computed.
    let cached = cached_tokens.min(input_tokens - 1);
    let seconds = |nanos: u64| nanos as f64 * 1e-9;
    match scenario.prefill.engine {
        PrefillMode::Delay => Work { own: seconds(latency.batch([(input_tokens, 0)]).as_nanos()), share: 0.0 },
        PrefillMode::Batched => {
            let own = latency.prompt(input_tokens, cached, scenario.prefill.chunk_tokens()).as_nanos();
            let (all, there) = (f64::from(input_tokens), f64::from(cached));
            let pairs = latency.per_pair_fs as f64 * FEMTO * (all * all - there * there) / 2.0;
            let share = (all - there) * (least_of_a_token(scenario) - CUT) + pairs;
            Work { own: seconds(own), share: share.max(0.0) }
        }
    }
}
