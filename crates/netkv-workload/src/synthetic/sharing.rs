//! How much prompts have in common, by one number from -1 to 1. Above 0 it is the probability that a session begins as an
//! earlier one; below, without its sign, the probability that a turn keeps no more than its session's first block.

use super::emit::{self, Beginning, Event, Session};
use super::knob_error::KnobError;
use super::random::{SHARING_STREAM, SplitMix64};
use crate::trace::BLOCK_TOKENS;

/// How near the share of blocks is brought to what is asked for. Chosen by us.
const TOLERANCE: f64 = 0.0005;

/// An event as it was drawn, and what it takes to change it.
struct Draw {
    u: f64,
    shared_blocks: Option<u32>,
    begins_as: Option<Beginning>,
}

/// Changes what prompts share until an infinite cache hits a share `target` of the blocks. Lengths and times stay.
pub(super) fn apply(events: &mut [Event], root_blocks: &[u32], target: f64, seed: u64) -> Result<(), KnobError> {
    emit::sort(events);
    let draws = draws(events, seed);
    // One block beyond the root tells the session.
    let least = root_blocks[0] + 1;
    let mut share_at = |sharing: f64| {
        for (event, draw) in events.iter_mut().zip(&draws) {
            event.begins_as = draw.begins_as.filter(|_| draw.u < sharing);
            let cut = if draw.u < -sharing { least } else { u32::MAX };
            event.shared_blocks = draw.shared_blocks.map(|shared| shared.min(cut));
        }
        let trace = emit::emit(events, 0, root_blocks);
        1.0 - trace.n_blocks_distinct() as f64 / trace.n_blocks_total() as f64
    };
    let (mut low, mut high) = (-1.0, 1.0);
    let (least, most) = (share_at(low), share_at(high));
    if !(least..=most).contains(&target) {
        let message =
            format!("{target}: allowed with this seed and the other knobs: a share from {least:.3} to {most:.3}");
        return Err(KnobError::new("shared-blocks", message));
    }
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        let share = share_at(middle);
        if (share - target).abs() <= TOLERANCE {
            break;
        }
        *(if share < target { &mut low } else { &mut high }) = middle;
    }
    Ok(())
}

/// For each event, in order, one uniform, and for each first turn one earlier session.
fn draws(events: &[Event], seed: u64) -> Vec<Draw> {
    let mut random = SplitMix64::stream(seed, SHARING_STREAM);
    // Sessions that have begun, by the full blocks of their first prompt.
    let mut begun: Vec<Vec<u32>> = Vec::new();
    let of = |event: &Event| {
        let u = random.unit();
        let mut begins_as = None;
        if let (None, Session::Main(session)) = (event.shared_blocks, event.session) {
            let n_full = event.input_tokens / BLOCK_TOKENS;
            begins_as = pick(&begun, n_full, &mut random);
            if begun.len() <= n_full as usize {
                begun.resize(n_full as usize + 1, Vec::new());
            }
            begun[n_full as usize].push(session);
        }
        Draw { u, shared_blocks: event.shared_blocks, begins_as }
    };
    events.iter().map(of).collect()
}

/// The beginning, of `n_full` blocks, of an earlier session that is as long or longer, chosen uniformly; of one of the longest
/// if none is. Nothing if that has no full block.
fn pick(begun: &[Vec<u32>], n_full: u32, random: &mut SplitMix64) -> Option<Beginning> {
    let u = random.bits();
    let n_blocks = (n_full as usize).min(begun.len().checked_sub(1)?);
    let longer = &begun[n_blocks..];
    let n_longer: usize = longer.iter().map(Vec::len).sum();
    let mut place = ((u128::from(u) * n_longer as u128) >> 64) as usize;
    for sessions in longer {
        if let Some(&session) = sessions.get(place) {
            return (n_blocks > 0).then_some(Beginning { session, n_blocks: n_blocks as u32 });
        }
        place -= sessions.len();
    }
    unreachable!("one of the longest is there")
}
