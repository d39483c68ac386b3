//! The approximation of the tool and agent trace: chat sessions, plus independent calls of two tools that each have a
//! long fixed prompt. Never compared with the real file.

use super::conversation::{self, Schedule, event};
use super::emit::{Event, Session};
use super::parameters::Parameters;
use super::random::{SplitMix64, TOOLS_STREAM};
use crate::trace::BLOCK_TOKENS;

/// All requests, in no particular order.
pub(super) fn events(parameters: &Parameters, seed: u64, length_factor: u32) -> Vec<Event> {
    let model = &parameters.toolagent_approx;
    let conversation = &parameters.conversation;
    let schedule = Schedule::new(conversation, model.n_conversation_sessions, model.slope, length_factor);
    let mut events = conversation::events(parameters, &schedule, seed);
    let mut random = SplitMix64::stream(seed, TOOLS_STREAM);
    let mut order = u32::MAX;
    for (root, tool, weight) in [(1, &model.tool_a, model.weights[1]), (2, &model.tool_b, model.weights[2])] {
        let n_calls = (f64::from(model.n) * weight) as u32;
        for _ in 0..n_calls * length_factor {
            let at_s = random.unit() * schedule.duration_s;
            let suffix = parameters.length_quantile(&tool.suffix, random.unit());
            let output = parameters.length_quantile(&tool.ol, random.unit());
            let input = i64::from(BLOCK_TOKENS * tool.prefix_blocks) + suffix;
            events.push(event(at_s, Session::ToolCall { order, root }, 0, input, output, None));
            order -= 1;
        }
    }
    events
}
