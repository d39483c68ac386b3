//! Which prompts are computed where they will be decoded, instead of being computed on a prefill instance and moved. It is
//! decided when a request arrives, by the true state at that moment, before any policy is asked; what is not kept takes the
//! usual way. Of a prompt of n tokens, a decode instance d holds h(d), and lacks u(d) = n - h(d).
//!
//! `short`: conditional disaggregation. Of the instances with the longest prefix the one with the fewest committed tokens,
//! if u < max_tokens, u / n < max_ratio, and the prompt would find memory there at once. Source: NVIDIA Dynamo, whose
//! limits are 2,048 and 0.7 (ai-dynamo/dynamo, issue 11514). Dynamo looks at the decode instance that its router has chosen;
//! taking the longest prefix, and asking for room, is ours.
//!
//! `session`: the same instance, if h >= min_hit_ratio n, whether it has room or not: the turns of a conversation stay where
//! its KV cache is. Source of the idea: ConServe (arXiv 2606.01839), and appended prefill on decode nodes (2603.13358). They
//! follow conversations; here the prefix cache says which turn belongs to which. The ratio is ours.
//!
//! `deflect`: if the prompt would wait longer on every prefill instance than a decode instance needs to compute it in chunks
//! that keep iterations within a TBT limit. Source: Kairos (Towards Load-Aware Prefill Deflection, arXiv 2607.02043), whose
//! abstract says that decode nodes take prompts, in chunks, as far as their TBT allows, that times are predicted, and that
//! nothing is moved then. The abstract has no formulas; these are ours:
//!
//! - wait(p) = prefill time of all tokens in the queue of p, as one batch; the least counts.
//! - time(d) = iterations until u(d) tokens are computed, after the prompts that are computed there already, beside the
//!   batch as it is now. d is out if it has no room, or no first chunk of min_chunk_tokens is within the limit.
//! - A chunk of c tokens is within the limit if decode time + margin_factor x (what the chunk adds) <= tbt_limit.
//! - The prompt is kept on the d of least time, ties to the fewest committed tokens, if time(d) < wait(p).

use crate::gpu::{Chunks, DecodeInstance};
use crate::present::Present;
use crate::scenario::LocalRule;
use netkv_units::RequestId;

/// The decode instance that is to compute a request's prompt itself; none if it takes the usual way. The batches are up to
/// date.
pub(crate) fn keeps(present: Present<'_>, request: RequestId) -> Option<usize> {
    let prompt = present.requests.prompt(request);
    let n = prompt.input_tokens;
    let instances = present.decode.instances();
    match present.scenario.local_prefill.rule {
        LocalRule::Never => None,
        LocalRule::Short { max_tokens, max_ratio } => {
            let (decode, hit_tokens) = longest_prefix(present, request);
            let lacking = n - hit_tokens;
            let is_short = lacking < max_tokens && f64::from(lacking) < max_ratio * f64::from(n);
            (is_short && instances[decode].has_room_for(prompt)).then_some(decode)
        }
        LocalRule::Session { min_hit_ratio } => {
            let (decode, hit_tokens) = longest_prefix(present, request);
            (f64::from(hit_tokens) >= min_hit_ratio * f64::from(n)).then_some(decode)
        }
        LocalRule::Deflect { .. } => deflects(present, request),
    }
}

/// The decode instance with the longest cached prefix of a prompt, and how long that is.
fn longest_prefix(present: Present<'_>, request: RequestId) -> (usize, u32) {
    let prefix = present.requests.prompt(request).prefix;
    let pool = present.decode.instances().iter().enumerate();
    let hits = pool.map(|(decode, instance)| (instance.memory().hit_tokens(prefix), committed(instance), decode));
    let longest = hits.min_by_key(|&(hit_tokens, committed, decode)| (u32::MAX - hit_tokens, committed, decode));
    let (hit_tokens, _, decode) = longest.expect("there is a decode instance");
    (decode, hit_tokens)
}

/// Tokens in an instance's batch and on their way to it.
fn committed(instance: &DecodeInstance) -> u64 {
    let engine = instance.engine();
    engine.running_tokens() + engine.joining_tokens() + instance.load().outside_tokens
}

/// The decode instance that would have computed the prompt before a prefill instance began to.
fn deflects(present: Present<'_>, request: RequestId) -> Option<usize> {
    let latency = present.scenario.gpu.prefill;
    let queues = present.prefill.instances().iter().map(|instance| instance.engine());
    let wait_fs = queues.map(|queue| latency.backlog_fs(queue.backlog_tokens(), queue.backlog_pairs())).min()?;
    let chunks = Chunks::new(present.scenario);
    let pool = present.decode.instances().iter().enumerate();
    let times = pool.filter_map(|(decode, instance)| {
        let time_fs = time_fs(present, request, instance, &chunks, wait_fs)?;
        Some((time_fs, committed(instance), decode))
    });
    times.min().filter(|&(time_fs, ..)| time_fs < wait_fs).map(|(.., decode)| decode)
}

/// Femtoseconds until a decode instance would have computed the prompt; none if it is not to, or they are more than
/// `limit_fs`.
fn time_fs(
    present: Present<'_>,
    request: RequestId,
    instance: &DecodeInstance,
    chunks: &Chunks,
    limit_fs: u64,
) -> Option<u64> {
    let prompt = present.requests.prompt(request);
    let decoding_fs = instance.engine().decoding_fs();
    let held = instance.memory().hit_tokens(prompt.prefix).min(prompt.input_tokens - 1);
    let lacking = prompt.input_tokens - held;
    if limit_fs == 0 || !instance.has_room_for(prompt) || !chunks.can_begin(lacking, held, decoding_fs) {
        return None;
    }
    let mut total_fs = 0;
    for ahead in instance.engine().local() {
        total_fs += chunks.whole_fs(ahead.left(), ahead.present, decoding_fs, limit_fs - total_fs)?;
    }
    Some(total_fs + chunks.whole_fs(lacking, held, decoding_fs, limit_fs - total_fs)?)
}
