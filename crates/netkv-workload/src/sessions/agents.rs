//! Agents: sessions whose turns follow tool calls instead of thoughts, and turns that are sent as several requests.

use super::think::Thinker;
use crate::workload::{Request, Workload};
use netkv_units::{BlockId, RequestId, SimDuration, Stream};

/// What is an agent's, and how agents differ from people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agents {
    /// Share of sessions that are agents', in [0, 1].
    pub share_ratio: f64,
    /// Mean time that a tool runs between an answer and the next turn, in seconds; exponential.
    pub tool_s: f64,
    /// Probability that an agent's turn fans out, in [0, 1].
    pub fan_out_ratio: f64,
    /// As how many requests it is then sent, at least one.
    pub fan_out: u32,
}

/// The draws of agents: each session draws whether it is one, each turn its tool's time and whether it fans out, whatever
/// the shares; higher shares only add agents and bursts.
pub(super) struct AgentDraws {
    agents: Agents,
    kinds: Stream,
    tools: Stream,
    bursts: Stream,
}

impl AgentDraws {
    pub(super) fn new(agents: Agents, seed: u64) -> Self {
        let [kinds, tools, bursts] = ["agents", "tool times", "fan-out"].map(|purpose| Stream::new(seed, purpose));
        Self { agents, kinds, tools, bursts }
    }

    /// Whether the next session is an agent's.
    pub(super) fn is_agent(&mut self) -> bool {
        self.kinds.unit() < self.agents.share_ratio
    }

    /// The time before a turn: a thought before a person's, and before the first of a session; else that of a tool.
    pub(super) fn think(
        &mut self,
        thinker: &mut Thinker<'_>,
        own: Option<SimDuration>,
        is_agents_later: bool,
    ) -> SimDuration {
        let (thought, tool_s) = (thinker.draw(own), self.tools.exponential(self.agents.tool_s));
        if is_agents_later { SimDuration::from_secs_f64(tool_s) } else { thought }
    }

    /// As how many requests the next turn is sent.
    pub(super) fn n_requests(&mut self, is_agent: bool) -> u32 {
        let fans_out = self.bursts.unit() < self.agents.fan_out_ratio;
        if is_agent && fans_out { self.agents.fan_out } else { 1 }
    }
}

/// The workload with some requests sent several times, `copies` by request; and by old position the new ones. A copy has the
/// lengths of its original, and all its blocks but the last, which is its own: the same context, another task.
pub(super) fn fanned_out(workload: Workload, copies: &[u32]) -> (Workload, Vec<Vec<RequestId>>) {
    if copies.iter().all(|&n| n == 1) {
        let same = (0..workload.len()).map(|idx| vec![RequestId::from_index(idx)]).collect();
        return (workload, same);
    }
    let (mut requests, mut blocks): (Vec<Request>, Vec<BlockId>) = (Vec::new(), Vec::new());
    let (mut n_distinct, mut positions) = (workload.n_blocks_distinct(), Vec::with_capacity(workload.len()));
    for (idx, (own, &n)) in workload.requests().iter().zip(copies).enumerate() {
        let own_blocks = workload.blocks(RequestId::from_index(idx));
        positions.push((requests.len()..requests.len() + n as usize).map(RequestId::from_index).collect());
        for copy in 0..n {
            let first_block = blocks.len();
            requests.push(Request::new(own.arrival, own.input_tokens, own.output_tokens, own.trace_row, first_block));
            blocks.extend_from_slice(own_blocks);
            if copy > 0 {
                *blocks.last_mut().expect("a prompt has a block") = BlockId::from_index(n_distinct);
                n_distinct += 1;
            }
            debug_assert_eq!(blocks.len() - first_block, own_blocks.len(), "a copy is as long");
        }
    }
    (Workload::new(requests, blocks, n_distinct, workload.block_tokens(), workload.span()), positions)
}
