//! The prefill instance, by what is best from there on.

use super::netkv_guarded::Best;
use crate::candidate::PrefillCandidate;
use crate::estimates::PrefillModel;
use crate::request::{PromptView, RequestView};

/// The position in `prefill` of the instance with the best decode instance to go to, `best`, and of those of one standing with
/// the least of its cost, the predicted end of prefill, and `lateness_s` if that is late already. `best` is asked for the
/// decode instance of a request whose first token is to come in so many seconds after prefill. Ties go to the lowest id.
pub(super) fn choose_prefill(
    prompt: &PromptView,
    prefill: &[PrefillCandidate],
    model: &PrefillModel,
    lateness_s: f64,
    best: impl Fn(&RequestView, f64) -> Best,
) -> usize {
    let (mut chosen, mut standing, mut least_s) = (0, 0, f64::INFINITY);
    for (index, candidate) in prefill.iter().enumerate() {
        let request = RequestView { source: candidate.instance, prompt: *prompt };
        let done_s = candidate.done_s(prompt, model);
        let left_s = prompt.ttft_left.as_secs_f64() - done_s;
        let best = best(&request, left_s);
        let late_s = if left_s > 0.0 { 0.0 } else { lateness_s };
        let total_s = done_s + best.cost_s + late_s;
        if best.standing > standing || (best.standing == standing && total_s < least_s) {
            (chosen, standing, least_s) = (index, best.standing, total_s);
        }
    }
    chosen
}
