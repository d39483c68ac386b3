//! The requests of a scenario: what they ask for, and how much of one prompt another begins with.

use netkv_sim::{RunOutput, Scenario};
use netkv_units::{BlockId, RequestId};
use std::collections::BTreeSet;

/// A request that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// Which one.
    pub request: RequestId,
    /// When it arrives, in seconds.
    pub arrival: f64,
    /// Tokens of the prompt.
    pub input_tokens: u32,
    /// Tokens of the answer.
    pub output_tokens: u32,
    /// The whole blocks of the prompt.
    pub prefix: Vec<BlockId>,
    /// Tokens of each of them.
    pub block_tokens: u32,
    /// Whether it counts in the mean.
    pub counted: bool,
}

/// The requests of a run of `scenario`, in order of arrival.
pub fn prompts(scenario: &Scenario, output: &RunOutput) -> Vec<Prompt> {
    let (mut all, mut blocks) = (scenario.workload.draw(), Vec::new());
    let (mut drawn, block_tokens) = (0, scenario.workload.block_tokens());
    let mut prompts = Vec::with_capacity(output.requests.len());
    for record in &output.requests {
        // Those between were rejected: they can never fit.
        while drawn <= record.request.index() {
            all.next(&mut blocks).expect("the run has no request that the workload has not");
            drawn += 1;
        }
        prompts.push(Prompt {
            request: record.request,
            arrival: record.arrival.as_nanos() as f64 * 1e-9,
            input_tokens: record.input_tokens,
            output_tokens: record.output_tokens,
            prefix: blocks[..(record.input_tokens / block_tokens) as usize].to_vec(),
            block_tokens,
            counted: record.counted,
        });
    }
    prompts
}

impl Prompt {
    /// Tokens of whole blocks that it begins with as `other` does.
    pub fn shared_tokens(&self, other: &Self) -> u32 {
        let blocks = self.prefix.iter().zip(&other.prefix).take_while(|(own, its)| own == its).count();
        blocks as u32 * self.block_tokens
    }
}

/// Memory blocks that these prompts take at the most if all are on one instance at once, answers included if
/// `with_answers`.
pub fn blocks_together<'a>(scenario: &Scenario, prompts: impl Iterator<Item = &'a Prompt>, with_answers: bool) -> u64 {
    let per_prefix = u64::from(scenario.workload.block_tokens() / scenario.kv.block_tokens);
    let of = |tokens: u32| u64::from(tokens.div_ceil(scenario.kv.block_tokens));
    let (mut shared, mut own) = (BTreeSet::new(), 0);
    for prompt in prompts {
        // One more for the token that is being made.
        let answer = if with_answers { of(prompt.output_tokens) + 1 } else { 0 };
        own += of(prompt.input_tokens) + answer;
        if scenario.kv.prefix_caching {
            own -= prompt.prefix.len() as u64 * per_prefix;
            shared.extend(prompt.prefix.iter().copied());
        }
    }
    own + shared.len() as u64 * per_prefix
}
